//! Weights as contractions read them: for each block of sixteen results a matrix of taps, channels read, lanes.
//!
//! The arena holds a weight as `[O/16][taps][I of a group][16 outputs]`. Without groups, or where groups are made of
//! whole blocks, that is what the forward pass reads. Narrow groups are widened: a block of results reads the channels
//! of all its groups, with zeros where a channel belongs to another one. The pass to the input reads the transpose.

use std::ops::Range;

use crate::kernel::{BLOCK, Sizes, blocks};

/// Which channels each block of results reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    taps: usize,
    /// Results: channels of y forward, of x to the input.
    results: usize,
    /// Channels read: of x forward, of y to the input.
    reads: usize,
    groups: usize,
    /// The most channels that a block reads.
    pub(super) span: usize,
}

impl Matrix {
    /// What makes y out of x.
    pub(super) fn forward(s: &Sizes) -> Self {
        Matrix::new(s, s.outputs, s.inputs)
    }

    /// What makes the gradient to x out of that to y.
    pub(super) fn to_input(s: &Sizes) -> Self {
        Matrix::new(s, s.inputs, s.outputs)
    }

    fn new(s: &Sizes, results: usize, reads: usize) -> Self {
        let mut matrix = Matrix { taps: s.taps(), results, reads, groups: s.groups, span: 0 };
        matrix.span = (0..matrix.blocks()).map(|b| matrix.channels(b).len()).max().unwrap_or(0);
        matrix
    }

    /// Blocks of results.
    pub(super) fn blocks(&self) -> usize {
        blocks(self.results)
    }

    /// All blocks of results in order, as [`parts_of`](Self::parts_of) has some.
    pub(super) fn parts(&self, pairs: bool) -> impl Iterator<Item = (usize, bool)> {
        self.parts_of(0..self.blocks(), pairs)
    }

    /// Some blocks of results in order: the first of a part, and whether the next one, which reads the same channels,
    /// belongs to it; only where `pairs` are wanted.
    pub(super) fn parts_of(&self, some: Range<usize>, pairs: bool) -> impl Iterator<Item = (usize, bool)> {
        let mut next = some.start;
        std::iter::from_fn(move || {
            let block = next;
            let left = some.end - block;
            let alike = || self.groups == 1 || self.channels(block) == self.channels(block + 1);
            let paired = pairs && left > 1 && alike();
            next += if paired { 2 } else { left.min(1) };
            (left > 0).then_some((block, paired))
        })
    }

    /// The channels that a block of results reads; the first is a multiple of 16.
    pub(super) fn channels(&self, block: usize) -> Range<usize> {
        let (per_result, per_read) = (self.results / self.groups, self.reads / self.groups);
        let last = (block * BLOCK + BLOCK - 1).min(self.results - 1);
        let first = block * BLOCK / per_result * per_read;
        first / BLOCK * BLOCK..(last / per_result + 1) * per_read
    }

    /// The pieces that Winograd's transforms take one by one: blocks, and sixteen channels of each.
    pub(super) fn pieces(&self) -> usize {
        self.pieces_of(&(0..self.blocks())).len()
    }

    /// The pieces of some blocks.
    pub(super) fn pieces_of(&self, some: &Range<usize>) -> Range<usize> {
        let spans = self.span.div_ceil(BLOCK);
        some.start * spans..some.end * spans
    }

    /// The block of a piece, and its first channel in the block's span.
    pub(super) fn piece(&self, number: usize) -> (usize, usize) {
        let spans = self.span.div_ceil(BLOCK);
        (number / spans, number % spans * BLOCK)
    }

    /// Floats of all blocks' matrices for a single tap.
    pub(super) fn points(&self) -> usize {
        self.blocks() * self.span * BLOCK
    }

    /// Floats of one block's matrix.
    pub(super) fn block_len(&self) -> usize {
        self.taps * self.span * BLOCK
    }

    /// Floats of all.
    pub(super) fn len(&self) -> usize {
        self.blocks() * self.block_len()
    }

    /// Whether groups are whole blocks, so that the arena's layout is the forward matrix.
    pub(super) fn is_plain(&self) -> bool {
        let whole = |n: usize| (n / self.groups).is_multiple_of(BLOCK);
        self.groups == 1 || whole(self.results) && whole(self.reads)
    }

    /// Copies one block's forward matrix out of the arena's weight.
    pub(super) fn widen(&self, s: &Sizes, weight: &[f32], block: usize, out: &mut [f32]) {
        out.fill(0.0);
        self.each_weight(s, block, |stored, wide| out[wide] = weight[stored]);
    }

    /// The inverse of `widen`: what belongs to the weight.
    pub(super) fn narrow(&self, s: &Sizes, wide: &[f32], block: usize, weight: &mut [f32]) {
        let base = block * s.row_len() * BLOCK;
        self.each_weight(s, block, |stored, place| weight[stored - base] = wide[place]);
    }

    /// Every element of a block's forward matrix that is a weight: (place in the weight, place in the matrix).
    fn each_weight(&self, s: &Sizes, block: usize, mut visit: impl FnMut(usize, usize)) {
        let first = self.channels(block).start;
        for lane in 0..BLOCK.min(self.results - block * BLOCK) {
            let group = (block * BLOCK + lane) / s.group_outputs();
            for tap in 0..self.taps {
                for c in 0..s.group_inputs() {
                    let stored = weight_place(s, block, tap, c) + lane;
                    visit(stored, (tap * self.span + group * s.group_inputs() + c - first) * BLOCK + lane);
                }
            }
        }
    }

    /// One block's matrix to the input, out of the arena's weight.
    pub(super) fn transpose(&self, s: &Sizes, weight: &[f32], block: usize, out: &mut [f32]) {
        out.fill(0.0);
        let first = self.channels(block).start;
        for lane in 0..BLOCK.min(self.results - block * BLOCK) {
            let c = block * BLOCK + lane;
            let (group, inner) = (c / s.group_inputs(), c % s.group_inputs());
            let outputs = group * s.group_outputs()..(group + 1) * s.group_outputs();
            for (from, count) in runs(outputs.start, outputs.len()) {
                for tap in 0..self.taps {
                    let stored = weight_place(s, from / BLOCK, tap, inner) + from % BLOCK;
                    let place = (tap * self.span + from - first) * BLOCK + lane;
                    let out = out[place..].iter_mut().step_by(BLOCK);
                    weight[stored..stored + count].iter().zip(out).for_each(|(w, o)| *o = *w);
                }
            }
        }
    }
}

/// Where the sixteen outputs of a block lie for a tap and a channel of their group.
fn weight_place(s: &Sizes, block: usize, tap: usize, c: usize) -> usize {
    ((block * s.taps() + tap) * s.group_inputs() + c) * BLOCK
}

/// The runs of `count` channels from `first` that lie in one block each: (first channel, length).
fn runs(first: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let end = first + count;
    let mut next = first;
    std::iter::from_fn(move || {
        let from = next;
        next = end.min((from / BLOCK + 1) * BLOCK);
        (from < end).then_some((from, next - from))
    })
}
