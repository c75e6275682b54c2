//! The files of snapshots: their names, and insta's format, a header between two lines of `---` and the text.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Kind, Snapshot};
use crate::diag::{Failure, codes};
use crate::disk::{SystemDisk, replace_text};

/// `program.MODEL.KIND.snap` beside the program.
pub fn path(program: &Path, model: &str, kind: Kind) -> PathBuf {
    program.with_file_name(format!("{}.{model}.{}.snap", stem(program), kind.name()))
}

/// The file's own name.
pub fn name(program: &Path) -> String {
    program.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn stem(program: &Path) -> String {
    program.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Every snapshot that lies beside a program and bears its name, with its model and kind, in order.
pub fn beside(program: &Path) -> Result<Vec<(PathBuf, String, Kind)>, Failure> {
    let folder = program.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.", stem(program));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| cannot_read(folder, &e))? {
        let name = entry.map_err(|e| cannot_read(folder, &e))?.file_name().to_string_lossy().into_owned();
        let middle = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".snap"));
        let Some((model, kind)) = middle.and_then(|middle| middle.rsplit_once('.')) else { continue };
        if let Some(kind) = Kind::ALL.into_iter().find(|k| k.name() == kind) {
            found.push((program.with_file_name(&name), model.to_owned(), kind));
        }
    }
    found.sort();
    Ok(found)
}

/// The accepted text; none where there is no such file.
pub fn read(path: &Path) -> Result<Option<String>, Failure> {
    let whole = match std::fs::read_to_string(path) {
        Ok(whole) => whole.replace("\r\n", "\n"),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(cannot_read(path, &e)),
    };
    // The header ends at the second line of three strokes; a file without one is all text.
    let text = whole.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map(|(_, text)| text.to_owned());
    Ok(Some(text.unwrap_or(whole)))
}

/// Writes what is generated now, through a file beside it, so that the accepted text is never half of one.
pub fn write(snapshot: &Snapshot) -> Result<(), Failure> {
    let Snapshot { path, program, model, kind, text, .. } = snapshot;
    let whole = format!("---\nsource: {program}\nexpression: {} of {model}\n---\n{text}", kind.name());
    replace_text(&SystemDisk, path, &whole).map_err(|e| Failure::unwritten(path, &e))
}

pub fn remove(path: &Path) -> Result<(), Failure> {
    std::fs::remove_file(path).map_err(|e| Failure::unwritten(path, &e))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("`{}` cannot be read: {error}", path.display());
    Failure::new(codes::CANNOT_READ, message, "check the permissions of the snapshot and its folder")
}
