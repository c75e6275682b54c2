//! `sdc new`: a small project that trains as it stands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{failed, print};
use crate::diag::{Failure, codes};

/// Make a folder with a program that trains, a block of its own beside it, and what to do with them.
#[derive(clap::Args)]
pub struct Args {
    /// The folder; its name becomes the program's.
    folder: PathBuf,
}

/// The files, with `NAME` and `MODEL` where the project's names go.
const FILES: [(&str, &str); 4] = [
    ("NAME.sd", include_str!("new/program.sd")),
    ("blocks.sd", include_str!("new/blocks.sd")),
    ("README.md", include_str!("new/README.md")),
    (".gitignore", "runs/\n"),
];

pub fn run(args: &Args) -> ExitCode {
    match make(&args.folder) {
        Ok(told) => {
            print(told);
            ExitCode::SUCCESS
        }
        Err(failure) => failed(&failure),
    }
}

fn make(folder: &Path) -> Result<String, Failure> {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let model = model_name(&name).ok_or_else(|| {
        let message = format!("`{}` does not name a project", folder.display());
        Failure::new(codes::CANNOT_WRITE, message, "a name begins with a letter: `sdc new my_network`")
    })?;
    let cannot = |e: std::io::Error| Failure::unwritten(folder, &e);
    // Nothing that is there is ever written over.
    std::fs::create_dir(folder).map_err(cannot)?;
    for (file, text) in FILES {
        let path = folder.join(file.replace("NAME", &name));
        std::fs::write(path, text.replace("MODEL", &model).replace("NAME", &name)).map_err(cannot)?;
    }
    let shown = folder.display();
    Ok(format!("made {shown}: train it with `sdc train {shown}/{name}.sd`, see {shown}/README.md for the rest\n"))
}

/// `my-network` as `MyNetwork`; none where nothing of it can stand in a name, or it does not begin with a letter.
fn model_name(name: &str) -> Option<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let model: String = words.map(|w| w[..1].to_ascii_uppercase() + &w[1..]).collect();
    model.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(model)
}
