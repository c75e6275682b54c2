//! Which gates must be open for a value to matter.
//!
//! From the outputs back: what an [`Op::Gated`] lets through matters only where its gates are open, and so does all that
//! leads to nothing else. A running statistic's new value is the old one where a gate is 0, and lies where that lay.

use std::collections::BTreeMap;

use super::decide::operands;
use super::expression::draws;
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};
use crate::kernel::{Draw, meet};

/// For each node the gates that are open wherever its value matters; no entry for what nothing needs.
pub(super) fn needs(graph: &Graph) -> BTreeMap<NodeId, Vec<Draw>> {
    let mut needs: BTreeMap<NodeId, Option<Vec<Draw>>> = BTreeMap::new();
    for id in graph.nodes().into_iter().rev() {
        let need = match &graph.node(id).op {
            Op::Output(_) => vec![],
            Op::Running { gates, .. } => draws(gates),
            _ => match needs.get(&id) {
                Some(Some(need)) => need.clone(),
                _ => continue,
            },
        };
        needs.insert(id, Some(need.clone()));
        for input in operands(graph, id) {
            let mut need = need.clone();
            if let Op::Gated { gates } = &graph.node(id).op {
                let new: Vec<_> = draws(gates).into_iter().filter(|gate| !need.contains(gate)).collect();
                need.extend(new);
            }
            meet(needs.entry(input).or_default(), need);
        }
    }
    needs.into_iter().filter_map(|(id, need)| Some((id, need?))).collect()
}
