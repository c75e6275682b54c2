//! The one test binary, a file an area; `tests/README.md` says what is where.

mod bench;
mod bombs;
mod changes;
mod cli;
mod config;
mod counts;
mod cpu;
mod data;
mod elaborate;
mod explain;
mod fuzz;
mod graph;
mod hand;
mod mistakes;
mod mistakes_planted;
mod mutate;
mod net;
mod pipeline;
mod program;
mod rules;
mod skip;
mod stdlib;
mod support;
mod syntax;
mod tidy;
mod train;
