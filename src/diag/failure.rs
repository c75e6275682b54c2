//! What goes wrong outside the text: with files, data and runs. One at a time, and without a place in a source.

use std::fmt;

use super::Code;

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
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.code, self.message, self.help)
    }
}

impl std::error::Error for Failure {}
