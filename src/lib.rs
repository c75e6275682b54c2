//! `sdc`: the compiler for residual networks with stochastic regularizers.

pub mod device;
pub mod diag;
pub mod elaborate;
pub mod graph;
pub mod net;
pub mod num;
pub mod resolve;
pub mod source;
pub mod stdlib;
pub mod syntax;
pub mod typing;
