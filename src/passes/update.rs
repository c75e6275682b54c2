//! The optimizer: stochastic gradient descent with momentum, as operations.

use crate::graph::op::{Op, Output, Type};
use crate::graph::{Compiler, Graph, LuminalGraph, NodeId, Phase, ToIdsMut};
use crate::net::recipe::{Exempt, Sgd};
use crate::net::{Path, Role};

/// Gives every parameter that has a gradient its new value and momentum.
///
/// Before: one [`Output::Gradient`] a trained parameter. After: also [`Output::Momentum`] and [`Output::Parameter`], by
/// one [`Op::SgdMomentum`] and one [`Op::SgdStep`] each, so that no node collects more inputs than luminal counts; the
/// gradients stay outputs. A parameter's first momentum is 0.
#[derive(Clone, Debug)]
pub struct Update {
    /// The optimizer.
    pub sgd: Sgd,
}

impl Compiler for Update {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, |graph| update(graph, &self.sgd));
    }
}

fn update(graph: &mut Graph, sgd: &Sgd) {
    let gradients = graph.outputs();
    let parameters = parameters(graph);
    let rate = graph.find_source(&Op::Rate);
    let rate = rate.unwrap_or_else(|| graph.source(Phase::Update, Op::Rate, Type::scalar(), Path::root(), None));
    for (weight, path, role) in parameters {
        let Some(&gradient) = gradients.get(&Output::Gradient(path.clone())) else { continue };
        let gradient = graph.inputs(gradient)[0];
        let span = graph.node(weight).span;
        let (momentum, decay, nesterov) = (sgd.momentum, decay(sgd, role), sgd.nesterov);

        let ty = graph.node(weight).ty.clone();
        let old = Op::Momentum { path: path.clone() };
        let old = graph.source(Phase::Update, old, ty, path.clone(), span);
        let mut add = |op, inputs: &[NodeId]| graph.add_in(Phase::Update, op, inputs, path.clone(), span);
        let new = add(Op::SgdMomentum { momentum, decay }, &[weight, gradient, old]);
        add(Op::Output(Output::Momentum(path.clone())), &[new]);
        let step = add(Op::SgdStep { momentum, decay, nesterov }, &[weight, gradient, new, rate]);
        add(Op::Output(Output::Parameter(path.clone())), &[step]);
    }
}

/// Every parameter, in the order of the graph.
fn parameters(graph: &Graph) -> Vec<(NodeId, Path, Role)> {
    let parameter = |id| match &graph.node(id).op {
        Op::Parameter { path, role } => Some((id, path.clone(), *role)),
        _ => None,
    };
    graph.nodes().into_iter().filter_map(parameter).collect()
}

/// The weight decay of a parameter in this role.
fn decay(sgd: &Sgd, role: Role) -> f64 {
    let exempt = match role {
        Role::Norm => sgd.exempt.contains(&Exempt::Norm),
        Role::Bias => sgd.exempt.contains(&Exempt::Bias),
        Role::Weight => false,
        Role::State => true,
    };
    if exempt { 0.0 } else { sgd.weight_decay }
}
