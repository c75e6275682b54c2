//! To the weight: at each point the products of what was read and of the gradient, summed over all tiles.
//!
//! The gradient to a tap sums x(p + tap) dy(p) over places p, which is x(q) dy(q - tap) over q: dy correlated with x, taps
//! turned by half a circle. So dy gives the windows here, as it does in the pass to the input, and one transform of
//! dy serves both passes; x gives the tiles' own pixels, without a border. With stride 2 this holds of the odd and of the
//! even pixels of x (`transform`).
//!
//! A batch of several groups goes in chunks, whose sums at the points become taps while they are in cache: a quarter of the
//! floats then go through memory, and from core to core. A batch that is a single group, as wide layers of few pixels have
//! it, would be a single task so: it is transformed image by image, and multiplied point by point, some blocks of dy (a panel)
//! at a time, so that their sums need little memory.

use std::ops::Range;

use super::super::Around;
use super::super::ahead::Share;
use super::super::chunks::Chunks;
use super::super::product::{self, Lanes, Place, Scalars, by_rows};
use super::super::source::Source;
use super::super::weights::Matrix;
use super::group::Group;
use super::read::Reading;
use super::transform::{Pixels, Stride};
use super::{SKEW, Tiles, stride};
use crate::device::cpu::pool::Turn;
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::{BLOCK, Sizes};

/// The gradient to a 3 x 3 weight.
#[derive(Clone)]
pub(in super::super) struct ToWeight {
    stride: Stride,
    pub(super) x: Source,
    pub(super) dy: Source,
    /// Offset of the result in the arena.
    dweight: usize,
    matrix: Matrix,
    pub(super) tiles: Tiles,
    pub(super) chunks: Chunks,
    /// Sums at the points that are worked on at a time, at most.
    sums: usize,
    /// Blocks of dy that are summed at a time.
    panel: usize,
    /// Whether each worker has one of them to itself; else each chunk has.
    of_workers: bool,
}

impl ToWeight {
    pub(in super::super) fn new(
        sizes: Sizes,
        x: Source,
        dy: Source,
        dweight: usize,
        batch: usize,
        threads: usize,
    ) -> Self {
        let (stride, matrix) = (stride(&sizes), Matrix::forward(&sizes));
        let most = most_tiles(stride, x.blocks.count, dy.blocks.count).min(Tiles::of_image(&sizes) * batch);
        let tiles = Tiles::new(&sizes, most);
        let chunks = Chunks::new(tiles.groups(batch), matrix.len(), Some(dweight));
        let (sums, of_workers) = (chunks.count.min(threads), threads <= chunks.count);
        let all = matrix.blocks();
        let mut work = ToWeight { stride, x, dy, dweight, matrix, tiles, chunks, sums, panel: all, of_workers };
        if work.by_points() {
            work.panel = all.div_ceil(work.sum_len().div_ceil(PANEL));
        }
        work
    }

    /// Whether all images are one group, whose points all workers share.
    pub(super) fn by_points(&self) -> bool {
        self.chunks.count == 1 && !self.tiles.has_strips()
    }

    /// x as it is read.
    pub(super) fn reading_x(&self) -> Reading<'_> {
        Reading { tiles: &self.tiles, source: &self.x, side: self.stride.x(), pixels: Pixels::Own }
    }

    /// dy as it is read.
    pub(super) fn reading_dy(&self) -> Reading<'_> {
        Reading { tiles: &self.tiles, source: &self.dy, side: self.stride.y(), pixels: Pixels::Window }
    }

    /// Floats of the planes of x and of dy.
    pub(super) fn planes(&self) -> usize {
        self.reading_x().planes() + self.reading_dy().planes()
    }

    /// Floats of all points of a group: of x and of dy.
    pub(super) fn points(&self) -> usize {
        self.reading_x().points() + self.reading_dy().points()
    }

    /// Floats that a worker needs: planes, and points that are its own.
    pub(in super::super) fn room(&self) -> usize {
        self.planes() + if self.by_points() { 0 } else { self.points() }
    }

    /// Floats that all workers share: sums at the points, those of chunks, and points that are not a worker's own.
    pub(in super::super) fn shared(&self) -> usize {
        let points = if self.by_points() { self.points() } else { 0 };
        self.sums * self.sum_len() + self.chunks.shared() + points
    }

    /// Floats of a sum at the points.
    fn sum_len(&self) -> usize {
        self.stride.points() * self.sum_pitch()
    }

    /// Floats from point to point of a sum.
    fn sum_pitch(&self) -> usize {
        self.panel * self.matrix.span * BLOCK + SKEW
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        if self.by_points() {
            return self.run_by_points(around);
        }
        let images = around.context.batch as usize;
        around.over_batch(self.chunks.count, &|turn| {
            // SAFETY: a task makes its own chunk's sum, in a worker's own room.
            unsafe {
                let (chunk, worker) = (turn.task, turn.worker);
                let mut sum = self.sum(turn, around.shared);
                let all = self.groups_of(chunk, images);
                for number in all.clone() {
                    let next = (number + 1 < all.end).then(|| self.tiles.images_of(number + 1, images));
                    for group in self.tiles.strips(number, images) {
                        self.products(around, &group, next.as_ref(), around.room(worker), sum);
                        sum.begun = true;
                    }
                }
                self.finish_chunk(around, chunk, around.shared, sum);
            }
        });
        self.add_chunks(around, around.shared);
    }

    fn run_by_points(&self, around: &Around<'_>) {
        let images = around.context.batch as usize;
        let Some(group) = self.tiles.strips(0, images).next() else { return };
        let group = &group;
        around.over_batch(images, &|Turn { task: image, worker, .. }| {
            // SAFETY: a task writes the points of its own image; the planes are in a worker's own room.
            unsafe {
                let (room, (x, dy), one) = (around.room(worker), self.shared_points(around.shared), image..image + 1);
                self.reading_x().read(around, group, one.clone(), room, x);
                self.reading_dy().read(around, group, one, room.add(self.reading_x().planes()), dy);
            }
        });
        for first in (0..self.matrix.blocks()).step_by(self.panel) {
            let panel = first..self.matrix.blocks().min(first + self.panel);
            around.over_weight(self.stride.points(), &|Turn { task: point, .. }| {
                // SAFETY: all points are made; a task writes the sum of its own point.
                unsafe {
                    let (x, dy) = self.shared_points(around.shared);
                    let (sum, panel) = (Sum { start: around.shared, begun: false }, panel.clone());
                    let points = point..point + 1;
                    around.isa.run(Add { work: self, group, x, dy, sum, panel, points, ahead: &|_| {} });
                }
            });
            let pieces = self.matrix.pieces_of(&panel);
            around.over_weight(pieces.len(), &|Turn { task, .. }| {
                // SAFETY: the sums are finished; a task writes its own part of the gradient, whose offset comes from the plan.
                unsafe {
                    let taps = around.context.arena.add(self.dweight);
                    let piece = pieces.start + task;
                    around.isa.run(Taps { work: self, sum: around.shared, first, piece, taps });
                }
            });
        }
    }

    /// Adds a group's products to a sum; `next` are the images of the next group.
    ///
    /// # Safety
    /// `room` holds what [`ToWeight::room`] counts; it and the sum are the caller's alone.
    unsafe fn products(
        &self,
        around: &Around<'_>,
        group: &Group,
        next: Option<&Range<usize>>,
        room: *mut f32,
        sum: Sum,
    ) {
        let (reading_x, reading_dy, all) = (self.reading_x(), self.reading_dy(), 0..group.images);
        // SAFETY: as the caller promises.
        unsafe {
            let x = room.add(self.planes());
            let dy = x.add(reading_x.points());
            reading_x.read(around, group, all.clone(), room, x);
            reading_dy.read(around, group, all, room.add(reading_x.planes()), dy);
            let ahead = |share| {
                if let Some(next) = next {
                    self.x.reads.expect(around, next, share);
                    self.dy.reads.expect(around, next, share);
                }
            };
            self.add(around, group, (x, dy), sum, &ahead);
        }
    }

    /// Adds the products of a group's points, of x and of dy, to a sum; `ahead` asks for a share of what is read after
    /// them.
    ///
    /// # Safety
    /// The points are made; the sum is the caller's alone.
    pub(super) unsafe fn add(
        &self,
        around: &Around<'_>,
        group: &Group,
        (x, dy): (*const f32, *const f32),
        sum: Sum,
        ahead: &dyn Fn(Share),
    ) {
        let (panel, points) = (0..self.matrix.blocks(), 0..self.stride.points());
        // SAFETY: as the caller promises.
        unsafe { around.isa.run(Add { work: self, group, x, dy, sum, panel, points, ahead }) };
    }

    /// Where the points of x and of dy lie that all workers share.
    ///
    /// # Safety
    /// `shared` is what all workers share.
    unsafe fn shared_points(&self, shared: *mut f32) -> (*mut f32, *mut f32) {
        // SAFETY: `shared` holds what `ToWeight::shared` counts.
        unsafe {
            let x = shared.add(self.sums * self.sum_len());
            (x, x.add(self.reading_x().points()))
        }
    }

    /// The groups of a chunk.
    pub(super) fn groups_of(&self, chunk: usize, images: usize) -> Range<usize> {
        self.chunks.parts(chunk, self.tiles.groups(images))
    }

    /// A chunk's sum at the points, with nothing in it yet; all sums lie at `sums`, those of chunks behind those at the points.
    ///
    /// # Safety
    /// `sums` holds what [`shared`](Self::shared) counts.
    pub(super) unsafe fn sum(&self, turn: Turn, sums: *mut f32) -> Sum {
        let number = if self.of_workers { turn.worker } else { turn.task };
        // SAFETY: as the caller promises.
        Sum { start: unsafe { sums.add(number * self.sum_len()) }, begun: false }
    }

    /// A chunk's sum at the points to its sum.
    ///
    /// # Safety
    /// As for [`sum`](Self::sum); the chunk's sum is the caller's alone.
    pub(super) unsafe fn finish_chunk(&self, around: &Around<'_>, chunk: usize, sums: *mut f32, sum: Sum) {
        // SAFETY: as the caller promises.
        unsafe {
            let taps = self.chunks.sum(around, sums.add(self.sums * self.sum_len()), chunk);
            if sum.begun {
                (0..self.matrix.pieces())
                    .for_each(|piece| around.isa.run(Taps { work: self, sum: sum.start, first: 0, piece, taps }));
            } else {
                std::ptr::write_bytes(taps, 0, self.matrix.len());
            }
        }
    }

    /// Adds the sums of all chunks to the gradient.
    pub(super) fn add_chunks(&self, around: &Around<'_>, sums: *mut f32) {
        let (sums, len) = (Sums(sums), self.matrix.block_len());
        around.over_weight(self.matrix.blocks(), &|Turn { task: block, .. }| {
            // SAFETY: the chunks are finished; a task adds its own part of the weight.
            unsafe {
                let sums = sums.start().add(self.sums * self.sum_len());
                self.chunks.add_up(around, sums, block * len..(block + 1) * len);
            }
        });
    }
}

/// A chunk's sum at the points.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    start: *mut f32,
    /// Whether it holds products; else what lies there means nothing.
    pub(super) begun: bool,
}

/// Where all sums lie.
struct Sums(*mut f32);

// SAFETY: workers touch parts of their own.
unsafe impl Sync for Sums {}

impl Sums {
    fn start(&self) -> *mut f32 {
        self.0
    }
}

/// Floats of sums at the points that all workers share, at most.
const PANEL: usize = 4 << 20;

/// Points of x and of dy together, of a tile of all blocks, from which sums outweigh them: as of 256 channels of stride 1.
const MANY_POINTS: usize = 1152;

/// The most tiles of a group, by blocks of x and of dy: sums are read and written once a group, so that groups are
/// larger than those of a correlation, and larger still where the sums outweigh the points. With stride 2 a block of x has as
/// many points as two and a quarter of stride 1 have, and one alone small sums: 32 tiles take 7 % less time than 64.
fn most_tiles(stride: Stride, x: usize, dy: usize) -> usize {
    let points = stride.x().points() * x + stride.y().points() * dy;
    match stride {
        Stride::Two if x == 1 => 32,
        _ if points < MANY_POINTS => 64,
        _ => 128,
    }
}

/// Adds the products of a group to a sum, at some points.
struct Add<'a> {
    work: &'a ToWeight,
    group: &'a Group,
    x: *const f32,
    dy: *const f32,
    sum: Sum,
    /// The blocks of dy that are summed.
    panel: Range<usize>,
    /// Which: those of x are the weight's.
    points: Range<usize>,
    ahead: &'a dyn Fn(Share),
}

impl Routine for Add<'_> {
    // SAFETY: the maker promises that the points are made, and that the sum is its own.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Add { work, group, sum: Sum { start, begun }, panel, .. } = self;
        let (matrix, span) = (&work.matrix, work.matrix.span);
        let (x_pitch, y_pitch) = (work.reading_x().pitch(), work.reading_dy().pitch());
        let (count, all) = (group.tiles(), work.stride.points());
        // SAFETY: as the maker promises.
        unsafe {
            for point in self.points {
                (self.ahead)(group.share(point, all));
                let x = self.x.add(point * x_pitch);
                let dy = self.dy.add(work.stride.point_of_y(point) * y_pitch);
                let sum = start.add(point * work.sum_pitch());
                for (block, paired) in matrix.parts_of(panel.clone(), V::PAIRS) {
                    let dy = Lanes { start: dy.add(block * count * BLOCK), block: count * BLOCK };
                    for from in (0..span).step_by(BLOCK) {
                        let x = x.add(from * count);
                        let sum = (sum.add(((block - panel.start) * span + from) * BLOCK), span * BLOCK);
                        by_rows!(V, P, paired, BLOCK.min(span - from), product(c, x, dy, sum, (begun, count)));
                    }
                }
            }
        }
    }
}

/// R channels of x from `c`, at one point and for B blocks of dy, whose sums are as far from one another as `sum` says.
///
/// # Safety
/// The processor has the set of V; the points of `tiles` tiles are made; `sum` is the caller's alone, and holds numbers if
/// it has `begun`.
#[inline(always)]
unsafe fn product<V: Vector, const P: usize, const B: usize, const R: usize>(
    c: usize,
    x: *const f32,
    dy: Lanes,
    (sum, block): (*mut f32, usize),
    (begun, tiles): (bool, usize),
) {
    // SAFETY: as the caller promises.
    unsafe {
        let (sum, place) = (sum.add(c * BLOCK), Place { row: BLOCK, block });
        product::expect_sums::<B, R>(sum, place);
        let mut sums = if begun { product::load::<V, P, B, R>(sum, place) } else { product::zeros::<V, P, B, R>() };
        let scalars = Scalars { start: x.add(c), row: 1, step: BLOCK };
        product::accumulate::<V, P, B, R>(&mut sums, scalars, dy, tiles);
        product::store(&sums, sum, place);
    }
}

/// Sixteen channels of one block of a sum at the points to taps.
struct Taps<'a> {
    work: &'a ToWeight,
    sum: *const f32,
    /// The first block of the sum.
    first: usize,
    /// Which: below [`Matrix::pieces`].
    piece: usize,
    /// Where the taps of the whole weight lie.
    taps: *mut f32,
}

impl Routine for Taps<'_> {
    // SAFETY: the maker promises that the sum is there, and that the part's taps are its own.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Taps { work, sum, first, piece, taps } = self;
        let span = work.matrix.span;
        let (block, from) = work.matrix.piece(piece);
        let pitch = work.sum_pitch();
        // SAFETY: as the maker promises.
        unsafe {
            let points = sum.add(((block - first) * span + from) * BLOCK);
            let taps = taps.add(block * work.matrix.block_len() + from * BLOCK);
            for c in 0..BLOCK.min(span - from) {
                for p in 0..P {
                    let lane = c * BLOCK + p * V::LANES;
                    work.stride.gradient::<V>(points.add(lane), pitch, taps.add(lane), span * BLOCK);
                }
            }
        }
    }
}
