//! The integration tests: one binary, a file an area.

mod bombs;
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
mod train;
