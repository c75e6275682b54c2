//! Kernels: what a machine runs. Loop nests over scalar expressions, contractions with a prologue and an epilogue, and
//! the plan that puts them in order over one arena.
//!
//! Every feature map lies as `[N][C/16][H][W][16]`, its last block of channels padded with zeros: one vector, one cache
//! line. A vector a channel lies as `[C/16][16]`, padded the same way. Absences: no graph, no target's text, no driver.

mod contraction;
mod expr;
mod map;
mod place;
mod plan;
mod print;
mod when;
mod work;

pub use contraction::{Contraction, Operand, Pass, Sizes};
pub use expr::{Axes, Axis, Binary, Distribution, Draw, Expr, Gather, Param, Place, ReduceOp, Unary, Value};
pub use map::{Domain, MAX_GATES, Map, MapBuilder, Store, Target};
pub use place::Room;
pub use plan::{Body, Buffer, BufferId, Kernel, Lifetime, Plan, Size, Slot};
pub use when::{When, all_among, meet};
pub use work::Work;

/// Channels that lie together: a cache line of f32.
pub const BLOCK: usize = 16;

/// Blocks that hold so many channels.
pub const fn blocks(channels: usize) -> usize {
    channels.div_ceil(BLOCK)
}

/// Channels rounded up to whole blocks.
pub const fn padded(channels: usize) -> usize {
    blocks(channels) * BLOCK
}
