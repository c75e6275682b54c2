//! Every pass over many shapes: widths odd and even, sizes, batches with a last partial one. Elements drawn from each
//! result are held against their sum in f64, and all sets of instructions against one another.
//!
//! Plain Rust is slow, so it takes part where the shape is small.

use super::super::super::arena::Arena;
use super::{Fenced, Isa, Made, Side, forward, plan, ready, sizes, to_input, to_weight};
use crate::kernel::{BLOCK, Buffer, Sizes, blocks};

/// Elements of a result that are computed in f64.
const DRAWN: usize = 48;
/// The largest error, in parts of the number of products times their mean size: some times what Winograd's transforms
/// round, hundreds of times less than one wrong product.
const TOLERANCE: f64 = 2e-6;
/// Multiply-adds up to which plain Rust takes part.
const PLAIN: u64 = 4_000_000;

const WIDTHS: [usize; 23] =
    [16, 17, 24, 31, 32, 33, 43, 48, 63, 64, 65, 80, 96, 100, 112, 127, 128, 129, 160, 192, 200, 255, 256];
const SIDES: [usize; 22] = [4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 20, 24, 28, 31, 32, 33, 40, 55, 56];
/// Images that a plan is made for, and of a step.
const BATCHES: [[usize; 2]; 10] =
    [[1, 1], [2, 1], [3, 3], [8, 5], [16, 16], [32, 31], [64, 50], [100, 100], [128, 80], [256, 256]];

/// A number in -1..1 that belongs to a place of a buffer.
fn drawn(buffer: usize, place: usize) -> f32 {
    let mixed = (place as u32 ^ 0x9e37 ^ ((buffer as u32) << 29)).wrapping_mul(2_654_435_761);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b);
    (mixed >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// A convolution with what goes in drawn and everything else 0.
struct Case {
    sizes: Sizes,
    fenced: Fenced,
    images: usize,
}

impl Case {
    fn new(sizes: Sizes, pass: Made, [batch, images]: [usize; 2], side: Side) -> Case {
        Case { sizes, fenced: plan(sizes, &[pass], batch, side), images }
    }

    fn buffer(&self, buffer: usize) -> &Buffer {
        &self.fenced.plan.buffers[buffer]
    }

    /// Channels of a buffer and floats between two blocks of it.
    fn layout(&self, buffer: usize) -> (usize, usize) {
        let s = &self.sizes;
        match buffer {
            0 | 3 => (s.inputs, s.pixels() * BLOCK),
            2 => (s.outputs, s.out_pixels() * BLOCK),
            _ => (s.outputs, s.row_len() * BLOCK),
        }
    }

    /// What a buffer holds where it goes in: padding lanes are 0.
    fn given(&self, buffer: usize, place: usize) -> f32 {
        let (channels, block) = self.layout(buffer);
        let channel = place / block % blocks(channels) * BLOCK + place % BLOCK;
        if channel < channels { drawn(buffer, place) } else { 0.0 }
    }

    fn run(&self, isa: Isa) -> Arena {
        let mut arena = self.fenced.arena();
        for buffer in 0..3 {
            let Buffer { offset, size, .. } = *self.buffer(buffer);
            let values = arena.slice_mut(offset, size.len(self.fenced.plan.batch));
            values.iter_mut().enumerate().for_each(|(place, x)| *x = self.given(buffer, place));
        }
        self.fenced.run(&ready(&self.fenced.plan)[0], &arena, self.images, isa);
        arena
    }

    fn of_map(&self, buffer: usize, n: usize, c: usize, pixel: usize) -> f64 {
        let (channels, block) = self.layout(buffer);
        let place = (n * blocks(channels) + c / BLOCK) * block + pixel * BLOCK + c % BLOCK;
        self.given(buffer, place).into()
    }

    /// The place of a weight from channel c of o's group.
    fn weight_place(&self, o: usize, tap: usize, c: usize) -> usize {
        let s = &self.sizes;
        (o / BLOCK * s.row_len() + tap * s.group_inputs() + c) * BLOCK + o % BLOCK
    }

    /// The pixel of x that a tap of a window reads.
    fn source(&self, out: usize, tap: usize) -> Option<usize> {
        let s = &self.sizes;
        let along = |out: usize, tap: usize, side: usize| {
            (out * s.stride + tap * s.dilation).checked_sub(s.pad).filter(|at| *at < side)
        };
        let row = along(out / s.out_width, tap / s.kernel, s.height)?;
        Some(row * s.width + along(out % s.out_width, tap % s.kernel, s.width)?)
    }

    /// An element of y, dx or dweight in f64, its place in its buffer, and how many products a full sum has.
    fn wanted(&self, pass: usize, mut number: usize) -> (f64, usize, usize) {
        let s = &self.sizes;
        let mut take = |of: usize| {
            let taken = number % of;
            number /= of;
            taken
        };
        let (group_in, group_out) = (s.group_inputs(), s.group_outputs());
        let first = |o: usize| o / group_out * group_in;
        match pass {
            0 => {
                let (n, o, out) = (take(self.images), take(s.outputs), take(s.out_pixels()));
                let term = |tap: usize, c: usize| {
                    let x = self.source(out, tap).map_or(0.0, |pixel| self.of_map(0, n, first(o) + c, pixel));
                    x * f64::from(self.given(1, self.weight_place(o, tap, c)))
                };
                let sum =
                    (0..s.taps()).flat_map(|tap| (0..group_in).map(move |c| (tap, c))).map(|(t, c)| term(t, c)).sum();
                let place = (n * blocks(s.outputs) + o / BLOCK) * s.out_pixels() * BLOCK + out * BLOCK + o % BLOCK;
                (sum, place, s.taps() * group_in)
            }
            1 => {
                let (n, c, pixel) = (take(self.images), take(s.inputs), take(s.pixels()));
                let group = c / group_in;
                let mut sum = 0.0;
                for out in 0..s.out_pixels() {
                    for tap in (0..s.taps()).filter(|tap| self.source(out, *tap) == Some(pixel)) {
                        for o in group * group_out..(group + 1) * group_out {
                            let weight = self.given(1, self.weight_place(o, tap, c % group_in));
                            sum += self.of_map(2, n, o, out) * f64::from(weight);
                        }
                    }
                }
                let place = (n * blocks(s.inputs) + c / BLOCK) * s.pixels() * BLOCK + pixel * BLOCK + c % BLOCK;
                (sum, place, s.taps() * group_out)
            }
            _ => {
                let (o, c, tap) = (take(s.outputs), take(group_in), take(s.taps()));
                let term = |n: usize, out: usize| {
                    let x = self.source(out, tap).map_or(0.0, |pixel| self.of_map(0, n, first(o) + c, pixel));
                    x * self.of_map(2, n, o, out)
                };
                let all = (0..self.images).flat_map(|n| (0..s.out_pixels()).map(move |out| (n, out)));
                (all.map(|(n, out)| term(n, out)).sum(), self.weight_place(o, tap, c), self.images * s.out_pixels())
            }
        }
    }

    /// Holds elements drawn from a pass's result against f64, and padding lanes against 0.
    fn agrees(&self, pass: usize, values: &[f32], what: &str) {
        for draw in 0..DRAWN {
            let (wanted, place, terms) = self.wanted(pass, draw.wrapping_mul(2_654_435_761) ^ (draw << 7));
            let error = (f64::from(values[place]) - wanted).abs() / (terms as f64 / 4.0);
            assert!(error < TOLERANCE, "{error:e} at {place}: {what}");
        }
        let (channels, block) = self.layout([2, 3, 4][pass]);
        let lane = |place: usize| place / block % blocks(channels) * BLOCK + place % BLOCK;
        let mut padding = values.iter().enumerate().filter(|(place, _)| lane(*place) >= channels);
        assert!(padding.all(|(_, x)| *x == 0.0), "padding lanes are not 0: {what}");
    }
}

/// All passes of a shape.
fn check(sizes: Sizes, batch: [usize; 2]) {
    let passes = [forward, to_input, to_weight];
    for (number, pass) in passes.into_iter().enumerate() {
        let cases = Side::ALL.map(|side| Case::new(sizes, pass, batch, side));
        let what = |isa, case: &Case| {
            let side = case.fenced.side;
            format!("pass {number} with {isa:?}, {batch:?} images of {sizes:?}, fenced {side:?}")
        };
        let work = sizes.multiply_adds() * batch[1] as u64;
        let sets = Isa::all().into_iter().filter(|isa| *isa == Isa::detect() || *isa != Isa::Portable || work <= PLAIN);
        let runs = sets.flat_map(|isa| cases.iter().map(move |case| (isa, case)));
        let images = if number == 2 { 1 } else { batch[1] };
        let mut first: Option<Vec<f32>> = None;
        for (isa, case) in runs {
            let arena = case.run(isa);
            let Buffer { offset, size, .. } = *case.buffer([2, 3, 4][number]);
            let values = arena.slice(offset, size.len(images));
            match &first {
                Some(first) => {
                    let same = values.iter().zip(first).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "other bits: {}", what(isa, case));
                }
                None => {
                    case.agrees(number, values, &what(isa, case));
                    first = Some(values.to_vec());
                }
            }
        }
    }
}

/// The shapes, each kind of convolution by turns; `most` bounds the multiply-adds of a pass.
fn sweep(widths: &[usize], sides: &[usize], most: u64) -> usize {
    let mut count = 0;
    for (i, &width) in widths.iter().enumerate() {
        for (j, &side) in sides.iter().enumerate() {
            let turn = i * sides.len() + j;
            let other = widths[(i + j) % widths.len()];
            let shapes = [
                sizes(width, other, side, 3, 1, 1),
                match turn % 5 {
                    0 => sizes(width, other, side, 3, 2, 1),
                    1 => sizes(width, other, side, 1, 1, 1),
                    2 => sizes(width, width, side, 3, 1, if width % 4 == 0 { 4 } else { width }),
                    3 => sizes(width, width, side, 3, 2, if width % 3 == 0 { 3 } else { 1 }),
                    _ => sizes(3, width, side, 3, 1, 1),
                },
            ];
            for (k, shape) in shapes.into_iter().enumerate() {
                let fits = |batch: &&[usize; 2]| shape.multiply_adds() * batch[0] as u64 <= most;
                let from = (turn + 3 * k) % BATCHES.len();
                // The batch whose turn it is, or the next smaller one.
                if let Some(batch) = BATCHES[..=from].iter().rev().find(fits).or(BATCHES.iter().rev().find(fits)) {
                    check(shape, *batch);
                    count += 1;
                }
            }
        }
    }
    count
}

#[test]
fn some_shapes_agree_with_f64_and_all_sets_with_one_another() {
    assert!(sweep(&[16, 33, 48], &[4, 7, 9, 16], 8_000_000) >= 20);
}

#[test]
fn all_shapes_agree_with_f64_and_all_sets_with_one_another() {
    if std::env::var_os("SDC_SLOW").is_some() {
        let count = sweep(&WIDTHS, &SIDES, 1_500_000_000);
        assert!(count > 950, "{count} shapes");
    }
}
