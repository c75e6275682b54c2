//! Removes what no output needs.

use std::collections::BTreeSet;

use crate::graph::op::Op;
use crate::graph::{Compiler, Graph, LuminalGraph, ToIdsMut};

/// Removes every node from which no output can be reached.
///
/// Before: any graph. After: each node but an output is read by another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweep;

impl Compiler for Sweep {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, sweep);
    }
}

fn sweep(graph: &mut Graph) {
    let order = graph.nodes();
    let mut needed = BTreeSet::new();
    for &id in order.iter().rev() {
        if needed.contains(&id) || matches!(graph.node(id).op, Op::Output(_)) {
            needed.insert(id);
            needed.extend(graph.inputs(id));
        }
    }
    order.into_iter().filter(|id| !needed.contains(id)).for_each(|id| graph.remove(id));
}
