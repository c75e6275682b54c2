//! The integration tests: one binary, a file an area.

mod cpu;
mod data;
mod graph;
mod hand;
mod mistakes;
mod net;
mod program;
mod stdlib;
mod train;
