//! The optimizer's step: a kernel for all parameters that it treats alike. Last, since they overwrite what others read.
//!
//! What it does to one parameter of a group stands for all: its operations become one expression at a place of the
//! group's region. Where gradients are clipped, their norm must be known first: a kernel a group joins the squares of each
//! chunk in sixteen lanes, further ones the chunks, one the lanes, always in the order of the arena.

use std::collections::BTreeMap;

use super::persistent::Group;
use super::piece::Open;
use super::schedule::{KERNELS, Schedule, Views};
use crate::graph::op::{Op, Output, UpdateOp};
use crate::graph::{Graph, NodeId};
use crate::kernel::{
    Axis, BLOCK, Binary, BufferId, Domain, Expr, MapBuilder, Param, Place, Size, Target, Unary, Value, When,
};
use crate::net::Path;
use crate::net::recipe::{Every, Memory};

impl<'a> Schedule<'a> {
    /// Adds the optimizer's kernels, where the graph has an optimizer.
    pub(super) fn update(&mut self) {
        let groups: Vec<(usize, &'a Group, Views)> = self.changed();
        let norm = self.norm(&groups);
        for (number, group, views) in groups {
            let mut step = self.step(format!("update[{number}]"), group, &views, norm);
            if norm.is_some() {
                step.read_gathered();
            }
            let kept: Vec<(BufferId, NodeId)> = step.results(norm.is_some());
            // All values before the first store: a value may read what another store overwrites.
            let values: Vec<_> = kept.into_iter().map(|(buffer, node)| (buffer, step.value(node))).collect();
            values.into_iter().for_each(|(buffer, value)| step.map.store(Target::Flat(buffer), value));
            let map = step.map;
            self.kernels.push(Open::map(When::Always, map));
        }
    }

    /// The groups to which the optimizer does something.
    fn changed(&self) -> Vec<(usize, &'a Group, Views)> {
        let persistent = self.persistent;
        let groups = persistent.groups.iter().enumerate().zip(&self.views);
        let trains = self.graph.outputs().keys().any(|output| matches!(output, Output::Memory(..)));
        let changed = groups.filter_map(|((number, group), views)| Some((number, group, views.clone()?)));
        changed.filter(|_| trains).collect()
    }

    fn step(&self, name: String, group: &Group, views: &Views, norm: Option<BufferId>) -> Step<'a> {
        let map = MapBuilder::new(name, Domain::Flat { len: group.len });
        let mut step = Step {
            graph: self.graph,
            like: group.like.clone(),
            views: views.clone(),
            norm,
            map,
            known: BTreeMap::new(),
        };
        step.know_what_is_stored();
        step
    }

    /// The square of the norm of all gradients, in each of sixteen lanes, where something asks for it.
    fn norm(&mut self, groups: &[(usize, &Group, Views)]) -> Option<BufferId> {
        let graph = self.graph;
        let clips = |id: &NodeId| graph.node(*id).op == Op::Update(UpdateOp::SquaredNorm);
        graph.nodes().iter().find(|id| clips(id))?;
        let mut sums = Vec::new();
        for (number, group, views) in groups.iter().filter(|(_, _, views)| views.gradients.is_some()) {
            let mut step = self.step(format!("norm[{number}]"), group, views, None);
            let gradient = step.gathered();
            let value = step.value(gradient);
            if let Some(gathered) = step.memory(Memory::Gathered) {
                step.map.store(Target::Flat(gathered), value);
            }
            let square = step.map.mul(value, value);
            let map = step.map;
            sums.push(self.joined(map, square));
        }
        let mut map = MapBuilder::new("norm", Domain::Flat { len: BLOCK });
        let lanes = sums.into_iter().map(|sum| map.load(sum, Place::Flat)).collect::<Vec<_>>();
        let lanes = lanes.into_iter().reduce(|a, b| map.add(a, b)).expect("something is trained");
        let total = map.sum(Axis::Channels, lanes);
        let norm = self.buffer("norm".to_owned(), Size::Flat(BLOCK), KERNELS);
        map.store(Target::Flat(norm), total);
        self.kernels.push(Open::map(When::Always, map));
        Some(norm)
    }

    /// The sum of a value over a flat map, in sixteen lanes: of each chunk, of chunks of chunks, up to a single one.
    fn joined(&mut self, mut map: MapBuilder, mut value: Value) -> BufferId {
        loop {
            let Domain::Flat { len } = map.domain() else { unreachable!("regions are flat") };
            let (name, chunks) = (map.name().to_owned(), len.div_ceil(Domain::CHUNK));
            let sums = self.buffer(format!("{name}/sums"), Size::Flat(chunks * BLOCK), KERNELS);
            let sum = map.sum(Axis::Pixels, value);
            map.store(Target::Chunk(sums), sum);
            self.kernels.push(Open::map(When::Always, map));
            if chunks == 1 {
                return sums;
            }
            map = MapBuilder::new(format!("{name}'"), Domain::Flat { len: chunks * BLOCK });
            value = map.load(sums, Place::Flat);
        }
    }
}

/// What the optimizer does at one place of a group's region.
struct Step<'a> {
    graph: &'a Graph,
    /// The parameter that stands for the group.
    like: Path,
    views: Views,
    norm: Option<BufferId>,
    map: MapBuilder,
    known: BTreeMap<NodeId, Value>,
}

impl Step<'_> {
    fn memory(&self, memory: Memory) -> Option<BufferId> {
        self.views.memories.iter().find(|(known, _)| *known == memory).map(|(_, buffer)| *buffer)
    }

    fn know(&mut self, node: NodeId, buffer: BufferId) {
        let value = self.map.load(buffer, Place::Flat);
        self.known.insert(node, value);
    }

    /// The parameter, its gradient and what is kept of it lie in the arena; a running statistic's new value lies where
    /// the old one did.
    fn know_what_is_stored(&mut self) {
        let outputs = self.graph.outputs();
        let of = |output: Output| outputs.get(&output).map(|id| self.graph.inputs(*id)[0]);
        let (gradient, new) = (of(Output::Gradient(self.like.clone())), of(Output::Parameter(self.like.clone())));
        match (gradient, self.views.gradients) {
            (Some(node), Some(buffer)) => self.know(node, buffer),
            _ => {
                if let Some(node) = new {
                    self.know(node, self.views.weights);
                }
            }
        }
    }

    /// The gradient that is clipped: that of the group of steps, or of this one.
    fn gathered(&self) -> NodeId {
        let outputs = self.graph.outputs();
        let name = match self.memory(Memory::Gathered) {
            Some(_) => Output::Memory(Memory::Gathered, self.like.clone()),
            None => Output::Gradient(self.like.clone()),
        };
        self.graph.inputs(outputs[&name])[0]
    }

    /// The gathered gradient has been stored where the norm was taken.
    fn read_gathered(&mut self) {
        if let Some(gathered) = self.memory(Memory::Gathered) {
            self.know(self.gathered(), gathered);
        }
    }

    /// What is stored, and where; the gathered gradient left out where the norm's kernel stores it.
    fn results(&self, gathered: bool) -> Vec<(BufferId, NodeId)> {
        let outputs = self.graph.outputs();
        let memory = |(memory, buffer): &(Memory, BufferId)| {
            let name = Output::Memory(*memory, self.like.clone());
            (!(gathered && *memory == Memory::Gathered)).then(|| (*buffer, self.graph.inputs(outputs[&name])[0]))
        };
        let mut all: Vec<_> = self.views.memories.iter().filter_map(memory).collect();
        if self.views.gradients.is_some() {
            all.push((self.views.weights, self.graph.inputs(outputs[&Output::Parameter(self.like.clone())])[0]));
        }
        all
    }

    fn value(&mut self, id: NodeId) -> Value {
        if let Some(value) = self.known.get(&id) {
            return *value;
        }
        let value = self.computed(id);
        self.known.insert(id, value);
        value
    }

    /// What a node of the update comes to.
    fn computed(&mut self, id: NodeId) -> Value {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        match &graph.node(id).op {
            Op::Parameter { .. } => self.map.load(self.views.weights, Place::Flat),
            Op::Memory { memory, .. } => {
                let buffer = self.memory(*memory).expect("a memory of the group");
                self.map.load(buffer, Place::Flat)
            }
            Op::Rate => self.map.push(Expr::Param(Param::Rate)),
            Op::Update(op) => self.stepped(op, &inputs),
            op => unreachable!("{op:?} is read by no optimizer"),
        }
    }

    /// A row an operation of the optimizer.
    fn stepped(&mut self, op: &UpdateOp, inputs: &[NodeId]) -> Value {
        match op {
            // gathered + g / every, or g / every
            UpdateOp::Accumulate { every } => {
                let (gathered, gradient) = (self.value(inputs[0]), self.value(inputs[1]));
                let share = self.map.constant(f64::from(*every));
                let share = self.map.div(gradient, share);
                let sum = self.map.add(gathered, share);
                let begins = self.map.push(Expr::Param(Param::Begins(Every(*every))));
                self.map.push(Expr::Select { cond: begins, then: share, otherwise: sum })
            }
            // g min(1, norm / sqrt(sum)), so that a sum that is not a number stays one
            UpdateOp::Clip { norm } => {
                let gradient = self.value(inputs[0]);
                let sum = self.map.load(self.norm.expect("clipping has a norm"), Place::Channel);
                let root = self.map.unary(Unary::Sqrt, sum);
                let largest = self.map.constant(*norm);
                let ratio = self.map.div(largest, root);
                let one = self.map.constant(1.0);
                let factor = self.map.binary(Binary::Min, one, ratio);
                self.map.mul(gradient, factor)
            }
            // mu v + (g + decay w)
            UpdateOp::SgdMomentum { momentum, decay } => {
                let gradient = self.decayed(inputs[0], inputs[1], *decay);
                let (mu, old) = (self.map.constant(*momentum), self.value(inputs[2]));
                let kept = self.map.mul(mu, old);
                self.map.add(kept, gradient)
            }
            // w - rate v, or w - rate ((g + decay w) + mu v)
            UpdateOp::SgdStep { momentum, decay, nesterov } => {
                let mut direction = self.value(inputs[2]);
                if *nesterov {
                    let gradient = self.decayed(inputs[0], inputs[1], *decay);
                    let mu = self.map.constant(*momentum);
                    let ahead = self.map.mul(mu, direction);
                    direction = self.map.add(gradient, ahead);
                }
                self.moved(inputs[0], inputs[3], direction)
            }
            // beta m + (1 - beta) g, or g^2
            UpdateOp::Moment { beta, square } => {
                let (old, gradient) = (self.value(inputs[0]), self.value(inputs[1]));
                let new = if *square { self.map.mul(gradient, gradient) } else { gradient };
                let beta_value = self.map.constant(*beta);
                let rest = self.map.constant(1.0 - beta);
                let (kept, added) = (self.map.mul(beta_value, old), self.map.mul(rest, new));
                self.map.add(kept, added)
            }
            // w - rate (m a / (sqrt(v b) + eps) + decay w)
            UpdateOp::AdamStep { beta1, beta2, eps, decay, every } => {
                let every = Every(*every);
                let [m, v] = [(1, beta1), (2, beta2)].map(|(i, beta)| {
                    let correction = self.map.push(Expr::Param(Param::Correction { beta: *beta, every }));
                    let moment = self.value(inputs[i]);
                    self.map.mul(moment, correction)
                });
                let root = self.map.unary(Unary::Sqrt, v);
                let eps = self.map.constant(*eps);
                let below = self.map.add(root, eps);
                let adapted = self.map.div(m, below);
                let direction = self.plus_decay(adapted, inputs[0], *decay);
                self.moved(inputs[0], inputs[3], direction)
            }
            // d a + (1 - d) w
            UpdateOp::Average { decay, every } => {
                let (old, new) = (self.value(inputs[0]), self.value(inputs[1]));
                let d = self.map.push(Expr::Param(Param::Averaging { decay: *decay, every: Every(*every) }));
                let one = self.map.constant(1.0);
                let rest = self.map.sub(one, d);
                let (kept, added) = (self.map.mul(d, old), self.map.mul(rest, new));
                self.map.add(kept, added)
            }
            UpdateOp::Hold { every } => {
                let (then, otherwise) = (self.value(inputs[0]), self.value(inputs[1]));
                let cond = self.map.push(Expr::Param(Param::Ends(Every(*every))));
                self.map.push(Expr::Select { cond, then, otherwise })
            }
            UpdateOp::SquaredNorm => unreachable!("the norm has kernels of its own"),
        }
    }

    /// g + decay w
    fn decayed(&mut self, weight: NodeId, gradient: NodeId, decay: f64) -> Value {
        let gradient = self.value(gradient);
        self.plus_decay(gradient, weight, decay)
    }

    fn plus_decay(&mut self, direction: Value, weight: NodeId, decay: f64) -> Value {
        let (decay, weight) = (self.map.constant(decay), self.value(weight));
        let pull = self.map.mul(decay, weight);
        self.map.add(direction, pull)
    }

    /// w - rate direction
    fn moved(&mut self, weight: NodeId, rate: NodeId, direction: Value) -> Value {
        let (rate, weight) = (self.value(rate), self.value(weight));
        let step = self.map.mul(rate, direction);
        self.map.sub(weight, step)
    }
}
