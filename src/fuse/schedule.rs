//! Nodes to kernels, in the graph's order.

use std::collections::{BTreeMap, BTreeSet};

use super::close::gated_gradient;
use super::decide::{self, Kind};
use super::expression::{Expressions, parameter, part};
use super::persistent::{Persistent, conv_sizes, conv_sizes_of, feature};
use crate::graph::op::{Op, Output};
use crate::graph::{Graph, NodeId};
use crate::kernel::{
    Axis, Body, Buffer, BufferId, Contraction, Domain, Draw, Expr, Kernel, Lifetime, Map, MapBuilder, Operand, Param,
    Pass, Place, Plan, Size, Slot, Target, Value, When, all_among,
};

/// For each node the gates that are open wherever its value matters.
pub(super) type Needs = BTreeMap<NodeId, Vec<Draw>>;

pub(super) fn schedule(
    graph: &Graph,
    stored: &BTreeSet<NodeId>,
    needs: Needs,
    persistent: &Persistent,
    batch: usize,
) -> Plan {
    let plan = Plan { batch, buffers: vec![], slots: BTreeMap::new(), kernels: vec![], arena: 0 };
    let names = graph.names();
    let mut schedule = Schedule {
        graph,
        names,
        needs,
        persistent,
        plan,
        buffers: BTreeMap::new(),
        views: vec![],
        moments: BTreeMap::new(),
        kernels: vec![],
        producers: BTreeMap::new(),
    };
    schedule.sources();
    schedule.outputs();
    for id in graph.nodes() {
        if stored.contains(&id) {
            schedule.node(id);
        }
    }
    schedule.close_gradients();
    if graph.outputs().keys().any(|output| matches!(output, Output::Momentum(_))) {
        schedule.update();
    }
    schedule.finish()
}

pub(super) struct Schedule<'a> {
    pub(super) graph: &'a Graph,
    pub(super) names: BTreeMap<NodeId, String>,
    needs: Needs,
    pub(super) persistent: &'a Persistent,
    pub(super) plan: Plan,
    /// The buffers of stored nodes.
    pub(super) buffers: BTreeMap<NodeId, BufferId>,
    /// Weights, momenta and gradients of each group that is trained.
    views: Vec<[BufferId; 3]>,
    /// Each plane's mean and sum of squares about it, of the values whose moments are taken.
    moments: BTreeMap<NodeId, [BufferId; 2]>,
    pub(super) kernels: Vec<Open>,
    /// The kernel that writes a buffer.
    producers: BTreeMap<BufferId, usize>,
}

/// A kernel that pieces may still join.
pub(super) struct Open {
    when: When,
    body: OpenBody,
}

enum OpenBody {
    Map(Piece),
    Contraction(Contraction, Option<Piece>),
}

impl Open {
    /// A map that nothing reads before the step's end.
    pub(super) fn map(when: When, map: MapBuilder) -> Self {
        Open { when, body: OpenBody::Map(Piece { map, known: BTreeMap::new() }) }
    }

    /// The kernel. A gate that is open wherever it runs is no longer drawn in it.
    fn finish(self) -> Kernel {
        let when = self.when;
        let open = |map: Map| when.gates().iter().fold(map, |map, gate| map.specialised(*gate, 1.0));
        let finished = |piece: Piece| open(piece.map.finish());
        let body = match self.body {
            OpenBody::Map(piece) => Body::Map(finished(piece)),
            OpenBody::Contraction(contraction, epilogue) => Body::Contraction(Contraction {
                pass: contraction.pass.map_operands(open),
                epilogue: epilogue.map(finished),
                ..contraction
            }),
        };
        Kernel { when, body }
    }

    /// Whether a buffer that this kernel writes is known at each point of its loop. A value for a whole plane is not: it
    /// is there when the loop is over, also where the plane is a single pixel.
    fn knows(&self, buffer: BufferId, at: Place) -> bool {
        let target = match at {
            Place::Point => Target::Point(buffer),
            Place::Channel => Target::Channel(buffer),
            Place::Flat => Target::Flat(buffer),
            Place::Plane | Place::Moved { .. } | Place::Reshaped { .. } => return false,
        };
        let keeps = |piece: &Piece| piece.map.stores().iter().any(|store| store.target == target);
        match &self.body {
            OpenBody::Map(piece) => keeps(piece),
            OpenBody::Contraction(contraction, piece) => {
                let result = at == Place::Point && contraction.writes().first() == Some(&buffer);
                result || piece.as_ref().is_some_and(keeps)
            }
        }
    }
}

/// A map under construction, with the values of nodes that it computes or has read.
struct Piece {
    map: MapBuilder,
    known: BTreeMap<NodeId, Value>,
}

/// What a piece keeps: where, what, and the node whose value that is.
type Kept = (Target, Value, Option<NodeId>);

impl Schedule<'_> {
    fn sources(&mut self) {
        let graph = self.graph;
        for (number, group) in self.persistent.groups.iter().enumerate() {
            if group.hyper.is_some() {
                let parts = [("weights", group.weights), ("momenta", group.momenta), ("gradients", group.gradients)];
                let views = parts.map(|(name, offset)| {
                    self.persistent_buffer(format!("{name}[{number}]"), Size::Flat(group.len), offset)
                });
                self.views.push(views);
            }
        }
        for (path, entry) in &self.persistent.entries {
            let start = entry.group.map_or(self.persistent.statistics, |g| self.persistent.groups[g].weights);
            let id = self.persistent_buffer(path.to_string(), entry.size, start + entry.offset);
            self.plan.slots.insert(Slot::Parameter(path.clone()), id);
            if let Some(group) = entry.group.map(|g| &self.persistent.groups[g])
                && group.hyper.is_some()
            {
                let name = format!("momentum/{path}");
                let id = self.persistent_buffer(name, entry.size, group.momenta + entry.offset);
                self.plan.slots.insert(Slot::Momentum(path.clone()), id);
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
                    let group = &self.persistent.groups[entry.group.expect("a gradient is a weight's")];
                    let name = format!("gradient/{path}");
                    let buffer = match group.hyper {
                        Some(_) => self.persistent_buffer(name, entry.size, group.gradients + entry.offset),
                        None => self.buffer(name, entry.size, Lifetime::Step),
                    };
                    (Slot::Gradient(path), buffer)
                }
                // New values go where the old ones were.
                Output::Parameter(_) | Output::Momentum(_) => continue,
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

    /// The optimizer's step: a kernel for all weights that it treats alike. Last, since it overwrites them.
    fn update(&mut self) {
        let trained = self.persistent.groups.iter().filter_map(|group| Some((group.len, group.hyper?)));
        for (number, ((len, hyper), [w, v, g])) in trained.zip(self.views.clone()).enumerate() {
            let mut e = self.expressions(format!("update[{number}]"), Domain::Flat { len }, BTreeMap::new());
            let [weight, momentum, gradient] = [w, v, g].map(|id| e.map.load(id, Place::Flat));
            let [momentum, weight] = e.sgd([weight, momentum, gradient], hyper);
            e.map.store(Target::Flat(v), momentum);
            e.map.store(Target::Flat(w), weight);
            let map = e.map;
            self.kernels.push(Open::map(When::Always, map));
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

    /// Builds a piece of node `id` into its host, or into a kernel of its own.
    fn piece(&mut self, name: String, id: NodeId, domain: Domain, build: impl Fn(&mut Expressions<'_>) -> Vec<Kept>) {
        let need = self.need(id);
        let alone = self.built(name, MapBuilder::new("", domain), BTreeMap::new(), &[], &build);
        let map = alone.map.clone().finish();
        let host = self.host(&map, &need);
        let number = host.unwrap_or(self.kernels.len());
        let piece = match host {
            None => alone,
            Some(number) => {
                let missing = self.missing(&map, self.kernels[number].when.gates());
                let epilogue = || Piece { map: MapBuilder::new("", domain), known: BTreeMap::new() };
                let Piece { map, known } = match &mut self.kernels[number].body {
                    OpenBody::Map(piece) => std::mem::replace(piece, epilogue()),
                    OpenBody::Contraction(_, piece) => piece.take().unwrap_or_else(epilogue),
                };
                let name = map.name().to_owned();
                self.built(name, map, known, &missing, &build)
            }
        };
        for store in piece.map.stores() {
            if let Some(buffer) = store.target.buffer() {
                self.producers.insert(buffer, number);
            }
        }
        match self.kernels.get_mut(number).map(|kernel| &mut kernel.body) {
            None => self.kernels.push(Open { when: When::open(need), body: OpenBody::Map(piece) }),
            Some(OpenBody::Map(slot)) => *slot = piece,
            Some(OpenBody::Contraction(_, slot)) => *slot = Some(piece),
        }
    }

    /// Builds into `map`; what is kept is 0 where one of the gates `missing` is 0.
    fn built(
        &self,
        name: String,
        map: MapBuilder,
        known: BTreeMap<NodeId, Value>,
        missing: &[Draw],
        build: &impl Fn(&mut Expressions<'_>) -> Vec<Kept>,
    ) -> Piece {
        let map = map.named(name);
        let mut e = Expressions { graph: self.graph, buffers: &self.buffers, map, known };
        for (target, value, node) in build(&mut e) {
            let kept = e.map.while_open(missing, value);
            e.map.store(target, kept);
            if let Some(node) = node {
                e.known.insert(node, value);
            }
        }
        Piece { map: e.map, known: e.known }
    }

    /// Whether kernels behind closed gates do not run.
    pub(super) fn skips(&self) -> bool {
        !self.needs.is_empty()
    }

    /// The gates that are open wherever a node's value matters.
    fn need(&self, id: NodeId) -> Vec<Draw> {
        self.needs.get(&id).cloned().unwrap_or_default()
    }

    /// Of the gates under which what `map` reads is made, those that may be closed where a kernel runs under `gates`.
    fn missing(&self, map: &Map, gates: &[Draw]) -> Vec<Draw> {
        let mut missing = Vec::new();
        for (buffer, open) in map.gated_reads() {
            let made_under = self.producers.get(&buffer).map_or(&[][..], |number| self.kernels[*number].when.gates());
            for gate in made_under {
                if ![gates, &open, &missing].iter().any(|known| known.contains(gate)) {
                    missing.push(*gate);
                }
            }
        }
        missing
    }

    /// The kernel that a piece joins: the one that made the last of what it reads, the last of all, or a map between them
    /// that goes over the same memory. It runs wherever the piece matters; vectors a channel are so small that they only
    /// join what runs in the same steps.
    fn host(&self, alone: &Map, need: &[Draw]) -> Option<usize> {
        let latest = alone.reads().iter().filter_map(|id| self.producers.get(id)).max().copied()?;
        let fits = |number: usize| {
            let made_there = |id: BufferId| self.producers.get(&id) == Some(&number);
            let domain = match &self.kernels[number].body {
                OpenBody::Map(piece) => Some(piece.map.domain()),
                OpenBody::Contraction(contraction, _) => contraction.result_domain(),
            };
            let gates = self.kernels[number].when.gates();
            let runs =
                all_among(gates, need) && (all_among(need, gates) || !matches!(alone.domain, Domain::Channel { .. }));
            // Of what the host itself makes, a piece may read what is known at its own point alone.
            let elsewhere = alone.exprs.iter().any(|expr| match expr {
                Expr::Load { buffer, at } => made_there(*buffer) && !self.kernels[number].knows(*buffer, *at),
                Expr::Gather { .. } => expr.reads().any(made_there),
                Expr::Const(_)
                | Expr::Param(_)
                | Expr::Draw(_)
                | Expr::Unary(..)
                | Expr::Binary(..)
                | Expr::Select { .. }
                | Expr::Mask(_)
                | Expr::Reduce { .. } => false,
            });
            runs && domain == Some(alone.domain) && !elsewhere
        };
        let last = self.kernels.len() - 1;
        let points: Vec<&Expr> =
            alone.exprs.iter().filter(|expr| matches!(expr, Expr::Load { at: Place::Point, .. })).collect();
        let shares = |number: &usize| match &self.kernels[*number].body {
            OpenBody::Map(piece) => piece.map.exprs().iter().any(|expr| points.contains(&expr)),
            OpenBody::Contraction(..) => false,
        };
        [latest, last].into_iter().chain((latest..last).filter(shares)).find(|number| fits(*number))
    }

    fn expressions(&self, name: String, domain: Domain, known: BTreeMap<NodeId, Value>) -> Expressions<'_> {
        Expressions { graph: self.graph, buffers: &self.buffers, map: MapBuilder::new(name, domain), known }
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
        let buffer = self.buffer(self.names[&id].clone(), self.size(id), KERNELS);
        self.buffers.insert(id, buffer);
        buffer
    }

    pub(super) fn buffer(&mut self, name: String, size: Size, lifetime: Lifetime) -> BufferId {
        self.plan.buffers.push(Buffer { name, size, lifetime, offset: 0 });
        BufferId(self.plan.buffers.len() as u32 - 1)
    }

    pub(super) fn persistent_buffer(&mut self, name: String, size: Size, offset: usize) -> BufferId {
        self.plan.buffers.push(Buffer { name, size, lifetime: Lifetime::Persistent, offset });
        BufferId(self.plan.buffers.len() as u32 - 1)
    }

    fn finish(mut self) -> Plan {
        self.plan.kernels = self.kernels.into_iter().map(Open::finish).collect();
        self.plan.place(self.persistent.len);
        self.plan
    }
}

/// Set by `Plan::place` when all kernels are known.
const KERNELS: Lifetime = Lifetime::Kernels { from: 0, to: 0 };
