//! How well the test-time network does on images.

use std::ops::ControlFlow;

use crate::data::{Batch, Images, Pass};
use crate::device::Engine;
use crate::diag::Failure;
use crate::num::float;

/// What a network scores on images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean of - log softmax(logits) of each image's class; without smoothing.
    pub loss: f64,
    /// The share of images whose class has the largest logit, the first where several are largest.
    pub accuracy: f64,
}

/// Runs the test-time network, whose factors are the derived ones, over all images in their order; `each` gets an image's
/// class and logits, and may end it.
///
/// # Errors
/// An image file that cannot be read any more; a device that fails.
pub fn classify(
    engine: &mut dyn Engine,
    images: &Images,
    batch: usize,
    mut each: impl FnMut(u32, &[f32]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Failure> {
    let pass = Pass::plain(images, batch);
    let mut filled = Batch::default();
    for number in 0..pass.batches() {
        pass.fill(number, &mut filled)?;
        let logits = engine.logits(&filled.images);
        if let Some(failure) = engine.failure() {
            return Err(failure);
        }
        for (row, &label) in logits.chunks_exact(images.classes).zip(&filled.labels) {
            if each(label, row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// What the test-time network scores on all images; none where `go_on` says so, asked after each.
///
/// # Errors
/// An image file that cannot be read any more.
pub fn evaluate(
    engine: &mut dyn Engine,
    images: &Images,
    batch: usize,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Evaluation>, Failure> {
    let (mut loss, mut right) = (0.0, 0usize);
    let ended = classify(engine, images, batch, |label, logits| {
        loss += cross_entropy(logits, label as usize);
        right += usize::from(largest(logits) == label as usize);
        if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let count = images.len() as f64;
    Ok(ended.is_continue().then(|| Evaluation { loss: loss / count, accuracy: right as f64 / count }))
}

/// What a network scores on images, class by class.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// For each class how many of its images were taken for each class.
    pub confusion: Vec<Vec<u64>>,
    /// How many images have their class among the five largest logits.
    five: u64,
    loss: f64,
}

impl Assessment {
    fn images(&self) -> f64 {
        self.confusion.iter().flatten().sum::<u64>() as f64
    }

    /// The mean of - log softmax(logits) of each image's class.
    pub fn loss(&self) -> f64 {
        self.loss / self.images()
    }

    /// The share of images whose class has the largest logit.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.confusion.iter().enumerate().map(|(class, row)| row[class]).sum();
        right as f64 / self.images()
    }

    /// The share of images whose class is among the five with the largest logits.
    pub fn top_five(&self) -> f64 {
        self.five as f64 / self.images()
    }
}

/// What the test-time network scores on all images, class by class.
///
/// # Errors
/// An image file that cannot be read any more.
pub fn assess(engine: &mut dyn Engine, images: &Images, batch: usize) -> Result<Assessment, Failure> {
    let confusion = vec![vec![0; images.classes]; images.classes];
    let mut assessment = Assessment { confusion, five: 0, loss: 0.0 };
    let _ = classify(engine, images, batch, |label, logits| {
        let class = label as usize;
        assessment.confusion[class][largest(logits)] += 1;
        assessment.five += u64::from(rank(logits, class) < 5);
        assessment.loss += cross_entropy(logits, class);
        ControlFlow::Continue(())
    })?;
    Ok(assessment)
}

/// How many classes come before this one: with larger logits, or as large and earlier.
fn rank(logits: &[f32], class: usize) -> usize {
    let before = |(i, z): &(usize, &f32)| **z > logits[class] || (**z == logits[class] && *i < class);
    logits.iter().enumerate().filter(before).count()
}

/// The share that softmax(logits) gives a class.
pub fn share(logits: &[f32], class: usize) -> f64 {
    float::exp(-cross_entropy(logits, class))
}

/// - log softmax(logits) of one class, shifted by the largest logit so that nothing overflows.
fn cross_entropy(logits: &[f32], class: usize) -> f64 {
    let top = f64::from(logits[largest(logits)]);
    let sum: f64 = logits.iter().map(|&z| float::exp(f64::from(z) - top)).sum();
    float::ln(sum) + top - f64::from(logits[class])
}

/// The class of the largest logit, the first where several are largest.
pub fn largest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = i;
        }
    }
    best
}
