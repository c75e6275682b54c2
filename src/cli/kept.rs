//! What a run's folder keeps beside its resolved program, so that other commands build the same network: the files that
//! the program uses, and `run.json` with the model's name, the values that an extension set, and the footprint.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::Memory;
use crate::diag::{Failure, codes};
use crate::disk::{SystemDisk, replace_text};
use crate::driver::Choice;
use crate::source::{Source, Sources};
use crate::train::RunFolder;

/// What a run writes under names of its own.
const RUN_FILES: [&str; 6] =
    [RunFolder::PROGRAM, RunFolder::METRICS, RunFolder::CHECKPOINTS, RunFolder::LOCK, RunFolder::LOG, OPTIONS];
/// How the run was made.
const OPTIONS: &str = "run.json";

/// Refuses a program that uses a file of which a run could keep no copy. Asked before the run's folder is made.
///
/// # Errors
/// A used file with the name of one that the run itself writes.
pub fn check_names(sources: &Sources) -> Result<(), Failure> {
    let plain = |name: &str| Path::new(name).components().filter(|c| *c != Component::CurDir).collect::<PathBuf>();
    let taken = |name: &str| RUN_FILES.iter().any(|own| plain(name) == Path::new(own));
    match used(sources).find(|source| taken(&source.name)) {
        None => Ok(()),
        Some(source) => {
            let message = format!("the program uses {}, and a run writes a file of that name", source.name);
            let help = "rename the used file: a run keeps a copy of it beside its own files";
            Err(Failure::new(codes::CANNOT_WRITE, message, help))
        }
    }
}

/// How a run was made.
pub struct Made {
    /// The model, and the values that are not in the program's text.
    pub choice: Choice,
    /// How much memory a step may take.
    pub memory: Memory,
}

/// Writes what `folder` keeps beside the program's own text. `set` are the values that are not in that text.
///
/// # Errors
/// A file that cannot be written.
pub fn keep(folder: &RunFolder, sources: &Sources, set: &[String], model: &str, memory: Memory) -> Result<(), Failure> {
    copy_used(folder.path(), sources)?;
    let path = folder.path().join(OPTIONS);
    let options = json!({ "model": model, "set": set, "memory": memory.name() });
    replace_text(&SystemDisk, &path, &format!("{options:#}\n")).map_err(|e| Failure::unwritten(&path, &e))
}

/// Writes the files that a program uses into a folder.
///
/// # Errors
/// A file that cannot be written.
pub fn copy_used(folder: &Path, sources: &Sources) -> Result<(), Failure> {
    for source in used(sources) {
        let path = folder.join(&source.name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| replace_text(&SystemDisk, &path, &source.text))
            .map_err(|e| Failure::unwritten(&path, &e))?;
    }
    Ok(())
}

/// How a run was made.
///
/// # Errors
/// A file that is missing or damaged.
pub fn recall(folder: &RunFolder) -> Result<Made, Failure> {
    let path = folder.path().join(OPTIONS);
    let text = fs::read_to_string(&path).map_err(|e| unread(&path, &e))?;
    let damaged = || {
        let message = format!("{} does not say how the run was made", path.display());
        Failure::new(codes::CANNOT_READ, message, "restore the file, or train again")
    };
    let options: Value = serde_json::from_str(&text).map_err(|_| damaged())?;
    let model = options["model"].as_str().ok_or_else(damaged)?.to_owned();
    let sets = options["set"].as_array().ok_or_else(damaged)?;
    let sets = sets.iter().map(|set| set.as_str().map(str::to_owned).ok_or_else(damaged)).collect::<Result<_, _>>()?;
    // Runs of older versions do not say.
    let memory = match &options["memory"] {
        Value::Null => Memory::Normal,
        name => [Memory::Normal, Memory::Low].into_iter().find(|m| name == m.name()).ok_or_else(damaged)?,
    };
    Ok(Made { choice: Choice { model: Some(model), sets }, memory })
}

/// The files beside the program.
fn used(sources: &Sources) -> impl Iterator<Item = &Source> {
    sources.iter().map(|(_, source)| source).filter(|source| source.beside)
}

fn unread(path: &Path, error: &io::Error) -> Failure {
    let help = "name the folder of a run, as `sdc train` prints it, and check its permissions";
    Failure::new(codes::CANNOT_READ, format!("{} cannot be read: {error}", path.display()), help)
}
