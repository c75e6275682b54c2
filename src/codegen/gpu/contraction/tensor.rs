//! A tile's products on tensor cores: a warp of 32 threads multiplies patches of 16 x 16 of the tile by `mma.sync`, 8 or 16
//! deep, with operands rounded to the precision and sums in 32 bits.
//!
//! Which thread holds which element of a fragment is fixed by the instruction (PTX ISA, "Matrix Fragments for
//! mma.m16n8k8" and "m16n8k16"): with g = lane / 4 and t = lane mod 4 a thread holds the rows g and g + 8 of a patch, and
//! the columns 2 t and 2 t + 1 of each of its halves.

use super::super::writer::{Type, Writer, zeros};
use crate::num::Precision;

/// How a tile's products are shared out among warps.
pub(super) struct Patches {
    precision: Precision,
    /// Rows and columns of the tile; multiples of 16.
    rows: usize,
    columns: usize,
    /// Patches of a warp.
    each: usize,
    /// Warps that share a patch, each for every so many steps of the depth.
    pub(super) slices: usize,
}

/// Where an operand's elements lie in a shared array of numbers.
pub(super) enum Side<'s> {
    /// Those of a depth together: `[row or column][depth]`, with so many from one row to the next.
    ByRow(&'s str, usize),
    /// Those of a row together: `[depth][row or column]`, with so many from one depth to the next.
    ByDepth(&'s str, usize),
}

impl Side<'_> {
    /// The element of a row (or column) at a depth.
    fn at(&self, row: &str, depth: &str) -> String {
        match self {
            Side::ByRow(array, step) => format!("element({array}, ({row}) * {step}u + {depth})"),
            Side::ByDepth(array, step) => format!("element({array}, ({depth}) * {step}u + {row})"),
        }
    }
}

/// Vectors of a row of sixteen numbers in shared memory, and what rows of `quarters` vectors have beside them: so that the
/// threads of a warp read from banks that differ.
pub(super) const ROW: usize = 5;
pub(super) const BESIDE: usize = 2;

impl Patches {
    /// The patches of a tile for a block of so many threads.
    pub(super) fn new(precision: Precision, [rows, columns]: [usize; 2], threads: usize) -> Self {
        let (warps, patches) = (threads / 32, rows / 16 * (columns / 16));
        debug_assert!(warps > 0 && rows.is_multiple_of(16) && columns.is_multiple_of(16));
        Patches { precision, rows, columns, each: (patches / warps).max(1), slices: (warps / patches).max(1) }
    }

    /// Vectors of the array that [`finish`](Patches::finish) leaves the tile in.
    pub(super) fn tile(&self) -> usize {
        self.rows * self.row()
    }

    /// Vectors from one row of it to the next.
    pub(super) fn row(&self) -> usize {
        self.columns / 4 + 1
    }

    /// Names this thread's place, and starts its sums.
    pub(super) fn start(&self, w: &mut Writer<'_>) {
        w.index("warp", &format!("thread / {}u", 32 * self.slices));
        w.index("slice", &format!("(thread / 32u) % {}u", self.slices));
        w.index("lane_row", "(thread & 31u) >> 2u");
        w.index("lane_pair", "thread & 3u");
        let across = self.rows / 16;
        for j in 0..self.each {
            w.index(&format!("patch{j}"), &format!("warp * {}u + {j}u", self.each));
            w.index(&format!("row{j}"), &format!("(patch{j} % {across}u) * 16u + lane_row"));
            w.index(&format!("column{j}"), &format!("(patch{j} / {across}u) * 16u"));
            (0..2).for_each(|half| zeros(w, &format!("part{j}{half}")));
        }
    }

    /// Adds the products over a depth that lies in shared memory.
    pub(super) fn multiply(&self, w: &mut Writer<'_>, depth: usize, left: &Side<'_>, right: &Side<'_>) {
        let step = self.step();
        let (first, by) = (format!("slice * {step}u"), format!("{}u", step * self.slices));
        w.count(["k", &first, &format!("{depth}u"), &by], |w| {
            for j in 0..self.each {
                w.block("{", |w| {
                    for (i, (below, deep)) in [(0, 0), (8, 0), (0, 1), (8, 1)].into_iter().enumerate() {
                        let value = self.fragment(left, &format!("row{j} + {below}u"), deep);
                        w.index(&format!("a{i}"), &value);
                    }
                    for half in 0..2 {
                        let column = format!("column{j} + {}u + lane_row", 8 * half);
                        let [b0, b1] = [0, 1].map(|deep| self.fragment(right, &column, deep));
                        let product = match self.precision {
                            Precision::Bf16 => "product_bf16",
                            Precision::Tf32 | Precision::Fp32 => "product_tf32",
                        };
                        let sum = format!("part{j}{half}");
                        w.assign(&sum, &format!("{product}(a0, a1, a2, a3, {b0}, {b1}, {sum})"));
                    }
                });
            }
        });
    }

    /// Leaves the tile in a shared array, whose name it gives.
    pub(super) fn finish(&self, w: &mut Writer<'_>) -> String {
        let out = w.shared("tile", self.tile());
        let row = 4 * self.row();
        for slice in (0..self.slices).rev() {
            let add = slice + 1 < self.slices;
            let store = |w: &mut Writer<'_>| {
                for (j, half) in (0..self.each).flat_map(|j| [(j, 0), (j, 1)]) {
                    for (lane, below, beside) in [("x", 0, 0), ("y", 0, 1), ("z", 8, 0), ("w", 8, 1)] {
                        let at = format!(
                            "(row{j} + {below}u) * {row}u + column{j} + {}u + (lane_pair << 1u) + {beside}u",
                            8 * half
                        );
                        let value = format!("part{j}{half}.{lane}");
                        let value = if add { format!("element({out}, {at}) + {value}") } else { value };
                        w.line(&format!("set_element({out}, {at}, {value});"));
                    }
                }
            };
            if self.slices > 1 {
                w.when(&format!("slice == {slice}u"), store);
            } else {
                store(w);
            }
            w.barrier();
        }
        out
    }

    /// How deep a product is.
    fn step(&self) -> usize {
        match self.precision {
            Precision::Bf16 => 16,
            Precision::Tf32 | Precision::Fp32 => 8,
        }
    }

    /// The part of a fragment that belongs to a row (or column) in the lower or upper half of a step's depth.
    fn fragment(&self, side: &Side<'_>, row: &str, deep: usize) -> String {
        match self.precision {
            Precision::Bf16 => {
                let [low, high] = [0, 1].map(|i| side.at(row, &format!("k + (lane_pair << 1u) + {}u", 8 * deep + i)));
                format!("to_bf16({low}, {high})")
            }
            Precision::Tf32 | Precision::Fp32 => {
                format!("to_tf32({})", side.at(row, &format!("k + lane_pair + {}u", 4 * deep)))
            }
        }
    }
}

/// Names a tile's vector as a value: row and quarter.
pub(super) fn vector(w: &mut Writer<'_>, name: &str, tile: &str, patches: &Patches, [row, quarter]: [&str; 2]) {
    w.constant(Type::F4, name, &format!("{tile}[({row}) * {}u + {quarter}]", patches.row()));
}
