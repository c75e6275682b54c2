//! The graph as plain arrays, on which choices are tried: what lies in memory, from when until when.
//!
//! Which element-wise values get memory is the plan's to decide (`fuse`); here its rule is taken over, so that a peak is an
//! estimate. Absences: vectors a channel, which take next to nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::clones::Clones;
use crate::graph::op::{Op, Type};
use crate::graph::{Graph, MANY_READERS, NodeId, Phase, is_worth_keeping};
use crate::net::{Activation, Level};

/// How a value comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// At one point from values at the same point.
    Point,
    /// At one point from other points of its inputs, which lie in memory.
    Moved,
    /// By a kernel that it needs, which reads other points of its inputs: they lie in memory.
    Window,
    /// By a kernel that it needs.
    Made,
}

impl Form {
    /// Whether a reader may compute it where it reads it.
    fn in_place(self) -> bool {
        matches!(self, Form::Point | Form::Moved)
    }
}

/// A node of the graph.
pub(super) struct Value {
    pub(super) id: NodeId,
    pub(super) phase: Phase,
    pub(super) form: Form,
    /// What it reads. The mask of a relu is taken from the relu's result.
    pub(super) inputs: Vec<usize>,
    /// Floats an image as they lie in memory; 0 for what is no feature map.
    pub(super) size: u64,
    /// Multiply-adds an image.
    pub(super) work: u64,
    /// Whether it is the gradient of a contraction to its input.
    pub(super) to_input: bool,
    /// Whether it is the gradient of a contraction to its weight.
    pub(super) to_weight: bool,
    /// Whether a kernel may begin with it: its inputs are known at other points, or only when a kernel before is over.
    pub(super) begins: bool,
    /// Whether a plane has more than a pixel.
    pub(super) plane: bool,
    /// Whether it is given from outside.
    pub(super) source: bool,
    /// Whether it draws for each element.
    pub(super) draws: bool,
}

/// All nodes that an output needs and that compute something before the update, in the graph's order.
pub(super) struct Sketch {
    pub(super) values: Vec<Value>,
    /// Whether a value lies in memory.
    pub(super) stored: Vec<bool>,
    /// The values in memory that each value is made of: itself, where it lies there.
    pub(super) leaves: Vec<Vec<usize>>,
}

impl Sketch {
    pub(super) fn of(graph: &Graph) -> Sketch {
        let order = needed(graph);
        let place: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(i, id)| (*id, i)).collect();
        let values = order.iter().map(|id| value(graph, *id, &place)).collect();
        let mut sketch = Sketch { values, stored: vec![], leaves: vec![] };
        // Who reads a value depends on what is stored between, so the first guess is the ground of the second.
        for _ in 0..2 {
            sketch.store();
        }
        sketch
    }

    /// The index of the first clone.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether readers compute a feature map where they read it.
    pub(super) fn in_place(&self, value: usize) -> bool {
        self.values[value].size > 0 && !self.stored[value]
    }

    /// By the rule of the plan: what would be read more often than it costs to keep.
    fn store(&mut self) {
        let mut readers = vec![0; self.len()];
        let mut forced = vec![false; self.len()];
        for (i, value) in self.values.iter().enumerate().rev() {
            let in_place = value.form.in_place() && !self.stored.get(i).copied().unwrap_or(false);
            let passed_on = if in_place { readers[i].clamp(1, MANY_READERS) } else { 1 };
            for &input in &value.inputs {
                readers[input] += passed_on;
                forced[input] |= matches!(value.form, Form::Moved | Form::Window);
            }
        }
        self.stored = vec![false; self.len()];
        self.leaves = vec![vec![]; self.len()];
        let mut chains: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.len()];
        for (i, value) in self.values.iter().enumerate().filter(|(_, value)| value.size > 0) {
            let own = self.read(i);
            let behind = value.inputs.iter().flat_map(|input| chains[*input].iter().copied());
            let chain: BTreeSet<usize> = behind.chain([i]).collect();
            let worth = is_worth_keeping(readers[i], own.len(), chain.len(), value.draws);
            self.stored[i] = !value.form.in_place() || forced[i] || worth;
            if self.stored[i] {
                self.leaves[i] = vec![i];
            } else {
                (self.leaves[i], chains[i]) = (own, chain);
            }
        }
    }

    /// The values in memory that a kernel which makes this value reads.
    pub(super) fn read(&self, value: usize) -> Vec<usize> {
        let leaves = |input: &usize| self.leaves[*input].iter().copied();
        let mut read: Vec<usize> = self.values[value].inputs.iter().flat_map(leaves).collect();
        read.sort_unstable();
        read.dedup();
        read
    }

    /// Floats an image that are drawn where a value is computed, with what is computed in place for it.
    pub(super) fn drawn(&self, value: usize) -> u64 {
        let (mut open, mut met, mut drawn) = (vec![value], BTreeSet::from([value]), 0);
        while let Some(value) = open.pop() {
            drawn += if self.values[value].draws { self.values[value].size } else { 0 };
            let in_place = self.values[value].inputs.iter().copied().filter(|input| !self.stored[*input]);
            // A value on which several rest is computed once.
            open.extend(in_place.filter(|input| met.insert(*input)));
        }
        drawn
    }

    /// The order in which nodes run, clones counted behind all others: as the graph has it.
    fn order(&self, clones: &Clones) -> Vec<usize> {
        let count = self.len() + clones.made.len();
        let mut readers = vec![Vec::new(); count];
        let mut unread = vec![0usize; count];
        let mut edge = |from: usize, to: usize| {
            readers[from].push(to);
            unread[to] += 1;
        };
        for i in 0..count {
            clones.inputs(self, i).into_iter().for_each(|input| edge(input, i));
        }
        clones.before.iter().for_each(|(first, second)| edge(*first, *second));
        let key = |i: usize| Reverse((self.values.get(i).map_or(usize::MAX, |value| value.id.index()), i));
        let mut ready: BinaryHeap<_> = (0..count).filter(|i| unread[*i] == 0).map(key).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(Reverse((_, i))) = ready.pop() {
            order.push(i);
            for &reader in &readers[i] {
                unread[reader] -= 1;
                if unread[reader] == 0 {
                    ready.push(key(reader));
                }
            }
        }
        order
    }

    /// The most floats an image that feature maps take at one time.
    pub(super) fn peak(&self, clones: &Clones) -> u64 {
        let order = self.order(clones);
        let count = order.len();
        let original = |i: usize| if i < self.len() { i } else { clones.made[i - self.len()].0 };
        let mut leaves: Vec<Vec<usize>> = vec![vec![]; count];
        let (mut from, mut to) = (vec![0; count], vec![0; count]);
        for (at, &i) in order.iter().enumerate() {
            (from[i], to[i]) = (at, at);
            let mut read: Vec<usize> =
                clones.inputs(self, i).into_iter().flat_map(|input| leaves[input].iter().copied()).collect();
            read.sort_unstable();
            read.dedup();
            if self.in_place(original(i)) {
                leaves[i] = read;
            } else {
                read.into_iter().for_each(|leaf| to[leaf] = at);
                if self.stored[original(i)] {
                    leaves[i] = vec![i];
                }
            }
        }
        let mut change = vec![0i64; count + 1];
        for i in (0..count).filter(|i| self.stored[original(*i)]) {
            let size = self.values[original(i)].size as i64;
            change[from[i]] += size;
            change[to[i] + 1] -= size;
        }
        let mut live = 0;
        change.into_iter().fold(0, |peak: i64, step| {
            live += step;
            peak.max(live)
        }) as u64
    }
}

fn needed(graph: &Graph) -> Vec<NodeId> {
    let order = graph.nodes();
    let mut needed = BTreeSet::new();
    for &id in order.iter().rev() {
        if needed.contains(&id) || matches!(graph.node(id).op, Op::Output(_)) {
            needed.insert(id);
            needed.extend(graph.inputs(id));
        }
    }
    order.into_iter().filter(|id| needed.contains(id) && graph.node(*id).phase != Phase::Update).collect()
}

fn value(graph: &Graph, id: NodeId, place: &BTreeMap<NodeId, usize>) -> Value {
    let node = graph.node(id);
    let inputs = reads(graph, id);
    let dims: Option<[usize; 3]> = if node.ty.batch { node.ty.dims[..].try_into().ok() } else { None };
    Value {
        id,
        phase: node.phase,
        form: form(&node.op),
        size: dims.map_or(0, |[c, h, w]| (c.next_multiple_of(16) * h * w) as u64),
        work: multiply_adds(graph, id),
        to_input: matches!(node.op, Op::ConvToInput { .. }),
        to_weight: matches!(node.op, Op::ConvToWeight(_)),
        begins: matches!(node.op, Op::BatchNormToInput { .. }) || form(&node.op) != Form::Point,
        plane: dims.is_some_and(|[_, h, w]| h * w > 1),
        source: node.op.is_source(),
        draws: matches!(&node.op, Op::Scale(scale) if scale.draws.iter().any(|draw| draw.level == Level::Pixel)),
        inputs: inputs.into_iter().filter_map(|input| place.get(&input).copied()).collect(),
    }
}

/// What a node reads; of a relu's mask the relu's result, if there is one: both are above 0 together.
pub(super) fn reads(graph: &Graph, id: NodeId) -> Vec<NodeId> {
    let mut inputs = graph.inputs(id);
    if graph.node(id).op == Op::ActBack(Activation::Relu) {
        let is_relu = |r: &NodeId| graph.node(*r).op == Op::Act(Activation::Relu);
        if let Some(relu) = graph.consumers(inputs[1]).into_iter().find(is_relu) {
            inputs[1] = relu;
        }
    }
    inputs
}

fn multiply_adds(graph: &Graph, id: NodeId) -> u64 {
    let inputs = graph.inputs(id);
    let ty = |id: NodeId| &graph.node(id).ty;
    // Every weight meets every place of the output, whichever of the three is made.
    let work = |weight: &Type, y: &Type| (weight.elements() * y.dims[1] * y.dims[2]) as u64;
    match &graph.node(id).op {
        Op::Conv(_) => work(ty(inputs[1]), ty(id)),
        Op::ConvToInput { .. } => work(ty(inputs[1]), ty(inputs[0])),
        Op::ConvToWeight(_) => work(ty(id), ty(inputs[1])),
        _ => 0,
    }
}

fn form(op: &Op) -> Form {
    match op {
        Op::AddChannel
        | Op::BatchNorm { .. }
        | Op::BatchNormToInput { .. }
        | Op::Act(_)
        | Op::ActBack(_)
        | Op::Add
        | Op::Scale(_)
        | Op::Gated { .. }
        | Op::ScaleConst { .. }
        | Op::Mul => Form::Point,
        Op::GlobalAvgPoolBack { .. }
        | Op::PadChannels { .. }
        | Op::SliceChannels { .. }
        | Op::Subsample { .. }
        | Op::SubsampleBack { .. }
        | Op::Shift { .. }
        | Op::Reshape { .. } => Form::Moved,
        Op::AvgPool(_) | Op::AvgPoolBack { .. } | Op::MaxPool(_) | Op::MaxPoolBack(_) | Op::Concat => Form::Window,
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
        | Op::ChannelMean
        | Op::ChannelVariance
        | Op::BatchNormToScale { .. }
        | Op::Running { .. }
        | Op::SumPixels
        | Op::GlobalAvgPool
        | Op::CrossEntropy { .. }
        | Op::CrossEntropyBack { .. }
        | Op::Update(_)
        | Op::Output(_) => Form::Made,
    }
}
