//! Kernels, timed by criterion: the three passes of a 3x3 convolution by shape, and the maps around it.
//!
//! A whole training step of `block.sd` runs, so that caches are as a step leaves them; what counts is the time of the
//! kernels in question. `sweep` in place of a filter goes over widths, sizes and batches instead.

mod sweep;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use sdc::bench::drawn;
use sdc::data::Batch;
use sdc::device::cpu::CpuEngine;
use sdc::driver::{self, Choice, Input, Session};
use sdc::kernel::{Body, Kernel, Pass, Plan, Work};
use sdc::train;

const PROGRAM: &str = "benches/kernels/block.sd";
const BATCH: usize = 32;

/// Width, size, stride and groups of a convolution, as the networks of the papers have them.
const SHAPES: [(usize, usize, usize, usize); 9] = [
    (16, 32, 1, 1),
    (32, 16, 1, 1),
    (64, 8, 1, 1),
    (47, 16, 1, 1),
    (160, 32, 1, 1),
    (640, 8, 1, 1),
    (32, 32, 2, 1),
    (128, 16, 1, 8),
    (64, 16, 1, 64),
];

/// A network that is ready to run.
struct Ready {
    engine: CpuEngine,
    images: Batch,
}

impl Ready {
    fn new((width, size, stride, groups): (usize, usize, usize, usize), batch: usize) -> Ready {
        let sets = [("width", width), ("size", size), ("stride", stride), ("groups", groups)];
        let sets = sets.map(|(name, value)| format!("model.{name}={value}")).to_vec();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        let mut session = Session::default();
        let built = driver::build(&mut session, &Input::File(program), &Choice { model: None, sets });
        let network = built.expect("the program is right for every shape").network;
        let recipe = sdc::bench::plain(&network, batch);
        let plans = driver::plans(&driver::graphs(&network, recipe.as_ref()), batch);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut engine = driver::compile(plans, threads);
        train::initialise(&mut engine, &network, 0);
        Ready { engine, images: drawn(&network, batch) }
    }

    /// The kernels that do something of the second convolution, and their work.
    fn chosen(&self, which: fn(&Kernel) -> bool) -> (Vec<bool>, Work) {
        let plan = self.plan();
        let picked = plan.kernels.iter().filter(|kernel| which(kernel));
        (plan.kernels.iter().map(which).collect(), picked.map(|kernel| kernel.work(plan, plan.batch)).sum())
    }

    fn plan(&self) -> &Plan {
        self.engine.training_plan().expect("the network is trained")
    }

    /// The time of the chosen kernels in so many steps.
    fn time(&mut self, steps: u64, chosen: &[bool]) -> Duration {
        let mut sum = Duration::ZERO;
        for step in 0..steps {
            let mut before: Option<(usize, Instant)> = None;
            let loss =
                self.engine.watched_step(&self.images.images, &self.images.targets, 0, step as u32, 1e-3, |number| {
                    let now = Instant::now();
                    if let Some((kernel, start)) = before
                        && chosen[kernel]
                    {
                        sum += now - start;
                    }
                    before = Some((number, now));
                });
            black_box(loss);
        }
        sum
    }
}

/// Which kernels a benchmark times.
fn is_convolution(kernel: &Kernel, pass: fn(&Pass) -> bool) -> bool {
    matches!(&kernel.body, Body::Contraction(contraction) if kernel.layer().starts_with("conv[1]") && pass(&contraction.pass))
}

fn kernels(criterion: &mut Criterion) {
    type Which = fn(&Kernel) -> bool;
    let rows: [(&str, Which); 4] = [
        ("forward", |kernel| is_convolution(kernel, |pass| matches!(pass, Pass::Forward { .. }))),
        ("to_input", |kernel| is_convolution(kernel, |pass| matches!(pass, Pass::ToInput { .. }))),
        ("to_weight", |kernel| is_convolution(kernel, |pass| matches!(pass, Pass::ToWeight { .. }))),
        ("maps", |kernel| matches!(kernel.body, Body::Map(_)) && kernel.layer().starts_with("bn")),
    ];
    for (name, which) in rows {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for shape @ (width, size, stride, groups) in SHAPES {
            let mut ready = Ready::new(shape, BATCH);
            let (chosen, work) = ready.chosen(which);
            assert!(chosen.contains(&true), "{name} of {shape:?} is some kernel");
            group.throughput(if work.flops > 0 {
                Throughput::Elements(work.flops)
            } else {
                Throughput::Bytes(work.bytes())
            });
            let id = BenchmarkId::from_parameter(format!("C{width} {size}x{size} stride {stride} groups {groups}"));
            group.bench_function(id, |bencher| bencher.iter_custom(|steps| ready.time(steps, &chosen)));
        }
        group.finish();
    }
}

criterion_group!(benches, kernels);

fn main() {
    if std::env::args().any(|argument| argument == "sweep") {
        sweep::run();
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
