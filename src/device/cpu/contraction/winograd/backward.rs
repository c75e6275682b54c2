//! To the input and to the weight in one pass: the gradient to what the layer makes, which a prologue computes from several
//! feature maps, is brought into cache once for both.

use std::ops::Range;

use super::super::Around;
use super::group::{Group, Made, Planes, Read};
use super::transform::TILE;
use super::{ALL_POINTS, Correlate, ToWeight};
use crate::device::cpu::pool::Turn;
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::BLOCK;

/// Both gradients of a layer. A task is a chunk of the batch, as of [`ToWeight`].
pub(in super::super) struct Backward {
    to_input: Correlate,
    to_weight: ToWeight,
}

/// The most blocks of x and of dy together: with more, both weights and the sums no longer fit the second-level cache
/// beside the points, and what is saved is the lesser part.
const MOST_BLOCKS: usize = 8;

impl Backward {
    /// None where two passes are faster. Groups are those of the pass to the weight, so that the bits are too.
    pub(in super::super) fn new(to_input: &Correlate, to_weight: &ToWeight) -> Option<Self> {
        let pays = to_weight.x.blocks + to_weight.dy.blocks <= MOST_BLOCKS;
        pays.then(|| Backward { to_input: to_input.regrouped(to_weight.tiles), to_weight: to_weight.clone() })
    }

    /// Floats of the planes of dy of a group, and of those of x.
    fn planes(&self) -> (usize, usize) {
        let tiles = &self.to_input.tiles;
        let (dy, x) = (tiles.images * self.to_weight.dy.blocks, tiles.planes(self.to_weight.x.blocks));
        (dy * tiles.frame().len(), x * tiles.frame().len())
    }

    /// Floats that a worker needs: planes; the points of what is read and of the products, by turns for both passes; a
    /// tile.
    pub(in super::super) fn room(&self) -> usize {
        let (dy, x) = self.planes();
        dy + x + self.points() + TILE * TILE * BLOCK
    }

    fn points(&self) -> usize {
        let ((read, made), (x, dy)) = (self.to_input.pitches(), self.to_weight.pitches());
        ALL_POINTS * (read + made).max(x + dy)
    }

    /// Floats that all workers share: the points of the weight, then each chunk's sum.
    pub(in super::super) fn shared(&self) -> usize {
        self.to_input.shared() + self.to_weight.shared()
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        self.to_input.transform_weight(around);
        let images = around.context.batch as usize;
        let tiles = &self.to_input.tiles;
        let sum_len = self.to_weight.chunk_len();
        around.over_batch(self.to_weight.chunks, &|Turn { task: chunk, worker, .. }| {
            // SAFETY: a chunk's sum, and the results of its images, are this task's alone, in a worker's own room.
            unsafe {
                let sum = around.shared.add(self.to_input.shared() + chunk * sum_len);
                std::ptr::write_bytes(sum, 0, sum_len);
                let groups = self.to_weight.groups_of(chunk, images);
                for number in groups.clone() {
                    let next = if number + 1 < groups.end { tiles.images_of(number + 1, images) } else { 0..0 };
                    for group in tiles.strips(number, images) {
                        let (next, room) = (next.clone(), around.room(worker));
                        around.isa.run(Both { work: self, around, group, next, room, sum });
                    }
                    self.to_input.finish(around, tiles.images_of(number, images));
                }
            }
        });
        self.to_weight.finish(around, around.shared.wrapping_add(self.to_input.shared()));
    }
}

/// The results of a group of tiles, and its products added to a sum.
struct Both<'a> {
    work: &'a Backward,
    around: &'a Around<'a>,
    group: Group,
    /// The images of the next group.
    next: Range<usize>,
    room: *mut f32,
    sum: *mut f32,
}

impl Routine for Both<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Both { work, around, group, next, room, sum } = self;
        let (to_input, to_weight) = (&work.to_input, &work.to_weight);
        let frame = to_input.tiles.frame();
        let (dy_planes, x_planes) = work.planes();
        let ((read_pitch, made_pitch), (x_pitch, y_pitch)) = (to_input.pitches(), to_weight.pitches());
        // SAFETY: the room holds what `Backward::room` counts; results and sum are this task's alone.
        unsafe {
            let first = room.add(dy_planes + x_planes);
            let tile = first.add(work.points());
            let dy = Planes { frame, room, all: true, made: false };
            let dy_source = &to_input.job.source;
            let (points, products) = (first, first.add(ALL_POINTS * read_pitch));
            group.read::<V, P, Read>(around, dy_source, dy, (points, read_pitch));
            to_input.multiply::<V, P>(around, &group, points, products, |share| {
                to_weight.x.reads.expect(around, &group.all_images(), share);
            });
            to_input.write::<V, P>(around, &group, (products, made_pitch), tile);
            let (x_points, y_points) = (first, first.add(ALL_POINTS * x_pitch));
            let x = Planes { frame, room: room.add(dy_planes), all: false, made: false };
            group.read::<V, P, Read>(around, &to_weight.x, x, (x_points, x_pitch));
            group.read::<V, P, Made>(around, dy_source, Planes { made: true, ..dy }, (y_points, y_pitch));
            to_weight.add::<V, P>(&group, (x_points, y_points), sum, |share| {
                dy_source.reads.expect(around, &next, share);
            });
        }
    }
}
