//! `sdc lsp`: the language server, started by an editor.

use std::process::ExitCode;

use super::failed;
use crate::lsp;

/// Serve an editor: the language server protocol on standard input and output.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: &Args) -> ExitCode {
    match lsp::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}
