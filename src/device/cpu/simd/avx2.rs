//! AVX2 with FMA: eight floats, sixteen registers.

use std::arch::x86_64::*;

use super::{Routine, Vector};
use crate::kernel::BLOCK;

#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

/// Does a routine with the set.
///
/// # Safety
/// The processor has the set; else as the routine's maker promises.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<R: Routine>(routine: R) {
    // SAFETY: as the caller promises.
    unsafe { routine.run::<Avx2, { BLOCK / Avx2::LANES }>() }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    const ROWS: [usize; 2] = [6, 0];

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Avx2(_mm256_set1_ps(x)) }
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Avx2(_mm256_loadu_ps(p)) }
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx2(_mm256_add_ps(self.0, b.0)) }
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx2(_mm256_sub_ps(self.0, b.0)) }
    }

    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx2(_mm256_mul_ps(self.0, b.0)) }
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx2(_mm256_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    fn fnma(self, a: Self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx2(_mm256_fnmadd_ps(a.0, b.0, self.0)) }
    }
}
