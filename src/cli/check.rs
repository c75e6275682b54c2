//! `sdc check`: everything that can be wrong, before anything runs.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Format, report};
use crate::driver::{self, Input, Session};

/// Find every mistake in a program without running it.
#[derive(clap::Args)]
pub struct Args {
    /// The program; `-` reads standard input.
    file: PathBuf,
    /// How problems are shown.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    driver::check(&mut session, &Input::named(&args.file));
    report(&session, args.format)
}
