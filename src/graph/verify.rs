//! The invariants of [`Graph`], as code, in the order in which they are written there.

use std::collections::BTreeMap;

use super::op::{Op, Output, Statistics, Type};
use super::{Graph, NodeId, Phase, name, types};

/// The first invariant that does not hold.
pub(super) fn verify(graph: &Graph) -> Result<(), String> {
    structure(graph)?;
    for id in graph.nodes() {
        let problem = type_follows(graph, id)
            .and_then(|()| phases_in_order(graph, id))
            .and_then(|()| statistics_of_its_input(graph, id))
            .and_then(|()| output_is_last(graph, id));
        problem.map_err(|problem| format!("{}: {}: {problem}", graph.node(id).layer, graph.node(id).op))?;
    }
    names_are_unique(graph)
}

/// 1: nodes of ours, inputs numbered from 0, no circle.
fn structure(graph: &Graph) -> Result<(), String> {
    for id in graph.luminal.graph.node_indices() {
        let node = graph.try_node(id).ok_or("an operator that is not a Node")?;
        let numbered = graph.numbered_inputs(id);
        if !numbered.iter().map(|(order, _)| usize::from(*order)).eq(0..numbered.len()) {
            return Err(format!("{}: {}: inputs are not numbered from 0", node.layer, node.op));
        }
    }
    let sorted = graph.nodes().len();
    let all = graph.luminal.graph.node_count();
    if sorted == all { Ok(()) } else { Err(format!("{} nodes read one another in a circle", all - sorted)) }
}

/// 2.
fn type_follows(graph: &Graph, id: NodeId) -> Result<(), String> {
    let node = graph.node(id);
    let inputs = graph.inputs(id);
    if !node.op.is_source() {
        let types: Vec<_> = inputs.iter().map(|&i| &graph.node(i).ty).collect();
        let wanted = types::infer(&node.op, &types)?;
        return if wanted == node.ty { Ok(()) } else { Err(format!("puts out {wanted}, not {}", node.ty)) };
    }
    let fits = match &node.op {
        Op::Clock => node.ty == Type::fixed(&[4]),
        Op::Rate => node.ty == Type::scalar(),
        Op::Image | Op::Target => node.ty.batch && node.ty.dims.len() == 3,
        _ => !node.ty.batch,
    };
    if fits && inputs.is_empty() { Ok(()) } else { Err(format!("cannot be of type {}", node.ty)) }
}

/// 3.
fn phases_in_order(graph: &Graph, id: NodeId) -> Result<(), String> {
    let phase = graph.node(id).phase;
    match graph.inputs(id).into_iter().find(|&i| graph.node(i).phase > phase) {
        Some(input) => Err(format!("reads {}, which comes later", graph.node(input).layer)),
        None => Ok(()),
    }
}

/// 4.
fn statistics_of_its_input(graph: &Graph, id: NodeId) -> Result<(), String> {
    let Op::BatchNorm { statistics, .. } = graph.node(id).op else { return Ok(()) };
    if statistics == Statistics::Running {
        return Ok(());
    }
    let inputs = graph.inputs(id);
    let (mean, variance) = (inputs[1], inputs[2]);
    // Of another node where that one is once more what it normalises.
    let x = match statistics {
        Statistics::Taken if graph.node(inputs[0]).phase == Phase::Again => graph.inputs(mean)[..].first().copied(),
        _ => Some(inputs[0]),
    };
    let holds = graph.node(mean).op == Op::ChannelMean
        && graph.node(variance).op == Op::ChannelVariance
        && x.is_some_and(|x| graph.inputs(mean) == [x] && graph.inputs(variance) == [x, mean]);
    if holds { Ok(()) } else { Err("its statistics are not those of what it normalises".to_owned()) }
}

/// 6.
fn output_is_last(graph: &Graph, id: NodeId) -> Result<(), String> {
    let Op::Output(name) = &graph.node(id).op else { return Ok(()) };
    if !graph.consumers(id).is_empty() {
        return Err("an output is read".to_owned());
    }
    let [source] = graph.inputs(id)[..] else { return Err("an output reads one node".to_owned()) };
    let is_loss = matches!(graph.node(source).op, Op::CrossEntropy { .. });
    if *name != Output::Loss || is_loss { Ok(()) } else { Err("the loss is not a cross entropy".to_owned()) }
}

/// 5.
fn names_are_unique(graph: &Graph) -> Result<(), String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for id in graph.nodes() {
        let node = graph.node(id);
        if node.op.is_source() || matches!(node.op, Op::Output(_)) {
            *seen.entry(name::uncounted(node)).or_default() += 1;
        }
    }
    match seen.iter().find(|(_, count)| **count > 1) {
        Some((name, count)) => Err(format!("{count} nodes for {name}")),
        None => Ok(()),
    }
}
