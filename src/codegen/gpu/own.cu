typedef unsigned int u32;
typedef float f32;
typedef uint4 u4;
typedef float4 f4;

#ifndef SDC_CHECKED_BUFFERS
typedef const f4 *__restrict__ Source;
typedef f4 *__restrict__ Buffer;
typedef u32 *__restrict__ Counters;
#endif

// What a step is: images, the key of its draws, its number, the learning rate.
struct Step {
  u32 batch, seed_low, seed_high, number;
  f32 rate;
};

#define SDC_F static __device__ __forceinline__
SDC_F u4 pack_u(u32 x, u32 y, u32 z, u32 w) { return make_uint4(x, y, z, w); }
SDC_F f4 pack(f32 x, f32 y, f32 z, f32 w) { return make_float4(x, y, z, w); }
SDC_F f4 splat(f32 x) { return make_float4(x, x, x, x); }
SDC_F f4 operator-(f4 a) { return make_float4(-a.x, -a.y, -a.z, -a.w); }
SDC_F f4 operator+(f4 a, f4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
SDC_F f4 operator-(f4 a, f4 b) { return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w); }
SDC_F f4 operator*(f4 a, f4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
SDC_F f4 operator/(f4 a, f4 b) { return make_float4(a.x / b.x, a.y / b.y, a.z / b.z, a.w / b.w); }
SDC_F f32 lane(f4 v, u32 i) { return i == 0u ? v.x : i == 1u ? v.y : i == 2u ? v.z : v.w; }
SDC_F u32 word(u4 v, u32 i) { return i == 0u ? v.x : i == 1u ? v.y : i == 2u ? v.z : v.w; }
SDC_F u32 least(u32 a, u32 b) { return a < b ? a : b; }
SDC_F u32 high_product(u32 a, u32 b) { return __umulhi(a, b); }
SDC_F f32 real(u32 x) { return (f32)x; }
SDC_F f32 real_signed(u32 x) { return (f32)(int)x; }
SDC_F u32 whole(f32 x) { return (u32)(int)x; }
SDC_F u32 bits_of(f32 x) { return __float_as_uint(x); }
SDC_F f32 float_of(u32 x) { return __uint_as_float(x); }
SDC_F f32 nearest(f32 x) { return rintf(x); }
SDC_F f32 root(f32 x) { return sqrtf(x); }
SDC_F f32 fused(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }
// Whether this block of threads is the last of `all` that count on this counter, which is 0 again then. What the others
// wrote before they counted is seen from here on.
SDC_F bool is_last(Counters counters, u32 counter, u32 all) {
  bool last = false;
  __syncthreads();
  if (threadIdx.x == 0u) {
    __threadfence();
    last = atomicInc(&counters[counter], all - 1u) == all - 1u;
    __threadfence();
  }
  return __syncthreads_or(last);
}
