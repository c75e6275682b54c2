//! NEON: four floats, thirty-two registers.

use std::arch::aarch64::*;

use super::{Routine, Vector};
use crate::kernel::BLOCK;

#[derive(Clone, Copy)]
pub(super) struct Neon(float32x4_t);

/// Does a routine with the set.
///
/// # Safety
/// The processor has the set; else as the routine's maker promises.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<R: Routine>(routine: R) {
    // SAFETY: as the caller promises.
    unsafe { routine.run::<Neon, { BLOCK / Neon::LANES }>() }
}

impl Vector for Neon {
    const LANES: usize = 4;
    const ROWS: [usize; 2] = [6, 0];

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Neon(vdupq_n_f32(x)) }
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Neon(vld1q_f32(p)) }
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { vst1q_f32(p, self.0) }
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Neon(vaddq_f32(self.0, b.0)) }
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Neon(vsubq_f32(self.0, b.0)) }
    }

    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Neon(vmulq_f32(self.0, b.0)) }
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Neon(vfmaq_f32(self.0, a.0, b.0)) }
    }

    #[inline(always)]
    fn fnma(self, a: Self, b: Self) -> Self {
        // SAFETY: the value shows that the processor has the set.
        unsafe { Neon(vfmsq_f32(self.0, a.0, b.0)) }
    }
}
