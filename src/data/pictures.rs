//! Image files of any kind and size, as the network of a data set sees that set's images.
//!
//! Those of `folder` are taken as its test images are. For the other sets the middle of the file's image that has the
//! set's ratio of sides is brought to its size, colours to grey where the set is grey.

use std::path::PathBuf;

use super::augment::centre;
use super::decode;
use super::image_file::ImageFile;
use super::resample::resample;
use super::{Images, Pixels, cifar, digits, folder, mnist, synthetic};
use crate::diag::Failure;
use crate::net::recipe::DataSet;

/// Image files as a data set of their own.
pub struct Pictures {
    /// All under label 0.
    pub images: Images,
    /// Where each is from.
    pub files: Vec<PathBuf>,
    /// One for each file that cannot be read, is damaged, or is no JPEG or PNG.
    pub failures: Vec<Failure>,
}

/// The images in some files, as a data set has them; a bad file costs itself alone.
pub fn pictures(set: &DataSet, files: &[PathBuf]) -> Pictures {
    let (none, white) = match set {
        DataSet::Digits => (digits::none(), digits::WHITE),
        DataSet::Mnist { .. } => (mnist::none(), u8::MAX),
        DataSet::Cifar10 { .. } => (cifar::CIFAR10.none(), u8::MAX),
        DataSet::Cifar100 { .. } => (cifar::CIFAR100.none(), u8::MAX),
        DataSet::Folder { shape, classes, .. } => (folder::none(*shape, *classes), u8::MAX),
        DataSet::Synthetic { shape, classes, .. } => (synthetic::none(*shape, *classes), u8::MAX),
    };
    let shape = none.shape;
    let (mut kept, mut failures) = (vec![], vec![]);
    let good = |path: &PathBuf| {
        let file = ImageFile::at(path).map_err(|e| decode::refused(path, &e.to_string()));
        match file.and_then(|file| Ok((decode::check(&file, shape.channels)?, file))) {
            Ok(good) => {
                kept.push(path.clone());
                Some(good)
            }
            Err(failure) => {
                failures.push(failure);
                None
            }
        }
    };
    let pixels = match none.pixels {
        Pixels::Files(_) => Pixels::Files(files.iter().filter_map(good).map(|(_, file)| file).collect()),
        Pixels::Held(mut pixels) => {
            let (size, mut image) = ([shape.height, shape.width], vec![0.0; shape.elements()]);
            for (raster, _) in files.iter().filter_map(good) {
                resample(&raster, centre([raster.height, raster.width], size, 1.0), size, &mut image);
                let byte = |v: &f32| (v * f32::from(white) / 255.0).round() as u8;
                pixels.extend(image.iter().map(byte));
            }
            Pixels::Held(pixels)
        }
    };
    Pictures { images: Images { pixels, labels: vec![0; kept.len()], ..none }, files: kept, failures }
}

/// What the classes of a data set are called; none where they have numbers alone.
pub fn class_names(set: &DataSet) -> Vec<String> {
    match set {
        DataSet::Cifar10 { .. } => cifar::CIFAR10.names.iter().map(|name| (*name).to_owned()).collect(),
        DataSet::Folder { path, classes, .. } => folder::names(path, *classes),
        DataSet::Digits | DataSet::Mnist { .. } | DataSet::Cifar100 { .. } | DataSet::Synthetic { .. } => vec![],
    }
}
