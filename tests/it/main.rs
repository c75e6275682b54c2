//! The one test binary; `tests/README.md` says what is where.

mod cli;
mod support;
mod syntax;
mod tidy;
