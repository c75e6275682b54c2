alias u4 = vec4<u32>;
alias f4 = vec4<f32>;

// What a step is: images, the key of its draws, its number, the learning rate.
struct Step {
  batch: u32, seed_low: u32, seed_high: u32, number: u32,
  rate: f32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f4>;
@group(0) @binding(1) var<storage, read> arguments: array<u32>;
@group(0) @binding(2) var<storage, read> this_step: Step;

fn pack_u(x: u32, y: u32, z: u32, w: u32) -> u4 { return u4(x, y, z, w); }
fn pack(x: f32, y: f32, z: f32, w: f32) -> f4 { return f4(x, y, z, w); }
fn splat(x: f32) -> f4 { return f4(x, x, x, x); }
fn lane(v: f4, i: u32) -> f32 { return v[i]; }
fn word(v: u4, i: u32) -> u32 { return v[i]; }
fn least(a: u32, b: u32) -> u32 { return min(a, b); }
fn high_product(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let first = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let second = (a & 0xffffu) * (b >> 16u) + (first & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (first >> 16u) + (second >> 16u);
}
fn real(x: u32) -> f32 { return f32(x); }
fn real_signed(x: u32) -> f32 { return f32(i32(x)); }
fn whole(x: f32) -> u32 { return u32(i32(x)); }
fn bits_of(x: f32) -> u32 { return bitcast<u32>(x); }
fn float_of(x: u32) -> f32 { return bitcast<f32>(x); }
fn nearest(x: f32) -> f32 { return round(x); }
fn root(x: f32) -> f32 { return sqrt(x); }
fn fused(a: f32, b: f32, c: f32) -> f32 { return fma(a, b, c); }
