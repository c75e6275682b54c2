//! Checkpoints: one safetensors file with all that a run needs to go on, and the [several](Checkpoints) that it keeps.
//!
//! The tensors are the network's parameters and running statistics under their paths, and the momentum of each weight
//! as `PATH.momentum`; all f32. The metadata are the fields of [`Record`], the versions of `sdc` and of the draw format,
//! and, first, `checksum`: the xxh3 of the whole file in hexadecimal, taken with zeros for its own digits, which always
//! stand at the same place. So no damage anywhere in the file goes unseen.
//!
//! Absences: no pickle, no memory mapping (a file that shrinks would kill the process), no clock, no host's name.

mod generations;
mod read;
mod write;

pub use generations::{Checkpoints, Found};
pub use read::Checkpoint;
pub use write::save;

use super::Metrics;
use crate::device::State;
use crate::net::{Network, Role};

/// How far a run has come: with the engine's states, all that changes from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// The sum of the losses of the unfinished epoch's images.
    pub loss_sum: f64,
    /// How many images that epoch has seen; 0 when it is reported.
    pub images: u64,
    /// What the finished epochs came to.
    pub metrics: Metrics,
}

/// What a checkpoint says about the run that wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The text of the resolved program.
    pub program: String,
    /// What was set beside it, as `train.epochs=40`, when the run was extended.
    pub set: Vec<String>,
    /// The key of its draws.
    pub seed: u64,
    /// How far it has come.
    pub progress: Progress,
}

/// A state with its name in checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `PATH` or `PATH.momentum`.
    pub name: String,
    /// Which state.
    pub state: State,
    /// Its dimensions.
    pub dims: Vec<usize>,
}

impl Entry {
    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    fn bytes(&self) -> u64 {
        4 * self.elements() as u64
    }
}

/// Every state of a network's training, in the order in which checkpoints hold them.
pub fn states(network: &Network) -> Vec<Entry> {
    let mut all = Vec::new();
    for parameter in network.parameters() {
        let momentum = match parameter.role {
            Role::Weight | Role::Bias | Role::Norm => Some(Entry {
                name: format!("{}.momentum", parameter.path),
                state: State::Momentum(parameter.path.clone()),
                dims: parameter.dims.clone(),
            }),
            Role::State => None,
        };
        let name = parameter.path.to_string();
        all.push(Entry { name, state: State::Parameter(parameter.path), dims: parameter.dims });
        all.extend(momentum);
    }
    all
}

/// The length of the header stands first, as the format has it.
const LENGTH_BYTES: usize = 8;
/// What every checkpoint's header starts with; the checksum follows.
const HEADER_START: &str = r#"{"__metadata__":{"checksum":""#;
const CHECKSUM_DIGITS: usize = 16;
/// Where the checksum's digits stand in the file.
const CHECKSUM_AT: usize = LENGTH_BYTES + HEADER_START.len();
/// The value of the metadatum `format`.
const FORMAT: &str = "sdc checkpoint 2";
