//! Passes over the graph, one a file, and the one list of their order.
//!
//! Each is a luminal compiler, so that a pass of the library's user goes between them by the same means:
//! `graph.luminal.compile((Differentiate, MyPass, Update { optimizer }, Sweep), ())`.

mod close;
mod recompute;
mod sweep;
mod update;

pub use close::Close;
pub use recompute::Recompute;
pub use sweep::Sweep;
pub use update::Update;

use crate::grad::Differentiate;
use crate::graph::op::{Op, Type};
use crate::graph::{Graph, NodeId, Phase};
use crate::net::{Path, Recipe};

/// How much memory a training step may take for the sake of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Footprint {
    /// What the backward pass reads is kept for it.
    #[default]
    Normal,
    /// What takes much memory and little time is computed again ([`Recompute`]); no number changes.
    Low,
}

/// What a lowered training graph goes through: gradients, what closed gates leave out, the optimizer's step, what is
/// computed again, what nothing reads.
pub fn training(graph: &mut Graph, recipe: &Recipe, footprint: Footprint) {
    graph.luminal.compile((Differentiate, Close, Update { optimizer: recipe.optimizer.clone() }), ());
    if footprint == Footprint::Low {
        graph.luminal.compile(Recompute, ());
    }
    graph.luminal.compile(Sweep, ());
    debug_assert_eq!(graph.verify(), Ok(()));
}

/// The one clock of the graph.
fn clock(graph: &mut Graph) -> NodeId {
    let clock = graph.find_source(&Op::Clock);
    clock.unwrap_or_else(|| graph.source(Phase::Forward, Op::Clock, Type::fixed(&[4]), Path::root(), None))
}
