//! 3 x 3 contractions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the products of the definition.
//!
//! Against `direct`: results are made in tiles of 4 x 4. Pixels and weights are transformed to 36 points each; at each
//! point channels are contracted as a product of matrices; the products are transformed back. Rounding errors are two to
//! two and a half times those of `direct`.
//!
//! The gradient to what a layer makes is read by two passes, to its input and to its weight; `backward` joins them.
//!
//! A group of tiles goes through all three stages while it is in cache: several small images, one image, or a strip of
//! tile rows of a large one.

mod backward;
mod correlate;
mod group;
mod transform;
mod weight;

pub(super) use backward::Backward;
pub(super) use correlate::Correlate;
pub(super) use weight::ToWeight;

use super::source::Frame;
use super::weights::Matrix;
use crate::kernel::{BLOCK, Sizes};
use transform::{POINTS, TILE};

/// Elements of a transformed tile.
const ALL_POINTS: usize = POINTS * POINTS;

/// Floats between the points of a group beyond what they hold: without them all 36 streams of stores would meet in
/// the same sets of the cache.
const SKEW: usize = BLOCK;

/// Whether a contraction is done this way: where edges do not waste what the transform saves.
pub(super) fn suits(s: &Sizes) -> bool {
    let same = (s.kernel, s.stride, s.pad, s.dilation) == (3, 1, 1, 1);
    same && Matrix::forward(s).is_plain() && s.out_pixels() * s.taps() > Tiles::of_image(s) * ALL_POINTS * 3 / 2
}

/// How a contraction's tiles are grouped; by its shape alone.
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
        s.height.div_ceil(TILE) * s.width.div_ceil(TILE)
    }

    /// Groups of about `most` tiles.
    fn new(s: &Sizes, most: usize) -> Self {
        let (rows, columns) = (s.height.div_ceil(TILE), s.width.div_ceil(TILE));
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

    /// The frame of what is read by input transforms.
    fn frame(&self) -> Frame {
        Frame { before: 1, height: self.rows * TILE + 2, width: self.columns * TILE + 2 }
    }

    /// The frame of whole tiles.
    fn whole(&self) -> Frame {
        Frame { before: 0, height: self.rows * TILE, width: self.columns * TILE }
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
