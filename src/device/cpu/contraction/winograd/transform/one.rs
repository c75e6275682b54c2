//! Stride 1: F(4, 3) at the points 0, ±√½, ±√2, ∞.
//!
//! These points make half the rounding error of 0, ±1, ±2, ∞ at the same cost, since the powers of both pairs stay near 1
//! and 2.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::{Line, TAPS, TILE};
use crate::device::cpu::simd::Vector;

/// Points along a side of a tile.
pub(super) const POINTS: usize = TILE + TAPS - 1;

/// √½ and √2: the points.
const A: f32 = FRAC_1_SQRT_2;
const B: f32 = SQRT_2;
/// The norms of the rows of G.
const NORM_A: f32 = -2.0 / 3.0;
const NORM_B: f32 = 1.0 / 6.0;

/// B^T d
pub(super) struct Window;

impl Line<POINTS, POINTS> for Window {
    #[inline(always)]
    fn apply<V: Vector>(d: [V; POINTS]) -> [V; POINTS] {
        let all = |x| d[0].like(x);
        let (even_a, odd_a) = (d[4].fnma(all(2.0), d[2]), d[3].fnma(all(2.0), d[1]));
        let (even_b, odd_b) = (d[4].fnma(all(0.5), d[2]), d[3].fnma(all(0.5), d[1]));
        [
            d[0].add(d[4]).fnma(all(2.5), d[2]),
            even_a.fma(all(A), odd_a),
            even_a.fnma(all(A), odd_a),
            even_b.fma(all(B), odd_b),
            even_b.fnma(all(B), odd_b),
            d[1].add(d[5]).fnma(all(2.5), d[3]),
        ]
    }
}

/// A^T m
pub(super) struct Results;

impl Line<POINTS, TILE> for Results {
    #[inline(always)]
    fn apply<V: Vector>(m: [V; POINTS]) -> [V; TILE] {
        let all = |x| m[0].like(x);
        let (sum_a, difference_a) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (sum_b, difference_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum_a.add(sum_b)),
            all(A).mul(difference_a.fma(all(2.0), difference_b)),
            sum_b.add(sum_b).fma(all(0.5), sum_a),
            m[5].fma(all(A * 0.5), difference_a.fma(all(8.0), difference_b)),
        ]
    }
}

/// A y, the other factor of Winograd's gradient to the weight.
pub(super) struct Own;

impl Line<TILE, POINTS> for Own {
    #[inline(always)]
    fn apply<V: Vector>(y: [V; TILE]) -> [V; POINTS] {
        let all = |x| y[0].like(x);
        let (even_a, odd_a) = (y[0].fma(all(0.5), y[2]), y[1].fma(all(0.5), y[3]));
        let (even_b, odd_b) = (y[0].fma(all(2.0), y[2]), y[1].fma(all(2.0), y[3]));
        [
            y[0],
            even_a.fma(all(A), odd_a),
            even_a.fnma(all(A), odd_a),
            even_b.fma(all(B), odd_b),
            even_b.fnma(all(B), odd_b),
            y[3],
        ]
    }
}

/// G w: the rows of ±√½ are -2/3 (1, ±√½, ½), those of ±√2 are 1/6 (1, ±√2, 2).
pub(super) struct Taps;

impl Line<TAPS, POINTS> for Taps {
    #[inline(always)]
    fn apply<V: Vector>(w: [V; TAPS]) -> [V; POINTS] {
        let all = |x| w[0].like(x);
        let even_a = all(NORM_A).mul(w[0].fma(all(0.5), w[2]));
        let even_b = all(NORM_B).mul(w[0].fma(all(2.0), w[2]));
        let (odd_a, odd_b) = (all(NORM_A * A), all(B / 6.0));
        [
            w[0],
            even_a.fma(odd_a, w[1]),
            even_a.fnma(odd_a, w[1]),
            even_b.fma(odd_b, w[1]),
            even_b.fnma(odd_b, w[1]),
            w[2],
        ]
    }
}

/// G^T u
pub(super) struct Gradient;

impl Line<POINTS, TAPS> for Gradient {
    #[inline(always)]
    fn apply<V: Vector>(u: [V; POINTS]) -> [V; TAPS] {
        let all = |x| u[0].like(x);
        let (sum_a, difference_a) = (all(NORM_A).mul(u[1].add(u[2])), u[1].sub(u[2]));
        let (sum_b, difference_b) = (all(NORM_B).mul(u[3].add(u[4])), u[3].sub(u[4]));
        [
            u[0].add(sum_a.add(sum_b)),
            all(B / 6.0).mul(difference_b).fma(all(NORM_A * A), difference_a),
            u[5].add(sum_b.add(sum_b).fma(all(0.5), sum_a)),
        ]
    }
}
