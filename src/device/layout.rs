//! Between rows as the outside has them and blocks of sixteen channels as kernels have them.

use crate::kernel::{BLOCK, Size, blocks};

/// N of N rows that together have so many floats, for a feature map of `most` images.
///
/// # Panics
/// Where there are more.
pub fn images(size: Size, floats: usize, most: usize) -> usize {
    let (channels, pixels) = feature(size);
    let images = floats / (channels * pixels);
    assert!(images <= most, "a batch is no larger than the plan's");
    images
}

/// N rows into the lanes of a feature map for N images; the padding becomes 0.
pub fn set_rows(size: Size, rows: &[f32], lanes: &mut [f32]) {
    let (channels, pixels) = feature(size);
    for (lanes, image) in lanes.chunks_exact_mut(size.per_image()).zip(rows.chunks_exact(channels * pixels)) {
        lanes.fill(0.0);
        image_into_blocks(image, channels, pixels, lanes);
    }
}

/// The rows that the lanes of a feature map hold.
pub fn rows(size: Size, lanes: &[f32]) -> Vec<f32> {
    let (channels, pixels) = feature(size);
    let mut out = vec![0.0; lanes.len() / size.per_image() * channels * pixels];
    for (lanes, image) in lanes.chunks_exact(size.per_image()).zip(out.chunks_exact_mut(channels * pixels)) {
        image_out_of_blocks(lanes, channels, pixels, image);
    }
    out
}

/// A parameter, as stored, into its lanes.
///
/// # Panics
/// Where there are more or fewer values than the parameter has.
pub fn set_values(size: Size, values: &[f32], lanes: &mut [f32]) {
    let places = parameter_places(size);
    assert_eq!(places.len(), values.len(), "as many values as the parameter has");
    places.into_iter().zip(values).for_each(|(place, x)| lanes[place] = *x);
}

/// The parameter, as stored, that lanes hold.
pub fn values(size: Size, lanes: &[f32]) -> Vec<f32> {
    parameter_places(size).into_iter().map(|place| lanes[place]).collect()
}

fn feature(size: Size) -> (usize, usize) {
    match size {
        Size::Feature { channels, height, width } => (channels, height * width),
        Size::Channels(_) | Size::Weight(_) | Size::Flat(_) => unreachable!("rows are feature maps"),
    }
}

/// One image, C x H x W, into blocks. The padding stays as it is (zero).
fn image_into_blocks(image: &[f32], channels: usize, pixels: usize, out: &mut [f32]) {
    for c in 0..channels {
        let plane = &mut out[c / BLOCK * pixels * BLOCK..];
        for (p, x) in image[c * pixels..(c + 1) * pixels].iter().enumerate() {
            plane[p * BLOCK + c % BLOCK] = *x;
        }
    }
}

/// One image out of blocks.
fn image_out_of_blocks(lanes: &[f32], channels: usize, pixels: usize, out: &mut [f32]) {
    for c in 0..channels {
        let plane = &lanes[c / BLOCK * pixels * BLOCK..];
        for (p, x) in out[c * pixels..(c + 1) * pixels].iter_mut().enumerate() {
            *x = plane[p * BLOCK + c % BLOCK];
        }
    }
}

/// Where each stored element of a parameter lies in its buffer.
fn parameter_places(size: Size) -> Vec<usize> {
    match size {
        Size::Weight(s) => {
            let mut places = Vec::with_capacity(s.outputs * s.group_inputs() * s.taps());
            for o in 0..s.outputs {
                for c in 0..s.group_inputs() {
                    for tap in 0..s.taps() {
                        places.push(((o / BLOCK * s.taps() + tap) * s.group_inputs() + c) * BLOCK + o % BLOCK);
                    }
                }
            }
            places
        }
        Size::Channels(n) | Size::Flat(n) => (0..n).collect(),
        Size::Feature { channels, height, width } => {
            let pixels = height * width;
            let place = |c: usize, p: usize| (c / BLOCK * pixels + p) * BLOCK + c % BLOCK;
            debug_assert!(blocks(channels) * pixels * BLOCK == size.per_image());
            (0..channels).flat_map(|c| (0..pixels).map(move |p| place(c, p))).collect()
        }
    }
}
