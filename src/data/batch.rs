//! One pass over images, batch by batch.

use super::augment::{Key, Step, centre, steps};
use super::decode::decode;
use super::resample::{Raster, resample};
use super::{Images, Pixels, mix};
use crate::diag::Failure;
use crate::net::recipe::{BatchAugment, Data};
use crate::num::draw::Stream;

/// The share of its sides that is taken of an image file for test: 224 of 256.
const TEST_SHARE: f64 = 0.875;

/// Images and targets of a step; the caller keeps it and has it filled again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// N x C x H x W, row-major, normalised.
    pub images: Vec<f32>,
    /// N x classes: each class's share of the image, 1 for its own unless images are mixed.
    pub targets: Vec<f32>,
    /// The class of each image, of the one before mixing.
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
    augment: Vec<Step>,
    batch_augment: &'a [BatchAugment],
    /// The share of an image file that is taken where no step takes a part.
    share: f64,
    seed: u64,
    epoch: u32,
}

impl<'a> Pass<'a> {
    /// A training epoch (from 1): the images in the epoch's order, augmented.
    pub fn training(images: &'a Images, data: &'a Data, batch: usize, seed: u64, epoch: u32) -> Self {
        let order = if data.shuffle { shuffled(images.len(), seed, epoch) } else { in_order(images.len()) };
        let Data { augment, batch_augment, .. } = data;
        Pass { images, batch, order, augment: steps(augment), batch_augment, share: 1.0, seed, epoch }
    }

    /// The images as they are, in their order.
    pub fn plain(images: &'a Images, batch: usize) -> Self {
        let order = in_order(images.len());
        Pass { images, batch, order, augment: vec![], batch_augment: &[], share: TEST_SHARE, seed: 0, epoch: 0 }
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
    ///
    /// # Errors
    /// An image file that cannot be read any more.
    pub fn fill(&self, number: usize, out: &mut Batch) -> Result<(), Failure> {
        let Images { shape, classes, labels, .. } = self.images;
        let first = number * self.batch;
        let indices = &self.order[first..(first + self.batch).min(self.order.len())];
        out.images.resize(indices.len() * shape.elements(), 0.0);
        out.targets.clear();
        out.targets.resize(indices.len() * classes, 0.0);
        out.labels.clear();
        let mut spare = Vec::new();
        for (n, &index) in indices.iter().enumerate() {
            self.image(index, &mut out.images[n * shape.elements()..(n + 1) * shape.elements()], &mut spare)?;
            let label = labels[index as usize];
            out.targets[n * classes + label as usize] = 1.0;
            out.labels.push(label);
        }
        if !self.batch_augment.is_empty() {
            let place = mix::Place { seed: self.seed, epoch: self.epoch, number, first };
            mix::mix(self.batch_augment, place, *shape, out);
        }
        Ok(())
    }

    /// One image, normalised and augmented.
    fn image(&self, index: u32, out: &mut [f32], spare: &mut Vec<f32>) -> Result<(), Failure> {
        let Images { shape, pixels, scale, .. } = self.images;
        let key = Key { seed: self.seed, epoch: self.epoch, image: index };
        let target = [shape.height, shape.width];
        let part = |size| self.augment.iter().find_map(|step| step.part(size, target, key));
        match pixels {
            Pixels::Held(_) => {
                let stored = self.images.pixels(index as usize);
                if let Some(part) = part(target) {
                    resample(&Raster::of_planes(stored, *shape), part, target, out);
                } else {
                    stored.iter().zip(out.iter_mut()).for_each(|(byte, v)| *v = f32::from(*byte));
                }
            }
            Pixels::Files(files) => {
                let image = decode(&files[index as usize], shape.channels)?;
                let size = [image.height, image.width];
                resample(&image, part(size).unwrap_or_else(|| centre(size, target, self.share)), target, out);
            }
        }
        for (plane, scale) in out.chunks_exact_mut(shape.pixels()).zip(scale) {
            plane.iter_mut().for_each(|v| *v = scale.apply(*v));
        }
        self.augment.iter().for_each(|step| step.apply(out, spare, *shape, scale, key));
        Ok(())
    }
}

fn in_order(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

/// The images' numbers sorted by their words of the stream `data.shuffle`; where two agree, by number.
fn shuffled(count: usize, seed: u64, epoch: u32) -> Vec<u32> {
    sorted_by_words("data.shuffle", count, seed, epoch)
}

/// Numbers from 0 sorted by their words of a stream; where two agree, by number.
pub(super) fn sorted_by_words(stream: &str, count: usize, seed: u64, step: u32) -> Vec<u32> {
    let words = Stream::of_path(stream).all_words(seed, step);
    let mut keyed: Vec<(u32, u32)> = words.zip(in_order(count)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, number)| number).collect()
}
