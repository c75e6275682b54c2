//! Plain Rust: slow, and the same bits as the sets of a processor.

use super::Vector;

const LANES: usize = 16;

#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn map(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|i| f(self.0[i], b.0[i])))
    }
}

impl Vector for Portable {
    const LANES: usize = LANES;
    const ROWS: [usize; 2] = [4, 2];

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; LANES])
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: as the caller promises.
        Portable(unsafe { p.cast::<[f32; LANES]>().read_unaligned() })
    }

    // SAFETY: see `Vector`.
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { p.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        self.map(b, |x, y| x + y)
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        self.map(b, |x, y| x - y)
    }

    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        self.map(b, |x, y| x * y)
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| a.0[i].mul_add(b.0[i], self.0[i])))
    }

    #[inline(always)]
    fn fnma(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| (-a.0[i]).mul_add(b.0[i], self.0[i])))
    }
}
