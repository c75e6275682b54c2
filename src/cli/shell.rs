//! `sdc completions` and `sdc man`: what shells and `man` know of the command line, from its own definition.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, failed, print};
use crate::diag::Failure;

/// Print the completions of a shell: `sdc completions bash > ~/.local/share/bash-completion/completions/sdc`.
#[derive(clap::Args)]
pub struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages, `sdc.1` and one a command, into a folder.
#[derive(clap::Args)]
pub struct Man {
    /// The folder; it is made where it is not there.
    folder: PathBuf,
}

pub fn completions(args: &Completions) -> ExitCode {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sdc", &mut out);
    print(out);
    ExitCode::SUCCESS
}

pub fn man(args: &Man) -> ExitCode {
    let written =
        std::fs::create_dir_all(&args.folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&Failure::unwritten(&args.folder, &error)),
    }
}
