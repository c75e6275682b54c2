//! Nodes to kernels, in the graph's order.

use std::collections::BTreeMap;

use super::close::gated_gradient;
use super::decide::{self, Kind};
use super::expression::{Expressions, parameter, part};
use super::persistent::{Persistent, conv_sizes, conv_sizes_of, feature};
use super::piece::{Kept, Open, OpenBody};
use super::rejoin::rejoin;
use super::values::Values;
use crate::graph::op::{Op, Output};
use crate::graph::{Graph, NodeId, Phase};
use crate::kernel::{
    Axis, Buffer, BufferId, Contraction, Domain, Draw, Expr, Lifetime, MapBuilder, Operand, Param, Pass, Place, Plan,
    Size, Slot, Target, Value, When,
};
use crate::net::recipe::Memory;

/// For each node the gates that are open wherever its value matters.
pub(super) type Needs = BTreeMap<NodeId, Vec<Draw>>;

pub(super) fn schedule(graph: &Graph, values: &Values, needs: Needs, persistent: &Persistent, batch: usize) -> Plan {
    let plan = Plan { batch, buffers: vec![], slots: BTreeMap::new(), kernels: vec![], arena: 0, plain: false };
    let names = graph.names();
    let mut schedule = Schedule {
        graph,
        names,
        values,
        needs,
        persistent,
        plan,
        buffers: BTreeMap::new(),
        views: vec![],
        moments: BTreeMap::new(),
        kernels: vec![],
        forward: 0,
        producers: BTreeMap::new(),
    };
    schedule.sources();
    schedule.outputs();
    for id in graph.nodes() {
        if values.stored.contains(&id) {
            schedule.node(id);
        }
        if graph.node(id).phase == Phase::Forward {
            schedule.forward = schedule.kernels.len();
        }
    }
    schedule.close_gradients();
    schedule.update();
    schedule.finish()
}

/// Whole regions of a group.
#[derive(Clone, Debug)]
pub(super) struct Views {
    pub(super) weights: BufferId,
    pub(super) memories: Vec<(Memory, BufferId)>,
    pub(super) gradients: Option<BufferId>,
}

pub(super) struct Schedule<'a> {
    pub(super) graph: &'a Graph,
    pub(super) names: BTreeMap<NodeId, String>,
    /// Where values are found.
    pub(super) values: &'a Values,
    needs: Needs,
    pub(super) persistent: &'a Persistent,
    pub(super) plan: Plan,
    /// The buffers of stored nodes.
    pub(super) buffers: BTreeMap<NodeId, BufferId>,
    /// The whole regions of each group, where the optimizer does something to it.
    pub(super) views: Vec<Option<Views>>,
    /// Each plane's mean and sum of squares about it, of the values whose moments are taken.
    moments: BTreeMap<NodeId, [BufferId; 2]>,
    pub(super) kernels: Vec<Open>,
    /// How many of them the forward pass has made.
    pub(super) forward: usize,
    /// The kernel that writes a buffer.
    pub(super) producers: BTreeMap<BufferId, usize>,
}

impl Schedule<'_> {
    fn sources(&mut self) {
        let graph = self.graph;
        let persistent = self.persistent;
        for (number, group) in persistent.groups.iter().enumerate() {
            let view = |schedule: &mut Self, what: &str, lifetime, offset| {
                schedule.placed(format!("{what}[{number}]"), Size::Flat(group.len), lifetime, offset)
            };
            let kept = Lifetime::Persistent;
            let changed = group.gradients.is_some() || !group.memories.is_empty();
            let views = changed.then(|| Views {
                weights: view(self, group.name(), kept, group.weights),
                memories: (group.memories.iter())
                    .map(|(memory, at)| (*memory, view(self, memory.name(), kept, *at)))
                    .collect(),
                gradients: group.gradients.map(|at| view(self, "gradients", GRADIENT, at)),
            });
            self.views.push(views);
        }
        for (path, entry) in &persistent.entries {
            let group = &persistent.groups[entry.group];
            let kept = Lifetime::Persistent;
            let id = self.placed(path.to_string(), entry.size, kept, group.weights + entry.offset);
            self.plan.slots.insert(Slot::Parameter(path.clone()), id);
            for (memory, start) in &group.memories {
                let name = format!("{}/{path}", memory.name());
                let id = self.placed(name, entry.size, kept, start + entry.offset);
                self.plan.slots.insert(Slot::Memory(*memory, path.clone()), id);
            }
        }
        for id in graph.nodes() {
            let slot = match &graph.node(id).op {
                Op::Parameter { path, .. } => {
                    let slot = Slot::Parameter(path.clone());
                    let buffer = self.plan.slot(&slot).unwrap_or_else(|| panic!("the layout has no {path}"));
                    self.buffers.insert(id, buffer);
                    continue;
                }
                Op::Image => Slot::Image,
                Op::Target => Slot::Target,
                _ => continue,
            };
            let size = self.size(id);
            let buffer = self.buffer(self.names[&id].clone(), size, Lifetime::Step);
            self.buffers.insert(id, buffer);
            self.plan.slots.insert(slot, buffer);
        }
    }

    /// Gives the nodes that are handed out buffers that last.
    fn outputs(&mut self) {
        for (output, id) in self.graph.outputs() {
            let node = self.graph.inputs(id)[0];
            let (slot, buffer) = match output {
                Output::Loss => (Slot::Loss, self.buffer("loss".to_owned(), Size::Channels(1), Lifetime::Step)),
                Output::Logits => {
                    let size = self.size(node);
                    (Slot::Logits, self.buffer(self.names[&node].clone(), size, Lifetime::Step))
                }
                Output::Gradient(path) => {
                    let entry = &self.persistent.entries[&path];
                    let name = format!("gradient/{path}");
                    let buffer = match self.persistent.groups[entry.group].gradients {
                        Some(start) => self.placed(name, entry.size, GRADIENT, start + entry.offset),
                        None => self.buffer(name, entry.size, Lifetime::Step),
                    };
                    (Slot::Gradient(path), buffer)
                }
                // New values go where the old ones were.
                Output::Parameter(_) | Output::Memory(..) => continue,
            };
            self.buffers.insert(node, buffer);
            if let Some(gradient) = gated_gradient(self.graph, node) {
                self.buffers.insert(gradient, buffer);
            }
            self.plan.slots.insert(slot, buffer);
        }
    }

    fn node(&mut self, id: NodeId) {
        // A gradient stays where it was made (`outputs`) and is set to 0 at the end (`close_gradients`).
        if gated_gradient(self.graph, id).is_some() {
            return;
        }
        match decide::kind(&self.graph.node(id).op) {
            Kind::Contraction => self.contraction(id),
            Kind::Pointwise | Kind::Gather => {
                let buffer = self.buffer_of(id);
                self.feature_piece(self.names[&id].clone(), id, id, |e| {
                    let value = e.computed(id);
                    vec![(Target::Point(buffer), value, Some(id))]
                });
            }
            Kind::OverPixels => {
                let buffer = self.buffer_of(id);
                let x = self.graph.inputs(id)[0];
                self.feature_piece(self.names[&id].clone(), id, x, |e| {
                    let value = e.computed(id);
                    vec![(Target::Plane(buffer), value, None)]
                });
            }
            Kind::OverBatch => self.over_batch(id),
            Kind::Channel => {
                let statistic = self.buffers[&self.graph.inputs(id)[0]];
                self.channel_piece(id, |e| {
                    let value = e.running(id);
                    vec![(Target::Channel(statistic), value, Some(id))]
                });
            }
            Kind::Loss => self.loss(id),
            Kind::Source | Kind::Update | Kind::Output => {}
        }
    }

    fn contraction(&mut self, id: NodeId) {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        let name = self.names[&id].clone();
        let result = self.buffer_of(id);
        let shape = |id| feature(graph, id).expect("a convolution is between feature maps");
        let (sizes, pass) = match graph.node(id).op {
            Op::Conv(geometry) => {
                let sizes = conv_sizes(graph, geometry, inputs[0], id);
                let x = self.operand(inputs[0], &name);
                (sizes, Pass::Forward { x, weight: self.buffers[&inputs[1]], y: result })
            }
            Op::ConvToInput { geometry, .. } => {
                let sizes = conv_sizes_of(geometry, shape(id), shape(inputs[0]));
                let dy = self.operand(inputs[0], &name);
                (sizes, Pass::ToInput { dy, weight: self.buffers[&inputs[1]], dx: result })
            }
            Op::ConvToWeight(geometry) => {
                let sizes = conv_sizes(graph, geometry, inputs[0], inputs[1]);
                let (x, dy) = (self.operand(inputs[0], &name), self.operand(inputs[1], &name));
                (sizes, Pass::ToWeight { x, dy, dweight: result })
            }
            ref op => unreachable!("{op:?} is no contraction"),
        };
        self.producers.insert(result, self.kernels.len());
        let body = OpenBody::Contraction(Contraction { name, sizes, pass, epilogue: None }, None);
        self.kernels.push(Open { when: When::open(self.need(id)), body });
    }

    /// What a contraction reads: a buffer, or a prologue that computes planes.
    fn operand(&mut self, id: NodeId, reader: &str) -> Operand {
        if let Some(buffer) = self.buffers.get(&id) {
            return Operand::Stored(*buffer);
        }
        let name = part(reader, &self.names[&id]);
        let mut e = self.expressions(name, self.domain(id), BTreeMap::new());
        let value = e.value(id);
        e.map.store(Target::Tile, value);
        Operand::Computed(e.map.finish())
    }

    fn over_batch(&mut self, id: NodeId) {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        let [channels, height, width] = feature(graph, inputs[0]).expect("a feature map is joined");
        let name = self.names[&id].clone();
        let buffer = self.buffer_of(id);
        let per_plane = Size::Feature { channels, height: 1, width: 1 };
        match graph.node(id).op {
            Op::ChannelMean => {
                let [means, _] = self.moments(id, inputs[0], per_plane);
                self.channel_piece(id, |e| {
                    let mean = e.map.load(means, Place::Plane);
                    let sum = e.map.sum(Axis::Batch, mean);
                    let batch = e.map.push(Expr::Param(Param::Batch));
                    let value = e.map.div(sum, batch);
                    vec![(Target::Channel(buffer), value, Some(id))]
                });
            }
            // The planes' own squares, and those of their means about the whole mean.
            Op::ChannelVariance => {
                let [means, squares] = self.moments(id, inputs[0], per_plane);
                self.channel_piece(id, |e| {
                    let mean = e.value(inputs[1]);
                    let (plane_mean, within) = (e.map.load(means, Place::Plane), e.map.load(squares, Place::Plane));
                    let distance = e.map.sub(plane_mean, mean);
                    let square = e.map.mul(distance, distance);
                    let pixels = e.map.constant((height * width) as f64);
                    let between = e.map.mul(pixels, square);
                    let both = e.map.add(within, between);
                    let sum = e.map.sum(Axis::Batch, both);
                    let m = e.elements_a_channel(height * width);
                    let value = e.map.div(sum, m);
                    vec![(Target::Channel(buffer), value, Some(id))]
                });
            }
            Op::SumChannel => {
                let planes = self.buffer(part(&name, "planes"), per_plane, KERNELS);
                self.feature_piece(name, id, inputs[0], |e| {
                    let x = e.value(inputs[0]);
                    let sum = e.map.sum(Axis::Pixels, x);
                    vec![(Target::Plane(planes), sum, None)]
                });
                self.channel_piece(id, |e| {
                    let plane = e.map.load(planes, Place::Plane);
                    let value = e.map.sum(Axis::Batch, plane);
                    vec![(Target::Channel(buffer), value, Some(id))]
                });
            }
            Op::BatchNormToScale { eps } => {
                let planes = self.buffer(part(&name, "planes"), per_plane, KERNELS);
                self.feature_piece(name, id, inputs[0], |e| {
                    let [dy, x, mean] = [0, 1, 2].map(|i| e.value(inputs[i]));
                    let centred = e.map.sub(x, mean);
                    let product = e.map.mul(dy, centred);
                    let sum = e.map.sum(Axis::Pixels, product);
                    vec![(Target::Plane(planes), sum, None)]
                });
                self.channel_piece(id, |e| {
                    let plane = e.map.load(planes, Place::Plane);
                    let sum = e.map.sum(Axis::Batch, plane);
                    let inverse = e.inverse_deviation(inputs[3], eps);
                    let value = e.map.mul(sum, inverse);
                    vec![(Target::Channel(buffer), value, Some(id))]
                });
            }
            ref op => unreachable!("{op:?} does not join over the batch"),
        }
    }

    /// The moments of x, which `id` reads; it is the mean, which matters wherever the variance does.
    fn moments(&mut self, id: NodeId, x: NodeId, per_plane: Size) -> [BufferId; 2] {
        if let Some(known) = self.moments.get(&x) {
            return *known;
        }
        let name = self.names[&x].clone();
        let [means, squares] =
            ["plane_mean", "plane_squares"].map(|what| self.buffer(part(&name, what), per_plane, KERNELS));
        self.feature_piece(part(&name, "moments"), id, x, |e| {
            let [mean, square] = e.plane_moments(x);
            vec![(Target::Plane(means), mean, None), (Target::Plane(squares), square, None)]
        });
        self.moments.insert(x, [means, squares]);
        [means, squares]
    }

    fn loss(&mut self, id: NodeId) {
        let inputs = self.graph.inputs(id);
        let (logits, target) = (inputs[0], inputs[1]);
        let [classes, ..] = feature(self.graph, logits).expect("logits are a feature map");
        let domain = Domain::Image { channels: classes };
        let name = self.names[&id].clone();
        let buffer = self.buffer_of(id);
        match self.graph.node(id).op {
            Op::CrossEntropy { smoothing } => {
                let rows = Size::Feature { channels: 1, height: 1, width: 1 };
                let rows = self.buffer(part(&name, "rows"), rows, KERNELS);
                self.piece(name.clone(), id, domain, |e| {
                    let loss = e.cross_entropy(logits, target, smoothing);
                    vec![(Target::Image(rows), loss, None)]
                });
                self.piece(part(&name, "mean"), id, Domain::Channel { channels: 1 }, |e| {
                    let row = e.map.load(rows, Place::Plane);
                    let sum = e.map.sum(Axis::Batch, row);
                    let batch = e.map.push(Expr::Param(Param::Batch));
                    let mean = e.map.div(sum, batch);
                    vec![(Target::Channel(buffer), mean, Some(id))]
                });
            }
            Op::CrossEntropyBack { smoothing } => self.piece(name, id, domain, |e| {
                let value = e.cross_entropy_back(logits, target, smoothing);
                vec![(Target::Plane(buffer), value, None)]
            }),
            ref op => unreachable!("{op:?} is no loss"),
        }
    }

    fn feature_piece(
        &mut self,
        name: String,
        id: NodeId,
        like: NodeId,
        build: impl Fn(&mut Expressions<'_>) -> Vec<Kept>,
    ) {
        self.piece(name, id, self.domain(like), build);
    }

    fn channel_piece(&mut self, id: NodeId, build: impl Fn(&mut Expressions<'_>) -> Vec<Kept>) {
        let channels = self.graph.node(id).ty.elements();
        self.piece(self.names[&id].clone(), id, Domain::Channel { channels }, build);
    }

    /// Whether kernels behind closed gates do not run.
    pub(super) fn skips(&self) -> bool {
        !self.needs.is_empty()
    }

    /// The gates that are open wherever a node's value matters.
    pub(super) fn need(&self, id: NodeId) -> Vec<Draw> {
        self.needs.get(&id).cloned().unwrap_or_default()
    }

    fn expressions(&self, name: String, domain: Domain, known: BTreeMap<NodeId, Value>) -> Expressions<'_> {
        let (graph, buffers, stand_ins) = (self.graph, &self.buffers, &self.values.stand_ins);
        Expressions { graph, buffers, stand_ins, map: MapBuilder::new(name, domain), known }
    }

    fn domain(&self, id: NodeId) -> Domain {
        let [channels, height, width] = feature(self.graph, id).expect("a map runs over a feature map");
        Domain::Feature { channels, height, width }
    }

    fn size(&self, id: NodeId) -> Size {
        match feature(self.graph, id) {
            Some([channels, height, width]) => Size::Feature { channels, height, width },
            None => Size::Channels(self.graph.node(id).ty.elements()),
        }
    }

    fn buffer_of(&mut self, id: NodeId) -> BufferId {
        if let Some(buffer) = self.buffers.get(&id) {
            return *buffer;
        }
        debug_assert!(parameter(self.graph, id).is_none());
        if let Some(made) = self.values.in_place.get(&id).copied() {
            let buffer = self.buffer_of(made);
            self.buffers.insert(id, buffer);
            return buffer;
        }
        let buffer = self.buffer(self.names[&id].clone(), self.size(id), KERNELS);
        self.buffers.insert(id, buffer);
        buffer
    }

    pub(super) fn buffer(&mut self, name: String, size: Size, lifetime: Lifetime) -> BufferId {
        self.plan.buffers.push(Buffer { name, size, lifetime, offset: 0 });
        BufferId(self.plan.buffers.len() as u32 - 1)
    }

    /// A buffer of a region.
    pub(super) fn placed(&mut self, name: String, size: Size, lifetime: Lifetime, offset: usize) -> BufferId {
        debug_assert!(lifetime.is_in_region());
        self.plan.buffers.push(Buffer { name, size, lifetime, offset });
        BufferId(self.plan.buffers.len() as u32 - 1)
    }

    fn finish(mut self) -> Plan {
        let mut kernels: Vec<_> = self.kernels.into_iter().map(Open::finish).collect();
        if self.values.fuse {
            rejoin(&mut kernels);
        }
        self.plan.kernels = kernels;
        self.plan.place(&[]);
        self.plan
    }
}

/// Set by `Plan::place` when all kernels are known.
pub(super) const KERNELS: Lifetime = Lifetime::Kernels { from: 0, to: 0 };
/// As above.
const GRADIENT: Lifetime = Lifetime::ToEnd { from: 0 };
