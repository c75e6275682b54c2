//! The checkpoints that a run keeps: the newest two, and the best.
//!
//! They lie in the run's folder `checkpoints`, the newest as `step-N.safetensors`, N being the steps done, the best epoch's
//! as `best.safetensors`. A new one is read back before an older one goes; what nobody has read back is never removed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Checkpoint, Record, save};
use crate::device::Engine;
use crate::diag::{Failure, codes};
use crate::disk::{Disk, PARTIAL, folders};
use crate::net::Network;

/// How many of the newest checkpoints are kept.
const GENERATIONS: usize = 2;

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    /// For the steps of those that this process has read, or read back, whether they are whole.
    whole: BTreeMap<u64, bool>,
}

/// A checkpoint to go on from.
#[derive(Clone, Debug)]
pub struct Found {
    /// The newest that is whole.
    pub checkpoint: Checkpoint,
    /// Where it lies.
    pub path: PathBuf,
    /// What is wrong with those that are newer.
    pub passed_over: Vec<Failure>,
}

impl Checkpoints {
    /// Those in a folder, which need not exist yet.
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Checkpoints { folder: folder.into(), whole: BTreeMap::new() }
    }

    /// The file of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The file of the checkpoint after so many steps.
    pub fn after(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step}.safetensors"))
    }

    /// The steps of those that are there, whole or not, in order.
    pub fn steps(&self) -> io::Result<Vec<u64>> {
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number =
                name.to_str().and_then(|n| n.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok());
            // Not what another spelling of the number names.
            steps.extend(number.filter(|step| self.after(*step).file_name() == Some(&name)));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// The newest checkpoint that is whole.
    ///
    /// # Errors
    /// Where there is none, with what is wrong with the newest.
    pub fn newest(&mut self, network: &Network) -> Result<Found, Failure> {
        let none = |why: String| {
            let help = "name the folder of a run, as `sdc train` prints it";
            Failure::new(codes::CANNOT_READ, format!("{} holds no checkpoint{why}", self.folder.display()), help)
        };
        let steps = self.steps().map_err(|e| none(format!(": {e}")))?;
        let mut passed_over = Vec::new();
        for step in steps.into_iter().rev() {
            let path = self.after(step);
            let read = Checkpoint::read(&path, network);
            self.whole.insert(step, read.is_ok());
            match read {
                Ok(checkpoint) => return Ok(Found { checkpoint, path, passed_over }),
                Err(failure) => passed_over.push(failure),
            }
        }
        Err(passed_over.into_iter().next().unwrap_or_else(|| none(String::new())))
    }

    /// Writes a checkpoint after the record's steps, and reads it back; then older ones may go.
    ///
    /// # Errors
    /// A state that is not finite, a disk that takes no more or gives back something else; older ones are then still
    /// there.
    pub fn save(
        &mut self,
        disk: &dyn Disk,
        engine: &dyn Engine,
        network: &Network,
        record: &Record,
    ) -> Result<(), Failure> {
        folders(disk, &self.folder).map_err(|e| Failure::unwritten(&self.folder, &e))?;
        let step = record.progress.step;
        let path = self.after(step);
        self.whole.remove(&step);
        save(disk, &path, engine, network, record)?;
        Checkpoint::read(&path, network)?;
        self.whole.insert(step, true);
        self.clear(disk).and_then(|()| self.rotate(disk, network)).map_err(|e| Failure::unwritten(&self.folder, &e))
    }

    /// Writes the checkpoint of the best epoch so far.
    ///
    /// # Errors
    /// As [`save`].
    pub fn save_best(
        &self,
        disk: &dyn Disk,
        engine: &dyn Engine,
        network: &Network,
        record: &Record,
    ) -> Result<(), Failure> {
        folders(disk, &self.folder).map_err(|e| Failure::unwritten(&self.folder, &e))?;
        save(disk, &self.best(), engine, network, record)
    }

    /// Removes what a process left that was killed while it wrote: a run has one writer.
    fn clear(&self, disk: &dyn Disk) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == PARTIAL) {
                remove(disk, &path)?;
            }
        }
        Ok(())
    }

    /// Removes what is older than the newest two that were found whole, if it is whole as well: what is damaged may be
    /// wanted for a look at it.
    fn rotate(&mut self, disk: &dyn Disk, network: &Network) -> io::Result<()> {
        let newest = self.whole.iter().rev().filter(|(_, whole)| **whole).map(|(step, _)| *step);
        let Some(kept) = newest.take(GENERATIONS).nth(GENERATIONS - 1) else { return Ok(()) };
        for step in self.steps()?.into_iter().filter(|step| *step < kept) {
            let path = self.after(step);
            if *self.whole.entry(step).or_insert_with(|| Checkpoint::read(&path, network).is_ok()) {
                remove(disk, &path)?;
                self.whole.remove(&step);
            }
        }
        Ok(())
    }
}

/// Removes a file; one that is gone already is well.
fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}
