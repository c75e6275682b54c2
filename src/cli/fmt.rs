//! `sdc fmt`: the one style of programs.

use std::path::PathBuf;
use std::process::ExitCode;

use similar::TextDiff;

use super::{Format, failed, print, report};
use crate::driver::{self, Input, Session};

/// Lay programs out in the one style; comments, and which statements share a line, stay.
#[derive(clap::Args)]
pub struct Args {
    /// Programs and folders of programs; `-` reads standard input and writes standard output.
    #[arg(required = true, value_name = "FILES")]
    names: Vec<PathBuf>,
    /// Write nothing; show what would change, and exit with 1 if anything would.
    #[arg(long)]
    check: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let inputs = match driver::programs(&args.names) {
        Ok(inputs) => inputs,
        Err(failure) => return failed(&failure),
    };
    let mut good = true;
    for input in inputs {
        let mut session = Session::default();
        let Some(file) = driver::format(&mut session, &input) else {
            report(&session, Format::Text);
            good = false;
            continue;
        };
        let changed = file.before != file.after;
        if args.check {
            good &= !changed;
            let diff = TextDiff::from_lines(&file.before, &file.after);
            print(diff.unified_diff().context_radius(1).header(&file.name, &file.name).to_string());
        } else if input == Input::Stdin {
            print(file.after);
        } else if changed {
            if let Err(failure) = file.write() {
                return failed(&failure);
            }
            print(format!("{}\n", file.name));
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
