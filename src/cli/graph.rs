//! `sdc graph`: the picture of a network.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{Chosen, Format, failed, print, report};
use crate::diag::Failure;
use crate::diagram::Diagram;
use crate::driver::{self, Input, Session};

/// Draw the network: repeats folded, arms side by side, rules with their p_l, shapes on the edges.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// For which program.
    #[arg(long, value_enum, default_value_t)]
    format: Picture,
    /// Where to write; standard output where nothing is said.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Picture {
    /// A picture for any browser.
    #[default]
    Svg,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// The parts of the picture as data.
    Json,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let input = Input::named(&args.chosen.file);
    let Some(built) = driver::build(&mut session, &input, &args.chosen.choice()) else {
        return report(&session, Format::Text);
    };
    let diagram = Diagram::of(&built.network);
    let text = match args.format {
        Picture::Svg => diagram.svg(),
        Picture::Dot => diagram.dot(),
        Picture::Mermaid => diagram.mermaid(),
        Picture::Json => serde_json::to_string_pretty(&diagram).expect("text and numbers are JSON") + "\n",
    };
    match &args.output {
        None => print(text),
        Some(path) => {
            if let Err(error) = std::fs::write(path, text) {
                return failed(&Failure::unwritten(path, &error));
            }
        }
    }
    report(&session, Format::Text)
}
