//! The folder of a run: `runs/NAME-N`, or one that the user names. No two runs share one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Checkpoints, Metrics};
use crate::diag::{Failure, codes};
use crate::disk::{SystemDisk, folder, folders};

/// Where a run writes: its program, its checkpoints, its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// The right to write into a run's folder.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl RunFolder {
    /// The file of the program's text.
    pub const PROGRAM: &str = "program.sd";
    /// The folder of the checkpoints.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// The file that a process holds locked while it writes here.
    pub const LOCK: &str = "lock";
    /// The file of what the run told.
    pub const LOG: &str = "log.txt";
    /// The file with a row an epoch.
    pub const METRICS: &str = "metrics.csv";

    /// Makes `runs/NAME-N` in the current folder, N being the first number that is free.
    ///
    /// # Errors
    /// Where no folder can be made there.
    pub fn numbered(name: &str) -> Result<Self, Failure> {
        Self::numbered_in(Path::new("runs"), name)
    }

    /// Makes `NAME-N` in a folder, which is made where it does not exist.
    ///
    /// # Errors
    /// Where no folder can be made there.
    pub fn numbered_in(runs: &Path, name: &str) -> Result<Self, Failure> {
        folders(&SystemDisk, runs).map_err(|e| Failure::unwritten(runs, &e))?;
        let mut number = 1u64;
        loop {
            let path = runs.join(format!("{name}-{number}"));
            match folder(&SystemDisk, &path) {
                Ok(()) => return Ok(RunFolder { path }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(Failure::unwritten(&path, &e)),
            }
        }
    }

    /// Makes the folder that the user names, and those around it.
    ///
    /// # Errors
    /// Where it is there already, or cannot be made.
    pub fn named(path: &Path) -> Result<Self, Failure> {
        if let Some(parent) = path.parent() {
            folders(&SystemDisk, parent).map_err(|e| Failure::unwritten(parent, &e))?;
        }
        match folder(&SystemDisk, path) {
            Ok(()) => Ok(RunFolder { path: path.to_owned() }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
                codes::CANNOT_WRITE,
                format!("{} is there already, and a run never writes into another's folder", path.display()),
                "name a new folder with --out, or remove that one",
            )),
            Err(e) => Err(Failure::unwritten(path, &e)),
        }
    }

    /// Whether a folder is that of a run.
    pub fn is_at(path: &Path) -> bool {
        path.join(RunFolder::PROGRAM).is_file() && path.join(RunFolder::CHECKPOINTS).is_dir()
    }

    /// The folder of a run that was made before.
    pub fn existing(path: impl Into<PathBuf>) -> Self {
        RunFolder { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of the program.
    pub fn program(&self) -> PathBuf {
        self.path.join(Self::PROGRAM)
    }

    /// What training goes on from.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::of(self.path.join(Self::CHECKPOINTS))
    }

    /// Keeps every other process from writing here, until the lock is dropped or this process ends, however it ends.
    ///
    /// # Errors
    /// Where another process has it, or the folder takes no file.
    pub fn lock(&self) -> Result<Lock, Failure> {
        let path = self.path.join(Self::LOCK);
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|e| Failure::unwritten(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                codes::RUN_IN_USE,
                format!("another process is training in {}", self.path.display()),
                "wait for it or stop it; `sdc runs` shows what runs",
            )),
            Err(TryLockError::Error(e)) => Err(Failure::unwritten(&path, &e)),
        }
    }

    /// Whether a process is training here.
    pub fn in_use(&self) -> bool {
        let file = File::open(self.path.join(Self::LOCK));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// What the run told.
    pub fn log(&self) -> PathBuf {
        self.path.join(Self::LOG)
    }

    /// A row an epoch.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(Self::METRICS)
    }

    /// The rows of [`metrics`](Self::metrics).
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read_metrics(&self) -> Result<Metrics, Failure> {
        let path = self.metrics();
        let cannot = |what: String| {
            let message = format!("{} cannot be read: {what}", path.display());
            Failure::new(codes::CANNOT_READ, message, "name the folder of a run, as `sdc train` prints it")
        };
        let text = fs::read_to_string(&path).map_err(|e| cannot(e.to_string()))?;
        text.parse().map_err(cannot)
    }
}
