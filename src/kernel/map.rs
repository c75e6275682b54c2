//! A map: one loop nest, its expressions, and what it stores.

use std::collections::BTreeMap;

use super::when::meet;
use super::{Axes, Axis, Binary, BufferId, Draw, Expr, Place, ReduceOp, Unary, Value};
use crate::net::Level;

/// The most draws of a map that are one number a task and decide on finer ones: on the CPU each splits the map's function
/// in two, and those beyond would have finer draws made where they do not matter.
pub const MAX_GATES: usize = 3;

/// What a map runs over. A task is what one thread does at a time; tasks write disjoint elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Every element of N x C x H x W; a task is a plane (n and a block of channels), pixel by pixel.
    Feature {
        /// C.
        channels: usize,
        /// H.
        height: usize,
        /// W.
        width: usize,
    },
    /// Every channel; a task is a block.
    Channel {
        /// C.
        channels: usize,
    },
    /// Every image of N x C; a task is an image, block by block.
    Image {
        /// C.
        channels: usize,
    },
    /// Every element of a flat array; a task is [`Domain::CHUNK`] elements.
    Flat {
        /// Elements; a multiple of 16.
        len: usize,
    },
}

impl Domain {
    /// Elements of a flat array that a task takes.
    pub const CHUNK: usize = 16 * 1024;

    /// C, where there are channels.
    pub fn channels(self) -> usize {
        match self {
            Domain::Feature { channels, .. } | Domain::Channel { channels } | Domain::Image { channels } => channels,
            Domain::Flat { .. } => super::BLOCK,
        }
    }

    /// The axis of the loop inside a task, if there is one.
    pub fn inner(self) -> Option<Axis> {
        match self {
            Domain::Feature { .. } | Domain::Flat { .. } => Some(Axis::Pixels),
            Domain::Channel { .. } => None,
            Domain::Image { .. } => Some(Axis::Channels),
        }
    }
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `[n][c][h][w]` of a buffer.
    Point(BufferId),
    /// `[n][c]` of a buffer.
    Plane(BufferId),
    /// `[n]` of a buffer, once for all channels (all 16 lanes hold it).
    Image(BufferId),
    /// `[c]` of a buffer.
    Channel(BufferId),
    /// `[i]` of a flat buffer.
    Flat(BufferId),
    /// `[task]` of a flat buffer: sixteen lanes for all elements of a task of a flat array, each joined on its own.
    Chunk(BufferId),
    /// `[h][w]` of the tile that the caller hands over: the map is a contraction's prologue.
    Tile,
}

impl Target {
    /// The buffer, unless it is the caller's tile.
    pub fn buffer(self) -> Option<BufferId> {
        match self {
            Target::Point(b)
            | Target::Plane(b)
            | Target::Image(b)
            | Target::Channel(b)
            | Target::Flat(b)
            | Target::Chunk(b) => Some(b),
            Target::Tile => None,
        }
    }
}

/// A value that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Store {
    /// Where.
    pub target: Target,
    /// What.
    pub value: Value,
    /// A draw that is one number a task: where it is 1 nothing reads what is kept, so it need not be.
    pub unless: Option<Draw>,
}

/// One loop nest.
///
/// Invariants:
/// 1. Operands stand before those that use them.
/// 2. Loads and stores are of places that the domain has.
/// 3. A reduction runs over the domain's inner axis, or over the batch in a map over channels.
/// 4. In a map over features no reduction needs the result of another (one pass over memory).
/// 5. What is stored a plane, an image or a channel does not vary below that.
/// 6. A store that a draw makes needless is of points, and the draw splits tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The stable name of what it computes.
    pub name: String,
    /// Over what.
    pub domain: Domain,
    /// Its expressions.
    pub exprs: Vec<Expr>,
    /// What it keeps, in order.
    pub stores: Vec<Store>,
}

impl Map {
    /// The expression of a value.
    pub fn expr(&self, value: Value) -> &Expr {
        &self.exprs[value.index()]
    }

    /// A value that is above zero where `value` is: max(0, x) is where x is.
    pub fn sign_of(&self, value: Value) -> Value {
        match self.expr(value) {
            Expr::Binary(Binary::Max, zero, x) if matches!(self.expr(*zero), Expr::Const(0.0)) => *x,
            _ => value,
        }
    }

    /// For each expression the axes along which it varies.
    pub fn axes(&self) -> Vec<Axes> {
        let mut all: Vec<Axes> = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            let operands = expr.operands().fold(Axes::NONE, |set, v| set.union(all[v.index()]));
            let set = operands.union(expr.own_axes());
            all.push(match expr {
                Expr::Reduce { over, .. } => set.without(*over),
                _ => set,
            });
        }
        all
    }

    /// The buffers that it reads, each once, in order.
    pub fn reads(&self) -> Vec<BufferId> {
        let mut all: Vec<_> = self.exprs.iter().flat_map(Expr::reads).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The buffers that it writes.
    pub fn writes(&self) -> Vec<BufferId> {
        self.stores.iter().filter_map(|s| s.target.buffer()).collect()
    }

    /// A Bernoulli draw that is one number for a whole task and worth a branch: a finer draw may depend on it, or
    /// whether something is computed or kept at each point.
    pub fn gate(&self) -> Option<Draw> {
        let finer = self.exprs.iter().any(|e| matches!(e, Expr::Draw(d) if d.level >= Level::Channel));
        let decides = |draw: &Expr| self.domain.inner().is_some() && self.exprs.iter().any(|e| self.gates(e, draw));
        let keeps = |draw: &Draw| self.stores.iter().any(|store| store.unless == Some(*draw));
        let gate = |e: &Expr| match e {
            Expr::Draw(d) if d.splits_tasks() && (finer || decides(e) || keeps(d)) => Some(*d),
            _ => None,
        };
        self.exprs.iter().find_map(gate)
    }

    /// Whether these draws and those of expressions that join them keep to [`MAX_GATES`].
    pub fn may_join(&self, others: &[Expr]) -> bool {
        let draws = self.exprs.iter().chain(others).filter_map(|e| if let Expr::Draw(d) = e { Some(d) } else { None });
        if draws.clone().all(|d| d.level < Level::Channel) {
            return true;
        }
        let mut gates: Vec<&Draw> = Vec::new();
        for draw in draws.filter(|draw| draw.splits_tasks()) {
            if !gates.contains(&draw) {
                gates.push(draw);
            }
        }
        gates.len() <= MAX_GATES
    }

    fn gates(&self, select: &Expr, draw: &Expr) -> bool {
        matches!(select, Expr::Select { cond, .. } if self.expr(*cond) == draw)
    }

    /// The buffers that it reads, each with the gates that are open wherever what is read there matters.
    pub fn gated_reads(&self) -> Vec<(BufferId, Vec<Draw>)> {
        // For each expression the gates under which something stored needs it; none where nothing does.
        let mut needs: Vec<Option<Vec<Draw>>> = vec![None; self.exprs.len()];
        self.stores.iter().for_each(|store| meet(&mut needs[store.value.index()], vec![]));
        let mut reads: BTreeMap<BufferId, Option<Vec<Draw>>> = BTreeMap::new();
        for (i, expr) in self.exprs.iter().enumerate().rev() {
            let Some(need) = needs[i].clone() else { continue };
            expr.reads().for_each(|buffer| meet(reads.entry(buffer).or_default(), need.clone()));
            let gate = match expr {
                Expr::Select { cond, .. } => self.expr(*cond).as_gate(),
                _ => None,
            };
            for operand in expr.operands() {
                let mut need = need.clone();
                if let (Expr::Select { then, .. }, Some(gate)) = (expr, gate)
                    && *then == operand
                {
                    need.push(gate);
                }
                meet(&mut needs[operand.index()], need);
            }
        }
        reads.into_iter().filter_map(|(buffer, need)| Some((buffer, need?))).collect()
    }

    /// The same map where `draw` is known to be `value`: what no longer matters is gone.
    pub fn specialised(&self, draw: Draw, value: f32) -> Map {
        let known = |store: &Store| store.unless == Some(draw);
        let stores = self.stores.iter().filter(|store| !(known(store) && value > 0.0));
        let stores = stores.map(|store| Store { unless: store.unless.filter(|_| !known(store)), ..*store });
        let kept = Map { stores: stores.collect(), ..self.clone() };
        kept.rebuilt(|expr| if *expr == Expr::Draw(draw) { Expr::Const(value) } else { expr.clone() })
    }

    /// The map without expressions that nothing stored needs.
    pub fn swept(&self) -> Map {
        self.rebuilt(Expr::clone)
    }

    fn rebuilt(&self, replace: impl Fn(&Expr) -> Expr) -> Map {
        // Folding may cut whole trees off, so the list is folded first and then gathered from its roots.
        let mut folded = MapBuilder::new(self.name.clone(), self.domain);
        let mut renamed: Vec<Value> = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            let expr = replace(expr).map_operands(|v| renamed[v.index()]);
            renamed.push(folded.push(expr));
        }
        let stores: Vec<Store> = self.stores.iter().map(|s| Store { value: renamed[s.value.index()], ..*s }).collect();
        let mut needed = vec![false; folded.map.exprs.len()];
        stores.iter().for_each(|s| needed[s.value.index()] = true);
        for i in (0..needed.len()).rev() {
            if needed[i] {
                folded.map.exprs[i].operands().for_each(|v| needed[v.index()] = true);
            }
        }
        let mut place = vec![Value(0); needed.len()];
        let mut exprs = Vec::new();
        for (i, expr) in folded.map.exprs.iter().enumerate().filter(|(i, _)| needed[*i]) {
            place[i] = Value(exprs.len() as u32);
            exprs.push(expr.map_operands(|v| place[v.index()]));
        }
        let stores = stores.iter().map(|s| Store { value: place[s.value.index()], ..*s }).collect();
        Map { name: self.name.clone(), domain: self.domain, exprs, stores }
    }

    /// The invariants, in order; the first that does not hold.
    ///
    /// # Errors
    /// A sentence that names the map and what is wrong with it.
    pub fn verify(&self) -> Result<(), String> {
        let fail = |what: String| Err(format!("map {}: {what}", self.name));
        let axes = {
            for (i, expr) in self.exprs.iter().enumerate() {
                if expr.operands().any(|v| v.index() >= i) {
                    return fail(format!("value {i} uses a later one"));
                }
            }
            self.axes()
        };
        let mut after_reduce = vec![false; self.exprs.len()];
        for (i, expr) in self.exprs.iter().enumerate() {
            let place_ok = match (expr, self.domain) {
                (
                    Expr::Load { at: Place::Point | Place::Moved { .. } | Place::Reshaped { .. }, .. }
                    | Expr::Gather { .. },
                    d,
                ) => {
                    matches!(d, Domain::Feature { .. })
                }
                (Expr::Load { at: Place::Flat, .. }, d) => matches!(d, Domain::Flat { .. }),
                (Expr::Load { at: Place::Plane, .. }, d) => !matches!(d, Domain::Flat { .. }),
                _ => true,
            };
            if !place_ok {
                return fail(format!("value {i} reads a place that the domain does not have"));
            }
            after_reduce[i] = expr.operands().any(|v| after_reduce[v.index()]);
            if let Expr::Reduce { over, op, .. } = expr {
                let allowed = match self.domain {
                    Domain::Channel { .. } => *over == Axis::Batch,
                    Domain::Feature { .. } | Domain::Image { .. } => Some(*over) == self.domain.inner(),
                    // The sixteen lanes are its channels.
                    Domain::Flat { .. } => matches!(over, Axis::Pixels | Axis::Channels),
                };
                if !allowed {
                    return fail(format!("value {i} joins over an axis that a task does not hold"));
                }
                if after_reduce[i] && matches!(self.domain, Domain::Feature { .. } | Domain::Flat { .. }) {
                    return fail(format!("value {i} needs a second pass over memory"));
                }
                // The first pixel is known before the pass.
                after_reduce[i] |= *op != ReduceOp::First;
            }
        }
        for store in &self.stores {
            let set = axes[store.value.index()];
            let fits = match (store.target, self.domain) {
                (Target::Point(_) | Target::Tile, Domain::Feature { .. }) => true,
                (Target::Plane(_), Domain::Feature { .. }) => !set.has(Axis::Pixels),
                (Target::Plane(_), Domain::Image { .. }) => true,
                (Target::Image(_), Domain::Image { .. }) => !set.has(Axis::Channels),
                (Target::Channel(_), Domain::Channel { .. }) => !set.has(Axis::Batch),
                (Target::Flat(_), Domain::Flat { .. }) => true,
                (Target::Chunk(_), Domain::Flat { .. }) => !set.has(Axis::Pixels),
                _ => false,
            };
            if !fits {
                return fail(format!("value {} cannot be stored at {:?}", store.value.0, store.target));
            }
            let of_points = matches!(store.target, Target::Point(_));
            if store.unless.is_some_and(|draw| !of_points || !draw.splits_tasks()) {
                return fail(format!("value {} is not stored where a draw of no task says so", store.value.0));
            }
        }
        Ok(())
    }
}

/// Builds a map: equal expressions are kept once, constants are folded.
#[derive(Clone, Debug)]
pub struct MapBuilder {
    map: Map,
}

impl MapBuilder {
    /// An empty map.
    pub fn new(name: impl Into<String>, domain: Domain) -> Self {
        MapBuilder { map: Map { name: name.into(), domain, exprs: vec![], stores: vec![] } }
    }

    /// The same under another name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.map.name = name.into();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.map.name
    }

    /// What it runs over.
    pub fn domain(&self) -> Domain {
        self.map.domain
    }

    /// Adds an expression, folded, or finds its equal.
    pub fn push(&mut self, expr: Expr) -> Value {
        match self.fold(expr) {
            Folded::Value(v) => v,
            Folded::Expr(expr) => match self.map.exprs.iter().rposition(|e| *e == expr) {
                Some(i) => Value(i as u32),
                None => {
                    self.map.exprs.push(expr);
                    Value(self.map.exprs.len() as u32 - 1)
                }
            },
        }
    }

    /// A number.
    pub fn constant(&mut self, x: f64) -> Value {
        self.push(Expr::Const(x as f32))
    }

    /// What lies at a place of a buffer.
    pub fn load(&mut self, buffer: BufferId, at: Place) -> Value {
        self.push(Expr::Load { buffer, at })
    }

    /// An operation on one operand.
    pub fn unary(&mut self, op: Unary, a: Value) -> Value {
        self.push(Expr::Unary(op, a))
    }

    /// An operation on two operands.
    pub fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        self.push(Expr::Binary(op, a, b))
    }

    /// a + b
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Add, a, b)
    }

    /// a - b
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Sub, a, b)
    }

    /// a * b
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Mul, a, b)
    }

    /// a / b
    pub fn div(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Div, a, b)
    }

    /// The value at the first pixel of the plane.
    pub fn first_pixel(&mut self, body: Value) -> Value {
        self.push(Expr::Reduce { over: Axis::Pixels, op: ReduceOp::First, body })
    }

    /// The value, or 0 where one of the gates is 0: the value then need not be computed.
    pub fn while_open(&mut self, gates: &[Draw], value: Value) -> Value {
        let nothing = self.constant(0.0);
        gates.iter().fold(value, |value, gate| {
            let open = self.push(Expr::Draw(*gate));
            self.push(Expr::Select { cond: open, then: value, otherwise: nothing })
        })
    }

    /// The sum over an axis.
    pub fn sum(&mut self, over: Axis, body: Value) -> Value {
        self.push(Expr::Reduce { over, op: ReduceOp::Sum, body })
    }

    /// Keeps a value.
    pub fn store(&mut self, target: Target, value: Value) {
        self.store_unless(None, target, value);
    }

    /// Keeps a value; where the draw is 1 nothing reads it.
    pub fn store_unless(&mut self, unless: Option<Draw>, target: Target, value: Value) {
        self.map.stores.push(Store { target, value, unless });
    }

    /// What it computes so far.
    pub fn exprs(&self) -> &[Expr] {
        &self.map.exprs
    }

    /// What it keeps so far.
    pub fn stores(&self) -> &[Store] {
        &self.map.stores
    }

    /// The map, without what nothing stored needs.
    pub fn finish(self) -> Map {
        self.map.swept()
    }

    fn fold(&self, expr: Expr) -> Folded {
        let number = |v: Value| match self.map.exprs[v.index()] {
            Expr::Const(x) => Some(x),
            _ => None,
        };
        match expr {
            Expr::Binary(op, a, b) => match (op, number(a), number(b)) {
                (_, Some(x), Some(y)) => Folded::Expr(Expr::Const(match op {
                    Binary::Add => x + y,
                    Binary::Sub => x - y,
                    Binary::Mul => x * y,
                    Binary::Div => x / y,
                    Binary::Min => {
                        if x < y {
                            x
                        } else {
                            y
                        }
                    }
                    Binary::Max => {
                        if x > y {
                            x
                        } else {
                            y
                        }
                    }
                })),
                (Binary::Mul, Some(1.0), _) | (Binary::Add, Some(0.0), _) => Folded::Value(b),
                (Binary::Mul | Binary::Div, _, Some(1.0)) | (Binary::Add | Binary::Sub, _, Some(0.0)) => {
                    Folded::Value(a)
                }
                // A draw is finite, so nothing is lost; data may be infinite and is left alone.
                (Binary::Mul, Some(0.0), _) if self.is_drawn(b) => Folded::Expr(Expr::Const(0.0)),
                (Binary::Mul, _, Some(0.0)) if self.is_drawn(a) => Folded::Expr(Expr::Const(0.0)),
                _ => Folded::Expr(Expr::Binary(op, a, b)),
            },
            Expr::Unary(Unary::Neg, a) => match number(a) {
                Some(x) => Folded::Expr(Expr::Const(-x)),
                None => Folded::Expr(expr),
            },
            Expr::Unary(Unary::Sqrt, a) => match number(a) {
                Some(x) => Folded::Expr(Expr::Const(x.sqrt())),
                None => Folded::Expr(expr),
            },
            Expr::Select { cond, then, otherwise } => match number(cond) {
                Some(x) => Folded::Value(if x > 0.0 { then } else { otherwise }),
                None => Folded::Expr(expr),
            },
            Expr::Draw(Draw { distribution: super::Distribution::Bernoulli { threshold: 0 }, .. }) => {
                Folded::Expr(Expr::Const(0.0))
            }
            Expr::Draw(Draw { distribution: super::Distribution::Bernoulli { threshold }, .. })
                if threshold >= 1 << 32 =>
            {
                Folded::Expr(Expr::Const(1.0))
            }
            Expr::Draw(Draw { distribution: super::Distribution::Uniform { lo, width: 0.0 }, .. }) => {
                Folded::Expr(Expr::Const(lo))
            }
            Expr::Const(_)
            | Expr::Param(_)
            | Expr::Load { .. }
            | Expr::Gather { .. }
            | Expr::Draw(_)
            | Expr::Unary(Unary::Exp | Unary::Ln, _)
            | Expr::Mask(_)
            | Expr::Reduce { .. } => Folded::Expr(expr),
        }
    }

    /// Whether a value is made of draws and numbers by sums and products alone, and so finite.
    fn is_drawn(&self, value: Value) -> bool {
        match &self.map.exprs[value.index()] {
            Expr::Const(_) | Expr::Draw(_) => true,
            Expr::Unary(Unary::Neg, a) => self.is_drawn(*a),
            Expr::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Min | Binary::Max, a, b) => {
                self.is_drawn(*a) && self.is_drawn(*b)
            }
            _ => false,
        }
    }
}

enum Folded {
    Value(Value),
    Expr(Expr),
}
