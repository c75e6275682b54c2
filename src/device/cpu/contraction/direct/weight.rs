//! To the weight: taps times sites, summed over the batch in chunks that depend on the shape alone.

use super::super::ahead::Share;
use super::super::product::{self, Lanes, Place, Scalars, by_rows};
use super::super::source::{Frame, Source};
use super::super::weights::Matrix;
use super::super::{Around, chunks::Chunks};
use super::{Band, Grid, bands, images_of_task, is_linear};
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::{BLOCK, Sizes};

/// The gradient to a weight.
pub(in super::super) struct ToWeight {
    sizes: Sizes,
    x: Source,
    dy: Source,
    /// Offset of the result in the arena.
    dweight: usize,
    matrix: Matrix,
    frame: Frame,
    grid: Grid,
    chunks: Chunks,
}

impl ToWeight {
    pub(in super::super) fn new(sizes: Sizes, x: Source, dy: Source, dweight: usize, batch: usize) -> Self {
        let (frame, mut grids) = super::forward(&sizes);
        let grid = grids.pop().expect("forward there is one grid");
        let matrix = Matrix::forward(&sizes);
        let chunks = Chunks::new(batch, matrix.len(), matrix.is_plain().then_some(dweight));
        ToWeight { sizes, x, dy, dweight, matrix, frame, grid, chunks }
    }

    fn y_frame(&self) -> Frame {
        Frame { before: 0, height: self.dy.height, width: self.dy.width }
    }

    /// Floats that a worker needs: the planes of x and of dy.
    pub(in super::super) fn room(&self) -> usize {
        self.x_room() + images_of_task(&self.sizes) * self.dy.blocks.count * self.dy.plane_len()
    }

    fn x_room(&self) -> usize {
        images_of_task(&self.sizes) * self.x.blocks.count * self.frame.len()
    }

    /// Floats that all workers share: each chunk's sum that lies there.
    pub(in super::super) fn shared(&self) -> usize {
        self.chunks.shared()
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        let images = around.context.batch as usize;
        around.over_batch(self.chunks.count, &|turn| self.chunk(around, turn.task, images, turn.worker));
        around.over_weight(self.matrix.blocks(), &|turn| self.sum(around, turn.task));
    }

    fn chunk(&self, around: &Around<'_>, chunk: usize, images: usize, worker: usize) {
        let room = around.room(worker);
        // SAFETY: this chunk's sum is this task's alone; the room holds a plane of x and those of dy.
        unsafe {
            let sum = self.chunks.sum(around, around.shared, chunk);
            std::ptr::write_bytes(sum, 0, self.matrix.len());
            let y_room = room.add(self.x_room());
            let images = self.chunks.parts(chunk, images);
            for first in images.clone().step_by(images_of_task(&self.sizes)) {
                let image = if is_linear(&self.sizes) {
                    let row = first..images.end.min(first + images_of_task(&self.sizes));
                    self.x.row(around, row.clone(), room);
                    self.dy.row(around, row.clone(), y_room);
                    let plane = row.len() * BLOCK;
                    Image { x: room, x_plane: plane, dy: y_room, dy_plane: plane, columns: row.len() }
                } else {
                    Image {
                        x: self.x.planes(around, first, self.frame, room),
                        x_plane: self.frame.len(),
                        dy: self.dy.planes(around, first, self.y_frame(), y_room),
                        dy_plane: self.dy.plane_len(),
                        columns: self.grid.columns.count,
                    }
                };
                let (stride, rows) = (self.grid.stride, self.grid.rows.count);
                let floats = (self.x.blocks.count * stride * stride + self.dy.blocks.count) * BLOCK;
                let bands = bands(rows, image.columns, floats);
                let next = first + 1..images.end.min(first + 2);
                for (part, band) in bands.iter().enumerate() {
                    let share = Share { part, parts: bands.len() };
                    self.x.reads.expect(around, &next, share);
                    self.dy.reads.expect(around, &next, share);
                    around.isa.run(Products { work: self, image: &image, band, sum });
                }
            }
        }
    }

    /// Sums the chunks of a block of results in their order.
    fn sum(&self, around: &Around<'_>, block: usize) {
        let len = self.matrix.block_len();
        // SAFETY: the chunks are finished; this block's part of each, and of the result, is this task's alone.
        unsafe {
            self.chunks.add_up(around, around.shared, block * len..(block + 1) * len);
            if !self.matrix.is_plain() {
                let total = self.chunks.sum(around, around.shared, 0).add(block * len);
                let total = std::slice::from_raw_parts(total, len);
                let stored = self.sizes.row_len() * BLOCK;
                let out = around.context.arena.add(self.dweight + block * stored);
                self.matrix.narrow(&self.sizes, total, block, std::slice::from_raw_parts_mut(out, stored));
            }
        }
    }
}

/// The planes of x and of dy of an image, or of images of one pixel taken as one.
struct Image {
    x: *const f32,
    /// Floats of a plane of x.
    x_plane: usize,
    dy: *const f32,
    /// Floats of a plane of dy.
    dy_plane: usize,
    /// Sites of a row.
    columns: usize,
}

/// Adds a band's products to a sum.
struct Products<'a> {
    work: &'a ToWeight,
    image: &'a Image,
    band: &'a Band,
    sum: *mut f32,
}

impl Routine for Products<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let (matrix, image) = (&self.work.matrix, self.image);
        for (block, paired) in matrix.parts(V::PAIRS) {
            let channels = matrix.channels(block);
            for from in channels.clone().step_by(BLOCK) {
                let count = BLOCK.min(channels.end - from);
                // SAFETY: as the maker promises.
                unsafe {
                    let dy = image.dy.add(block * image.dy_plane);
                    let x = image.x.add(from / BLOCK * image.x_plane);
                    for tap in &self.work.grid.taps {
                        let place = tap.tap * matrix.span + from - channels.start;
                        let sum = self.sum.add(block * matrix.block_len() + place * BLOCK);
                        let x = x.add(tap.row * self.work.frame.row() + tap.column * BLOCK);
                        by_rows!(V, P, paired, count, channels_of_tap(c, &self, x, dy, sum));
                    }
                }
            }
        }
    }
}

/// R channels of x from `c`, for one tap and B blocks of results.
///
/// # Safety
/// As for [`Products`]; `x` is the tap's first pixel, `dy` the first block's plane, `sum` its sums for the tap.
#[inline(always)]
unsafe fn channels_of_tap<V: Vector, const P: usize, const B: usize, const R: usize>(
    c: usize,
    products: &Products<'_>,
    x: *const f32,
    dy: *const f32,
    sum: *mut f32,
) {
    let (grid, band) = (&products.work.grid, products.band);
    let row = grid.stride * products.work.frame.row();
    let step = grid.stride * BLOCK;
    let (first, count) = (band.columns.start, band.columns.len());
    // SAFETY: as the caller promises.
    unsafe {
        let (sum, place) = (sum.add(c * BLOCK), Place { row: BLOCK, block: products.work.matrix.block_len() });
        product::expect_sums::<B, R>(sum, place);
        let mut sums = product::load::<V, P, B, R>(sum, place);
        for y in band.rows.clone() {
            let start = x.add(y * row + first * step + c);
            let start_of_lanes = dy.add((y * products.image.columns + first) * BLOCK);
            let lanes = Lanes { start: start_of_lanes, block: products.image.dy_plane };
            if step == BLOCK {
                // The common distance as a number that the compiler knows.
                let scalars = Scalars { start, row: 1, step: BLOCK };
                product::accumulate::<V, P, B, R>(&mut sums, scalars, lanes, count);
            } else {
                product::accumulate::<V, P, B, R>(&mut sums, Scalars { start, row: 1, step }, lanes, count);
            }
        }
        product::store(&sums, sum, place);
    }
}
