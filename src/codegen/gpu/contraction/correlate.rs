//! A pass to y or to x.
//!
//! A block of threads takes a run of rows and a tile of columns, rows by tiles. Where the epilogue sums over the pixels of
//! a plane, the run is an image, and the sums grow from tile to tile; else it is one tile, of as many images as it meets.

use super::super::Shape;
use super::super::channel::{self, Meeting, finish};
use super::super::nest::{finish_sums, grow_sums, plane_stores, point_stores, start_sums};
use super::super::value::{Values, place};
use super::super::writer::{Writer, zeros};
use super::operand::{Source, over_tap, under_tap};
use super::tensor::{self, Patches, Side};
use super::{plain, tile_quarters, tiled};
use crate::kernel::{BLOCK, BufferId, Contraction, Map, Pass, Sizes, blocks, padded};
use crate::num::Precision;

/// One pass with the two directions' differences as data.
pub(super) struct Correlation<'k> {
    pub(super) sizes: &'k Sizes,
    /// Whether x is what is read and y the result.
    pub(super) forward: bool,
    pub(super) weight: BufferId,
    pub(super) result: BufferId,
    /// Channels of a group that are read, and that are made.
    pub(super) read: usize,
    pub(super) made: usize,
    /// Rows and columns of what is read.
    pub(super) read_side: [usize; 2],
    /// Pixels of what is made.
    pub(super) pixels: usize,
    /// Blocks of channels of what is made.
    pub(super) made_blocks: usize,
}

/// How rows and columns are cut.
pub(super) struct Tile {
    /// Rows at a time.
    pub(super) rows: usize,
    /// Quarters of columns.
    pub(super) quarters: usize,
    /// Threads.
    pub(super) threads: usize,
}

impl<'k> Correlation<'k> {
    fn new(k: &'k Contraction) -> Self {
        let s = &k.sizes;
        match k.pass {
            Pass::Forward { weight, y, .. } => Correlation {
                sizes: s,
                forward: true,
                weight,
                result: y,
                read: s.group_inputs(),
                made: s.group_outputs(),
                read_side: [s.height, s.width],
                pixels: s.out_pixels(),
                made_blocks: blocks(s.outputs),
            },
            Pass::ToInput { weight, dx, .. } => Correlation {
                sizes: s,
                forward: false,
                weight,
                result: dx,
                read: s.group_outputs(),
                made: s.group_inputs(),
                read_side: [s.out_height, s.out_width],
                pixels: s.pixels(),
                made_blocks: blocks(s.inputs),
            },
            Pass::ToWeight { .. } => unreachable!("a gradient to a weight is no correlation"),
        }
    }

    /// Names row and column of what is read for the result's pixel `q` at the current tap.
    pub(super) fn meet(&self, w: &mut Writer<'_>) {
        if self.forward { under_tap(w, self.sizes) } else { over_tap(w, self.sizes) }
    }
}

pub(super) fn kernel(w: &mut Writer<'_>, k: &Contraction, batch: usize, after: &[&Map]) -> Shape {
    let c = Correlation::new(k);
    let operand = match &k.pass {
        Pass::Forward { x: operand, .. } | Pass::ToInput { dy: operand, .. } => operand,
        Pass::ToWeight { .. } => unreachable!("a gradient to a weight is no correlation"),
    };
    let mut source = Source::new(operand, c.read_side[0] * c.read_side[1], "x");
    let mut epilogue = k.epilogue.as_ref().map(|map| Values::new(map, "e"));
    let in_tiles = tiled(c.sizes);
    // A run of whole images where their planes are summed.
    let by_image = epilogue.as_ref().is_some_and(|e| !e.sums().is_empty());
    let most = if by_image { c.pixels.next_power_of_two() } else { 64 };
    let tensor = in_tiles && w.precision() != Precision::Fp32;
    // A warp of tensor cores takes 32 rows of sixteen columns.
    let rows = most.clamp(if tensor { 32 } else { 16 }, 64);
    let quarters = if in_tiles { tile_quarters(c.made) } else { 4 };
    let tile = Tile { rows, quarters, threads: if in_tiles { rows / 4 * quarters } else { rows * quarters } };
    let runs = rows_of_block(w, &c, &tile, by_image, batch);
    // The quarters that the result has, and the first of this block's tile.
    let (groups, tiles) = if in_tiles { (c.sizes.groups, c.made.div_ceil(4 * quarters)) } else { (1, c.made_blocks) };
    first_column(w, &c, groups, tiles, &tile);
    if let Some(epilogue) = &epilogue {
        start_sums(w, epilogue);
    }
    w.count(["r0", "start", "end", &format!("{rows}u")], |w| {
        if in_tiles {
            products(w, &c, &mut source, &tile);
        } else {
            plain::correlate(w, &c, &mut source, &tile);
        }
        if let Some(epilogue) = &mut epilogue {
            w.barrier_of_buffers();
            finish_tile(w, &c, epilogue, &tile);
        }
    });
    if let Some(epilogue) = &mut epilogue
        && by_image
    {
        finish_sums(w, epilogue, tile.threads, tile.quarters);
        w.when(&format!("thread < {quarters}u && cq_first + thread < cq_end"), |w| {
            w.index("n", "group");
            w.index("cq", "cq_first + thread");
            plane_stores(w, epilogue);
        });
        let meeting = Meeting { counter: "tile", counters: groups * tiles, quarters: ["cq_first", "cq_end"] };
        finish(w, after, &channel::Tile { threads: tile.threads, quarters: tile.quarters }, &meeting);
    }
    Shape { groups: [runs, groups * tiles], threads: tile.threads }
}

/// Names the rows of this block, `start` to `end`; how many such runs there are.
fn rows_of_block(w: &mut Writer<'_>, c: &Correlation<'_>, tile: &Tile, by_image: bool, batch: usize) -> usize {
    let (pixels, rows) = (c.pixels, tile.rows);
    if by_image {
        w.leave("group >= now.batch");
        w.index("start", &format!("group * {pixels}u"));
        w.index("end", &format!("start + {pixels}u"));
        batch
    } else {
        w.index("start", &format!("group * {rows}u"));
        w.leave(&format!("start >= now.batch * {pixels}u"));
        w.index("end", &format!("least(start + {rows}u, now.batch * {pixels}u)"));
        (batch * pixels).div_ceil(rows)
    }
}

/// Names the group `g`, the first quarter of this block's columns in its group (`first`) and in the result (`cq_first`),
/// and the quarter behind the group's last (`cq_end`).
fn first_column(w: &mut Writer<'_>, c: &Correlation<'_>, groups: usize, tiles: usize, tile: &Tile) {
    let quarters = tile.quarters;
    if groups == 1 {
        w.index("first", &format!("tile * {quarters}u"));
        w.index("cq_first", "first");
        let all = w.uint("quarters made", 4 * c.made_blocks);
        w.index("cq_end", &all);
    } else {
        let tiles = w.uint("tiles of a group", tiles);
        let made = w.uint("quarters made by a group", padded(c.made) / 4);
        w.index("g", &format!("tile / {tiles}"));
        w.index("first", &format!("(tile % {tiles}) * {quarters}u"));
        w.index("cq_first", &format!("g * {made} + first"));
        w.index("cq_end", &format!("(g + 1u) * {made}"));
    }
}

/// The products of a tile, kept in the result.
fn products(w: &mut Writer<'_>, c: &Correlation<'_>, source: &mut Source<'_>, tile: &Tile) {
    let Tile { rows, quarters, .. } = *tile;
    let (side, grouped) = (format!("{}u", c.sizes.kernel), c.sizes.groups > 1);
    let patches =
        (w.precision() != Precision::Fp32).then(|| Patches::new(w.precision(), [rows, 4 * quarters], tile.threads));
    // Vectors of a row of each.
    let (row, columns) = if patches.is_some() { (tensor::ROW, quarters + tensor::BESIDE) } else { (4, quarters) };
    let read_of_row = w.shared("left", rows * row);
    let by_row = patches.is_some() && !c.forward;
    let weights = w.shared("right", if by_row { 4 * quarters * row } else { BLOCK * columns });
    w.index("tq", &format!("thread % {quarters}u"));
    w.index("tr", &format!("(thread / {quarters}u) * 4u"));
    match &patches {
        Some(patches) => patches.start(w),
        None => (0..4).for_each(|m| zeros(w, &format!("sum{m}"))),
    }
    let read_blocks = w.uint("blocks read by a group", blocks(c.read));
    w.count(["block", "0u", &read_blocks, "1u"], |w| {
        source.scope(|source| {
            let before = if grouped { format!("g * {read_blocks} + ") } else { String::new() };
            w.index("cq", &format!("(({before}block) << 2u) + (thread & 3u)"));
            source.hoist(w);
            w.count(["tap_y", "0u", &side, "1u"], |w| {
                w.count(["tap_x", "0u", &side, "1u"], |w| {
                    w.barrier();
                    load_rows(w, c, source, &read_of_row, tile, row);
                    load_weights(w, c, &weights, tile, [row, columns], &read_blocks, by_row);
                    w.barrier();
                    match &patches {
                        None => multiply(w, c.forward, [&read_of_row, &weights], quarters),
                        Some(patches) => {
                            let left = Side::ByRow(&read_of_row, 4 * row);
                            let right = match by_row {
                                true => Side::ByRow(&weights, 4 * row),
                                false => Side::ByDepth(&weights, 4 * columns),
                            };
                            patches.multiply(w, BLOCK, &left, &right);
                        }
                    }
                });
            });
        });
    });
    if let Some(patches) = &patches {
        let array = patches.finish(w);
        for m in 0..4 {
            tensor::vector(w, &format!("sum{m}"), &array, patches, [&format!("tr + {m}u"), "tq"]);
        }
    }
    for m in 0..4 {
        w.when(&format!("r0 + tr + {m}u < end && cq_first + tq < cq_end"), |w| {
            w.index("n", &format!("(r0 + tr + {m}u) / {}u", c.pixels));
            w.index("q", &format!("(r0 + tr + {m}u) % {}u", c.pixels));
            let all = w.quarters(c.result);
            let at = place("n", &all, "(cq_first + tq)", c.pixels, "q");
            w.store(c.result, &at, &format!("sum{m}"));
        });
    }
}

/// The rows' sixteen channels under the current tap, into shared memory: four vectors a row.
fn load_rows(w: &mut Writer<'_>, c: &Correlation<'_>, source: &mut Source<'_>, into: &str, tile: &Tile, row: usize) {
    let Tile { rows, threads, .. } = *tile;
    w.count(["i", "thread", &format!("{}u", rows * 4), &format!("{threads}u")], |w| {
        w.index("r", "r0 + (i >> 2u)");
        zeros(w, "found");
        w.when("r < end", |w| {
            w.index("n", &format!("r / {}u", c.pixels));
            w.index("q", &format!("r % {}u", c.pixels));
            c.meet(w);
            source.inside(w, "found", c.read_side);
        });
        let place = if row == 4 { "i".to_owned() } else { format!("(i >> 2u) * {row}u + (i & 3u)") };
        w.assign(&format!("{into}[{place}]"), "found");
    });
}

/// The weights between the block's sixteen channels and the tile's columns at the current tap, into shared memory: vectors
/// of four outputs, `[input][quarter of outputs]` forward and `[quarter of outputs][input mod 4][input / 4]` to x; for
/// tensor cores `[input][quarter of outputs]` in any case, with room between the rows.
fn load_weights(
    w: &mut Writer<'_>,
    c: &Correlation<'_>,
    into: &str,
    tile: &Tile,
    [row, columns]: [usize; 2],
    read_blocks: &str,
    by_row: bool,
) {
    let Tile { quarters, threads, .. } = *tile;
    let (kernel, taps) = (c.sizes.kernel, c.sizes.taps());
    let grouped = c.sizes.groups > 1;
    let inputs = w.uint("inputs of a group", c.sizes.group_inputs());
    let vectors = format!("{}u", BLOCK * quarters);
    w.count(["i", "thread", &vectors, &format!("{threads}u")], |w| {
        zeros(w, "found");
        let (input, exists, outputs, lanes, to) = if c.forward {
            w.index("input", &format!("(block << 4u) + i / {quarters}u"));
            w.index("oq", &format!("cq_first + i % {quarters}u"));
            let to = if columns == quarters {
                "i".to_owned()
            } else {
                format!("i + (i / {quarters}u) * {}u", columns - quarters)
            };
            ("input", format!("input < {inputs} && oq < cq_end"), "(oq >> 2u)".to_owned(), "(oq & 3u)", to)
        } else {
            w.index("input", "(first << 2u) + (i >> 2u)");
            let block = if grouped { format!("(g * {read_blocks} + block)") } else { "block".to_owned() };
            let to = match by_row {
                true => format!("(i >> 2u) * {row}u + (i & 3u)"),
                false => format!("(((i & 3u) << 2u) + ((i >> 2u) & 3u)) * {quarters}u + (i >> 4u)"),
            };
            ("input", format!("input < {inputs}"), block, "(i & 3u)", to)
        };
        w.when(&exists, |w| {
            let tap = format!("tap_y * {kernel}u + tap_x");
            let at = format!("((({outputs} * {taps}u + {tap}) * {inputs} + {input}) << 2u) + {lanes}");
            let weight = w.load(c.weight, &at);
            w.assign("found", &weight);
        });
        w.assign(&format!("{into}[{to}]"), "found");
    });
}

/// Four rows times four columns a thread, sixteen channels deep.
fn multiply(w: &mut Writer<'_>, forward: bool, [read, weights]: [&str; 2], quarters: usize) {
    use super::super::writer::Type::F4;
    w.count(["kq", "0u", "4u", "1u"], |w| {
        for m in 0..4 {
            w.constant(F4, &format!("x{m}_"), &format!("{read}[((tr + {m}u) << 2u) + kq]"));
        }
        for (j, lane) in ["x", "y", "z", "w"].iter().enumerate() {
            w.constant(F4, &format!("w{j}_"), &format!("{weights}[((kq << 2u) + {j}u) * {quarters}u + tq]"));
            for m in 0..4 {
                if forward {
                    w.assign(&format!("sum{m}"), &format!("axpy(x{m}_.{lane}, w{j}_, sum{m})"));
                } else {
                    w.assign(&format!("sum{m}.{lane}"), &format!("dot_add(x{m}_, w{j}_, sum{m}.{lane})"));
                }
            }
        }
    });
}

/// The epilogue at the points of a finished tile.
fn finish_tile(w: &mut Writer<'_>, c: &Correlation<'_>, epilogue: &mut Values<'_>, tile: &Tile) {
    let Tile { rows, quarters, threads } = *tile;
    w.when(&format!("cq_first + thread % {quarters}u < cq_end"), |w| {
        epilogue.scope(|epilogue| {
            w.index("cq", &format!("cq_first + thread % {quarters}u"));
            epilogue.hoist(w, &[crate::kernel::Axis::Batch, crate::kernel::Axis::Pixels]);
            let (from, end) = (format!("r0 + thread / {quarters}u"), format!("least(r0 + {rows}u, end)"));
            w.count(["r", &from, &end, &format!("{}u", threads / quarters)], |w| {
                epilogue.scope(|epilogue| {
                    w.index("n", &format!("r / {}u", c.pixels));
                    w.index("p", &format!("r % {}u", c.pixels));
                    epilogue.go_to_pixel(w);
                    point_stores(w, epilogue);
                    let by_image = !epilogue.sums().is_empty();
                    grow_sums(w, epilogue);
                    if !by_image {
                        plane_stores(w, epilogue);
                    }
                });
            });
        });
    });
}
