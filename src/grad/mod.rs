//! Differentiation: a pass that adds to a training graph the gradient of the loss to each trained parameter.
//!
//! Reverse accumulation over the graph: nodes are visited from the loss backward, each when everything that reads it
//! has sent its share, and the row of its operation (`rows`) says what it sends to each of its inputs. The adjoint of
//! `x` is called `x_adj`. Only nodes that a trained parameter reaches get one.
//!
//! Absences: nothing here but one row knows stochastic rules; no second derivatives.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::op::{Op, Output};
use crate::graph::{Compiler, Graph, LuminalGraph, NodeId, Phase, ToIdsMut};
use crate::net::Role;

/// Adds [`Output::Gradient`] for every trained parameter that reaches [`Output::Loss`]. A graph without a loss stays as
/// it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Differentiate;

impl Compiler for Differentiate {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, differentiate);
    }
}

fn differentiate(graph: &mut Graph) {
    let Some(&output) = graph.outputs().get(&Output::Loss) else { return };
    let loss = graph.inputs(output)[0];
    let order = graph.nodes();
    let wanted = reached_by_parameters(graph, &order);
    let mut walk = Walk { graph, wanted, adjoints: BTreeMap::new() };
    walk.send_from_loss(loss);
    for &node in order.iter().rev() {
        if let Some(&adjoint) = walk.adjoints.get(&node) {
            walk.send_back(node, adjoint);
        }
    }
    walk.hand_out(&order);
}

/// The nodes whose value depends on a trained parameter.
fn reached_by_parameters(graph: &Graph, order: &[NodeId]) -> BTreeSet<NodeId> {
    let mut reached = BTreeSet::new();
    for &id in order {
        let depends = match &graph.node(id).op {
            Op::Parameter { role, .. } => *role != Role::State,
            _ => graph.inputs(id).iter().any(|input| reached.contains(input)),
        };
        if depends {
            reached.insert(id);
        }
    }
    reached
}

/// The backward walk: the graph that grows, and the adjoints so far.
struct Walk<'a> {
    graph: &'a mut Graph,
    wanted: BTreeSet<NodeId>,
    /// The sum of what the readers visited so far have sent.
    adjoints: BTreeMap<NodeId, NodeId>,
}

impl Walk<'_> {
    /// A node of the backward pass that belongs to the layer of `beside`, or to `beside` where that is a parameter.
    fn emit(&mut self, beside: NodeId, op: Op, inputs: &[NodeId]) -> NodeId {
        let node = self.graph.node(beside);
        let layer = match &node.op {
            Op::Parameter { path, .. } => path.clone(),
            _ => node.layer.clone(),
        };
        let span = node.span;
        self.graph.add_in(Phase::Backward, op, inputs, layer, span)
    }

    /// Sends what `op` makes of `inputs` from `node` to its input `to`, where that is wanted.
    fn send(&mut self, node: NodeId, to: NodeId, op: Op, inputs: &[NodeId]) {
        if self.wanted.contains(&to) {
            let is_parameter = matches!(self.graph.node(to).op, Op::Parameter { .. });
            let share = self.emit(if is_parameter { to } else { node }, op, inputs);
            self.pass_on(to, share);
        }
    }

    /// Adds a share to the adjoint of `to`, where that is wanted.
    fn pass_on(&mut self, to: NodeId, share: NodeId) {
        if self.wanted.contains(&to) {
            let sum = match self.adjoints.get(&to) {
                Some(&so_far) => self.emit(to, Op::Add, &[so_far, share]),
                None => share,
            };
            self.adjoints.insert(to, sum);
        }
    }

    /// Names the gradients, in the order of the parameters.
    fn hand_out(&mut self, order: &[NodeId]) {
        for &id in order {
            if let (Op::Parameter { path, .. }, Some(&adjoint)) = (&self.graph.node(id).op, self.adjoints.get(&id)) {
                self.emit(id, Op::Output(Output::Gradient(path.clone())), &[adjoint]);
            }
        }
    }
}
