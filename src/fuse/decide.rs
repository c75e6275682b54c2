//! Which nodes are stored: what a reader needs in memory, and what is [worth it](is_worth_keeping).

use std::collections::{BTreeMap, BTreeSet};

use super::persistent::feature;
use super::stand_in::StandIn;
use crate::graph::op::{Op, Output};
use crate::graph::{Graph, MANY_READERS, NodeId, is_worth_keeping};
use crate::net::{Activation, Level};

/// How a node becomes part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What goes in, and parameters.
    Source,
    /// A pass of a convolution.
    Contraction,
    /// A value at one point from values at the same point.
    Pointwise,
    /// A value at one point from other points of its inputs, which are stored.
    Gather,
    /// Joined over the pixels of a plane.
    OverPixels,
    /// Joined over everything but the channels.
    OverBatch,
    /// A vector a channel from vectors a channel.
    Channel,
    /// Over the classes of an image.
    Loss,
    /// Of the optimizer.
    Update,
    /// A name.
    Output,
}

pub(super) fn kind(op: &Op) -> Kind {
    match op {
        Op::Image | Op::Target | Op::Clock | Op::Rate | Op::Parameter { .. } | Op::Memory { .. } => Kind::Source,
        Op::Conv(_) | Op::ConvToInput { .. } | Op::ConvToWeight(_) => Kind::Contraction,
        Op::AddChannel
        | Op::BatchNorm { .. }
        | Op::BatchNormToInput { .. }
        | Op::Act(_)
        | Op::ActBack(_)
        | Op::Add
        | Op::Scale(_)
        | Op::Gated { .. }
        | Op::ScaleConst { .. }
        | Op::Mul => Kind::Pointwise,
        Op::AvgPool(_)
        | Op::AvgPoolBack { .. }
        | Op::MaxPool(_)
        | Op::MaxPoolBack(_)
        | Op::GlobalAvgPoolBack { .. }
        | Op::PadChannels { .. }
        | Op::SliceChannels { .. }
        | Op::Concat
        | Op::Subsample { .. }
        | Op::SubsampleBack { .. }
        | Op::Shift { .. }
        | Op::Reshape { .. } => Kind::Gather,
        Op::SumPixels | Op::GlobalAvgPool => Kind::OverPixels,
        Op::SumChannel | Op::ChannelMean | Op::ChannelVariance | Op::BatchNormToScale { .. } => Kind::OverBatch,
        Op::Running { .. } => Kind::Channel,
        Op::CrossEntropy { .. } | Op::CrossEntropyBack { .. } => Kind::Loss,
        Op::Update(_) => Kind::Update,
        Op::Output(_) => Kind::Output,
    }
}

/// What a node reads when it is computed. A relu's mask is that of its output, which is stored more often than its
/// input: relu(x) > 0 exactly where x > 0.
pub(super) fn operands(graph: &Graph, id: NodeId) -> Vec<NodeId> {
    let mut inputs = graph.inputs(id);
    if graph.node(id).op == Op::ActBack(Activation::Relu) {
        let is_relu = |r: &NodeId| graph.node(*r).op == Op::Act(Activation::Relu);
        if let Some(relu) = graph.consumers(inputs[1]).into_iter().find(is_relu) {
            inputs[1] = relu;
        }
    }
    inputs
}

/// The nodes whose values have a buffer of their own. Who reads a value depends on what is stored between, so what a
/// first guess stores is the ground of the second.
pub(super) fn stored(graph: &Graph, stand_ins: &BTreeMap<NodeId, StandIn>) -> BTreeSet<NodeId> {
    let order = graph.nodes();
    let forced = forced(graph, &order);
    let guess = worth_storing(graph, &order, &forced, &readers(graph, &order, &forced, stand_ins));
    worth_storing(graph, &order, &forced, &readers(graph, &order, &guess, stand_ins))
}

/// Every node that has a value of its own.
pub(super) fn all(graph: &Graph) -> BTreeSet<NodeId> {
    graph.nodes().into_iter().filter(|id| kind(&graph.node(*id).op) != Kind::Output).collect()
}

fn worth_storing(
    graph: &Graph,
    order: &[NodeId],
    forced: &BTreeSet<NodeId>,
    readers: &BTreeMap<NodeId, usize>,
) -> BTreeSet<NodeId> {
    let mut stored = BTreeSet::new();
    // Values that draw for each element, or are made in place of such a one: made once.
    let mut drawn: BTreeSet<NodeId> = BTreeSet::new();
    // What each value that is computed in place reads: the stored values behind it.
    let mut leaves: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    // And the values in place that it is made of.
    let mut made_of: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for &id in order {
        let kind = kind(&graph.node(id).op);
        let in_place = matches!(kind, Kind::Pointwise | Kind::Gather);
        let (mut own, mut chain) = (BTreeSet::new(), BTreeSet::from([id]));
        if in_place {
            for input in operands(graph, id).into_iter().filter(|i| feature(graph, *i).is_some()) {
                match leaves.get(&input) {
                    Some(behind) => {
                        own.extend(behind.iter().copied());
                        chain.extend(made_of.get(&input).into_iter().flatten().copied());
                    }
                    None => {
                        own.insert(input);
                    }
                }
            }
        }
        let readers = readers.get(&id).copied().unwrap_or(0);
        let draws = draws_per_element(&graph.node(id).op)
            || (in_place && graph.inputs(id).iter().any(|input| drawn.contains(input) && !stored.contains(input)));
        // The one reader at the same point is kept in its place.
        let passed_on = draws && only_reader_is_pointwise(graph, id);
        let dear = (draws && !passed_on) || windowed(&graph.node(id).op);
        let keep = !in_place || forced.contains(&id) || is_worth_keeping(readers, own.len(), chain.len(), dear);
        if draws {
            drawn.insert(id);
        }
        if !keep {
            leaves.insert(id, own);
            made_of.insert(id, chain);
        } else if kind != Kind::Output {
            stored.insert(id);
        }
    }
    stored
}

/// Values that must lie in memory because a reader reads other points of them, or hands them out.
fn forced(graph: &Graph, order: &[NodeId]) -> BTreeSet<NodeId> {
    let mut forced = BTreeSet::new();
    for &id in order {
        let (op, inputs) = (&graph.node(id).op, graph.inputs(id));
        match kind(op) {
            Kind::Gather | Kind::Loss | Kind::Update | Kind::Channel => forced.extend(inputs),
            Kind::Output if !matches!(op, Op::Output(Output::Loss)) => forced.extend(inputs),
            Kind::Pointwise => {
                // A factor a channel is read at every pixel of what it multiplies.
                if *op == Op::Mul && graph.node(inputs[0]).ty != graph.node(inputs[1]).ty {
                    forced.insert(inputs[1]);
                }
            }
            Kind::Source | Kind::Contraction | Kind::OverPixels | Kind::OverBatch | Kind::Output => {}
        }
    }
    forced
}

/// How many kernels would read each value if of the element-wise values those in `stored` alone were kept. The sums that a
/// batch normalisation takes over one value are one kernel. What reads a value reads what stands in for it, too.
fn readers(
    graph: &Graph,
    order: &[NodeId],
    stored: &BTreeSet<NodeId>,
    stand_ins: &BTreeMap<NodeId, StandIn>,
) -> BTreeMap<NodeId, usize> {
    let mut all: BTreeMap<NodeId, BTreeMap<NodeId, usize>> = BTreeMap::new();
    let total = |by: Option<&BTreeMap<NodeId, usize>>| by.map_or(0, |by| by.values().sum::<usize>().min(MANY_READERS));
    for &id in order.iter().rev() {
        let op = &graph.node(id).op;
        let passed_on = match kind(op) {
            Kind::Pointwise | Kind::Gather if !stored.contains(&id) => total(all.get(&id)).max(1),
            Kind::Pointwise if stand_ins.contains_key(&id) => 1 + total(all.get(&id)),
            _ => 1,
        };
        let inputs = operands(graph, id);
        // Sums over one value count once: under the name of the value.
        let name = if kind(op) == Kind::OverBatch { inputs[0] } else { id };
        for input in inputs {
            all.entry(input).or_default().insert(name, passed_on);
        }
    }
    all.iter().map(|(id, by)| (*id, total(Some(by)))).collect()
}

fn only_reader_is_pointwise(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.consumers(id)[..], [reader] if kind(&graph.node(reader).op) == Kind::Pointwise)
}

fn draws_per_element(op: &Op) -> bool {
    match op {
        Op::Scale(scale) => scale.draws.iter().any(|d| d.level == Level::Pixel),
        _ => false,
    }
}

fn windowed(op: &Op) -> bool {
    matches!(op, Op::AvgPool(_) | Op::AvgPoolBack { .. } | Op::MaxPool(_) | Op::MaxPoolBack(_) | Op::Concat)
}
