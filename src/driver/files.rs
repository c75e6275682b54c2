//! Which programs the arguments of `sdc fmt` and `sdc test` name: files, and every `.sd` file under folders.

use std::path::{Path, PathBuf};

use super::Input;
use crate::diag::{Failure, codes};
use crate::train::RunFolder;

/// The deepest that folders are searched.
const MAX_DEPTH: usize = 32;

/// The programs that `names` mean, each once and folders in the order of their files' names. Folders and files whose
/// names begin with a dot are passed over, and so are links, which may lead in circles, and the folders of runs, whose
/// programs belong to their checkpoints and stay as they are.
///
/// # Errors
/// A name that nothing has, or a folder that cannot be read.
pub fn programs(names: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    for name in names {
        match Input::named(name) {
            Input::File(path) if path.is_dir() => search(&path, 0, &mut found)?,
            input => found.push(input),
        }
    }
    let mut seen = Vec::new();
    found.retain(|input| {
        let new = !seen.contains(input);
        if new {
            seen.push(input.clone());
        }
        new
    });
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Vec<Input>) -> Result<(), Failure> {
    let cannot = |e: std::io::Error| {
        let message = format!("the folder `{}` cannot be read: {e}", folder.display());
        Failure::new(codes::CANNOT_READ, message, "check its permissions, or name the files themselves")
    };
    if depth > MAX_DEPTH {
        let message = format!("the folder `{}` lies more than {MAX_DEPTH} folders deep", folder.display());
        return Err(Failure::new(codes::CANNOT_READ, message, "name a folder that is nearer to the programs"));
    }
    if RunFolder::is_at(folder) {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        entries.push((entry.file_name(), entry.file_type().map_err(cannot)?));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in entries.into_iter().filter(|(name, _)| !name.to_string_lossy().starts_with('.')) {
        // In the current folder a name stands for itself.
        let path = if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
        if kind.is_dir() {
            search(&path, depth + 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "sd") {
            found.push(Input::File(path));
        }
    }
    Ok(())
}
