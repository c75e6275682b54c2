//! Forward and to the input: sites times taps.

use std::ops::Range;

use super::super::ahead::Share;
use super::super::product::{self, Lanes, Place, Scalars, by_rows};
use super::super::source::Frame;
use super::super::weights::Matrix;
use super::super::{Around, Correlation, Direction};
use super::{Band, Grid, bands, images_of_task, is_linear};
use crate::device::cpu::pool::Turn;
use crate::device::cpu::simd::{Routine, Vector};
use crate::kernel::BLOCK;

/// A correlation site by site.
pub(in super::super) struct Correlate {
    pub(in super::super) job: Correlation,
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
    pub(in super::super) fn new(job: Correlation) -> Self {
        let (frame, grids) = match job.direction {
            Direction::Forward => super::forward(&job.sizes),
            Direction::ToInput => super::to_input(&job.sizes),
        };
        Correlate { matrix: job.matrix(), frame, grids, job }
    }

    /// Floats that a worker needs: the planes of a task's images.
    pub(in super::super) fn room(&self) -> usize {
        images_of_task(&self.job.sizes) * self.job.source.blocks.count * self.frame.len()
    }

    fn reads_arena(&self) -> bool {
        self.job.direction == Direction::Forward && self.matrix.is_plain()
    }

    /// Floats that all workers share: the matrices, where the arena's weight cannot be read as it is.
    pub(in super::super) fn shared(&self) -> usize {
        if self.reads_arena() { 0 } else { self.matrix.len() }
    }

    pub(in super::super) fn run(&self, around: &Around<'_>) {
        if !self.reads_arena() {
            around.over_weight(self.matrix.blocks(), &|turn| self.pack(around, turn.task));
        }
        let images = around.context.batch as usize;
        let step = images_of_task(&self.job.sizes);
        around.over_batch(images.div_ceil(step), &|Turn { task, next, worker, .. }| {
            let first = task * step;
            let next = next.map_or(0..0, |task| task * step..images.min((task + 1) * step));
            self.task(around, first..images.min(first + step), &next, worker);
        });
    }

    fn pack(&self, around: &Around<'_>, block: usize) {
        let len = self.matrix.block_len();
        // SAFETY: offsets come from the plan; a block's matrix is this task's alone.
        let (weight, out) = unsafe {
            (
                std::slice::from_raw_parts(around.context.arena.add(self.job.weight), self.job.sizes.weight_len()),
                std::slice::from_raw_parts_mut(around.shared.add(block * len), len),
            )
        };
        match self.job.direction {
            Direction::Forward => self.matrix.widen(&self.job.sizes, weight, block, out),
            Direction::ToInput => self.matrix.transpose(&self.job.sizes, weight, block, out),
        }
    }

    /// The results of some images; `next` are those of the worker's next task.
    fn task(&self, around: &Around<'_>, of_task: Range<usize>, next: &Range<usize>, worker: usize) {
        let (first, images) = (of_task.start, of_task.len());
        let room = around.room(worker);
        let (source, frame) = (&self.job.source, self.frame);
        let result = &self.job.result;
        let linear = is_linear(&self.job.sizes);
        // SAFETY: the room holds the planes of a task's images.
        let planes = unsafe {
            if linear {
                source.row(around, first..first + images, room);
                room.cast_const()
            } else {
                source.planes(around, first, frame, room)
            }
        };
        // SAFETY: these images' planes are this task's alone; offsets come from the plan.
        let (weight, to) = unsafe {
            (
                if self.reads_arena() {
                    around.context.arena.add(self.job.weight).cast_const()
                } else {
                    around.shared.cast_const()
                },
                result.plane(around, first, 0),
            )
        };
        let pitch = Pitch {
            read_block: if linear { images * BLOCK } else { frame.len() },
            read_row: frame.row(),
            write_block: result.plane_len(),
            write_row: result.width * BLOCK,
            write_site: if linear { result.blocks.count * BLOCK } else { BLOCK },
        };
        for (number, grid) in self.grids.iter().enumerate() {
            let sites = if linear { images } else { grid.columns.count };
            let floats = source.blocks.count * BLOCK * grid.stride * grid.stride;
            let bands = bands(grid.rows.count, sites, floats);
            for (part, band) in bands.iter().enumerate() {
                let (part, parts) = (number * bands.len() + part, self.grids.len() * bands.len());
                source.reads.expect(around, next, Share { part, parts });
                result.reads.expect(around, &of_task, Share { part, parts });
                let work = Sites { matrix: &self.matrix, grid, band, pitch, planes, weight, result: to };
                // SAFETY: planes, weight and result hold what the grid names.
                unsafe { around.isa.run(work) };
            }
        }
        for n in of_task {
            result.finish(around, n);
        }
    }
}

/// A band of a grid.
struct Sites<'a> {
    matrix: &'a Matrix,
    grid: &'a Grid,
    band: &'a Band,
    pitch: Pitch,
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
            let (first, count) = (self.band.columns.start, self.band.columns.len());
            for (block, paired) in self.matrix.parts(V::PAIRS) {
                for row in self.band.rows.clone() {
                    let read = self.planes.add(row * grid.stride * pitch.read_row + first * grid.stride * BLOCK);
                    let write = self.result.add(
                        block * pitch.write_block
                            + (grid.rows.first + row * grid.rows.step) * pitch.write_row
                            + (grid.columns.first + first * grid.columns.step) * pitch.write_site,
                    );
                    by_rows!(V, P, paired, count, sites(site, &self, block, read, write));
                }
            }
        }
    }
}

/// R sites of a row from `site`, for B blocks of results from `block`.
///
/// # Safety
/// As for [`Sites`]; `read` and `write` are the row's first sites.
#[inline(always)]
unsafe fn sites<V: Vector, const P: usize, const B: usize, const R: usize>(
    site: usize,
    work: &Sites<'_>,
    block: usize,
    read: *const f32,
    write: *mut f32,
) {
    let (grid, pitch, matrix) = (work.grid, work.pitch, work.matrix);
    let row = grid.stride * BLOCK;
    let channels = matrix.channels(block);
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = product::zeros::<V, P, B, R>();
        let read = read.add(site * row);
        let lanes = work.weight.add(block * matrix.block_len());
        for from in channels.clone().step_by(BLOCK) {
            let count = BLOCK.min(channels.end - from);
            let read = read.add(from / BLOCK * pitch.read_block);
            for tap in &grid.taps {
                let start = read.add(tap.row * pitch.read_row + tap.column * BLOCK);
                let lanes = lanes.add((tap.tap * matrix.span + from - channels.start) * BLOCK);
                let lanes = Lanes { start: lanes, block: matrix.block_len() };
                if row == BLOCK {
                    // The common distance as a number that the compiler knows.
                    product::accumulate::<V, P, B, R>(&mut sums, Scalars { start, row: BLOCK, step: 1 }, lanes, count);
                } else {
                    product::accumulate::<V, P, B, R>(&mut sums, Scalars { start, row, step: 1 }, lanes, count);
                }
            }
        }
        let step = grid.columns.step * pitch.write_site;
        product::store(&sums, write.add(site * step), Place { row: step, block: pitch.write_block });
    }
}
