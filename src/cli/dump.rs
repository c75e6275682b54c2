//! `sdc dump`: what a stage of the pipeline makes of a program, as deterministic text.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{Format, print, report};
use crate::driver::{self, Input, Session};

/// Print what a stage makes of a program.
#[derive(clap::Args)]
pub struct Args {
    /// Which stage.
    #[arg(value_enum)]
    stage: Stage,
    /// The program; `-` reads standard input.
    file: PathBuf,
}

/// The stages that can be printed, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The syntax tree.
    Ast,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let input = Input::named(&args.file);
    let text = match args.stage {
        Stage::Ast => driver::parse_file(&mut session, &input).map(|file| file.to_string()),
    };
    print(text.unwrap_or_default());
    report(&session, Format::Text)
}
