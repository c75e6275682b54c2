//! The graph: its meaning, gradients, updates, printer, and luminal's traps.

pub mod build;
mod gradients;
mod luminal;
mod meaning;
mod print;
mod rules;
mod size;
mod training;
