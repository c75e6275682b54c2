// Runs a kernel's text on the CPU: a fiber a thread, blocks one after another.
//
// What a real device would do in any order is done in an order that the caller picks, so that a result which depends on
// it shows. Checked besides: every index of a buffer; a vector that one block writes and another block reads or writes in
// the same launch, unless the writer had counted and the reader is the last to count; threads of a block that wait while
// others have left.
#pragma once
#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>
#include <ucontext.h>

namespace simt {
const size_t STACK = 64 << 10;
enum class State { Ready, Waiting, Done };
struct Fiber {
  ucontext_t context;
  jmp_buf at;
  char *stack = nullptr;
  bool started = false;
  State state = State::Ready;
  unsigned number = 0;
  unsigned turns = 0;
};
inline std::vector<Fiber> fibers;
inline Fiber *current = nullptr;
inline jmp_buf scheduler;
inline void (*body)() = nullptr;
inline unsigned group[2];
inline const char *kernel = "";
inline uint64_t launch_number = 0;

[[noreturn]] inline void fail(const char *what, const char *detail = "") {
  std::fprintf(stderr, "%s, block %u %u, thread %u: %s%s\n", kernel, group[0], group[1],
               current ? current->number : 0, what, detail);
  std::exit(3);
}

inline void leave(State state) {
  current->state = state;
  if (!_setjmp(current->at)) _longjmp(scheduler, 1);
}
inline void wait_for_block() { leave(State::Waiting); }
// Waits, and says whether any thread of the block came with `x`. Three slots in turn: one grows, one is read, one is reset.
inline bool any[3];
inline bool wait_for_any(bool x) {
  unsigned turn = current->turns++ % 3;
  any[turn] |= x;
  any[(turn + 1) % 3] = false;
  wait_for_block();
  return any[turn];
}
inline void entry() {
  body();
  current->state = State::Done;
  _longjmp(scheduler, 1);
}
inline void resume(Fiber &fiber) {
  current = &fiber;
  fiber.state = State::Ready;
  if (_setjmp(scheduler)) return;
  if (fiber.started) _longjmp(fiber.at, 1);
  fiber.started = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
  setcontext(&fiber.context);
}

// The order in which threads and blocks take their turns: 0 forward, 1 reverse, else drawn from the number.
struct Order {
  unsigned kind;
  uint64_t state;
  explicit Order(unsigned kind) : kind(kind), state(kind * 0x9E3779B97F4A7C15ull + 1) {}
  uint64_t next() {
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    return state;
  }
  void arrange(std::vector<unsigned> &list) {
    for (unsigned i = 0; i < list.size(); i++) list[i] = i;
    if (kind == 1) std::reverse(list.begin(), list.end());
    if (kind > 1)
      for (size_t i = list.size(); i > 1; i--) std::swap(list[i - 1], list[next() % i]);
  }
};

void begin_block();
inline void run_block(unsigned threads, Order &order) {
  static std::vector<unsigned> turn;
  while (fibers.size() < threads) {
    fibers.emplace_back();
    fibers.back().stack = static_cast<char *>(std::malloc(STACK));
  }
  for (unsigned i = 0; i < threads; i++) {
    fibers[i].started = false;
    fibers[i].state = State::Ready;
    fibers[i].number = i;
    fibers[i].turns = 0;
  }
  any[0] = any[1] = any[2] = false;
  begin_block();
  turn.resize(threads);
  for (;;) {
    order.arrange(turn);
    for (unsigned i : turn) resume(fibers[i]);
    unsigned done = 0;
    for (unsigned i = 0; i < threads; i++) done += fibers[i].state == State::Done;
    if (done == threads) return;
    if (done) fail("a barrier that some threads of the block never reach");
  }
}

void begin_launch();
inline void run(const char *name, unsigned groups_x, unsigned groups_y, unsigned threads, Order &order) {
  kernel = name;
  launch_number++;
  begin_launch();
  std::vector<unsigned> turn(static_cast<size_t>(groups_x) * groups_y);
  order.arrange(turn);
  for (unsigned block : turn) {
    group[0] = block % groups_x;
    group[1] = block / groups_x;
    run_block(threads, order);
  }
}

// Who touched a vector of the arena last.
struct Trace {
  uint64_t launch = 0;
  uint64_t writer = 0; // a block's number from 1; 0: none in this launch
};
template <class V> struct Arena {
  V *data;
  Trace *traces;
};
inline uint64_t block_number() { return (static_cast<uint64_t>(group[1]) << 32 | group[0]) + 1; }

// What blocks of a launch told of what they wrote, by counting on a counter after a fence: the last one sees it.
inline std::map<const void *, std::vector<uint64_t>> told;
inline std::unordered_set<uint64_t> seen;
inline bool fenced = false, has_told = false;
inline void count(const void *counter, bool last) {
  if (!fenced) fail("counts without a fence before it");
  fenced = false;
  std::vector<uint64_t> &blocks = told[counter];
  blocks.push_back(block_number());
  if (!last) { has_told = true; return; }
  seen.insert(blocks.begin(), blocks.end());
  blocks.clear();
}

inline void begin_block() { seen.clear(); fenced = has_told = false; }
inline void begin_launch() { told.clear(); }

// A buffer that checks every access; `Written` says whether it may be written.
template <class V, bool Written> struct Checked {
  V *data;
  Trace *traces;
  uint32_t len;

  struct Element {
    V *at;
    Trace *trace;
    operator V() const {
      if (trace->launch == launch_number && trace->writer != block_number() && !seen.count(trace->writer))
        fail("reads what another block writes");
      return *at;
    }
    void operator=(V value) const {
      static_assert(Written, "a source is not written");
      if (trace->launch == launch_number && trace->writer != block_number()) fail("writes what another block writes");
      if (has_told) fail("writes after it has counted, which no block sees");
      *trace = {launch_number, block_number()};
      *at = value;
    }
    void operator=(const Element &other) const { *this = static_cast<V>(other); }
  };
  Element operator[](uint32_t i) const {
    if (i >= len) {
      char text[64];
      std::snprintf(text, sizeof text, "%u of %u", i, len);
      fail("an index outside its buffer: ", text);
    }
    return {data + i, traces + i};
  }
};

// What a launch passes.
struct Argument {
  enum Kind { Buffer, Uint, Float } kind;
  uint32_t offset, len; // vectors
  uint32_t word;
};
} // namespace simt
