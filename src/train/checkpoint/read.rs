//! Reading a checkpoint: nothing in it is believed before the checksum holds, nothing is set before all of it fits.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use xxhash_rust::xxh3::Xxh3;

use super::{CHECKSUM_AT, CHECKSUM_DIGITS, Entry, FORMAT, LENGTH_BYTES, Progress, Record, states};
use crate::device::{Engine, State};
use crate::diag::{Failure, codes};
use crate::net::Network;
use crate::net::recipe::Memory;
use crate::num::draw::DRAW_FORMAT;

/// More than any header of a network within the limits.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A checkpoint whose checksum holds and whose states are those of a network.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What it says about its run.
    pub record: Record,
    values: Vec<(State, Vec<f32>)>,
}

impl Checkpoint {
    /// Reads the file and compares it with the network.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or belongs to another network.
    pub fn read(path: &Path, network: &Network) -> Result<Self, Failure> {
        let file = CheckpointFile { path: path.to_owned() };
        let most: u64 = states(network, &Memory::ALL).iter().map(Entry::bytes).sum();
        let bytes = file.bytes(most)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| file.damaged(&e.to_string()))?;
        // What is kept of one parameter must be there of all.
        let holds = |memory: &Memory| {
            let end = format!(".{}", memory.name());
            tensors.names().iter().any(|name| name.ends_with(&end))
        };
        let entries = states(network, &Memory::ALL.into_iter().filter(holds).collect::<Vec<_>>());
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| file.damaged(&e.to_string()))?;
        let record = file.record(header.metadata().as_ref())?;
        file.compare(&tensors, &entries)?;
        let values = entries.into_iter().map(|entry| {
            let tensor = tensors.tensor(&entry.name).expect("its name was compared");
            let numbers = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            (entry.state, numbers.collect())
        });
        Ok(Checkpoint { record, values: values.collect() })
    }

    /// Weights that came from elsewhere; what is not among them starts as drawn.
    pub fn of_weights(values: Vec<(State, Vec<f32>)>) -> Self {
        let (program, set) = (String::new(), vec![]);
        Checkpoint { record: Record { program, set, seed: 0, progress: Progress::default() }, values }
    }

    /// Sets all states, so that a run goes on where it stopped.
    pub fn restore(&self, engine: &mut dyn Engine) {
        self.values.iter().for_each(|(state, values)| engine.write(state, values));
    }

    /// Sets weights and running statistics only, so that a new run starts from them, or they are tested: to their moving
    /// averages where it has these.
    pub fn restore_weights(&self, engine: &mut dyn Engine) {
        for (state, values) in &self.values {
            match state {
                State::Parameter(_) => engine.write(state, values),
                // It follows its parameter.
                State::Memory(Memory::Average, path) => engine.write(&State::Parameter(path.clone()), values),
                State::Memory(Memory::Momentum | Memory::Square | Memory::Gathered, _) => {}
            }
        }
    }
}

/// A file that is being read, for the words of its failures.
struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    /// The whole file, its checksum compared. No more is read than `tensors` bytes of tensors and a header can be.
    fn bytes(&self, tensors: u64) -> Result<Vec<u8>, Failure> {
        let unreadable = |e: std::io::Error| {
            let message = format!("{} cannot be read: {e}", self.path.display());
            Failure::new(
                codes::CANNOT_READ,
                message,
                "check the path: a run's checkpoints are RUN/checkpoints/*.safetensors",
            )
        };
        let file = File::open(&self.path).map_err(unreadable)?;
        let limit = LENGTH_BYTES as u64 + MAX_HEADER_BYTES + tensors;
        if file.metadata().map_err(unreadable)?.len() > limit {
            return Err(self.foreign("is larger than any checkpoint of this network"));
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
        let digits =
            bytes.get(CHECKSUM_AT..CHECKSUM_AT + CHECKSUM_DIGITS).ok_or_else(|| self.damaged("it ends early"))?;
        let mut hash = Xxh3::new();
        hash.update(&bytes[..CHECKSUM_AT]);
        hash.update(&[b'0'; CHECKSUM_DIGITS]);
        hash.update(&bytes[CHECKSUM_AT + CHECKSUM_DIGITS..]);
        if digits == format!("{:0CHECKSUM_DIGITS$x}", hash.digest()).as_bytes() {
            Ok(bytes)
        } else {
            Err(self.damaged("its checksum does not hold"))
        }
    }

    fn record(&self, metadata: Option<&HashMap<String, String>>) -> Result<Record, Failure> {
        let text = |key: &str| {
            let value = metadata.and_then(|m| m.get(key));
            value.map(String::as_str).ok_or_else(|| self.damaged(&format!("it lacks `{key}`")))
        };
        let misread = |key: &str| self.damaged(&format!("its `{key}` is no number"));
        let whole = |key: &str| text(key)?.parse::<u64>().map_err(|_| misread(key));
        if text("format")? != FORMAT {
            return Err(self.foreign("has a format that this version of sdc does not know"));
        }
        if whole("draw_format")? != u64::from(DRAW_FORMAT) {
            return Err(self.foreign("counts on draws of another format"));
        }
        let loss_sum = text("loss_sum")?.parse().map_err(|_| misread("loss_sum"))?;
        let metrics = text("metrics")?.parse().map_err(|what: String| self.damaged(&what))?;
        let progress = Progress { step: whole("step")?, loss_sum, images: whole("images")?, metrics };
        let set = text("set")?.lines().map(str::to_owned).collect();
        Ok(Record { program: text("program")?.to_owned(), set, seed: whole("seed")?, progress })
    }

    /// Whether the file holds exactly these states.
    fn compare(&self, tensors: &SafeTensors<'_>, entries: &[Entry]) -> Result<(), Failure> {
        for Entry { name, dims, .. } in entries {
            let tensor = tensors.tensor(name).map_err(|_| self.foreign(&format!("has no {name}")))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != dims {
                let (dtype, shape) = (tensor.dtype(), tensor.shape());
                return Err(self.foreign(&format!("has {name} as {dtype:?} {shape:?}, not F32 {dims:?}")));
            }
        }
        if tensors.len() > entries.len() {
            let mut names = tensors.names();
            names.sort_unstable();
            let extra = names.into_iter().find(|name| entries.iter().all(|entry| entry.name != *name));
            return Err(
                self.foreign(&format!("has {}, which the network has not", extra.unwrap_or("one tensor twice")))
            );
        }
        Ok(())
    }

    fn damaged(&self, what: &str) -> Failure {
        Failure::new(
            codes::CHECKPOINT_DAMAGED,
            format!("{} is damaged or no checkpoint of sdc: {what}", self.path.display()),
            "use another copy of it, or train anew",
        )
    }

    fn foreign(&self, what: &str) -> Failure {
        Failure::new(
            codes::CHECKPOINT_DAMAGED,
            format!("{} {what}", self.path.display()),
            "use it with the program that wrote it: program.sd in its run's folder",
        )
    }
}
