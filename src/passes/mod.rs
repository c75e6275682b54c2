//! Passes over the graph, one a file, and the one list of their order.
//!
//! Each is a luminal compiler, so that a pass of the library's user goes between them by the same means:
//! `graph.luminal.compile((Differentiate, MyPass, Update { optimizer }, Sweep), ())`.

mod close;
mod sweep;
mod update;

pub use close::Close;
pub use sweep::Sweep;
pub use update::Update;

use crate::grad::Differentiate;
use crate::graph::op::{Op, Type};
use crate::graph::{Graph, NodeId, Phase};
use crate::net::{Path, Recipe};

/// What a lowered training graph goes through: gradients, what closed gates leave out, the optimizer's step, what
/// nothing reads.
pub fn training(graph: &mut Graph, recipe: &Recipe) {
    graph.luminal.compile((Differentiate, Close, Update { optimizer: recipe.optimizer.clone() }, Sweep), ());
    debug_assert_eq!(graph.verify(), Ok(()));
}

/// The one clock of the graph.
fn clock(graph: &mut Graph) -> NodeId {
    let clock = graph.find_source(&Op::Clock);
    clock.unwrap_or_else(|| graph.source(Phase::Forward, Op::Clock, Type::fixed(&[4]), Path::root(), None))
}
