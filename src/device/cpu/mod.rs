//! The CPU: an arena, persistent workers, maps compiled by Cranelift with their pixel loops in wider vectors where the
//! processor has them, contractions in compiled Rust.
//!
//! The same bits for any number of threads: tasks are cut by shape, write disjoint elements, and sums over the batch
//! are made in a fixed order.

#![allow(unsafe_code)]

mod arena;
mod contraction;
mod engine;
mod fence;
mod jit;
mod join;
mod pool;
mod simd;
mod workspace;

pub use engine::CpuEngine;
pub use fence::Side;
pub use jit::map_target;
