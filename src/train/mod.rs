//! Training: initial weights, the loop over steps and epochs, what a run leaves on disk.
//!
//! A run is a pure function of program, seed and data: what it writes holds no clock, no host and no path, so the same
//! run writes the same bytes. All that changes with the steps is the engine's states and a [`Progress`].
//! Absences: no graph, no kernel, no terminal (an [`Observer`] sees the run and shows it).

mod average;
mod checkpoint;
mod evaluate;
mod events;
mod failure;
mod folder;
mod init;
mod metrics;
mod trainer;

pub use checkpoint::{Checkpoint, Checkpoints, Entry, Found, Progress, Record, save, states};
pub use evaluate::{Assessment, Evaluation, assess, classify, evaluate, largest, share};
pub use events::Events;
pub use folder::{Lock, RunFolder};
pub use init::{initial, initialise};
pub use metrics::{EpochMetrics, Metrics};
pub use trainer::{Asked, Ended, Job, Observer, Start, StepReport, Trainer, Work};
