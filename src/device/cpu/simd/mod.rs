//! Vectors of floats: one source for AVX-512, AVX2 and NEON, chosen when the program runs, and a portable set for tests.
//!
//! A block of sixteen channels is `P` vectors of a set with 16 / P lanes. Lanes never meet: an output element is one
//! chain of fused multiply-adds in the order of the source, so that every set gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use crate::kernel::BLOCK;

/// A register of floats. A value exists only where the processor has its set, so that work on values is safe.
pub(super) trait Vector: Copy {
    /// Floats in it; a divisor of 16.
    const LANES: usize;
    /// Rows of sixteen channels that are summed in registers at a time, and rows of twice sixteen: none where registers
    /// are too few to gain by it.
    const ROWS: [usize; 2];
    /// Whether blocks are summed by twos.
    const PAIRS: bool = Self::ROWS[1] > 0;

    /// The same number in all lanes.
    ///
    /// # Safety
    /// The processor has the set.
    unsafe fn splat(x: f32) -> Self;
    /// The same number in all lanes of a vector like this one.
    #[inline(always)]
    fn like(self, x: f32) -> Self {
        // SAFETY: a value exists only where the processor has its set.
        unsafe { Self::splat(x) }
    }
    /// What lies at `p`, aligned or not.
    ///
    /// # Safety
    /// The processor has the set; `p` may be read for the vector's length.
    unsafe fn load(p: *const f32) -> Self;
    /// Writes to `p`, aligned or not.
    ///
    /// # Safety
    /// `p` may be written for the vector's length.
    unsafe fn store(self, p: *mut f32);
    /// self + b
    fn add(self, b: Self) -> Self;
    /// self - b
    fn sub(self, b: Self) -> Self;
    /// self * b
    fn mul(self, b: Self) -> Self;
    /// self + a * b, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;
    /// self - a * b, rounded once.
    fn fnma(self, a: Self, b: Self) -> Self;
}

/// Functions that ask for a cache line, each by an instruction of x86-64 and of 64-bit ARM.
macro_rules! hints {
    ($($(#[$documentation:meta])* $name:ident: $x86:literal, $arm:literal;)*) => {$(
        $(#[$documentation])*
        #[inline(always)]
        pub(super) fn $name(p: *const f32) {
            // SAFETY: a hint: no address faults, and nothing changes.
            #[cfg(target_arch = "x86_64")]
            unsafe {
                std::arch::asm!(concat!($x86, " [{}]"), in(reg) p, options(nostack, preserves_flags, readonly));
            }
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            unsafe {
                std::arch::asm!(concat!("prfm ", $arm, ", [{}]"), in(reg) p, options(nostack, preserves_flags, readonly));
            }
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            let _ = p;
        }
    )*};
}

hints! {
    /// Asks for the cache line of `p`, which is about to be written.
    expect_write: "prefetchw", "pstl2keep";
    /// Asks for the cache line of `p`, which is about to be read, into the second-level cache.
    expect_read: "prefetcht1", "pldl2keep";
}

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Plain Rust, for tests and for processors that are old.
    Portable,
}

/// Work that is compiled once for each set: everything that it calls is `#[inline(always)]`.
pub(super) trait Routine {
    /// Does it with vectors V, P of which are a block.
    ///
    /// # Safety
    /// The processor has the set of V; else as the routine's maker promises.
    unsafe fn run<V: Vector, const P: usize>(self);
}

impl Isa {
    /// The widest set of this processor.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Isa::Avx2;
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            return Isa::Neon;
        }
        Isa::Portable
    }

    /// Every set that this processor has.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Isa> {
        let mut all = vec![Isa::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Isa::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                all.push(Isa::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Isa::Neon);
        all
    }

    /// Does a routine with this set.
    ///
    /// # Safety
    /// As the routine's maker promises; the set is one that the processor has, as from [`Isa::detect`].
    #[inline]
    pub(super) unsafe fn run<R: Routine>(self, routine: R) {
        match self {
            // SAFETY: the processor has the set.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::run(routine) },
            // SAFETY: the processor has the set.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::run(routine) },
            // SAFETY: the processor has the set.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { neon::run(routine) },
            // SAFETY: plain Rust needs no set.
            Isa::Portable => unsafe { routine.run::<portable::Portable, { BLOCK / portable::Portable::LANES }>() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Isa, Routine, Vector};
    use crate::kernel::BLOCK;
    use crate::num::draw::Stream;

    type Row = [f32; BLOCK];

    /// Every operation on two rows of channels.
    struct All<'a> {
        a: &'a Row,
        b: &'a Row,
        out: &'a mut [Row; 6],
    }

    impl Routine for All<'_> {
        // SAFETY: the rows are whole.
        #[inline(always)]
        unsafe fn run<V: Vector, const P: usize>(self) {
            for at in (0..P).map(|p| p * V::LANES) {
                // SAFETY: the processor has the set, and P vectors are a row.
                unsafe {
                    let (a, b) = (V::load(self.a.as_ptr().add(at)), V::load(self.b.as_ptr().add(at)));
                    let all = [V::splat(0.1), a.add(b), a.sub(b), a.mul(b), a.fma(b, b), a.fnma(b, a)];
                    for (row, value) in self.out.iter_mut().zip(all) {
                        value.store(row.as_mut_ptr().add(at));
                    }
                }
            }
        }
    }

    #[test]
    fn every_set_gives_the_same_bits() {
        let mut words = Stream::of_path("simd").all_words(0, 0).map(|word| word as i32 as f32 / 1e8);
        for _ in 0..200 {
            let [a, b] = [(); 2].map(|()| -> Row { std::array::from_fn(|_| words.next().expect("endless")) });
            let results = Isa::all().into_iter().map(|isa| {
                let mut out = [[0.0; BLOCK]; 6];
                // SAFETY: the processor has all these sets.
                unsafe { isa.run(All { a: &a, b: &b, out: &mut out }) };
                (isa, out.map(|row| row.map(f32::to_bits)))
            });
            let results: Vec<_> = results.collect();
            for (isa, bits) in &results {
                assert_eq!(*bits, results[0].1, "{isa:?} and {:?}", results[0].0);
            }
            assert_eq!(results[0].1[4][0], b[0].mul_add(b[0], a[0]).to_bits(), "self + b * b, rounded once");
        }
    }
}
