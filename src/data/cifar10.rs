//! `cifar10`: the 60,000 images of CIFAR-10 (Krizhevsky 2009) in the authors' binary layout.
//!
//! Six files of 10,000 records; a record is a byte for the class (0 to 9) and 3,072 for the pixels: 32 x 32 red, green,
//! blue, each row by row. Files are read, never mapped: a file that shrinks under a run is an error, not a crash.

use std::fs;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use super::{Images, Scale, Splits};
use crate::diag::{Failure, codes};
use crate::net::Shape;

/// Records in a file.
pub const RECORDS: usize = 10_000;
/// The name of the folder in the authors' archive.
pub const FOLDER: &str = "cifar-10-batches-bin";

const SHAPE: Shape = Shape::new(3, 32, 32);
const CLASSES: usize = 10;
const RECORD_BYTES: usize = 1 + 3 * 32 * 32;
const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST_FILES: [&str; 1] = ["test_batch.bin"];

const fn scale(mean: f32, deviation: f32) -> Scale {
    Scale { mean, deviation }
}

/// Mean and deviation of the training images, as the papers' recipes have them.
const SCALE: [Scale; 3] = [scale(125.3, 63.0), scale(123.0, 62.1), scale(113.9, 66.7)];

/// Reads the data set from the folder that the text names, else from the user's cache.
pub(super) fn load(path: Option<&str>) -> Result<Splits, Failure> {
    match path {
        Some(path) => read(Path::new(path), RECORDS),
        None => read(&cache_folder()?, RECORDS),
    }
}

/// Reads the six files in `folder`, each of so many records.
///
/// # Errors
/// A file that is missing, of another size, or holds a class that does not exist.
pub fn read(folder: &Path, records: usize) -> Result<Splits, Failure> {
    Ok(Splits { train: read_files(folder, &TRAIN_FILES, records)?, test: read_files(folder, &TEST_FILES, records)? })
}

fn cache_folder() -> Result<PathBuf, Failure> {
    let bases = BaseDirs::new().ok_or_else(|| {
        let help = "write the folder into the text: `data cifar10(path: \"…\")`";
        Failure::new(
            codes::DATA_DAMAGED,
            "this user has no home folder, so there is no cache to find CIFAR-10 in",
            help,
        )
    })?;
    Ok(bases.cache_dir().join("sdc").join(FOLDER))
}

fn read_files(folder: &Path, names: &[&str], records: usize) -> Result<Images, Failure> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for name in names {
        let file = folder.join(name);
        let bytes = read_file(&file, records)?;
        for (number, record) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
            let (&label, image) = record.split_first().expect("a record is not empty");
            if usize::from(label) >= CLASSES {
                let offset = number * RECORD_BYTES;
                let what = format!("record {number}, at byte {offset}, is of class {label}; there are 0 to 9");
                return Err(damaged(&file, &what));
            }
            labels.push(label.into());
            pixels.extend(image);
        }
    }
    Ok(Images { shape: SHAPE, classes: CLASSES, pixels, labels, scale: SCALE.to_vec() })
}

/// The file's bytes; its size is checked before it is read.
fn read_file(file: &Path, records: usize) -> Result<Vec<u8>, Failure> {
    let expected = records * RECORD_BYTES;
    let size = fs::metadata(file).map_err(|e| damaged(file, &e.to_string()))?.len();
    if size != expected as u64 {
        return Err(damaged(file, &misfit(size, records)));
    }
    let bytes = fs::read(file).map_err(|e| damaged(file, &e.to_string()))?;
    if bytes.len() == expected { Ok(bytes) } else { Err(damaged(file, &misfit(bytes.len() as u64, records))) }
}

fn misfit(size: u64, records: usize) -> String {
    let (record, expected) = (size / RECORD_BYTES as u64, records * RECORD_BYTES);
    if size < expected as u64 {
        format!("it ends in record {record}, at byte {size}, where {records} records take {expected} bytes")
    } else {
        format!(
            "it goes on after record {}, to byte {size}, where {records} records take {expected} bytes",
            records - 1
        )
    }
}

fn damaged(file: &Path, what: &str) -> Failure {
    let folder = file.parent().unwrap_or(Path::new(".")).display();
    Failure::new(
        codes::DATA_DAMAGED,
        format!("CIFAR-10 cannot be read from {}: {what}", file.display()),
        format!(
            "unpack cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, so that its six .bin files \
             lie in {folder}, or name another folder in the text: `data cifar10(path: \"…\")`"
        ),
    )
}
