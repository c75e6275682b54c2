//! The integration tests: one binary, a file an area.

mod hand;
mod net;
