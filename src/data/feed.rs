//! Batches made ahead of the step that takes them, on threads of their own.
//!
//! Worker k of W makes batches k, k + W, k + 2 W, … and hands each over a channel that holds [`AHEAD`]; the batches are
//! taken from the channels in turn. So their order, and as each is a pure function of its number their content, is the
//! same for any number of workers, and a run that is slow to take them keeps the workers waiting.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, available_parallelism};

use super::batch::{Batch, Pass};
use super::{Images, Pixels};
use crate::diag::Failure;
use crate::net::Recipe;

/// Batches that wait in a worker's channel.
const AHEAD: usize = 2;

/// The training batches of a range of steps.
#[derive(Debug)]
pub struct Feed {
    channels: Vec<Receiver<Result<Batch, Failure>>>,
    taken: usize,
}

impl Feed {
    /// Starts `workers` that make the batches of `steps` (from 0, counted through all epochs). They end with the steps, or
    /// when the feed is dropped.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        images: &'env Images,
        recipe: &'env Recipe,
        steps: Range<u64>,
        workers: usize,
    ) -> Self {
        let workers = workers.max(1);
        let worker = |first: usize| {
            let (sender, receiver) = sync_channel(AHEAD);
            let steps = steps.clone().skip(first).step_by(workers);
            scope.spawn(move || {
                let mut pass: Option<(u64, Pass<'_>)> = None;
                for step in steps {
                    let made = batch(images, recipe, step, &mut pass);
                    let failed = made.is_err();
                    // Where nobody takes batches any more, none are made.
                    if sender.send(made).is_err() || failed {
                        return;
                    }
                }
            });
            receiver
        };
        Feed { channels: (0..workers).map(worker).collect(), taken: 0 }
    }

    /// How many workers keep up with a step: one where images lie in memory, one a processor where they are decoded.
    pub fn workers(images: &Images) -> usize {
        match images.pixels {
            Pixels::Held(_) => 1,
            Pixels::Files(_) => available_parallelism().map_or(1, usize::from),
        }
    }

    /// The next step's batch; waits where it is not ready. None when the steps are over.
    ///
    /// # Errors
    /// An image file that cannot be read any more.
    pub fn take(&mut self) -> Result<Option<Batch>, Failure> {
        let channel = self.taken % self.channels.len();
        self.taken += 1;
        self.channels[channel].recv().ok().transpose()
    }
}

/// A step's batch. The epoch's pass is kept for the next one.
fn batch<'a>(
    images: &'a Images,
    recipe: &'a Recipe,
    step: u64,
    known: &mut Option<(u64, Pass<'a>)>,
) -> Result<Batch, Failure> {
    let steps_per_epoch = images.len().div_ceil(recipe.batch) as u64;
    let epoch = step / steps_per_epoch + 1;
    if known.as_ref().is_none_or(|(of, _)| *of != epoch) {
        *known = Some((epoch, Pass::training(images, &recipe.data, recipe.batch, recipe.seed, epoch as u32)));
    }
    let mut batch = Batch::default();
    if let Some((_, pass)) = known {
        pass.fill((step % steps_per_epoch) as usize, &mut batch)?;
    }
    Ok(batch)
}
