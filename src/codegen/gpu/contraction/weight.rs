//! The gradient to a weight: channels of x times channels of dy for each tap, summed over pixels and images.
//!
//! There are few such products and very many pixels, so the pixels are split among blocks of threads, whose parts are added
//! in order by the last block of a tile, or by a kernel of their own; where there are enough products, they are not.

use super::super::Shape;
use super::super::nest::{THREADS, tree};
use super::super::writer::{Type, Writer, zeros};
use super::operand::{Source, under_tap};
use super::tensor::{self, Patches, Side};
use super::tile_quarters;
use crate::kernel::{BufferId, Operand, ReduceOp, Sizes, blocks, padded};
use crate::num::Precision;

/// Vectors of a shared array: so many pixels at a time that the longer of the two fills one.
const SHARED: usize = 256;
/// Blocks of threads that fill a large processor.
const ENOUGH: usize = 256;
/// The fewest pixels that are worth a block of threads.
const WORTH: usize = 256;

/// How a gradient to a weight is cut.
pub(super) struct Layout<'s> {
    s: &'s Sizes,
    /// Quarters of a tile's inputs and outputs.
    qi: usize,
    qo: usize,
    input_tiles: usize,
    output_tiles: usize,
    /// Parts whose sum is the gradient.
    pub(super) splits: usize,
    /// Pixels of a part.
    per_split: usize,
    /// Pixels at a time.
    depth: usize,
    /// Threads that share a place of a tile, each for every so many pixels.
    slices: usize,
    /// The products of a tile on tensor cores.
    patches: Option<Patches>,
}

impl<'s> Layout<'s> {
    pub(super) fn new(s: &'s Sizes, batch: usize, precision: Precision) -> Self {
        let (inputs, outputs) = (s.group_inputs(), s.group_outputs());
        let [qi, qo] = [inputs, outputs].map(tile_quarters);
        let [input_tiles, output_tiles] = [inputs.div_ceil(4 * qi), outputs.div_ceil(4 * qo)];
        let tiles = s.taps() * s.groups * input_tiles * output_tiles;
        let rows = batch * s.out_pixels();
        let splits = ENOUGH.div_ceil(tiles).min(rows.div_ceil(WORTH)).max(1);
        // As many threads as the gradient to the input has, which runs beside it.
        let slices = 16 / qo;
        let patches =
            (precision != Precision::Fp32).then(|| Patches::new(precision, [4 * qi, 4 * qo], qi * qo * slices));
        let depth = (SHARED / qi.max(qo)).max(16 * patches.as_ref().map_or(1, |patches| patches.slices));
        // Whole steps of the depth, so that only the last part ends inside one.
        let per_split = rows.div_ceil(splits).next_multiple_of(depth);
        Layout { s, qi, qo, input_tiles, output_tiles, splits, per_split, depth, slices, patches }
    }

    fn tiles(&self) -> usize {
        self.s.taps() * self.s.groups * self.input_tiles * self.output_tiles
    }

    /// Vectors of the gradient, and of a part.
    fn vectors(&self) -> usize {
        self.s.weight_len() / 4
    }

    /// Writes the kernel. Where there are parts, the last block of a tile adds them if the dialect lets it see them; else
    /// they are left in the room for parts.
    pub(super) fn kernel(&self, w: &mut Writer<'_>, operands: [&Operand; 2], dweight: BufferId) -> Shape {
        let threads = self.qi * self.qo * self.slices;
        products(w, self, operands);
        let places = self.qi * self.qo;
        if let Some(patches) = &self.patches {
            let tile = patches.finish(w);
            for m in 0..4 {
                let row = format!("(ti << 2u) + {m}u");
                tensor::vector(w, &format!("sum{m}"), &tile, patches, [&row, "to"]);
            }
        } else if self.slices > 1 {
            (0..4).for_each(|m| tree(w, &format!("sum{m}"), ReduceOp::Sum, threads, places));
        }
        let (vectors, splits) = (self.vectors(), self.splits);
        let room = splits * vectors;
        self.each_place(w, |w, m, at| {
            if splits == 1 {
                w.store(dweight, at, &format!("sum{m}"));
            } else {
                let len = w.uint("vectors of a part", vectors);
                let part = w.scratch(room, &format!("group * {len} + {at}"));
                w.assign(&part, &format!("sum{m}"));
            }
        });
        if splits > 1 && w.sees_other_blocks() {
            let count = w.uint("parts", splits);
            w.leave_unless_last("tile", self.tiles(), &count);
            self.each_place(w, |w, _, at| {
                let len = w.uint("vectors of a part", vectors);
                add_parts(w, dweight, at, [&count, &len], room);
            });
        }
        Shape { groups: [splits, self.tiles()], threads }
    }

    /// What the first thread of a place does for each of its four vectors: `m`, and its place in the weight.
    fn each_place(&self, w: &mut Writer<'_>, each: impl Fn(&mut Writer<'_>, usize, &str)) {
        let taps = self.s.taps();
        let inputs = w.uint("inputs of a group", self.s.group_inputs());
        let own = if self.slices > 1 { format!("thread < {}u && ", self.qi * self.qo) } else { String::new() };
        for m in 0..4 {
            w.when(&format!("{own}dy_first + to < dy_end && ((first + ti) << 2u) + {m}u < {inputs}"), |w| {
                w.index("oq", "dy_first + to");
                let row = format!("((oq >> 2u) * {taps}u + tap) * {inputs} + (((first + ti) << 2u) + {m}u)");
                w.index("at", &format!("(({row}) << 2u) + (oq & 3u)"));
                each(w, m, "at");
            });
        }
    }

    /// Writes the kernel that adds the parts, in order.
    pub(super) fn sum(&self, w: &mut Writer<'_>, dweight: BufferId) -> Shape {
        let vectors = self.vectors();
        let len = w.uint("vectors of a part", vectors);
        let count = w.uint("parts", self.splits);
        w.index("at", &format!("group * {THREADS}u + thread"));
        w.when(&format!("at < {len}"), |w| add_parts(w, dweight, "at", [&count, &len], self.splits * vectors));
        Shape { groups: [vectors.div_ceil(THREADS), 1], threads: THREADS }
    }
}

/// Adds the parts of a vector, in order.
fn add_parts(w: &mut Writer<'_>, dweight: BufferId, at: &str, [count, len]: [&str; 2], room: usize) {
    zeros(w, "sum");
    w.count(["part", "0u", count, "1u"], |w| {
        let part = w.scratch(room, &format!("part * {len} + {at}"));
        w.assign("sum", &format!("sum + {part}"));
    });
    w.store(dweight, at, "sum");
}

/// Each thread: four inputs times four outputs at a tap.
fn products(w: &mut Writer<'_>, layout: &Layout<'_>, operands: [&Operand; 2]) {
    let Layout { s, qi, qo, depth, slices, ref patches, .. } = *layout;
    // What stands beside a row in shared memory.
    let beside = if patches.is_some() { tensor::BESIDE } else { 0 };
    let threads = qi * qo * slices;
    let mut x = Source::new(operands[0], s.pixels(), "x");
    let mut dy = Source::new(operands[1], s.out_pixels(), "d");
    columns(w, layout);
    let (x_quarters, dy_quarters) = (x.quarters(w), dy.quarters(w));
    let x_tile = w.shared("left", depth * (qi + beside));
    let dy_tile = w.shared("right", depth * (qo + beside));
    let place = if slices > 1 { format!("(thread % {}u)", qi * qo) } else { "thread".to_owned() };
    w.index("ti", &format!("{place} / {qo}u"));
    w.index("to", &format!("{place} % {qo}u"));
    match patches {
        Some(patches) => patches.start(w),
        None => (0..4).for_each(|m| zeros(w, &format!("sum{m}"))),
    }
    let per_split = w.uint("pixels of a part", layout.per_split);
    w.index("start", &format!("group * {per_split}"));
    w.index("end", &format!("least(start + {per_split}, now.batch * {}u)", s.out_pixels()));
    w.count(["r0", "start", "end", &format!("{depth}u")], |w| {
        w.barrier();
        w.block("{", |w| {
            x.scope(|x| {
                w.index("cq", &format!("least(x_first + thread % {qi}u, {x_quarters} - 1u)"));
                x.hoist(w);
                rows(w, s, &x_tile, [depth * qi, qi, threads], beside, |w| {
                    under_tap(w, s);
                    x.inside(w, "found", [s.height, s.width]);
                });
            });
        });
        w.block("{", |w| {
            dy.scope(|dy| {
                w.index("cq", &format!("least(dy_first + thread % {qo}u, {dy_quarters} - 1u)"));
                dy.hoist(w);
                rows(w, s, &dy_tile, [depth * qo, qo, threads], beside, |w| {
                    dy.scope(|dy| {
                        w.index("p", "q");
                        let found = dy.at_point(w);
                        w.assign("found", &found);
                    });
                });
            });
        });
        w.barrier();
        if let Some(patches) = patches {
            let left = Side::ByDepth(&x_tile, 4 * (qi + beside));
            patches.multiply(w, depth, &left, &Side::ByDepth(&dy_tile, 4 * (qo + beside)));
            return;
        }
        let first = if slices > 1 { format!("thread / {}u", qi * qo) } else { "0u".to_owned() };
        w.count(["k", &first, &format!("{depth}u"), &format!("{slices}u")], |w| {
            w.constant(Type::F4, "x_", &format!("{x_tile}[k * {qi}u + ti]"));
            w.constant(Type::F4, "d_", &format!("{dy_tile}[k * {qo}u + to]"));
            for (m, lane) in ["x", "y", "z", "w"].iter().enumerate() {
                w.assign(&format!("sum{m}"), &format!("axpy(x_.{lane}, d_, sum{m})"));
            }
        });
    });
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
    [vectors, quarters, threads]: [usize; 3],
    beside: usize,
    find: impl FnOnce(&mut Writer<'_>),
) {
    w.count(["i", "thread", &format!("{vectors}u"), &format!("{threads}u")], |w| {
        w.index("r", &format!("r0 + i / {quarters}u"));
        zeros(w, "found");
        w.when("r < end", |w| {
            w.index("n", &format!("r / {}u", s.out_pixels()));
            w.index("q", &format!("r % {}u", s.out_pixels()));
            find(w);
        });
        let place = if beside > 0 { format!("i + (i / {quarters}u) * {beside}u") } else { "i".to_owned() };
        w.assign(&format!("{into}[{place}]"), "found");
    });
}
