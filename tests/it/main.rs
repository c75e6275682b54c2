//! The integration tests: one binary, a file an area.

mod cpu;
mod graph;
mod mistakes;
mod net;
mod program;
mod stdlib;
