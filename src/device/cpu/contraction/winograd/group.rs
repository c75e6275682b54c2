//! A group of tiles that goes through the stages together.

use std::ops::Range;

use super::super::Around;
use super::super::ahead::Share;
use super::super::source::{Frame, Source};
use super::transform::{TILE, input_tile, own_tile};
use super::{ALL_POINTS, Tiles};
use crate::device::cpu::simd::Vector;
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

/// Where the planes of a group lie.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub(super) frame: Frame,
    pub(super) room: *mut f32,
}

/// A transform of pixels to points.
pub(super) trait Pixels {
    /// Pixels from tile to tile are [`TILE`]; see [`input_tile`].
    ///
    /// # Safety
    /// As for [`input_tile`].
    unsafe fn transform<V: Vector>(from: *const f32, row: usize, to: *mut f32, pitch: usize);
}

/// The 6 x 6 pixels around each tile, in frames with a border.
pub(super) struct Window;

impl Pixels for Window {
    // SAFETY: see `Pixels`.
    #[inline(always)]
    unsafe fn transform<V: Vector>(from: *const f32, row: usize, to: *mut f32, pitch: usize) {
        // SAFETY: as the caller promises.
        unsafe { input_tile::<V>(from, row, to, pitch) }
    }
}

/// Each tile's own 4 x 4 pixels, in frames of whole tiles.
pub(super) struct Own;

impl Pixels for Own {
    // SAFETY: see `Pixels`.
    #[inline(always)]
    unsafe fn transform<V: Vector>(from: *const f32, row: usize, to: *mut f32, pitch: usize) {
        // SAFETY: as the caller promises.
        unsafe { own_tile::<V>(from, row, to, pitch) }
    }
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

    /// The share of what its images read that is asked for at a point.
    pub(super) fn share(&self, point: usize) -> Share {
        Share { part: self.strip.part * ALL_POINTS + point, parts: self.strip.parts * ALL_POINTS }
    }

    /// Pixels to points: `[point][block][tile][16]`.
    ///
    /// # Safety
    /// The processor has the set of V; `planes` holds [`Tiles::planes`] frames, `points` 36 times `pitch` floats.
    #[inline(always)]
    pub(super) unsafe fn read<V: Vector, const P: usize, T: Pixels>(
        &self,
        around: &Around<'_>,
        source: &Source,
        planes: Planes,
        points: (*mut f32, usize),
    ) {
        for image in 0..self.images {
            // SAFETY: as the caller promises.
            unsafe { self.read_image::<V, P, T>(around, source, planes, points, image) };
        }
    }

    /// The same of one image, counted from the group's first.
    ///
    /// # Safety
    /// As for [`read`](Self::read).
    #[inline(always)]
    pub(super) unsafe fn read_image<V: Vector, const P: usize, T: Pixels>(
        &self,
        around: &Around<'_>,
        source: &Source,
        planes: Planes,
        (points, pitch): (*mut f32, usize),
        image: usize,
    ) {
        let Planes { frame, room: planes } = planes;
        let count = self.tiles();
        // SAFETY: as the caller promises; a frame holds whole tiles.
        unsafe {
            for block in 0..source.blocks {
                let place = if self.keeps_planes { block } else { 0 };
                let room = planes.add(place * frame.len());
                let plane = if self.planes_are_made {
                    source.made(around, self.first + image, block, frame, room)
                } else {
                    source.plane(around, self.first + image, block, frame, room)
                };
                let mut to = points.add((block * count + image * self.rows.len() * self.columns) * BLOCK);
                for row in self.rows.clone() {
                    let mut from = plane.add(row * TILE * frame.row());
                    for _ in 0..self.columns {
                        for p in 0..P {
                            let lane = p * V::LANES;
                            T::transform::<V>(from.add(lane), frame.row(), to.add(lane), pitch);
                        }
                        from = from.add(TILE * BLOCK);
                        to = to.add(BLOCK);
                    }
                }
            }
        }
    }
}
