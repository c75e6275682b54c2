//! Images to learn from: data sets, what is done to their images, and batches.
//!
//! A batch is a pure function of the data set, the seed, the epoch and the batch's number, so a run that is resumed
//! sees what the unbroken run would have seen. Absences: no network, no thread, no state that moves with the batches.

mod augment;
mod batch;
pub mod cifar10;
mod digits;
mod synthetic;

pub use batch::{Batch, Pass};

use crate::diag::Failure;
use crate::net::Shape;
use crate::net::recipe::DataSet;

/// Labelled images, a byte a pixel.
///
/// Invariants: `pixels` holds one image a label, each C x H x W; labels lie below `classes`; `scale` has an entry a
/// channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// An image's shape.
    pub shape: Shape,
    /// How many classes there are.
    pub classes: usize,
    /// Image after image.
    pub pixels: Vec<u8>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// What a pixel's byte stands for.
    pub scale: Vec<Scale>,
}

/// How a channel is normalised: byte v is the number (v - mean) / deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Mean over the training images.
    pub mean: f32,
    /// Standard deviation over the training images.
    pub deviation: f32,
}

impl Scale {
    fn apply(self, byte: u8) -> f32 {
        (f32::from(byte) - self.mean) / self.deviation
    }
}

/// A data set in its two parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Splits {
    /// What is learnt from.
    pub train: Images,
    /// What is only looked at.
    pub test: Images,
}

impl Images {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Image number `i`, as stored.
    pub fn pixels(&self, i: usize) -> &[u8] {
        let elements = self.shape.elements();
        &self.pixels[i * elements..(i + 1) * elements]
    }
}

/// Reads or makes a data set; `seed` is that of the run and matters to `synthetic` alone.
///
/// # Errors
/// A file that is missing or damaged.
pub fn load(set: &DataSet, seed: u64) -> Result<Splits, Failure> {
    match set {
        DataSet::Digits => Ok(digits::load()),
        DataSet::Cifar10 { path } => cifar10::load(path.as_deref()),
        DataSet::Synthetic { shape, classes, images } => Ok(synthetic::draw(*shape, *classes, *images, seed)),
    }
}
