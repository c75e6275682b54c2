//! What goes wrong outside the text: with files, data and runs. One at a time, and without a place in a source.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::{Code, codes};

/// A run that cannot go on.
///
/// Invariants: as for [`Problem`](super::Problem): `message` is one sentence without a final full stop, `help` says
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable name, with a page of its own.
    pub code: Code,
    /// What is wrong, and with which file.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl Failure {
    /// A failure.
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Failure { code, message: message.into(), help: help.into() }
    }

    /// A file or folder that cannot be written, removed or made.
    pub fn unwritten(path: &Path, error: &io::Error) -> Self {
        let help = match error.kind() {
            ErrorKind::AlreadyExists => "nothing that is there is written over: name a place that is not there yet",
            ErrorKind::NotFound => "make the folder first, or name another place",
            ErrorKind::NotADirectory => "a file stands where a folder is needed: name another place",
            ErrorKind::IsADirectory => "a folder stands where a file is needed: name another place",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "change the permissions there, or name another place"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room there, or name another place",
            _ => "make room or change permissions there, or name another place",
        };
        Failure::new(codes::CANNOT_WRITE, format!("{} cannot be written: {error}", path.display()), help)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.code, self.message, self.help)
    }
}

impl std::error::Error for Failure {}
