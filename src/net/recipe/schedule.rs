//! How the rate changes: factors, which multiply.

use std::fmt;

use crate::num::float;

/// A factor of the rate.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Times `factor` when so many epochs are done, at each of `after`.
    Steps {
        /// Epochs done; rising.
        after: Vec<usize>,
        /// The factor.
        factor: f64,
    },
    /// (1 + cos(pi t / T)) / 2 (Loshchilov and Hutter 2017, equation 5, without restarts).
    Cosine {
        /// t and T count steps, else epochs.
        per_step: bool,
    },
    /// Rises linearly from 0 over the first epochs, step by step.
    Warmup {
        /// How many.
        epochs: usize,
    },
}

impl Schedule {
    /// The factor at a step (from 0) of `epochs` epochs of `steps_per_epoch` steps.
    pub(super) fn factor(&self, step: u64, steps_per_epoch: u64, epochs: u64) -> f64 {
        let epoch = step / steps_per_epoch;
        match self {
            Schedule::Steps { after, factor } => {
                let passed = after.iter().filter(|&&n| n as u64 <= epoch).count();
                float::pow(*factor, passed as f64)
            }
            Schedule::Cosine { per_step } => {
                let (t, total) = if *per_step { (step, epochs * steps_per_epoch) } else { (epoch, epochs) };
                0.5 * (1.0 + float::cos(std::f64::consts::PI * t as f64 / total as f64))
            }
            Schedule::Warmup { epochs } => {
                let total = *epochs as u64 * steps_per_epoch;
                if step < total { (step + 1) as f64 / total as f64 } else { 1.0 }
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Steps { after, factor } => write!(f, "steps(after: {after:?}, factor: {factor})"),
            Schedule::Cosine { per_step } => {
                write!(f, "cosine(per: {})", if *per_step { "step" } else { "epoch" })
            }
            Schedule::Warmup { epochs } => write!(f, "warmup(epochs: {epochs})"),
        }
    }
}
