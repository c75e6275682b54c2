//! The transforms of F(4x4, 3x3) at the points 0, ±√½, ±√2, ∞.
//!
//! A tile of 4 x 4 results of a 3 x 3 correlation is A^T [(G w G^T) ∘ (B^T d B)] A (Winograd 1980; Lavin and Gray 2016),
//! d the 6 x 6 pixels that it reads. Each matrix is applied along columns, then along rows. These points make half the
//! rounding error of 0, ±1, ±2, ∞ at the same cost, since the powers of both pairs stay near 1 and 2.
//!
//! One call works on as many channels as a vector has lanes; `pitch`es are floats between neighbours.

#![expect(clippy::needless_range_loop, reason = "round j of a loop fills column j of every row")]

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::device::cpu::simd::Vector;
use crate::kernel::BLOCK;

/// Results of a tile along a side.
pub(super) const TILE: usize = 4;
/// Taps along a side.
const TAPS: usize = 3;
/// Points, that is elements of a transformed tile along a side.
pub(super) const POINTS: usize = TILE + TAPS - 1;

/// The constants of the transforms, each in all lanes.
#[derive(Clone, Copy)]
struct Constants<V> {
    half: V,
    two: V,
    two_and_half: V,
    eight: V,
    /// √½ and √2: the points.
    a: V,
    b: V,
    /// √½ ³
    a_cubed: V,
    /// -2/3 and 1/6: the norms of the rows of G, and these times the points.
    norm_a: V,
    norm_b: V,
    odd_a: V,
    odd_b: V,
}

impl<V: Vector> Constants<V> {
    /// # Safety
    /// The processor has the set of V.
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: as the caller promises.
        let all = |x: f32| unsafe { V::splat(x) };
        Constants {
            half: all(0.5),
            two: all(2.0),
            two_and_half: all(2.5),
            eight: all(8.0),
            a: all(FRAC_1_SQRT_2),
            b: all(SQRT_2),
            a_cubed: all(FRAC_1_SQRT_2 * 0.5),
            norm_a: all(-2.0 / 3.0),
            norm_b: all(1.0 / 6.0),
            odd_a: all(-2.0 / 3.0 * FRAC_1_SQRT_2),
            odd_b: all(SQRT_2 / 6.0),
        }
    }
}

/// B^T d
#[inline(always)]
fn input<V: Vector>(k: &Constants<V>, d: [V; POINTS]) -> [V; POINTS] {
    let (even_a, odd_a) = (d[4].fnma(k.two, d[2]), d[3].fnma(k.two, d[1]));
    let (even_b, odd_b) = (d[4].fnma(k.half, d[2]), d[3].fnma(k.half, d[1]));
    [
        d[0].add(d[4]).fnma(k.two_and_half, d[2]),
        even_a.fma(k.a, odd_a),
        even_a.fnma(k.a, odd_a),
        even_b.fma(k.b, odd_b),
        even_b.fnma(k.b, odd_b),
        d[1].add(d[5]).fnma(k.two_and_half, d[3]),
    ]
}

/// A^T m
#[inline(always)]
fn output<V: Vector>(k: &Constants<V>, m: [V; POINTS]) -> [V; TILE] {
    let (sum_a, difference_a) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (sum_b, difference_b) = (m[3].add(m[4]), m[3].sub(m[4]));
    [
        m[0].add(sum_a.add(sum_b)),
        k.a.mul(difference_a.fma(k.two, difference_b)),
        sum_b.add(sum_b).fma(k.half, sum_a),
        m[5].fma(k.a_cubed, difference_a.fma(k.eight, difference_b)),
    ]
}

/// A y
#[inline(always)]
fn own<V: Vector>(k: &Constants<V>, y: [V; TILE]) -> [V; POINTS] {
    let (even_a, odd_a) = (y[0].fma(k.half, y[2]), y[1].fma(k.half, y[3]));
    let (even_b, odd_b) = (y[0].fma(k.two, y[2]), y[1].fma(k.two, y[3]));
    [y[0], even_a.fma(k.a, odd_a), even_a.fnma(k.a, odd_a), even_b.fma(k.b, odd_b), even_b.fnma(k.b, odd_b), y[3]]
}

/// G w: the rows of ±√½ are -2/3 (1, ±√½, ½), those of ±√2 are 1/6 (1, ±√2, 2).
#[inline(always)]
fn weight<V: Vector>(k: &Constants<V>, w: [V; TAPS]) -> [V; POINTS] {
    let even_a = k.norm_a.mul(w[0].fma(k.half, w[2]));
    let even_b = k.norm_b.mul(w[0].fma(k.two, w[2]));
    [
        w[0],
        even_a.fma(k.odd_a, w[1]),
        even_a.fnma(k.odd_a, w[1]),
        even_b.fma(k.odd_b, w[1]),
        even_b.fnma(k.odd_b, w[1]),
        w[2],
    ]
}

/// G^T u
#[inline(always)]
fn weight_back<V: Vector>(k: &Constants<V>, u: [V; POINTS]) -> [V; TAPS] {
    let (sum_a, difference_a) = (k.norm_a.mul(u[1].add(u[2])), u[1].sub(u[2]));
    let (sum_b, difference_b) = (k.norm_b.mul(u[3].add(u[4])), u[3].sub(u[4]));
    [
        u[0].add(sum_a.add(sum_b)),
        k.odd_b.mul(difference_b).fma(k.odd_a, difference_a),
        u[5].add(sum_b.add(sum_b).fma(k.half, sum_a)),
    ]
}

/// The pixels that a tile reads to its points: point (i, j) goes to `to + (6 i + j) pitch`.
///
/// # Safety
/// The processor has the set; 6 x 6 pixels may be read, all points be written.
#[inline(always)]
pub(super) unsafe fn input_tile<V: Vector>(from: *const f32, row: usize, to: *mut f32, pitch: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let k = Constants::new();
        let zero = V::splat(0.0);
        let mut columns = [[zero; POINTS]; POINTS];
        for j in 0..POINTS {
            let pixels = std::array::from_fn(|i| V::load(from.add(i * row + j * BLOCK)));
            let points = input(&k, pixels);
            (0..POINTS).for_each(|i| columns[i][j] = points[i]);
        }
        for (i, columns) in columns.into_iter().enumerate() {
            for (j, point) in input(&k, columns).into_iter().enumerate() {
                point.store(to.add((i * POINTS + j) * pitch));
            }
        }
    }
}

/// A tile's points to its results.
///
/// # Safety
/// The processor has the set; all points may be read, 4 x 4 pixels be written.
#[inline(always)]
pub(super) unsafe fn output_tile<V: Vector>(from: *const f32, pitch: usize, to: *mut f32, row: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let k = Constants::new();
        let zero = V::splat(0.0);
        let mut rows = [[zero; POINTS]; TILE];
        for j in 0..POINTS {
            let points = std::array::from_fn(|i| V::load(from.add((i * POINTS + j) * pitch)));
            let pixels = output(&k, points);
            (0..TILE).for_each(|i| rows[i][j] = pixels[i]);
        }
        for (i, points) in rows.into_iter().enumerate() {
            for (j, pixel) in output(&k, points).into_iter().enumerate() {
                pixel.store(to.add(i * row + j * BLOCK));
            }
        }
    }
}

/// A tile's own pixels to its points, A y A^T: the other factor of Winograd's gradient to the weight.
///
/// # Safety
/// The processor has the set; 4 x 4 pixels may be read, all points be written.
#[inline(always)]
pub(super) unsafe fn own_tile<V: Vector>(from: *const f32, row: usize, to: *mut f32, pitch: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let k = Constants::new();
        let zero = V::splat(0.0);
        let mut columns = [[zero; TILE]; POINTS];
        for j in 0..TILE {
            let pixels = std::array::from_fn(|i| V::load(from.add(i * row + j * BLOCK)));
            let points = own(&k, pixels);
            (0..POINTS).for_each(|i| columns[i][j] = points[i]);
        }
        for (i, pixels) in columns.into_iter().enumerate() {
            for (j, point) in own(&k, pixels).into_iter().enumerate() {
                point.store(to.add((i * POINTS + j) * pitch));
            }
        }
    }
}

/// 3 x 3 taps to their points; tap (i, j) lies at `from + (3 i + j) tap`.
///
/// # Safety
/// The processor has the set; the taps may be read, all points be written.
#[inline(always)]
pub(super) unsafe fn weight_taps<V: Vector>(from: *const f32, tap: usize, to: *mut f32, pitch: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let k = Constants::new();
        let zero = V::splat(0.0);
        let mut columns = [[zero; TAPS]; POINTS];
        for j in 0..TAPS {
            let taps = std::array::from_fn(|i| V::load(from.add((i * TAPS + j) * tap)));
            let points = weight(&k, taps);
            (0..POINTS).for_each(|i| columns[i][j] = points[i]);
        }
        for (i, taps) in columns.into_iter().enumerate() {
            for (j, point) in weight(&k, taps).into_iter().enumerate() {
                point.store(to.add((i * POINTS + j) * pitch));
            }
        }
    }
}

/// The gradient to points, summed over `parts` that lie `part` apart in their order, to that to the taps, turned by half a
/// circle (see `weight`): tap (i, j) goes to `to + (8 - 3 i - j) tap`.
///
/// # Safety
/// The processor has the set; all points of all parts may be read, the taps be written.
#[inline(always)]
pub(super) unsafe fn weight_points<V: Vector>(
    from: *const f32,
    pitch: usize,
    (parts, part): (usize, usize),
    to: *mut f32,
    tap: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let k = Constants::new();
        let zero = V::splat(0.0);
        let mut rows = [[zero; POINTS]; TAPS];
        for j in 0..POINTS {
            let points = std::array::from_fn(|i| {
                let at = from.add((i * POINTS + j) * pitch);
                (1..parts).fold(V::load(at), |sum, p| sum.add(V::load(at.add(p * part))))
            });
            let taps = weight_back(&k, points);
            (0..TAPS).for_each(|i| rows[i][j] = taps[i]);
        }
        for (i, points) in rows.into_iter().enumerate() {
            for (j, value) in weight_back(&k, points).into_iter().enumerate() {
                value.store(to.add((TAPS * TAPS - 1 - i * TAPS - j) * tap));
            }
        }
    }
}
