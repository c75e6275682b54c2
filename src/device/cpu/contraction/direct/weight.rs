//! To the weight: taps times sites, summed over the batch in chunks that depend on the shape alone.

use super::super::product::{self, Scalars, by_rows};
use super::super::source::{Frame, Source};
use super::super::weights::Matrix;
use super::super::{Around, chunk_count, images_of};
use super::{Grid, images_of_task, is_linear};
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
    chunks: usize,
}

impl ToWeight {
    pub(in super::super) fn new(sizes: Sizes, x: Source, dy: Source, dweight: usize, batch: usize) -> Self {
        let (frame, mut grids) = super::forward(&sizes);
        let grid = grids.pop().expect("forward there is one grid");
        ToWeight {
            sizes,
            x,
            dy,
            dweight,
            matrix: Matrix::forward(&sizes),
            frame,
            grid,
            chunks: chunk_count(batch, sizes.weight_len()),
        }
    }

    fn y_frame(&self) -> Frame {
        Frame { before: 0, height: self.dy.height, width: self.dy.width }
    }

    /// Floats that a worker needs: a plane of x (all planes in a linear layer), and the planes of dy.
    pub(in super::super) fn room(&self) -> usize {
        self.x_room() + images_of_task(&self.sizes) * self.dy.blocks * self.dy.plane_len()
    }

    fn x_room(&self) -> usize {
        self.frame.len() * if is_linear(&self.sizes) { images_of_task(&self.sizes) * self.x.blocks } else { 1 }
    }

    /// Floats that all workers share: each chunk's sum.
    pub(in super::super) fn shared(&self) -> usize {
        self.chunks * self.matrix.len()
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        let images = around.context.batch as usize;
        around.pool.run(self.chunks, &|chunk, worker| self.chunk(around, chunk, images, worker));
        around.pool.run(self.matrix.blocks(), &|block, _| self.sum(around, block));
    }

    fn chunk(&self, around: &Around<'_>, chunk: usize, images: usize, worker: usize) {
        let room = around.room(worker);
        // SAFETY: this chunk's sum is this task's alone; the room holds a plane of x and those of dy.
        unsafe {
            let sum = around.shared.add(chunk * self.matrix.len());
            std::ptr::write_bytes(sum, 0, self.matrix.len());
            let y_room = room.add(self.x_room());
            let images = images_of(chunk, self.chunks, images);
            if is_linear(&self.sizes) {
                for first in images.clone().step_by(images_of_task(&self.sizes)) {
                    let row = first..images.end.min(first + images_of_task(&self.sizes));
                    self.x.row(around, row.clone(), room);
                    self.dy.row(around, row.clone(), y_room);
                    let plane = row.len() * BLOCK;
                    for from in 0..self.x.blocks {
                        let x = room.add(from * plane);
                        around.isa.run(Image { work: self, from, x, dy: y_room, columns: row.len(), plane, sum });
                    }
                }
                return;
            }
            for n in images {
                let mut dy = y_room.cast_const();
                for block in (0..self.dy.blocks).rev() {
                    let at = y_room.add(block * self.dy.plane_len());
                    dy = self.dy.plane(around, n, block, self.y_frame(), at);
                }
                let (columns, plane) = (self.grid.columns.count, self.dy.plane_len());
                for from in 0..self.x.blocks {
                    let x = self.x.plane(around, n, from, self.frame, room);
                    around.isa.run(Image { work: self, from, x, dy, columns, plane, sum });
                }
            }
        }
    }

    /// Sums the chunks of a block of results in their order.
    fn sum(&self, around: &Around<'_>, block: usize) {
        let (len, all) = (self.matrix.block_len(), self.matrix.len());
        let stored = self.sizes.row_len() * BLOCK;
        // SAFETY: the chunks are finished; this block's part of each, and of the result, is this task's alone.
        unsafe {
            let part = |chunk: usize| std::slice::from_raw_parts_mut(around.shared.add(chunk * all + block * len), len);
            let total = part(0);
            for chunk in 1..self.chunks {
                total.iter_mut().zip(part(chunk)).for_each(|(t, x)| *t += *x);
            }
            let out = std::slice::from_raw_parts_mut(around.context.arena.add(self.dweight + block * stored), stored);
            if self.matrix.is_plain() {
                out.copy_from_slice(total);
            } else {
                self.matrix.narrow(&self.sizes, total, block, out);
            }
        }
    }
}

/// A block of x's channels of one image, with all results that read it.
struct Image<'a> {
    work: &'a ToWeight,
    from: usize,
    x: *const f32,
    dy: *const f32,
    /// Sites of a row.
    columns: usize,
    /// Floats of a plane of dy.
    plane: usize,
    sum: *mut f32,
}

impl Routine for Image<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let matrix = &self.work.matrix;
        for block in 0..matrix.blocks() {
            let channels = matrix.channels(block);
            if !channels.contains(&(self.from * BLOCK)) {
                continue;
            }
            let count = BLOCK.min(channels.end - self.from * BLOCK);
            // SAFETY: as the maker promises.
            unsafe {
                let dy = self.dy.add(block * self.plane);
                for tap in &self.work.grid.taps {
                    let place = tap.tap * matrix.span + self.from * BLOCK - channels.start;
                    let sum = self.sum.add(block * matrix.block_len() + place * BLOCK);
                    let x = self.x.add(tap.row * self.work.frame.row() + tap.column * BLOCK);
                    by_rows!(V, P, count, |c| channels_of_tap(&self, x, dy, sum, c));
                }
            }
        }
    }
}

/// R channels of x from `c`, for one tap and one block of results.
///
/// # Safety
/// As for [`Image`]; `x` is the tap's first pixel, `dy` the block's plane, `sum` the block's sums for the tap.
#[inline(always)]
unsafe fn channels_of_tap<V: Vector, const P: usize, const R: usize>(
    image: &Image<'_>,
    x: *const f32,
    dy: *const f32,
    sum: *mut f32,
    c: usize,
) {
    let grid = &image.work.grid;
    let row = grid.stride * image.work.frame.row();
    let step = grid.stride * BLOCK;
    // SAFETY: as the caller promises.
    unsafe {
        let sum = sum.add(c * BLOCK);
        let mut sums = product::load::<V, P, R>(sum, BLOCK);
        for y in 0..grid.rows.count {
            let start = x.add(y * row + c);
            let lanes = dy.add(y * image.columns * BLOCK);
            if step == BLOCK {
                // The common distance as a number that the compiler knows.
                let scalars = Scalars { start, row: 1, step: BLOCK };
                product::accumulate::<V, P, R>(&mut sums, scalars, lanes, image.columns);
            } else {
                product::accumulate::<V, P, R>(&mut sums, Scalars { start, row: 1, step }, lanes, image.columns);
            }
        }
        product::store(&sums, sum, BLOCK);
    }
}
