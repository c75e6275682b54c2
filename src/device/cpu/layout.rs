//! Between rows as the outside has them and blocks of sixteen channels as kernels have them.

use crate::kernel::{BLOCK, Size, blocks};

/// One image, C x H x W, into blocks. The padding stays as it is (zero).
pub(super) fn image_into_blocks(image: &[f32], channels: usize, pixels: usize, out: &mut [f32]) {
    for c in 0..channels {
        let plane = &mut out[c / BLOCK * pixels * BLOCK..];
        for (p, x) in image[c * pixels..(c + 1) * pixels].iter().enumerate() {
            plane[p * BLOCK + c % BLOCK] = *x;
        }
    }
}

/// One image out of blocks.
pub(super) fn image_out_of_blocks(lanes: &[f32], channels: usize, pixels: usize, out: &mut [f32]) {
    for c in 0..channels {
        let plane = &lanes[c / BLOCK * pixels * BLOCK..];
        for (p, x) in out[c * pixels..(c + 1) * pixels].iter_mut().enumerate() {
            *x = plane[p * BLOCK + c % BLOCK];
        }
    }
}

/// Where each stored element of a parameter lies in its buffer.
pub(super) fn parameter_places(size: Size) -> Vec<usize> {
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
