//! The pipeline on one page: which stage follows which, and what each needs.
//!
//! A [`Session`] holds what outlives every stage, the texts and the problems. Each function here takes a program one
//! stage further and returns that stage's noun; where a stage leaves errors, the next does not run.
//!
//! ```text
//! read → parse → …
//! ```
//!
//! Absence: no analysis; a stage that needs a decision makes it itself.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::diag::{Problem, Problems, codes};
use crate::source::{DiskLoader, LoadError, MAX_SOURCE_BYTES, SourceId, Sources, Span};
use crate::syntax::{self, tree};

/// Where a program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input, on the command line `-`.
    Stdin,
}

impl Input {
    /// As a person names it on the command line.
    pub fn named(name: &Path) -> Self {
        if name == Path::new("-") { Input::Stdin } else { Input::File(name.to_owned()) }
    }

    /// The name under which problems show it.
    pub fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Stdin => "<stdin>".to_owned(),
        }
    }

    /// The folder in which `use "…"` looks: the file's own, or the current one.
    pub fn folder(&self) -> &Path {
        let parent = match self {
            Input::File(path) => path.parent(),
            Input::Stdin => None,
        };
        parent.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn read(&self) -> Result<String, LoadError> {
        match self {
            Input::File(path) => DiskLoader::read(path),
            Input::Stdin => {
                let mut bytes = Vec::new();
                let limit = MAX_SOURCE_BYTES as u64 + 1;
                std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(|e| LoadError::Io(e.to_string()))?;
                if bytes.len() > MAX_SOURCE_BYTES {
                    return Err(LoadError::TooLarge);
                }
                String::from_utf8(bytes).map_err(|_| LoadError::NotText)
            }
        }
    }
}

/// What outlives every stage of one compilation.
#[derive(Debug, Default)]
pub struct Session {
    /// Every text.
    pub sources: Sources,
    /// Everything that is wrong.
    pub problems: Problems,
}

/// Reads and parses a program; `None` where it cannot be read.
pub fn parse_file(session: &mut Session, input: &Input) -> Option<tree::File> {
    let source = read(session, input)?;
    Some(syntax::parse(source, &session.sources.get(source).text, &mut session.problems))
}

fn read(session: &mut Session, input: &Input) -> Option<SourceId> {
    match input.read() {
        Ok(text) => Some(session.sources.add(input.name(), text)),
        Err(error) => {
            let source = session.sources.add(input.name(), "");
            session.problems.push(unreadable(Span::new(source, 0, 0), &input.name(), &error));
            None
        }
    }
}

fn unreadable(at: Span, name: &str, error: &LoadError) -> Problem {
    let (code, what, help) = match error {
        LoadError::Missing => (codes::CANNOT_READ, "does not exist".to_owned(), "check the path"),
        LoadError::Outside => {
            (codes::CANNOT_READ, "is outside the program's folder".to_owned(), "move it beside the program")
        }
        LoadError::NotAFile => {
            (codes::CANNOT_READ, "is not a regular file".to_owned(), "name a file, or `-` to read standard input")
        }
        LoadError::TooLarge => (
            codes::TOO_LARGE,
            "is larger than 1 MiB".to_owned(),
            "split the program into several files and join them with `use \"…\".{…}`",
        ),
        LoadError::NotText => (codes::CANNOT_READ, "is not UTF-8 text".to_owned(), "save it as UTF-8"),
        LoadError::Io(words) => {
            (codes::CANNOT_READ, format!("cannot be read: {words}"), "check the path and its permissions")
        }
    };
    Problem::error(code, at, format!("`{name}` {what}"), help)
}
