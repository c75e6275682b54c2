//! `synthetic`: images drawn from the seed, for trying things out: a pattern a class, and noise of the same strength.
//!
//! Image i is of class i mod classes. Pattern and noise are normal; their sum is stored as a byte. The pattern's stream
//! is `data.synthetic.pattern` (index: class, then place in the image), the noise's `data.synthetic.noise`, with step 0
//! for training and 1 for test images (index: image, then place in it).

use super::{Images, Pixels, Scale, Splits};
use crate::net::Shape;
use crate::num::draw::Stream;

/// Bytes a standard deviation of pattern or noise; their sum has sqrt(2) times as many.
const SPREAD: f64 = 32.0;
const SCALE: Scale = Scale { mean: 128.0, deviation: 45.25 };

/// None of its images, to show what they are like.
pub(super) fn none(shape: Shape, classes: usize) -> Images {
    Images { shape, classes, pixels: Pixels::Held(vec![]), labels: vec![], scale: vec![SCALE; shape.channels] }
}

pub(super) fn draw(shape: Shape, classes: usize, images: usize, seed: u64) -> Splits {
    let stream = Stream::of_path("data.synthetic.pattern");
    let patterns: Vec<f64> = stream.all_normals(seed, 0).take(classes * shape.elements()).collect();
    let part = |step: u32, count: usize| {
        let noise = Stream::of_path("data.synthetic.noise").all_normals(seed, step);
        let labels: Vec<u32> = (0..count).map(|i| (i % classes) as u32).collect();
        let pattern = labels.iter().flat_map(|&class| {
            let first = class as usize * shape.elements();
            &patterns[first..first + shape.elements()]
        });
        // A conversion to u8 saturates.
        let pixels = pattern.zip(noise).map(|(pattern, noise)| (128.0 + SPREAD * (pattern + noise)).round() as u8);
        Images { pixels: Pixels::Held(pixels.collect()), labels, ..none(shape, classes) }
    };
    Splits { train: part(0, images), validation: None, test: part(1, (images / 5).max(1)) }
}
