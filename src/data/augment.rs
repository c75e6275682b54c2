//! What is done to one training image, in place and in the order of the text, by words of draw format 1.
//!
//! A step's stream is `data.NAME`, with `[1]`, `[2]`, … behind the name where the same step is done again; the counter's
//! step is the epoch (from 1). `pad_crop` and `hflip` take the word of the image's number in the data set, the others the
//! four words of which that number is the block; attempt k of a crop or of erasing takes those of `STREAM.try[k]`. So an
//! image's draws depend on nothing but seed, epoch and image.

use super::Scale;
use super::resample::Part;
use crate::net::Shape;
use crate::net::recipe::{Augment, Fill};
use crate::num::draw::Stream;
use crate::num::float;

/// How often a part with a drawn area and ratio is tried before the middle, or nothing, is taken.
const TRIES: usize = 10;
/// The ratios of width to height of a random crop.
const CROP_RATIOS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// Those of a random erasing.
const ERASED_RATIOS: [f64; 2] = [0.3, 1.0 / 0.3];
/// How much of each channel of an RGB image its grey is made of (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// A step with its streams.
#[derive(Clone, Debug)]
pub(super) struct Step {
    augment: Augment,
    stream: Stream,
    /// Of each attempt, where there may be several.
    tries: Vec<Stream>,
}

/// The steps of a list.
pub(super) fn steps(augment: &[Augment]) -> Vec<Step> {
    let step = |(i, step): (usize, &Augment)| {
        let path = match augment[..i].iter().filter(|other| name(other) == name(step)).count() {
            0 => name(step).to_owned(),
            n => format!("{}[{n}]", name(step)),
        };
        let tries = match step {
            Augment::RandomResizedCrop { .. } | Augment::RandomErasing { .. } => TRIES,
            Augment::CentreCrop { .. }
            | Augment::PadCrop { .. }
            | Augment::Hflip
            | Augment::ColorJitter { .. }
            | Augment::Cutout { .. } => 0,
        };
        let tries = (0..tries).map(|k| Stream::of_path(&format!("{path}.try[{k}]"))).collect();
        Step { augment: *step, stream: Stream::of_path(&path), tries }
    };
    augment.iter().enumerate().map(step).collect()
}

/// The stream of a step.
fn name(step: &Augment) -> &'static str {
    match step {
        Augment::RandomResizedCrop { .. } => "data.random_resized_crop",
        Augment::CentreCrop { .. } => "data.centre_crop",
        Augment::PadCrop { .. } => "data.pad_crop",
        Augment::Hflip => "data.hflip",
        Augment::ColorJitter { .. } => "data.color_jitter",
        Augment::Cutout { .. } => "data.cutout",
        Augment::RandomErasing { .. } => "data.random_erasing",
    }
}

/// Whose draws an image takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub seed: u64,
    pub epoch: u32,
    /// The image's number in the data set.
    pub image: u32,
}

impl Key {
    /// The four words of the image, as shares of 1.
    fn shares(self, stream: Stream) -> [f64; 4] {
        stream.words(self.seed, self.epoch, self.image).map(|word| f64::from(word) / 4_294_967_296.0)
    }
}

impl Step {
    /// The part of an image of this size that it takes, if that is what it does; `target` is the size to come.
    pub(super) fn part(&self, [height, width]: [usize; 2], target: [usize; 2], key: Key) -> Option<Part> {
        match self.augment {
            Augment::RandomResizedCrop { min_area } => Some(self.random_part([height, width], min_area, key)),
            Augment::CentreCrop { share } => Some(centre([height, width], target, share)),
            Augment::PadCrop { .. }
            | Augment::Hflip
            | Augment::ColorJitter { .. }
            | Augment::Cutout { .. }
            | Augment::RandomErasing { .. } => None,
        }
    }

    fn random_part(&self, [height, width]: [usize; 2], min_area: f64, key: Key) -> Part {
        let (rows, columns) = (height as f64, width as f64);
        for stream in &self.tries {
            let [a, r, y, x] = key.shares(*stream);
            let [h, w] = sides(rows * columns * (min_area + (1.0 - min_area) * a), CROP_RATIOS, r);
            if (1.0..=rows).contains(&h) && (1.0..=columns).contains(&w) {
                let place = |share: f64, free: f64| (share * (free + 1.0)).floor();
                return Part { top: place(y, rows - h), left: place(x, columns - w), height: h, width: w };
            }
        }
        let ratio = (columns / rows).clamp(CROP_RATIOS[0], CROP_RATIOS[1]);
        middle([rows, columns], ratio, 1.0)
    }

    /// Does the step to a normalised image, C x H x W; `spare` is room to work in.
    pub(super) fn apply(&self, image: &mut [f32], spare: &mut Vec<f32>, shape: Shape, scale: &[Scale], key: Key) {
        let Shape { height, width, .. } = shape;
        match self.augment {
            // The image is made by them.
            Augment::RandomResizedCrop { .. } | Augment::CentreCrop { .. } => {}
            Augment::PadCrop { pad, fill } => {
                let word = self.stream.word(key.seed, key.epoch, key.image.into());
                pad_crop(image, spare, [height, width], pad, fill, word);
            }
            Augment::Hflip => {
                if self.stream.word(key.seed, key.epoch, key.image.into()) >> 31 == 0 {
                    image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
                }
            }
            Augment::ColorJitter { brightness, contrast, saturation } => {
                let shares = key.shares(self.stream);
                let factor = |i: usize, x: f64| (1.0 - x + 2.0 * x * shares[i]) as f32;
                jitter(image, scale, [factor(0, brightness), factor(1, contrast), factor(2, saturation)]);
            }
            Augment::Cutout { size } => {
                let [y, x, ..] = key.shares(self.stream);
                let span = |share: f64, side: usize| {
                    let first = (share * side as f64) as isize - (size / 2) as isize;
                    first.max(0) as usize..(first + size as isize).clamp(0, side as isize) as usize
                };
                erase(image, [height, width], span(y, height), span(x, width));
            }
            Augment::RandomErasing { p, min_area, max_area } => {
                if key.shares(self.stream)[0] < p {
                    self.random_erasing(image, [height, width], [min_area, max_area], key);
                }
            }
        }
    }

    fn random_erasing(&self, image: &mut [f32], [height, width]: [usize; 2], area: [f64; 2], key: Key) {
        for stream in &self.tries {
            let [a, r, y, x] = key.shares(*stream);
            let area = (height * width) as f64 * (area[0] + (area[1] - area[0]) * a);
            let [h, w] = sides(area, ERASED_RATIOS, r).map(|side| side as usize);
            if (1..height).contains(&h) && (1..width).contains(&w) {
                let first = |share: f64, free: usize| (share * (free + 1) as f64) as usize;
                let (top, left) = (first(y, height - h), first(x, width - w));
                return erase(image, [height, width], top..top + h, left..left + w);
            }
        }
    }
}

/// The whole sides of a rectangle of an area, whose ratio of width to height is drawn evenly by its logarithm.
fn sides(area: f64, [lo, hi]: [f64; 2], share: f64) -> [f64; 2] {
    let ratio = float::exp(float::ln(lo) + share * (float::ln(hi) - float::ln(lo)));
    [(area / ratio).sqrt().round(), (area * ratio).sqrt().round()]
}

/// The part in the middle of an image that has the target's ratio, times a share of its sides.
pub(super) fn centre([height, width]: [usize; 2], target: [usize; 2], share: f64) -> Part {
    middle([height as f64, width as f64], target[1] as f64 / target[0] as f64, share)
}

fn middle([rows, columns]: [f64; 2], ratio: f64, share: f64) -> Part {
    let width = columns.min(rows * ratio) * share;
    let height = rows.min(columns / ratio) * share;
    Part { top: (rows - height) / 2.0, left: (columns - width) / 2.0, height, width }
}

/// One of (2 pad + 1)^2 places, row by row: the word's share of 2^32 is the place's share of them all.
fn pad_crop(image: &mut [f32], spare: &mut Vec<f32>, [height, width]: [usize; 2], pad: usize, fill: Fill, word: u32) {
    let side = 2 * pad as u128 + 1;
    let place = (u128::from(word) * side * side) >> 32;
    let [down, right] = [place / side, place % side].map(|offset| offset as isize - pad as isize);
    spare.clear();
    spare.extend_from_slice(image);
    let planes = image.chunks_exact_mut(height * width).zip(spare.chunks_exact(height * width));
    for (plane, old) in planes {
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            let from = source(y, down, height, fill).map(|y| &old[y * width..(y + 1) * width]);
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = from.zip(source(x, right, width, fill)).map_or(0.0, |(row, x)| row[x]);
            }
        }
    }
}

/// The old place of a new one, if the image has it.
fn source(place: usize, by: isize, length: usize, fill: Fill) -> Option<usize> {
    let (at, last) = (place as isize + by, length as isize - 1);
    match fill {
        Fill::Zeros => (0..=last).contains(&at).then_some(at as usize),
        // A pad is shorter than the side, so one mirror is enough.
        Fill::Reflect => Some((if at > last { 2 * last - at } else { at.abs() }) as usize),
    }
}

fn erase(
    image: &mut [f32],
    [height, width]: [usize; 2],
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) {
    if columns.is_empty() {
        return;
    }
    for plane in image.chunks_exact_mut(height * width) {
        for row in rows.clone() {
            plane[row * width..][columns.clone()].fill(0.0);
        }
    }
}

/// Brightness, contrast (about the image's mean grey) and saturation (about each pixel's grey), on the numbers that the
/// bytes were, cut to their range.
fn jitter(image: &mut [f32], scale: &[Scale], [brightness, contrast, saturation]: [f32; 3]) {
    let pixels = image.len() / scale.len();
    for (plane, scale) in image.chunks_exact_mut(pixels).zip(scale) {
        plane.iter_mut().for_each(|v| *v = ((*v * scale.deviation + scale.mean) * brightness).clamp(0.0, 255.0));
    }
    let weights: Vec<f32> = match scale.len() {
        3 => LUMA.to_vec(),
        n => vec![1.0 / n as f32; n],
    };
    let grey_at = |image: &[f32], i: usize| -> f32 {
        weights.iter().enumerate().map(|(c, weight)| weight * image[c * pixels + i]).sum()
    };
    let mean = (0..pixels).map(|i| f64::from(grey_at(image, i))).sum::<f64>() / pixels as f64;
    let mean = mean as f32;
    image.iter_mut().for_each(|v| *v = (mean + contrast * (*v - mean)).clamp(0.0, 255.0));
    for i in 0..pixels {
        let grey = grey_at(image, i);
        for c in 0..scale.len() {
            let v = &mut image[c * pixels + i];
            *v = (grey + saturation * (*v - grey)).clamp(0.0, 255.0);
        }
    }
    for (plane, scale) in image.chunks_exact_mut(pixels).zip(scale) {
        plane.iter_mut().for_each(|v| *v = (*v - scale.mean) / scale.deviation);
    }
}
