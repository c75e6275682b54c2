//! `sdc plot`: the curves of runs in one picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{failed, print};
use crate::diag::{Failure, codes};
use crate::plot::{self, Curve};
use crate::train::RunFolder;

/// Draw the curves of runs together: loss and accuracy by epoch.
#[derive(clap::Args)]
pub struct Args {
    /// The folders of runs.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Where to write, a file ending in .svg or .png; SVG to standard output where nothing is said.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> ExitCode {
    match drawn(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn drawn(args: &Args) -> Result<(), Failure> {
    let curves = args.runs.iter().map(|run| curve(run)).collect::<Result<Vec<_>, _>>()?;
    let Some(path) = &args.output else {
        print(plot::svg(&curves));
        return Ok(());
    };
    let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
    let bytes = match end.as_deref() {
        Some("svg") => plot::svg(&curves).into_bytes(),
        Some("png") => plot::png(&curves),
        _ => {
            let message = format!("{} ends in neither .svg nor .png", path.display());
            return Err(Failure::new(codes::CANNOT_WRITE, message, "name the picture as curves.svg or curves.png"));
        }
    };
    std::fs::write(path, bytes).map_err(|e| Failure::unwritten(path, &e))
}

fn curve(run: &Path) -> Result<Curve, Failure> {
    let metrics = RunFolder::existing(run).read_metrics()?;
    if metrics.0.is_empty() {
        let message = format!("{} has finished no epoch, so it has no curve", run.display());
        return Err(Failure::new(codes::CANNOT_READ, message, "wait for its first epoch, or leave it out"));
    }
    // The folder alone, and no path to it.
    let name = run.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Curve { name, metrics })
}
