//! The loop: steps, epochs, and what is written after each.

use super::average::{averaged, start_averages};
use super::checkpoint::{self, Checkpoint, Progress, Record};
use super::failure::{cannot_write, not_finite};
use super::metrics::MetricsFile;
use super::{EpochMetrics, RunFolder, evaluate, initialise};
use crate::data::{Batch, Feed, Splits};
use crate::device::Engine;
use crate::diag::{Failure, codes};
use crate::net::{Network, Recipe};

/// What a run is made of; nothing in it changes.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The text of the program, kept with the run.
    pub program: &'a str,
    /// The network that the engine runs.
    pub network: &'a Network,
    /// How it is trained.
    pub recipe: &'a Recipe,
    /// What it learns from.
    pub data: &'a Splits,
}

/// A step that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The epoch it belongs to, from 1.
    pub epoch: usize,
    /// Steps done in all.
    pub step: u64,
    /// Steps that the run will do.
    pub steps: u64,
    /// Its rate.
    pub rate: f64,
    /// The batch's mean loss.
    pub loss: f32,
}

/// Sees a run as it goes.
pub trait Observer {
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// An epoch is over.
    fn epoch(&mut self, metrics: &EpochMetrics);
}

/// A run under way: an engine, and how far it has come.
pub struct Trainer<'a> {
    job: Job<'a>,
    engine: &'a mut dyn Engine,
    progress: Progress,
    steps_per_epoch: u64,
    steps: u64,
}

impl<'a> Trainer<'a> {
    /// A run at its start, from drawn weights or from those of a checkpoint; it stops after `steps` steps in all if
    /// that is before its last epoch's end.
    ///
    /// # Errors
    /// More steps than the draws can count.
    pub fn new(
        job: Job<'a>,
        engine: &'a mut dyn Engine,
        weights: Option<&Checkpoint>,
        steps: Option<u64>,
    ) -> Result<Self, Failure> {
        let steps_per_epoch = job.data.train.len().div_ceil(job.recipe.batch) as u64;
        let planned = steps_per_epoch.saturating_mul(job.recipe.epochs as u64);
        let steps = steps.map_or(planned, |steps| steps.min(planned));
        if steps > u64::from(u32::MAX) {
            let message = format!("{steps} steps are more than the 4,294,967,295 that draws are counted for");
            return Err(Failure::new(codes::OUT_OF_RANGE, message, "train for fewer epochs or in larger batches"));
        }
        initialise(engine, job.network, job.recipe.seed);
        if let Some(weights) = weights {
            weights.restore_weights(engine);
            start_averages(engine, job.network);
        }
        Ok(Trainer { job, engine, progress: Progress::default(), steps_per_epoch, steps })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Trains to the end and writes the run into its folder: the program and the first weights before the first step
    /// (so that a folder that cannot be written is found at once), weights and a row of metrics after each epoch, the
    /// last weights at the end.
    ///
    /// # Errors
    /// A loss that is not finite, or a disk that fails; the last weights that were saved stay.
    pub fn run(&mut self, folder: &RunFolder, observer: &mut dyn Observer) -> Result<(), Failure> {
        let program = folder.program();
        std::fs::write(&program, self.job.program).map_err(|e| cannot_write(&program, &e))?;
        let mut metrics = MetricsFile::create(&folder.metrics())?;
        self.save(folder)?;
        let Job { recipe, data, .. } = self.job;
        std::thread::scope(|scope| {
            let workers = Feed::workers(&data.train);
            let mut feed = Feed::start(scope, &data.train, recipe, self.progress.step..self.steps, workers);
            while self.progress.step < self.steps {
                match self.epoch(&mut feed, observer)? {
                    Some(row) => {
                        observer.epoch(&row);
                        self.save(folder)?;
                        metrics.add(&row)?;
                    }
                    None => self.save(folder)?,
                }
            }
            Ok(())
        })
    }

    /// Goes on to the end of the epoch, or to the last step if that comes first: then there is nothing to report.
    fn epoch(&mut self, feed: &mut Feed, observer: &mut dyn Observer) -> Result<Option<EpochMetrics>, Failure> {
        let Job { recipe, data, .. } = self.job;
        let (done, first) = (self.progress.step / self.steps_per_epoch, self.progress.step % self.steps_per_epoch);
        let epoch = done as usize + 1;
        let mut rate = 0.0;
        for _ in first..self.steps_per_epoch {
            if self.progress.step == self.steps {
                return Ok(None);
            }
            rate = recipe.rate(self.progress.step, self.steps_per_epoch);
            let batch = feed.take()?.expect("a feed holds the batch of every step");
            let loss = self.step(&batch, rate)?;
            observer.step(&StepReport { epoch, step: self.progress.step, steps: self.steps, rate, loss });
        }
        let Progress { step, loss_sum, images } = self.progress;
        (self.progress.loss_sum, self.progress.images) = (0.0, 0);
        let test = averaged(self.engine, self.job.network, |engine| evaluate(engine, &data.test, recipe.batch))?;
        if !test.loss.is_finite() {
            return Err(not_finite(step, "the test images' loss"));
        }
        let train_loss = loss_sum / images as f64;
        Ok(Some(EpochMetrics { epoch, step, rate, train_loss, test_loss: test.loss, test_accuracy: test.accuracy }))
    }

    /// One step on a batch.
    fn step(&mut self, batch: &Batch, rate: f64) -> Result<f32, Failure> {
        let (Batch { images, targets, labels }, step) = (batch, self.progress.step);
        let loss = self.engine.train_step(images, targets, self.job.recipe.seed, step as u32, rate as f32);
        self.progress.step += 1;
        if !loss.is_finite() {
            return Err(not_finite(self.progress.step, "the loss"));
        }
        self.progress.loss_sum += f64::from(loss) * labels.len() as f64;
        self.progress.images += labels.len() as u64;
        Ok(loss)
    }

    fn save(&self, folder: &RunFolder) -> Result<(), Failure> {
        let Job { program, network, recipe, .. } = self.job;
        let record = Record { program: program.to_owned(), seed: recipe.seed, progress: self.progress };
        checkpoint::save(&folder.weights(), self.engine, network, &record)
    }
}
