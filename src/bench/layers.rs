//! The kernels of a training step: how long each takes, and how much it does in that time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use super::sample::Sampler;
use super::{RATE, Spread};
use crate::data::Batch;
use crate::device::cpu::CpuEngine;
use crate::device::host::Reading;
use crate::kernel::{Body, Pass, Plan, Work};

/// What a step's kernels take, in the plan's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// Each kernel.
    pub kernels: Vec<KernelTime>,
    /// Seconds of a step from its first kernel to its last.
    pub seconds: f64,
}

/// One kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// The stable name of what it computes.
    pub name: String,
    /// The layer whose work it is.
    pub layer: String,
    /// What it is: a map, or which pass of a contraction.
    pub kind: &'static str,
    /// The share of the steps in which it ran; the others closed a gate that it stands behind.
    pub runs: f64,
    /// Its seconds a step: the median where it ran, times that share.
    pub seconds: f64,
    /// What it does a step: what it does where it runs, times that share.
    pub work: Work,
}

/// Kernels of one part of the network together.
#[derive(Clone, Debug, PartialEq)]
pub struct PartTime {
    /// The part's path.
    pub path: String,
    /// How many kernels.
    pub kernels: usize,
    /// The sum of their seconds.
    pub seconds: f64,
    /// The sum of what they do.
    pub work: Work,
}

impl Layers {
    /// Kernels folded by the first `depth` parts of their layer's path, in the order in which a step comes to them
    /// first.
    pub fn parts(&self, depth: usize) -> Vec<PartTime> {
        let mut parts: Vec<PartTime> = Vec::new();
        for kernel in &self.kernels {
            let path = kernel.layer.split('.').take(depth).collect::<Vec<_>>().join(".");
            let at = parts.iter().position(|part| part.path == path).unwrap_or_else(|| {
                parts.push(PartTime { path, kernels: 0, seconds: 0.0, work: Work::default() });
                parts.len() - 1
            });
            let part = &mut parts[at];
            part.kernels += 1;
            part.seconds += kernel.seconds;
            part.work = part.work + kernel.work;
        }
        parts
    }

    /// The sum of the kernels' medians: what shares are shares of.
    pub fn total(&self) -> PartTime {
        PartTime {
            path: "total".to_owned(),
            kernels: self.kernels.len(),
            seconds: self.kernels.iter().map(|kernel| kernel.seconds).sum(),
            work: self.kernels.iter().map(|kernel| kernel.work).sum(),
        }
    }
}

/// Times every kernel of as many steps as samples are wanted; the engine is warm. Steps that miss their cores are
/// dropped where others are left.
pub(super) fn time(engine: &mut CpuEngine, images: &Batch, batch: usize, sampler: &Sampler) -> Layers {
    let plan = engine.training_plan().expect("only a network that can be trained is timed").clone();
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for step in 0..sampler.samples {
        let mut starts = Vec::with_capacity(plan.kernels.len() + 1);
        let begin = Reading::now();
        let watch = |kernel| starts.push((kernel, Instant::now()));
        engine.watched_step(&images.images, &images.targets, 0, step as u32, RATE, watch);
        let whole = begin.until_now();
        let seconds: BTreeMap<usize, f64> =
            starts.windows(2).map(|pair| (pair[0].0, (pair[1].1 - pair[0].1).as_secs_f64())).collect();
        if sampler.counts(&whole) { &mut kept } else { &mut dropped }.push(seconds);
    }
    let counted = if kept.is_empty() { &dropped } else { &kept };
    let kernels = (0..plan.kernels.len()).filter_map(|i| {
        let pass = engine.pass(i);
        let runs: Vec<f64> = counted.iter().filter_map(|seconds| seconds.get(&i).copied()).collect();
        // A map that never ran alone has its time and work in the row of its reader.
        let elsewhere = pass.is_empty() || (runs.is_empty() && engine.pass(i + 1).contains(&i));
        let share = runs.len() as f64 / counted.len().max(1) as f64;
        (!elsewhere).then(|| row(&plan, i, pass, batch, share, Spread::of(&runs).median))
    });
    let steps: Vec<f64> = counted.iter().map(|seconds| seconds.values().sum()).collect();
    Layers { kernels: kernels.collect(), seconds: Spread::of(&steps).median }
}

/// A kernel, with another where both are one pass, that ran in a share `runs` of the steps, in `seconds` then.
fn row(plan: &Plan, kernel: usize, pass: Range<usize>, batch: usize, runs: f64, seconds: f64) -> KernelTime {
    let (kernel, together) = (&plan.kernels[kernel], &plan.kernels[pass]);
    let work: Work = together.iter().map(|kernel| kernel.work(plan, batch)).sum();
    let kind = match &kernel.body {
        Body::Map(_) => "map",
        Body::Contraction(contraction) => match contraction.pass {
            Pass::Forward { .. } => "forward",
            Pass::ToInput { .. } if together.len() > 1 => "to both",
            Pass::ToInput { .. } => "to input",
            Pass::ToWeight { .. } => "to weight",
        },
    };
    let (name, layer) = (kernel.name().to_owned(), kernel.layer().to_owned());
    KernelTime { name, layer, kind, runs, seconds: runs * seconds, work: work.share(runs) }
}
