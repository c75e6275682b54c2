//! `mnist`: the 70,000 handwritten digits of MNIST (LeCun et al. 1998) in their IDX layout, as they are or in gzip.
//!
//! A file of images starts with the numbers 2051, images, rows, columns, a file of classes with 2049 and their number, each
//! of four bytes, the highest first; a byte a pixel or class follows.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::files::{Source, whole};
use super::{Images, Pixels, Scale, Splits};
use crate::diag::Failure;
use crate::net::Shape;

const SHAPE: Shape = Shape::new(1, 28, 28);
const CLASSES: usize = 10;
const SOURCE: Source = Source { title: "MNIST", name: "mnist", folder: "mnist" };
/// Of the pixels of the training images.
const SCALE: Scale = Scale { mean: 33.32, deviation: 78.57 };
const IMAGES: u32 = 2051;
const LABELS: u32 = 2049;
/// How a file in gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// None of its images, to show what they are like.
pub(super) fn none() -> Images {
    Images { shape: SHAPE, classes: CLASSES, pixels: Pixels::Held(vec![]), labels: vec![], scale: vec![SCALE] }
}

pub(super) fn load(path: Option<&str>) -> Result<Splits, Failure> {
    read(&SOURCE.place(path)?, [60_000, 10_000])
}

/// Reads the four files in `folder`, of so many images for training and for test.
///
/// # Errors
/// A file that is missing, damaged or of another size.
pub fn read(folder: &Path, [train, test]: [usize; 2]) -> Result<Splits, Failure> {
    Ok(Splits { train: part(folder, "train", train)?, validation: None, test: part(folder, "t10k", test)? })
}

fn part(folder: &Path, name: &str, count: usize) -> Result<Images, Failure> {
    let pixels = idx(folder, &format!("{name}-images-idx3-ubyte"), IMAGES, &[count, SHAPE.height, SHAPE.width])?;
    let labels = idx(folder, &format!("{name}-labels-idx1-ubyte"), LABELS, &[count])?;
    if let Some(number) = labels.body().iter().position(|&label| usize::from(label) >= CLASSES) {
        let (label, offset) = (labels.body()[number], labels.header + number);
        let what = format!("record {number}, at byte {offset}, is of class {label}; there are 0 to 9");
        return Err(SOURCE.damaged(&labels.file, &what));
    }
    let labels = labels.body().iter().map(|&label| label.into()).collect();
    Ok(Images { pixels: Pixels::Held(pixels.body().to_vec()), labels, ..none() })
}

/// The content of a file whose header holds.
struct Idx {
    file: PathBuf,
    bytes: Vec<u8>,
    header: usize,
}

impl Idx {
    fn body(&self) -> &[u8] {
        &self.bytes[self.header..]
    }
}

/// Reads a file, or the one in gzip of its name where there is no such file.
fn idx(folder: &Path, name: &str, magic: u32, dims: &[usize]) -> Result<Idx, Failure> {
    let plain = folder.join(name);
    let file = if plain.exists() { plain } else { folder.join(format!("{name}.gz")) };
    let (header, record) = (4 + 4 * dims.len(), dims[1..].iter().product::<usize>());
    let expected = header + dims[0] * record;
    // What is packed is never much longer than what it holds.
    let mut bytes = SOURCE.read(&file, 2 * expected + 1024)?;
    let refused = |what: &str| SOURCE.damaged(&file, what);
    if bytes.starts_with(&GZIP) {
        let packed = std::mem::take(&mut bytes);
        let unpacked = MultiGzDecoder::new(&packed[..]).take(expected as u64 + 1).read_to_end(&mut bytes);
        unpacked
            .map_err(|e| refused(&format!("its gzip breaks off after byte {} of what it holds: {e}", bytes.len())))?;
    }
    for (i, (wanted, what)) in
        [magic].into_iter().chain(dims.iter().map(|d| *d as u32)).zip(["magic", "count", "rows", "columns"]).enumerate()
    {
        let at = 4 * i;
        let Some(number) = bytes.get(at..at + 4) else {
            return Err(refused(&format!("it ends in its header, at byte {}", bytes.len())));
        };
        let number = u32::from_be_bytes([number[0], number[1], number[2], number[3]]);
        if number != wanted {
            return Err(refused(&format!("its {what}, at byte {at}, is {number}, not {wanted}")));
        }
    }
    whole(&bytes, header, record, dims[0]).map_err(|what| refused(&what))?;
    Ok(Idx { file, bytes, header })
}
