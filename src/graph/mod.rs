//! The graph: our operations on luminal's graph. This module is luminal's only user.
//!
//! A [`Graph`] owns a luminal graph whose every operator is a [`Node`] of ours: one closed [`Op`] with one
//! output, the type of that output, and the layer that it serves. Lowering builds it ([`Graph::add`]), passes are
//! luminal compilers over it ([`Compiler`], [`Graph::within`]), [`Graph::run`] executes it with luminal's own executor
//! in f64, which is the oracle of every faster engine. [`fmt::Display`](std::fmt::Display) prints it by stable paths.
//!
//! Absences: no fast code, no device, no knowledge of layers or of gradients. luminal's shape trackers stay empty:
//! real shapes stand in [`Node::ty`], since luminal's stop at six dimensions and take kilobytes an edge.

mod array;
mod name;
mod node;
pub mod op;
mod print;
mod reference;
mod run;
mod types;
mod verify;
mod worth;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

pub use luminal::compiler_utils::{Compiler, ToIdsMut};
use luminal::graph::Dependency;
pub use luminal::graph::Graph as LuminalGraph;
use luminal::shape::ShapeTracker;
pub use node::{Node, Phase};
use petgraph::Direction;
use petgraph::visit::EdgeRef;
pub use run::{Inputs, Outputs};
pub use worth::{MANY_READERS, is_worth_keeping};

use crate::net::Path;
use crate::num::Precision;
use crate::source::Span;
use op::{Op, Output, Type};

/// Names a node; it stays valid while the node is in the graph.
pub type NodeId = petgraph::stable_graph::NodeIndex;

/// The most inputs of a node: luminal counts them in a byte.
pub const MAX_INPUTS: usize = 256;

/// A network's computation: operations, and which reads which.
///
/// Invariants, which [`verify`](Graph::verify) checks in this order:
/// 1. Every operator is a [`Node`]; its inputs are numbered from 0 without a gap; nothing reads itself, however far.
/// 2. A node's type follows from its operation and the types of its inputs; sources have the types that their
///    operations name.
/// 3. A node reads only nodes of its own or an earlier [`Phase`].
/// 4. A batch normalisation by the batch's statistics reads the mean and the variance of what it normalises, or of what
///    that is [once more](Phase::Again).
/// 5. There is one node an output's name, one a parameter's and momentum's, and at most one of each other source.
/// 6. Nothing reads an output; the loss is a cross entropy.
#[derive(Debug, Default)]
pub struct Graph {
    /// luminal's graph, for its compilers: `graph.luminal.compile((Differentiate, Sweep), ())`.
    pub luminal: LuminalGraph,
}

impl Graph {
    /// A graph without nodes.
    pub fn new() -> Self {
        Graph::default()
    }

    /// Runs `pass` on a luminal graph of our nodes: how a luminal compiler gets at the typed interface.
    pub fn within<R>(luminal: &mut LuminalGraph, pass: impl FnOnce(&mut Graph) -> R) -> R {
        let mut graph = Graph { luminal: std::mem::take(luminal) };
        let result = pass(&mut graph);
        *luminal = graph.luminal;
        result
    }

    /// Adds a source, whose type nothing else tells.
    pub fn source(&mut self, phase: Phase, op: Op, ty: Type, layer: Path, span: Option<Span>) -> NodeId {
        debug_assert!(op.is_source(), "{op:?} has inputs");
        self.luminal.graph.add_node(Box::new(Node { op, ty, layer, span, phase, precision: Precision::Fp32 }))
    }

    /// Adds a node of the forward pass. Its type follows from its inputs.
    ///
    /// # Panics
    /// Where the inputs do not fit the operation, which a lowered and verified network never causes.
    pub fn add(&mut self, op: Op, inputs: &[NodeId], layer: Path, span: Option<Span>) -> NodeId {
        self.add_in(Phase::Forward, op, inputs, layer, span)
    }

    /// Adds a node of any phase. Its type follows from its inputs.
    ///
    /// # Panics
    /// Where the inputs do not fit the operation.
    pub fn add_in(&mut self, phase: Phase, op: Op, inputs: &[NodeId], layer: Path, span: Option<Span>) -> NodeId {
        let types: Vec<_> = inputs.iter().map(|&i| &self.node(i).ty).collect();
        let ty = types::infer(&op, &types).unwrap_or_else(|problem| panic!("{layer}: {op}: {problem}"));
        let id = self.luminal.graph.add_node(Box::new(Node { op, ty, layer, span, phase, precision: Precision::Fp32 }));
        for (order, &input) in inputs.iter().enumerate() {
            let input_order = u8::try_from(order).expect("the types of more than 256 inputs are refused");
            let edge = Dependency::Data { input_order, output_order: 0, shape: ShapeTracker::new(&[]) };
            self.luminal.graph.add_edge(input, id, edge);
        }
        id
    }

    /// Lets `reader` read `to` wherever it reads `from`.
    pub fn redirect(&mut self, reader: NodeId, from: NodeId, to: NodeId) {
        let edges = self.luminal.graph.edges_connecting(from, reader);
        let places: Vec<_> = edges.map(|edge| (edge.id(), *edge.weight())).collect();
        for (edge, weight) in places {
            self.luminal.graph.remove_edge(edge);
            self.luminal.graph.add_edge(to, reader, weight);
        }
    }

    /// Takes a node out, with the edges to and from it.
    pub fn remove(&mut self, id: NodeId) {
        self.luminal.graph.remove_node(id);
    }

    /// A node.
    ///
    /// # Panics
    /// Where `id` names none, or an operator that is not ours.
    pub fn node(&self, id: NodeId) -> &Node {
        self.try_node(id).expect("every operator of a verified graph is a Node")
    }

    /// Has convolutions and their gradients multiply rounded numbers, as tensor cores do: the oracle of kernels for them.
    /// Kernels have their precision from the machine that they run on, not from here.
    pub fn multiply_in(&mut self, precision: Precision) {
        for operator in self.luminal.graph.node_weights_mut() {
            let operator: &mut dyn luminal::op::Operator = &mut **operator;
            let node: &mut Node = operator.as_any_mut().downcast_mut().expect("every operator is a Node");
            if let Op::Conv(_) | Op::ConvToInput { .. } | Op::ConvToWeight(_) = node.op {
                node.precision = precision;
            }
        }
    }

    fn try_node(&self, id: NodeId) -> Option<&Node> {
        // Through the box: luminal's `as_any` holds for every type, the box itself included.
        let operator: &dyn luminal::op::Operator = &**self.luminal.graph.node_weight(id)?;
        operator.as_any().downcast_ref()
    }

    /// What a node reads, in the order in which its operation names it.
    pub fn inputs(&self, id: NodeId) -> Vec<NodeId> {
        self.numbered_inputs(id).into_iter().map(|(_, input)| input).collect()
    }

    fn numbered_inputs(&self, id: NodeId) -> Vec<(u8, NodeId)> {
        let edges = self.luminal.graph.edges_directed(id, Direction::Incoming);
        // By reference: an edge takes kilobytes.
        let mut inputs: Vec<_> = edges
            .filter_map(|edge| match edge.weight() {
                Dependency::Data { input_order, .. } => Some((*input_order, edge.source())),
                Dependency::Schedule => None,
            })
            .collect();
        inputs.sort();
        inputs
    }

    /// Has one node computed before another that does not read it.
    pub fn precede(&mut self, first: NodeId, second: NodeId) {
        self.luminal.graph.add_edge(first, second, Dependency::Schedule);
    }

    /// The nodes that read a node, each once, in the order of their ids.
    pub fn consumers(&self, id: NodeId) -> Vec<NodeId> {
        let edges = self.luminal.graph.edges_directed(id, Direction::Outgoing);
        let mut all: Vec<_> = edges.filter(|edge| !edge.weight().is_schedule()).map(|edge| edge.target()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// All nodes, each after what it reads and what [precedes](Graph::precede) it, otherwise in the order of their ids, which is that of their making where no
    /// node was removed.
    pub fn nodes(&self) -> Vec<NodeId> {
        let graph = &self.luminal.graph;
        let mut unread: BTreeMap<NodeId, usize> =
            graph.node_indices().map(|id| (id, graph.edges_directed(id, Direction::Incoming).count())).collect();
        let mut ready: BinaryHeap<_> = unread.iter().filter(|(_, n)| **n == 0).map(|(id, _)| Reverse(*id)).collect();
        let mut order = Vec::with_capacity(unread.len());
        while let Some(Reverse(id)) = ready.pop() {
            order.push(id);
            for reader in graph.neighbors_directed(id, Direction::Outgoing) {
                let left = unread.get_mut(&reader).expect("a neighbour is a node");
                *left -= 1;
                if *left == 0 {
                    ready.push(Reverse(reader));
                }
            }
        }
        order
    }

    /// The nodes that hold outputs, by name.
    pub fn outputs(&self) -> BTreeMap<Output, NodeId> {
        let named = |id| match &self.node(id).op {
            Op::Output(name) => Some((name.clone(), id)),
            _ => None,
        };
        self.luminal.graph.node_indices().filter_map(named).collect()
    }

    /// The source with this operation.
    pub fn find_source(&self, op: &Op) -> Option<NodeId> {
        debug_assert!(op.is_source(), "{op:?} has inputs");
        self.luminal.graph.node_indices().find(|&id| self.node(id).op == *op)
    }

    /// Each node's name for people and snapshots, made of its layer's path and its part in that layer alone: unique,
    /// and the same whatever stands elsewhere in the graph.
    pub fn names(&self) -> BTreeMap<NodeId, String> {
        name::names(self)
    }

    /// Checks the invariants.
    ///
    /// # Errors
    /// The first that does not hold, with the node.
    pub fn verify(&self) -> Result<(), String> {
        verify::verify(self)
    }
}
