//! In which steps a kernel runs.
//!
//! A kernel that only serves branches behind gates need not run where one of the gates is 0, for the rest of the plan
//! reads nothing of what it would have made; another may be there for just those steps.

use super::{Distribution, Draw};
use crate::num::draw::bernoulli;

/// The steps in which a kernel runs. The draws are gates: one Bernoulli draw a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum When {
    /// All.
    #[default]
    Always,
    /// Those in which all of the gates are 1.
    Open(Vec<Draw>),
    /// Those in which one of the gates is 0.
    Closed(Vec<Draw>),
}

impl When {
    /// Where all of some gates are open.
    pub fn open(gates: Vec<Draw>) -> When {
        if gates.is_empty() { When::Always } else { When::Open(gates) }
    }

    /// Whether this step is one of them.
    pub fn holds(&self, seed: u64, step: u32) -> bool {
        let open = |gates: &[Draw]| gates.iter().all(|gate| gate.is_open(seed, step));
        match self {
            When::Always => true,
            When::Open(gates) => open(gates),
            When::Closed(gates) => !open(gates),
        }
    }

    /// The gates that are 1 in all of them.
    pub fn gates(&self) -> &[Draw] {
        match self {
            When::Open(gates) => gates,
            When::Always | When::Closed(_) => &[],
        }
    }

    /// Its draws.
    pub fn draws(&self) -> &[Draw] {
        match self {
            When::Always => &[],
            When::Open(gates) | When::Closed(gates) => gates,
        }
    }
}

impl Draw {
    /// Whether a gate is 1 in a step.
    ///
    /// # Panics
    /// Where it is no gate.
    pub fn is_open(&self, seed: u64, step: u32) -> bool {
        match self.distribution {
            Distribution::Bernoulli { threshold } => bernoulli(self.stream.word(seed, step, 0), threshold) > 0.0,
            Distribution::Uniform { .. } => unreachable!("a gate is a Bernoulli draw"),
        }
    }
}

/// Gates that are open wherever something matters, joined with those of another use: the ones that both have. `None` is
/// what nothing uses yet.
pub fn meet(so_far: &mut Option<Vec<Draw>>, gates: Vec<Draw>) {
    match so_far {
        Some(known) => known.retain(|gate| gates.contains(gate)),
        None => *so_far = Some(gates),
    }
}

/// Whether all of `some` are among `gates`.
pub fn all_among(some: &[Draw], gates: &[Draw]) -> bool {
    some.iter().all(|gate| gates.contains(gate))
}
