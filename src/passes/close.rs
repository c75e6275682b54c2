//! What a closed gate leaves out: the graph says where a value is 0 because a gate is.
//!
//! A factor that a gate makes 0 by its equation makes 0 of a branch; going back, of every gradient that comes through
//! the factor. What follows by sums and products is 0 as well, up to the places where it meets something else: the sum
//! with the shortcut, forward and backward, and the gradients that are handed out. There an [`Op::Gated`] makes it
//! exactly 0, even where the branch would be infinite or not a number: a branch behind a closed gate counts as not
//! computed. Nothing else reads the branch, so an engine may pass over it (`fuse`).
//!
//! Absences: no layer or rule by name; gates of finer levels than the batch (they close one image, and a batch
//! normalisation in the branch still needs all).

use std::collections::BTreeMap;

use crate::graph::op::{GateRef, Op};
use crate::graph::{Compiler, Graph, LuminalGraph, NodeId, ToIdsMut};
use crate::net::Activation;

/// Puts [`Op::Gated`] wherever a value that a gate makes 0 is read by one that it does not make 0.
///
/// Before: a graph with its gradients, without an optimizer. After: the same numbers, where all are finite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Close;

impl Compiler for Close {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, close);
    }
}

fn close(graph: &mut Graph) {
    let order = graph.nodes();
    let mut zeros: BTreeMap<NodeId, Vec<GateRef>> = BTreeMap::new();
    for &id in &order {
        let inputs: Vec<_> = graph.inputs(id).iter().map(|input| zeros[input].as_slice()).collect();
        let zero = zero(&graph.node(id).op, &inputs);
        zeros.insert(id, zero);
    }
    for &id in order.iter().filter(|id| !zeros[id].is_empty()) {
        // Readers that leave the same gates share a node.
        let mut exits: Vec<(Vec<GateRef>, Vec<NodeId>)> = Vec::new();
        for reader in graph.consumers(id) {
            let gates = without(&zeros[&id], &zeros[&reader]);
            match exits.iter_mut().find(|(known, _)| *known == gates) {
                _ if gates.is_empty() => {}
                Some((_, readers)) => readers.push(reader),
                None => exits.push((gates, vec![reader])),
            }
        }
        for (gates, readers) in exits {
            let clock = super::clock(graph);
            let node = graph.node(id);
            let (phase, layer, span) = (node.phase, node.layer.clone(), node.span);
            let gated = graph.add_in(phase, Op::Gated { gates }, &[id, clock], layer, span);
            readers.into_iter().for_each(|reader| graph.redirect(reader, id, gated));
        }
    }
}

/// The gates any of whose 0 makes the result 0, given those of the inputs.
fn zero(op: &Op, inputs: &[&[GateRef]]) -> Vec<GateRef> {
    match op {
        // Products.
        Op::Conv(_) | Op::ConvToInput { .. } | Op::ConvToWeight(_) | Op::Mul => union(inputs[0], inputs[1]),
        Op::Scale(scale) => union(inputs[0], scale.gate().as_slice()),
        Op::Gated { gates } => union(inputs[0], gates),
        // Sums, and rows that lie side by side.
        Op::AddChannel | Op::Add | Op::Concat => common(inputs.iter().copied()),
        // Linear in the gradient, and in the two sums over it.
        Op::BatchNormToInput { .. } => common([inputs[0], inputs[5], inputs[6]]),
        // Linear in the first input, or 0 at 0.
        Op::SumChannel
        | Op::BatchNormToScale { .. }
        | Op::Act(Activation::Relu | Activation::LeakyRelu { .. } | Activation::Silu)
        | Op::ActBack(_)
        | Op::ScaleConst { .. }
        | Op::SumPixels
        | Op::AvgPool(_)
        | Op::AvgPoolBack { .. }
        | Op::MaxPool(_)
        | Op::MaxPoolBack(_)
        | Op::GlobalAvgPool
        | Op::GlobalAvgPoolBack { .. }
        | Op::PadChannels { .. }
        | Op::SliceChannels { .. }
        | Op::Subsample { .. }
        | Op::SubsampleBack { .. }
        | Op::Shift { .. }
        | Op::Reshape { .. } => inputs[0].to_vec(),
        // Not 0 at 0; a batch's statistics read the same node as what they normalise.
        Op::ChannelMean
        | Op::ChannelVariance
        | Op::BatchNorm { .. }
        | Op::Act(Activation::Sigmoid)
        | Op::Running { .. }
        | Op::CrossEntropy { .. }
        | Op::CrossEntropyBack { .. }
        | Op::Update(_)
        | Op::Output(_) => Vec::new(),
        // Sources.
        Op::Image | Op::Target | Op::Clock | Op::Rate | Op::Parameter { .. } | Op::Memory { .. } => Vec::new(),
    }
}

fn union(a: &[GateRef], b: &[GateRef]) -> Vec<GateRef> {
    [a, &without(b, a)].concat()
}

fn common<'a>(sets: impl IntoIterator<Item = &'a [GateRef]>) -> Vec<GateRef> {
    let mut sets = sets.into_iter();
    let first = sets.next().unwrap_or_default().to_vec();
    sets.fold(first, |so_far, set| so_far.into_iter().filter(|gate| set.contains(gate)).collect())
}

fn without(a: &[GateRef], b: &[GateRef]) -> Vec<GateRef> {
    a.iter().filter(|gate| !b.contains(gate)).cloned().collect()
}
