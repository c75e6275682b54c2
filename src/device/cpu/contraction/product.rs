//! The innermost loop of every contraction: rows of sixteen sums in registers, or of twice sixteen.
//!
//! A lone block of sixteen reads a scalar for each multiply-add, which a core that does two in a cycle cannot load as fast.
//! Two blocks that read the same scalars share them, where there are registers for it.

use super::super::simd::{Vector, expect_write};
use crate::kernel::BLOCK;

/// Where a product reads its scalars: row r of step i at `start + r * row + i * step`.
#[derive(Clone, Copy)]
pub(super) struct Scalars {
    pub(super) start: *const f32,
    pub(super) row: usize,
    pub(super) step: usize,
}

/// Sixteen floats a step, side by side, for each of B blocks.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    pub(super) start: *const f32,
    /// Floats from block to block.
    pub(super) block: usize,
}

/// A register tile: R rows of B blocks of sixteen sums.
pub(super) type Sums<V, const P: usize, const B: usize, const R: usize> = [[[V; P]; B]; R];

/// How a register tile lies in memory: floats from row to row, and from block to block.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) block: usize,
}

/// `sums[r][b] += scalars[r, i] * lanes[b, i]` for i = 0, 1, … `count` in this order.
///
/// # Safety
/// The processor has the set of V; everything named may be read.
#[inline(always)]
pub(super) unsafe fn accumulate<V: Vector, const P: usize, const B: usize, const R: usize>(
    sums: &mut Sums<V, P, B, R>,
    scalars: Scalars,
    lanes: Lanes,
    count: usize,
) {
    const UNROLL: usize = 4;
    let Scalars { mut start, row, step } = scalars;
    let Lanes { start: mut lanes, block } = lanes;
    let mut left = count;
    // SAFETY: as the caller promises.
    unsafe {
        while left >= UNROLL {
            for i in 0..UNROLL {
                one::<V, P, B, R>(sums, (start.add(i * step), row), (lanes.add(i * BLOCK), block));
            }
            start = start.add(UNROLL * step);
            lanes = lanes.add(UNROLL * BLOCK);
            left -= UNROLL;
        }
        while left > 0 {
            one::<V, P, B, R>(sums, (start, row), (lanes, block));
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
unsafe fn one<V: Vector, const P: usize, const B: usize, const R: usize>(
    sums: &mut Sums<V, P, B, R>,
    (scalars, row): (*const f32, usize),
    (lanes, block): (*const f32, usize),
) {
    // SAFETY: as the caller promises.
    unsafe {
        let [lanes] = load::<V, P, B, 1>(lanes, Place { row: 0, block });
        for (r, sums) in sums.iter_mut().enumerate() {
            let scalar = V::splat(*scalars.add(r * row));
            for b in 0..B {
                for p in 0..P {
                    sums[b][p] = sums[b][p].fma(scalar, lanes[b][p]);
                }
            }
        }
    }
}

/// A register tile of zeros.
///
/// # Safety
/// The processor has the set of V.
#[inline(always)]
pub(super) unsafe fn zeros<V: Vector, const P: usize, const B: usize, const R: usize>() -> Sums<V, P, B, R> {
    // SAFETY: as the caller promises.
    [[[unsafe { V::splat(0.0) }; P]; B]; R]
}

/// A register tile that lies at `from`.
///
/// # Safety
/// The processor has the set of V; the rows may be read.
#[inline(always)]
pub(super) unsafe fn load<V: Vector, const P: usize, const B: usize, const R: usize>(
    from: *const f32,
    place: Place,
) -> Sums<V, P, B, R> {
    let at = |r: usize, b: usize, p: usize| r * place.row + b * place.block + p * V::LANES;
    // SAFETY: as the caller promises.
    let vector = |r: usize, b: usize, p: usize| unsafe { V::load(from.add(at(r, b, p))) };
    std::array::from_fn(|r| std::array::from_fn(|b| std::array::from_fn(|p| vector(r, b, p))))
}

/// Writes a register tile to `to`.
///
/// # Safety
/// The rows may be written.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const P: usize, const B: usize, const R: usize>(
    sums: &Sums<V, P, B, R>,
    to: *mut f32,
    place: Place,
) {
    for (r, sums) in sums.iter().enumerate() {
        for (b, sums) in sums.iter().enumerate() {
            for (p, sum) in sums.iter().enumerate() {
                // SAFETY: as the caller promises.
                unsafe { sum.store(to.add(r * place.row + b * place.block + p * V::LANES)) };
            }
        }
    }
}

/// Asks for the R rows of sums of B blocks that come a register tile or two after those at `sum`: the sums of wide layers
/// lie beyond the second-level cache.
#[inline(always)]
pub(super) fn expect_sums<const B: usize, const R: usize>(sum: *const f32, place: Place) {
    for b in 0..B {
        (0..R).for_each(|row| expect_write(sum.wrapping_add((2 * BLOCK + row) * place.row + b * place.block)));
    }
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

/// Calls `f::<V, P, B, R>` for `count` rows in register tiles of two blocks where they are `paired`, else of one:
/// `f(first row, arguments)`.
macro_rules! by_rows {
    ($V:ident, $P:ident, $paired:expr, $count:expr, $f:ident($first:ident, $($argument:expr),* $(,)?)) => {
        if $paired {
            by_rows!(@ $V, $P, 2, $count, $f($first, $($argument),*))
        } else {
            by_rows!(@ $V, $P, 1, $count, $f($first, $($argument),*))
        }
    };
    (@ $V:ident, $P:ident, $B:literal, $count:expr, $f:ident($first:ident, $($argument:expr),*)) => {{
        let (most, count) = (const { $V::ROWS[$B - 1] }, $count);
        let mut $first = 0;
        while $first < count {
            let rows = $crate::device::cpu::contraction::product::next_rows(count - $first, most);
            match rows {
                16 if const { $V::ROWS[$B - 1] >= 16 } => $f::<$V, $P, $B, 16>($first, $($argument),*),
                12 if const { $V::ROWS[$B - 1] >= 12 } => $f::<$V, $P, $B, 12>($first, $($argument),*),
                8 if const { $V::ROWS[$B - 1] >= 8 } => $f::<$V, $P, $B, 8>($first, $($argument),*),
                6 => $f::<$V, $P, $B, 6>($first, $($argument),*),
                5 => $f::<$V, $P, $B, 5>($first, $($argument),*),
                4 => $f::<$V, $P, $B, 4>($first, $($argument),*),
                3 => $f::<$V, $P, $B, 3>($first, $($argument),*),
                2 => $f::<$V, $P, $B, 2>($first, $($argument),*),
                _ => $f::<$V, $P, $B, 1>($first, $($argument),*),
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
        for most in [2, 4, 6, 8, 16] {
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
