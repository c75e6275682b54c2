//! How weights move: the update's rule, what goes before it (accumulation, clipping, decay), what is kept beside it.

use std::fmt;

use crate::net::{Path, Role};
use crate::num::float;

/// How a gradient becomes a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// The rule of the step.
    pub rule: UpdateRule,
    /// The rate at the start.
    pub lr: f64,
    /// lambda of the weight decay: `sgd` adds lambda w to the gradient, `adamw` takes rate lambda w from the weight.
    pub weight_decay: f64,
    /// What the decay leaves alone.
    pub exempt: Vec<Exempt>,
    /// The largest norm of all gradients together; a longer one is scaled down to it (Pascanu et al. 2013, algorithm 1).
    pub clip: Option<f64>,
    /// Batches whose mean gradient makes one update; at least 1. They are counted through the whole run.
    pub accumulate: u32,
    /// The decay of a moving average of weights and running statistics, which is what is tested; in (0, 1).
    pub average: Option<f64>,
}

/// The rule of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// Stochastic gradient descent as PyTorch and the papers have it: v = mu v + g, with g + lambda w for g; the step is
    /// -rate v, or -rate (g + mu v) with Nesterov. At the first step v = g.
    Sgd {
        /// mu, in [0, 1).
        momentum: f64,
        /// Nesterov's step.
        nesterov: bool,
    },
    /// Adam with decoupled decay (Loshchilov and Hutter 2019, algorithm 2): m = beta1 m + (1 - beta1) g,
    /// v = beta2 v + (1 - beta2) g^2; the step is -rate (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + lambda w),
    /// t counting updates from 1.
    AdamW {
        /// Of the mean of the gradients, in [0, 1).
        beta1: f64,
        /// Of the mean of their squares, in [0, 1).
        beta2: f64,
        /// Added to the root; above 0.
        eps: f64,
    },
}

/// Parameters that weight decay leaves alone (`except bn, bias, stem.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// Scale and shift of batch normalisation.
    Norm,
    /// Biases.
    Bias,
    /// What a path pattern selects: parameters, or all of the layers and parts that it names.
    Pattern(String),
}

impl Exempt {
    /// Whether it holds for the parameter at `path`.
    pub fn holds(&self, path: &Path, role: Role) -> bool {
        match self {
            Exempt::Norm => role == Role::Norm,
            Exempt::Bias => role == Role::Bias,
            Exempt::Pattern(pattern) => {
                std::iter::successors(Some(path.clone()), Path::parent).any(|part| part.matches(pattern))
            }
        }
    }
}

impl fmt::Display for Exempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exempt::Norm => "bn",
            Exempt::Bias => "bias",
            Exempt::Pattern(pattern) => pattern,
        })
    }
}

/// What the optimizer keeps of a parameter from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memory {
    /// The decayed sum, or mean, of the gradients.
    Momentum,
    /// The decayed mean of their squares.
    Square,
    /// The gradients of the batches since the last update.
    Gathered,
    /// The moving average of the parameter.
    Average,
}

impl Memory {
    /// All, in the order in which checkpoints hold them.
    pub const ALL: [Memory; 4] = [Memory::Momentum, Memory::Square, Memory::Gathered, Memory::Average];

    /// As checkpoints and printers call it.
    pub fn name(self) -> &'static str {
        match self {
            Memory::Momentum => "momentum",
            Memory::Square => "square",
            Memory::Gathered => "gathered",
            Memory::Average => "average",
        }
    }
}

impl Optimizer {
    /// Stochastic gradient descent without Nesterov's step, decay, or anything else.
    pub fn sgd(lr: f64, momentum: f64) -> Self {
        let rule = UpdateRule::Sgd { momentum, nesterov: false };
        Optimizer { rule, lr, weight_decay: 0.0, exempt: vec![], clip: None, accumulate: 1, average: None }
    }

    /// The weight decay of a parameter.
    pub fn decay(&self, path: &Path, role: Role) -> f64 {
        if self.exempt.iter().any(|exempt| exempt.holds(path, role)) { 0.0 } else { self.weight_decay }
    }

    /// The optimizer's own values by their keys, as text.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let Optimizer { rule, lr, weight_decay, exempt, clip, accumulate: _, average: _ } = self;
        let mut values = vec![("optimizer", rule.name().to_owned()), ("optimizer.lr", lr.to_string())];
        match rule {
            UpdateRule::Sgd { momentum, nesterov } => values
                .extend([("optimizer.momentum", momentum.to_string()), ("optimizer.nesterov", nesterov.to_string())]),
            UpdateRule::AdamW { beta1, beta2, eps } => values.extend([
                ("optimizer.beta1", beta1.to_string()),
                ("optimizer.beta2", beta2.to_string()),
                ("optimizer.eps", eps.to_string()),
            ]),
        }
        values.extend([
            ("optimizer.weight_decay", weight_decay.to_string()),
            ("optimizer.weight_decay except", super::listed(exempt)),
            ("optimizer.clip", super::or_none(*clip)),
        ]);
        values
    }
}

impl UpdateRule {
    /// As the language writes it.
    pub fn name(&self) -> &'static str {
        match self {
            UpdateRule::Sgd { .. } => "sgd",
            UpdateRule::AdamW { .. } => "adamw",
        }
    }
}

/// Steps that make one update together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Every(pub u32);

impl Every {
    /// Whether a step (from 0) is the first of its group.
    pub fn begins(self, step: u32) -> bool {
        step.is_multiple_of(self.0)
    }

    /// Whether a step is the last of its group, which makes the update.
    pub fn ends(self, step: u32) -> bool {
        step % self.0 == self.0 - 1
    }

    /// Updates that were made before the one of this step's group.
    pub fn updates(self, step: u32) -> u32 {
        step / self.0
    }
}

/// 1 / (1 - beta^t), which takes from a decayed mean that it starts from 0 (Kingma and Ba 2015, section 3); `updates`
/// were made before, so t is one more.
pub fn bias_correction(beta: f64, updates: u32) -> f64 {
    1.0 / (1.0 - float::pow(beta, f64::from(updates) + 1.0))
}

/// The decay of a moving average: it grows with the updates made before, so that an early average forgets its start.
pub fn averaging(decay: f64, updates: u32) -> f64 {
    let updates = f64::from(updates);
    decay.min((1.0 + updates) / (10.0 + updates))
}

#[cfg(test)]
mod tests {
    use super::{Every, Exempt, averaging, bias_correction};
    use crate::net::{Path, Role};

    #[test]
    fn groups_of_steps() {
        let three = Every(3);
        let of = |step| (three.begins(step), three.ends(step), three.updates(step));
        assert_eq!([0, 1, 2, 3].map(of), [(true, false, 0), (false, false, 0), (false, true, 0), (true, false, 1)]);
        assert_eq!((Every(1).begins(7), Every(1).ends(7), Every(1).updates(7)), (true, true, 7));
    }

    #[test]
    fn corrections_by_hand() {
        assert_eq!(bias_correction(0.5, 0), 2.0);
        assert_eq!(bias_correction(0.5, 1), 4.0 / 3.0);
        assert_eq!(bias_correction(0.0, 5), 1.0);
        assert_eq!([0, 10, 1_000_000].map(|t| averaging(0.99, t)), [0.1, 0.55, 0.99]);
    }

    #[test]
    fn patterns_exempt_what_they_name_and_what_it_holds() {
        let path = Path::from("group[1].block[0].branch[0].conv[1].weight");
        let holds = |pattern: &str| Exempt::Pattern(pattern.to_owned()).holds(&path, Role::Weight);
        for pattern in ["group[1].*", "group[1]", "**.conv[1]", "**.weight", "group.block", "group[1].**.conv"] {
            assert!(holds(pattern), "{pattern}");
        }
        for pattern in ["group[0]", "**.conv[0]", "stem", "**.bias"] {
            assert!(!holds(pattern), "{pattern}");
        }
    }
}
