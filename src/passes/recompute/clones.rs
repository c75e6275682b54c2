//! What is computed again where a choice of values is not kept.

use std::collections::{BTreeMap, BTreeSet};

use super::sketch::Sketch;
use crate::graph::Phase;

/// Nodes to add, and who reads them.
#[derive(Default)]
pub(super) struct Clones {
    /// For each clone the value that it is once more, and what it reads; each after those. The clone `j` counts as value
    /// `values.len() + j`.
    pub(super) made: Vec<(usize, Vec<usize>)>,
    /// For a reader and what it read, what it reads now.
    pub(super) redirected: BTreeMap<(usize, usize), usize>,
    /// A clone, and the node of the backward pass before which it stands, so that the kernel that begins with the one can
    /// go on with what reads the other.
    pub(super) before: BTreeSet<(usize, usize)>,
}

impl Clones {
    /// The clones that the backward pass needs if the values in `dropped` are not kept for it, in the order in which it
    /// comes to them.
    pub(super) fn of(sketch: &Sketch, dropped: &[bool]) -> Clones {
        let feeds = feeding(sketch, dropped);
        let mut rests = vec![false; sketch.len()];
        let mut begins = vec![None; sketch.len()];
        let mut to_input = BTreeMap::new();
        let mut clones = Clones::default();
        let mut again: Vec<Option<usize>> = vec![None; sketch.len()];
        for (i, value) in sketch.values.iter().enumerate() {
            match value.phase {
                Phase::Forward => {
                    // What is drawn is drawn again: shared, it would be kept.
                    let drawn = value.draws && feeds[i];
                    let again = drawn || value.inputs.iter().any(|input| rests[*input]);
                    rests[i] = dropped[i] || (sketch.in_place(i) && again);
                    continue;
                }
                Phase::Again | Phase::Backward | Phase::Update => {}
            }
            let first = |of: &[usize]| of.iter().filter_map(|input: &usize| begins[*input]).max();
            begins[i] = if value.to_weight {
                to_input.get(&value.inputs[1]).copied()
            } else if value.begins && value.size > 0 {
                Some(i)
            } else {
                first(&value.inputs)
            };
            if value.to_input {
                to_input.insert(value.inputs[0], i);
            }
            for &input in value.inputs.iter().filter(|input| rests[**input]) {
                clones.add(sketch, &rests, &mut again, input);
                let clone = again[input].expect("just made");
                clones.redirected.insert((i, input), clone);
                if let Some(first) = begins[i].filter(|first| *first != i) {
                    let parts = clones.parts(sketch, clone);
                    clones.before.extend(parts.into_iter().map(|part| (part, first)));
                }
            }
        }
        clones
    }

    /// Adds the clone of a value, after those of what it rests on.
    fn add(&mut self, sketch: &Sketch, rests: &[bool], again: &mut [Option<usize>], value: usize) {
        let mut needed = BTreeSet::new();
        let mut open = vec![value];
        while let Some(i) = open.pop() {
            if again[i].is_none() && needed.insert(i) {
                open.extend(sketch.values[i].inputs.iter().filter(|input| rests[**input]));
            }
        }
        for i in needed {
            let inputs = sketch.values[i].inputs.iter().map(|input| again[*input].unwrap_or(*input)).collect();
            again[i] = Some(sketch.len() + self.made.len());
            self.made.push((i, inputs));
        }
    }

    /// A clone and the clones that it is made of, down to those in memory.
    fn parts(&self, sketch: &Sketch, clone: usize) -> BTreeSet<usize> {
        let mut parts = BTreeSet::new();
        let mut open = vec![clone];
        while let Some(i) = open.pop() {
            let Some(made) = i.checked_sub(sketch.len()) else { continue };
            let (original, inputs) = &self.made[made];
            if parts.insert(i) && !sketch.stored[*original] {
                open.extend(inputs);
            }
        }
        parts
    }

    /// What a value or a clone reads.
    pub(super) fn inputs(&self, sketch: &Sketch, i: usize) -> Vec<usize> {
        match i.checked_sub(sketch.len()) {
            Some(clone) => self.made[clone].1.clone(),
            None => {
                let now = |input: &usize| self.redirected.get(&(i, *input)).copied().unwrap_or(*input);
                sketch.values[i].inputs.iter().map(now).collect()
            }
        }
    }
}

/// Whether a dropped value is computed from this one without a look into memory, or it is itself dropped.
fn feeding(sketch: &Sketch, dropped: &[bool]) -> Vec<bool> {
    let mut feeds = dropped.to_vec();
    for i in (0..sketch.len()).rev().filter(|i| sketch.values[*i].phase == Phase::Forward) {
        if feeds[i] {
            let inputs = sketch.values[i].inputs.iter().filter(|input| sketch.in_place(**input));
            inputs.for_each(|input| feeds[*input] = true);
        }
    }
    feeds
}
