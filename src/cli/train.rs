//! `sdc train`: a program to a trained network in a folder of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use super::progress::Lines;
use super::{Chosen, Format, failed, kept, report, threads};
use crate::data;
use crate::diag::{Failure, Problem, codes};
use crate::driver::{self, Built, Input, Session};
use crate::net::Recipe;
use crate::source::{SourceId, Span};
use crate::train::{Checkpoint, Job, RunFolder, Trainer};

/// Train a model.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// The run's folder [default: runs/MODEL-N].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads [default: one a processor]; the result is the same for any number.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Stop when N steps are done in all; 0 writes the first weights.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// The key of all draws, in place of the program's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Start from the weights of a checkpoint.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let input = Input::named(&args.chosen.file);
    let mut choice = args.chosen.choice();
    choice.sets.extend(args.seed.map(|seed| format!("train.seed={seed}")));
    let built = driver::build(&mut session, &input, &choice);
    let recipe = built.as_ref().and_then(|built| built.recipe.clone());
    if let (Some(built), None) = (&built, &recipe) {
        let top = Span::new(SourceId(0), 0, 0);
        let message = format!("the program does not say how `{}` is trained", built.network.name);
        let help = format!("add `train {} {{ data …; optimizer sgd {{ lr: 0.1 }}; epochs 10 }}`", built.network.name);
        session.problems.push(Problem::error(codes::NO_TRAIN, top, message, help));
    }
    let code = report(&session, Format::Text);
    let (Some(built), Some(recipe), false) = (built, recipe, session.problems.has_errors()) else { return code };
    match train(args, &session, &choice, &built, &recipe) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn train(
    args: &Args,
    session: &Session,
    choice: &driver::Choice,
    built: &Built,
    recipe: &Recipe,
) -> Result<(), Failure> {
    let network = &built.network;
    kept::check_names(&session.sources)?;
    let weights = args.weights.as_ref().map(|path| Checkpoint::read(path, network)).transpose()?;
    let data = data::load(&recipe.data, recipe.seed)?;
    let plans = driver::plans(&driver::graphs(network, Some(recipe)), recipe.batch);
    let mut engine = driver::compile(plans, threads(args.threads));
    let folder = match &args.out {
        Some(path) => RunFolder::named(path)?,
        None => RunFolder::numbered(&network.name)?,
    };
    kept::keep(&folder, &session.sources, choice, &network.name)?;
    let program = &session.sources.get(SourceId(0)).text;
    let job = Job { program, network, recipe, data: &data };
    let mut trainer = Trainer::new(job, &mut engine, weights.as_ref(), args.steps)?;
    let mut lines = Lines::start(network, recipe, &data, &folder);
    let result = trainer.run(&folder, &mut lines);
    lines.finish(&folder, result.is_ok());
    result
}
