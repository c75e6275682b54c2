//! The invariants of [`Rule`], as code, in the order in which they are written there.

use super::{Distribution, Factor, Rule};

impl Rule {
    /// Checks the invariants.
    ///
    /// # Errors
    /// The first that does not hold, in words.
    pub fn verify(&self) -> Result<(), String> {
        for (i, draw) in self.draws.iter().enumerate() {
            let fits = match draw.distribution {
                Distribution::Bernoulli { p } => (0.0..=1.0).contains(&p),
                Distribution::Uniform { lo, hi } => lo.is_finite() && hi.is_finite() && lo <= hi,
            };
            if !fits {
                return Err(format!("draw {i} of {} has no distribution: {:?}", self.name, draw.distribution));
            }
        }
        let (forward, backward, test) = (self.forward.len(), self.backward.len(), self.test.len());
        if forward == 0 || forward != backward || forward != test {
            return Err(format!("{} has {forward} forward, {backward} backward, {test} test factors", self.name));
        }
        for factor in self.forward.iter().chain(&self.backward) {
            self.verify_factor(factor)?;
        }
        match self.test.iter().find(|t| !t.is_finite()) {
            Some(factor) => Err(format!("{} has a test-time factor of {factor}", self.name)),
            None => Ok(()),
        }
    }

    fn verify_factor(&self, factor: &Factor) -> Result<(), String> {
        match factor {
            Factor::Const(value) if !value.is_finite() => Err(format!("{} contains {value}", self.name)),
            Factor::Draw(i) if *i >= self.draws.len() => Err(format!("{} has no draw {i}", self.name)),
            Factor::Const(_) | Factor::Draw(_) => Ok(()),
            Factor::Neg(a) | Factor::Sqrt(a) => self.verify_factor(a),
            Factor::Add(a, b)
            | Factor::Sub(a, b)
            | Factor::Mul(a, b)
            | Factor::Div(a, b)
            | Factor::Min(a, b)
            | Factor::Max(a, b) => self.verify_factor(a).and_then(|()| self.verify_factor(b)),
        }
    }
}
