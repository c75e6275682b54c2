//! Which values are not kept for the backward pass.
//!
//! What takes the most memory for the time that it costs goes first, up to a share of the step's work. A value that is
//! computed again may rest on others that are, but only so many deep, for they all lie in memory together when the
//! backward pass comes to the first; how many are best is tried.

use super::clones::Clones;
use super::sketch::Sketch;
use crate::graph::Phase;

/// Multiply-adds that take as long as a float that is moved, on processors and on cards alike within a factor of two.
const FLOAT: u64 = 40;
/// Floats that are moved in the time in which one is drawn.
const DRAW: u64 = 2;
/// A step may grow by one part in so many, as these numbers estimate it; measured, the networks of `benches` take 3 to 13 %
/// more time on two cores.
const SHARE: u64 = 10;
/// How deep recomputed values may rest on one another.
const DEPTHS: [usize; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// The clones with which feature maps take the least memory at their peak; none where nothing is gained.
pub(super) fn choose(sketch: &Sketch) -> Clones {
    let none = Clones::default();
    let mut best = (sketch.peak(&none), none);
    let candidates = Candidates::of(sketch);
    for alone in [false, true] {
        let wanted = candidates.within_share(alone);
        for depth in DEPTHS {
            let clones = Clones::of(sketch, &candidates.dropped(&wanted, depth));
            let peak = sketch.peak(&clones);
            if peak < best.0 {
                best = (peak, clones);
            }
        }
    }
    best.1
}

/// What may be dropped, and at what price.
struct Candidates<'a> {
    sketch: &'a Sketch,
    /// Whether the backward pass reads a value from memory.
    needed: Vec<bool>,
    /// What it costs to compute a value again; none where that cannot be.
    cost: Vec<Option<u64>>,
    /// The cost of the whole step.
    step: u64,
}

impl Candidates<'_> {
    fn of(sketch: &Sketch) -> Candidates<'_> {
        let size = |i: &usize| sketch.values[*i].size;
        let moved = |i: usize| size(&i) + sketch.read(i).iter().map(size).sum::<u64>();
        let runs = |i: usize| sketch.stored[i] || sketch.values[i].size == 0;
        let floats = |i: usize| moved(i) + DRAW * sketch.drawn(i);
        let all: Vec<u64> = (0..sketch.len()).map(|i| sketch.values[i].work + FLOAT * floats(i)).collect();
        let mut needed = vec![false; sketch.len()];
        for (i, value) in sketch.values.iter().enumerate() {
            if value.phase == Phase::Backward && runs(i) {
                sketch.read(i).into_iter().for_each(|leaf| needed[leaf] = true);
            }
        }
        let may = |i: usize| {
            let value = &sketch.values[i];
            value.phase == Phase::Forward && sketch.stored[i] && value.plane && !value.source
        };
        let cost = (0..sketch.len()).map(|i| may(i).then_some(all[i])).collect();
        let step = (0..sketch.len()).filter(|i| runs(*i)).map(|i| all[i]).sum();
        Candidates { sketch, needed, cost, step }
    }

    /// The values with the most memory for their cost, up to the share; `alone`: no contraction that rests on a dropped one.
    fn within_share(&self, alone: bool) -> Vec<bool> {
        let mut order: Vec<(usize, u64)> =
            self.cost.iter().enumerate().filter_map(|(i, cost)| Some((i, (*cost)?))).collect();
        // size / cost falls, compared without division.
        let size = |i: usize| u128::from(self.sketch.values[i].size);
        order.sort_by(|a, b| (size(b.0) * u128::from(a.1)).cmp(&(size(a.0) * u128::from(b.1))).then(a.0.cmp(&b.0)));
        let mut wanted = vec![false; self.sketch.len()];
        let mut left = self.step / SHARE;
        let contraction = |i: usize| self.sketch.values[i].work > 0;
        for (i, cost) in order {
            let rests = contraction(i) && self.sketch.read(i).into_iter().any(|leaf| contraction(leaf) && wanted[leaf]);
            if cost <= left && !(alone && rests) {
                wanted[i] = true;
                left -= cost;
            }
        }
        wanted
    }

    /// Of the wanted ones those that rest on no more than `depth` others in a row, and that cost less memory than what must
    /// be kept for them.
    fn dropped(&self, wanted: &[bool], depth: usize) -> Vec<bool> {
        let mut depths = vec![0; self.sketch.len()];
        let mut dropped = vec![false; self.sketch.len()];
        let mut kept = self.needed.clone();
        for i in (0..self.sketch.len()).filter(|i| wanted[*i]) {
            let value = &self.sketch.values[i];
            let read = self.sketch.read(i);
            let deep = 1 + read.iter().map(|leaf| depths[*leaf]).max().unwrap_or(0);
            let more: Vec<usize> = read
                .into_iter()
                .filter(|leaf| !kept[*leaf] && !dropped[*leaf] && !self.sketch.values[*leaf].source)
                .collect();
            let added: u64 = more.iter().map(|leaf| self.sketch.values[*leaf].size).sum();
            if deep <= depth && (added < value.size || !self.needed[i]) {
                (depths[i], dropped[i]) = (deep, true);
                if self.needed[i] {
                    more.into_iter().for_each(|leaf| kept[leaf] = true);
                }
            }
        }
        dropped
    }
}
