//! The gradient to a weight: channels of x times channels of dy for each tap, summed over pixels and images.
//!
//! There are few such products and very many pixels, so the pixels are split among blocks of threads, whose parts a second
//! kernel adds in order; where there are enough products, they are not.

use super::super::Shape;
use super::super::nest::THREADS;
use super::super::writer::{Type, Writer, zeros};
use super::operand::{Source, under_tap};
use super::tile_quarters;
use crate::kernel::{BufferId, Operand, Sizes, blocks, padded};

/// Pixels at a time.
const DEPTH: usize = 16;
/// Blocks of threads that fill a large processor.
const ENOUGH: usize = 256;
/// The fewest pixels that are worth a block of threads.
const WORTH: usize = 256;

pub(super) fn kernels<'a>(
    s: &Sizes,
    operands: [&Operand; 2],
    dweight: BufferId,
    batch: usize,
    writer: &dyn Fn() -> Writer<'a>,
) -> Vec<(Writer<'a>, Shape)> {
    let (inputs, outputs) = (s.group_inputs(), s.group_outputs());
    let [qi, qo] = [inputs, outputs].map(tile_quarters);
    let [input_tiles, output_tiles] = [inputs.div_ceil(4 * qi), outputs.div_ceil(4 * qo)];
    let tiles = s.taps() * s.groups * input_tiles * output_tiles;
    let rows = batch * s.out_pixels();
    let splits = ENOUGH.div_ceil(tiles).min(rows.div_ceil(WORTH)).max(1);
    // Whole steps of the depth, so that only the last part ends inside one.
    let per_split = rows.div_ceil(splits).next_multiple_of(DEPTH);
    let mut w = writer();
    let vectors = s.weight_len() / 4;
    let layout = Layout { s, qi, qo, input_tiles, output_tiles, per_split };
    products(&mut w, &layout, operands, |w, at, value| {
        if splits == 1 {
            w.store(dweight, at, value);
        } else {
            let len = w.uint("vectors of a part", vectors);
            let part = w.scratch(splits * vectors, &format!("group * {len} + {at}"));
            w.assign(&part, value);
        }
    });
    let mut all = vec![(w, Shape { groups: [splits, tiles], threads: qi * qo })];
    if splits > 1 {
        let mut w = writer();
        let shape = sum(&mut w, dweight, vectors, splits);
        all.push((w, shape));
    }
    all
}

struct Layout<'s> {
    s: &'s Sizes,
    /// Quarters of a tile's inputs and outputs.
    qi: usize,
    qo: usize,
    input_tiles: usize,
    output_tiles: usize,
    /// Pixels that a block of threads takes.
    per_split: usize,
}

/// Each thread: four inputs times four outputs at a tap.
fn products(
    w: &mut Writer<'_>,
    layout: &Layout<'_>,
    operands: [&Operand; 2],
    keep: impl Fn(&mut Writer<'_>, &str, &str),
) {
    let Layout { s, qi, qo, .. } = *layout;
    let (threads, taps) = (qi * qo, s.taps());
    let mut x = Source::new(operands[0], s.pixels(), "x");
    let mut dy = Source::new(operands[1], s.out_pixels(), "d");
    columns(w, layout);
    let (x_quarters, dy_quarters) = (x.quarters(w), dy.quarters(w));
    let x_tile = w.shared("x", DEPTH * qi);
    let dy_tile = w.shared("dy", DEPTH * qo);
    w.index("ti", &format!("thread / {qo}u"));
    w.index("to", &format!("thread % {qo}u"));
    (0..4).for_each(|m| zeros(w, &format!("sum{m}")));
    let per_split = w.uint("pixels of a part", layout.per_split);
    w.index("start", &format!("group * {per_split}"));
    w.index("end", &format!("least(start + {per_split}, now.batch * {}u)", s.out_pixels()));
    w.count(["r0", "start", "end", &format!("{DEPTH}u")], |w| {
        w.barrier();
        w.block("{", |w| {
            x.scope(|x| {
                w.index("cq", &format!("least(x_first + thread % {qi}u, {x_quarters} - 1u)"));
                x.hoist(w);
                rows(w, s, &x_tile, qi, threads, |w| {
                    under_tap(w, s);
                    x.inside(w, "found", [s.height, s.width]);
                });
            });
        });
        w.block("{", |w| {
            dy.scope(|dy| {
                w.index("cq", &format!("least(dy_first + thread % {qo}u, {dy_quarters} - 1u)"));
                dy.hoist(w);
                rows(w, s, &dy_tile, qo, threads, |w| {
                    dy.scope(|dy| {
                        w.index("p", "q");
                        let found = dy.at_point(w);
                        w.assign("found", &found);
                    });
                });
            });
        });
        w.barrier();
        w.count(["k", "0u", &format!("{DEPTH}u"), "1u"], |w| {
            w.constant(Type::F4, "x_", &format!("{x_tile}[k * {qi}u + ti]"));
            w.constant(Type::F4, "d_", &format!("{dy_tile}[k * {qo}u + to]"));
            for (m, lane) in ["x", "y", "z", "w"].iter().enumerate() {
                w.assign(&format!("sum{m}"), &format!("axpy(x_.{lane}, d_, sum{m})"));
            }
        });
    });
    let inputs = w.uint("inputs of a group", s.group_inputs());
    w.index("oq", "dy_first + to");
    for m in 0..4 {
        w.when(&format!("oq < dy_end && ((first + ti) << 2u) + {m}u < {inputs}"), |w| {
            let row = format!("((oq >> 2u) * {taps}u + tap) * {inputs} + (((first + ti) << 2u) + {m}u)");
            keep(w, &format!("((({row}) << 2u) + (oq & 3u))"), &format!("sum{m}"));
        });
    }
}

/// Names the tap (`tap`, `tap_y`, `tap_x`), the first quarters of x and dy that the block's tile takes, the first of its
/// inputs in their group, and the end of dy's.
fn columns(w: &mut Writer<'_>, layout: &Layout<'_>) {
    let Layout { s, qi, qo, input_tiles, output_tiles, .. } = *layout;
    let (kernel, taps) = (s.kernel, s.taps());
    let input_tiles = w.uint("tiles of inputs", input_tiles);
    let output_tiles = w.uint("tiles of outputs", output_tiles);
    w.index("tap", &format!("tile % {taps}u"));
    w.index("tap_y", &format!("tap / {kernel}u"));
    w.index("tap_x", &format!("tap % {kernel}u"));
    w.index("first", &format!("((tile / {taps}u) % {input_tiles}) * {qi}u"));
    w.index("output", &format!("((tile / ({taps}u * {input_tiles})) % {output_tiles}) * {qo}u"));
    if s.groups == 1 {
        w.index("x_first", "first");
        w.index("dy_first", "output");
        let end = w.uint("quarters of outputs", 4 * blocks(s.outputs));
        w.index("dy_end", &end);
    } else {
        let [inputs, outputs] = [("a group's inputs", s.group_inputs()), ("a group's outputs", s.group_outputs())]
            .map(|(what, n)| w.uint(format!("quarters of {what}"), padded(n) / 4));
        w.index("g", &format!("tile / ({taps}u * {input_tiles} * {output_tiles})"));
        w.index("x_first", &format!("g * {inputs} + first"));
        w.index("dy_first", &format!("g * {outputs} + output"));
        w.index("dy_end", &format!("(g + 1u) * {outputs}"));
    }
}

/// Fills the shared rows of an operand, `quarters` vectors a row; `find` sets `found` for image `n` and pixel `q` of y.
fn rows(
    w: &mut Writer<'_>,
    s: &Sizes,
    into: &str,
    quarters: usize,
    threads: usize,
    find: impl FnOnce(&mut Writer<'_>),
) {
    w.count(["i", "thread", &format!("{}u", DEPTH * quarters), &format!("{threads}u")], |w| {
        w.index("r", &format!("r0 + i / {quarters}u"));
        zeros(w, "found");
        w.when("r < end", |w| {
            w.index("n", &format!("r / {}u", s.out_pixels()));
            w.index("q", &format!("r % {}u", s.out_pixels()));
            find(w);
        });
        w.assign(&format!("{into}[i]"), "found");
    });
}

/// Adds the parts, in order.
fn sum(w: &mut Writer<'_>, dweight: BufferId, vectors: usize, splits: usize) -> Shape {
    let len = w.uint("vectors of a part", vectors);
    let count = w.uint("parts", splits);
    w.index("e", &format!("group * {THREADS}u + thread"));
    w.when(&format!("e < {len}"), |w| {
        zeros(w, "sum");
        w.count(["part", "0u", &count, "1u"], |w| {
            let part = w.scratch(splits * vectors, &format!("part * {len} + e"));
            w.assign("sum", &format!("sum + {part}"));
        });
        w.store(dweight, "e", "sum");
    });
    Shape { groups: [vectors.div_ceil(THREADS), 1], threads: THREADS }
}
