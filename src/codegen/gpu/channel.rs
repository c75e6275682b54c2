//! Maps over channels: in a kernel of their own, by the last block of another kernel, or by each block of one that reads
//! their results.

use super::Shape;
use super::nest::{in_order, joined, reduction, start, sum_name, tree};
use super::value::Values;
use super::writer::{Type, Writer};
use crate::kernel::{Axis, BufferId, Map, Target, Value, blocks};

/// Threads that share a quarter's images.
const ROWS: usize = 64;

/// A block of threads takes a block of channels.
pub(super) fn channel(w: &mut Writer<'_>, values: &mut Values<'_>, channels: usize) -> Shape {
    let rows = if values.sums().is_empty() { 1 } else { ROWS };
    let tile = Tile { threads: 4 * rows, quarters: 4 };
    w.index("cq", "(group << 2u) + (thread & 3u)");
    let wanted = kept(values, |_| true);
    compute(w, values, &tile, &wanted);
    w.when("thread < 4u", |w| store(w, values));
    Shape { groups: [blocks(channels), 1], threads: tile.threads }
}

/// The channels that a block of threads holds: so many quarters, thread t quarter t mod `quarters`.
pub(super) struct Tile {
    pub(super) threads: usize,
    pub(super) quarters: usize,
}

/// Where the blocks of a kernel meet that together have all images of some channels.
pub(super) struct Meeting<'s> {
    /// The number of the channels' counter.
    pub(super) counter: &'s str,
    /// How many counters there are.
    pub(super) counters: usize,
    /// The first quarter of the channels, and the one behind the last that there is.
    pub(super) quarters: [&'s str; 2],
}

/// Does maps over channels in the last block that comes to a meeting. Nothing may follow.
pub(super) fn finish(w: &mut Writer<'_>, maps: &[&Map], tile: &Tile, meeting: &Meeting<'_>) {
    if maps.is_empty() {
        return;
    }
    w.leave_unless_last(meeting.counter, meeting.counters, "now.batch");
    let [first, end] = meeting.quarters;
    let quarters = tile.quarters;
    for (map, letter) in maps.iter().zip(LETTERS) {
        // What the map before stored is seen.
        w.barrier();
        w.block("{", |w| {
            let mut values = Values::new(map, letter);
            w.index("cq", &format!("least({first} + thread % {quarters}u, {end} - 1u)"));
            let wanted = kept(&values, |_| true);
            compute(w, &mut values, tile, &wanted);
            w.when(&format!("thread < {quarters}u && {first} + thread < {end}"), |w| store(w, &mut values));
        });
    }
}

/// Does maps over channels for the block of channels that holds `cq`, as far as `reader` reads their results, under the
/// names that are given back. The block of the first image keeps all of them.
pub(super) fn begin(w: &mut Writer<'_>, maps: &[&Map], reader: &Map, tile: &Tile) -> Vec<(BufferId, String)> {
    let mut given = Vec::new();
    for (i, (map, letter)) in maps.iter().zip(LETTERS).enumerate() {
        let mut values = Values::new(map, letter);
        values.give(&given);
        let read = |id: BufferId| maps[i + 1..].iter().chain([&reader]).any(|map| map.reads().contains(&id));
        let wanted = kept(&values, |target| target.buffer().is_some_and(read));
        compute(w, &mut values, tile, &wanted);
        w.when("n == 0u && thread < 4u", |w| values.scope(|values| store(w, values)));
        let stores = values.stored(|target| target.buffer().is_some_and(read));
        given.extend(stores.iter().filter_map(|s| Some((s.target.buffer()?, values.vector(s.value)))));
    }
    given
}

/// The values that some of a map's stores keep.
fn kept(values: &Values<'_>, wanted: impl Fn(Target) -> bool) -> Vec<Value> {
    values.stored(wanted).iter().map(|store| store.value).collect()
}

/// What names of such maps' values start with; no kernel does more of them beside its own.
const LETTERS: [&str; MOST] = ["g", "o", "s", "y"];
/// The most maps over channels that a kernel does beside its own.
pub(super) const MOST: usize = 4;

/// Computes values, each sum over images in a loop of its own.
fn compute(w: &mut Writer<'_>, values: &mut Values<'_>, tile: &Tile, wanted: &[Value]) {
    let Tile { threads, quarters } = *tile;
    in_order(w, values, Axis::Batch, wanted, |w, values, value| {
        let (op, body) = reduction(values.map, value);
        let name = sum_name(values, value);
        w.variable(Type::F4, &name, start(op));
        let first = format!("thread / {quarters}u");
        w.count(["n", &first, "now.batch", &format!("{}u", threads / quarters)], |w| {
            values.scope(|values| {
                values.define(w, &[body]);
                let next = joined(op, &name, &values.vector(body), "_v");
                w.assign(&name, &next);
            });
        });
        tree(w, &name, op, threads, quarters);
        let text = if values.is_vector(value) { name } else { format!("{name}.x") };
        w.constant(values.ty(value), &values.name(value), &text);
        values.know(value);
    });
}

fn store(w: &mut Writer<'_>, values: &mut Values<'_>) {
    let stores = values.stored(|_| true);
    values.define(w, &stores.iter().map(|store| store.value).collect::<Vec<_>>());
    for store in stores {
        let Target::Channel(buffer) = store.target else { unreachable!("channels have no other places") };
        w.store(buffer, "cq", &values.vector(store.value));
    }
}
