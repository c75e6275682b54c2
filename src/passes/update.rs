//! The optimizer as operations: accumulation, clipping, the step, the moving average.

use crate::graph::op::{Op, Output, Type, UpdateOp};
use crate::graph::{Compiler, Graph, LuminalGraph, MAX_INPUTS, NodeId, Phase, ToIdsMut};
use crate::net::recipe::{Memory, Optimizer, UpdateRule};
use crate::net::{Path, Role};
use crate::source::Span;

/// Gives every parameter that has a gradient its new value, and what the optimizer keeps its new values.
///
/// Before: one [`Output::Gradient`] a trained parameter. After: also [`Output::Parameter`] for it and [`Output::Memory`]
/// for each thing that is kept of it, each by an operation of its own, so that no node collects more inputs
/// than luminal counts; the gradients stay outputs.
#[derive(Clone, Debug)]
pub struct Update {
    /// The optimizer.
    pub optimizer: Optimizer,
}

impl Compiler for Update {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, |graph| update(graph, &self.optimizer));
    }
}

/// A parameter with a gradient.
struct Trained {
    weight: NodeId,
    path: Path,
    role: Role,
    gradient: NodeId,
    span: Option<Span>,
}

fn update(graph: &mut Graph, optimizer: &Optimizer) {
    let mut trained = trained(graph);
    let rate = graph.find_source(&Op::Rate);
    let rate = rate.unwrap_or_else(|| graph.source(Phase::Update, Op::Rate, Type::scalar(), Path::root(), None));
    if optimizer.accumulate > 1 {
        trained.iter_mut().for_each(|one| one.gradient = one.gathered(graph, optimizer.accumulate));
    }
    if let Some(norm) = optimizer.clip {
        let gradients: Vec<NodeId> = trained.iter().map(|one| one.gradient).collect();
        let square =
            |some: &[NodeId]| graph.add_in(Phase::Update, Op::Update(UpdateOp::SquaredNorm), some, Path::root(), None);
        let squares: Vec<NodeId> = gradients.chunks(MAX_INPUTS).map(square).collect();
        for one in &mut trained {
            one.gradient =
                one.add(graph, Op::Update(UpdateOp::Clip { norm }), &[&[one.gradient], &squares[..]].concat());
        }
    }
    let mut values: Vec<(NodeId, Path, Option<Span>)> = statistics(graph);
    for one in &trained {
        let new = one.step(graph, optimizer, rate);
        let new = one.held(graph, optimizer.accumulate, new, one.weight);
        one.add(graph, Op::Output(Output::Parameter(one.path.clone())), &[new]);
        values.push((new, one.path.clone(), one.span));
    }
    if let Some(decay) = optimizer.average {
        values.into_iter().for_each(|value| average(graph, decay, optimizer.accumulate, value));
    }
}

impl Trained {
    fn add(&self, graph: &mut Graph, op: Op, inputs: &[NodeId]) -> NodeId {
        graph.add_in(Phase::Update, op, inputs, self.path.clone(), self.span)
    }

    /// What is kept of the parameter, before the step.
    fn memory(&self, graph: &mut Graph, memory: Memory) -> NodeId {
        source(graph, memory, self.weight, &self.path, self.span)
    }

    fn keep(&self, graph: &mut Graph, memory: Memory, new: NodeId) {
        self.add(graph, Op::Output(Output::Memory(memory, self.path.clone())), &[new]);
    }

    /// The mean of the group's gradients so far.
    fn gathered(&self, graph: &mut Graph, every: u32) -> NodeId {
        let (old, clock) = (self.memory(graph, Memory::Gathered), super::clock(graph));
        let new = self.add(graph, Op::Update(UpdateOp::Accumulate { every }), &[old, self.gradient, clock]);
        self.keep(graph, Memory::Gathered, new);
        new
    }

    /// `new` where the step ends a group, else `old`.
    fn held(&self, graph: &mut Graph, every: u32, new: NodeId, old: NodeId) -> NodeId {
        if every == 1 {
            return new;
        }
        let clock = super::clock(graph);
        self.add(graph, Op::Update(UpdateOp::Hold { every }), &[new, old, clock])
    }

    /// The weight after the update that this step would make; moments are kept.
    fn step(&self, graph: &mut Graph, optimizer: &Optimizer, rate: NodeId) -> NodeId {
        let (decay, every) = (optimizer.decay(&self.path, self.role), optimizer.accumulate);
        let &Trained { weight, gradient, .. } = self;
        let old = self.memory(graph, Memory::Momentum);
        match optimizer.rule {
            UpdateRule::Sgd { momentum, nesterov } => {
                let new =
                    self.add(graph, Op::Update(UpdateOp::SgdMomentum { momentum, decay }), &[weight, gradient, old]);
                let kept = self.held(graph, every, new, old);
                self.keep(graph, Memory::Momentum, kept);
                self.add(
                    graph,
                    Op::Update(UpdateOp::SgdStep { momentum, decay, nesterov }),
                    &[weight, gradient, new, rate],
                )
            }
            UpdateRule::AdamW { beta1, beta2, eps } => {
                let first =
                    self.add(graph, Op::Update(UpdateOp::Moment { beta: beta1, square: false }), &[old, gradient]);
                let old_square = self.memory(graph, Memory::Square);
                let second = self.add(
                    graph,
                    Op::Update(UpdateOp::Moment { beta: beta2, square: true }),
                    &[old_square, gradient],
                );
                for (memory, new, old) in [(Memory::Momentum, first, old), (Memory::Square, second, old_square)] {
                    let kept = self.held(graph, every, new, old);
                    self.keep(graph, memory, kept);
                }
                let clock = super::clock(graph);
                let step = Op::Update(UpdateOp::AdamStep { beta1, beta2, eps, decay, every });
                self.add(graph, step, &[weight, first, second, rate, clock])
            }
        }
    }
}

/// Keeps the moving average of a parameter or running statistic, whose value after the step is given.
fn average(graph: &mut Graph, decay: f64, every: u32, (new, path, span): (NodeId, Path, Option<Span>)) {
    let (old, clock) = (source(graph, Memory::Average, new, &path, span), super::clock(graph));
    let mut add = |op, inputs: &[NodeId]| graph.add_in(Phase::Update, op, inputs, path.clone(), span);
    let mut value = add(Op::Update(UpdateOp::Average { decay, every }), &[old, new, clock]);
    if every > 1 {
        value = add(Op::Update(UpdateOp::Hold { every }), &[value, old, clock]);
    }
    add(Op::Output(Output::Memory(Memory::Average, path.clone())), &[value]);
}

/// A memory of what is `like` this.
fn source(graph: &mut Graph, memory: Memory, like: NodeId, path: &Path, span: Option<Span>) -> NodeId {
    let ty = graph.node(like).ty.clone();
    graph.source(Phase::Update, Op::Memory { memory, path: path.clone() }, ty, path.clone(), span)
}

/// Every parameter with a gradient, in the order of the graph.
fn trained(graph: &Graph) -> Vec<Trained> {
    let gradients = graph.outputs();
    let one = |weight: NodeId| {
        let Op::Parameter { path, role } = &graph.node(weight).op else { return None };
        let output = gradients.get(&Output::Gradient(path.clone()))?;
        let (gradient, span) = (graph.inputs(*output)[0], graph.node(weight).span);
        Some(Trained { weight, path: path.clone(), role: *role, gradient, span })
    };
    graph.nodes().into_iter().filter_map(one).collect()
}

/// The new values of all running statistics.
fn statistics(graph: &Graph) -> Vec<(NodeId, Path, Option<Span>)> {
    let new = |(output, id): (Output, NodeId)| match output {
        Output::Parameter(path) => Some((graph.inputs(id)[0], path, graph.node(id).span)),
        Output::Loss | Output::Logits | Output::Gradient(_) | Output::Memory(..) => None,
    };
    graph.outputs().into_iter().filter_map(new).collect()
}
