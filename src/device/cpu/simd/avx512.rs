//! AVX-512: sixteen floats, thirty-two registers.

use std::arch::x86_64::*;

use super::{Routine, Vector};
use crate::kernel::BLOCK;

#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

/// Does a routine with the set.
///
/// # Safety
/// The processor has the set; else as the routine's maker promises.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run<R: Routine>(routine: R) {
    // SAFETY: as the caller promises.
    unsafe { routine.run::<Avx512, { BLOCK / Avx512::LANES }>() }
}

impl Vector for Avx512 {
    const LANES: usize = 16;
    const ROWS: [usize; 2] = [16, 8];

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Avx512(_mm512_set1_ps(x)) }
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Avx512(_mm512_loadu_ps(p)) }
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx512(_mm512_add_ps(self.0, b.0)) }
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx512(_mm512_sub_ps(self.0, b.0)) }
    }

    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx512(_mm512_mul_ps(self.0, b.0)) }
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx512(_mm512_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    fn fnma(self, a: Self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Avx512(_mm512_fnmadd_ps(a.0, b.0, self.0)) }
    }
}
