//! `sdc`: the compiler for residual networks with stochastic regularizers.

pub mod cli;
pub mod device;
pub mod diag;
pub mod driver;
pub mod graph;
pub mod net;
pub mod num;
pub mod source;
pub mod syntax;
