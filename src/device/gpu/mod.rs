//! A network on a graphics processor: what CUDA's and wgpu's engines have in common.
//!
//! All memory lies on the processor: the plan's arena, the room for parts of sums, the verdict, the counters of blocks. A
//! step goes there as one list of calls, each of one kernel of the plan or of several; what comes back is its loss and the
//! verdict. Absence: any driver; a [`Processor`] is one.

mod calls;
mod engine;

pub use calls::{Call, Prepared, Word};
pub use engine::GpuEngine;

use std::fmt::Display;
use std::ops::Range;

use crate::diag::{Failure, codes};

/// Memory that a driver does not give.
pub(super) fn no_memory(bytes: usize, why: &dyn Display) -> Failure {
    let message = format!("the graphics processor gives no {} MiB of memory: {why}", bytes.div_ceil(1 << 20));
    Failure::new(codes::TOO_LITTLE_MEMORY, message, SMALLER)
}

/// A kernel that needs more blocks of threads than a driver counts.
fn too_many_blocks(name: &str, [most, rows]: [u32; 2]) -> Failure {
    let message = format!("the kernel of {name} needs more than the {most} by {rows} blocks of the driver");
    Failure::new(codes::TOO_LITTLE_MEMORY, message, SMALLER)
}

const SMALLER: &str = "use a smaller batch: `--set train.batch=N`";

/// A driver that does not do what it was asked.
pub(super) fn gave_up(message: String) -> Failure {
    let help = "go on from the last checkpoint with --resume, there or with --device cpu";
    Failure::new(codes::DEVICE_FAILED, message, help)
}

/// A step's numbers, as the kernels' text has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Images.
    pub batch: usize,
    /// The key of its draws.
    pub seed: u64,
    /// Its number, from 0.
    pub number: u32,
    /// Its rate.
    pub rate: f32,
}

impl Step {
    /// The words of the kernels' `Step`.
    pub fn words(&self) -> [u32; 5] {
        let Step { batch, seed, number, rate } = *self;
        [batch as u32, seed as u32, (seed >> 32) as u32, number, rate.to_bits()]
    }
}

/// A graphics processor with a network's kernels and memory. All failures are of the kind that ends a run.
pub trait Processor {
    /// Puts floats at a place. They are there before the next call starts.
    ///
    /// # Errors
    /// Whatever the driver says.
    fn write(&self, at: usize, floats: &[f32]) -> Result<(), Failure>;

    /// Makes calls of [`Prepared::calls`], by number, one after another; then gives the floats of some places.
    ///
    /// # Errors
    /// Whatever the driver says.
    fn run(&self, calls: &[usize], step: &Step, read: &[Range<usize>]) -> Result<Vec<f32>, Failure>;
}

impl<P: Processor + ?Sized> Processor for Box<P> {
    fn write(&self, at: usize, floats: &[f32]) -> Result<(), Failure> {
        (**self).write(at, floats)
    }

    fn run(&self, calls: &[usize], step: &Step, read: &[Range<usize>]) -> Result<Vec<f32>, Failure> {
        (**self).run(calls, step, read)
    }
}
