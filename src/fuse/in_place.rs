//! Results of contractions that one value alone is made of, point by point: the value takes their place.
//!
//! The gradient that comes out of a residual branch, for instance, is only read to be added to that of the shortcut. Its
//! contraction's epilogue does that while it is in cache; with a place of its own it would still go to memory.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Kind, kind, operands};
use super::persistent::feature;
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};

/// For each such result the value that takes its place.
pub(super) fn in_place(graph: &Graph, stored: &BTreeSet<NodeId>) -> BTreeMap<NodeId, NodeId> {
    let order = graph.nodes();
    let mut readers: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for &id in &order {
        operands(graph, id).into_iter().for_each(|input| readers.entry(input).or_default().push(id));
    }
    let readers = |id: NodeId| readers.get(&id).map_or(&[][..], Vec::as_slice);
    let made_of = |result: NodeId| {
        let mut made = result;
        loop {
            made = match readers(made) {
                [reader] if kind(&graph.node(*reader).op) == Kind::Pointwise => *reader,
                _ => return None,
            };
            if stored.contains(&made) {
                return Some(made);
            }
        }
    };
    // Moments are taken about the plane's first pixel, which must still be there at the last; and what is handed out has
    // a place already.
    let stays =
        |id: NodeId| readers(id).iter().any(|reader| matches!(graph.node(*reader).op, Op::ChannelMean | Op::Output(_)));
    let results = order.iter().filter(|id| kind(&graph.node(**id).op) == Kind::Contraction);
    let pairs = results.filter_map(|&result| Some((made_of(result)?, result)));
    let fits = |(made, result): &(NodeId, NodeId)| feature(graph, *result) == feature(graph, *made) && !stays(*made);
    // Of several results of which a value is made, the last gives its place: the others are there before it.
    let last: BTreeMap<NodeId, NodeId> = pairs.filter(fits).collect();
    last.into_iter().map(|(made, result)| (result, made)).collect()
}
