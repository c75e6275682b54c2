//! Forward and to the input: sites times taps.

use super::super::product::{self, Scalars, by_rows};
use super::super::source::{Frame, Source};
use super::super::weights::Matrix;
use super::super::{Around, Destination, Direction};
use super::{Grid, images_of_task, is_linear};
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::{BLOCK, Sizes};

/// A correlation of planes with a weight.
pub(in super::super) struct Correlate {
    sizes: Sizes,
    direction: Direction,
    source: Source,
    /// Offset of the weight in the arena.
    weight: usize,
    result: Destination,
    matrix: Matrix,
    frame: Frame,
    grids: Vec<Grid>,
}

/// How sites lie in what is read and written, in floats.
#[derive(Clone, Copy)]
struct Pitch {
    read_block: usize,
    read_row: usize,
    write_block: usize,
    write_row: usize,
    write_site: usize,
}

impl Correlate {
    pub(in super::super) fn new(
        sizes: Sizes,
        direction: Direction,
        source: Source,
        weight: usize,
        result: Destination,
    ) -> Self {
        let (matrix, (frame, grids)) = match direction {
            Direction::Forward => (Matrix::forward(&sizes), super::forward(&sizes)),
            Direction::ToInput => (Matrix::to_input(&sizes), super::to_input(&sizes)),
        };
        Correlate { sizes, direction, source, weight, result, matrix, frame, grids }
    }

    /// Floats that a worker needs: the planes of a task's images.
    pub(in super::super) fn room(&self) -> usize {
        images_of_task(&self.sizes) * self.source.blocks * self.frame.len()
    }

    fn reads_arena(&self) -> bool {
        self.direction == Direction::Forward && self.matrix.is_plain()
    }

    /// Floats that all workers share: the matrices, where the arena's weight cannot be read as it is.
    pub(in super::super) fn shared(&self) -> usize {
        if self.reads_arena() { 0 } else { self.matrix.len() }
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        if !self.reads_arena() {
            around.pool.run(self.matrix.blocks(), &|block, _| self.pack(around, block));
        }
        let images = around.context.batch as usize;
        let step = images_of_task(&self.sizes);
        around.pool.run(images.div_ceil(step), &|task, worker| {
            let first = task * step;
            self.task(around, first, step.min(images - first), worker);
        });
    }

    fn pack(&self, around: &Around<'_>, block: usize) {
        let len = self.matrix.block_len();
        // SAFETY: offsets come from the plan; a block's matrix is this task's alone.
        let (weight, out) = unsafe {
            (
                std::slice::from_raw_parts(around.context.arena.add(self.weight), self.sizes.weight_len()),
                std::slice::from_raw_parts_mut(around.shared.add(block * len), len),
            )
        };
        match self.direction {
            Direction::Forward => self.matrix.widen(&self.sizes, weight, block, out),
            Direction::ToInput => self.matrix.transpose(&self.sizes, weight, block, out),
        }
    }

    fn task(&self, around: &Around<'_>, first: usize, images: usize, worker: usize) {
        let room = around.room(worker);
        let (source, frame) = (&self.source, self.frame);
        let plane = self.result.plane_len();
        let linear = is_linear(&self.sizes);
        // SAFETY: the room holds the planes of a task's images. Where one lies in the arena as it is needed, so do all.
        let planes = unsafe {
            if linear {
                source.row(around, first..first + images, room);
                room.cast_const()
            } else {
                let mut planes = room.cast_const();
                for block in (0..source.blocks).rev() {
                    let at = room.add(block * frame.len());
                    planes = source.plane(around, first, block, frame, at);
                }
                planes
            }
        };
        // SAFETY: these images' planes are this task's alone; offsets come from the plan.
        let (weight, result) = unsafe {
            (
                if self.reads_arena() {
                    around.context.arena.add(self.weight).cast_const()
                } else {
                    around.shared.cast_const()
                },
                around.context.arena.add(self.result.offset + first * self.result.blocks * plane),
            )
        };
        let pitch = Pitch {
            read_block: if linear { images * BLOCK } else { frame.len() },
            read_row: frame.row(),
            write_block: plane,
            write_row: self.result.width * BLOCK,
            write_site: if linear { self.result.blocks * BLOCK } else { BLOCK },
        };
        for block in 0..self.result.blocks {
            for grid in &self.grids {
                let sites = if linear { images } else { grid.columns.count };
                let work = Sites { matrix: &self.matrix, grid, sites, pitch, block, planes, weight, result };
                // SAFETY: planes, weight and result hold what the grid names.
                unsafe { around.isa.run(work) };
            }
            for n in first..first + images {
                around.finish(self.result.epilogue, n, block);
            }
        }
    }
}

/// One grid of one block of results.
struct Sites<'a> {
    matrix: &'a Matrix,
    grid: &'a Grid,
    sites: usize,
    pitch: Pitch,
    block: usize,
    planes: *const f32,
    weight: *const f32,
    result: *mut f32,
}

impl Routine for Sites<'_> {
    // SAFETY: the maker promises that what the fields name is there.
    #[inline(always)]
    unsafe fn run<V: Vector, const P: usize>(self) {
        let (grid, pitch) = (self.grid, self.pitch);
        // SAFETY: as the maker promises.
        unsafe {
            for row in 0..grid.rows.count {
                let read = self.planes.add(row * grid.stride * pitch.read_row);
                let write = self.result.add(
                    self.block * pitch.write_block
                        + (grid.rows.first + row * grid.rows.step) * pitch.write_row
                        + grid.columns.first * pitch.write_site,
                );
                by_rows!(V, P, self.sites, |site| sites(&self, read, write, site));
            }
        }
    }
}

/// R sites of a row from `site`.
///
/// # Safety
/// As for [`Sites`]; `read` and `write` are the row's first sites.
#[inline(always)]
unsafe fn sites<V: Vector, const P: usize, const R: usize>(
    work: &Sites<'_>,
    read: *const f32,
    write: *mut f32,
    site: usize,
) {
    let (grid, pitch, matrix) = (work.grid, work.pitch, work.matrix);
    let row = grid.stride * BLOCK;
    let channels = matrix.channels(work.block);
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = product::zeros::<V, P, R>();
        let read = read.add(site * row);
        let lanes = work.weight.add(work.block * matrix.block_len());
        for from in channels.clone().step_by(BLOCK) {
            let count = BLOCK.min(channels.end - from);
            let read = read.add(from / BLOCK * pitch.read_block);
            for tap in &grid.taps {
                let start = read.add(tap.row * pitch.read_row + tap.column * BLOCK);
                let lanes = lanes.add((tap.tap * matrix.span + from - channels.start) * BLOCK);
                if row == BLOCK {
                    // The common distance as a number that the compiler knows.
                    product::accumulate::<V, P, R>(&mut sums, Scalars { start, row: BLOCK, step: 1 }, lanes, count);
                } else {
                    product::accumulate::<V, P, R>(&mut sums, Scalars { start, row, step: 1 }, lanes, count);
                }
            }
        }
        let step = grid.columns.step * pitch.write_site;
        product::store(&sums, write.add(site * step), step);
    }
}
