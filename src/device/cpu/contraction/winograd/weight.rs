//! To the weight: at each point the products of what was read and of the gradient, summed over all tiles.
//!
//! The gradient to a tap sums x(p + tap) dy(p) over places p, which is x(q) dy(q - tap) over q: dy correlated with x, taps
//! turned by half a circle. So dy gives the 6 x 6 windows here, as it does in the pass to the input, and one transform of
//! dy serves both passes; x gives the tiles' own pixels, without a border.
//!
//! A batch of several groups goes in chunks, each with a sum of its own. A batch that is a single group, as wide layers of
//! few pixels have it, would be a single task so: it is transformed image by image, and multiplied point by point.

use std::ops::Range;

use super::super::ahead::Share;
use super::super::product::{self, Lanes, Place, Scalars, by_rows};
use super::super::source::Source;
use super::super::weights::Matrix;
use super::super::{Around, chunk_count, images_of};
use super::group::{Group, Own, Planes, Window};
use super::transform::weight_points;
use super::{ALL_POINTS, Tiles, weight_pitch};
use crate::device::cpu::pool::Turn;
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::{BLOCK, Sizes};

/// The gradient to a 3 x 3 weight.
#[derive(Clone)]
pub(in super::super) struct ToWeight {
    pub(super) x: Source,
    pub(super) dy: Source,
    /// Offset of the result in the arena.
    dweight: usize,
    matrix: Matrix,
    pub(super) tiles: Tiles,
    pub(super) chunks: usize,
}

impl ToWeight {
    pub(in super::super) fn new(sizes: Sizes, x: Source, dy: Source, dweight: usize, batch: usize) -> Self {
        let tiles = Tiles::new(&sizes, most_tiles(x.blocks, dy.blocks));
        let matrix = Matrix::forward(&sizes);
        let chunks = chunk_count(tiles.groups(batch), ALL_POINTS * matrix.points());
        ToWeight { x, dy, dweight, matrix, tiles, chunks }
    }

    /// Whether all images are one group, whose points all workers share.
    pub(super) fn by_points(&self) -> bool {
        self.chunks == 1 && !self.tiles.has_strips()
    }

    /// Floats of the planes of x, and of those of dy.
    pub(super) fn planes(&self) -> (usize, usize) {
        let planes = |source: &Source, plane: usize| self.tiles.planes(source.blocks) * plane;
        (planes(&self.x, self.tiles.whole().len()), planes(&self.dy, self.tiles.frame().len()))
    }

    /// Floats from point to point of a group's x, and of its dy.
    pub(super) fn pitches(&self) -> (usize, usize) {
        (self.tiles.pitch(self.x.blocks), self.tiles.pitch(self.dy.blocks))
    }

    /// Floats of all points of a group: of x and of dy.
    fn points(&self) -> usize {
        let (x_pitch, y_pitch) = self.pitches();
        ALL_POINTS * (x_pitch + y_pitch)
    }

    /// Floats that a worker needs: planes, and points that are its own.
    pub(in super::super) fn room(&self) -> usize {
        let (x_planes, y_planes) = self.planes();
        x_planes + y_planes + if self.by_points() { 0 } else { self.points() }
    }

    /// Floats that all workers share: each chunk's sum, and points that are not a worker's own.
    pub(in super::super) fn shared(&self) -> usize {
        self.chunks * self.chunk_len() + if self.by_points() { self.points() } else { 0 }
    }

    pub(super) fn chunk_len(&self) -> usize {
        ALL_POINTS * weight_pitch(&self.matrix)
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        if self.by_points() {
            return self.run_by_points(around);
        }
        let images = around.context.batch as usize;
        around.over_batch(self.chunks, &|Turn { task: chunk, worker, .. }| {
            // SAFETY: a task adds to its own chunk's sum, in a worker's own room.
            unsafe {
                let mut sum = self.sum(chunk, images, around.shared);
                let all = self.groups_of(chunk, images);
                for number in all.clone() {
                    let next = (number + 1 < all.end).then(|| self.tiles.images_of(number + 1, images));
                    for group in self.tiles.strips(number, images) {
                        let (next, room) = (next.clone(), around.room(worker));
                        around.isa.run(Products { work: self, around, group, next, room, sum });
                        sum.begun = true;
                    }
                }
            }
        });
        self.finish(around, around.shared);
    }

    fn run_by_points(&self, around: &Around<'_>) {
        let images = around.context.batch as usize;
        let Some(group) = self.tiles.strips(0, images).next() else { return };
        let group = &group;
        around.over_batch(images, &|Turn { task: image, worker, .. }| {
            // SAFETY: a task writes the points of its own image; the planes are in a worker's own room.
            unsafe { around.isa.run(Points { work: self, around, group, image, room: around.room(worker) }) };
        });
        around.over_weight(ALL_POINTS, &|Turn { task: point, .. }| {
            // SAFETY: all points are made; a task writes the sum of its own point.
            unsafe { around.isa.run(AtPoint { work: self, around, group, point }) };
        });
        self.finish(around, around.shared);
    }

    /// Where the points of x and of dy lie that all workers share.
    ///
    /// # Safety
    /// `shared` is what all workers share.
    unsafe fn shared_points(&self, shared: *mut f32) -> (*mut f32, *mut f32) {
        // SAFETY: `shared` holds what `ToWeight::shared` counts.
        unsafe {
            let x = shared.add(self.chunks * self.chunk_len());
            (x, x.add(ALL_POINTS * self.pitches().0))
        }
    }

    /// The groups of a chunk.
    pub(super) fn groups_of(&self, chunk: usize, images: usize) -> Range<usize> {
        images_of(chunk, self.chunks, self.tiles.groups(images))
    }

    /// A chunk's sum with nothing in it yet; those of all chunks lie at `sums`.
    ///
    /// # Safety
    /// The chunk's sum is the caller's alone.
    pub(super) unsafe fn sum(&self, chunk: usize, images: usize, sums: *mut f32) -> Sum {
        // SAFETY: all workers share a sum for each chunk.
        unsafe {
            let start = sums.add(chunk * self.chunk_len());
            if self.groups_of(chunk, images).is_empty() {
                std::ptr::write_bytes(start, 0, self.chunk_len());
            }
            Sum { start, begun: false }
        }
    }

    /// Sums the chunks, which lie at `sums`, to the gradient.
    pub(super) fn finish(&self, around: &Around<'_>, sums: *mut f32) {
        let spans = self.matrix.span.div_ceil(BLOCK);
        let sums = Sums(sums);
        around.over_weight(self.matrix.blocks() * spans, &|Turn { task, .. }| {
            let (block, from) = (task / spans, task % spans * BLOCK);
            // SAFETY: the chunks are finished; a task writes its own part of the weight.
            unsafe { around.isa.run(Finish { work: self, around, sums: sums.start(), block, from }) };
        });
    }
}

/// The sum of a chunk.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    start: *mut f32,
    /// Whether it holds products; else what lies there means nothing.
    pub(super) begun: bool,
}

/// Where the sums of all chunks lie.
struct Sums(*mut f32);

// SAFETY: workers read parts that are finished.
unsafe impl Sync for Sums {}

impl Sums {
    fn start(&self) -> *const f32 {
        self.0
    }
}

/// The most tiles of a group, by blocks of x and of dy: sums are read and written once a group, so that groups are
/// larger than those of a correlation, and larger still where the sums outweigh the points.
fn most_tiles(x: usize, dy: usize) -> usize {
    if x + dy < 32 { 64 } else { 128 }
}

/// Adds a group's products to a sum.
struct Products<'a> {
    work: &'a ToWeight,
    around: &'a Around<'a>,
    group: Group,
    /// The images of the next group.
    next: Option<Range<usize>>,
    room: *mut f32,
    sum: Sum,
}

impl Routine for Products<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Products { work, around, group, next, room, sum } = self;
        let tiles = &work.tiles;
        let ((x_planes, y_planes), (x_pitch, y_pitch)) = (work.planes(), work.pitches());
        // SAFETY: the room holds what `ToWeight::room` counts; the sum is this task's alone.
        unsafe {
            let x_points = room.add(x_planes + y_planes);
            let y_points = x_points.add(ALL_POINTS * x_pitch);
            let x = Planes { frame: tiles.whole(), room };
            group.read::<V, P, Own>(around, &work.x, x, (x_points, x_pitch));
            let dy = Planes { frame: tiles.frame(), room: room.add(x_planes) };
            group.read::<V, P, Window>(around, &work.dy, dy, (y_points, y_pitch));
            work.add::<V, P>(&group, (x_points, y_points), sum, |share| {
                if let Some(next) = &next {
                    work.x.reads.expect(around, next, share);
                    work.dy.reads.expect(around, next, share);
                }
            });
        }
    }
}

impl ToWeight {
    /// Adds the products of a group's points, of x and of dy, to a sum; `ahead` asks for a share of what is read after
    /// them.
    ///
    /// # Safety
    /// The processor has the set of V; the points are made; the sum is the caller's alone.
    #[inline(always)]
    pub(super) unsafe fn add<V: Vector, const P: usize>(
        &self,
        group: &Group,
        points: (*const f32, *const f32),
        sum: Sum,
        ahead: impl Fn(Share),
    ) {
        for point in 0..ALL_POINTS {
            ahead(group.share(point));
            // SAFETY: as the caller promises.
            unsafe { self.add_at::<V, P>(group, points, sum, point) };
        }
    }

    /// Adds the products at one point.
    ///
    /// # Safety
    /// As for [`add`](Self::add).
    #[inline(always)]
    unsafe fn add_at<V: Vector, const P: usize>(
        &self,
        group: &Group,
        (x, dy): (*const f32, *const f32),
        Sum { start, begun }: Sum,
        point: usize,
    ) {
        let matrix = &self.matrix;
        let (x_pitch, y_pitch) = self.pitches();
        let count = group.tiles();
        // SAFETY: as the caller promises.
        unsafe {
            let (x, dy) = (x.add(point * x_pitch), dy.add(point * y_pitch));
            let sum = start.add(point * weight_pitch(matrix));
            for (block, paired) in matrix.parts(V::PAIRS) {
                let dy = Lanes { start: dy.add(block * count * BLOCK), block: count * BLOCK };
                let channels = matrix.channels(block);
                for from in channels.clone().step_by(BLOCK) {
                    let x = x.add(from * count);
                    let sum = (sum.add((block * matrix.span + from - channels.start) * BLOCK), matrix.span * BLOCK);
                    let rows = BLOCK.min(channels.end - from);
                    by_rows!(V, P, paired, rows, product(c, x, dy, sum, (begun, count)));
                }
            }
        }
    }
}

/// The points of one image, where all workers share them.
struct Points<'a> {
    work: &'a ToWeight,
    around: &'a Around<'a>,
    group: &'a Group,
    image: usize,
    room: *mut f32,
}

impl Routine for Points<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Points { work, around, group, image, room } = self;
        let (tiles, (x_pitch, y_pitch)) = (&work.tiles, work.pitches());
        // SAFETY: the room holds what `ToWeight::room` counts; the image's points are this task's alone.
        unsafe {
            let (x_points, y_points) = work.shared_points(around.shared);
            let x = Planes { frame: tiles.whole(), room };
            group.read_image::<V, P, Own>(around, &work.x, x, (x_points, x_pitch), image);
            let dy = Planes { frame: tiles.frame(), room: room.add(work.planes().0) };
            group.read_image::<V, P, Window>(around, &work.dy, dy, (y_points, y_pitch), image);
        }
    }
}

/// The products at one point, where all workers share the points.
struct AtPoint<'a> {
    work: &'a ToWeight,
    around: &'a Around<'a>,
    group: &'a Group,
    point: usize,
}

impl Routine for AtPoint<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let AtPoint { work, around, group, point } = self;
        // SAFETY: as the maker promises.
        unsafe {
            let (x, dy) = work.shared_points(around.shared);
            let sum = Sum { start: around.shared, begun: false };
            work.add_at::<V, P>(group, (x.cast_const(), dy.cast_const()), sum, point);
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

/// Sums the chunks of sixteen channels of one block of the weight, and transforms them to taps.
struct Finish<'a> {
    work: &'a ToWeight,
    around: &'a Around<'a>,
    sums: *const f32,
    block: usize,
    /// The first channel of the block's span.
    from: usize,
}

impl Routine for Finish<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let Finish { work, around, sums, block, from } = self;
        let span = work.matrix.span;
        let chunks = (work.chunks, work.chunk_len());
        // SAFETY: the offset comes from the plan; the rest as the maker promises.
        unsafe {
            let points = sums.add((block * span + from) * BLOCK);
            let taps = around.context.arena.add(work.dweight + block * work.matrix.block_len() + from * BLOCK);
            for c in 0..BLOCK.min(span - from) {
                for p in 0..P {
                    let lane = c * BLOCK + p * V::LANES;
                    weight_points::<V>(
                        points.add(lane),
                        weight_pitch(&work.matrix),
                        chunks,
                        taps.add(lane),
                        span * BLOCK,
                    );
                }
            }
        }
    }
}
