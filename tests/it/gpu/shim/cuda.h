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

// Tensor cores. A warp's product needs the fragments of all its threads: each lays down its own, waits, and computes what
// it holds of the result. Which element lies with which thread is what the PTX ISA says of mma.m16n8k8 and m16n8k16.
#define SDC_TENSOR_CORES_ELSEWHERE
inline unsigned rounded(unsigned bits, unsigned add, unsigned mask) {
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + add) & mask;
}
inline unsigned to_tf32(float x) { return rounded(__float_as_uint(x), 0x1000u, ~0x1fffu); }
inline unsigned bf16(float x) {
  unsigned bits = __float_as_uint(x);
  return rounded(bits, 0x7fffu + (bits >> 16 & 1u), ~0u) >> 16;
}
inline unsigned to_bf16(float low, float high) { return bf16(low) | bf16(high) << 16; }
namespace simt {
struct Fragment { unsigned a[4], b[2]; };
inline Fragment fragments[1024];
// An element of a (row below 16) and of b (column below 8) at a depth, with so many numbers in a word.
template <unsigned PACKED> float unpacked(unsigned word, unsigned depth) {
  if (PACKED == 1) return __uint_as_float(word);
  return __uint_as_float(depth % 2 ? word & 0xffff0000u : word << 16);
}
template <unsigned PACKED> float4 product(Fragment own, float4 sum) {
  const unsigned me = current->number, first = me / 32 * 32, g = me % 32 / 4, t = me % 4, half = 4 * PACKED;
  fragments[me] = own;
  wait_for_block();
  auto element = [&](unsigned row, unsigned column) {
    float total = 0;
    for (unsigned k = 0; k < 2 * half; k++) {
      const unsigned lane = k % half / PACKED;
      const Fragment &a = fragments[first + row % 8 * 4 + lane], &b = fragments[first + column * 4 + lane];
      total += unpacked<PACKED>(a.a[row / 8 + 2 * (k / half)], k) * unpacked<PACKED>(b.b[k / half], k);
    }
    return total;
  };
  sum.x += element(g, 2 * t);
  sum.y += element(g, 2 * t + 1);
  sum.z += element(g + 8, 2 * t);
  sum.w += element(g + 8, 2 * t + 1);
  wait_for_block();
  return sum;
}
} // namespace simt
inline float4 product_tf32(unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1, float4 sum) {
  return simt::product<1>({{a0, a1, a2, a3}, {b0, b1}}, sum);
}
inline float4 product_bf16(unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1, float4 sum) {
  return simt::product<2>({{a0, a1, a2, a3}, {b0, b1}}, sum);
}

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
