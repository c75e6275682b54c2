//! Forward and to the input, which is the forward pass of the transposed and turned weight.

use std::ops::Range;

use super::super::ahead::Share;
use super::super::product::{self, Lanes, Place, Scalars, by_rows};
use super::super::weights::Matrix;
use super::super::{Around, Correlation, Direction};
use super::group::Group;
use super::read::Reading;
use super::transform::{Pixels, Side, Stride};
use super::{Tiles, stride, weight_pitch};
use crate::device::cpu::pool::Turn;
use crate::device::cpu::simd::{Routine, Vector, expect_write};
use crate::kernel::BLOCK;

/// A correlation with a 3 x 3 weight, group by group of tiles.
#[derive(Clone)]
pub(in super::super) struct Correlate {
    pub(in super::super) job: Correlation,
    matrix: Matrix,
    pub(super) tiles: Tiles,
    /// What is summed at each point of what is made.
    terms: Vec<Vec<Term>>,
}

/// A product of two points.
#[derive(Clone, Copy)]
struct Term {
    /// Of what is read.
    read: usize,
    /// Of the weight.
    weight: usize,
}

impl Correlate {
    pub(in super::super) fn new(job: Correlation, batch: usize, threads: usize) -> Self {
        let (stride, matrix) = (stride(&job.sizes), job.matrix());
        let of_image = Tiles::of_image(&job.sizes);
        let most = most_tiles(stride.points() * matrix.points(), of_image * batch / threads);
        // A small batch is parted all the same, or one core would do it.
        let tiles = Tiles::new(&job.sizes, most.min(of_image * batch.div_ceil(2)));
        Correlate { terms: terms(stride, job.direction), job, matrix, tiles }
    }

    /// The same for a job of the same sizes and direction.
    pub(in super::super) fn with(&self, job: Correlation) -> Self {
        Correlate { job, ..self.clone() }
    }

    /// The same by other groups.
    pub(super) fn regrouped(&self, tiles: Tiles) -> Self {
        Correlate { tiles, ..self.clone() }
    }

    fn stride(&self) -> Stride {
        stride(&self.job.sizes)
    }

    /// What is read, and what is made.
    fn sides(&self) -> (Side, Side) {
        let (x, y) = (self.stride().x(), self.stride().y());
        match self.job.direction {
            Direction::Forward => (x, y),
            Direction::ToInput => (y, x),
        }
    }

    /// What is read.
    fn reading(&self) -> Reading<'_> {
        let (tiles, source) = (&self.tiles, &self.job.source);
        Reading { tiles, source, side: self.sides().0, pixels: Pixels::Window }
    }

    /// Floats from point to point of what a group makes.
    fn made_pitch(&self) -> usize {
        self.tiles.pitch(self.job.result.blocks.count)
    }

    /// Floats of all points of what a group makes.
    fn made_points(&self) -> usize {
        self.sides().1.points() * self.made_pitch()
    }

    /// Floats of a tile of what is made.
    pub(super) fn tile(&self) -> usize {
        let step = self.sides().1.step();
        step * step * BLOCK
    }

    /// Floats that a worker needs: its own points of the weight, planes, the points of what is read, those of the products,
    /// a tile.
    pub(in super::super) fn room(&self) -> usize {
        let reading = self.reading();
        self.own_weight() + reading.planes() + reading.points() + self.made_points() + self.tile()
    }

    /// Floats of the weight's points.
    fn weight(&self) -> usize {
        self.stride().points() * weight_pitch(&self.matrix)
    }

    /// Floats of the weight's points that each worker makes for itself.
    pub(super) fn own_weight(&self) -> usize {
        if self.weight() <= OWN_WEIGHT { self.weight() } else { 0 }
    }

    /// Floats that all workers share: the points of the weight, where a worker has none of its own.
    pub(in super::super) fn shared(&self) -> usize {
        self.weight() - self.own_weight()
    }

    /// The points of the weight that all workers share.
    pub(super) fn make_shared_weight(&self, around: &Around<'_>) {
        if self.own_weight() == 0 {
            around.over_weight(self.matrix.pieces(), &|Turn { task: piece, .. }| {
                // SAFETY: a task writes the points of its own part of the weight.
                unsafe { around.isa.run(Weight { work: self, around, piece, to: around.shared }) };
            });
        }
    }

    /// Where the points of the weight lie, and the rest of a worker's room. At its first turn a worker makes its own.
    pub(super) fn weight_of(&self, around: &Around<'_>, turn: Turn) -> (*const f32, *mut f32) {
        let (room, own) = (around.room(turn.worker), self.own_weight());
        if own == 0 {
            return (around.shared, room);
        }
        if turn.first {
            for piece in 0..self.matrix.pieces() {
                // SAFETY: the room is the worker's.
                unsafe { around.isa.run(Weight { work: self, around, piece, to: room }) };
            }
        }
        (room, room.wrapping_add(own))
    }

    /// Runs the epilogue on finished images.
    pub(super) fn finish(&self, around: &Around<'_>, images: Range<usize>) {
        images.for_each(|n| self.job.result.finish(around, n));
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        self.make_shared_weight(around);
        let images = around.context.batch as usize;
        around.over_batch(self.tiles.groups(images), &|turn| {
            let next = turn.next.map(|task| self.tiles.images_of(task, images));
            let (weight, room) = self.weight_of(around, turn);
            for group in self.tiles.strips(turn.task, images) {
                // SAFETY: a task writes the results of its own images, in a worker's own room.
                unsafe { self.results(around, &group, next.as_ref(), weight, room) };
            }
            self.finish(around, self.tiles.images_of(turn.task, images));
        });
    }

    /// The results of a group, by the points of the weight; `next` are the images of the worker's next task.
    ///
    /// # Safety
    /// `room` holds what [`Correlate::room`] counts behind the weight; it and the results are the caller's alone.
    unsafe fn results(
        &self,
        around: &Around<'_>,
        group: &Group,
        next: Option<&Range<usize>>,
        weight: *const f32,
        room: *mut f32,
    ) {
        let reading = self.reading();
        // SAFETY: as the caller promises.
        unsafe {
            let points = room.add(reading.planes());
            let products = points.add(reading.points());
            reading.read(around, group, 0..group.images, room, points);
            let ahead = |share| {
                if let Some(next) = next {
                    self.job.source.reads.expect(around, next, share);
                }
            };
            around.isa.run(Multiply { work: self, around, group, weight, points, products, ahead: &ahead });
            let tile = products.add(self.made_points());
            around.isa.run(Write { work: self, around, group, products, tile });
        }
    }
}

/// The products that make up each point of what is made.
fn terms(stride: Stride, direction: Direction) -> Vec<Vec<Term>> {
    let weights = 0..stride.points();
    match direction {
        Direction::Forward => {
            let mut terms = vec![vec![]; stride.y().points()];
            weights.for_each(|x| terms[stride.point_of_y(x)].push(Term { read: x, weight: x }));
            terms
        }
        Direction::ToInput => weights.map(|x| vec![Term { read: stride.point_of_y(x), weight: x }]).collect(),
    }
}

/// Floats of a weight's points that fill a third-level cache.
const WIDE: usize = 3 << 20;

/// The most tiles of a group, for so many floats of the weight's points, and so many tiles of the batch a worker; results do
/// not depend on it.
///
/// A group's points of what is read and made, 64 bytes a point, tile and block, should stay in the second-level cache, and
/// a group should still be large enough that the weight's points, read once a group, are the lesser part. Where they come
/// from the third-level cache 32 tiles are the best or within a few hundredths of it (16 to 256 channels, 512 KB and 1 MB of
/// second-level cache). Where they fill that one too (from 320 channels, 200 of stride 2) 128 tiles take 4 to 10 % less
/// time, if every worker still has two groups.
fn most_tiles(weight: usize, of_worker: usize) -> usize {
    if weight < WIDE { 32 } else { (of_worker / 2).clamp(32, 128) }
}

/// Floats of a weight's points up to which each worker makes them for itself, to stay in its own second-level cache.
///
/// What another core has made comes at the pace of the way between the two, line by line, and that differs widely, on one
/// machine too: with points that workers share, 64 channels of 8 x 8 take 1.0 to 1.2 times as long at a batch of 128, and
/// up to 2.5 times at one of 8.
const OWN_WEIGHT: usize = 1 << 18;

/// Sixteen channels of one block of the weight to their points.
struct Weight<'a> {
    work: &'a Correlate,
    around: &'a Around<'a>,
    /// Which: below [`Matrix::pieces`].
    piece: usize,
    /// Where the points of the whole weight lie.
    to: *mut f32,
}

/// By how many channels lines of points are asked for ahead.
const AHEAD: usize = 2;

impl Routine for Weight<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Weight { work, around, piece, to } = self;
        let matrix = &work.matrix;
        let (block, from) = matrix.piece(piece);
        let count = BLOCK.min(matrix.span - from);
        let pitch = weight_pitch(matrix);
        let mut turned = [0.0; 9 * BLOCK * BLOCK];
        // SAFETY: the offset comes from the plan; the points of a block's channels are this task's alone.
        unsafe {
            let weight = around.context.arena.add(work.job.weight).cast_const();
            let to = to.add((block * matrix.span + from) * BLOCK);
            let (taps, tap) = match work.job.direction {
                Direction::Forward => (weight.add(block * matrix.block_len() + from * BLOCK), matrix.span * BLOCK),
                Direction::ToInput => {
                    work.turn(weight, block, from, &mut turned);
                    (turned.as_ptr(), BLOCK * BLOCK)
                }
            };
            for c in 0..count {
                let later = to.wrapping_add((c + AHEAD) * BLOCK);
                (0..work.stride().points()).for_each(|point| expect_write(later.wrapping_add(point * pitch)));
                for p in 0..P {
                    let lane = c * BLOCK + p * V::LANES;
                    work.stride().taps::<V>(taps.add(lane), tap, to.add(lane), pitch);
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
        let inputs = BLOCK.min(s.inputs - block * BLOCK);
        for tap in 0..9 {
            for c in 0..inputs {
                // SAFETY: the block and the channel lie inside the weight.
                let outputs = unsafe { weight.add(((from / BLOCK * 9 + tap) * s.inputs + block * BLOCK + c) * BLOCK) };
                for k in 0..BLOCK {
                    // SAFETY: as above.
                    out[((8 - tap) * BLOCK + k) * BLOCK + c] = unsafe { *outputs.add(k) };
                }
            }
        }
    }
}

/// Points of a group to products.
pub(super) struct Multiply<'a> {
    pub(super) work: &'a Correlate,
    pub(super) around: &'a Around<'a>,
    pub(super) group: &'a Group,
    /// The points of the weight.
    pub(super) weight: *const f32,
    /// What is read.
    pub(super) points: *const f32,
    pub(super) products: *mut f32,
    /// Asks for a share of what is read after them.
    pub(super) ahead: &'a dyn Fn(Share),
}

impl Routine for Multiply<'_> {
    // SAFETY: the maker promises that the group's points are made, and that the products are its own.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let (work, group) = (self.work, self.group);
        let (matrix, made, count) = (&work.matrix, work.terms.len(), group.tiles());
        let (read_pitch, made_pitch) = (work.reading().pitch(), work.made_pitch());
        // SAFETY: as the maker promises.
        unsafe {
            for (point, terms) in work.terms.iter().enumerate() {
                self.expect(Share { part: point, parts: made });
                work.job.result.reads.expect(self.around, &group.all_images(), group.share(point, made));
                (self.ahead)(group.share(point, made));
                for (block, paired) in matrix.parts(V::PAIRS) {
                    let factors = Factors {
                        points: self.points,
                        read_pitch,
                        tiles: count,
                        weight: self.weight.add(block * matrix.span * BLOCK),
                        weight_pitch: weight_pitch(matrix),
                        channels: matrix.span,
                    };
                    let products = self.products.add(point * made_pitch + block * count * BLOCK);
                    by_rows!(V, P, paired, count, sums(tile, factors, terms, products));
                }
            }
        }
    }
}

impl Multiply<'_> {
    /// Asks for a share of the lines that the group's results fill: they come while the products are made.
    ///
    /// # Safety
    /// The group is of the batch.
    #[inline(always)]
    unsafe fn expect(&self, share: Share) {
        let (group, result) = (self.group, &self.work.job.result);
        let step = self.work.sides().1.step();
        let end = (group.rows.end * step).min(result.height);
        let lines = group.rows.start * step * result.width..end * result.width;
        let share = share.of(lines.len());
        for n in group.all_images() {
            for block in 0..result.blocks.count {
                // SAFETY: as the caller promises.
                let plane = unsafe { result.plane(self.around, n, block) };
                share.clone().for_each(|line| expect_write(plane.wrapping_add((lines.start + line) * BLOCK)));
            }
        }
    }
}

/// What is multiplied: the points of a group's tiles, and those of the weight of some blocks of results.
#[derive(Clone, Copy)]
struct Factors {
    points: *const f32,
    /// Floats from point to point.
    read_pitch: usize,
    tiles: usize,
    weight: *const f32,
    /// Floats from point to point.
    weight_pitch: usize,
    channels: usize,
}

/// R tiles from `tile`, at a point that is the sum of `terms`, for B blocks of results.
///
/// # Safety
/// The processor has the set of V; the factors may be read; `products`, the first block's first tile, is the caller's alone.
#[inline(always)]
unsafe fn sums<V: Vector, const P: usize, const B: usize, const R: usize>(
    tile: usize,
    factors: Factors,
    terms: &[Term],
    products: *mut f32,
) {
    let Factors { points, read_pitch, tiles, weight, weight_pitch, channels } = factors;
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = product::zeros::<V, P, B, R>();
        for term in terms {
            let mut scalars = Scalars { start: points.add(term.read * read_pitch + tile * BLOCK), row: BLOCK, step: 1 };
            let mut lanes = Lanes { start: weight.add(term.weight * weight_pitch), block: channels * BLOCK };
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
        }
        product::store(&sums, products.add(tile * BLOCK), Place { row: BLOCK, block: tiles * BLOCK });
    }
}

/// Products of a group to results.
pub(super) struct Write<'a> {
    pub(super) work: &'a Correlate,
    pub(super) around: &'a Around<'a>,
    pub(super) group: &'a Group,
    pub(super) products: *const f32,
    /// Holds a tile.
    pub(super) tile: *mut f32,
}

impl Routine for Write<'_> {
    // SAFETY: the maker promises that the products are made, and that the group's results and the tile are its own.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Write { work, around, group, products, tile } = self;
        let (side, result) = (work.sides().1, &work.job.result);
        let (step, pitch) = (side.step(), work.made_pitch());
        let row_len = result.width * BLOCK;
        let count = group.tiles();
        // SAFETY: as the maker promises.
        unsafe {
            for image in 0..group.images {
                for block in 0..result.blocks.count {
                    let plane = result.plane(around, group.first + image, block);
                    let mut from = products.add((block * count + image * group.rows.len() * group.columns) * BLOCK);
                    for row in group.rows.clone() {
                        let height = step.min(result.height - row * step);
                        for column in 0..group.columns {
                            let width = step.min(result.width - column * step);
                            let to = plane.add(row * step * row_len + column * step * BLOCK);
                            let whole = (height, width) == (step, step);
                            let (target, target_row) = if whole { (to, row_len) } else { (tile, step * BLOCK) };
                            for lane in (0..P).map(|p| p * V::LANES) {
                                side.write::<V>(from.add(lane), pitch, target.add(lane), target_row);
                            }
                            if !whole {
                                for y in 0..height {
                                    let from = tile.add(y * step * BLOCK);
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
