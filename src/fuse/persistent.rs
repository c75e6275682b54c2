//! The front of the arena: weights, momenta, gradients and running statistics.
//!
//! All weights that the optimizer treats alike lie together, their momenta and gradients in the same order, so that one
//! kernel updates them all.

use std::collections::BTreeMap;

use crate::graph::op::{ConvGeometry, Op};
use crate::graph::{Graph, NodeId};
use crate::kernel::{Size, Sizes};
use crate::net::{Path, Role};

/// What the optimizer does to a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hyper {
    pub(super) momentum: f64,
    pub(super) decay: f64,
    pub(super) nesterov: bool,
}

/// A weight or running statistic.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// How it lies there.
    pub(super) size: Size,
    /// Its place among the weights of its group, or among the statistics.
    pub(super) offset: usize,
    /// Its group; none for a running statistic.
    pub(super) group: Option<usize>,
}

/// Weights that are updated together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// How; none in a network that is not trained.
    pub(super) hyper: Option<Hyper>,
    /// Where its weights start.
    pub(super) weights: usize,
    /// Where its momenta start.
    pub(super) momenta: usize,
    /// Where its gradients start.
    pub(super) gradients: usize,
    /// Floats of each of the three.
    pub(super) len: usize,
}

/// The layout of what outlives a step.
#[derive(Clone, Debug)]
pub struct Persistent {
    pub(super) entries: BTreeMap<Path, Entry>,
    pub(super) groups: Vec<Group>,
    pub(super) statistics: usize,
    pub(super) len: usize,
}

/// Lays out the parameters of a graph; momenta and gradients have a place where it trains them.
pub fn persistent(graph: &Graph) -> Persistent {
    let hypers = hypers(graph);
    let mut entries = BTreeMap::new();
    let mut kinds: Vec<Option<Hyper>> = Vec::new();
    let mut lengths: Vec<usize> = Vec::new();
    let mut statistics = 0;
    for id in graph.nodes() {
        let Op::Parameter { path, role } = &graph.node(id).op else { continue };
        let size = size(graph, id);
        if *role == Role::State {
            entries.insert(path.clone(), Entry { size, offset: statistics, group: None });
            statistics += size.len(1);
            continue;
        }
        let hyper = hypers.get(path).copied();
        let group = kinds.iter().position(|k| *k == hyper).unwrap_or_else(|| {
            kinds.push(hyper);
            lengths.push(0);
            kinds.len() - 1
        });
        entries.insert(path.clone(), Entry { size, offset: lengths[group], group: Some(group) });
        lengths[group] += size.len(1);
    }
    let mut end = 0;
    let mut region = |len: usize| {
        end += len;
        end - len
    };
    let starts: Vec<usize> = lengths.iter().map(|len| region(*len)).collect();
    let statistics = region(statistics);
    let groups = kinds.iter().zip(lengths).zip(starts).map(|((hyper, len), weights)| {
        let trained = if hyper.is_some() { len } else { 0 };
        Group { hyper: *hyper, weights, momenta: region(trained), gradients: region(trained), len }
    });
    let groups = groups.collect();
    Persistent { entries, groups, statistics, len: end }
}

/// What the optimizer does to each weight that has an update.
fn hypers(graph: &Graph) -> BTreeMap<Path, Hyper> {
    let mut all = BTreeMap::new();
    for id in graph.nodes() {
        if let Op::SgdStep { momentum, decay, nesterov } = graph.node(id).op
            && let Op::Parameter { path, .. } = &graph.node(graph.inputs(id)[0]).op
        {
            all.insert(path.clone(), Hyper { momentum, decay, nesterov });
        }
    }
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
