//! The front of the arena: weights, running statistics, what the optimizer keeps of them, and behind these the gradients.
//!
//! All weights that the optimizer treats alike lie together, what it keeps of them and their gradients in the same order,
//! so that one kernel updates them all. Gradients last from where they are made to the step's end; until then other things
//! may lie in their place.

use std::collections::BTreeMap;

use crate::graph::op::{ConvGeometry, Op, UpdateOp};
use crate::graph::{Graph, NodeId};
use crate::kernel::{Size, Sizes};
use crate::net::recipe::Memory;
use crate::net::{Path, Role};

/// A weight or running statistic.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// How it lies there.
    pub(super) size: Size,
    /// Its place among the parameters of its group.
    pub(super) offset: usize,
    /// Its group.
    pub(super) group: usize,
}

/// What the optimizer does to a parameter: equal ones are done by one kernel.
#[derive(Clone, Debug, Default, PartialEq)]
struct Treatment {
    /// Its operations in their order; none where it leaves the parameter alone.
    ops: Vec<UpdateOp>,
    /// What it keeps.
    memories: Vec<Memory>,
    /// Whether it is a running statistic, which the forward pass itself moves.
    statistic: bool,
}

/// Parameters that are treated alike.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// One of them, which stands for all.
    pub(super) like: Path,
    /// Whether they are running statistics.
    pub(super) statistics: bool,
    /// Where they start.
    pub(super) weights: usize,
    /// What the optimizer keeps of them, and where that starts.
    pub(super) memories: Vec<(Memory, usize)>,
    /// Where their gradients start, if they are trained.
    pub(super) gradients: Option<usize>,
    /// Floats of each of these.
    pub(super) len: usize,
}

impl Group {
    /// What it is called in names of buffers.
    pub(super) fn name(&self) -> &'static str {
        if self.statistics { "statistics" } else { "weights" }
    }
}

/// The layout of what outlives a step.
#[derive(Clone, Debug)]
pub struct Persistent {
    pub(super) entries: BTreeMap<Path, Entry>,
    pub(super) groups: Vec<Group>,
}

/// Lays out the parameters of a graph; what the optimizer keeps and gradients have a place where it trains them.
pub fn persistent(graph: &Graph) -> Persistent {
    let mut treatments = treatments(graph);
    let mut entries = BTreeMap::new();
    let mut kinds: Vec<(Treatment, Path)> = Vec::new();
    let mut lengths: Vec<usize> = Vec::new();
    for id in graph.nodes() {
        let Op::Parameter { path, role } = &graph.node(id).op else { continue };
        let size = size(graph, id);
        let mut treatment = treatments.remove(path).unwrap_or_default();
        treatment.statistic = *role == Role::State;
        let group = kinds.iter().position(|(kind, _)| *kind == treatment).unwrap_or_else(|| {
            kinds.push((treatment, path.clone()));
            lengths.push(0);
            kinds.len() - 1
        });
        entries.insert(path.clone(), Entry { size, offset: lengths[group], group });
        lengths[group] += size.len(1);
    }
    let mut end = 0;
    let mut region = |of: usize| {
        end += of;
        end - of
    };
    let weights: Vec<usize> = lengths.iter().map(|len| region(*len)).collect();
    let memories: Vec<Vec<(Memory, usize)>> = (kinds.iter().zip(&lengths))
        .map(|((kind, _), len)| kind.memories.iter().map(|memory| (*memory, region(*len))).collect())
        .collect();
    let groups = kinds.into_iter().zip(lengths).zip(weights.into_iter().zip(memories));
    let groups = groups.map(|(((treatment, like), len), (weights, memories))| {
        let statistics = treatment.statistic;
        let gradients = (!statistics && !treatment.ops.is_empty()).then(|| region(len));
        Group { like, statistics, weights, memories, gradients, len }
    });
    Persistent { groups: groups.collect(), entries }
}

/// What the optimizer does to each parameter that it changes or keeps something of.
fn treatments(graph: &Graph) -> BTreeMap<Path, Treatment> {
    let mut all: BTreeMap<Path, Treatment> = BTreeMap::new();
    for id in graph.nodes() {
        let node = graph.node(id);
        match &node.op {
            Op::Memory { memory, path } => all.entry(path.clone()).or_default().memories.push(*memory),
            Op::Update(UpdateOp::SquaredNorm) => {}
            Op::Update(op) => all.entry(node.layer.clone()).or_default().ops.push(op.clone()),
            _ => {}
        }
    }
    all.values_mut().for_each(|treatment| treatment.memories.sort());
    all
}

/// How a parameter lies in the arena: as its reader wants it.
fn size(graph: &Graph, id: NodeId) -> Size {
    let convolution = graph.consumers(id).into_iter().find_map(|reader| match graph.node(reader).op {
        Op::Conv(geometry) => Some(Size::Weight(conv_sizes(graph, geometry, graph.inputs(reader)[0], reader))),
        _ => None,
    });
    convolution.unwrap_or_else(|| Size::Channels(graph.node(id).ty.elements()))
}

/// The sizes of a convolution from x to y.
pub(super) fn conv_sizes(graph: &Graph, geometry: ConvGeometry, x: NodeId, y: NodeId) -> Sizes {
    let [x, y] = [x, y].map(|id| feature(graph, id).expect("a convolution is between feature maps"));
    conv_sizes_of(geometry, x, y)
}

/// The sizes of a convolution from an x to a y of these shapes.
pub(super) fn conv_sizes_of(geometry: ConvGeometry, x: [usize; 3], y: [usize; 3]) -> Sizes {
    let ConvGeometry { kernel, stride, pad, dilation, groups } = geometry;
    Sizes {
        inputs: x[0],
        outputs: y[0],
        height: x[1],
        width: x[2],
        out_height: y[1],
        out_width: y[2],
        kernel,
        stride,
        pad,
        dilation,
        groups,
    }
}

/// C, H and W of a feature map.
pub(super) fn feature(graph: &Graph, id: NodeId) -> Option<[usize; 3]> {
    let ty = &graph.node(id).ty;
    if !ty.batch {
        return None;
    }
    ty.dims.as_slice().try_into().ok()
}
