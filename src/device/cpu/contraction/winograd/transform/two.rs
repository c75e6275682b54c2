//! Stride 2: the odd and the even pixels of x each by F(4, 2) at the points ±½, ±3/2, ∞, which y shares.
//!
//! Result o reads pixels 2 o - 1 and 2 o + 1, which are odd, by taps 0 and 2, and the even pixel 2 o by tap 1. So along a
//! side y is a correlation of the odd pixels with two taps plus one of the even pixels with the taps (w1, 0), which is
//! nothing at ∞: 5 + 4 points of x and of the weight meet in 5 of y, and a tile of 4 x 4 results takes 81 products in place
//! of 144. Points of x are those of the odd pixels, then those of the even ones.
//!
//! These points make two thirds of the rounding error of ±√½, ±√2, ∞, and all matrices but G are exact.

use super::{Line, TAPS, TILE};
use crate::device::cpu::simd::Vector;

/// Points along a side of a tile of y.
pub(super) const Y_POINTS: usize = 5;
/// Points that are not ∞: all that the even pixels have.
const FINITE: usize = 4;
/// Points along a side of a tile of x.
pub(super) const X_POINTS: usize = Y_POINTS + FINITE;
/// Pixels along a side of a tile of x.
const X_TILE: usize = 2 * TILE;

/// ½ and 3/2: the points; and their squares.
const A: f32 = 0.5;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// B^T d at the points that are not ∞.
#[inline(always)]
fn window<V: Vector>(d: [V; FINITE]) -> [V; FINITE] {
    let all = |x| d[0].like(x);
    let (even_a, odd_a) = (d[2].fnma(all(B2), d[0]), d[3].fnma(all(B2), d[1]));
    let (even_b, odd_b) = (d[2].fnma(all(A2), d[0]), d[3].fnma(all(A2), d[1]));
    [odd_a.fma(all(A), even_a), odd_a.fnma(all(A), even_a), odd_b.fma(all(B), even_b), odd_b.fnma(all(B), even_b)]
}

/// A^T m at the points that are not ∞.
#[inline(always)]
fn results<V: Vector>(m: [V; FINITE]) -> [V; TILE] {
    let all = |x| m[0].like(x);
    let (sum_a, difference_a) = (m[0].add(m[1]), m[0].sub(m[1]));
    let (sum_b, difference_b) = (m[2].add(m[3]), m[2].sub(m[3]));
    [
        sum_a.add(sum_b),
        all(A).mul(difference_a).fma(all(B), difference_b),
        all(A2).mul(sum_a).fma(all(B2), sum_b),
        all(A * A2).mul(difference_a).fma(all(B * B2), difference_b),
    ]
}

/// A y at the points that are not ∞.
#[inline(always)]
fn own<V: Vector>(y: [V; TILE]) -> [V; FINITE] {
    let all = |x| y[0].like(x);
    let (even_a, odd_a) = (y[0].fma(all(A2), y[2]), y[1].fma(all(A2), y[3]));
    let (even_b, odd_b) = (y[0].fma(all(B2), y[2]), y[1].fma(all(B2), y[3]));
    [even_a.fma(all(A), odd_a), even_a.fnma(all(A), odd_a), even_b.fma(all(B), odd_b), even_b.fnma(all(B), odd_b)]
}

/// B^T d
pub(super) struct YWindow;

impl Line<Y_POINTS, Y_POINTS> for YWindow {
    #[inline(always)]
    fn apply<V: Vector>(d: [V; Y_POINTS]) -> [V; Y_POINTS] {
        let [a, b, c, e] = window([d[0], d[1], d[2], d[3]]);
        let last = d[4].fnma(d[0].like(A2 + B2), d[2]).fma(d[0].like(A2 * B2), d[0]);
        [a, b, c, e, last]
    }
}

/// A^T m
pub(super) struct YResults;

impl Line<Y_POINTS, TILE> for YResults {
    #[inline(always)]
    fn apply<V: Vector>(m: [V; Y_POINTS]) -> [V; TILE] {
        let [first, second, third, last] = results([m[0], m[1], m[2], m[3]]);
        [first, second, third, last.add(m[4])]
    }
}

/// A y
pub(super) struct YOwn;

impl Line<TILE, Y_POINTS> for YOwn {
    #[inline(always)]
    fn apply<V: Vector>(y: [V; TILE]) -> [V; Y_POINTS] {
        let [a, b, c, d] = own(y);
        [a, b, c, d, y[3]]
    }
}

/// Odd and even pixels by turns, an odd one first and last.
pub(super) struct XWindow;

impl Line<X_POINTS, X_POINTS> for XWindow {
    #[inline(always)]
    fn apply<V: Vector>(d: [V; X_POINTS]) -> [V; X_POINTS] {
        let odd = YWindow::apply([d[0], d[2], d[4], d[6], d[8]]);
        join(odd, window([d[1], d[3], d[5], d[7]]))
    }
}

/// Even and odd pixels by turns.
pub(super) struct XResults;

impl Line<X_POINTS, X_TILE> for XResults {
    #[inline(always)]
    fn apply<V: Vector>(m: [V; X_POINTS]) -> [V; X_TILE] {
        let odd = YResults::apply([m[0], m[1], m[2], m[3], m[4]]);
        let even = results([m[5], m[6], m[7], m[8]]);
        [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
    }
}

/// Even and odd pixels by turns.
pub(super) struct XOwn;

impl Line<X_TILE, X_POINTS> for XOwn {
    #[inline(always)]
    fn apply<V: Vector>(x: [V; X_TILE]) -> [V; X_POINTS] {
        let odd = YOwn::apply([x[1], x[3], x[5], x[7]]);
        join(odd, own([x[0], x[2], x[4], x[6]]))
    }
}

/// G w: the rows of ±½ are -½ (±1, ½), those of ±3/2 are 1/6 (±1, 3/2).
pub(super) struct Taps;

impl Line<TAPS, X_POINTS> for Taps {
    #[inline(always)]
    fn apply<V: Vector>(w: [V; TAPS]) -> [V; X_POINTS] {
        let all = |x| w[0].like(x);
        let even_points = |w: V| (all(-0.5).mul(w), all(1.0 / 6.0).mul(w));
        let (a, b) = even_points(w[0]);
        let odd = all(0.25).mul(w[2]);
        let (a1, b1) = even_points(w[1]);
        let zero = all(0.0);
        [a.sub(odd), zero.sub(a).sub(odd), b.add(odd), odd.sub(b), w[2], a1, zero.sub(a1), b1, zero.sub(b1)]
    }
}

/// G^T u
pub(super) struct Gradient;

impl Line<X_POINTS, TAPS> for Gradient {
    #[inline(always)]
    fn apply<V: Vector>(u: [V; X_POINTS]) -> [V; TAPS] {
        let all = |x| u[0].like(x);
        let first =
            |[a, a_minus, b, b_minus]: [V; FINITE]| all(0.5).mul(a_minus.sub(a)).fma(all(1.0 / 6.0), b.sub(b_minus));
        let sums = u[2].add(u[3]).sub(u[0].add(u[1]));
        [first([u[0], u[1], u[2], u[3]]), first([u[5], u[6], u[7], u[8]]), u[4].fma(all(0.25), sums)]
    }
}

/// Points of x.
#[inline(always)]
fn join<V: Vector>(odd: [V; Y_POINTS], even: [V; FINITE]) -> [V; X_POINTS] {
    [odd[0], odd[1], odd[2], odd[3], odd[4], even[0], even[1], even[2], even[3]]
}
