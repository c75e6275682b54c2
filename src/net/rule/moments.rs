//! Exact moments of a rule's factors, by expanding them to polynomials in independent draws.
//!
//! E of a monomial is the product of its draws' moments: `E[b^k]` = p for a Bernoulli draw, and for a uniform one
//! E[u^k] = (lo^k + lo^(k-1) hi + … + hi^k) / (k + 1). Sums, products and quotients by a constant stay polynomials;
//! `min`, `max` and `sqrt` do where constants or ranges decide them; all else has no closed form here.
//! Absence: no sampling, no numerical integration: a moment is exact up to one rounding, or refused.

use std::collections::BTreeMap;

use super::double::Double;
use super::{Distribution, Draw, Factor, Level, Rule};

/// The most terms of a polynomial.
const MAX_TERMS: usize = 4096;

/// Why a factor has no moment that can be derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoClosedForm {
    /// What stands in the way, a sentence without a final full stop.
    pub reason: String,
}

impl Rule {
    /// `E[forward]` of a branch (0 for a scalar rule): the test-time factor unless the rule says another.
    ///
    /// # Errors
    /// Where the factor is no polynomial in its draws.
    pub fn mean_forward(&self, branch: usize) -> Result<f64, NoClosedForm> {
        mean(&self.forward[branch], &self.draws)
    }

    /// `Var[forward]` of a branch (0 for a scalar rule).
    ///
    /// # Errors
    /// Where the factor is no polynomial in its draws.
    pub fn variance_forward(&self, branch: usize) -> Result<f64, NoClosedForm> {
        variance(&self.forward[branch], &self.draws)
    }

    /// `E[backward]` of a branch (0 for a scalar rule).
    ///
    /// # Errors
    /// Where the factor is no polynomial in its draws.
    pub fn mean_backward(&self, branch: usize) -> Result<f64, NoClosedForm> {
        mean(&self.backward[branch], &self.draws)
    }

    /// `Var[backward]` of a branch (0 for a scalar rule).
    ///
    /// # Errors
    /// Where the factor is no polynomial in its draws.
    pub fn variance_backward(&self, branch: usize) -> Result<f64, NoClosedForm> {
        variance(&self.backward[branch], &self.draws)
    }

    /// The gate of a branch: the number of the first draw at whose 0 the branch's forward and backward factors are 0 for
    /// the whole batch, so that the branch need not be computed. It is a Bernoulli draw that a `let` names, one a batch;
    /// the factors are 0 by their equations, never by what other draws happen to be. RandomDrop (Huang et al. 2016) has
    /// one; ShakeDrop has one where alpha and beta are constants 0.
    pub fn gate(&self, branch: usize) -> Option<usize> {
        self.gate_at(branch, Level::Batch)
    }

    /// As [`gate`](Self::gate), for a draw of another level: its 0 makes both factors 0 for one image, channel or element
    /// only, while the batch goes on.
    pub fn gate_at(&self, branch: usize, level: Level) -> Option<usize> {
        gate_of([self.forward.get(branch)?, self.backward.get(branch)?], &self.draws, level)
    }
}

/// The number of the first draw of this level at whose 0 both factors are 0 by their equations; see [`Rule::gate`].
pub fn gate_of(factors: [&Factor; 2], draws: &[Draw], level: Level) -> Option<usize> {
    let closes = |gate: usize| {
        let mut draws = draws.to_vec();
        draws[gate].distribution = Distribution::Bernoulli { p: 0.0 };
        factors.iter().all(|factor| Polynomial::expand(factor, &draws).is_ok_and(|f| f.is_zero()))
    };
    let may_gate = |draw: &Draw| match draw.distribution {
        Distribution::Bernoulli { .. } => draw.named && draw.level == level,
        Distribution::Uniform { .. } => false,
    };
    (0..draws.len()).find(|&i| may_gate(&draws[i]) && closes(i))
}

fn mean(factor: &Factor, draws: &[Draw]) -> Result<f64, NoClosedForm> {
    finite(Polynomial::expand(factor, draws)?.expectation(draws).round())
}

fn variance(factor: &Factor, draws: &[Draw]) -> Result<f64, NoClosedForm> {
    let factor = Polynomial::expand(factor, draws)?;
    let mean = factor.expectation(draws);
    let centred = factor.add(&Polynomial::constant(mean.neg()))?;
    finite(centred.mul(&centred, draws)?.expectation(draws).round()).map(|v| v.max(0.0))
}

/// A sum of terms, each a coefficient times powers of draws: the key holds the power of each draw.
///
/// Invariants: at most [`MAX_TERMS`] terms, none with coefficient 0; a Bernoulli draw has power 0 or 1 (b^2 = b); a
/// draw that has one value only stands in the coefficients.
struct Polynomial {
    terms: BTreeMap<Vec<u32>, Double>,
}

impl Polynomial {
    fn expand(factor: &Factor, draws: &[Draw]) -> Result<Self, NoClosedForm> {
        let expand = |f| Polynomial::expand(f, draws);
        match factor {
            Factor::Const(value) => Ok(Polynomial::constant(Double::from(*value))),
            Factor::Draw(i) => Ok(Polynomial::draw(*i, draws)),
            Factor::Neg(a) => Ok(expand(a)?.scale(Double::ONE.neg())),
            Factor::Add(a, b) => expand(a)?.add(&expand(b)?),
            Factor::Sub(a, b) => expand(a)?.add(&expand(b)?.scale(Double::ONE.neg())),
            // 0 times anything finite is 0, whether or not the other side has a closed form.
            Factor::Mul(a, b) => match (expand(a), expand(b)) {
                (Ok(zero), Err(_)) if zero.is_zero() && is_finite(b, draws) => Ok(zero),
                (Err(_), Ok(zero)) if zero.is_zero() && is_finite(a, draws) => Ok(zero),
                (a, b) => a?.mul(&b?, draws),
            },
            Factor::Div(a, b) => match expand(b)?.value() {
                Some(divisor) if divisor.is_zero() => Err(refuse("it divides by 0")),
                Some(divisor) => Ok(expand(a)?.scale(Double::ONE.div(divisor))),
                None => Err(refuse(format!("it divides by `{}`, which is drawn", b.equation(draws)))),
            },
            Factor::Sqrt(a) => match expand(a)?.value().map(Double::round) {
                Some(value) if value < 0.0 => Err(refuse(format!("it takes the square root of {value}"))),
                Some(value) => Ok(Polynomial::constant(Double::from(value.sqrt()))),
                None => Err(refuse(format!("it takes the square root of `{}`, which is drawn", a.equation(draws)))),
            },
            Factor::Min(a, b) => expand(if below("min", a, b, draws)? { a } else { b }),
            Factor::Max(a, b) => expand(if below("max", a, b, draws)? { b } else { a }),
        }
    }

    fn constant(value: Double) -> Self {
        let mut terms = BTreeMap::new();
        if !value.is_zero() {
            terms.insert(Vec::new(), value);
        }
        Polynomial { terms }
    }

    fn draw(i: usize, draws: &[Draw]) -> Self {
        let (lo, hi) = draws[i].distribution.range();
        if lo == hi {
            return Polynomial::constant(Double::from(lo));
        }
        let mut powers = vec![0; i + 1];
        powers[i] = 1;
        Polynomial { terms: BTreeMap::from([(powers, Double::ONE)]) }
    }

    fn is_zero(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value, where nothing is drawn.
    fn value(&self) -> Option<Double> {
        match self.terms.first_key_value() {
            None => Some(Double::ZERO),
            Some((powers, value)) => (self.terms.len() == 1 && powers.is_empty()).then_some(*value),
        }
    }

    fn add_term(&mut self, powers: Vec<u32>, coefficient: Double) -> Result<(), NoClosedForm> {
        let sum = self.terms.get(&powers).copied().unwrap_or(Double::ZERO).add(coefficient);
        if sum.is_zero() {
            self.terms.remove(&powers);
        } else {
            self.terms.insert(powers, sum);
        }
        match self.terms.len() <= MAX_TERMS {
            true => Ok(()),
            false => Err(refuse(format!("multiplied out it has more than {MAX_TERMS} terms"))),
        }
    }

    fn add(mut self, other: &Polynomial) -> Result<Self, NoClosedForm> {
        for (powers, &coefficient) in &other.terms {
            self.add_term(powers.clone(), coefficient)?;
        }
        Ok(self)
    }

    fn scale(mut self, by: Double) -> Self {
        self.terms.values_mut().for_each(|coefficient| *coefficient = coefficient.mul(by));
        self
    }

    fn mul(&self, other: &Polynomial, draws: &[Draw]) -> Result<Self, NoClosedForm> {
        if self.terms.len() * other.terms.len() > MAX_TERMS * 16 {
            return Err(refuse(format!("multiplied out it has more than {MAX_TERMS} terms")));
        }
        let mut product = Polynomial { terms: BTreeMap::new() };
        for (a, &by) in &self.terms {
            for (b, &coefficient) in &other.terms {
                product.add_term(multiply_powers(a, b, draws), by.mul(coefficient))?;
            }
        }
        Ok(product)
    }

    fn expectation(&self, draws: &[Draw]) -> Double {
        let mut sum = Double::ZERO;
        for (powers, &coefficient) in &self.terms {
            let moments = powers.iter().zip(draws).map(|(&power, draw)| draw.distribution.moment(power));
            sum = sum.add(moments.fold(coefficient, Double::mul));
        }
        sum
    }
}

/// The powers of a product of monomials, without trailing zeros.
fn multiply_powers(a: &[u32], b: &[u32], draws: &[Draw]) -> Vec<u32> {
    let power = |of: &[u32], i: usize| of.get(i).copied().unwrap_or(0);
    let product = |i: usize| match draws[i].distribution {
        Distribution::Bernoulli { .. } => power(a, i).max(power(b, i)),
        Distribution::Uniform { .. } => power(a, i) + power(b, i),
    };
    (0..a.len().max(b.len())).map(product).collect()
}

impl Distribution {
    /// E[x^power].
    fn moment(self, power: u32) -> Double {
        match (self, power) {
            (_, 0) => Double::ONE,
            (Distribution::Bernoulli { p }, _) => Double::from(p),
            (Distribution::Uniform { lo, hi }, _) => {
                let (lo, hi) = (Double::from(lo), Double::from(hi));
                // Horner's way through lo^k + lo^(k-1) hi + … + hi^k, the powers of hi beside it.
                let (mut sum, mut hi_power) = (Double::ONE, Double::ONE);
                for _ in 0..power {
                    hi_power = hi_power.mul(hi);
                    sum = sum.mul(lo).add(hi_power);
                }
                sum.div(Double::from(f64::from(power) + 1.0))
            }
        }
    }
}

/// Whether `a <= b` for all draws; an error where that depends on them.
fn below(name: &str, a: &Factor, b: &Factor, draws: &[Draw]) -> Result<bool, NoClosedForm> {
    let (a_range, b_range) = (a.range(draws), b.range(draws));
    if a_range.1 <= b_range.0 {
        Ok(true)
    } else if b_range.1 <= a_range.0 {
        Ok(false)
    } else {
        let (a, b) = (a.equation(draws), b.equation(draws));
        Err(refuse(format!("the draws decide which argument `{name}({a}, {b})` takes")))
    }
}

fn is_finite(factor: &Factor, draws: &[Draw]) -> bool {
    let (lo, hi) = factor.range(draws);
    lo.is_finite() && hi.is_finite()
}

fn finite(moment: f64) -> Result<f64, NoClosedForm> {
    if moment.is_finite() { Ok(moment) } else { Err(refuse("its moments are too large for a number")) }
}

fn refuse(reason: impl Into<String>) -> NoClosedForm {
    NoClosedForm { reason: reason.into() }
}
