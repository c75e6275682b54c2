//! To the input and to the weight in one pass: the gradient to what the layer makes, which a prologue computes from several
//! feature maps, is brought into cache and transformed to points once for both.

use std::ops::Range;

use super::super::Around;
use super::correlate::{Multiply, Write};
use super::group::Group;
use super::weight::Sum;
use super::{Correlate, ToWeight};

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
        let pays = to_weight.x.blocks.count + to_weight.dy.blocks.count <= MOST_BLOCKS && !to_weight.by_points();
        pays.then(|| Backward { to_input: to_input.regrouped(to_weight.tiles), to_weight: to_weight.clone() })
    }

    /// Floats that a worker needs: its own points of the weight; planes of x and of dy; the products to the input and the
    /// points of x, by turns; the points of dy; a tile.
    pub(in super::super) fn room(&self) -> usize {
        let of_group = self.to_weight.planes() + self.to_weight.points() + self.to_input.tile();
        self.to_input.own_weight() + of_group
    }

    /// Floats that all workers share: the points of the weight, then sums.
    pub(in super::super) fn shared(&self) -> usize {
        self.to_input.shared() + self.to_weight.shared()
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        self.to_input.make_shared_weight(around);
        let images = around.context.batch as usize;
        let tiles = &self.to_input.tiles;
        let sums = self.to_input.shared();
        around.over_batch(self.to_weight.chunks.count, &|turn| {
            // SAFETY: a chunk's sum, and the results of its images, are this task's alone, in a worker's own room.
            unsafe {
                let (chunk, sums) = (turn.task, around.shared.add(sums));
                let (weight, room) = self.to_input.weight_of(around, turn);
                let mut sum = self.to_weight.sum(turn, sums);
                let groups = self.to_weight.groups_of(chunk, images);
                for number in groups.clone() {
                    let next = if number + 1 < groups.end { tiles.images_of(number + 1, images) } else { 0..0 };
                    for group in tiles.strips(number, images) {
                        self.both(around, &group, &next, weight, room, sum);
                        sum.begun = true;
                    }
                    self.to_input.finish(around, tiles.images_of(number, images));
                }
                self.to_weight.finish_chunk(around, chunk, sums, sum);
            }
        });
        self.to_weight.add_chunks(around, around.shared.wrapping_add(sums));
    }

    /// The results of a group, by the points of the weight, and its products added to a sum; `next` are the images of the
    /// next group.
    ///
    /// # Safety
    /// `room` holds what [`Backward::room`] counts behind the weight; it, the results and the sum are the caller's alone.
    unsafe fn both(
        &self,
        around: &Around<'_>,
        group: &Group,
        next: &Range<usize>,
        weight: *const f32,
        room: *mut f32,
        sum: Sum,
    ) {
        let (to_input, to_weight) = (&self.to_input, &self.to_weight);
        let (reading_x, reading_dy, all) = (to_weight.reading_x(), to_weight.reading_dy(), 0..group.images);
        // SAFETY: as the caller promises.
        unsafe {
            // The products to the input, then the points of x: both are as long.
            let x = room.add(to_weight.planes());
            let dy = x.add(reading_x.points());
            let tile = x.add(to_weight.points());
            reading_dy.read(around, group, all.clone(), room.add(reading_x.planes()), dy);
            let ahead = |share| to_weight.x.reads.expect(around, &group.all_images(), share);
            around.isa.run(Multiply { work: to_input, around, group, weight, points: dy, products: x, ahead: &ahead });
            around.isa.run(Write { work: to_input, around, group, products: x, tile });
            reading_x.read(around, group, all, room, x);
            let ahead = |share| to_weight.dy.reads.expect(around, next, share);
            to_weight.add(around, group, (x, dy), sum, &ahead);
        }
    }
}
