//! A run, step by step, for `benches/pytorch/curves`: trains a program and prints the loss of every step and the test
//! figures at the end, one JSON object a line.
//!
//! `cargo bench --bench curves -- PROGRAM RUN [--plain] [--seed N] [--steps N] [--set PATH=VALUE]…`; `--plain` computes
//! convolutions by their plain sums, without Winograd's transforms. With `--steps 0` only the first weights are written.

use std::path::PathBuf;
use std::process::ExitCode;

use sdc::data;
use sdc::device::Engine as _;
use sdc::diag::Failure;
use sdc::disk::SystemDisk;
use sdc::driver::{self, Choice, Input, Session};
use sdc::train::{Asked, EpochMetrics, Job, Observer, RunFolder, Start, StepReport, Trainer, Work, assess};
use serde_json::json;

/// What the command line says.
#[derive(Default)]
struct Args {
    places: Vec<PathBuf>,
    plain: bool,
    steps: Option<u64>,
    sets: Vec<String>,
}

fn args() -> Result<Args, String> {
    let mut args = Args::default();
    let mut all = std::env::args().skip(1);
    while let Some(arg) = all.next() {
        let mut value = || all.next().ok_or(format!("{arg} takes a value"));
        match arg.as_str() {
            "--plain" => args.plain = true,
            "--steps" => args.steps = Some(value()?.parse().map_err(|e| format!("{arg}: {e}"))?),
            "--seed" => args.sets.push(format!("train.seed={}", value()?)),
            "--set" => args.sets.push(value()?),
            "--bench" => {} // from cargo
            _ => args.places.push(PathBuf::from(arg)),
        }
    }
    if args.places.len() == 2 { Ok(args) } else { Err("a program and the folder of a new run are wanted".to_owned()) }
}

/// Prints each step.
struct Steps;

impl Observer for Steps {
    fn asked(&mut self) -> Asked {
        Asked::GoOn
    }

    fn turns_to(&mut self, _: Work) {}

    fn step(&mut self, report: &StepReport) {
        println!("{}", json!({ "step": report.step, "loss": report.loss }));
    }

    fn epoch(&mut self, _: &EpochMetrics) {}

    fn unsaved(&mut self, failure: &Failure) {
        eprintln!("{failure}");
    }
}

fn run(args: Args) -> Result<(), String> {
    let [program, folder] = &args.places[..] else { unreachable!("there are two") };
    let mut session = Session::default();
    let choice = Choice { model: None, sets: args.sets };
    let built = driver::build_with_config(&mut session, &Input::File(program.clone()), &choice);
    let (built, config) = built.ok_or_else(|| sdc::diag::render(&session.problems, &session.sources, false, 100))?;
    let (network, recipe) = (built.network, built.recipe.ok_or("the program trains nothing")?);
    let data = data::load(&recipe.data, recipe.seed).map_err(|e| e.to_string())?;
    let mut plans = driver::plans(&driver::graphs(&network, Some(&recipe)), recipe.batch);
    plans.test.plain = args.plain;
    plans.train.iter_mut().for_each(|plan| plan.plain = args.plain);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut engine = driver::compile(plans, threads);
    let text = config.to_text(&session.sources);
    let job = Job { program: &text, set: &[], network: &network, recipe: &recipe, data: &data };
    let failed = |e: Failure| e.to_string();
    let folder = RunFolder::named(folder).map_err(failed)?;
    let mut trainer = Trainer::new(job, &mut engine, &SystemDisk, Start::Drawn, args.steps).map_err(failed)?;
    trainer.run(&folder, &mut Steps).map_err(failed)?;
    if args.steps != Some(0) {
        let tested = assess(&mut engine, &data.test, recipe.batch).map_err(failed)?;
        println!("{}", json!({ "test_accuracy": tested.accuracy(), "test_loss": tested.loss() }));
    }
    engine.failure().map_or(Ok(()), |failure| Err(failed(failure)))
}

fn main() -> ExitCode {
    match args().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
