//! Passes over the graph, one a file, and the one list of their order.
//!
//! Each is a luminal compiler, so that a pass of the library's user goes between them by the same means:
//! `graph.luminal.compile((Differentiate, MyPass, Update { sgd }, Sweep), ())`.

mod close;
mod sweep;
mod update;

pub use close::Close;
pub use sweep::Sweep;
pub use update::Update;

use crate::grad::Differentiate;
use crate::graph::Graph;
use crate::net::Recipe;

/// What a lowered training graph goes through: gradients, what closed gates leave out, the optimizer's step, what
/// nothing reads.
pub fn training(graph: &mut Graph, recipe: &Recipe) {
    graph.luminal.compile((Differentiate, Close, Update { sgd: recipe.optimizer.clone() }, Sweep), ());
    debug_assert_eq!(graph.verify(), Ok(()));
}
