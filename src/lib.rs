//! `sdc`: the compiler for residual networks with stochastic regularizers.

pub mod codegen;
pub mod device;
pub mod diag;
pub mod graph;
pub mod kernel;
pub mod net;
pub mod num;
pub mod source;
pub mod syntax;
