//! `metrics.csv`: a row an epoch. No clock in it, so that the same run writes the same bytes.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::failure::cannot_write;
use crate::diag::Failure;

/// What an epoch came to; prints as a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochMetrics {
    /// From 1.
    pub epoch: usize,
    /// Steps done in all.
    pub step: u64,
    /// The rate of the epoch's last step.
    pub rate: f64,
    /// The mean loss over the epoch's training images, smoothing included.
    pub train_loss: f64,
    /// The mean loss over the test images, without smoothing.
    pub test_loss: f64,
    /// The share of test images that are right.
    pub test_accuracy: f64,
}

const HEADER: &str = "epoch,step,rate,train_loss,test_loss,test_accuracy";

impl fmt::Display for EpochMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EpochMetrics { epoch, step, rate, train_loss, test_loss, test_accuracy } = self;
        write!(f, "{epoch},{step},{rate},{train_loss:.6},{test_loss:.6},{test_accuracy:.6}")
    }
}

/// The file of a run, open at its end.
#[derive(Debug)]
pub(super) struct MetricsFile {
    file: File,
    path: PathBuf,
}

impl MetricsFile {
    /// Starts the file, which does not exist yet.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|e| cannot_write(path, &e))?;
        let mut metrics = MetricsFile { file, path: path.to_owned() };
        metrics.line(HEADER)?;
        Ok(metrics)
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &EpochMetrics) -> Result<(), Failure> {
        self.line(&row.to_string())
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.file.write_all(format!("{text}\n").as_bytes()).map_err(|e| cannot_write(&self.path, &e))
    }
}
