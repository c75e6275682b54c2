//! A row an operation: its equation as an expression at one point.

use std::collections::BTreeMap;

use super::decide::operands;
use super::persistent::feature;
use super::stand_in::StandIn;
use crate::graph::op::{GateRef, Op, ScaleOp};
use crate::graph::{Graph, NodeId};
use crate::kernel::{
    Axis, Binary, BufferId, Distribution, Domain, Draw, Expr, Gather, MapBuilder, Param, Place, ReduceOp, Unary, Value,
};
use crate::net::{Activation, Factor, Level, Path, Window};
use crate::num::draw::{Stream, bernoulli_threshold};

/// Builds expressions into one map.
pub(super) struct Expressions<'a> {
    pub(super) graph: &'a Graph,
    /// The buffers of stored nodes.
    pub(super) buffers: &'a BTreeMap<NodeId, BufferId>,
    /// Of some stored nodes what is read in their stead while a gate is open.
    pub(super) stand_ins: &'a BTreeMap<NodeId, StandIn>,
    pub(super) map: MapBuilder,
    /// Values that this map itself computes and stores.
    pub(super) known: BTreeMap<NodeId, Value>,
}

impl Expressions<'_> {
    /// A node's value at the map's point: from its buffer where it has one, else computed.
    pub(super) fn value(&mut self, id: NodeId) -> Value {
        if let Some(value) = self.known.get(&id) {
            return *value;
        }
        let value = match self.buffers.get(&id) {
            Some(buffer) => {
                let place = self.place(id);
                let kept = self.map.load(*buffer, place);
                match self.stand_ins.get(&id) {
                    Some(StandIn { node, gate }) => {
                        let (cond, then) = (self.map.push(Expr::Draw(*gate)), self.value(*node));
                        self.map.push(Expr::Select { cond, then, otherwise: kept })
                    }
                    None => kept,
                }
            }
            None => self.computed(id),
        };
        self.known.insert(id, value);
        value
    }

    /// Where a stored node's value at the map's point lies.
    fn place(&self, id: NodeId) -> Place {
        match (feature(self.graph, id), self.map.domain()) {
            (Some([_, h, w]), Domain::Feature { height, width, .. }) if [h, w] == [height, width] => Place::Point,
            (Some(_), _) => Place::Plane,
            (None, Domain::Flat { .. }) => Place::Flat,
            (None, _) => Place::Channel,
        }
    }

    fn buffer(&self, id: NodeId) -> BufferId {
        *self.buffers.get(&id).expect("what other points are read of is stored")
    }

    /// A feature-like node's equation at the map's point.
    pub(super) fn computed(&mut self, id: NodeId) -> Value {
        let graph = self.graph;
        let inputs = operands(graph, id);
        let [_, height, width] = feature(graph, id).unwrap_or([0, 1, 1]);
        match &graph.node(id).op {
            // y = x + b
            Op::AddChannel | Op::Add => {
                let (a, b) = (self.value(inputs[0]), self.value(inputs[1]));
                self.map.add(a, b)
            }
            // y = (x - mean) (scale / sqrt(variance + eps)) + shift
            Op::BatchNorm { eps, .. } => {
                let [x, mean, scale, shift] = [0, 1, 3, 4].map(|i| self.value(inputs[i]));
                let inverse = self.inverse_deviation(inputs[2], *eps);
                let factor = self.map.mul(scale, inverse);
                let centred = self.map.sub(x, mean);
                let scaled = self.map.mul(centred, factor);
                self.map.add(scaled, shift)
            }
            // dx = scale / sqrt(variance + eps) (dy - dshift / m - (x - mean) dscale / (m sqrt(variance + eps)))
            Op::BatchNormToInput { eps } => {
                let [dy, x, mean, scale, dscale, dshift] = [0, 1, 2, 4, 5, 6].map(|i| self.value(inputs[i]));
                let inverse = self.inverse_deviation(inputs[3], *eps);
                let m = self.elements_a_channel(height * width);
                let factor = self.map.mul(scale, inverse);
                let mean_dy = self.map.div(dshift, m);
                let mean_dy_xhat = self.map.div(dscale, m);
                let slope = self.map.mul(inverse, mean_dy_xhat);
                let centred = self.map.sub(x, mean);
                let along = self.map.mul(centred, slope);
                let rest = self.map.sub(dy, mean_dy);
                let rest = self.map.sub(rest, along);
                self.map.mul(factor, rest)
            }
            Op::Act(activation) => {
                let x = self.value(inputs[0]);
                self.activation(*activation, x)
            }
            Op::ActBack(activation) => {
                let (dy, x) = (self.value(inputs[0]), self.value(inputs[1]));
                self.activation_back(*activation, dy, x)
            }
            // y = x f(draws)
            Op::Scale(scale) => {
                let x = self.value(inputs[0]);
                let factor = self.factor(scale, &scale.forward);
                self.map.mul(x, factor)
            }
            // y = x, or 0 where a gate is 0
            Op::Gated { gates } => {
                let x = self.value(inputs[0]);
                self.map.while_open(&draws(gates), x)
            }
            Op::ScaleConst { factor, .. } => {
                let x = self.value(inputs[0]);
                let factor = self.map.constant(*factor);
                self.map.mul(x, factor)
            }
            Op::Mul => {
                let (a, b) = (self.value(inputs[0]), self.value(inputs[1]));
                self.map.mul(a, b)
            }
            Op::AvgPool(window) => {
                let sum = self.gather(inputs[0], Gather::WindowSum(*window));
                self.mean_of(sum, *window)
            }
            Op::AvgPoolBack { window, .. } => {
                let sum = self.gather(inputs[0], Gather::WindowSumBack(*window));
                self.mean_of(sum, *window)
            }
            Op::MaxPool(window) => self.gather(inputs[0], Gather::WindowMax(*window)),
            Op::MaxPoolBack(window) => {
                let x = self.buffer(inputs[1]);
                self.gather(inputs[0], Gather::WindowMaxBack { window: *window, x })
            }
            Op::GlobalAvgPoolBack { height, width } => {
                let dy = self.map.load(self.buffer(inputs[0]), Place::Plane);
                let share = self.map.constant(1.0 / (height * width) as f64);
                self.map.mul(dy, share)
            }
            Op::PadChannels { .. } => self.moved(inputs[0], 0),
            Op::SliceChannels { from, .. } => {
                let all = self.moved(inputs[0], -(*from as isize));
                self.map.push(Expr::Mask(all))
            }
            Op::Concat => {
                let mut from = 0;
                let mut joined = self.map.constant(0.0);
                for input in inputs {
                    let part = self.moved(input, from);
                    joined = self.map.add(joined, part);
                    from += self.channels(input) as isize;
                }
                joined
            }
            Op::Subsample { stride } => self.gather(inputs[0], Gather::Subsample { stride: *stride }),
            Op::SubsampleBack { stride, .. } => self.gather(inputs[0], Gather::Spread { stride: *stride }),
            Op::Shift { down, right } => self.gather(inputs[0], Gather::Shift { down: *down, right: *right }),
            Op::Reshape { .. } => {
                let [_, h, w] = feature(graph, inputs[0]).expect("a feature map is reshaped");
                let same = self.map.load(self.buffer(inputs[0]), Place::Reshaped { pixels: h * w });
                self.map.push(Expr::Mask(same))
            }
            Op::SumPixels => {
                let x = self.value(inputs[0]);
                self.map.sum(Axis::Pixels, x)
            }
            Op::GlobalAvgPool => {
                let [_, h, w] = feature(graph, inputs[0]).expect("a feature map is pooled");
                let x = self.value(inputs[0]);
                let sum = self.map.sum(Axis::Pixels, x);
                let share = self.map.constant(1.0 / (h * w) as f64);
                self.map.mul(sum, share)
            }
            op @ (Op::Image
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
            | Op::CrossEntropy { .. }
            | Op::CrossEntropyBack { .. }
            | Op::Update(_)
            | Op::Output(_)) => unreachable!("{op:?} has a buffer, or a piece of its own"),
        }
    }

    /// 1 / sqrt(variance + eps)
    pub(super) fn inverse_deviation(&mut self, variance: NodeId, eps: f64) -> Value {
        let variance = self.value(variance);
        let eps = self.map.constant(eps);
        let sum = self.map.add(variance, eps);
        let root = self.map.unary(Unary::Sqrt, sum);
        let one = self.map.constant(1.0);
        self.map.div(one, root)
    }

    /// m = N H W
    pub(super) fn elements_a_channel(&mut self, pixels: usize) -> Value {
        let batch = self.map.push(Expr::Param(Param::Batch));
        let pixels = self.map.constant(pixels as f64);
        self.map.mul(batch, pixels)
    }

    /// A running statistic's new value; the old one where a gate is 0.
    pub(super) fn running(&mut self, id: NodeId) -> Value {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        let Op::Running { momentum, pixels, variance, gates } = &graph.node(id).op else {
            unreachable!("asked for a running statistic")
        };
        let (old, mut batch) = (self.value(inputs[0]), self.value(inputs[1]));
        if *variance {
            let m = self.elements_a_channel(*pixels);
            let one = self.map.constant(1.0);
            let less = self.map.sub(m, one);
            let less = self.map.binary(Binary::Max, less, one);
            let unbiased = self.map.div(m, less);
            batch = self.map.mul(batch, unbiased);
        }
        let (keep, take) = (self.map.constant(1.0 - momentum), self.map.constant(*momentum));
        let (kept, taken) = (self.map.mul(keep, old), self.map.mul(take, batch));
        let new = self.map.add(kept, taken);
        draws(gates).into_iter().fold(new, |new, gate| {
            let open = self.map.push(Expr::Draw(gate));
            self.map.push(Expr::Select { cond: open, then: new, otherwise: old })
        })
    }

    fn factor(&mut self, scale: &ScaleOp, factor: &Factor) -> Value {
        let both = |e: &mut Self, op, a: &Factor, b: &Factor| {
            let (a, b) = (e.factor(scale, a), e.factor(scale, b));
            e.map.binary(op, a, b)
        };
        match factor {
            Factor::Const(x) => self.map.constant(*x),
            Factor::Draw(i) => {
                let draw = &scale.draws[*i];
                let stream = Stream::of_rule(scale.site.as_str(), *i);
                let distribution = draw.distribution.into();
                self.map.push(Expr::Draw(Draw { stream, level: draw.level, distribution }))
            }
            Factor::Neg(a) => {
                let a = self.factor(scale, a);
                self.map.unary(Unary::Neg, a)
            }
            Factor::Sqrt(a) => {
                let a = self.factor(scale, a);
                self.map.unary(Unary::Sqrt, a)
            }
            Factor::Add(a, b) => both(self, Binary::Add, a, b),
            Factor::Sub(a, b) => both(self, Binary::Sub, a, b),
            Factor::Mul(a, b) => both(self, Binary::Mul, a, b),
            Factor::Div(a, b) => both(self, Binary::Div, a, b),
            Factor::Min(a, b) => both(self, Binary::Min, a, b),
            Factor::Max(a, b) => both(self, Binary::Max, a, b),
        }
    }

    fn activation(&mut self, activation: Activation, x: Value) -> Value {
        match activation {
            Activation::Relu => {
                // 0 first, so that not a number passes.
                let zero = self.map.constant(0.0);
                self.map.binary(Binary::Max, zero, x)
            }
            Activation::LeakyRelu { slope } => {
                let slope = self.map.constant(slope);
                let small = self.map.mul(slope, x);
                self.map.push(Expr::Select { cond: x, then: x, otherwise: small })
            }
            Activation::Silu => {
                let s = self.sigmoid(x);
                self.map.mul(x, s)
            }
            Activation::Sigmoid => {
                let s = self.sigmoid(x);
                self.map.push(Expr::Mask(s))
            }
        }
    }

    fn activation_back(&mut self, activation: Activation, dy: Value, x: Value) -> Value {
        match activation {
            Activation::Relu => {
                let zero = self.map.constant(0.0);
                self.map.push(Expr::Select { cond: x, then: dy, otherwise: zero })
            }
            Activation::LeakyRelu { slope } => {
                let slope = self.map.constant(slope);
                let small = self.map.mul(slope, dy);
                self.map.push(Expr::Select { cond: x, then: dy, otherwise: small })
            }
            // s (1 + x (1 - s))
            Activation::Silu => {
                let s = self.sigmoid(x);
                let one = self.map.constant(1.0);
                let rest = self.map.sub(one, s);
                let along = self.map.mul(x, rest);
                let sum = self.map.add(one, along);
                let slope = self.map.mul(s, sum);
                self.map.mul(dy, slope)
            }
            // s (1 - s)
            Activation::Sigmoid => {
                let s = self.sigmoid(x);
                let one = self.map.constant(1.0);
                let rest = self.map.sub(one, s);
                let slope = self.map.mul(s, rest);
                self.map.mul(dy, slope)
            }
        }
    }

    /// 1 / (1 + exp(-x))
    fn sigmoid(&mut self, x: Value) -> Value {
        let minus = self.map.unary(Unary::Neg, x);
        let e = self.map.unary(Unary::Exp, minus);
        let one = self.map.constant(1.0);
        let sum = self.map.add(one, e);
        self.map.div(one, sum)
    }

    fn channels(&self, id: NodeId) -> usize {
        feature(self.graph, id).expect("a feature map has channels")[0]
    }

    fn moved(&mut self, id: NodeId, by: isize) -> Value {
        let at = Place::Moved { channels: self.channels(id), by };
        self.map.load(self.buffer(id), at)
    }

    fn gather(&mut self, id: NodeId, gather: Gather) -> Value {
        let [_, height, width] = feature(self.graph, id).expect("a feature map has other points");
        self.map.push(Expr::Gather { buffer: self.buffer(id), height, width, gather })
    }

    fn mean_of(&mut self, sum: Value, window: Window) -> Value {
        let share = self.map.constant(1.0 / (window.kernel * window.kernel) as f64);
        self.map.mul(sum, share)
    }

    /// (mean, sum of squares about it) of a plane, shifted by its first pixel so that a large mean costs no digits
    /// (Chan, Golub and LeVeque 1983, section 2).
    pub(super) fn plane_moments(&mut self, x: NodeId) -> [Value; 2] {
        let [_, height, width] = feature(self.graph, x).expect("a feature map has planes");
        let pixels = self.map.constant((height * width) as f64);
        let x = self.value(x);
        let first = self.map.first_pixel(x);
        let distance = self.map.sub(x, first);
        let square = self.map.mul(distance, distance);
        let (sum, squares) = (self.map.sum(Axis::Pixels, distance), self.map.sum(Axis::Pixels, square));
        let mean_distance = self.map.div(sum, pixels);
        let mean = self.map.add(first, mean_distance);
        let between = self.map.mul(sum, mean_distance);
        [mean, self.map.sub(squares, between)]
    }

    /// The softmax's parts for an image's logits z: (z - max z, sum of exp of that).
    fn softmax(&mut self, logits: NodeId) -> [Value; 2] {
        let z = self.value(logits);
        let max = self.map.push(Expr::Reduce { over: Axis::Channels, op: ReduceOp::Max, body: z });
        let below = self.map.sub(z, max);
        let e = self.map.unary(Unary::Exp, below);
        [below, self.map.sum(Axis::Channels, e)]
    }

    fn smoothed(&mut self, target: NodeId, smoothing: f64) -> Value {
        let classes = self.channels(target);
        let t = self.value(target);
        let (keep, even) = (self.map.constant(1.0 - smoothing), self.map.constant(smoothing / classes as f64));
        let kept = self.map.mul(keep, t);
        self.map.add(kept, even)
    }

    /// An image's cross entropy.
    pub(super) fn cross_entropy(&mut self, logits: NodeId, target: NodeId, smoothing: f64) -> Value {
        let [below, sum] = self.softmax(logits);
        let t = self.smoothed(target, smoothing);
        let ln = self.map.unary(Unary::Ln, sum);
        let surprise = self.map.sub(ln, below);
        let weighted = self.map.mul(t, surprise);
        self.map.sum(Axis::Channels, weighted)
    }

    /// The gradient of the batch's mean cross entropy to an image's logits.
    pub(super) fn cross_entropy_back(&mut self, logits: NodeId, target: NodeId, smoothing: f64) -> Value {
        let [below, sum] = self.softmax(logits);
        let t = self.smoothed(target, smoothing);
        let e = self.map.unary(Unary::Exp, below);
        let p = self.map.div(e, sum);
        let difference = self.map.sub(p, t);
        let batch = self.map.push(Expr::Param(Param::Batch));
        let mean = self.map.div(difference, batch);
        self.map.push(Expr::Mask(mean))
    }
}

/// The draws of gates, those that never close left out.
pub(super) fn draws(gates: &[GateRef]) -> Vec<Draw> {
    let gates = gates.iter().map(|gate| (gate, bernoulli_threshold(gate.p)));
    let draw = |(gate, threshold): (&GateRef, u64)| Draw {
        stream: Stream::of_rule(gate.site.as_str(), gate.draw),
        level: Level::Batch,
        distribution: Distribution::Bernoulli { threshold },
    };
    gates.filter(|(_, threshold)| *threshold < 1 << 32).map(draw).collect()
}

/// A name for what a piece computes, from its node's.
pub(super) fn part(name: &str, what: &str) -> String {
    format!("{name}/{what}")
}

/// Whether a path is that of a parameter's own node.
pub(super) fn parameter(graph: &Graph, id: NodeId) -> Option<&Path> {
    match &graph.node(id).op {
        Op::Parameter { path, .. } => Some(path),
        _ => None,
    }
}
