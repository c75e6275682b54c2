//! Numbers of twice an f64's precision, as an unevaluated sum of two (Dekker 1971).
//!
//! Moments are computed in them and rounded once, so that a moment that is an f64 (p, 1/2, p times 1/p) comes out as
//! that very f64.

/// `high + low`, where `high` is the sum rounded to an f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Double {
    high: f64,
    low: f64,
}

impl Double {
    pub(super) const ZERO: Double = Double { high: 0.0, low: 0.0 };
    pub(super) const ONE: Double = Double { high: 1.0, low: 0.0 };

    pub(super) fn is_zero(self) -> bool {
        self.high == 0.0 && self.low == 0.0
    }

    /// The nearest f64.
    pub(super) fn round(self) -> f64 {
        self.high
    }

    pub(super) fn neg(self) -> Self {
        Double { high: -self.high, low: -self.low }
    }

    pub(super) fn add(self, other: Self) -> Self {
        let (sum, error) = two_sum(self.high, other.high);
        let (low, lowest) = two_sum(self.low, other.low);
        let (sum, error) = quick_two_sum(sum, error + low);
        let (high, low) = quick_two_sum(sum, error + lowest);
        Double { high, low }
    }

    pub(super) fn mul(self, other: Self) -> Self {
        let product = self.high * other.high;
        let error = self.high.mul_add(other.high, -product);
        let (high, low) = quick_two_sum(product, error + (self.high * other.low + self.low * other.high));
        Double { high, low }
    }

    /// Long division, two digits of 53 bits and a third that rounds.
    pub(super) fn div(self, other: Self) -> Self {
        let times = |digit: f64| other.mul(Double::from(digit)).neg();
        let first = self.high / other.high;
        let rest = self.add(times(first));
        let second = rest.high / other.high;
        let rest = rest.add(times(second));
        let third = rest.high / other.high;
        let (high, low) = quick_two_sum(first, second);
        Double { high, low }.add(Double::from(third))
    }
}

impl From<f64> for Double {
    fn from(value: f64) -> Self {
        Double { high: value, low: 0.0 }
    }
}

/// The sum and its rounding error (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let other = sum - a;
    (sum, (a - (sum - other)) + (b - other))
}

/// The same where `a` is the larger or 0.
fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

#[cfg(test)]
mod tests {
    use super::Double;

    #[test]
    fn a_quotient_times_its_divisor_is_the_dividend() {
        for i in 1..1000 {
            let p = Double::from(f64::from(i) / 1000.0);
            assert_eq!(Double::ONE.div(p).mul(p).round(), 1.0, "{i}");
        }
    }
}
