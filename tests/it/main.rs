//! The one test binary, a file an area; `tests/README.md` says what is where.

mod bombs;
mod changes;
mod cli;
mod config;
mod cpu;
mod data;
mod elaborate;
mod graph;
mod hand;
mod mistakes;
mod net;
mod pipeline;
mod program;
mod stdlib;
mod support;
mod syntax;
mod tidy;
mod train;
