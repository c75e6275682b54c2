//! A graph to a plan: which values are kept, which are computed where they are read, and which kernels that makes.
//!
//! 1. [`persistent()`] lays out what outlives a step, once for all plans of a network.
//! 2. `values` says where each value is found. `decide`: which nodes are stored. Contractions and reductions always are; an
//!    element-wise value is computed again by each reader where that moves less memory than keeping it. `in_place`: which
//!    of them take the place of what they are made of. `stand_in`: which need not be read while a gate is open.
//! 3. `schedule` turns nodes into pieces of kernels in the graph's order. A piece (`piece`) joins the kernel that made the
//!    last of what it reads, as part of the map or as a contraction's epilogue, or a map that goes over the same memory;
//!    an element-wise value that a contraction reads becomes its prologue.
//! 4. `need` says behind which gates a value matters, so that a kernel that only serves branches behind a closed gate
//!    does not run. A piece that matters without them never joins such a kernel, but where the branch ends (`rejoin`);
//!    `close` sets the gradients that such kernels leave out to 0.
//! 5. `expression` holds a row an operation: its equation as an expression at one point. `update` holds those of the
//!    optimizer, whose kernels run last.
//!
//! Absences: no rule, layer or family is known here by name; no target.

mod close;
mod decide;
mod expression;
mod in_place;
mod need;
mod persistent;
mod piece;
mod rejoin;
mod schedule;
mod stand_in;
mod update;
mod values;

pub use persistent::{Persistent, persistent};

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::kernel::Plan;
use values::Values;

/// What a plan may do for the sake of speed, none of which changes what it means.
#[derive(Clone, Copy)]
struct Ways {
    /// Kernels that only serve branches behind a closed gate do not run.
    skips: bool,
    /// Values are computed where they are read, and kernels joined.
    fuses: bool,
}

/// The plan of a graph for at most `batch` images, over what `persistent` lays out.
///
/// # Panics
/// Where the graph does not [verify](Graph::verify), or reads a parameter that `persistent` lacks.
pub fn plan(graph: &Graph, persistent: &Persistent, batch: usize) -> Plan {
    planned(graph, Ways { skips: true, fuses: true }, persistent, batch)
}

/// As [`plan`], but every kernel runs in every step: what a plan that passes over closed branches is measured against.
///
/// # Panics
/// As [`plan`].
pub fn plan_in_full(graph: &Graph, persistent: &Persistent, batch: usize) -> Plan {
    planned(graph, Ways { skips: false, fuses: true }, persistent, batch)
}

/// As [`plan_in_full`], but every value lies in memory and has a kernel of its own: what fused plans are measured against.
///
/// # Panics
/// As [`plan`].
pub fn plan_apart(graph: &Graph, persistent: &Persistent, batch: usize) -> Plan {
    planned(graph, Ways { skips: false, fuses: false }, persistent, batch)
}

fn planned(graph: &Graph, ways: Ways, persistent: &Persistent, batch: usize) -> Plan {
    let values = if ways.fuses { Values::fused(graph) } else { Values::apart(graph) };
    let needs = if ways.skips { need::needs(graph) } else { BTreeMap::new() };
    let plan = schedule::schedule(graph, &values, needs, persistent, batch);
    debug_assert_eq!(plan.verify(), Ok(()));
    plan
}
