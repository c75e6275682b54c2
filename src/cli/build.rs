//! `sdc build`: the kernels of a program for a graphics processor, and the table by which another program calls them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{Chosen, Format, Memory, failed, print, report};
use crate::codegen::gpu::{self, Dialect};
use crate::diag::Failure;
use crate::disk::{SystemDisk, replace_text};
use crate::driver::{self, Input, Session};
use crate::num::Precision;

/// Write a program's kernels for graphics processors, with a launch table for other programs.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// The language of the kernels.
    #[arg(long, value_enum)]
    target: Target,
    /// What contractions multiply: fp32, or in CUDA tf32 and bf16 on tensor cores; sums and weights are fp32 in any case.
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
    /// The folder for `kernels.…` and `launches.json`; it is made where it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How much memory a training step may take.
    #[arg(long, value_enum, default_value_t)]
    memory: Memory,
}

/// The languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// CUDA C, for NVRTC or nvcc.
    Cuda,
    /// The Metal shading language.
    Metal,
    /// WGSL, for WebGPU.
    Wgsl,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let written = write(args, &mut session);
    let code = report(&session, Format::Text);
    match written {
        None => code,
        Some(Ok(said)) => {
            print(said);
            code
        }
        Some(Err(failure)) => failed(&failure),
    }
}

/// What was written; none where a problem refuses the program.
fn write(args: &Args, session: &mut Session) -> Option<Result<String, Failure>> {
    let built = driver::build(session, &Input::named(&args.chosen.file), &args.chosen.choice())?;
    let recipe = built.recipe.as_ref();
    let graphs = driver::graphs_within(&built.network, recipe, args.memory.into());
    let plans = driver::plans(&graphs, recipe.map_or(1, |recipe| recipe.batch));
    let dialect = match args.target {
        Target::Cuda => Dialect::CUDA,
        Target::Metal => Dialect::Metal,
        Target::Wgsl => Dialect::Wgsl,
    };
    let dialect = match driver::in_precision(Some(dialect), args.precision) {
        Ok(dialect) => dialect.expect("there was one"),
        Err(failure) => return Some(Err(failure)),
    };
    let programs = driver::gpu_programs(&plans, dialect);
    let table = gpu::table(plans.train.as_ref(), &plans.test, &programs, dialect);
    let name = format!("kernels.{}", dialect.extension());
    let result = || {
        std::fs::create_dir_all(&args.out)?;
        replace_text(&SystemDisk, &args.out.join(&name), &programs.text())?;
        replace_text(&SystemDisk, &args.out.join("launches.json"), &format!("{table:#}\n"))
    };
    Some(result().map_err(|e: std::io::Error| Failure::unwritten(&args.out, &e)).map(|()| {
        let calls = programs.train.as_ref().unwrap_or(&programs.test).launches.len();
        let (kernels, folder) = (programs.kernels.len(), args.out.display());
        format!("{kernels} kernels in {name} and {calls} calls a step in launches.json, in {folder}\n")
    }))
}
