//! How a network is trained: data, loss, optimizer, schedule. What `train { … }` says, checked.

use std::fmt;

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
    pub optimizer: Sgd,
    /// How the rate changes; factors multiply. Empty: it stays.
    pub schedule: Vec<Schedule>,
    /// Passes over the training data.
    pub epochs: usize,
    /// Images a step; at least 1.
    pub batch: usize,
    /// The key of every draw.
    pub seed: u64,
}

/// A data set with what is done to its images.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Which.
    pub set: DataSet,
    /// What is done to each training image, in order, after normalising.
    pub augment: Vec<Augment>,
    /// Whether each epoch has an order of its own; else the file's.
    pub shuffle: bool,
}

/// A data set.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSet {
    /// The 1,797 8 x 8 images of handwritten digits inside the binary.
    Digits,
    /// CIFAR-10 in its binary layout, in this folder or in the user's cache.
    Cifar10 {
        /// The folder, where the text names one.
        path: Option<String>,
    },
    /// Images drawn from the seed, one pattern a class: for trying things out.
    Synthetic {
        /// C, H and W.
        shape: super::Shape,
        /// Classes.
        classes: usize,
        /// Training images; a fifth as many for test.
        images: usize,
    },
}

impl DataSet {
    /// As the language writes it.
    pub fn name(&self) -> &'static str {
        match self {
            DataSet::Digits => "digits",
            DataSet::Cifar10 { .. } => "cifar10",
            DataSet::Synthetic { .. } => "synthetic",
        }
    }

    /// An image's shape.
    pub fn shape(&self) -> super::Shape {
        match self {
            DataSet::Digits => super::Shape::new(1, 8, 8),
            DataSet::Cifar10 { .. } => super::Shape::new(3, 32, 32),
            DataSet::Synthetic { shape, .. } => *shape,
        }
    }

    /// How many classes it has.
    pub fn classes(&self) -> usize {
        match self {
            DataSet::Digits | DataSet::Cifar10 { .. } => 10,
            DataSet::Synthetic { classes, .. } => *classes,
        }
    }
}

/// What is done to a training image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augment {
    /// Zeros around it, then a crop of its own size at a drawn place.
    PadCrop {
        /// How many zeros on each side.
        pad: usize,
    },
    /// Mirrored left to right with probability 1/2.
    Hflip,
}

/// Softmax cross entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Share of the target spread evenly over all classes, in [0, 1).
    pub smoothing: f64,
}

/// Stochastic gradient descent as PyTorch and the papers have it: v = mu v + (1 - dampening) g, with g + decay w for g;
/// the step is -lr v, or -lr (g + mu v) with Nesterov. At the first step v = g.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// The rate at the start.
    pub lr: f64,
    /// mu, in [0, 1).
    pub momentum: f64,
    /// Nesterov's step.
    pub nesterov: bool,
    /// The factor of w that is added to its gradient.
    pub weight_decay: f64,
    /// What the decay leaves alone.
    pub exempt: Vec<Exempt>,
}

/// A kind of parameter that weight decay leaves alone (`except bn, bias`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// Scale and shift of batch normalisation.
    Norm,
    /// Biases.
    Bias,
}

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

impl Recipe {
    /// The rate of a step (from 0) where an epoch has `steps_per_epoch` steps.
    pub fn rate(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let epoch = step / steps_per_epoch;
        let factor = |part: &Schedule| match part {
            Schedule::Steps { after, factor } => {
                let passed = after.iter().filter(|&&n| n as u64 <= epoch).count();
                crate::num::float::pow(*factor, passed as f64)
            }
            Schedule::Cosine { per_step } => {
                let (t, total) = match per_step {
                    true => (step, self.epochs as u64 * steps_per_epoch),
                    false => (epoch, self.epochs as u64),
                };
                0.5 * (1.0 + crate::num::float::cos(std::f64::consts::PI * t as f64 / total as f64))
            }
            Schedule::Warmup { epochs } => {
                let total = *epochs as u64 * steps_per_epoch;
                if step < total { (step + 1) as f64 / total as f64 } else { 1.0 }
            }
        };
        self.schedule.iter().map(factor).fold(self.optimizer.lr, |rate, f| rate * f)
    }
}

impl Recipe {
    /// Its values by their paths, as text.
    pub fn values(&self) -> Vec<(String, String)> {
        let Recipe { model: _, data, loss, optimizer, schedule, epochs, batch, seed } = self;
        let listed = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join("; ") };
        let Sgd { lr, momentum, nesterov, weight_decay, exempt } = optimizer;
        let exempt = exempt.iter().map(|kind| match kind {
            Exempt::Norm => "bn".to_owned(),
            Exempt::Bias => "bias".to_owned(),
        });
        let values = [
            ("data", data.set.to_string()),
            ("data.augment", listed(data.augment.iter().map(Augment::to_string).collect())),
            ("data.shuffle", data.shuffle.to_string()),
            ("loss.smoothing", loss.smoothing.to_string()),
            ("optimizer.lr", lr.to_string()),
            ("optimizer.momentum", momentum.to_string()),
            ("optimizer.nesterov", nesterov.to_string()),
            ("optimizer.weight_decay", weight_decay.to_string()),
            ("optimizer.weight_decay except", listed(exempt.collect())),
            ("schedule", listed(schedule.iter().map(Schedule::to_string).collect())),
            ("epochs", epochs.to_string()),
            ("batch", batch.to_string()),
            ("seed", seed.to_string()),
        ];
        values.into_iter().map(|(path, value)| (format!("train.{path}"), value)).collect()
    }
}

impl fmt::Display for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            DataSet::Digits | DataSet::Cifar10 { path: None } => Ok(()),
            DataSet::Cifar10 { path: Some(path) } => write!(f, "(path: {path:?})"),
            DataSet::Synthetic { shape, classes, images } => {
                write!(f, "({shape}, classes: {classes}, images: {images})")
            }
        }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Augment::PadCrop { pad } => write!(f, "pad_crop({pad})"),
            Augment::Hflip => f.write_str("hflip"),
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
