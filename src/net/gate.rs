//! The gate of a rule: the draw whose 0 leaves nothing of a branch, forward or backward.
//!
//! It is a named Bernoulli draw, one for the whole batch, at 0 of which both factors of the branch are 0 by their
//! equations: not by the values that other draws happen to have. RandomDrop (Huang et al. 2016) has one; ShakeDrop with
//! alpha and beta of 0..0 does, since a constant is not drawn; ShakeDrop in general has none.

use super::rule::Distribution;
use super::{Draw, Factor, Level, Rule};

impl Rule {
    /// The number of the draw that is the gate of the branch with this number, if the rule has one.
    pub fn gate(&self, branch: usize) -> Option<usize> {
        let factors = [self.forward.get(branch)?, self.backward.get(branch)?];
        (0..self.draws.len()).find(|&gate| {
            let Draw { level, distribution, named } = self.draws[gate];
            let may_gate = named && level == Level::Batch && matches!(distribution, Distribution::Bernoulli { .. });
            may_gate && factors.iter().all(|factor| self.folded(factor, gate) == Factor::Const(0.0))
        })
    }

    /// The factor where draw `gate` is 0, constants folded.
    fn folded(&self, factor: &Factor, gate: usize) -> Factor {
        let fold = |part: &Factor| self.folded(part, gate);
        let zero = Factor::Const(0.0);
        match factor {
            Factor::Const(number) => Factor::Const(*number),
            Factor::Draw(i) if *i == gate => zero,
            Factor::Draw(i) => match self.draws[*i].distribution {
                Distribution::Uniform { lo, hi } if lo == hi => Factor::Const(lo),
                Distribution::Uniform { .. } | Distribution::Bernoulli { .. } => Factor::Draw(*i),
            },
            Factor::Neg(a) => match fold(a) {
                Factor::Const(a) => Factor::Const(0.0 - a),
                a => Factor::Neg(a.into()),
            },
            Factor::Sqrt(a) => match fold(a) {
                Factor::Const(a) => Factor::Const(a.sqrt()),
                a => Factor::Sqrt(a.into()),
            },
            Factor::Add(a, b) => match (fold(a), fold(b)) {
                (Factor::Const(a), Factor::Const(b)) => Factor::Const(a + b),
                (x, y) if x == zero => y,
                (x, y) if y == zero => x,
                (x, y) => Factor::Add(x.into(), y.into()),
            },
            Factor::Sub(a, b) => match (fold(a), fold(b)) {
                (Factor::Const(a), Factor::Const(b)) => Factor::Const(a - b),
                (x, y) if y == zero => x,
                (x, y) if x == y && is_finite(&x) => zero,
                (x, y) => Factor::Sub(x.into(), y.into()),
            },
            Factor::Mul(a, b) => match (fold(a), fold(b)) {
                (Factor::Const(a), Factor::Const(b)) => Factor::Const(a * b),
                (x, y) if (x == zero && is_finite(&y)) || (y == zero && is_finite(&x)) => zero,
                (Factor::Const(1.0), y) => y,
                (x, Factor::Const(1.0)) => x,
                (x, y) => Factor::Mul(x.into(), y.into()),
            },
            Factor::Div(a, b) => match (fold(a), fold(b)) {
                (Factor::Const(a), Factor::Const(b)) => Factor::Const(a / b),
                (x, y) => Factor::Div(x.into(), y.into()),
            },
            Factor::Min(a, b) => match (fold(a), fold(b)) {
                (Factor::Const(a), Factor::Const(b)) => Factor::Const(a.min(b)),
                (x, y) => Factor::Min(x.into(), y.into()),
            },
            Factor::Max(a, b) => match (fold(a), fold(b)) {
                (Factor::Const(a), Factor::Const(b)) => Factor::Const(a.max(b)),
                (x, y) => Factor::Max(x.into(), y.into()),
            },
        }
    }
}

/// Whether a factor is a finite number whatever is drawn, so that 0 times it is 0.
fn is_finite(factor: &Factor) -> bool {
    match factor {
        Factor::Const(number) => number.is_finite(),
        Factor::Draw(_) => true,
        // A valid rule has no root of what may be negative.
        Factor::Neg(a) | Factor::Sqrt(a) => is_finite(a),
        Factor::Add(a, b) | Factor::Sub(a, b) | Factor::Mul(a, b) | Factor::Min(a, b) | Factor::Max(a, b) => {
            is_finite(a) && is_finite(b)
        }
        Factor::Div(a, b) => is_finite(a) && matches!(**b, Factor::Const(number) if number != 0.0),
    }
}
