//! `sdc train`: a program to a trained network in a folder of its own, or a run that stopped to its end.

mod session;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use self::session::{Finished, Program, Source};
use super::progress::Style;
use super::signals::Signals;
use super::{Format, Memory, Values, failed, kept, print, report};
use crate::data::Splits;
use crate::device::Device;
use crate::diag::{Failure, Problem, codes};
use crate::driver::{self, Choice, Input, Session};
use crate::net::Network;
use crate::num::Precision;
use crate::source::{SourceId, Span};
use crate::train::{Checkpoint, Ended, RunFolder};

/// Train a model, or go on with a run.
#[derive(clap::Args)]
pub struct Args {
    /// The program; `-` reads standard input.
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    file: Option<PathBuf>,
    #[command(flatten)]
    values: Values,
    /// Go on with the run in this folder where it stopped; with --epochs also beyond its end.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["model", "sets", "seed", "seeds", "out", "weights"])]
    resume: Option<PathBuf>,
    /// Train for N epochs in all, in place of the program's.
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// The run's folder [default: runs/MODEL-N].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the network runs: cpu, cuda, cuda:N, vulkan or metal; `sdc devices` lists them.
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Device,
    /// How much memory a step may take [default: normal, or as the run that goes on]; the result is the same
    #[arg(long, value_enum)]
    memory: Option<Memory>,
    /// What contractions multiply: fp32, or on CUDA's tensor cores tf32 or bf16; sums and weights are fp32 in any case.
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
    /// Threads [default: one a processor]; the result is the same for any number.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Stop when N steps are done in all; 0 writes the first weights.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// The key of all draws, in place of the program's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Train N times, with the seed and those after it, and print mean and standard deviation.
    #[arg(long, value_name = "N", conflicts_with = "out", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Start from the weights of a checkpoint.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Write a checkpoint at least every so many seconds; there is one after each epoch in any case [default: 60, or as
    /// many as keep checkpoints under a hundredth of the time]
    #[arg(long, value_name = "SECONDS")]
    save_every: Option<u64>,
    /// Tell only what goes wrong.
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// One JSON object a line in place of text.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let signals = match listen() {
        Ok(signals) => signals,
        Err(failure) => return failed(&failure),
    };
    match (&args.resume, args.seeds) {
        (Some(folder), _) => resume(args, &RunFolder::existing(folder), &signals),
        (None, None) => match fresh(args, args.seed, true, &signals, &|network| args.first_weights(network)) {
            Ok((_, finished)) => finished.code(&signals),
            Err(code) => code,
        },
        (None, Some(count)) => several(args, count, &signals),
    }
}

fn listen() -> Result<Signals, Failure> {
    Signals::listen()
        .map_err(|e| Failure::new(codes::CANNOT_READ, format!("the system tells no signals: {e}"), "retry"))
}

impl Args {
    /// For a run that is made with its first weights, and not trained.
    pub fn untrained(file: PathBuf, values: Values, out: Option<PathBuf>, threads: Option<usize>) -> Self {
        Args {
            file: Some(file),
            values,
            resume: None,
            epochs: None,
            out,
            threads,
            steps: Some(0),
            seed: None,
            seeds: None,
            weights: None,
            save_every: None,
            device: Device::Cpu,
            memory: None,
            precision: Precision::Fp32,
            quiet: true,
            json: false,
        }
    }

    /// The weights that the command line names.
    fn first_weights(&self, network: &Network) -> Result<Option<Checkpoint>, Failure> {
        self.weights.as_ref().map(|path| Checkpoint::read(path, network)).transpose()
    }

    fn style(&self) -> Style {
        match (self.quiet, self.json) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Json,
            (false, false) => Style::Text,
        }
    }

    fn save_every(&self) -> Option<Duration> {
        self.save_every.map(Duration::from_secs)
    }
}

impl Finished {
    fn code(&self, signals: &Signals) -> ExitCode {
        match self.ended {
            Ended::Finished => ExitCode::SUCCESS,
            Ended::Stopped => signals.exit_code(),
        }
    }
}

/// Makes a run with the weights that `first` gives its network, and trains nothing; the run's folder.
pub fn make(args: &Args, first: &First<'_>) -> Result<RunFolder, ExitCode> {
    let signals = listen().map_err(|failure| failed(&failure))?;
    fresh(args, args.seed, true, &signals, first).map(|(_, finished)| finished.folder)
}

/// The weights that a network starts from; as drawn where there are none.
type First<'a> = dyn Fn(&Network) -> Result<Option<Checkpoint>, Failure> + 'a;

/// A new run; with the seed that it has.
fn fresh(
    args: &Args,
    seed: Option<u64>,
    tell: bool,
    signals: &Signals,
    first: &First<'_>,
) -> Result<(u64, Finished), ExitCode> {
    let mut session = Session::default();
    let file = args.file.as_deref().expect("a file or a run is required");
    let mut choice = args.values.choice();
    choice.sets.extend(args.epochs.map(|epochs| format!("train.epochs={epochs}")));
    choice.sets.extend(seed.map(|seed| format!("train.seed={seed}")));
    let built = driver::build_with_config(&mut session, &Input::named(file), &choice);
    let recipe = built.as_ref().and_then(|(built, _)| built.recipe.clone());
    if let (Some((built, _)), None) = (&built, &recipe) {
        let top = Span::new(SourceId(0), 0, 0);
        let message = format!("the program does not say how `{}` is trained", built.network.name);
        let help = format!("add `train {} {{ data …; optimizer sgd {{ lr: 0.1 }}; epochs 10 }}`", built.network.name);
        session.problems.push(Problem::error(codes::NO_TRAIN, top, message, help));
    }
    let code = if tell || session.problems.has_errors() { report(&session, Format::Text) } else { ExitCode::SUCCESS };
    let (Some((built, config)), Some(recipe), false) = (built, recipe, session.problems.has_errors()) else {
        return Err(code);
    };
    let seed = recipe.seed;
    let text = config.to_text(&session.sources);
    let (memory, sources) = (args.memory.unwrap_or_default(), session.sources);
    let program = Program { network: built.network, recipe, text, set: vec![], sources, memory };
    let weights = first(&program.network).map_err(|failure| failed(&failure))?;
    let source = Source::New { out: args.out.as_deref(), weights };
    session::train(args, &program, &source, signals).map(|f| (seed, f)).map_err(|failure| failed(&failure))
}

/// Goes on with a run.
fn resume(args: &Args, folder: &RunFolder, signals: &Signals) -> ExitCode {
    let prepare = || {
        let lock = folder.lock()?;
        let kept::Made { mut choice, memory } = kept::recall(folder)?;
        if let Some(epochs) = args.epochs {
            choice.sets.retain(|set| !set.starts_with("train.epochs="));
            choice.sets.push(format!("train.epochs={epochs}"));
        }
        Ok((lock, choice, args.memory.unwrap_or(memory)))
    };
    let (_lock, choice, memory) = match prepare() {
        Ok(prepared) => prepared,
        Err(failure) => return failed(&failure),
    };
    let mut session = Session::default();
    let built = driver::build(&mut session, &Input::named(&folder.program()), &choice);
    // What the program is warned of was told when the run began.
    let Some(driver::Built { network, recipe: Some(recipe) }) = built else { return report(&session, Format::Text) };
    let Choice { sets: set, .. } = choice;
    let text = session.sources.get(SourceId(0)).text.clone();
    let program = Program { network, recipe, text, set, sources: session.sources, memory };
    match session::train(args, &program, &Source::Old(folder), signals) {
        Ok(finished) => finished.code(signals),
        Err(failure) => failed(&failure),
    }
}

/// One run a seed, one after another; then what they have in common.
fn several(args: &Args, count: u64, signals: &Signals) -> ExitCode {
    let mut scores: Vec<f64> = Vec::new();
    let mut first = args.seed;
    for number in 0..count {
        let seed = first.map(|first| first.wrapping_add(number));
        match fresh(args, seed, number == 0, signals, &|network| args.first_weights(network)) {
            Ok((seed, finished)) if finished.ended == Ended::Finished => {
                first = first.or(Some(seed));
                scores.extend(finished.metrics.last().map(|row| row.test_accuracy));
            }
            Ok((_, finished)) => return finished.code(signals),
            Err(code) => return code,
        }
    }
    print(seeds_line(&scores, args.style()));
    ExitCode::SUCCESS
}

/// Mean and standard deviation (of a sample: divided by n - 1) of the runs' last test accuracies.
fn seeds_line(scores: &[f64], style: Style) -> String {
    let n = scores.len() as f64;
    if scores.is_empty() {
        return String::new();
    }
    let mean = scores.iter().sum::<f64>() / n;
    let squares: f64 = scores.iter().map(|x| (x - mean) * (x - mean)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    match style {
        Style::Json => {
            let object =
                serde_json::json!({ "event": "seeds", "test_accuracy": scores, "mean": mean, "deviation": deviation });
            format!("{object}\n")
        }
        Style::Text | Style::Quiet => format!(
            "{} seeds: test accuracy {:.2} % ± {:.2} (mean and standard deviation)\n",
            scores.len(),
            100.0 * mean,
            100.0 * deviation
        ),
    }
}

/// The line that says what is about to be trained.
fn introduction(program: &Program, data: &Splits, folder: &RunFolder) -> String {
    let Program { network, recipe, .. } = program;
    format!(
        "{}: {} parameters, {} sites of rules; {} training and {} test images of {}; into {}",
        network.name,
        network.counts().parameters,
        network.sites().len(),
        data.train.len(),
        data.test.len(),
        recipe.data.set.name(),
        folder.path().display(),
    )
}
