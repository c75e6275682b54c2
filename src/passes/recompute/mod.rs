//! Less memory for more work: values of the forward pass that are not kept are computed again when the backward pass
//! comes to them (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 4).
//!
//! A clone computes what its original computed, from equal inputs, with the same draws; so every number of a step
//! stays the same, to the bit. Statistics of batches are small and kept. `choice` says what is dropped, by memory and
//! cost alone; `clones` says what that makes necessary, and `sketch` what memory it takes.
//!
//! Absences: no family, layer or rule by name; the batch's size, with which all feature maps grow alike.

mod choice;
mod clones;
mod sketch;

use self::clones::Clones;
use self::sketch::Sketch;
use crate::graph::op::{Op, Statistics};
use crate::graph::{Compiler, Graph, LuminalGraph, NodeId, Phase, ToIdsMut};

/// Lets the backward pass read clones of what takes much memory and little time.
///
/// Before: a graph with its gradients. After: the same numbers; nodes of [`Phase::Again`], each placed right before the
/// first that reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recompute;

impl Compiler for Recompute {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, |graph| {
            let sketch = Sketch::of(graph);
            add(graph, &sketch, &choice::choose(&sketch));
        });
    }
}

/// Clones get higher numbers than all other nodes, so they come when nothing else can be done (see [`Graph::nodes`]).
fn add(graph: &mut Graph, sketch: &Sketch, clones: &Clones) {
    let mut ids: Vec<NodeId> = sketch.values.iter().map(|value| value.id).collect();
    for (original, inputs) in &clones.made {
        let from = graph.node(ids[*original]);
        let (op, layer, span) = (again(&from.op), from.layer.clone(), from.span);
        let mut all = graph.inputs(ids[*original]);
        for (&before, &now) in sketch.values[*original].inputs.iter().zip(inputs) {
            all.iter_mut().filter(|id| **id == ids[before]).for_each(|id| *id = ids[now]);
        }
        ids.push(graph.add_in(Phase::Again, op, &all, layer, span));
    }
    for (&(reader, from), &to) in &clones.redirected {
        let read = graph.inputs(ids[reader]);
        // A relu's mask is read from the value before the relu, and may now be read from the one after it.
        let from = if read.contains(&ids[from]) { ids[from] } else { graph.inputs(ids[from])[0] };
        graph.redirect(ids[reader], from, ids[to]);
    }
    for &(clone, reader) in &clones.before {
        graph.precede(ids[clone], ids[reader]);
    }
}

/// The operation of a clone.
fn again(op: &Op) -> Op {
    match op {
        Op::BatchNorm { eps, statistics: Statistics::Batch } => {
            Op::BatchNorm { eps: *eps, statistics: Statistics::Taken }
        }
        op => op.clone(),
    }
}
