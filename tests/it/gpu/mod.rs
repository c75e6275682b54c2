//! Kernels for graphics processors: their very text, run on the CPU, against the f64 graph and the CPU engine.

mod draws;
mod drivers;
mod launches;
mod machine;
mod networks;
mod parts;
mod wgsl;

use sdc::codegen::gpu::{self, Dialect, Programs};
use sdc::device::layout;
use sdc::fuse;
use sdc::graph::op::Output;
use sdc::graph::{Graph, Inputs};
use sdc::kernel::{Plan, Slot};
use sdc::net::recipe::{Loss, Memory, Optimizer};
use sdc::net::{Network, Role};
use sdc::num::Precision;

use super::cpu::{agree_within, graphs, rounded, single};
use machine::{Machine, Step};

/// Norm of the difference over norm, tensor by tensor.
const TOLERANCE: f64 = 1e-4;

/// What a dialect is held to. An operand that lies between two numbers of the shorter precision, but for a rounding in 32
/// bits, may go to either.
fn tolerance(dialect: Dialect) -> f64 {
    if dialect.precision() == Precision::Fp32 { TOLERANCE } else { 1e-3 }
}

/// A network's plans with their text as a program of this machine.
struct Compiled {
    train: Plan,
    test: Plan,
    programs: Programs,
    machine: Machine,
    /// How far tensors may lie from those of the f64 graph.
    tolerance: f64,
}

impl Compiled {
    fn new(train: &Graph, test: &Graph, batch: usize, dialect: Dialect) -> Compiled {
        let persistent = fuse::persistent(train);
        let [train, test] = [train, test].map(|graph| fuse::plan(graph, &persistent, batch));
        let programs = gpu::programs(Some(&train), &test, dialect);
        let machine = Machine::new(&programs, dialect);
        Compiled { train, test, programs, machine, tolerance: tolerance(dialect) }
    }

    /// An arena with the inputs in it. What a step must make itself is not a number.
    fn arena(&self, plan: &Plan, network: &Network, inputs: &Inputs) -> Vec<f32> {
        let persistent = self.train.buffers.iter().filter(|b| b.lifetime == sdc::kernel::Lifetime::Persistent);
        let front = persistent.map(|b| b.offset + b.size.len(1)).max().unwrap_or(0);
        let mut arena = vec![f32::NAN; self.programs.floats()];
        arena[..front].fill(0.0);
        for p in network.parameters() {
            let mut set = |slot: Slot, values: &[f64]| {
                let buffer = self.train.buffer(self.train.slot(&slot).expect("the plan trains it"));
                let lanes = &mut arena[buffer.offset..][..buffer.size.len(1)];
                layout::set_values(buffer.size, &single(values), lanes);
            };
            set(Slot::Parameter(p.path.clone()), &inputs.parameters[&p.path]);
            for memory in Memory::ALL {
                let slot = Slot::Memory(memory, p.path.clone());
                if self.train.slot(&slot).is_some() {
                    set(slot, &inputs.memories[&(memory, p.path.clone())]);
                }
            }
        }
        for (slot, rows) in [(Slot::Image, &inputs.images), (Slot::Target, &inputs.targets)] {
            if let Some(id) = plan.slot(&slot) {
                let buffer = plan.buffer(id);
                let lanes = &mut arena[buffer.offset..][..buffer.size.len(self.images(network, inputs))];
                layout::set_rows(buffer.size, &single(rows), lanes);
            }
        }
        arena
    }

    fn images(&self, network: &Network, inputs: &Inputs) -> usize {
        inputs.images.len() / network.input.elements()
    }

    /// What a step leaves in the arena.
    fn step(&self, network: &Network, inputs: &Inputs, order: u32) -> Vec<f32> {
        let mut arena = self.arena(&self.train, network, inputs);
        let batch = self.images(network, inputs);
        let step = Step { batch, seed: inputs.seed, number: inputs.step, rate: inputs.rate as f32 };
        let program = self.programs.train.as_ref().expect("there is a training step");
        self.machine.run(&self.programs, &self.train, program, step, order, &mut arena);
        arena
    }

    /// Holds a training step and a test pass against the f64 graphs, and the step in other orders against the first.
    fn check(&self, network: &Network, graphs: &mut (Graph, Graph), inputs: &Inputs, orders: &[u32]) {
        let batch = self.images(network, inputs);
        let arena = self.step(network, inputs, 0);
        for (name, wanted) in &graphs.0.run(inputs) {
            agree_within(&name.to_string(), &output(&self.train, name, batch, &arena), wanted, self.tolerance);
        }
        for &order in orders {
            let again = self.step(network, inputs, order);
            let same = arena.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "order {order} gives another result");
        }
        let mut arena = self.arena(&self.test, network, inputs);
        let step = Step { batch, seed: 0, number: 0, rate: 0.0 };
        self.machine.run(&self.programs, &self.test, &self.programs.test, step, 0, &mut arena);
        let logits = output(&self.test, &Output::Logits, batch, &arena);
        let wanted = &graphs.1.run(inputs)[&Output::Logits];
        // Running statistics that are drawn do not normalise: a hundred layers of them leave the range of f32.
        if wanted.iter().all(|x| x.abs() < f64::from(f32::MAX)) {
            agree_within("test logits", &logits, wanted, self.tolerance);
        }
    }
}

/// An output of a plan's step.
fn output(plan: &Plan, name: &Output, batch: usize, arena: &[f32]) -> Vec<f32> {
    let slot = match name {
        Output::Loss => Slot::Loss,
        Output::Logits => Slot::Logits,
        Output::Gradient(path) => Slot::Gradient(path.clone()),
        Output::Parameter(path) => Slot::Parameter(path.clone()),
        Output::Memory(memory, path) => Slot::Memory(*memory, path.clone()),
    };
    let buffer = plan.buffer(plan.slot(&slot).expect("the plan hands it out"));
    let lanes = &arena[buffer.offset..][..buffer.size.len(batch)];
    match name {
        Output::Logits => layout::rows(buffer.size, lanes),
        Output::Loss | Output::Gradient(_) | Output::Parameter(_) | Output::Memory(..) => {
            layout::values(buffer.size, lanes)
        }
    }
}

/// One step and one test pass of a network in a dialect, whose tensor cores round what the graphs' contractions round.
fn check(
    network: &Network,
    optimizer: &Optimizer,
    loss: Loss,
    [batch, images]: [usize; 2],
    dialect: Dialect,
    orders: &[u32],
) {
    if !machine::at_hand() {
        return;
    }
    let mut graphs = graphs(network, optimizer, loss);
    let compiled = Compiled::new(&graphs.0, &graphs.1, batch, dialect);
    graphs.0.multiply_in(dialect.precision());
    graphs.1.multiply_in(dialect.precision());
    compiled.check(network, &mut graphs, &rounded(network, images), orders);
}

/// A step on an image that is not finite: weights and what the optimizer keeps stay as they are.
fn check_not_finite(network: &Network, optimizer: &Optimizer, dialect: Dialect) {
    if !machine::at_hand() {
        return;
    }
    let graphs = graphs(network, optimizer, Loss { smoothing: 0.0 });
    let compiled = Compiled::new(&graphs.0, &graphs.1, 4, dialect);
    let mut inputs = rounded(network, 4);
    inputs.images[7] = f64::NAN;
    let (before, after) = (compiled.arena(&compiled.train, network, &inputs), compiled.step(network, &inputs, 0));
    let mut kept = 0;
    for p in network.parameters().into_iter().filter(|p| p.role != Role::State) {
        let slots = Memory::ALL.map(|memory| Slot::Memory(memory, p.path.clone()));
        for slot in slots.into_iter().chain([Slot::Parameter(p.path.clone())]) {
            let Some(id) = compiled.train.slot(&slot) else { continue };
            let buffer = compiled.train.buffer(id);
            let range = buffer.offset..buffer.offset + buffer.size.len(4);
            assert_eq!(before[range.clone()], after[range], "{slot:?}");
            kept += 1;
        }
    }
    assert!(kept >= 2 * 6);
}
