//! The loop: steps, epochs, and what is written after each.
//!
//! What is next follows from a [`Progress`] alone, so a run can stop after any step and go on from there to the same bits.
//! What an [`Observer`] asks for is heard before each step and while images are tested.

use std::path::PathBuf;

use super::average::{averaged, start_averages};
use super::checkpoint::{Checkpoint, Checkpoints, Progress, Record};
use super::failure::{diverged, not_finite};
use super::{EpochMetrics, RunFolder, evaluate, initialise};
use crate::data::{Batch, Feed, Splits};
use crate::device::Engine;
use crate::diag::{Failure, codes};
use crate::disk::{Disk, replace_text};
use crate::net::{Network, Recipe};

/// What a run is made of; nothing in it changes.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The text of the resolved program, kept with the run.
    pub program: &'a str,
    /// What is set beside it, where the run was extended.
    pub set: &'a [String],
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

/// What is wanted of a run that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    GoOn,
    /// A checkpoint.
    Save,
    /// A checkpoint, and an end.
    Stop,
}

/// What a run spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A batch that is not ready.
    Waiting,
    /// Steps.
    Steps,
    /// Images that are tested.
    Tests,
    /// Checkpoints and metrics.
    Saving,
}

/// Sees a run as it goes, and may ask for something. The clock and the signals are the observer's.
pub trait Observer {
    /// What is wanted; asked before each step and after each image that is tested.
    fn asked(&mut self) -> Asked;
    /// The run turns to another kind of work; told before it.
    fn turns_to(&mut self, work: Work);
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// An epoch is over.
    fn epoch(&mut self, metrics: &EpochMetrics);
    /// A checkpoint could not be written; the run goes on, and those before are still there.
    fn unsaved(&mut self, failure: &Failure);
}

/// From where a run starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// From drawn weights.
    Drawn,
    /// From the weights and statistics of another run.
    Weights(&'a Checkpoint),
    /// From where it stopped.
    Resumed(&'a Checkpoint),
}

/// How a run ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All its steps are done.
    Finished,
    /// It was asked to stop.
    Stopped,
}

/// A run under way: an engine, and how far it has come.
pub struct Trainer<'a> {
    job: Job<'a>,
    engine: &'a mut dyn Engine,
    disk: &'a dyn Disk,
    progress: Progress,
    steps_per_epoch: u64,
    steps: u64,
    /// Steps done and images seen at the last checkpoint.
    saved: Option<(u64, u64)>,
    /// Why the last checkpoint is not there.
    unsaved: Option<Failure>,
}

impl<'a> Trainer<'a> {
    /// A run at its start or where it stopped; it ends after `steps` steps in all if that is before its last epoch's end.
    ///
    /// # Errors
    /// More steps than the draws can count; a checkpoint of another seed.
    pub fn new(
        job: Job<'a>,
        engine: &'a mut dyn Engine,
        disk: &'a dyn Disk,
        start: Start<'_>,
        steps: Option<u64>,
    ) -> Result<Self, Failure> {
        let steps_per_epoch = job.data.train.len().div_ceil(job.recipe.batch) as u64;
        let planned = steps_per_epoch.saturating_mul(job.recipe.epochs as u64);
        let steps = steps.map_or(planned, |steps| steps.min(planned));
        if steps > u64::from(u32::MAX) {
            let message = format!("{steps} steps are more than the 4,294,967,295 that draws are counted for");
            return Err(Failure::new(codes::OUT_OF_RANGE, message, "train for fewer epochs or in larger batches"));
        }
        let mut progress = Progress::default();
        match start {
            Start::Drawn => initialise(engine, job.network, job.recipe.seed),
            Start::Weights(weights) => {
                initialise(engine, job.network, job.recipe.seed);
                weights.restore_weights(engine);
                start_averages(engine, job.network);
            }
            Start::Resumed(checkpoint) => {
                job.belongs(checkpoint)?;
                checkpoint.restore(engine);
                progress = checkpoint.record.progress.clone();
            }
        }
        Ok(Trainer { job, engine, disk, progress, steps_per_epoch, steps, saved: None, unsaved: None })
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Trains to the end and writes the run into its folder: the program, the metrics and a checkpoint before the first
    /// step (so that a folder that cannot be written is found at once); metrics and a checkpoint after each epoch and
    /// whenever the observer asks; the best epoch's checkpoint.
    ///
    /// # Errors
    /// A number that is not finite; an image file that cannot be read any more; a disk that fails at the start or at the
    /// last checkpoint; a device that fails. The checkpoints before are still there.
    pub fn run(&mut self, folder: &RunFolder, observer: &mut dyn Observer) -> Result<Ended, Failure> {
        let ended = self.run_to_its_end(folder, observer);
        // A device that failed is the reason of what followed.
        self.engine.failure().map_or(ended, Err)
    }

    fn run_to_its_end(&mut self, folder: &RunFolder, observer: &mut dyn Observer) -> Result<Ended, Failure> {
        let program = folder.program();
        replace_text(self.disk, &program, self.job.program).map_err(|e| Failure::unwritten(&program, &e))?;
        let mut files = Files { metrics: folder.metrics(), checkpoints: folder.checkpoints() };
        observer.turns_to(Work::Saving);
        self.checkpoint(&mut files)?;
        let Job { recipe, data, .. } = self.job;
        let ended = std::thread::scope(|scope| {
            let steps = self.progress.step..self.steps;
            let mut feed = Feed::start(scope, &data.train, recipe, steps, Feed::workers(&data.train));
            self.steps(&mut feed, &mut files, observer)
        })?;
        self.save(&mut files, observer)?;
        self.unsaved.take().map_or(Ok(ended), Err)
    }

    /// Steps, and what comes between them, to the end or until the observer asks for it.
    fn steps(&mut self, feed: &mut Feed, files: &mut Files, observer: &mut dyn Observer) -> Result<Ended, Failure> {
        loop {
            match observer.asked() {
                Asked::GoOn => {}
                Asked::Save => self.save(files, observer)?,
                Asked::Stop => return Ok(Ended::Stopped),
            }
            if self.epoch_is_over() {
                let Some(row) = self.evaluate(observer)? else { return Ok(Ended::Stopped) };
                (self.progress.loss_sum, self.progress.images) = (0.0, 0);
                self.progress.metrics.0.push(row);
                observer.epoch(&row);
                self.save(files, observer)?;
            } else if self.progress.step < self.steps {
                self.step(feed, observer)?;
            } else {
                return Ok(Ended::Finished);
            }
        }
    }

    /// Whether all steps of an epoch are done that is not yet reported.
    fn epoch_is_over(&self) -> bool {
        self.progress.images > 0 && self.progress.step.is_multiple_of(self.steps_per_epoch)
    }

    /// One step.
    fn step(&mut self, feed: &mut Feed, observer: &mut dyn Observer) -> Result<(), Failure> {
        let Job { recipe, .. } = self.job;
        let step = self.progress.step;
        let epoch = (step / self.steps_per_epoch) as usize + 1;
        observer.turns_to(Work::Waiting);
        let Batch { images, targets, labels } = feed.take()?.expect("a feed holds the batch of every step");
        observer.turns_to(Work::Steps);
        let rate = recipe.rate(step, self.steps_per_epoch);
        let loss = self.engine.train_step(&images, &targets, recipe.seed, step as u32, rate as f32);
        if !loss.is_finite() {
            let place = self.engine.first_not_finite(&images, &targets, recipe.seed, step as u32, rate as f32);
            return Err(diverged(step + 1, epoch, rate, place.as_deref()));
        }
        self.progress.step += 1;
        self.progress.loss_sum += f64::from(loss) * labels.len() as f64;
        self.progress.images += labels.len() as u64;
        observer.step(&StepReport { epoch, step: step + 1, steps: self.steps, rate, loss });
        Ok(())
    }

    /// What the epoch came to that is over; none where the observer asks for a stop meanwhile.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<Option<EpochMetrics>, Failure> {
        let Job { recipe, data, .. } = self.job;
        let Progress { step, loss_sum, images, .. } = self.progress;
        observer.turns_to(Work::Tests);
        let mut go_on = || observer.asked() != Asked::Stop;
        let scores = averaged(self.engine, self.job.network, |engine| {
            let mut score = |images| evaluate(engine, images, recipe.batch, &mut go_on);
            let Some(test) = score(&data.test)? else { return Ok(None) };
            let Some(images) = &data.validation else { return Ok(Some((test, None))) };
            Ok(score(images)?.map(|validation| (test, Some(validation.accuracy))))
        })?;
        let Some((test, validation_accuracy)) = scores else { return Ok(None) };
        if !test.loss.is_finite() {
            return Err(not_finite(step, "the test images' loss"));
        }
        Ok(Some(EpochMetrics {
            epoch: (step / self.steps_per_epoch) as usize,
            step,
            rate: recipe.rate(step - 1, self.steps_per_epoch),
            train_loss: loss_sum / images as f64,
            test_loss: test.loss,
            test_accuracy: test.accuracy,
            validation_accuracy,
        }))
    }

    /// Writes a checkpoint, if the last one is not of this step. A disk that fails ends no run: the next may succeed.
    fn save(&mut self, files: &mut Files, observer: &mut dyn Observer) -> Result<(), Failure> {
        if self.saved == Some((self.progress.step, self.progress.images)) {
            return Ok(());
        }
        observer.turns_to(Work::Saving);
        match self.checkpoint(files) {
            Err(failure) if failure.code != codes::NOT_FINITE => {
                observer.unsaved(&failure);
                self.unsaved = Some(failure);
                Ok(())
            }
            done => done,
        }
    }

    /// Writes the metrics, the best epoch's checkpoint if this is it, and the newest.
    fn checkpoint(&mut self, files: &mut Files) -> Result<(), Failure> {
        let Job { network, .. } = self.job;
        let Progress { step, images, metrics, .. } = &self.progress;
        let text = metrics.to_string();
        replace_text(self.disk, &files.metrics, &text).map_err(|e| Failure::unwritten(&files.metrics, &e))?;
        if *images == 0 && metrics.best().is_some_and(|best| best.step == *step) {
            files.checkpoints.save_best(self.disk, self.engine, network, &self.record())?;
        }
        files.checkpoints.save(self.disk, self.engine, network, &self.record())?;
        self.saved = Some((*step, *images));
        self.unsaved = None;
        Ok(())
    }

    fn record(&self) -> Record {
        let Job { program, set, recipe, .. } = self.job;
        let progress = self.progress.clone();
        Record { program: program.to_owned(), set: set.to_vec(), seed: recipe.seed, progress }
    }
}

/// Where a run writes while it goes.
struct Files {
    metrics: PathBuf,
    checkpoints: Checkpoints,
}

impl Job<'_> {
    /// Refuses a checkpoint of another program.
    fn belongs(&self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let Record { program, seed, .. } = &checkpoint.record;
        let other = |what: &str| {
            let message = format!("the run's {what} is not the one that its checkpoint was made with");
            let help = "put it back as it was: the checkpoint holds it; or start a new run with --weights";
            Err(Failure::new(codes::CHECKPOINT_DAMAGED, message, help))
        };
        if program != self.program {
            return other("program");
        }
        if *seed != self.recipe.seed { other("seed") } else { Ok(()) }
    }
}
