//! One session of a run: from a program that is built to a folder that is written.

use std::path::Path;

use serde_json::json;

use super::{Args, introduction};
use crate::cli::progress::{Gates, View};
use crate::cli::signals::Signals;
use crate::cli::watch::Watch;
use crate::cli::{Memory, kept, threads};
use crate::data;
use crate::diag::Failure;
use crate::disk::SystemDisk;
use crate::driver;
use crate::net::{Network, Recipe};
use crate::source::Sources;
use crate::train::{Checkpoint, Ended, Job, Lock, Metrics, RunFolder, Start, Trainer};

/// A program that is built.
pub struct Program {
    pub network: Network,
    pub recipe: Recipe,
    /// The resolved program.
    pub text: String,
    /// What is set beside it.
    pub set: Vec<String>,
    pub sources: Sources,
    /// How much memory a step may take.
    pub memory: Memory,
}

/// Where a run comes from.
pub enum Source<'a> {
    /// Nowhere.
    New { out: Option<&'a Path>, weights: Option<Checkpoint> },
    /// Its folder, which the caller has locked.
    Old(&'a RunFolder),
}

/// A session that is over.
pub struct Finished {
    pub folder: RunFolder,
    pub ended: Ended,
    pub metrics: Metrics,
}

/// Trains until the run's end or until a signal.
///
/// # Errors
/// Whatever keeps the run from starting, or breaks it off.
pub fn train(args: &Args, program: &Program, source: &Source<'_>, signals: &Signals) -> Result<Finished, Failure> {
    let Program { network, recipe, text, set, sources, memory } = program;
    kept::check_names(sources)?;
    let found = match source {
        Source::New { .. } => None,
        Source::Old(folder) => Some(folder.checkpoints().newest(network)?),
    };
    let machine = driver::machine(args.device, threads(args.threads))?.with(args.precision)?;
    let data = data::load(&recipe.data, recipe.seed)?;
    let graphs = driver::graphs_within(network, Some(recipe), (*memory).into());
    let plans = driver::plans(&graphs, recipe.batch);
    let gates = Gates::of(plans.train.as_ref(), recipe.seed);
    let ready = driver::ready((network, recipe, (*memory).into()), &graphs, plans, &machine, machine.room())?;
    drop(graphs);
    let mut engine = machine.engine(ready)?;
    let start = match (&found, source) {
        (Some(found), _) => Start::Resumed(&found.checkpoint),
        (None, Source::New { weights: Some(weights), .. }) => Start::Weights(weights),
        (None, Source::New { .. } | Source::Old(_)) => Start::Drawn,
    };
    let job = Job { program: text, set, network, recipe, data: &data };
    let mut trainer = Trainer::new(job, &mut *engine, &SystemDisk, start, args.steps)?;
    let (folder, _lock) = open(source, network)?;
    kept::keep(&folder, sources, set, &network.name, *memory)?;
    let view = View::new(args.style(), recipe.epochs, recipe.batch, gates);
    let first = trainer.progress().step;
    let mut watch = Watch::begin(&folder, first, recipe.epochs, view, signals, args.save_every())?;
    watch.tell(&introduction(program, &data, &folder));
    watch.object(&json!({ "event": "start", "run": folder.path(), "step": first, "seed": recipe.seed }));
    if let Some(found) = &found {
        found.passed_over.iter().for_each(|failure| watch.warn(failure));
        watch.tell(&format!("goes on after step {first}, from {}", found.path.display()));
    }
    let result = trainer.run(&folder, &mut watch);
    let progress = trainer.progress();
    match &result {
        Ok(ended) => {
            let seconds = watch.tell_time();
            watch.tell(&last_line(*ended, progress.step, &folder, &progress.metrics));
            let state = match ended {
                Ended::Finished => "finished",
                Ended::Stopped => "stopped",
            };
            let best = progress.metrics.best().map(|row| row.test_accuracy);
            watch.object(&json!({ "event": "end", "state": state, "step": progress.step, "best_test_accuracy": best,
                "seconds": seconds,
            }));
        }
        Err(failure) => watch.note(&failure.to_string()),
    }
    watch.end();
    let metrics = progress.metrics.clone();
    result.map(|ended| Finished { folder, ended, metrics })
}

/// The run's folder, and the right to write there.
fn open(source: &Source<'_>, network: &Network) -> Result<(RunFolder, Option<Lock>), Failure> {
    let folder = match source {
        Source::Old(folder) => return Ok(((*folder).clone(), None)),
        Source::New { out: Some(path), .. } => RunFolder::named(path)?,
        Source::New { out: None, .. } => RunFolder::numbered(&network.name)?,
    };
    let lock = folder.lock()?;
    Ok((folder, Some(lock)))
}

fn last_line(ended: Ended, step: u64, folder: &RunFolder, metrics: &Metrics) -> String {
    let folder = folder.path().display();
    match (ended, metrics.best()) {
        (Ended::Finished, Some(best)) => {
            let (what, by) = match best.validation_accuracy {
                None => ("best test accuracy", ""),
                Some(_) => ("test accuracy", ", the best by validation"),
            };
            format!(
                "trained; {what} {:.2} % after epoch {}{by}; checkpoints and metrics are in {folder}",
                100.0 * best.test_accuracy,
                best.epoch
            )
        }
        (Ended::Finished, None) => format!("trained; checkpoints and metrics are in {folder}"),
        (Ended::Stopped, _) => format!("stopped after step {step}; go on with: sdc train --resume {folder}"),
    }
}
