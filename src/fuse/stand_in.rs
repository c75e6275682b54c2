//! Values that are another one wherever a gate is open.
//!
//! ShakeDrop scales the gradient of a branch by b + (1 - b) beta: 1 while the gate b is open, so that the branch may read
//! the gradient of the sum itself. What is kept of the product then need only be there where the gate is closed. That is
//! read off the equation as it folds once the gate is known, so it holds bit by bit, for any rule.

use std::collections::BTreeMap;

use super::decide::{Kind, kind, operands};
use super::schedule::Schedule;
use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::kernel::{Draw, Expr, Target};

/// What a value is while a gate is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandIn {
    /// The other value, which is stored.
    pub(super) node: NodeId,
    /// The gate: a draw that is one number a task.
    pub(super) gate: Draw,
}

impl Schedule<'_> {
    /// Looks for what may be read in a stored node's stead, and keeps it for all that read the node.
    pub(super) fn find_stand_in(&mut self, id: NodeId) {
        let Op::Scale(_) = self.graph.node(id).op else { return };
        let node = self.graph.inputs(id)[0];
        let Some(buffer) = self.buffers.get(&node).copied() else { return };
        if !self.fuses || !self.is_read_by_maps(id) {
            return;
        }
        let mut e = self.expressions(String::new(), self.domain(id), BTreeMap::new());
        let value = e.computed(id);
        e.map.store(Target::Tile, value);
        let map = e.map.finish();
        let is_other = |gate: &Draw| {
            let open = map.specialised(*gate, 1.0);
            matches!(open.expr(open.stores[0].value), Expr::Load { buffer: other, .. } if *other == buffer)
        };
        let draws = map.exprs.iter().filter_map(|expr| if let Expr::Draw(draw) = expr { Some(*draw) } else { None });
        if let Some(gate) = draws.filter(Draw::splits_tasks).find(is_other) {
            self.stand_ins.insert(id, StandIn { node, gate });
        }
    }

    /// Whether all that reads a node does so in maps, at its own point.
    fn is_read_by_maps(&self, id: NodeId) -> bool {
        let readers = self.graph.consumers(id);
        readers.into_iter().filter(|reader| operands(self.graph, *reader).contains(&id)).all(|reader| {
            matches!(kind(&self.graph.node(reader).op), Kind::Pointwise | Kind::OverPixels | Kind::OverBatch)
        })
    }
}
