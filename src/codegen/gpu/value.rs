//! Values of a map's expressions as statements, each computed once in the scope that needs it.
//!
//! A point is named by `n` (the image), `cq` (the quarter of a block of channels), `p` (the pixel), `at` (the vector's place
//! in a feature map of the domain's shape), `h` and `w`; which of them are known depends on the domain. A value that is
//! the same for all channels is a number, any other a vector of four channels.

use super::writer::{Type, Writer, number};
use crate::kernel::{
    Axes, Axis, Binary, BufferId, Distribution, Domain, Draw, Expr, Map, Param, Place, ReduceOp, Store, Target, Unary,
    Value, blocks,
};
use crate::net::Level;

/// The values of one map in a kernel.
pub(super) struct Values<'m> {
    pub(super) map: &'m Map,
    pub(super) axes: Vec<Axes>,
    /// What the open scopes know.
    known: Vec<bool>,
    /// Whether a value needs the result of a sum or maximum that is only known when a loop is over.
    late: Vec<bool>,
    /// What names of this map's values start with.
    letter: &'static str,
    /// Vectors a channel that have a name and need not be read.
    given: Vec<(BufferId, String)>,
}

/// One of two values that lie in memory: each with its buffer.
struct Choice {
    gate: Value,
    then: (Value, BufferId),
    otherwise: (Value, BufferId),
}

impl<'m> Values<'m> {
    pub(super) fn new(map: &'m Map, letter: &'static str) -> Self {
        let mut late = vec![false; map.exprs.len()];
        for (i, expr) in map.exprs.iter().enumerate() {
            late[i] = Values::is_sum(map, expr) || expr.operands().any(|v| late[v.index()]);
        }
        Values { map, axes: map.axes(), known: vec![false; map.exprs.len()], late, letter, given: vec![] }
    }

    /// Whether an expression joins more than one pixel, image or block of channels.
    fn is_sum(map: &Map, expr: &Expr) -> bool {
        let Expr::Reduce { over, op: ReduceOp::Sum | ReduceOp::Max, .. } = expr else { return false };
        match map.domain {
            Domain::Feature { height, width, .. } => height * width > 1,
            Domain::Flat { .. } => *over == Axis::Pixels,
            Domain::Channel { .. } | Domain::Image { .. } => true,
        }
    }

    /// The sums and maxima, in order: each with what is joined.
    pub(super) fn sums(&self) -> Vec<(Value, ReduceOp, Value)> {
        let all = self.map.exprs.iter().enumerate().filter(|(_, expr)| Values::is_sum(self.map, expr));
        let parts = all.map(|(i, expr)| match expr {
            Expr::Reduce { op, body, .. } => (Value(i as u32), *op, *body),
            _ => unreachable!("a sum is a reduction"),
        });
        parts.collect()
    }

    /// Whether a value is a vector.
    pub(super) fn is_vector(&self, value: Value) -> bool {
        let axes = self.axes[value.index()];
        axes.has(Axis::Channels) || (matches!(self.map.domain, Domain::Flat { .. }) && axes.has(Axis::Pixels))
    }

    pub(super) fn ty(&self, value: Value) -> Type {
        if self.is_vector(value) { Type::F4 } else { Type::F32 }
    }

    /// A value as it is.
    pub(super) fn text(&self, value: Value) -> String {
        match self.map.expr(value) {
            Expr::Const(x) if is_whole(*x) => number(*x),
            _ => self.name(value),
        }
    }

    /// A value as a vector.
    pub(super) fn vector(&self, value: Value) -> String {
        if self.is_vector(value) { self.text(value) } else { format!("splat({})", self.text(value)) }
    }

    pub(super) fn name(&self, value: Value) -> String {
        format!("{}{}", self.letter, value.0)
    }

    /// Says that a name holds a value from here on, to the end of the scope.
    pub(super) fn know(&mut self, value: Value) {
        self.known[value.index()] = true;
    }

    /// Says under which names vectors a channel are known that this block of threads has computed.
    pub(super) fn give(&mut self, given: &[(BufferId, String)]) {
        self.given.extend_from_slice(given);
    }

    /// What is computed inside is forgotten after it.
    pub(super) fn scope<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let known = self.known();
        let result = inside(self);
        self.set_known(known);
        result
    }

    /// What the open scopes know, to be [set](Values::set_known) again.
    pub(super) fn known(&self) -> Vec<bool> {
        self.known.clone()
    }

    /// Forgets what was computed since.
    pub(super) fn set_known(&mut self, known: Vec<bool>) {
        self.known = known;
    }

    /// Computes what `wanted` needs and is not known yet.
    pub(super) fn define(&mut self, w: &mut Writer<'_>, wanted: &[Value]) {
        let mut needed = vec![false; self.known.len()];
        wanted.iter().for_each(|v| needed[v.index()] = true);
        for i in (0..needed.len()).rev() {
            needed[i] &= !self.known[i];
            // What is joined is computed in the scope of the reduction.
            if needed[i] && !matches!(self.map.exprs[i], Expr::Reduce { .. }) {
                match self.choice(Value(i as u32)) {
                    // Only one of the two is read.
                    Some(Choice { gate, .. }) => needed[gate.index()] = true,
                    None => self.map.exprs[i].operands().for_each(|v| needed[v.index()] = true),
                }
            }
        }
        for i in (0..needed.len()).filter(|i| needed[*i]) {
            let value = Value(i as u32);
            match self.map.exprs[i] {
                Expr::Const(x) if is_whole(x) => {}
                // What may differ from one such map to the next, as a layer's probability, is an argument.
                Expr::Const(x) => {
                    let name = self.name(value);
                    let given = w.float(format!("number {name}"), x);
                    w.constant(Type::F32, &name, &given);
                }
                _ => self.compute(w, value),
            }
            self.know(value);
        }
    }

    /// Computes all that does not vary along `axes` and waits for no sum.
    pub(super) fn hoist(&mut self, w: &mut Writer<'_>, axes: &[Axis]) {
        let fixed = |i: &usize| !self.late[*i] && axes.iter().all(|axis| !self.axes[*i].has(*axis));
        let wanted: Vec<Value> = (0..self.known.len()).filter(fixed).map(|i| Value(i as u32)).collect();
        self.define(w, &wanted);
    }

    /// What some stores keep.
    pub(super) fn stored(&self, wanted: impl Fn(Target) -> bool) -> Vec<Store> {
        self.map.stores.iter().filter(|s| wanted(s.target)).copied().collect()
    }

    /// Whether something at the current pixel is read or written; its place is then needed.
    pub(super) fn uses_place(&self) -> bool {
        let reads = self.map.exprs.iter().any(|e| match e {
            Expr::Load { at, .. } => *at == Place::Point,
            Expr::Gather { gather: crate::kernel::Gather::WindowMaxBack { .. }, .. } => true,
            _ => false,
        });
        reads || self.map.stores.iter().any(|s| matches!(s.target, Target::Point(_)))
    }

    /// Whether rows and columns are needed.
    pub(super) fn uses_rows(&self) -> bool {
        self.map.exprs.iter().any(|e| matches!(e, Expr::Gather { .. }))
    }

    /// Names what belongs to pixel `p` of plane (`n`, `cq`).
    pub(super) fn go_to_pixel(&self, w: &mut Writer<'_>) {
        let Domain::Feature { height, width, .. } = self.map.domain else { unreachable!("only features have pixels") };
        if self.uses_place() {
            let quarters = self.quarters(w);
            let place = place("n", &quarters, "cq", height * width, "p");
            w.index("at", &place);
        }
        self.go_to_row(w, width);
    }

    /// Names row and column of pixel `p`.
    pub(super) fn go_to_row(&self, w: &mut Writer<'_>, width: usize) {
        if self.uses_rows() {
            w.index("h", &format!("p / {width}u"));
            w.index("w", &format!("p % {width}u"));
        }
    }

    fn compute(&mut self, w: &mut Writer<'_>, value: Value) {
        let map = self.map;
        let text = match map.expr(value) {
            Expr::Const(_) => unreachable!("numbers are no computation"),
            Expr::Param(Param::Rate) => "now.rate".to_owned(),
            Expr::Param(Param::Batch) => "real(now.batch)".to_owned(),
            Expr::Param(
                param @ (Param::Begins(_) | Param::Ends(_) | Param::Correction { .. } | Param::Averaging { .. }),
            ) => w.param(*param),
            Expr::Load { buffer, at } => self.load(w, value, *buffer, *at),
            Expr::Gather { buffer, height, width, gather } => {
                self.gather(w, &self.name(value), *buffer, (*height, *width), gather);
                return;
            }
            Expr::Draw(draw) => self.draw(w, draw),
            Expr::Unary(op, a) => {
                let suffix = if self.is_vector(value) { "_v" } else { "_s" };
                let a = self.text(*a);
                match op {
                    Unary::Neg => format!("-({a})"),
                    Unary::Sqrt if suffix == "_s" => format!("root({a})"),
                    Unary::Sqrt => format!("root_v({a})"),
                    Unary::Exp => format!("exp{suffix}({a})"),
                    Unary::Ln => format!("ln{suffix}({a})"),
                }
            }
            Expr::Binary(op, a, b) => {
                let [a, b] = [a, b].map(|v| self.like(value, *v));
                let suffix = if self.is_vector(value) { "_v" } else { "_s" };
                match op {
                    Binary::Add => format!("{a} + {b}"),
                    Binary::Sub => format!("{a} - {b}"),
                    Binary::Mul => format!("{a} * {b}"),
                    Binary::Div => format!("{a} / {b}"),
                    Binary::Min => format!("smaller{suffix}({a}, {b})"),
                    Binary::Max => format!("larger{suffix}({a}, {b})"),
                }
            }
            Expr::Select { .. } if let Some(choice) = self.choice(value) => return self.choose(w, value, &choice),
            Expr::Select { cond, then, otherwise } => {
                let [cond, then, otherwise] = [cond, then, otherwise].map(|v| self.like(value, *v));
                let suffix = if self.is_vector(value) { "_v" } else { "_s" };
                format!("pick{suffix}({cond}, {then}, {otherwise})")
            }
            Expr::Mask(a) => self.masked(w, &self.vector(*a), "0.0f"),
            Expr::Reduce { body, .. } if matches!(map.domain, Domain::Flat { .. }) => {
                return self.lanes(w, value, *body);
            }
            Expr::Reduce { body, .. } => return self.first(w, value, *body),
        };
        w.constant(self.ty(value), &self.name(value), &text);
    }

    /// Whether a value is one of two that lie in memory, as a draw says that is the same for all channels and pixels.
    fn choice(&self, value: Value) -> Option<Choice> {
        let Expr::Select { cond, then, otherwise } = *self.map.expr(value) else { return None };
        let of = |value| match *self.map.expr(value) {
            Expr::Load { buffer, at: Place::Point } => Some((value, buffer)),
            _ => None,
        };
        let decides = matches!(self.map.expr(cond), Expr::Draw(draw) if draw.splits_tasks());
        decides.then_some(())?;
        Some(Choice { gate: cond, then: of(then)?, otherwise: of(otherwise)? })
    }

    fn choose(&self, w: &mut Writer<'_>, value: Value, choice: &Choice) {
        let (name, gate) = (self.name(value), self.text(choice.gate));
        w.variable(Type::F4, &name, "splat(0.0f)");
        for (condition, (found, buffer)) in
            [(format!("{gate} > 0.0f"), choice.then), (format!("!({gate} > 0.0f)"), choice.otherwise)]
        {
            w.when(&condition, |w| {
                let found = if self.known[found.index()] { self.vector(found) } else { w.load(buffer, "at") };
                w.assign(&name, &found);
            });
        }
    }

    /// The name of a draw that a store depends on.
    pub(super) fn gate(&self, draw: &Draw) -> Value {
        let place = self.map.exprs.iter().position(|expr| *expr == Expr::Draw(*draw));
        Value(place.expect("a store depends on a draw of its map") as u32)
    }

    /// An operand in the type of a result.
    fn like(&self, result: Value, operand: Value) -> String {
        let text = if self.is_vector(result) { self.vector(operand) } else { self.text(operand) };
        if text.starts_with('-') { format!("({text})") } else { text }
    }

    /// A vector with `padding` in the lanes that pad the last block of channels.
    pub(super) fn masked(&self, w: &mut Writer<'_>, vector: &str, padding: &str) -> String {
        let channels = self.channels(w);
        format!("in_channels({vector}, {padding}, cq << 2u, {channels})")
    }

    /// The value at the first pixel of the plane, or at its only one.
    fn first(&mut self, w: &mut Writer<'_>, value: Value, body: Value) {
        let ty = self.ty(value);
        let nothing = if ty == Type::F4 { "splat(0.0f)" } else { "0.0f" };
        w.variable(ty, &self.name(value), nothing);
        w.block("{", |w| {
            self.scope(|values| {
                // What is known belongs to another pixel.
                for (known, axes) in values.known.iter_mut().zip(&values.axes) {
                    *known &= !axes.has(Axis::Pixels);
                }
                w.index("p", "0u");
                values.go_to_pixel(w);
                values.define(w, &[body]);
                let body = values.like(value, body);
                w.assign(&values.name(value), &body);
            });
        });
    }

    /// The sum of the sixteen lanes that a flat array's vector belongs to, in their order.
    fn lanes(&mut self, w: &mut Writer<'_>, value: Value, body: Value) {
        let name = self.name(value);
        w.variable(Type::F32, &format!("{name}_sum"), "0.0f");
        w.index(&format!("{name}_first"), "(e >> 2u) << 2u");
        w.count(["quarter", "0u", "4u", "1u"], |w| {
            self.scope(|values| {
                // What is known belongs to another vector.
                values.known.iter_mut().zip(&values.axes).for_each(|(known, axes)| *known &= *axes == Axes::NONE);
                w.index("e", &format!("{name}_first + quarter"));
                values.define(w, &[body]);
                w.constant(Type::F4, "lanes", &values.vector(body));
                w.assign(&format!("{name}_sum"), &format!("{name}_sum + lanes.x + lanes.y + lanes.z + lanes.w"));
            });
        });
        let sum = format!("{name}_sum");
        let text = if self.is_vector(value) { format!("splat({sum})") } else { sum };
        w.constant(self.ty(value), &name, &text);
    }

    fn load(&self, w: &mut Writer<'_>, value: Value, buffer: BufferId, at: Place) -> String {
        match at {
            Place::Point => w.load(buffer, "at"),
            Place::Plane => {
                let quarters = w.quarters(buffer);
                w.load(buffer, &format!("n * {quarters} + cq"))
            }
            Place::Channel if matches!(self.map.domain, Domain::Flat { .. }) => w.load(buffer, "(e & 3u)"),
            Place::Channel => match self.given.iter().find(|(id, _)| *id == buffer) {
                Some((_, name)) => name.clone(),
                None => w.load(buffer, "cq"),
            },
            Place::Flat => w.load(buffer, "e"),
            Place::Moved { channels, by } => self.moved(w, value, buffer, channels, by),
            Place::Reshaped { pixels } => self.reshaped(w, value, buffer, pixels),
        }
    }

    /// The quarters of an image's channels, as an argument.
    pub(super) fn quarters(&self, w: &mut Writer<'_>) -> String {
        w.uint(format!("quarters of {}", self.letter), 4 * blocks(self.map.domain.channels()))
    }

    fn channels(&self, w: &mut Writer<'_>) -> String {
        w.uint(format!("channels of {}", self.letter), self.map.domain.channels())
    }

    pub(super) fn pixels(&self) -> usize {
        match self.map.domain {
            Domain::Feature { height, width, .. } => height * width,
            Domain::Channel { .. } | Domain::Image { .. } | Domain::Flat { .. } => 1,
        }
    }

    /// A feature map's channels, moved: whole quarters where `by` is a multiple of 4, else lane by lane. The padding of the
    /// buffer is 0.
    fn moved(&self, w: &mut Writer<'_>, value: Value, buffer: BufferId, channels: usize, by: isize) -> String {
        let (name, pixels) = (self.name(value), self.pixels());
        let quarters = w.quarters(buffer);
        // Numbers without a sign wrap round: what lies before the first channel is beyond the last.
        if by % 4 == 0 {
            let by = w.uint(format!("moved {name}"), by.rem_euclid(1 << 32) as usize / 4);
            w.variable(Type::F4, &format!("{name}_q"), "splat(0.0f)");
            w.index(&format!("{name}_c"), &format!("(cq - {by}) & {}u", u32::MAX >> 2));
            w.when(&format!("{name}_c < {quarters}"), |w| {
                let place = place("n", &quarters, &format!("{name}_c"), pixels, "p");
                let found = w.load(buffer, &place);
                w.assign(&format!("{name}_q"), &found);
            });
            return format!("{name}_q");
        }
        let by = w.uint(format!("moved {name}"), by.rem_euclid(1 << 32) as usize);
        let channels = w.uint(format!("channels of {name}"), channels);
        let lane = |w: &mut Writer<'_>, lane: usize| {
            let found = format!("{name}_{lane}");
            w.variable(Type::F32, &found, "0.0f");
            w.index(&format!("{found}c"), &format!("((cq << 2u) + {lane}u) - {by}"));
            w.when(&format!("{found}c < {channels}"), |w| {
                let place = place("n", &quarters, &format!("({found}c >> 2u)"), pixels, "p");
                let vector = w.load(buffer, &place);
                w.assign(&found, &format!("lane({vector}, {found}c & 3u)"));
            });
            found
        };
        let lanes = [0, 1, 2, 3].map(|i| lane(w, i));
        format!("pack({})", lanes.join(", "))
    }

    /// The same elements in another shape, lane by lane; 0 in the lanes that pad the last block.
    fn reshaped(&self, w: &mut Writer<'_>, value: Value, buffer: BufferId, pixels: usize) -> String {
        let (name, own) = (self.name(value), self.pixels());
        let quarters = w.quarters(buffer);
        let channels = self.channels(w);
        let lane = |w: &mut Writer<'_>, lane: usize| {
            let found = format!("{name}_{lane}");
            w.variable(Type::F32, &found, "0.0f");
            w.index(&format!("{found}c"), &format!("(cq << 2u) + {lane}u"));
            w.when(&format!("{found}c < {channels}"), |w| {
                w.index("element", &format!("{found}c * {own}u + p"));
                w.index("channel", &format!("element / {pixels}u"));
                let place = place("n", &quarters, "(channel >> 2u)", pixels, &format!("(element % {pixels}u)"));
                let vector = w.load(buffer, &place);
                w.assign(&found, &format!("lane({vector}, channel & 3u)"));
            });
            found
        };
        let lanes = [0, 1, 2, 3].map(|i| lane(w, i));
        format!("pack({})", lanes.join(", "))
    }

    /// A draw of format 1 (`num::draw`).
    fn draw(&self, w: &mut Writer<'_>, draw: &Draw) -> String {
        let stream = draw.stream.0;
        let meaning = format!("{stream:x} {:?}", draw.level);
        let low = w.uint(format!("low of {meaning}"), stream as u32 as usize);
        let high = w.uint(format!("high of {meaning}"), (stream >> 32) as usize);
        let (suffix, word) = match draw.level {
            Level::Batch => ("_s", format!("word_at(now, 0u, {low}, {high})")),
            Level::Image => ("_s", format!("word_at(now, n, {low}, {high})")),
            Level::Channel => ("_v", format!("philox(now, n * {} + cq, {low}, {high})", self.quarters(w))),
            Level::Pixel => {
                let pixels = self.pixels();
                let quarters = self.quarters(w);
                ("_v", format!("philox(now, (n * {pixels}u + p) * {quarters} + cq, {low}, {high})"))
            }
        };
        match draw.distribution {
            Distribution::Bernoulli { threshold } => {
                let threshold = w.uint(format!("threshold of {meaning}"), threshold as u32 as usize);
                format!("bernoulli{suffix}({word}, {threshold})")
            }
            Distribution::Uniform { lo, width } => {
                let lo = w.float(format!("lo of {meaning}"), lo);
                let width = w.float(format!("width of {meaning}"), width);
                format!("uniform{suffix}({word}, {lo}, {width})")
            }
        }
    }
}

/// Whether a number stands in the text as it is.
fn is_whole(x: f32) -> bool {
    x as i32 as f32 == x
}

/// The place of a vector: image, quarters of an image's block of channels, quarter, pixels of a plane, pixel.
pub(super) fn place(n: &str, quarters: &str, cq: &str, pixels: usize, p: &str) -> String {
    if pixels == 1 {
        return format!("{n} * {quarters} + {cq}");
    }
    format!("((({n} * ({quarters} >> 2u) + ({cq} >> 2u)) * {pixels}u + {p}) << 2u) + ({cq} & 3u)")
}
