//! Kernels to a target's text: pure functions, no driver, no file.

pub mod abi;
mod cephes;
pub mod clif;
pub mod gpu;
pub mod wide;
