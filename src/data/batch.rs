//! One pass over images, batch by batch.

use super::Images;
use super::augment::View;
use crate::net::recipe::{Augment, Data};
use crate::num::draw::Stream;

/// Images and targets of a step; the caller keeps it and has it filled again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// N x C x H x W, row-major, normalised.
    pub images: Vec<f32>,
    /// N x classes: 1 for an image's class, else 0.
    pub targets: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
}

/// One pass over images in a certain order.
///
/// Invariant: `order` holds each image's number once.
#[derive(Clone, Debug)]
pub struct Pass<'a> {
    images: &'a Images,
    batch: usize,
    order: Vec<u32>,
    augment: &'a [Augment],
    seed: u64,
    epoch: u32,
}

impl<'a> Pass<'a> {
    /// A training epoch (from 1): the images in the epoch's order, augmented.
    pub fn training(images: &'a Images, data: &'a Data, batch: usize, seed: u64, epoch: u32) -> Self {
        let order = if data.shuffle { shuffled(images.len(), seed, epoch) } else { in_order(images.len()) };
        Pass { images, batch, order, augment: &data.augment, seed, epoch }
    }

    /// The images as they are, in their order.
    pub fn plain(images: &'a Images, batch: usize) -> Self {
        Pass { images, batch, order: in_order(images.len()), augment: &[], seed: 0, epoch: 0 }
    }

    /// How many batches there are; the last one may be smaller than the others.
    pub fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch)
    }

    /// The images' numbers in the order of the pass.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Fills `out` with batch `number`, from 0.
    pub fn fill(&self, number: usize, out: &mut Batch) {
        let Images { shape, classes, labels, scale, .. } = self.images;
        let end = ((number + 1) * self.batch).min(self.order.len());
        let indices = &self.order[number * self.batch..end];
        out.images.resize(indices.len() * shape.elements(), 0.0);
        out.targets.clear();
        out.targets.resize(indices.len() * classes, 0.0);
        out.labels.clear();
        for (n, &index) in indices.iter().enumerate() {
            let view = View::of(*shape, self.augment, self.seed, self.epoch, index.into());
            let stored = self.images.pixels(index as usize).chunks_exact(shape.pixels());
            let image = &mut out.images[n * shape.elements()..(n + 1) * shape.elements()];
            for ((stored, out), scale) in stored.zip(image.chunks_exact_mut(shape.pixels())).zip(scale) {
                view.write(stored, |byte| scale.apply(byte), out);
            }
            let label = labels[index as usize];
            out.targets[n * classes + label as usize] = 1.0;
            out.labels.push(label);
        }
    }
}

fn in_order(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

/// The images' numbers sorted by their words of the stream `data.shuffle`; where two agree, by number.
fn shuffled(count: usize, seed: u64, epoch: u32) -> Vec<u32> {
    let words = Stream::of_path("data.shuffle").all_words(seed, epoch);
    let mut keyed: Vec<(u32, u32)> = words.zip(in_order(count)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, number)| number).collect()
}
