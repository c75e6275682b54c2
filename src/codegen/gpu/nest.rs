//! Maps as kernels: who computes which point, and sums as trees of fixed shape.
//!
//! | domain | a block of threads takes | a thread |
//! | --- | --- | --- |
//! | features without sums | a run of vectors | every so many vectors |
//! | features with sums | a plane: an image's block of channels | a quarter of the channels, every so many pixels |
//! | channels | a block of channels | a quarter, every so many images |
//! | images | an image | every so many quarters |
//! | a flat array without sums | a run of vectors | every so many vectors |
//! | a flat array with sums | a chunk | every so many vectors |
//!
//! A sum is made by each thread in the order of the axis, then over the threads of a block by halves: repeatable, whatever
//! the order in which threads run.

use super::Shape;
use super::channel::{Meeting, Tile, begin, channel, finish};
use super::value::Values;
use super::writer::{Type, Writer};
use crate::kernel::{Axis, Domain, Expr, Map, ReduceOp, Target, Value, blocks};

/// Threads of a block, where there is work for as many.
pub(super) const THREADS: usize = 256;
/// The most blocks of a kernel whose threads take every so many vectors; every driver takes as many.
pub(super) const MAX_GROUPS: usize = 65_535;

/// Writes a map as a kernel for at most `batch` images, with the maps over channels that it does before and after itself.
pub(super) fn map(w: &mut Writer<'_>, map: &Map, batch: usize, before: &[&Map], after: &[&Map]) -> Shape {
    let mut values = Values::new(map, "t");
    let alone = before.is_empty() && after.is_empty();
    match map.domain {
        Domain::Feature { channels, height, width } if values.sums().is_empty() && alone => {
            let vectors = batch * 4 * blocks(channels) * height * width;
            let (quarters, pixels) = (values.quarters(w), height * width);
            let end = format!("now.batch * {quarters} * {pixels}u");
            points(w, vectors, &end, |w| feature_point(w, &mut values, &quarters, pixels))
        }
        Domain::Feature { channels, .. } => {
            let shape = plane(w, &mut values, channels, batch, before);
            if !after.is_empty() {
                let quarters = values.quarters(w);
                w.index("block", &format!("group % ({quarters} >> 2u)"));
                w.index("first", "block << 2u");
            }
            let tile = Tile { threads: shape.threads, quarters: 4 };
            let quarters = ["first", "first + 4u"];
            finish(w, after, &tile, &Meeting { counter: "block", counters: blocks(channels), quarters });
            shape
        }
        Domain::Channel { channels } => channel(w, &mut values, channels),
        Domain::Image { channels } => {
            let shape = image(w, &mut values, channels, batch);
            let tile = Tile { threads: shape.threads, quarters: 4 };
            finish(w, after, &tile, &Meeting { counter: "0u", counters: 1, quarters: ["0u", "4u"] });
            shape
        }
        Domain::Flat { len } if values.sums().is_empty() => {
            let end = w.uint("vectors", len / 4);
            points(w, len / 4, &end, |w| flat_point(w, &mut values))
        }
        Domain::Flat { len } => chunk(w, &mut values, len),
    }
}

/// A kernel whose threads take every so many of at most `vectors` vectors: `e`.
fn points(w: &mut Writer<'_>, vectors: usize, end: &str, inside: impl FnOnce(&mut Writer<'_>)) -> Shape {
    let groups = vectors.div_ceil(THREADS).clamp(1, MAX_GROUPS);
    let stride = w.uint("stride", groups * THREADS);
    w.index("end", end);
    w.count(["e", &format!("group * {THREADS}u + thread"), "end", &stride], inside);
    Shape { groups: [groups, 1], threads: THREADS }
}

/// A block of threads takes a chunk, whose sixteen lanes are each joined on their own.
fn chunk(w: &mut Writer<'_>, values: &mut Values<'_>, len: usize) -> Shape {
    let vectors = w.uint("vectors", len / 4);
    let chunk = Domain::CHUNK / 4;
    w.index("first", &format!("group * {chunk}u"));
    start_sums(w, values);
    w.count(["e", "first + thread", &format!("least(first + {chunk}u, {vectors})"), &format!("{THREADS}u")], |w| {
        values.scope(|values| {
            flat_point(w, values);
            grow_sums(w, values);
        });
    });
    finish_sums(w, values, THREADS, 4);
    w.when("thread < 4u", |w| {
        for store in values.stored(|target| matches!(target, Target::Chunk(_))) {
            let Target::Chunk(buffer) = store.target else { unreachable!("only those are wanted") };
            w.store(buffer, "(group << 2u) + thread", &values.vector(store.value));
        }
    });
    Shape { groups: [len.div_ceil(Domain::CHUNK), 1], threads: THREADS }
}

fn flat_point(w: &mut Writer<'_>, values: &mut Values<'_>) {
    let stores = values.stored(|target| matches!(target, Target::Flat(_)));
    values.define(w, &stores.iter().map(|s| s.value).collect::<Vec<_>>());
    for store in stores {
        let Target::Flat(buffer) = store.target else { unreachable!("only those are wanted") };
        w.store(buffer, "e", &values.vector(store.value));
    }
}

fn feature_point(w: &mut Writer<'_>, values: &mut Values<'_>, quarters: &str, pixels: usize) {
    w.index("p", &format!("(e >> 2u) % {pixels}u"));
    w.index("plane", &format!("(e >> 2u) / {pixels}u"));
    w.index("n", &format!("plane / ({quarters} >> 2u)"));
    w.index("cq", &format!("((plane % ({quarters} >> 2u)) << 2u) + (e & 3u)"));
    values.go_to_pixel(w);
    point_stores(w, values);
    plane_stores(w, values);
}

/// Computes and keeps what is kept at a point.
pub(super) fn point_stores(w: &mut Writer<'_>, values: &mut Values<'_>) {
    let stores = values.stored(|target| matches!(target, Target::Point(_)));
    values.define(w, &stores.iter().map(|s| s.value).collect::<Vec<_>>());
    for store in stores {
        let Target::Point(buffer) = store.target else { unreachable!("only those are wanted") };
        let value = values.vector(store.value);
        match store.unless.map(|draw| values.gate(&draw)) {
            Some(gate) => {
                values.define(w, &[gate]);
                w.when(&format!("!({} > 0.0f)", values.text(gate)), |w| w.store(buffer, "at", &value));
            }
            None => w.store(buffer, "at", &value),
        }
    }
}

/// Computes and keeps what is kept for a plane (`n`, `cq`).
pub(super) fn plane_stores(w: &mut Writer<'_>, values: &mut Values<'_>) {
    let stores = values.stored(|target| matches!(target, Target::Plane(_)));
    values.define(w, &stores.iter().map(|s| s.value).collect::<Vec<_>>());
    for store in stores {
        let Target::Plane(buffer) = store.target else { unreachable!("only those are wanted") };
        let quarters = w.quarters(buffer);
        w.store(buffer, &format!("n * {quarters} + cq"), &values.vector(store.value));
    }
}

/// The names of the variables that a map's sums grow in.
pub(super) fn sum_name(values: &Values<'_>, sum: Value) -> String {
    format!("{}_sum", values.name(sum))
}

/// What a sum or maximum starts from.
pub(super) fn start(op: ReduceOp) -> &'static str {
    match op {
        ReduceOp::Sum | ReduceOp::First => "splat(0.0f)",
        ReduceOp::Max => "splat(-3.4028234663852886e38f)",
    }
}

pub(super) fn joined(op: ReduceOp, a: &str, b: &str, suffix: &str) -> String {
    match op {
        ReduceOp::Sum | ReduceOp::First => format!("{a} + {b}"),
        ReduceOp::Max => format!("larger{suffix}({a}, {b})"),
    }
}

/// Starts the sums over pixels.
pub(super) fn start_sums(w: &mut Writer<'_>, values: &Values<'_>) {
    for (sum, op, _) in values.sums() {
        w.variable(Type::F4, &sum_name(values, sum), start(op));
    }
}

/// Adds the current pixel to the sums.
pub(super) fn grow_sums(w: &mut Writer<'_>, values: &mut Values<'_>) {
    for (sum, op, body) in values.sums() {
        values.define(w, &[body]);
        let name = sum_name(values, sum);
        let next = joined(op, &name, &values.vector(body), "_v");
        w.assign(&name, &next);
    }
}

/// Joins the threads' sums; thread t holds quarter t mod `quarters`. Every thread gets the result.
pub(super) fn finish_sums(w: &mut Writer<'_>, values: &mut Values<'_>, threads: usize, quarters: usize) {
    for (sum, op, _) in values.sums() {
        let name = sum_name(values, sum);
        tree(w, &name, op, threads, quarters);
        let text = if values.is_vector(sum) { name } else { format!("{name}.x") };
        w.constant(values.ty(sum), &values.name(sum), &text);
        values.know(sum);
    }
}

/// Joins a variable over the threads of a block whose numbers are equal modulo `quarters`: by halves.
pub(super) fn tree(w: &mut Writer<'_>, name: &str, op: ReduceOp, threads: usize, quarters: usize) {
    debug_assert!((threads / quarters).is_power_of_two());
    let parts = w.shared("parts", threads);
    w.barrier();
    w.assign(&format!("{parts}[thread]"), name);
    w.barrier();
    let mut half = threads / 2;
    while half >= quarters {
        w.when(&format!("thread < {half}u"), |w| {
            let both = joined(op, &format!("{parts}[thread]"), &format!("{parts}[thread + {half}u]"), "_v");
            w.assign(&format!("{parts}[thread]"), &both);
        });
        w.barrier();
        half /= 2;
    }
    w.assign(name, &format!("{parts}[thread % {quarters}u]"));
}

/// A block of threads takes a plane.
fn plane(w: &mut Writer<'_>, values: &mut Values<'_>, channels: usize, batch: usize, before: &[&Map]) -> Shape {
    let pixels = values.pixels();
    let threads = (4 * pixels).next_power_of_two().min(THREADS);
    let quarters = values.quarters(w);
    w.index("n", &format!("group / ({quarters} >> 2u)"));
    w.leave("n >= now.batch");
    w.index("cq", &format!("((group % ({quarters} >> 2u)) << 2u) + (thread & 3u)"));
    let given = begin(w, before, values.map, &Tile { threads, quarters: 4 });
    values.give(&given);
    values.hoist(w, &[Axis::Pixels]);
    start_sums(w, values);
    w.count(["p", "thread >> 2u", &format!("{pixels}u"), &format!("{}u", threads / 4)], |w| {
        values.scope(|values| {
            values.go_to_pixel(w);
            point_stores(w, values);
            grow_sums(w, values);
        });
    });
    finish_sums(w, values, threads, 4);
    w.when("thread < 4u", |w| plane_stores(w, values));
    Shape { groups: [batch * blocks(channels), 1], threads }
}

/// Computes in order what `wanted` needs and does not vary along `axis`; each sum over it in a loop of its own.
pub(super) fn in_order(
    w: &mut Writer<'_>,
    values: &mut Values<'_>,
    axis: Axis,
    wanted: &[Value],
    mut sum: impl FnMut(&mut Writer<'_>, &mut Values<'_>, Value),
) {
    let mut needed = vec![false; values.map.exprs.len()];
    wanted.iter().for_each(|value| needed[value.index()] = true);
    for i in (0..needed.len()).rev() {
        if needed[i] {
            values.map.exprs[i].operands().for_each(|v| needed[v.index()] = true);
        }
    }
    for i in (0..needed.len()).filter(|i| needed[*i]) {
        let value = Value(i as u32);
        if values.axes[i].has(axis) {
            continue;
        }
        match values.map.exprs[i] {
            Expr::Reduce { .. } => sum(w, values, value),
            _ => values.define(w, &[value]),
        }
    }
}

/// A block of threads takes an image.
fn image(w: &mut Writer<'_>, values: &mut Values<'_>, channels: usize, batch: usize) -> Shape {
    let threads = (4 * blocks(channels)).next_power_of_two().min(THREADS);
    let quarters = values.quarters(w);
    let each = ["cq".to_owned(), "thread".to_owned(), quarters, format!("{threads}u")];
    let each = [&each[0], &each[1], &each[2], &each[3]].map(|s| s.as_str());
    w.index("n", "group");
    w.leave("n >= now.batch");
    let wanted: Vec<Value> = values.map.stores.iter().map(|store| store.value).collect();
    in_order(w, values, Axis::Channels, &wanted, |w, values, value| {
        let (op, body) = reduction(values.map, value);
        let name = sum_name(values, value);
        let padding = if op == ReduceOp::Max { "-3.4028234663852886e38f" } else { "0.0f" };
        w.variable(Type::F4, &name, start(op));
        w.count(each, |w| {
            values.scope(|values| {
                values.define(w, &[body]);
                let next = values.masked(w, &values.vector(body), padding);
                let next = joined(op, &name, &next, "_v");
                w.assign(&name, &next);
            });
        });
        tree(w, &name, op, threads, 1);
        let lanes = ["y", "z", "w"].iter().fold(format!("{name}.x"), |so_far, lane| {
            let so_far = if op == ReduceOp::Max { so_far } else { format!("({so_far})") };
            joined(op, &so_far, &format!("{name}.{lane}"), "_s")
        });
        w.constant(Type::F32, &values.name(value), &lanes);
        values.know(value);
    });
    for store in values.stored(|target| matches!(target, Target::Image(_))) {
        let Target::Image(buffer) = store.target else { unreachable!("only those are wanted") };
        w.when("thread < 4u", |w| w.store(buffer, "(n << 2u) + thread", &values.vector(store.value)));
    }
    if !values.stored(|target| matches!(target, Target::Plane(_))).is_empty() {
        w.count(each, |w| values.scope(|values| plane_stores(w, values)));
    }
    Shape { groups: [batch, 1], threads }
}

pub(super) fn reduction(map: &Map, value: Value) -> (ReduceOp, Value) {
    match map.expr(value) {
        Expr::Reduce { op, body, .. } => (*op, *body),
        _ => unreachable!("the value is a reduction"),
    }
}
