//! `sdc`: the compiler for residual networks with stochastic regularizers.

pub mod cli;
pub mod codegen;
pub mod data;
pub mod device;
pub mod diag;
pub mod driver;
pub mod elaborate;
pub mod fuse;
pub mod grad;
pub mod graph;
pub mod kernel;
pub mod lower;
pub mod net;
pub mod num;
pub mod passes;
pub mod resolve;
pub mod source;
pub mod stdlib;
pub mod syntax;
pub mod train;
pub mod typing;
