//! `sdc eval`: how well a trained network does on the test images.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Format, failed, kept, print, report, threads};
use crate::data;
use crate::diag::Failure;
use crate::driver::{self, Built, Input, Session};
use crate::net::Recipe;
use crate::train::{Evaluation, RunFolder, evaluate};

/// Test a trained network, with the derived factors in place of its rules.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run.
    run: PathBuf,
    /// One JSON object in place of text.
    #[arg(long)]
    json: bool,
    /// Threads [default: one a processor].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub fn run(args: &Args) -> ExitCode {
    let folder = RunFolder::existing(&args.run);
    let choice = match kept::recall(&folder) {
        Ok(choice) => choice,
        Err(failure) => return failed(&failure),
    };
    let mut session = Session::default();
    let built = driver::build(&mut session, &Input::named(&folder.program()), &choice);
    let Some(Built { network, recipe: Some(recipe) }) = built else { return report(&session, Format::Text) };
    match score(args, &folder, &network, &recipe) {
        Ok(Evaluation { accuracy, loss }) => {
            print(match args.json {
                true => format!("{}\n", json!({ "accuracy": accuracy, "loss": loss })),
                false => format!("accuracy {:.2} %  loss {loss:.4}\n", 100.0 * accuracy),
            });
            ExitCode::SUCCESS
        }
        Err(failure) => failed(&failure),
    }
}

fn score(
    args: &Args,
    folder: &RunFolder,
    network: &crate::net::Network,
    recipe: &Recipe,
) -> Result<Evaluation, Failure> {
    let checkpoint = folder.checkpoints().newest(network)?.checkpoint;
    let data = data::load(&recipe.data.set, recipe.seed)?;
    let plans = driver::plans(&driver::graphs(network, None), recipe.batch);
    let mut engine = driver::compile(plans, threads(args.threads));
    checkpoint.restore_weights(&mut engine);
    Ok(evaluate(&mut engine, &data.test, recipe.batch, &mut || true).expect("nothing ends it early"))
}
