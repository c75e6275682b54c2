//! Sums without tiles, for groups whose channels do not fill blocks: a thread computes a vector of the result, each of its
//! four channels in its own group.

use super::super::Shape;
use super::super::value::place;
use super::super::writer::{Type, Writer, zeros};
use super::correlate::{Correlation, Tile};
use super::operand::{Source, under_tap};
use crate::kernel::{BufferId, Operand, Sizes, blocks};

const LANES: [&str; 4] = ["x", "y", "z", "w"];

/// The tile of a correlation: one vector a thread, kept in the result.
pub(super) fn correlate(w: &mut Writer<'_>, c: &Correlation<'_>, source: &mut Source<'_>, tile: &Tile) {
    let quarters = tile.quarters;
    let s = c.sizes;
    let (side, kernel, taps) = (format!("{}u", s.kernel), s.kernel, s.taps());
    let [inputs, read, made] =
        [("inputs of a group", s.group_inputs()), ("read by a group", c.read), ("made by a group", c.made)]
            .map(|(meaning, n)| w.uint(meaning, n));
    let all = w.uint("channels made", c.made * s.groups);
    w.when(&format!("r0 + thread / {quarters}u < end"), |w| {
        w.index("n", &format!("(r0 + thread / {quarters}u) / {}u", c.pixels));
        w.index("q", &format!("(r0 + thread / {quarters}u) % {}u", c.pixels));
        w.index("oq", &format!("cq_first + thread % {quarters}u"));
        zeros(w, "sum");
        w.count(["tap_y", "0u", &side, "1u"], |w| {
            w.count(["tap_x", "0u", &side, "1u"], |w| {
                c.meet(w);
                for (j, lane) in LANES.iter().enumerate() {
                    w.when(&format!("(oq << 2u) + {j}u < {all}"), |w| {
                        w.index("own", &format!("(oq << 2u) + {j}u"));
                        w.index("g", &format!("own / {made}"));
                        w.count(["i", "0u", &read, "1u"], |w| {
                            w.index("other", &format!("g * {read} + i"));
                            w.index("cq", "other >> 2u");
                            zeros(w, "found");
                            source.inside(w, "found", c.read_side);
                            let (output, input) = if c.forward { ("own", "i") } else { ("other", "(own % ") };
                            let input = if c.forward { input.to_owned() } else { format!("{input}{made})") };
                            let tap = format!("tap_y * {kernel}u + tap_x");
                            let row = format!("(({output} >> 4u) * {taps}u + {tap}) * {inputs} + {input}");
                            let weight = w.load(c.weight, &format!("(({row}) << 2u) + (({output} >> 2u) & 3u)"));
                            w.constant(Type::F32, "factor", &format!("lane({weight}, {output} & 3u)"));
                            w.assign(
                                &format!("sum.{lane}"),
                                &format!("fused(lane(found, other & 3u), factor, sum.{lane})"),
                            );
                        });
                    });
                }
            });
        });
        let quarters = w.quarters(c.result);
        w.store(c.result, &place("n", &quarters, "oq", c.pixels, "q"), "sum");
    });
}

/// A gradient to a weight: a block of threads a vector of it, each thread every so many rows.
pub(super) fn weight(w: &mut Writer<'_>, s: &Sizes, operands: [&Operand; 2], dweight: BufferId) -> Shape {
    const THREADS: usize = 64;
    let (kernel, taps) = (s.kernel, s.taps());
    let mut x = Source::new(operands[0], s.pixels(), "x");
    let mut dy = Source::new(operands[1], s.out_pixels(), "d");
    let [inputs, outputs] = [("inputs of a group", s.group_inputs()), ("outputs of a group", s.group_outputs())]
        .map(|(meaning, n)| w.uint(meaning, n));
    let all = w.uint("outputs", s.outputs);
    w.index("oq", &format!("((group / ({inputs} * {taps}u)) << 2u) + tile"));
    w.index("input", &format!("group % {inputs}"));
    w.index("tap_y", &format!("((group / {inputs}) % {taps}u) / {kernel}u"));
    w.index("tap_x", &format!("((group / {inputs}) % {taps}u) % {kernel}u"));
    zeros(w, "sum");
    w.count(["r", "thread", &format!("now.batch * {}u", s.out_pixels()), &format!("{THREADS}u")], |w| {
        w.index("n", &format!("r / {}u", s.out_pixels()));
        w.index("q", &format!("r % {}u", s.out_pixels()));
        zeros(w, "gradient");
        w.block("{", |w| {
            dy.scope(|dy| {
                w.index("cq", "oq");
                w.index("p", "q");
                let found = dy.at_point(w);
                w.assign("gradient", &found);
            });
        });
        under_tap(w, s);
        for (j, lane) in LANES.iter().enumerate() {
            w.when(&format!("(oq << 2u) + {j}u < {all}"), |w| {
                w.index("channel", &format!("(((oq << 2u) + {j}u) / {outputs}) * {inputs} + input"));
                w.index("cq", "channel >> 2u");
                zeros(w, "found");
                x.inside(w, "found", [s.height, s.width]);
                w.assign(
                    &format!("sum.{lane}"),
                    &format!("fused(lane(found, channel & 3u), gradient.{lane}, sum.{lane})"),
                );
            });
        }
    });
    super::super::nest::tree(w, "sum", crate::kernel::ReduceOp::Sum, THREADS, 1);
    w.when("thread == 0u", |w| {
        let place =
            format!("((((oq >> 2u) * {taps}u + tap_y * {kernel}u + tap_x) * {inputs} + input) << 2u) + (oq & 3u)");
        w.store(dweight, &place, "sum");
    });
    Shape { groups: [blocks(s.outputs) * s.row_len(), 4], threads: THREADS }
}
