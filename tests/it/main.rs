//! The integration tests: one binary, a file an area.

mod data;
mod hand;
mod net;
