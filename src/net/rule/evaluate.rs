//! A factor's value for given draws, and the range in which it lies for all draws.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Distribution, Draw, Factor};

/// A number type in which factors are evaluated: f32 as kernels have it, f64 as the reference has it.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The nearest number to `value`.
    fn of(value: f64) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The smaller of two.
    fn min(self, other: Self) -> Self;
    /// The larger of two.
    fn max(self, other: Self) -> Self;
}

macro_rules! real {
    ($($type:ty),*) => {$(
        impl Real for $type {
            fn of(value: f64) -> Self {
                value as $type
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn min(self, other: Self) -> Self {
                self.min(other)
            }
            fn max(self, other: Self) -> Self {
                self.max(other)
            }
        }
    )*};
}
real!(f32, f64);

/// The most gates whose values [`Factor::range`] runs through.
const MAX_GATES: u32 = 8;

impl Factor {
    /// The value where draw number i is `draws[i]`. Every operation rounds once, as kernels do.
    pub fn evaluate<T: Real>(&self, draws: &[T]) -> T {
        let both = |a: &Factor, b: &Factor| (a.evaluate(draws), b.evaluate(draws));
        match self {
            Factor::Const(value) => T::of(*value),
            Factor::Draw(i) => draws[*i],
            Factor::Neg(a) => -a.evaluate(draws),
            Factor::Sqrt(a) => a.evaluate(draws).sqrt(),
            Factor::Add(a, b) => apply(both(a, b), T::add),
            Factor::Sub(a, b) => apply(both(a, b), T::sub),
            Factor::Mul(a, b) => apply(both(a, b), T::mul),
            Factor::Div(a, b) => apply(both(a, b), T::div),
            Factor::Min(a, b) => apply(both(a, b), T::min),
            Factor::Max(a, b) => apply(both(a, b), T::max),
        }
    }

    /// Bounds between which every value lies. Each value of the gates is looked at alone, so b + (1 - b) u is in the
    /// range of u and 1; beyond that they may be wider than need be, and are infinite around a division by 0.
    pub fn range(&self, draws: &[Draw]) -> (f64, f64) {
        let gates: Vec<usize> =
            (0..draws.len()).filter(|&i| matches!(draws[i].distribution, Distribution::Bernoulli { .. })).collect();
        let enumerated = &gates[..gates.len().min(MAX_GATES as usize)];
        let mut bounds = (f64::INFINITY, f64::NEG_INFINITY);
        for case in 0..1u32 << enumerated.len() {
            let mut ranges: Vec<_> = draws.iter().map(|draw| draw.distribution.range()).collect();
            let mut possible = true;
            for (bit, &gate) in enumerated.iter().enumerate() {
                let value = f64::from(case >> bit & 1);
                possible &= ranges[gate].0 <= value && value <= ranges[gate].1;
                ranges[gate] = (value, value);
            }
            if possible {
                let (lo, hi) = self.interval(&ranges);
                bounds = (bounds.0.min(lo), bounds.1.max(hi));
            }
        }
        bounds
    }

    /// Interval arithmetic: where draw i lies in `ranges[i]`.
    fn interval(&self, ranges: &[(f64, f64)]) -> (f64, f64) {
        let both = |a: &Factor, b: &Factor| (a.interval(ranges), b.interval(ranges));
        match self {
            Factor::Const(value) => (*value, *value),
            Factor::Draw(i) => ranges[*i],
            Factor::Neg(a) => {
                let (lo, hi) = a.interval(ranges);
                (-hi, -lo)
            }
            Factor::Sqrt(a) => {
                let (lo, hi) = a.interval(ranges);
                (lo.max(0.0).sqrt(), hi.max(0.0).sqrt())
            }
            Factor::Add(a, b) => apply(both(a, b), |a, b| (a.0 + b.0, a.1 + b.1)),
            Factor::Sub(a, b) => apply(both(a, b), |a, b| (a.0 - b.1, a.1 - b.0)),
            Factor::Mul(a, b) => apply(both(a, b), |a, b| corners(a, b, f64::mul)),
            Factor::Div(a, b) => match both(a, b) {
                (_, (lo, hi)) if lo <= 0.0 && hi >= 0.0 => (f64::NEG_INFINITY, f64::INFINITY),
                (a, b) => corners(a, b, f64::div),
            },
            Factor::Min(a, b) => apply(both(a, b), |a, b| (a.0.min(b.0), a.1.min(b.1))),
            Factor::Max(a, b) => apply(both(a, b), |a, b| (a.0.max(b.0), a.1.max(b.1))),
        }
    }
}

impl Distribution {
    /// The smallest and the largest value; a Bernoulli draw with p of 0 or 1 has one.
    pub fn range(self) -> (f64, f64) {
        match self {
            Distribution::Bernoulli { p } => (if p < 1.0 { 0.0 } else { 1.0 }, if p > 0.0 { 1.0 } else { 0.0 }),
            Distribution::Uniform { lo, hi } => (lo, hi),
        }
    }
}

fn apply<T, R>((a, b): (T, T), operation: impl Fn(T, T) -> R) -> R {
    operation(a, b)
}

/// The range of an operation that is monotonous in each argument: its extremes lie in the corners.
fn corners(a: (f64, f64), b: (f64, f64), operation: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    let all = [operation(a.0, b.0), operation(a.0, b.1), operation(a.1, b.0), operation(a.1, b.1)];
    // 0 times infinity is 0 here: the infinite end is never reached.
    let all = all.map(|v| if v.is_nan() { 0.0 } else { v });
    (all.into_iter().fold(f64::INFINITY, f64::min), all.into_iter().fold(f64::NEG_INFINITY, f64::max))
}
