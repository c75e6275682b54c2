//! What is done to a training image after it has been normalised, by one word of draw format 1 an image and step.
//!
//! The stream is `data.pad_crop` or `data.hflip`, the counter's step the epoch (from 1), the index the image's number in
//! the data set.

use crate::net::Shape;
use crate::net::recipe::Augment;
use crate::num::draw::Stream;

/// Which pixel of the stored image stands at each place of the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    shape: Shape,
    /// How far the image moves up and left.
    rows: isize,
    columns: isize,
    mirrored: bool,
}

impl View {
    /// What `augment` makes of image `index` in an epoch.
    pub(super) fn of(shape: Shape, augment: &[Augment], seed: u64, epoch: u32, index: u64) -> Self {
        let word = |name: &str| Stream::of_path(name).word(seed, epoch, index);
        let plain = View { shape, rows: 0, columns: 0, mirrored: false };
        augment.iter().fold(plain, |view, step| match *step {
            Augment::PadCrop { pad } => view.pad_crop(pad, word("data.pad_crop")),
            Augment::Hflip => View { mirrored: view.mirrored ^ (word("data.hflip") >> 31 == 0), ..view },
        })
    }

    /// One of (2 pad + 1)^2 places, row by row: the word's share of 2^32 is the place's share of them all.
    fn pad_crop(self, pad: usize, word: u32) -> Self {
        let side = 2 * pad as u64 + 1;
        let place = ((u64::from(word) * (side * side)) >> 32) as isize;
        let (row, column) = (place / side as isize - pad as isize, place % side as isize - pad as isize);
        // What is cropped from a mirrored image lies on the other side of the stored one.
        let column = if self.mirrored { -column } else { column };
        View { rows: self.rows + row, columns: self.columns + column, ..self }
    }

    /// Writes one channel; outside of the stored image there are zeros.
    pub(super) fn write(self, stored: &[u8], value: impl Fn(u8) -> f32, out: &mut [f32]) {
        let Shape { height, width, .. } = self.shape;
        for (h, row) in out.chunks_exact_mut(width).enumerate() {
            let from =
                h.checked_add_signed(self.rows).filter(|&h| h < height).map(|h| &stored[h * width..(h + 1) * width]);
            for (w, pixel) in row.iter_mut().enumerate() {
                let w = if self.mirrored { width - 1 - w } else { w };
                let byte = from.and_then(|row| row.get(w.checked_add_signed(self.columns)?));
                *pixel = byte.map_or(0.0, |&byte| value(byte));
            }
        }
    }
}
