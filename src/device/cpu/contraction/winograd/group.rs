//! A group of tiles that goes through the stages together.

use std::ops::Range;

use super::super::Around;
use super::super::ahead::Share;
use super::super::source::Source;
use super::Tiles;
use super::transform::{Pixels, Side};
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::BLOCK;

/// Whole images, or a strip of one.
pub(super) struct Group {
    /// The first image.
    pub(super) first: usize,
    pub(super) images: usize,
    /// Rows of tiles.
    pub(super) rows: Range<usize>,
    /// Columns of tiles.
    pub(super) columns: usize,
    /// Whether strips before this one have left their planes.
    planes_are_made: bool,
    /// Whether strips after this one need the planes.
    keeps_planes: bool,
    /// Which strip of how many.
    strip: Share,
}

impl Tiles {
    /// The images of a group.
    pub(super) fn images_of(&self, group: usize, images: usize) -> Range<usize> {
        let first = group * self.images;
        first..images.min(first + self.images)
    }

    /// Groups of `images` images.
    pub(super) fn groups(&self, images: usize) -> usize {
        images.div_ceil(self.images)
    }

    /// The strips of a group, in order.
    pub(super) fn strips(&self, group: usize, images: usize) -> impl Iterator<Item = Group> {
        let tiles = *self;
        let of_group = self.images_of(group, images);
        (0..tiles.rows).step_by(tiles.strip).enumerate().map(move |(part, row)| Group {
            first: of_group.start,
            images: of_group.len(),
            rows: row..tiles.rows.min(row + tiles.strip),
            columns: tiles.columns,
            planes_are_made: row > 0,
            keeps_planes: tiles.has_strips(),
            strip: Share { part, parts: tiles.rows.div_ceil(tiles.strip) },
        })
    }

    /// Whether an image is more than a group.
    pub(super) fn has_strips(&self) -> bool {
        self.strip < self.rows
    }

    /// Planes that a worker keeps of so many blocks: all of an image's where strips read them one after another.
    pub(super) fn planes(&self, blocks: usize) -> usize {
        if self.has_strips() { blocks } else { 1 }
    }
}

impl Group {
    /// Tiles of all images.
    pub(super) fn tiles(&self) -> usize {
        self.images * self.rows.len() * self.columns
    }

    /// Its images.
    pub(super) fn all_images(&self) -> Range<usize> {
        self.first..self.first + self.images
    }

    /// The share of what its images read that is asked for at a point of so many.
    pub(super) fn share(&self, point: usize, points: usize) -> Share {
        Share { part: self.strip.part * points + point, parts: self.strip.parts * points }
    }
}

/// Pixels of a group to points: `[point][block][tile][16]`.
pub(super) struct Read<'a> {
    pub(super) around: &'a Around<'a>,
    pub(super) tiles: &'a Tiles,
    pub(super) group: &'a Group,
    /// Which of its images, counted from the first.
    pub(super) images: Range<usize>,
    pub(super) source: &'a Source,
    pub(super) side: Side,
    pub(super) pixels: Pixels,
    /// Holds [`Tiles::planes`] frames.
    pub(super) planes: *mut f32,
    /// Where the points lie, and how far from one another.
    pub(super) points: (*mut f32, usize),
}

impl Routine for Read<'_> {
    // SAFETY: the maker promises that what the fields name is there, and its own.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Read { around, tiles, group, source, side, pixels, .. } = self;
        let frame = tiles.frame(side, pixels);
        let (count, of_image) = (group.tiles(), group.rows.len() * group.columns);
        // SAFETY: as the maker promises; a frame holds whole tiles.
        unsafe {
            for image in self.images {
                for block in 0..source.blocks.count {
                    let place = if group.keeps_planes { block } else { 0 };
                    let room = self.planes.add(place * frame.len());
                    let plane = if group.planes_are_made {
                        source.made(around, group.first + image, block, frame, room)
                    } else {
                        source.plane(around, group.first + image, block, frame, room)
                    };
                    let (to, pitch) = self.points;
                    let mut to = to.add((block * count + image * of_image) * BLOCK);
                    for row in group.rows.clone() {
                        let mut from = plane.add(row * side.step() * frame.row());
                        for _ in 0..group.columns {
                            for lane in (0..P).map(|p| p * V::LANES) {
                                side.read::<V>(pixels, from.add(lane), frame.row(), to.add(lane), pitch);
                            }
                            from = from.add(side.step() * BLOCK);
                            to = to.add(BLOCK);
                        }
                    }
                }
            }
        }
    }
}
