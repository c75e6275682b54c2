//! Pixels to points.

use std::ops::Range;

use super::super::Around;
use super::super::source::{Frame, Source};
use super::Tiles;
use super::group::Group;
use super::transform::{Pixels, Side};
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::BLOCK;

/// A feature map as groups of tiles read it.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) tiles: &'a Tiles,
    pub(super) source: &'a Source,
    pub(super) side: Side,
    pub(super) pixels: Pixels,
}

impl Reading<'_> {
    fn frame(&self) -> Frame {
        self.tiles.frame(self.side, self.pixels)
    }

    /// Floats of the planes that a worker keeps.
    pub(super) fn planes(&self) -> usize {
        self.tiles.planes(self.source.blocks.count) * self.frame().len()
    }

    /// Floats from point to point of a group.
    pub(super) fn pitch(&self) -> usize {
        self.tiles.pitch(self.source.blocks.count)
    }

    /// Floats of all points of a group.
    pub(super) fn points(&self) -> usize {
        self.side.points() * self.pitch()
    }

    /// Some of a group's images, counted from its first, to points: `[point][block][tile][16]`.
    ///
    /// # Safety
    /// `planes` and `points` hold what [`planes`](Self::planes) and [`points`](Self::points) count; the planes, and these
    /// images' points, are the caller's alone.
    pub(super) unsafe fn read(
        self,
        around: &Around<'_>,
        group: &Group,
        images: Range<usize>,
        planes: *mut f32,
        points: *mut f32,
    ) {
        // SAFETY: as the caller promises.
        unsafe { around.isa.run(Read { reading: self, around, group, images, planes, points }) };
    }
}

/// See [`Reading::read`].
struct Read<'a> {
    reading: Reading<'a>,
    around: &'a Around<'a>,
    group: &'a Group,
    images: Range<usize>,
    planes: *mut f32,
    points: *mut f32,
}

impl Routine for Read<'_> {
    // SAFETY: the maker promises that what the fields name is there, and its own.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Read { reading, around, group, .. } = self;
        let Reading { source, side, pixels, .. } = reading;
        let (frame, pitch) = (reading.frame(), reading.pitch());
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
                    let mut to = self.points.add((block * count + image * of_image) * BLOCK);
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
