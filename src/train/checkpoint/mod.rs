//! Checkpoints: one safetensors file with all that a run needs to go on, and the [several](Checkpoints) that it keeps.
//!
//! The tensors are the network's parameters and running statistics under their paths, and what the optimizer keeps of
//! each as `PATH.momentum` and the like; all f32. The metadata are the fields of [`Record`], the versions of `sdc` and of the draw format,
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
use crate::net::recipe::Memory;
use crate::net::{Network, Parameter, Role};

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
    /// `PATH`, or `PATH.momentum` and the like.
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

/// The states of a network's training where the optimizer keeps what `kept` says, in the order in which checkpoints hold
/// them. Of running statistics nothing is kept but their average.
pub fn states(network: &Network, kept: &[Memory]) -> Vec<Entry> {
    let mut all = Vec::new();
    for Parameter { path, dims, role, .. } in network.parameters() {
        all.push(Entry { name: path.to_string(), state: State::Parameter(path.clone()), dims: dims.clone() });
        let of = kept.iter().filter(|memory| role != Role::State || **memory == Memory::Average);
        all.extend(of.map(|memory| Entry {
            name: format!("{path}.{}", memory.name()),
            state: State::Memory(*memory, path.clone()),
            dims: dims.clone(),
        }));
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
