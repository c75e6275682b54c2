// Products on tensor cores: sums are kept in 32 bits, operands are rounded when a fragment is made.
SDC_F f32 element(const f4 *array, u32 i) { return ((const f32 *)array)[i]; }
SDC_F void set_element(f4 *array, u32 i, f32 x) { ((f32 *)array)[i] = x; }

#ifndef SDC_TENSOR_CORES_ELSEWHERE
// To TF32: 10 bits behind the point, the nearest, ties away from 0.
SDC_F u32 to_tf32(f32 x) {
  u32 bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
// Two numbers to bf16, the nearest, ties to even; the first lies low.
SDC_F u32 to_bf16(f32 low, f32 high) {
  u32 bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
// sum += a b by the 32 threads of a warp: a is 16 x 8, b is 8 x 8.
SDC_F f4 product_tf32(u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1, f4 sum) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sum.x), "+f"(sum.y), "+f"(sum.z), "+f"(sum.w)
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  return sum;
}
// The same with a 16 x 16 and b 16 x 8.
SDC_F f4 product_bf16(u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1, f4 sum) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sum.x), "+f"(sum.y), "+f"(sum.z), "+f"(sum.w)
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  return sum;
}
#endif
