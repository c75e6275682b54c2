//! The integration tests: one binary, a file an area.

mod cpu;
mod data;
mod graph;
mod hand;
mod net;
