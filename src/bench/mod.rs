//! What a network costs on this machine: time of a training step and of a forward pass, time to compile, memory.
//!
//! Images are drawn, so no data set is needed; weights start as a run's do, and the rate is small, so that no number
//! leaves the range in which arithmetic has its usual speed. Absences: no terminal; nothing is compared with anything.

mod layers;
mod sample;
mod spread;

pub use layers::{KernelTime, Layers, PartTime};
pub use sample::Timing;
pub use spread::Spread;

use std::time::Instant;

use crate::data::{self, Batch, Pass};
use crate::device::{Device, Engine, host};
use crate::diag::{Failure, codes};
use crate::driver::{self, Built, Choice, Footprint, Input, Session};
use crate::net::recipe::{Data, DataSet, Loss, Optimizer, UpdateRule};
use crate::net::{MAX_ELEMENTS, Network, Recipe};
use crate::num::Precision;
use crate::train;
use sample::Sampler;

/// The rate of every step.
const RATE: f32 = 1e-3;
/// Images a step where nothing says how many.
const BATCH: usize = 128;

/// How to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Images a step; where it is left out, as the program says.
    pub batch: Option<usize>,
    /// Threads.
    pub threads: usize,
    /// Where it runs.
    pub device: Device,
    /// How much memory a training step may take.
    pub footprint: Footprint,
    /// What contractions multiply there.
    pub precision: Precision,
    /// Samples that are wanted; at least 1.
    pub samples: usize,
    /// Steps before the first sample.
    pub warmup: usize,
    /// Whether samples count in which the process did not have its cores.
    pub every_sample: bool,
    /// Whether each kernel of a step is timed as well.
    pub layers: bool,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The model's name.
    pub model: String,
    /// Trained numbers.
    pub parameters: u64,
    /// Images a step.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// A training step; none where what comes out is no vector of classes.
    pub train: Option<Timing>,
    /// The test-time pass over a batch.
    pub forward: Timing,
    /// From the text to code that is ready.
    pub compile_seconds: f64,
    /// Bytes that the plans ask for.
    pub planned_memory: u64,
    /// Bytes by which the process grew at its largest, where the system tells.
    pub peak_memory: Option<u64>,
    /// The kernels of a training step, where they were asked for and there is one.
    pub layers: Option<Layers>,
}

/// Builds the chosen model and measures it; none where a problem refuses the program.
///
/// # Errors
/// A batch that is too large.
pub fn measure(
    session: &mut Session,
    input: &Input,
    choice: &Choice,
    options: &Options,
) -> Result<Option<Measured>, Failure> {
    let before = host::memory();
    let start = Instant::now();
    let Some(Built { network, recipe }) = driver::build(session, input, choice) else { return Ok(None) };
    let batch = options.batch.or(recipe.as_ref().map(|recipe| recipe.batch)).unwrap_or(BATCH);
    check_batch(&network, batch)?;
    let recipe = recipe.or_else(|| plain(&network, batch));
    let plans = driver::plans(&driver::graphs_within(&network, recipe.as_ref(), options.footprint), batch);
    let planned_memory = plans.bytes(options.threads);
    if options.layers && options.device != Device::Cpu {
        let message = "kernels are timed one by one on the CPU alone";
        return Err(Failure::new(codes::NO_DEVICE, message, "leave --layers or --device away"));
    }
    // The CPU's engine is asked for more than an engine in general.
    let (mut cpu, mut other) = match options.device {
        Device::Cpu if options.precision == Precision::Fp32 => (Some(driver::compile(plans, options.threads)), None),
        device => {
            let machine = driver::machine(device, options.threads)?.with(options.precision)?;
            (None, Some(driver::engine(plans, &machine)?))
        }
    };
    let engine: &mut dyn Engine = match (&mut cpu, &mut other) {
        (Some(cpu), _) => cpu,
        (None, other) => &mut **other.as_mut().expect("one of both is made"),
    };
    let compile_seconds = start.elapsed().as_secs_f64();

    let images = drawn(&network, batch);
    train::initialise(engine, &network, 0);
    let &Options { threads, samples, warmup, every_sample: every, .. } = options;
    let sampler = Sampler { threads, samples, warmup, every };
    let timing = recipe.as_ref().map(|_| {
        let mut number = 0;
        sampler.time(|| {
            engine.train_step(&images.images, &images.targets, 0, number, RATE);
            number += 1;
        })
    });
    let forward = sampler.time(|| drop(engine.logits(&images.images)));
    if let Some(failure) = engine.failure() {
        return Err(failure);
    }
    let layers = match (&timing, cpu) {
        (Some(_), Some(mut cpu)) if options.layers => Some(layers::time(&mut cpu, &images, batch, &sampler)),
        _ => None,
    };
    Ok(Some(Measured {
        model: network.name.clone(),
        parameters: network.counts().parameters,
        batch,
        threads: options.threads,
        train: timing,
        forward,
        compile_seconds,
        planned_memory,
        peak_memory: host::peak_memory().zip(before).map(|(peak, before)| peak.saturating_sub(before)),
        layers,
    }))
}

/// The largest tensor of a batch stays within the limit, as it does where a program names the batch.
fn check_batch(network: &Network, batch: usize) -> Result<(), Failure> {
    let mut largest = network.input.elements() as u64;
    network.layers(&mut |layer| largest = largest.max(layer.output.elements() as u64));
    let fits = MAX_ELEMENTS / largest.max(1);
    if batch as u64 <= fits {
        return Ok(());
    }
    let message = format!("a batch of {batch} makes a tensor of more than 2^{} elements", MAX_ELEMENTS.ilog2());
    Err(Failure::new(codes::TOO_BIG, message, format!("use `--batch {fits}` or less")))
}

/// How a network is trained whose program does not say it: with Nesterov's momentum, as the papers do. None where its
/// output has no classes to choose from.
pub fn plain(network: &Network, batch: usize) -> Option<Recipe> {
    (network.output.pixels() == 1).then(|| Recipe {
        model: network.name.clone(),
        data: synthetic(network, batch),
        loss: Loss { smoothing: 0.0 },
        optimizer: Optimizer {
            rule: UpdateRule::Sgd { momentum: 0.9, nesterov: true },
            weight_decay: 1e-4,
            ..Optimizer::sgd(RATE.into(), 0.9)
        },
        schedule: vec![],
        epochs: 1,
        batch,
        seed: 0,
    })
}

fn synthetic(network: &Network, images: usize) -> Data {
    let set = DataSet::Synthetic { shape: network.input, classes: network.output.channels, images };
    Data { shuffle: false, ..Data::plain(set) }
}

/// A batch of images drawn from the seed 0.
pub fn drawn(network: &Network, batch: usize) -> Batch {
    let splits = data::load(&synthetic(network, batch), 0).expect("images that are drawn need no file");
    let mut filled = Batch::default();
    Pass::plain(&splits.train, batch).fill(0, &mut filled).expect("images that are drawn are in memory");
    filled
}
