//! What is learnt from: data sets, and what is done to their images.

use std::fmt;

use crate::net::Shape;

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

impl Data {
    /// Its values by their keys, as text.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let Data { set, augment, shuffle } = self;
        vec![("data", set.to_string()), ("data.augment", super::listed(augment)), ("data.shuffle", shuffle.to_string())]
    }
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
        shape: Shape,
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
    pub fn shape(&self) -> Shape {
        match self {
            DataSet::Digits => Shape::new(1, 8, 8),
            DataSet::Cifar10 { .. } => Shape::new(3, 32, 32),
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
