//! Values that are another one wherever a gate is open.
//!
//! ShakeDrop scales the gradient of a branch by b + (1 - b) beta: 1 while the gate b is open, so that the branch may read
//! the gradient of the sum itself. What is kept of the product then need only be there where the gate is closed. That is
//! read off the equation as it folds once the gate is known, so it holds bit by bit, for any rule.

use std::collections::BTreeMap;

use super::decide::{Kind, kind, operands};
use super::expression::Expressions;
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};
use crate::kernel::{BufferId, Domain, Draw, Expr, MapBuilder, Place, Target};

/// What a value is while a gate is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandIn {
    /// The other value.
    pub(super) node: NodeId,
    /// The gate: a draw that is one number a task.
    pub(super) gate: Draw,
}

/// What may be read in a node's stead if both are stored, for each node of which there is such a value.
pub(super) fn stand_ins(graph: &Graph) -> BTreeMap<NodeId, StandIn> {
    let scaled = graph.nodes().into_iter().filter(|id| matches!(graph.node(*id).op, Op::Scale(_)));
    scaled.filter(|id| is_read_by_maps(graph, *id)).filter_map(|id| Some((id, stand_in(graph, id)?))).collect()
}

fn stand_in(graph: &Graph, id: NodeId) -> Option<StandIn> {
    let node = graph.inputs(id)[0];
    let mut map = MapBuilder::new("", Domain::Feature { channels: 1, height: 1, width: 1 });
    let other = Expr::Load { buffer: BufferId(0), at: Place::Point };
    let known = BTreeMap::from([(node, map.push(other.clone()))]);
    let nothing = BTreeMap::new();
    let mut e = Expressions { graph, buffers: &nothing, stand_ins: &BTreeMap::new(), map, known };
    let value = e.computed(id);
    e.map.store(Target::Tile, value);
    let map = e.map.finish();
    let is_other = |gate: &Draw| {
        let open = map.specialised(*gate, 1.0);
        *open.expr(open.stores[0].value) == other
    };
    let draws = map.exprs.iter().filter_map(|expr| if let Expr::Draw(draw) = expr { Some(*draw) } else { None });
    let gate = draws.filter(Draw::splits_tasks).find(is_other)?;
    Some(StandIn { node, gate })
}

/// Whether all that reads a node does so in maps, at its own point.
fn is_read_by_maps(graph: &Graph, id: NodeId) -> bool {
    let readers = graph.consumers(id);
    readers
        .into_iter()
        .filter(|reader| operands(graph, *reader).contains(&id))
        .all(|reader| matches!(kind(&graph.node(reader).op), Kind::Pointwise | Kind::OverPixels | Kind::OverBatch))
}
