//! `sdc dump`: what a stage of the pipeline makes of a program, as deterministic text.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{Chosen, Format, Memory, failed, print, report};
use crate::codegen::clif;
use crate::codegen::gpu::Dialect;
use crate::device::cpu;
use crate::driver::{self, Input, Plans, Session};
use crate::kernel::{Kernel, Plan};
use crate::num::Precision;

/// Print what a stage makes of a program.
#[derive(clap::Args)]
pub struct Args {
    /// Which stage.
    #[arg(value_enum)]
    stage: Stage,
    #[command(flatten)]
    chosen: Chosen,
    /// How much memory a training step may take.
    #[arg(long, value_enum, default_value_t)]
    memory: Memory,
    /// What contractions of `cuda` multiply: fp32, or tf32 and bf16 on tensor cores.
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
}

/// The stages that can be printed, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The syntax tree.
    Ast,
    /// The network: layers by path, shapes, rules.
    Net,
    /// The graph of the forward pass.
    Graph,
    /// The graph of a training step: forward, gradients, update.
    Grad,
    /// The fused kernels of a training step and of the test-time pass.
    Kernels,
    /// The Cranelift code of those kernels.
    Clif,
    /// The kernels as one text in CUDA C.
    Cuda,
    /// The kernels as one text in the Metal shading language.
    Metal,
    /// The kernels as one text in WGSL.
    Wgsl,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let dialect = match args.stage {
        Stage::Cuda => Some(Dialect::CUDA),
        Stage::Metal => Some(Dialect::Metal),
        Stage::Wgsl => Some(Dialect::Wgsl),
        Stage::Ast | Stage::Net | Stage::Graph | Stage::Grad | Stage::Kernels | Stage::Clif => None,
    };
    let dialect = match driver::in_precision(dialect, args.precision) {
        Ok(dialect) => dialect,
        Err(failure) => return failed(&failure),
    };
    print(text(args, dialect, &mut session).unwrap_or_default());
    report(&session, Format::Text)
}

fn text(args: &Args, dialect: Option<Dialect>, session: &mut Session) -> Option<String> {
    let Args { stage, chosen, memory, .. } = args;
    let stage = *stage;
    let input = Input::named(&chosen.file);
    if stage == Stage::Ast {
        return driver::parse_file(session, &input).map(|file| file.to_string());
    }
    let built = driver::build(session, &input, &chosen.choice())?;
    let recipe = built.recipe.as_ref();
    let graphs = || driver::graphs_within(&built.network, recipe, (*memory).into());
    Some(match stage {
        Stage::Ast => unreachable!("printed above"),
        Stage::Net => built.network.to_string(),
        Stage::Graph => driver::forward(&built.network, recipe).to_string(),
        Stage::Grad => {
            let graphs = graphs();
            graphs.train.unwrap_or(graphs.test).to_string()
        }
        Stage::Kernels => plans(graphs(), recipe).to_string(),
        Stage::Clif => each_plan(&plans(graphs(), recipe), &functions),
        Stage::Cuda | Stage::Metal | Stage::Wgsl => {
            driver::gpu_programs(&plans(graphs(), recipe), dialect.expect("a language of kernels")).text()
        }
    })
}

fn plans(graphs: driver::Graphs, recipe: Option<&crate::net::Recipe>) -> Plans {
    driver::plans(&graphs, recipe.map_or(1, |recipe| recipe.batch))
}

fn each_plan(plans: &Plans, print: &dyn Fn(&Plan) -> String) -> String {
    let mut out = String::new();
    if let Some(train) = &plans.train {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# A training step\n\n{}", print(train));
    }
    let _ = writeln!(out, "# The test-time pass\n\n{}", print(&plans.test));
    out
}

fn functions(plan: &Plan) -> String {
    let target = cpu::map_target();
    let mut out = String::new();
    let places = clif::Places { buffers: &plan.buffers, params: &plan.params() };
    for map in plan.kernels.iter().flat_map(Kernel::maps) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "; {}\n{}", map.name, clif::function(map, places, target));
    }
    out
}
