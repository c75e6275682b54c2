//! Whether an element-wise value is worth its memory.
//!
//! One that L buffers make up and that c kernels read costs c L reads where each reader computes it again, and L reads, one
//! write and c reads where it is kept. Draws that differ from element to element are made once, and so is what takes many
//! operations: kernels that each compute all of a long chain would grow with its square.

/// Readers that are enough for a value to be kept in any case.
pub const MANY_READERS: usize = 16;

/// Operations from which on a value with several readers is kept, however little memory its making reads.
const LONG: usize = 32;

/// Whether `readers` kernels find a value in memory that `loads` buffers make up by `operations` operations, of which
/// `is_dear` says that none is to be computed twice.
pub fn is_worth_keeping(readers: usize, loads: usize, operations: usize, is_dear: bool) -> bool {
    readers > 1 && (is_dear || operations > LONG || readers * loads > loads + 1 + readers)
}
