// What NVRTC has without a header, for g++.
#pragma once
#include "simt.h"
#define SDC_CHECKED_BUFFERS
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
struct uint4 { unsigned x, y, z, w; };
struct float4 { float x, y, z, w; };
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32); }
inline unsigned __float_as_uint(float x) { unsigned u; std::memcpy(&u, &x, 4); return u; }
inline float __uint_as_float(unsigned u) { float x; std::memcpy(&x, &u, 4); return x; }
typedef simt::Checked<float4, false> Source;
typedef simt::Checked<float4, true> Buffer;
struct Index { unsigned x, y; };
#define blockIdx (Index{simt::group[0], simt::group[1]})
#define threadIdx (Index{simt::current->number, 0})
inline void __syncthreads() { simt::wait_for_block(); }
inline int __syncthreads_or(int x) { return simt::wait_for_any(x != 0); }
inline void __threadfence() { simt::fenced = true; }
inline unsigned atomicInc(unsigned *counter, unsigned limit) {
  unsigned before = *counter;
  *counter = before >= limit ? 0 : before + 1;
  simt::count(counter, before >= limit);
  return before;
}
struct Counters {
  unsigned *data;
  unsigned len;
  unsigned &operator[](unsigned i) const {
    if (i >= len) simt::fail("a counter that is not there");
    return data[i];
  }
};

typedef float4 Vector;
struct Step;
namespace simt {
inline const ::Step *the_step;
inline Arena<float4> the_arena;
inline const Argument *the_arguments;
template <class T> struct Given;
template <bool W> struct Given<Checked<float4, W>> {
  static Checked<float4, W> of(const Argument &a) { return {the_arena.data + a.offset, the_arena.traces + a.offset, a.len}; }
};
template <> struct Given<Counters> {
  static Counters of(const Argument &a) { return {reinterpret_cast<unsigned *>(the_arena.data + a.offset), 4 * a.len}; }
};
template <> struct Given<unsigned> { static unsigned of(const Argument &a) { return a.word; } };
template <> struct Given<float> { static float of(const Argument &a) { return __uint_as_float(a.word); } };
template <class... A, size_t... I> void call(void (*f)(const ::Step *, A...), std::index_sequence<I...>) {
  f(the_step, Given<A>::of(the_arguments[I])...);
}
template <class... A> void enter(void (*f)(const ::Step *, A...)) { call(f, std::index_sequence_for<A...>{}); }
} // namespace simt
