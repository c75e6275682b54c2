//! The innermost loop of every contraction: rows of sixteen sums in registers.

use super::super::simd::{Vector, expect_write};
use crate::kernel::BLOCK;

/// Where a product reads its scalars: row r of step i at `start + r * row + i * step`.
#[derive(Clone, Copy)]
pub(super) struct Scalars {
    pub(super) start: *const f32,
    pub(super) row: usize,
    pub(super) step: usize,
}

/// A register tile: R rows of sixteen sums.
pub(super) type Sums<V, const P: usize, const R: usize> = [[V; P]; R];

/// `sums[r] += scalars[r, i] * lanes[i]` for i = 0, 1, … `count` in this order; lanes lie side by side.
///
/// # Safety
/// The processor has the set of V; everything named may be read.
#[inline(always)]
pub(super) unsafe fn accumulate<V: Vector, const P: usize, const R: usize>(
    sums: &mut Sums<V, P, R>,
    scalars: Scalars,
    lanes: *const f32,
    count: usize,
) {
    const UNROLL: usize = 4;
    let Scalars { mut start, row, step } = scalars;
    let mut lanes = lanes;
    let mut left = count;
    // SAFETY: as the caller promises.
    unsafe {
        while left >= UNROLL {
            for i in 0..UNROLL {
                one::<V, P, R>(sums, start.add(i * step), row, lanes.add(i * BLOCK));
            }
            start = start.add(UNROLL * step);
            lanes = lanes.add(UNROLL * BLOCK);
            left -= UNROLL;
        }
        while left > 0 {
            one::<V, P, R>(sums, start, row, lanes);
            start = start.add(step);
            lanes = lanes.add(BLOCK);
            left -= 1;
        }
    }
}

/// One step of [`accumulate`].
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
unsafe fn one<V: Vector, const P: usize, const R: usize>(
    sums: &mut Sums<V, P, R>,
    scalars: *const f32,
    row: usize,
    lanes: *const f32,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let lanes: [V; P] = std::array::from_fn(|p| V::load(lanes.add(p * V::LANES)));
        for (r, sums) in sums.iter_mut().enumerate() {
            let scalar = V::splat(*scalars.add(r * row));
            for p in 0..P {
                sums[p] = sums[p].fma(scalar, lanes[p]);
            }
        }
    }
}

/// A register tile of zeros.
///
/// # Safety
/// The processor has the set of V.
#[inline(always)]
pub(super) unsafe fn zeros<V: Vector, const P: usize, const R: usize>() -> Sums<V, P, R> {
    // SAFETY: as the caller promises.
    [[unsafe { V::splat(0.0) }; P]; R]
}

/// A register tile that lies at `from`, its rows `pitch` apart.
///
/// # Safety
/// The processor has the set of V; the rows may be read.
#[inline(always)]
pub(super) unsafe fn load<V: Vector, const P: usize, const R: usize>(from: *const f32, pitch: usize) -> Sums<V, P, R> {
    // SAFETY: as the caller promises.
    std::array::from_fn(|r| std::array::from_fn(|p| unsafe { V::load(from.add(r * pitch + p * V::LANES)) }))
}

/// Writes a register tile to `to`, its rows `pitch` apart.
///
/// # Safety
/// The rows may be written.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const P: usize, const R: usize>(
    sums: &Sums<V, P, R>,
    to: *mut f32,
    pitch: usize,
) {
    for (r, sums) in sums.iter().enumerate() {
        for (p, sum) in sums.iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { sum.store(to.add(r * pitch + p * V::LANES)) };
        }
    }
}

/// Asks for the R rows of sums that come a register tile or two after those at `sum`: the sums of wide layers lie beyond the
/// second-level cache.
#[inline(always)]
pub(super) fn expect_sums<const R: usize>(sum: *const f32) {
    (0..R).for_each(|row| expect_write(sum.wrapping_add((2 * BLOCK + row) * BLOCK)));
}

/// How many of `left` rows come next, where `most` fit the registers: even parts, since a lone row starves the units.
#[inline(always)]
pub(super) fn next_rows(left: usize, most: usize) -> usize {
    let even = if left >= 2 * most {
        most
    } else if left > most {
        left.div_ceil(2)
    } else {
        left
    };
    match even {
        16.. => 16,
        12.. => 12,
        8.. => 8,
        7 => 4,
        _ => even,
    }
}

/// Calls `f::<V, P, R>` for `count` rows in register tiles: `f(first row, arguments)`.
macro_rules! by_rows {
    ($V:ident, $P:ident, $count:expr, |$first:ident| $f:ident($($argument:expr),* $(,)?)) => {{
        let count = $count;
        let mut $first = 0;
        while $first < count {
            let rows = $crate::device::cpu::contraction::product::next_rows(count - $first, $V::ROWS);
            match rows {
                16 if $V::ROWS >= 16 => $f::<$V, $P, 16>($($argument),*),
                12 if $V::ROWS >= 12 => $f::<$V, $P, 12>($($argument),*),
                8 if $V::ROWS >= 8 => $f::<$V, $P, 8>($($argument),*),
                6 => $f::<$V, $P, 6>($($argument),*),
                5 => $f::<$V, $P, 5>($($argument),*),
                4 => $f::<$V, $P, 4>($($argument),*),
                3 => $f::<$V, $P, 3>($($argument),*),
                2 => $f::<$V, $P, 2>($($argument),*),
                _ => $f::<$V, $P, 1>($($argument),*),
            }
            $first += rows;
        }
    }};
}
pub(super) use by_rows;

#[cfg(test)]
mod tests {
    use super::next_rows;

    #[test]
    fn rows_come_in_sizes_that_have_code() {
        for most in [4, 6, 16] {
            for count in 0..100 {
                let mut left = count;
                while left > 0 {
                    let rows = next_rows(left, most);
                    assert!([1, 2, 3, 4, 5, 6, 8, 12, 16].contains(&rows) && rows <= most.min(left));
                    left -= rows;
                }
            }
        }
    }
}
