//! The machines that run a plan. The only place with `unsafe` and with code for one platform.

pub mod cpu;
pub mod cuda;
pub mod gpu;
pub mod host;
pub mod layout;
mod machine;
mod parallel;
#[cfg(feature = "gpu")]
pub mod wgpu;

pub use machine::{Device, Found, Machine, Ready, found};

use crate::diag::Failure;
use crate::kernel::{BufferId, Plan, Slot};
use crate::net::Path;
use crate::net::recipe::Memory;

/// A number array that outlives a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A weight or running statistic.
    Parameter(Path),
    /// What the optimizer keeps of a parameter.
    Memory(Memory, Path),
}

impl State {
    /// Where plans keep it.
    fn slot(&self) -> Slot {
        match self {
            State::Parameter(path) => Slot::Parameter(path.clone()),
            State::Memory(memory, path) => Slot::Memory(*memory, path.clone()),
        }
    }
}

fn slot_of(plan: &Plan, slot: &Slot) -> BufferId {
    plan.slot(slot).unwrap_or_else(|| panic!("the plan has no {slot:?}"))
}

/// A compiled network on some machine, with its weights.
///
/// Images are N x C x H x W, row-major, normalised; N may be anything from 1 to the batch size it was compiled for.
pub trait Engine {
    /// One training step: forward, backward, update. Returns the batch's mean loss. `targets` is N x classes;
    /// `step` counts from 0 and, with the seed, names the step's draws. Where the loss or a gradient is not finite, no
    /// state changes, and what is returned is not finite either.
    fn train_step(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> f32;

    /// The stable name of the first thing that is not finite when the step runs whose arguments these are; none where
    /// all is. No state changes.
    fn first_not_finite(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> Option<String>;

    /// The logits of the test-time network, N x classes.
    fn logits(&mut self, images: &[f32]) -> Vec<f32>;

    /// Whether it has a state.
    fn has(&self, state: &State) -> bool;

    /// A state's values, as stored (row-major in the dimensions of its [`Parameter`](crate::net::Parameter)).
    fn read(&self, state: &State) -> Vec<f32>;

    /// Sets a state's values; as many as [`read`](Engine::read) gives.
    fn write(&mut self, state: &State, values: &[f32]);

    /// Why its machine does not answer any more, if so; what it has returned since is not a number.
    fn failure(&self) -> Option<Failure> {
        None
    }
}
