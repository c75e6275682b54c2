//! Names of nodes, for printers and problems.
//!
//! A name is the path of the layer with the node's part in it: `bn[0]` is what leaves the layer, `bn[0]/mean` its
//! batch's mean, `d/bn[0]` what its backward pass sends to its input, `d/bn[0].scale` the gradient to a parameter,
//! `step/bn[0].scale` the parameter's new value, `bn[0]/again` what is computed once more for the backward pass. Nothing is counted across layers, so a name never depends on what
//! stands elsewhere.

use std::collections::BTreeMap;

use super::op::{Op, UpdateOp};
use super::{Graph, Node, NodeId, Phase};

/// Every node's name; where a layer has several nodes for one part, the later ones are counted.
pub(super) fn names(graph: &Graph) -> BTreeMap<NodeId, String> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for id in graph.nodes() {
        let mut name = uncounted(graph.node(id));
        let count = taken.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name = format!("{name}'{count}");
        }
        names.insert(id, name);
    }
    names
}

/// A node's name but for the count. In a verified graph those of sources and outputs are unique.
pub(super) fn uncounted(node: &Node) -> String {
    let (phase, again) = match node.phase {
        Phase::Forward => ("", ""),
        Phase::Again => ("", "/again"),
        Phase::Backward => ("d/", ""),
        Phase::Update => ("step/", ""),
    };
    match &node.op {
        Op::Image => "image".to_owned(),
        Op::Target => "target".to_owned(),
        Op::Clock => "clock".to_owned(),
        Op::Rate => "rate".to_owned(),
        Op::Parameter { path, .. } => path.to_string(),
        Op::Memory { memory, path } => format!("{}/{path}", memory.name()),
        Op::Output(output) => format!("output {output}"),
        op => format!("{phase}{}{}{again}", node.layer, part(op, node.phase)),
    }
}

/// What a node is within its layer; empty for what the layer puts out or sends back.
fn part(op: &Op, phase: Phase) -> &'static str {
    match op {
        Op::AddChannel => "/with_bias",
        Op::ChannelMean => "/mean",
        Op::ChannelVariance => "/variance",
        Op::Scale(_) | Op::ScaleConst { .. } => "/factor",
        Op::Gated { .. } => "/gated",
        Op::SumPixels => "/pixels",
        Op::Update(op) => match op {
            UpdateOp::Accumulate { .. } => "/gathered",
            UpdateOp::SquaredNorm => "/squared_norm",
            UpdateOp::Clip { .. } => "/clipped",
            UpdateOp::SgdMomentum { .. } | UpdateOp::Moment { square: false, .. } => "/momentum",
            UpdateOp::Moment { square: true, .. } => "/square",
            UpdateOp::Average { .. } => "/average",
            UpdateOp::Hold { .. } => "/held",
            UpdateOp::SgdStep { .. } | UpdateOp::AdamStep { .. } => "",
        },
        // Backward, a sum of what several readers send back.
        Op::Add if phase == Phase::Backward => "/sum",
        Op::Image
        | Op::Target
        | Op::Clock
        | Op::Rate
        | Op::Parameter { .. }
        | Op::Memory { .. }
        | Op::Conv(_)
        | Op::ConvToInput { .. }
        | Op::ConvToWeight(_)
        | Op::SumChannel
        | Op::BatchNorm { .. }
        | Op::BatchNormToScale { .. }
        | Op::BatchNormToInput { .. }
        | Op::Running { .. }
        | Op::Act(_)
        | Op::ActBack(_)
        | Op::Add
        | Op::Mul
        | Op::AvgPool(_)
        | Op::AvgPoolBack { .. }
        | Op::MaxPool(_)
        | Op::MaxPoolBack(_)
        | Op::GlobalAvgPool
        | Op::GlobalAvgPoolBack { .. }
        | Op::PadChannels { .. }
        | Op::SliceChannels { .. }
        | Op::Concat
        | Op::Subsample { .. }
        | Op::SubsampleBack { .. }
        | Op::Shift { .. }
        | Op::Reshape { .. }
        | Op::CrossEntropy { .. }
        | Op::CrossEntropyBack { .. }
        | Op::Output(_) => "",
    }
}
