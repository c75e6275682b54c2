//! The graph: our operations on luminal's graph. This module is luminal's only user.

pub mod op;
