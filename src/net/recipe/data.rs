//! What is learnt from: data sets, and what is done to their images.

use std::fmt;

use crate::net::Shape;

/// A data set with what is done to its images.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Which.
    pub set: DataSet,
    /// What is done to each training image, in order.
    pub augment: Vec<Augment>,
    /// What is done to each training batch; where there are several, one is drawn for each batch.
    pub batch_augment: Vec<BatchAugment>,
    /// Whether each epoch has an order of its own; else the file's.
    pub shuffle: bool,
    /// Training images that are held back to choose the best weights by.
    pub validation: usize,
}

/// A data set.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSet {
    /// The 1,797 8 x 8 images of handwritten digits inside the binary.
    Digits,
    /// MNIST in its IDX layout, in this folder or in the user's cache.
    Mnist {
        /// The folder, where the text names one.
        path: Option<String>,
    },
    /// CIFAR-10 in its binary layout, in this folder or in the user's cache.
    Cifar10 {
        /// The folder, where the text names one.
        path: Option<String>,
    },
    /// CIFAR-100 in its binary layout, with its fine classes, in this folder or in the user's cache.
    Cifar100 {
        /// The folder, where the text names one.
        path: Option<String>,
    },
    /// Image files, a folder a class, brought to the shape of the model's input.
    Folder {
        /// Where the folders are.
        path: String,
        /// The model's input.
        shape: Shape,
        /// The model's outputs.
        classes: usize,
    },
    /// Images drawn from the seed, one pattern a class: for trying things out.
    Synthetic {
        /// C, H and W.
        shape: Shape,
        /// Classes.
        classes: usize,
        /// Training images; a fifth as many for test.
        images: usize,
    },
}

impl Data {
    /// A data set's images in an order of their own each epoch, and as they are.
    pub fn plain(set: DataSet) -> Self {
        Data { set, augment: vec![], batch_augment: vec![], shuffle: true, validation: 0 }
    }

    /// Its values by their keys, as text.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let Data { set, augment, batch_augment, shuffle, validation } = self;
        vec![
            ("data", set.to_string()),
            ("data.augment", super::listed(augment)),
            ("data.shuffle", shuffle.to_string()),
            ("data.validation", validation.to_string()),
            ("batch_augment", super::listed(batch_augment)),
        ]
    }
}

impl DataSet {
    /// As the language writes it.
    pub fn name(&self) -> &'static str {
        match self {
            DataSet::Digits => "digits",
            DataSet::Mnist { .. } => "mnist",
            DataSet::Cifar10 { .. } => "cifar10",
            DataSet::Cifar100 { .. } => "cifar100",
            DataSet::Folder { .. } => "folder",
            DataSet::Synthetic { .. } => "synthetic",
        }
    }

    /// An image's shape.
    pub fn shape(&self) -> Shape {
        match self {
            DataSet::Digits => Shape::new(1, 8, 8),
            DataSet::Mnist { .. } => Shape::new(1, 28, 28),
            DataSet::Cifar10 { .. } | DataSet::Cifar100 { .. } => Shape::new(3, 32, 32),
            DataSet::Folder { shape, .. } | DataSet::Synthetic { shape, .. } => *shape,
        }
    }

    /// How many classes it has.
    pub fn classes(&self) -> usize {
        match self {
            DataSet::Digits | DataSet::Mnist { .. } | DataSet::Cifar10 { .. } => 10,
            DataSet::Cifar100 { .. } => 100,
            DataSet::Folder { classes, .. } | DataSet::Synthetic { classes, .. } => *classes,
        }
    }

    /// How many training images it has, where that is known before its files are read.
    pub fn training_images(&self) -> Option<usize> {
        match self {
            DataSet::Digits => Some(1498),
            DataSet::Mnist { .. } => Some(60_000),
            DataSet::Cifar10 { .. } | DataSet::Cifar100 { .. } => Some(50_000),
            DataSet::Folder { .. } => None,
            DataSet::Synthetic { images, .. } => Some(*images),
        }
    }
}

/// What is done to a training image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Augment {
    /// A part of the image of a drawn area and a ratio of width to height between 3/4 and 4/3, at a drawn place, scaled to
    /// the input's size (Szegedy et al. 2015, section 6).
    RandomResizedCrop {
        /// The smallest share of the image's area; the largest is 1.
        min_area: f64,
    },
    /// The largest part of the input's ratio in the middle, times a share of its sides, scaled to the input's size.
    CentreCrop {
        /// The share, in (0, 1].
        share: f64,
    },
    /// Padded, then a crop of its own size at a drawn place.
    PadCrop {
        /// How many pixels on each side.
        pad: usize,
        /// What they are.
        fill: Fill,
    },
    /// Mirrored left to right with probability 1/2.
    Hflip,
    /// Brightness, contrast and saturation, in this order, each times a number drawn from 1 - x to 1 + x.
    ColorJitter {
        /// x of the brightness, in [0, 1].
        brightness: f64,
        /// x of the contrast, in [0, 1].
        contrast: f64,
        /// x of the saturation, in [0, 1].
        saturation: f64,
    },
    /// Zeros in a square around a drawn pixel (DeVries and Taylor 2017).
    Cutout {
        /// The square's side.
        size: usize,
    },
    /// Zeros in a rectangle of a drawn area and ratio, at a drawn place (Zhong et al. 2020, algorithm 1).
    RandomErasing {
        /// How often.
        p: f64,
        /// The smallest share of the image's area.
        min_area: f64,
        /// The largest share of the image's area.
        max_area: f64,
    },
}

/// What stands in the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros, after normalising: the data set's mean.
    Zeros,
    /// The image mirrored at its first and last pixels, which are not repeated.
    Reflect,
}

/// What is done to a training batch. lambda is drawn from Beta(alpha, alpha) once a batch; images are paired by a
/// permutation that is drawn for the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchAugment {
    /// x' = lambda x + (1 - lambda) x of the pair, targets the same (Zhang et al. 2018, equation 1).
    Mixup {
        /// alpha, above 0.
        alpha: f64,
    },
    /// A box of 1 - lambda of the area comes from the pair; targets by what is left of the area (Yun et al. 2019,
    /// section 3.1).
    Cutmix {
        /// alpha, above 0.
        alpha: f64,
    },
}

impl fmt::Display for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            DataSet::Digits => Ok(()),
            DataSet::Mnist { path } | DataSet::Cifar10 { path } | DataSet::Cifar100 { path } => match path {
                Some(path) => write!(f, "(path: {path:?})"),
                None => Ok(()),
            },
            DataSet::Folder { path, .. } => write!(f, "({path:?})"),
            DataSet::Synthetic { shape, classes, images } => {
                write!(f, "({shape}, classes: {classes}, images: {images})")
            }
        }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Augment::RandomResizedCrop { min_area } => write!(f, "random_resized_crop(min_area: {min_area})"),
            Augment::CentreCrop { share } => write!(f, "centre_crop({share})"),
            Augment::PadCrop { pad, fill: Fill::Zeros } => write!(f, "pad_crop({pad})"),
            Augment::PadCrop { pad, fill: Fill::Reflect } => write!(f, "pad_crop({pad}, fill: reflect)"),
            Augment::Hflip => f.write_str("hflip"),
            Augment::ColorJitter { brightness, contrast, saturation } => {
                write!(f, "color_jitter(brightness: {brightness}, contrast: {contrast}, saturation: {saturation})")
            }
            Augment::Cutout { size } => write!(f, "cutout({size})"),
            Augment::RandomErasing { p, min_area, max_area } => {
                write!(f, "random_erasing({p}, min_area: {min_area}, max_area: {max_area})")
            }
        }
    }
}

impl fmt::Display for BatchAugment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchAugment::Mixup { alpha } => write!(f, "mixup({alpha})"),
            BatchAugment::Cutmix { alpha } => write!(f, "cutmix({alpha})"),
        }
    }
}
