//! What is done to a training image after it has been normalised, by one word of draw format 1 an image and step.
//!
//! The stream is `data.pad_crop` or `data.hflip`, with `[1]`, `[2]`, … behind the name where the same step is done again;
//! the counter's step is the epoch (from 1), the index the image's number in the data set.

use crate::net::Shape;
use crate::net::recipe::Augment;
use crate::num::draw::Stream;

/// Which pixel of the stored image stands at each place of the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    shape: Shape,
    rows: Side,
    columns: Side,
    mirrored: bool,
}

/// One direction of a view, in places of the stored image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Side {
    /// The place that comes first.
    from: isize,
    /// What earlier crops left: the first place, and the one after the last.
    kept: (isize, isize),
}

impl Side {
    fn whole(length: usize) -> Self {
        Side { from: 0, kept: (0, length as isize) }
    }

    /// Moved by so many places; what does not lie within the `length` places of now is lost.
    fn moved(self, by: isize, length: usize) -> Self {
        let Side { from, kept: (first, end) } = self;
        Side { from: from + by, kept: (first.max(from), end.min(from + length as isize)) }
    }

    /// The stored place at place `i`, if it is kept.
    fn stored(self, i: usize) -> Option<usize> {
        let place = self.from + i as isize;
        (self.kept.0 <= place && place < self.kept.1).then_some(place as usize)
    }
}

impl View {
    /// What `augment` makes of image `index` in an epoch.
    pub(super) fn of(shape: Shape, augment: &[Augment], seed: u64, epoch: u32, index: u64) -> Self {
        let (rows, columns) = (Side::whole(shape.height), Side::whole(shape.width));
        let mut view = View { shape, rows, columns, mirrored: false };
        for (i, step) in augment.iter().enumerate() {
            let same_before = augment[..i].iter().filter(|other| name(other) == name(step)).count();
            let stream = match same_before {
                0 => Stream::of_path(name(step)),
                n => Stream::of_path(&format!("{}[{n}]", name(step))),
            };
            let word = stream.word(seed, epoch, index);
            view = match *step {
                Augment::PadCrop { pad } => view.pad_crop(pad, word),
                Augment::Hflip => View { mirrored: view.mirrored ^ (word >> 31 == 0), ..view },
            };
        }
        view
    }

    /// One of (2 pad + 1)^2 places, row by row: the word's share of 2^32 is the place's share of them all.
    fn pad_crop(self, pad: usize, word: u32) -> Self {
        let side = 2 * pad as u64 + 1;
        let place = (u128::from(word) * u128::from(side) * u128::from(side)) >> 32;
        let offset = |place: u128| place as isize - pad as isize;
        let (row, column) = (offset(place / u128::from(side)), offset(place % u128::from(side)));
        // What is cropped from a mirrored image lies on the other side of the stored one.
        let column = if self.mirrored { -column } else { column };
        let Shape { height, width, .. } = self.shape;
        View { rows: self.rows.moved(row, height), columns: self.columns.moved(column, width), ..self }
    }

    /// Writes one channel; outside of the stored image there are zeros.
    pub(super) fn write(self, stored: &[u8], value: impl Fn(u8) -> f32, out: &mut [f32]) {
        let width = self.shape.width;
        for (h, row) in out.chunks_exact_mut(width).enumerate() {
            let from = self.rows.stored(h).map(|h| &stored[h * width..(h + 1) * width]);
            for (w, pixel) in row.iter_mut().enumerate() {
                let column = self.columns.stored(if self.mirrored { width - 1 - w } else { w });
                *pixel = from.zip(column).map_or(0.0, |(row, column)| value(row[column]));
            }
        }
    }
}

/// The stream of a step.
fn name(step: &Augment) -> &'static str {
    match step {
        Augment::PadCrop { .. } => "data.pad_crop",
        Augment::Hflip => "data.hflip",
    }
}
