//! Where each value is found: in a buffer of its own or of what it is made of, in that of another value while a gate is
//! open, or nowhere, so that each reader computes it.

use std::collections::{BTreeMap, BTreeSet};

use super::stand_in::StandIn;
use super::{decide, in_place, stand_in};
use crate::graph::{Graph, NodeId};

/// Where values are found, and whether what computes them may join kernels.
pub(super) struct Values {
    /// Whether pieces join kernels.
    pub(super) fuse: bool,
    /// The nodes whose values lie in memory.
    pub(super) stored: BTreeSet<NodeId>,
    /// For some results of contractions the value that takes their place.
    pub(super) in_place: BTreeMap<NodeId, NodeId>,
    /// For some stored values what is read in their stead while a gate is open, stored as well.
    pub(super) stand_ins: BTreeMap<NodeId, StandIn>,
}

impl Values {
    /// As moves the least memory.
    pub(super) fn fused(graph: &Graph) -> Self {
        let mut stand_ins = stand_in::stand_ins(graph);
        let stored = decide::stored(graph, &stand_ins);
        stand_ins.retain(|id, stand_in| stored.contains(id) && stored.contains(&stand_in.node));
        let in_place = in_place::in_place(graph, &stored);
        Values { fuse: true, stored, in_place, stand_ins }
    }

    /// Every value in a buffer of its own, made by a kernel of its own.
    pub(super) fn apart(graph: &Graph) -> Self {
        Values { fuse: false, stored: decide::all(graph), in_place: BTreeMap::new(), stand_ins: BTreeMap::new() }
    }
}
