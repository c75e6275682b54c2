//! `digits`: 1,797 images of handwritten digits, 8 x 8, inside the binary, so that a first run needs nothing.
//!
//! They are the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (UCI Machine
//! Learning Repository, 1998), licensed CC BY 4.0. Each row of the table is an image: 64 pixels of 0 to 16, row by row,
//! and its class. Images 5, 11, 17, … (counted from 0) are for test: 299 of them; 1,498 are for training.

use flate2::read::GzDecoder;

use super::{Images, Pixels, Scale, Splits};
use crate::net::Shape;

const TABLE: &[u8] = include_bytes!("digits.csv.gz");
const SHAPE: Shape = Shape::new(1, 8, 8);
const CLASSES: usize = 10;
/// Of the pixels of the training images.
const SCALE: Scale = Scale { mean: 4.88, deviation: 6.02 };

/// The value of what is white.
pub(super) const WHITE: u8 = 16;

/// None of its images, to show what they are like.
pub(super) fn none() -> Images {
    Images { shape: SHAPE, classes: CLASSES, pixels: Pixels::Held(vec![]), labels: vec![], scale: vec![SCALE] }
}

pub(super) fn load() -> Splits {
    let (mut train, mut test) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut table = csv::ReaderBuilder::new().has_headers(false).from_reader(GzDecoder::new(TABLE));
    for (i, row) in table.deserialize::<Vec<u8>>().enumerate() {
        let row = row.expect("the table in the binary is whole");
        let (&label, image) = row.split_last().expect("a row holds a label");
        let (pixels, labels): &mut (Vec<u8>, Vec<u32>) = if i % 6 == 5 { &mut test } else { &mut train };
        pixels.extend(image);
        labels.push(label.into());
    }
    let images = |(pixels, labels)| Images { pixels: Pixels::Held(pixels), labels, ..none() };
    Splits { train: images(train), validation: None, test: images(test) }
}
