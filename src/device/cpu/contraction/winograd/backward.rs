//! To the input and to the weight in one pass: the gradient to what the layer makes, which a prologue computes from several
//! feature maps, is brought into cache and transformed to points once for both.

use std::ops::Range;

use super::super::Around;
use super::group::{Group, Own, Planes, Window};
use super::transform::TILE;
use super::weight::Sum;
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
        let pays = to_weight.x.blocks + to_weight.dy.blocks <= MOST_BLOCKS && !to_weight.by_points();
        pays.then(|| Backward { to_input: to_input.regrouped(to_weight.tiles), to_weight: to_weight.clone() })
    }

    /// Floats that a worker needs: planes of x and of dy; the points of dy; those of the products to the input and of x, by
    /// turns; a tile.
    pub(in super::super) fn room(&self) -> usize {
        let ((x_planes, dy_planes), (x, dy)) = (self.to_weight.planes(), self.to_weight.pitches());
        x_planes + dy_planes + ALL_POINTS * (dy + x) + TILE * TILE * BLOCK
    }

    /// Floats that all workers share: the points of the weight, then each chunk's sum.
    pub(in super::super) fn shared(&self) -> usize {
        self.to_input.shared() + self.to_weight.shared()
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        self.to_input.transform_weight(around);
        let images = around.context.batch as usize;
        let tiles = &self.to_input.tiles;
        let sums = self.to_input.shared();
        around.over_batch(self.to_weight.chunks, &|Turn { task: chunk, worker, .. }| {
            // SAFETY: a chunk's sum, and the results of its images, are this task's alone, in a worker's own room.
            unsafe {
                let mut sum = self.to_weight.sum(chunk, images, around.shared.add(sums));
                let groups = self.to_weight.groups_of(chunk, images);
                for number in groups.clone() {
                    let next = if number + 1 < groups.end { tiles.images_of(number + 1, images) } else { 0..0 };
                    for group in tiles.strips(number, images) {
                        let (next, room) = (next.clone(), around.room(worker));
                        around.isa.run(Both { work: self, around, group, next, room, sum });
                        sum.begun = true;
                    }
                    self.to_input.finish(around, tiles.images_of(number, images));
                }
            }
        });
        self.to_weight.finish(around, around.shared.wrapping_add(sums));
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
    sum: Sum,
}

impl Routine for Both<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Both { work, around, group, next, room, sum } = self;
        let (to_input, to_weight) = (&work.to_input, &work.to_weight);
        let tiles = &to_weight.tiles;
        let ((x_planes, dy_planes), (x_pitch, dy_pitch)) = (to_weight.planes(), to_weight.pitches());
        // SAFETY: the room holds what `Backward::room` counts; results and sum are this task's alone.
        unsafe {
            let dy_points = room.add(x_planes + dy_planes);
            // The products to the input, then the points of x: both are as long.
            let x_points = dy_points.add(ALL_POINTS * dy_pitch);
            let tile = x_points.add(ALL_POINTS * x_pitch);
            let dy = Planes { frame: tiles.frame(), room: room.add(x_planes) };
            group.read::<V, P, Window>(around, &to_weight.dy, dy, (dy_points, dy_pitch));
            to_input.multiply::<V, P>(around, &group, dy_points, x_points, |share| {
                to_weight.x.reads.expect(around, &group.all_images(), share);
            });
            to_input.write::<V, P>(around, &group, (x_points, x_pitch), tile);
            let x = Planes { frame: tiles.whole(), room };
            group.read::<V, P, Own>(around, &to_weight.x, x, (x_points, x_pitch));
            to_weight.add::<V, P>(&group, (x_points, dy_points), sum, |share| {
                to_weight.dy.reads.expect(around, &next, share);
            });
        }
    }
}
