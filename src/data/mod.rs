//! Images to learn from: data sets, what is done to their images, and batches.
//!
//! A batch is a pure function of the data set, the seed, the epoch and the batch's number, so a run that is resumed
//! sees what the unbroken run would have seen, and any number of [threads](Feed) makes the same batches. Every file is
//! looked at as a whole before the first batch. Absences: no state that moves with the batches; no network, but in
//! [`fetch`].

mod augment;
mod batch;
pub mod cifar;
mod decode;
mod digits;
mod feed;
pub mod fetch;
mod files;
mod folder;
mod image_file;
mod jpeg;
mod mix;
pub mod mnist;
mod pictures;
mod resample;
mod synthetic;

pub use batch::{Batch, Pass};
pub use feed::Feed;
pub use files::cache;
pub use image_file::ImageFile;
pub use pictures::{Pictures, class_names, pictures};

use crate::diag::{Failure, codes};
use crate::net::Shape;
use crate::net::recipe::{Data, DataSet};

/// Labelled images.
///
/// Invariants: `pixels` holds one image a label; labels lie below `classes`; `scale` has an entry a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// The shape in which an image is learnt.
    pub shape: Shape,
    /// How many classes there are.
    pub classes: usize,
    /// The images.
    pub pixels: Pixels,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// What a pixel's byte stands for.
    pub scale: Vec<Scale>,
}

/// Where images are.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// In memory, a byte a pixel: image after image, each C x H x W.
    Held(Vec<u8>),
    /// In files of any size, one each, which are decoded when they are needed.
    Files(Vec<ImageFile>),
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
    fn apply(self, value: f32) -> f32 {
        (value - self.mean) / self.deviation
    }
}

/// A data set in its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Splits {
    /// What is learnt from.
    pub train: Images,
    /// What the best weights are chosen by, where the recipe holds something back.
    pub validation: Option<Images>,
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
    ///
    /// # Panics
    /// Where the images are in files.
    pub fn pixels(&self, i: usize) -> &[u8] {
        let Pixels::Held(pixels) = &self.pixels else { unreachable!("files are decoded, not sliced") };
        let elements = self.shape.elements();
        &pixels[i * elements..(i + 1) * elements]
    }

    /// The files, where the images are in some.
    fn files(&self) -> &[ImageFile] {
        match &self.pixels {
            Pixels::Held(_) => &[],
            Pixels::Files(files) => files,
        }
    }

    /// The first `count` of them, or all where there are fewer.
    pub fn first(&self, count: usize) -> Images {
        self.some(&(0..count.min(self.len()) as u32).collect::<Vec<_>>())
    }

    /// The same, with the numbers of their pixels as they are: not normalised.
    pub fn raw(self) -> Images {
        let scale = vec![Scale { mean: 0.0, deviation: 1.0 }; self.scale.len()];
        Images { scale, ..self }
    }

    /// Some of them, in the order of the numbers.
    fn some(&self, numbers: &[u32]) -> Images {
        let pixels = match &self.pixels {
            Pixels::Held(_) => Pixels::Held(numbers.iter().flat_map(|&i| self.pixels(i as usize)).copied().collect()),
            Pixels::Files(files) => Pixels::Files(numbers.iter().map(|&i| files[i as usize].clone()).collect()),
        };
        let labels = numbers.iter().map(|&i| self.labels[i as usize]).collect();
        Images { pixels, labels, shape: self.shape, classes: self.classes, scale: self.scale.clone() }
    }
}

impl Splits {
    /// Holds `count` training images back: the first by the words of the stream `data.validation`, step 0. Both parts
    /// keep the order of the file.
    fn hold_back(self, count: usize, seed: u64) -> Splits {
        let order = batch::sorted_by_words("data.validation", self.train.len(), seed, 0);
        let (held, kept) = order.split_at(count);
        let sorted = |part: &[u32]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        let (validation, train) = (self.train.some(&sorted(held)), self.train.some(&sorted(kept)));
        Splits { train, validation: Some(validation), test: self.test }
    }
}

/// Reads or makes what a recipe learns from; `seed` is that of the run and matters to `synthetic` and to what is held
/// back for validation.
///
/// # Errors
/// A file that is missing or damaged; as many images held back as there are.
pub fn load(data: &Data, seed: u64) -> Result<Splits, Failure> {
    let splits = match &data.set {
        DataSet::Digits => digits::load(),
        DataSet::Mnist { path } => mnist::load(path.as_deref())?,
        DataSet::Cifar10 { path } => cifar::CIFAR10.load(path.as_deref())?,
        DataSet::Cifar100 { path } => cifar::CIFAR100.load(path.as_deref())?,
        DataSet::Folder { path, shape, classes } => folder::load(path, *shape, *classes)?,
        DataSet::Synthetic { shape, classes, images } => synthetic::draw(*shape, *classes, *images, seed),
    };
    let (count, all) = (data.validation, splits.train.len());
    if count >= all {
        let message = format!("{count} of {all} training images are held back for validation, so none is left");
        return Err(Failure::new(codes::OUT_OF_RANGE, message, format!("hold at most {} back", all - 1)));
    }
    Ok(if count == 0 { splits } else { splits.hold_back(count, seed) })
}
