//! Network to graph: each layer becomes a few operations under its path and span.
//!
//! For training, the graph takes images and targets to the loss and the logits, with new values of the running
//! statistics; `grad` and `passes` add the rest. For test it takes images to the logits, rules having become their
//! test-time factors.
//!
//! Absences: no gradients, no optimizer, no optimisation. The network is verified, so nothing here can fail.

mod layer;
mod residual;

use crate::graph::op::{GateRef, Op, Output, Type};
use crate::graph::{Graph, MAX_INPUTS, NodeId, Phase};
use crate::net::recipe::Loss;
use crate::net::{Concat, Gate, Network, Node, Path};
use crate::source::Span;

/// What a graph is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Draws, the batch's statistics, a loss.
    Train {
        /// What is minimised.
        loss: Loss,
    },
    /// Expected factors, running statistics, no loss.
    Test,
}

/// The network as a graph; outputs are [`Output::Logits`] and, for training, [`Output::Loss`] and one
/// [`Output::Parameter`] a running statistic.
pub fn lower(network: &Network, mode: Mode) -> Graph {
    let mut lowering = Lowering { graph: Graph::new(), mode, clock: None, gates: Vec::new() };
    let input = network.input;
    let ty = Type::feature(input.channels, input.height, input.width);
    let image = lowering.graph.source(Phase::Forward, Op::Image, ty, Path::root(), None);
    let logits = lowering.body(&network.body, image);
    lowering.output(Phase::Forward, Output::Logits, logits);
    if let Mode::Train { loss } = mode {
        lowering.loss(loss, logits);
    }
    debug_assert_eq!(lowering.graph.verify(), Ok(()));
    lowering.graph
}

struct Lowering {
    graph: Graph,
    mode: Mode,
    /// The clock, once something has drawn.
    clock: Option<NodeId>,
    /// The gates of the branches around, outermost first.
    gates: Vec<GateRef>,
}

impl Lowering {
    fn body(&mut self, body: &[Node], x: NodeId) -> NodeId {
        body.iter().fold(x, |x, node| match node {
            Node::Layer(layer) => self.layer(layer, x),
            Node::Group(group) => self.body(&group.body, x),
            Node::Residual(residual) => self.residual(residual, x),
            Node::Concat(concat) => self.concat(concat, x),
            Node::Gate(gate) => self.gate(gate, x),
        })
    }

    fn concat(&mut self, concat: &Concat, x: NodeId) -> NodeId {
        let mut parts: Vec<_> = concat.arms.iter().map(|arm| self.body(&arm.body, x)).collect();
        while parts.len() > 1 {
            let join = |some: &[NodeId]| self.graph.add(Op::Concat, some, concat.path.clone(), Some(concat.span));
            parts = parts.chunks(MAX_INPUTS).map(join).collect();
        }
        parts[0]
    }

    fn gate(&mut self, gate: &Gate, x: NodeId) -> NodeId {
        let factor = self.body(&gate.arm.body, x);
        self.graph.add(Op::Mul, &[x, factor], gate.path.clone(), Some(gate.span))
    }

    fn loss(&mut self, loss: Loss, logits: NodeId) {
        let layer = || Path::from("loss");
        let ty = self.graph.node(logits).ty.clone();
        let target = self.graph.source(Phase::Forward, Op::Target, ty, layer(), None);
        let op = Op::CrossEntropy { smoothing: loss.smoothing };
        let loss = self.graph.add(op, &[logits, target], layer(), None);
        self.output(Phase::Forward, Output::Loss, loss);
    }

    fn output(&mut self, phase: Phase, name: Output, value: NodeId) {
        let (layer, span): (Path, Option<Span>) = (self.graph.node(value).layer.clone(), self.graph.node(value).span);
        self.graph.add_in(phase, Op::Output(name), &[value], layer, span);
    }

    /// The one clock of the graph.
    fn clock(&mut self) -> NodeId {
        let graph = &mut self.graph;
        let new = || graph.source(Phase::Forward, Op::Clock, Type::fixed(&[4]), Path::root(), None);
        *self.clock.get_or_insert_with(new)
    }
}
