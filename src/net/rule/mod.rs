//! A stochastic rule at one site: its draws, its factors, and their exact moments.
//!
//! ShakeDrop (Yamada et al. 2019, equation 6), for instance, has three draws, the gate b and two uniforms, and the
//! factors b + (1 - b) u0 forward and b + (1 - b) u1 backward; the test-time factor is `E[forward]`.
//!
//! Absences: no syntax tree, no tensor, no stream of draws: which word a draw takes is `num::draw`'s business.

mod double;
mod evaluate;
mod moments;
mod print;
mod sample;
mod verify;

use std::fmt;

pub use evaluate::Real;
pub use moments::{NoClosedForm, gate_of};
pub use print::Equation;

/// How finely a draw is made; each level is finer than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One for the whole batch.
    Batch,
    /// One an image.
    Image,
    /// One an image and channel.
    Channel,
    /// One an element.
    Pixel,
}

impl Level {
    /// As the language writes it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Batch => "batch",
            Level::Image => "image",
            Level::Channel => "channel",
            Level::Pixel => "pixel",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A random number of a rule. Its number in [`Rule::draws`] is the DRAW of its stream (`num::draw`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// How finely it is made.
    pub level: Level,
    /// From what.
    pub distribution: Distribution,
    /// Whether it stands in a `let` (a gate may be one), not inside an equation.
    pub named: bool,
}

/// What a draw is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// 1 with probability p in [0, 1], else 0.
    Bernoulli {
        /// The probability of 1.
        p: f64,
    },
    /// Uniform in [lo, hi); `lo <= hi`, equal for a constant.
    Uniform {
        /// The lower end.
        lo: f64,
        /// The upper end.
        hi: f64,
    },
}

/// A factor: a scalar expression over a rule's draws.
#[derive(Clone, Debug, PartialEq)]
pub enum Factor {
    /// A number.
    Const(f64),
    /// Draw number i of the rule.
    Draw(usize),
    /// -a
    Neg(Box<Factor>),
    /// sqrt(a)
    Sqrt(Box<Factor>),
    /// a + b
    Add(Box<Factor>, Box<Factor>),
    /// a - b
    Sub(Box<Factor>, Box<Factor>),
    /// a * b
    Mul(Box<Factor>, Box<Factor>),
    /// a / b
    Div(Box<Factor>, Box<Factor>),
    /// min(a, b)
    Min(Box<Factor>, Box<Factor>),
    /// max(a, b)
    Max(Box<Factor>, Box<Factor>),
}

/// A rule with the numbers of one site in it.
///
/// Invariants:
/// 1. A Bernoulli draw has p in [0, 1]; a uniform one finite ends with `lo <= hi`.
/// 2. `forward`, `backward` and `test` have the same number of entries, at least one.
/// 3. A factor's draws are among `draws`, its numbers are finite; so are those of `test`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its draws, in the order of the text: those of `let`, of `forward`, of `backward`.
    pub draws: Vec<Draw>,
    /// What training's forward pass multiplies by: one factor, or one a branch.
    pub forward: Vec<Factor>,
    /// What training's backward pass multiplies by; as many.
    pub backward: Vec<Factor>,
    /// What the test-time pass multiplies by: `E[forward]`, or what `test = …` says; as many.
    pub test: Vec<f64>,
}

impl Rule {
    /// The p of its first Bernoulli draw: what tables call its probability.
    pub fn gate_probability(&self) -> Option<f64> {
        self.draws.iter().find_map(|draw| match draw.distribution {
            Distribution::Bernoulli { p } => Some(p),
            Distribution::Uniform { .. } => None,
        })
    }
}
