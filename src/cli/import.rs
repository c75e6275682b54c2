//! `sdc import`: weights of other tools as a run that can be tested, asked, exported and trained on.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Values, failed, print, train};
use crate::diag::{Failure, codes, counted};
use crate::exchange::import::{self, Imported, Names};

/// Make a run from weights of another tool, in safetensors.
#[derive(clap::Args)]
pub struct Args {
    /// The weights.
    weights: PathBuf,
    /// The program of the network that they are for, with a `train` item.
    file: PathBuf,
    #[command(flatten)]
    values: Values,
    /// Which name there is which here, a line each: `layer{g}.{b}.conv1 = group[{g-1}].block[{b}].branch[0].conv[0]`; `NAME = _`
    /// leaves out, `_ = NAME` lets start as drawn.
    #[arg(long, value_name = "NAMES")]
    map: Option<PathBuf>,
    /// The run's folder [default: runs/MODEL-N].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads [default: one a processor].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub fn run(args: Args) -> ExitCode {
    let Args { weights, file, values, map, out, threads } = args;
    let names = match map.as_deref().map_or(Ok(Names::default()), read) {
        Ok(names) => names,
        Err(failure) => return failed(&failure),
    };
    let told = RefCell::new(String::new());
    let args = train::Args::untrained(file, values, out, threads);
    let made = train::make(&args, &|network| {
        let Imported { checkpoint, taken, left_out, drawn } = import::import(&weights, network, &names)?;
        let drawn: String = drawn.iter().map(|path| format!("\n  starts as drawn: {path}")).collect();
        let taken = counted(taken, "tensor", "tensors");
        *told.borrow_mut() = format!("{taken} of {}, {left_out} left out{drawn}", weights.display());
        Ok(Some(checkpoint))
    });
    match made {
        Ok(folder) => {
            print(format!("{}: {}\n", folder.path().display(), told.into_inner()));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn read(path: &std::path::Path) -> Result<Names, Failure> {
    let cannot = |what: String| Failure::new(codes::CANNOT_READ, format!("{} {what}", path.display()), MAP);
    let text = fs::read_to_string(path).map_err(|e| cannot(format!("cannot be read: {e}")))?;
    let unfit = |what| Failure::new(codes::IMPORT_UNFIT, format!("{}: {what}", path.display()), MAP);
    Names::parse(&text).map_err(unfit)
}

const MAP: &str = "a map has a line for each name or family of names, `THEIRS = OURS`; see `sdc explain SD0909`";
