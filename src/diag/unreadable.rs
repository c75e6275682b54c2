//! Why a source text could not be read, in words: for the program that a person names and for the files that it uses.

use super::{Problem, codes};
use crate::source::{LoadError, Span};

impl Problem {
    /// The text `name` that something at `at` asks for could not be read.
    pub fn unreadable(at: Span, name: &str, error: &LoadError) -> Problem {
        let (code, what, help) = match error {
            LoadError::Missing => (codes::CANNOT_READ, "does not exist".to_owned(), "check the path"),
            LoadError::Outside => (
                codes::CANNOT_READ,
                "leaves the program's own folder".to_owned(),
                "copy the file beside the program: `use` reads nothing outside its folder",
            ),
            LoadError::NotAFile => {
                (codes::CANNOT_READ, "is not a regular file".to_owned(), "name a file of text; `-` is standard input")
            }
            LoadError::TooLarge => (
                codes::TOO_LARGE,
                "is larger than 1 MiB".to_owned(),
                "split it into several files and join them with `use \"…\".{…}`",
            ),
            LoadError::NotText => (codes::CANNOT_READ, "is not UTF-8 text".to_owned(), "save it as UTF-8"),
            LoadError::Io(words) => {
                (codes::CANNOT_READ, format!("cannot be read: {words}"), "check the path and its permissions")
            }
        };
        Problem::error(code, at, format!("`{name}` {what}"), help)
    }
}
