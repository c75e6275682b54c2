#include <metal_stdlib>
using namespace metal;
typedef uint u32;
typedef float f32;
typedef uint4 u4;
typedef float4 f4;

#ifndef SDC_CHECKED_BUFFERS
typedef device f4 *Arena;
typedef constant u32 *Arguments;
typedef device f4 *Buffer;
#define SDC_BUFFER(i) (arena + arguments[i])
#endif

// What a step is: images, the key of its draws, its number, the learning rate.
struct Step {
  u32 batch, seed_low, seed_high, number;
  f32 rate;
};

static inline u4 pack_u(u32 x, u32 y, u32 z, u32 w) { return uint4(x, y, z, w); }
static inline f4 pack(f32 x, f32 y, f32 z, f32 w) { return float4(x, y, z, w); }
static inline f4 splat(f32 x) { return float4(x, x, x, x); }
static inline f32 lane(f4 v, u32 i) { return v[i]; }
static inline u32 word(u4 v, u32 i) { return v[i]; }
static inline u32 least(u32 a, u32 b) { return a < b ? a : b; }
static inline u32 high_product(u32 a, u32 b) { return mulhi(a, b); }
static inline f32 real(u32 x) { return f32(x); }
static inline f32 real_signed(u32 x) { return f32(int(x)); }
static inline u32 whole(f32 x) { return u32(int(x)); }
static inline u32 bits_of(f32 x) { return as_type<u32>(x); }
static inline f32 float_of(u32 x) { return as_type<f32>(x); }
static inline f32 nearest(f32 x) { return rint(x); }
static inline f32 root(f32 x) { return sqrt(x); }
static inline f32 fused(f32 a, f32 b, f32 c) { return fma(a, b, c); }
