//! Forward and to the input, which is the forward pass of the transposed and turned weight.

use std::ops::Range;

use super::super::ahead::Share;
use super::super::product::{self, Lanes, Place, Scalars, by_rows};
use super::super::weights::Matrix;
use super::super::{Around, Correlation, Direction};
use super::group::{Group, Planes, Window};
use super::transform::{TILE, output_tile, weight_taps};
use super::{ALL_POINTS, Tiles, weight_pitch};
use crate::device::cpu::pool::Turn;
use crate::device::cpu::simd::{Routine, Vector, expect_write};
use crate::kernel::BLOCK;

/// A correlation with a 3 x 3 weight, group by group of tiles.
#[derive(Clone)]
pub(in super::super) struct Correlate {
    pub(in super::super) job: Correlation,
    matrix: Matrix,
    pub(super) tiles: Tiles,
}

impl Correlate {
    pub(in super::super) fn new(job: Correlation, batch: usize) -> Self {
        let of_image = Tiles::of_image(&job.sizes);
        // A small batch is parted all the same, or one core would do it.
        let tiles = Tiles::new(&job.sizes, MOST_TILES.min(of_image * batch.div_ceil(2)));
        Correlate { matrix: job.matrix(), tiles, job }
    }

    /// The same by other groups.
    pub(super) fn regrouped(&self, tiles: Tiles) -> Self {
        Correlate { tiles, ..self.clone() }
    }

    /// Floats of the planes.
    fn planes(&self) -> usize {
        self.tiles.planes(self.job.source.blocks) * self.tiles.frame().len()
    }

    /// Floats from point to point of what a group reads, and of what it makes.
    pub(super) fn pitches(&self) -> (usize, usize) {
        (self.tiles.pitch(self.job.source.blocks), self.tiles.pitch(self.job.result.blocks))
    }

    /// Floats that a worker needs: planes, the points of what is read, those of the products, a tile.
    pub(in super::super) fn room(&self) -> usize {
        let (read, made) = self.pitches();
        self.planes() + ALL_POINTS * (read + made) + TILE * TILE * BLOCK
    }

    /// Floats that all workers share: the points of the weight.
    pub(in super::super) fn shared(&self) -> usize {
        ALL_POINTS * weight_pitch(&self.matrix)
    }

    /// The weight to points, in what all workers share.
    pub(super) fn transform_weight(&self, around: &Around<'_>) {
        let spans = self.matrix.span.div_ceil(BLOCK);
        around.over_weight(self.matrix.blocks() * spans, &|Turn { task, .. }| {
            // SAFETY: a task writes the points of its own part of the weight.
            unsafe { around.isa.run(Weight { work: self, around, block: task / spans, from: task % spans * BLOCK }) };
        });
    }

    /// Runs the epilogue on finished images.
    pub(super) fn finish(&self, around: &Around<'_>, images: Range<usize>) {
        for n in images {
            (0..self.job.result.blocks).for_each(|block| around.finish(self.job.result.epilogue, n, block));
        }
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        self.transform_weight(around);
        let images = around.context.batch as usize;
        around.over_batch(self.tiles.groups(images), &|Turn { task, next, worker }| {
            let next = next.map(|task| self.tiles.images_of(task, images));
            for group in self.tiles.strips(task, images) {
                // SAFETY: a task writes the results of its own images, in a worker's own room.
                unsafe {
                    around.isa.run(Results { work: self, around, group, next: next.clone(), room: around.room(worker) })
                };
            }
            self.finish(around, self.tiles.images_of(task, images));
        });
    }
}

/// The most tiles of a group.
///
/// A group's points of what is read and made, 36 x 64 bytes a tile and block, should stay in the second-level cache, and
/// a group should still be large enough that the weight's points, read once a group, are the lesser part. From 16 to 256
/// channels 32 is the best or within a few hundredths of it (512 KB of second-level cache).
const MOST_TILES: usize = 32;

/// Sixteen channels of one block of the weight to their points.
struct Weight<'a> {
    work: &'a Correlate,
    around: &'a Around<'a>,
    block: usize,
    /// The first channel of the block's span.
    from: usize,
}

impl Routine for Weight<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Weight { work, around, block, from } = self;
        let matrix = &work.matrix;
        let count = BLOCK.min(matrix.span - from);
        let pitch = weight_pitch(matrix);
        let mut turned = [0.0; 9 * BLOCK * BLOCK];
        // SAFETY: the offset comes from the plan; the points of a block's channels are this task's alone.
        unsafe {
            let weight = around.context.arena.add(work.job.weight).cast_const();
            let to = around.shared.add((block * matrix.span + from) * BLOCK);
            let (taps, tap) = match work.job.direction {
                Direction::Forward => (weight.add(block * matrix.block_len() + from * BLOCK), matrix.span * BLOCK),
                Direction::ToInput => {
                    work.turn(weight, block, from, &mut turned);
                    (turned.as_ptr(), BLOCK * BLOCK)
                }
            };
            for c in 0..count {
                for p in 0..P {
                    let lane = c * BLOCK + p * V::LANES;
                    weight_taps::<V>(taps.add(lane), tap, to.add(lane), pitch);
                }
            }
        }
    }
}

impl Correlate {
    /// Sixteen outputs of sixteen inputs, transposed and turned by half a circle: `[8 - tap][output][input]`.
    ///
    /// # Safety
    /// `weight` is the arena's.
    #[inline(always)]
    unsafe fn turn(&self, weight: *const f32, block: usize, from: usize, out: &mut [f32; 9 * BLOCK * BLOCK]) {
        let s = &self.job.sizes;
        // Groups are whole blocks: sixteen inputs are of one group.
        let group = block * BLOCK / s.group_inputs();
        let inner = block * BLOCK % s.group_inputs();
        let inputs = BLOCK.min(s.group_inputs() - inner);
        let source = (group * s.group_outputs() + from) / BLOCK;
        for tap in 0..9 {
            for c in 0..inputs {
                // SAFETY: the block and the channel lie inside the weight.
                let outputs = unsafe { weight.add(((source * 9 + tap) * s.group_inputs() + inner + c) * BLOCK) };
                for k in 0..BLOCK {
                    // SAFETY: as above.
                    out[((8 - tap) * BLOCK + k) * BLOCK + c] = unsafe { *outputs.add(k) };
                }
            }
        }
    }
}

/// The results of a group of tiles.
struct Results<'a> {
    work: &'a Correlate,
    around: &'a Around<'a>,
    group: Group,
    /// The images of the worker's next task.
    next: Option<Range<usize>>,
    room: *mut f32,
}

impl Routine for Results<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Results { work, around, group, next, room } = self;
        let (read_pitch, made_pitch) = work.pitches();
        // SAFETY: the room holds what `Correlate::room` counts.
        unsafe {
            let points = room.add(work.planes());
            let products = points.add(ALL_POINTS * read_pitch);
            let tile = products.add(ALL_POINTS * made_pitch);
            let planes = Planes { frame: work.tiles.frame(), room };
            group.read::<V, P, Window>(around, &work.job.source, planes, (points, read_pitch));
            work.multiply::<V, P>(around, &group, points, products, |share| {
                if let Some(next) = &next {
                    work.job.source.reads.expect(around, next, share);
                }
            });
            work.write::<V, P>(around, &group, (products, made_pitch), tile);
        }
    }
}

/// R tiles from `tile`, at one point and for B blocks of results.
///
/// # Safety
/// The processor has the set of V; the points of `tiles` tiles of all channels, and the weight's, are made.
#[inline(always)]
unsafe fn product<V: Vector, const P: usize, const B: usize, const R: usize>(
    tile: usize,
    points: *const f32,
    weight: Lanes,
    products: *mut f32,
    channels: usize,
    tiles: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = product::zeros::<V, P, B, R>();
        let mut scalars = Scalars { start: points.add(tile * BLOCK), row: BLOCK, step: 1 };
        let mut lanes = weight;
        let mut left = channels;
        while left >= BLOCK {
            product::accumulate::<V, P, B, R>(&mut sums, scalars, lanes, BLOCK);
            scalars.start = scalars.start.add(tiles * BLOCK);
            lanes.start = lanes.start.add(BLOCK * BLOCK);
            left -= BLOCK;
        }
        if left > 0 {
            product::accumulate::<V, P, B, R>(&mut sums, scalars, lanes, left);
        }
        product::store(&sums, products.add(tile * BLOCK), Place { row: BLOCK, block: tiles * BLOCK });
    }
}

impl Correlate {
    /// Points to products; `ahead` asks for a share of what is read after them.
    ///
    /// # Safety
    /// The processor has the set of V; the points of the group are made, and `products` is the caller's alone.
    #[inline(always)]
    pub(super) unsafe fn multiply<V: Vector, const P: usize>(
        &self,
        around: &Around<'_>,
        group: &Group,
        points: *const f32,
        products: *mut f32,
        ahead: impl Fn(Share),
    ) {
        let matrix = &self.matrix;
        let (read_pitch, made_pitch) = self.pitches();
        let count = group.tiles();
        // SAFETY: as the caller promises.
        unsafe {
            for point in 0..ALL_POINTS {
                self.expect(around, group, point);
                ahead(group.share(point));
                let points = points.add(point * read_pitch);
                let weight = around.shared.add(point * weight_pitch(matrix)).cast_const();
                let products = products.add(point * made_pitch);
                for (block, paired) in matrix.parts(V::PAIRS) {
                    let lanes = matrix.span * BLOCK;
                    let weight = Lanes { start: weight.add(block * lanes), block: lanes };
                    let channels = matrix.channels(block);
                    let points = points.add(channels.start * count);
                    let products = products.add(block * count * BLOCK);
                    let channels = channels.len();
                    by_rows!(V, P, paired, count, product(tile, points, weight, products, channels, count));
                }
            }
        }
    }

    /// Asks for a share of the lines that the group's results fill and that the epilogue reads: they come while the
    /// products are made.
    ///
    /// # Safety
    /// The group is of the batch.
    #[inline(always)]
    unsafe fn expect(&self, around: &Around<'_>, group: &Group, point: usize) {
        let result = &self.job.result;
        result.reads.expect(around, &group.all_images(), group.share(point));
        let end = (group.rows.end * TILE).min(result.height);
        let lines = group.rows.start * TILE * result.width..end * result.width;
        let share = Share { part: point, parts: ALL_POINTS }.of(lines.len());
        for image in 0..group.images {
            for block in 0..result.blocks {
                // SAFETY: as the caller promises.
                let plane = unsafe { result.plane(around, group.first + image, block) };
                share.clone().for_each(|line| expect_write(plane.wrapping_add((lines.start + line) * BLOCK)));
            }
        }
    }

    /// Products to results.
    ///
    /// # Safety
    /// The products of the group are made; `room` holds a tile.
    #[inline(always)]
    pub(super) unsafe fn write<V: Vector, const P: usize>(
        &self,
        around: &Around<'_>,
        group: &Group,
        (products, pitch): (*const f32, usize),
        room: *mut f32,
    ) {
        let result = &self.job.result;
        let row_len = result.width * BLOCK;
        let count = group.tiles();
        // SAFETY: the results of these images are this task's alone.
        unsafe {
            for image in 0..group.images {
                for block in 0..result.blocks {
                    let plane = result.plane(around, group.first + image, block);
                    let mut from = products.add((block * count + image * group.rows.len() * group.columns) * BLOCK);
                    for row in group.rows.clone() {
                        let height = TILE.min(result.height - row * TILE);
                        for column in 0..group.columns {
                            let width = TILE.min(result.width - column * TILE);
                            let to = plane.add(row * TILE * row_len + column * TILE * BLOCK);
                            let whole = (height, width) == (TILE, TILE);
                            let (target, target_row) = if whole { (to, row_len) } else { (room, TILE * BLOCK) };
                            for p in 0..P {
                                let lane = p * V::LANES;
                                output_tile::<V>(from.add(lane), pitch, target.add(lane), target_row);
                            }
                            if !whole {
                                for y in 0..height {
                                    let from = room.add(y * TILE * BLOCK);
                                    std::ptr::copy_nonoverlapping(from, to.add(y * row_len), width * BLOCK);
                                }
                            }
                            from = from.add(BLOCK);
                        }
                    }
                }
            }
        }
    }
}
