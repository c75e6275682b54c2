//! Gradients of weights behind closed gates: 0, where the kernels that make them do not run.
//!
//! Weights of one branch lie side by side, so one kernel clears all that the optimizer treats alike.

use super::expression::draws;
use super::piece::Open;
use super::schedule::Schedule;
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};
use crate::kernel::{Buffer, BufferId, Domain, Draw, MapBuilder, Place, Size, Target, When};

/// What a node gates, where that is the gradient of a weight: no feature map, and read at the end of the step alone.
pub(super) fn gated_gradient(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let gated = matches!(graph.node(id).op, Op::Gated { .. }) && !graph.node(id).ty.batch;
    gated.then(|| graph.inputs(id)[0])
}

/// Gradients that lie side by side, under the same gates.
struct Region {
    first: NodeId,
    buffer: BufferId,
    gates: Vec<Draw>,
    start: usize,
    len: usize,
}

impl Schedule<'_> {
    /// Sets the gradients behind closed gates to 0. In a plan whose kernels all run it does what it does in every step.
    pub(super) fn close_gradients(&mut self) {
        for region in self.regions() {
            let Region { first, buffer, gates, start, len } = region;
            let Buffer { name, size, lifetime, .. } = self.plan.buffer(buffer);
            let view = if lifetime.is_in_region() && len > size.len(1) {
                self.placed(format!("{name} and what follows"), Size::Flat(len), *lifetime, start)
            } else {
                buffer
            };
            let mut map = MapBuilder::new(self.names[&first].clone(), Domain::Flat { len });
            let (when, value) = if self.skips() {
                (When::Closed(gates), map.constant(0.0))
            } else {
                let gradient = map.load(view, Place::Flat);
                (When::Always, map.while_open(&gates, gradient))
            };
            map.store(Target::Flat(view), value);
            self.kernels.push(Open::map(when, map));
        }
    }

    fn regions(&self) -> Vec<Region> {
        let gated = self.graph.nodes().into_iter().filter(|id| gated_gradient(self.graph, *id).is_some());
        let mut all: Vec<Region> = Vec::new();
        for id in gated {
            let Op::Gated { gates } = &self.graph.node(id).op else { unreachable!("a gated gradient is gated") };
            let (buffer, gates) = (self.buffers[&id], draws(gates));
            let at = self.plan.buffer(buffer);
            if !gates.is_empty() {
                all.push(Region { first: id, buffer, gates, start: at.offset, len: at.size.len(1) });
            }
        }
        // A stable sort: those without a place yet stay in the graph's order, each by itself.
        all.sort_by_key(|region| region.start);
        let mut joined: Vec<Region> = Vec::new();
        for region in all {
            let has_place = |region: &Region| self.plan.buffer(region.buffer).lifetime.is_in_region();
            match joined.last_mut() {
                Some(last)
                    if has_place(last)
                        && has_place(&region)
                        && last.start + last.len == region.start
                        && last.gates == region.gates =>
                {
                    last.len += region.len;
                }
                _ => joined.push(region),
            }
        }
        joined
    }
}
