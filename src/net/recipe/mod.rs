//! How a network is trained: data, loss, optimizer, schedule. What `train { … }` says, checked.
//!
//! One file a part. Absence: no file is read and nothing is drawn here.

mod data;
mod optimizer;
mod schedule;

pub use data::{Augment, BatchAugment, Data, DataSet, Fill};
pub use optimizer::{Every, Exempt, Memory, Optimizer, UpdateRule, averaging, bias_correction};
pub use schedule::Schedule;

/// A training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The model's name.
    pub model: String,
    /// What it learns from.
    pub data: Data,
    /// What is minimised.
    pub loss: Loss,
    /// How weights move.
    pub optimizer: Optimizer,
    /// How the rate changes; factors multiply. Empty: it stays.
    pub schedule: Vec<Schedule>,
    /// Passes over the training data.
    pub epochs: usize,
    /// Images a step; at least 1.
    pub batch: usize,
    /// The key of every draw.
    pub seed: u64,
}

/// Softmax cross entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Share of the target spread evenly over all classes, in [0, 1).
    pub smoothing: f64,
}

impl Recipe {
    /// The rate of a step (from 0) where an epoch has `steps_per_epoch` steps.
    pub fn rate(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let factors = self.schedule.iter().map(|part| part.factor(step, steps_per_epoch, self.epochs as u64));
        factors.fold(self.optimizer.lr, |rate, factor| rate * factor)
    }

    /// Its values by their paths, as text.
    pub fn values(&self) -> Vec<(String, String)> {
        let Recipe { model: _, data, loss, optimizer, schedule, epochs, batch, seed } = self;
        let mut values = data.values();
        values.push(("loss.smoothing", loss.smoothing.to_string()));
        values.extend(optimizer.values());
        values.extend([
            ("schedule", listed(schedule)),
            ("epochs", epochs.to_string()),
            ("batch", batch.to_string()),
            ("accumulate", optimizer.accumulate.to_string()),
            ("average", or_none(optimizer.average)),
            ("seed", seed.to_string()),
        ]);
        values.into_iter().map(|(path, value)| (format!("train.{path}"), value)).collect()
    }
}

fn listed(all: &[impl ToString]) -> String {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

fn or_none(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
