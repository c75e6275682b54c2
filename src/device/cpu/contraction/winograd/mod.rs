//! 3 x 3 contractions by Winograd's algorithms: of stride 1 with a quarter of the products of the definition, of stride 2
//! with 9/16 of them.
//!
//! Against `direct`: results are made in tiles of 4 x 4. Pixels and weights are transformed to points; at each point of the
//! results channels are contracted as a product of matrices, or as a sum of several; the products are transformed back.
//! Rounding errors are two to two and a half times those of `direct`. `transform` says what points there are; all else holds
//! for both strides.
//!
//! The gradient to what a layer makes is read by two passes, to its input and to its weight; `backward` joins them.
//!
//! A group of tiles goes through all three stages while it is in cache: several small images, one image, or a strip of
//! tile rows of a large one.

mod backward;
mod correlate;
mod group;
mod read;
mod transform;
mod weight;

pub(super) use backward::Backward;
pub(super) use correlate::Correlate;
pub(super) use weight::ToWeight;

use super::source::Frame;
use super::weights::Matrix;
use crate::kernel::{BLOCK, Sizes};
use transform::{Pixels, Side, Stride, TILE};

/// Floats between the points of a group beyond what they hold: without them all streams of stores would meet in
/// the same sets of the cache.
const SKEW: usize = BLOCK;

/// Whether a contraction of one group is done this way: where edges do not waste what the transform saves, and, of
/// stride 2, where the products are most of the work.
pub(super) fn suits(s: &Sizes) -> bool {
    let stride = match (s.kernel, s.stride, s.pad, s.dilation) {
        (3, 1, 1, 1) => Stride::One,
        (3, 2, 1, 1) if s.inputs >= BLOCK && s.outputs >= BLOCK => Stride::Two,
        _ => return false,
    };
    s.out_pixels() * s.taps() > Tiles::of_image(s) * stride.points() * 3 / 2
}

/// By which algorithm.
fn stride(s: &Sizes) -> Stride {
    if s.stride == 1 { Stride::One } else { Stride::Two }
}

/// How a contraction's tiles are grouped; where sums depend on it, by its shape alone.
#[derive(Clone, Copy, Debug)]
struct Tiles {
    /// Rows of tiles of an image.
    rows: usize,
    /// Columns of tiles.
    columns: usize,
    /// Images of a group.
    images: usize,
    /// Rows of tiles of a strip; all of them where a group is whole images.
    strip: usize,
}

impl Tiles {
    /// Tiles of an image.
    fn of_image(s: &Sizes) -> usize {
        s.out_height.div_ceil(TILE) * s.out_width.div_ceil(TILE)
    }

    /// Groups of about `most` tiles.
    fn new(s: &Sizes, most: usize) -> Self {
        let (rows, columns) = (s.out_height.div_ceil(TILE), s.out_width.div_ceil(TILE));
        let (images, strip) = if rows * columns <= most {
            (most / (rows * columns), rows)
        } else {
            let strips = rows.div_ceil((most / columns).max(1));
            (1, rows.div_ceil(strips))
        };
        Tiles { rows, columns, images, strip }
    }

    /// The most tiles of a group.
    fn count(&self) -> usize {
        self.images * self.strip * self.columns
    }

    /// The frame of a plane of which tiles become points.
    fn frame(&self, side: Side, pixels: Pixels) -> Frame {
        let (before, after) = match pixels {
            Pixels::Window => side.border(),
            Pixels::Own => (0, 0),
        };
        let line = |tiles: usize| before + tiles * side.step() + after;
        Frame { before, height: line(self.rows), width: line(self.columns) }
    }

    /// Floats from point to point of a group's tiles of so many blocks of channels.
    fn pitch(&self, blocks: usize) -> usize {
        self.count() * blocks * BLOCK + SKEW
    }
}

/// Floats from point to point of the weight.
fn weight_pitch(matrix: &Matrix) -> usize {
    matrix.points() + SKEW
}
