//! Kernels to a target's text: pure functions, no driver, no file.

pub mod abi;
pub mod clif;
