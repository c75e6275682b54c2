//! Text to tree. Absence: no layer, rule or option is known here by name.

pub mod tree;

/// The deepest nesting of any kind that a program may have.
pub const MAX_NESTING: usize = 128;
