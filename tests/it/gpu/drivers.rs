//! Kernels on real drivers: NVIDIA's, and whatever Vulkan gives; on a machine without a graphics processor that is Mesa's
//! in software.

use std::ops::Range;
use std::path::PathBuf;

use sdc::codegen::gpu;
use sdc::data::{self, Feed, Splits};
use sdc::device::cpu::CpuEngine;
use sdc::device::gpu::{GpuEngine, Prepared, Processor, Step};
use sdc::device::{Device, Engine, Machine, State};
use sdc::driver::{self, Choice, Input, Plans, Session};
use sdc::fuse;
use sdc::graph::op::Output;
use sdc::kernel::Plan;
use sdc::net::recipe::{Loss, Memory, Optimizer};
use sdc::net::{Network, Recipe, Role};
use sdc::train::{self, evaluate};

use super::super::cpu::{agree_within, graphs, rounded, set, single};
use super::{TOLERANCE, draws};

type Gpu = GpuEngine<Box<dyn Processor>>;

/// What there is of graphics processors; where a kind is missing, a line says so.
fn machines() -> Vec<Machine> {
    let open = |device| match driver::machine(device, 1) {
        Ok(machine) => Some(machine),
        Err(failure) => {
            eprintln!("skipped on {device}: {failure}");
            None
        }
    };
    [Device::Vulkan, Device::Cuda(0)].into_iter().filter_map(open).collect()
}

fn engine(machine: &Machine, train: Plan, test: Plan) -> Gpu {
    let programs = gpu::programs(Some(&train), &test, machine.dialect().expect("a graphics processor"));
    let make = |prepared| machine.processor(prepared).expect("a graphics processor");
    GpuEngine::new(Some(train), test, programs, make).unwrap_or_else(|failure| panic!("{failure}"))
}

fn compiled(machine: &Machine, network: &Network, optimizer: &Optimizer, loss: Loss, batch: usize) -> Gpu {
    let (train, test) = graphs(network, optimizer, loss);
    let persistent = fuse::persistent(&train);
    let [train, test] = [&train, &test].map(|graph| fuse::plan(graph, &persistent, batch));
    engine(machine, train, test)
}

/// A training step and a test pass of a network against the f64 graphs.
pub(super) fn check(network: &Network, optimizer: &Optimizer, loss: Loss, sizes: [usize; 2]) {
    machines().iter().for_each(|machine| check_on(machine, network, optimizer, loss, sizes));
}

fn check_on(machine: &Machine, network: &Network, optimizer: &Optimizer, loss: Loss, [batch, images]: [usize; 2]) {
    let mut engine = compiled(machine, network, optimizer, loss, batch);
    let (mut train, mut test) = graphs(network, optimizer, loss);
    let inputs = rounded(network, images);
    set(&mut engine, network, &inputs);
    let (images, targets) = (single(&inputs.images), single(&inputs.targets));
    let logits = engine.logits(&images);
    agree_within("test logits", &logits, &test.run(&inputs)[&Output::Logits], TOLERANCE);
    let loss = engine.train_step(&images, &targets, inputs.seed, inputs.step, inputs.rate as f32);
    for (name, wanted) in &train.run(&inputs) {
        let got = match name {
            Output::Loss => vec![loss],
            Output::Logits => continue,
            Output::Gradient(path) => engine.gradient(path),
            Output::Parameter(path) => engine.read(&State::Parameter(path.clone())),
            Output::Memory(memory, path) => engine.read(&State::Memory(*memory, path.clone())),
        };
        agree_within(&name.to_string(), &got, wanted, TOLERANCE);
    }
    assert_eq!(engine.failure(), None);
}

/// A step that is not finite leaves weights and what is kept as they are, says so, and names the place.
pub(super) fn check_not_finite(network: &Network, optimizer: &Optimizer) {
    machines().iter().for_each(|machine| check_not_finite_on(machine, network, optimizer));
}

fn check_not_finite_on(machine: &Machine, network: &Network, optimizer: &Optimizer) {
    let mut engine = compiled(machine, network, optimizer, Loss { smoothing: 0.0 }, 4);
    let inputs = rounded(network, 4);
    set(&mut engine, network, &inputs);
    let (mut images, targets) = (single(&inputs.images), single(&inputs.targets));
    let trained = network.parameters().into_iter().filter(|p| p.role != Role::State);
    let states: Vec<State> = trained
        .flat_map(|p| {
            let memories = Memory::ALL.map(|memory| State::Memory(memory, p.path.clone()));
            [State::Parameter(p.path.clone())].into_iter().chain(memories)
        })
        .filter(|state| engine.has(state))
        .collect();
    let kept = |engine: &Gpu| -> Vec<Vec<f32>> { states.iter().map(|s| engine.read(s)).collect() };
    let before = kept(&engine);
    images[7] = f32::NAN;
    assert!(!engine.train_step(&images, &targets, 1, 0, 0.1).is_finite());
    let place = engine.first_not_finite(&images, &targets, 1, 0, 0.1);
    assert!(place.as_ref().is_some_and(|place| place.contains("conv[0]")), "{place:?}");
    assert!(before == kept(&engine));
    // The next step is as any other.
    assert!(engine.train_step(&single(&inputs.images), &targets, 1, 1, 0.1).is_finite());
    assert!(before != kept(&engine));
}

#[test]
fn draws_are_those_of_the_format() {
    for machine in machines() {
        draws_on(&machine);
    }
}

fn draws_on(machine: &Machine) {
    for (plan, draw, step) in draws::plans() {
        let programs = gpu::programs(None, &plan, machine.dialect().expect("a graphics processor"));
        let processor = machine.processor(Prepared::new(None, &plan, &programs)).expect("a graphics processor");
        let processor = processor.unwrap_or_else(|failure| panic!("{failure}"));
        let all: Range<usize> = draws::place(&plan);
        let given = Step { batch: step.batch, seed: step.seed, number: step.number, rate: step.rate };
        let lanes = processor.run(&[0], &given, &[all]).expect("it runs");
        draws::check(&lanes, draw, step);
    }
}

/// Losses of steps of the digits' program on two engines, and their accuracy after them.
struct Digits {
    network: Network,
    recipe: Recipe,
    plans: Plans,
    data: Splits,
}

impl Digits {
    fn new(sets: &[&str]) -> Digits {
        let mut session = Session::default();
        let program = Input::File(PathBuf::from("examples/digits.sd"));
        let choice = Choice { model: None, sets: sets.iter().map(ToString::to_string).collect() };
        let built = driver::build(&mut session, &program, &choice).expect("it builds");
        let (network, recipe) = (built.network, built.recipe.expect("it is trained"));
        let plans = driver::plans(&driver::graphs(&network, Some(&recipe)), recipe.batch);
        let data = data::load(&recipe.data, recipe.seed).expect("in the binary");
        Digits { network, recipe, plans, data }
    }

    fn cpu(&self) -> CpuEngine {
        let mut engine = driver::compile(self.plans.clone(), 2);
        train::initialise(&mut engine, &self.network, self.recipe.seed);
        engine
    }

    fn on(&self, machine: &Machine) -> Gpu {
        let Plans { train, test } = self.plans.clone();
        let mut engine = engine(machine, train.expect("it is trained"), test);
        train::initialise(&mut engine, &self.network, self.recipe.seed);
        engine
    }

    fn losses(&self, steps: u64, engine: &mut dyn Engine) -> Vec<f64> {
        let Digits { recipe, data, .. } = self;
        std::thread::scope(|scope| {
            let mut feed = Feed::start(scope, &data.train, recipe, 0..steps, 1);
            let step = |number: u64| {
                let batch = feed.take().expect("it is made").expect("one a step");
                let rate = recipe.rate(number, data.train.len().div_ceil(recipe.batch) as u64) as f32;
                f64::from(engine.train_step(&batch.images, &batch.targets, recipe.seed, number as u32, rate))
            };
            (0..steps).map(step).collect()
        })
    }

    fn accuracy(&self, engine: &mut dyn Engine) -> f64 {
        let score = evaluate(engine, &self.data.test, self.recipe.batch, &mut || true).expect("in the binary");
        score.expect("nobody asked for an end").accuracy
    }
}

/// How far losses lie apart at most.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// At a low rate a rounding stays a rounding.
#[test]
fn steps_of_the_digits_agree_with_the_cpu() {
    let machines = machines();
    if machines.is_empty() {
        return;
    }
    let steps = if std::env::var_os("SDC_SLOW").is_some() { 100 } else { 50 };
    let digits = Digits::new(&["train.optimizer.lr=0.001"]);
    let mut cpu = digits.cpu();
    let (right, accuracy) = (digits.losses(steps, &mut cpu), digits.accuracy(&mut cpu));
    for machine in machines {
        let mut gpu = digits.on(&machine);
        let losses = digits.losses(steps, &mut gpu);
        println!("{steps} steps on {machine}: at most {:.1e} apart", apart(&right, &losses));
        assert!(apart(&right, &losses) < 1e-3, "{right:?}\n{losses:?}");
        assert!((accuracy - digits.accuracy(&mut gpu)).abs() < 0.02);
        assert_eq!(gpu.failure(), None);
    }
}

/// At the program's own rate training is chaotic: what roundings of the first weights do on the CPU is the measure, step by
/// step. One of them may change little for long, so that there are several.
#[test]
fn steps_at_the_own_rate_of_the_digits_are_as_near_as_roundings_let_them() {
    let machines = machines();
    if machines.is_empty() {
        return;
    }
    const STEPS: u64 = 15;
    let digits = Digits::new(&[]);
    let right = digits.losses(STEPS, &mut digits.cpu());
    let so_far = |losses: &[f64]| -> Vec<f64> { (1..=right.len()).map(|n| apart(&right[..n], &losses[..n])).collect() };
    let moved = |by: f32| {
        let mut moved = digits.cpu();
        for p in digits.network.parameters() {
            let state = State::Parameter(p.path);
            let values: Vec<f32> = moved.read(&state).iter().map(|x| x * (1.0 + by * f32::EPSILON)).collect();
            moved.write(&state, &values);
        }
        so_far(&digits.losses(STEPS, &mut moved))
    };
    let all = [1.0, -1.0, 2.0, -2.0].map(moved);
    // The first loss is no chaos yet: a few roundings of a number about 2.
    let noise: Vec<f64> = (0..right.len()).map(|n| all.iter().map(|moved| moved[n]).fold(1e-6, f64::max)).collect();
    for machine in machines {
        let found = so_far(&digits.losses(STEPS, &mut digits.on(&machine)));
        println!("{STEPS} steps on {machine}: {found:?} apart, roundings {noise:?}");
        assert!(found.iter().zip(&noise).all(|(found, noise)| *found < 4.0 * noise), "{found:?}\n{noise:?}");
    }
}
