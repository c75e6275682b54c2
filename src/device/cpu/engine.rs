//! A network on the CPU: two plans (training step, test) over one arena.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::arena::Arena;
use super::contraction::{Around, Ready};
use super::fence::{self, Side};
use super::jit::{self, Code, MapFn, without_code};
use super::join::{Offsets, join};
use super::pool::{Order, Pool};
use super::simd::Isa;
use super::workspace::{Layout, Workspace};
use crate::codegen::abi::StepContext;
use crate::codegen::clif::Places;
use crate::device::{Engine, State, host, layout, slot_of};
use crate::kernel::{BLOCK, Body, BufferId, Domain, Draw, Kernel, Param, Plan, Slot, blocks};

/// Elements under which the caller works alone: waking workers would cost more.
const SMALL: usize = 8 * 1024;

/// Elements of gradients that a worker looks at at a time.
const PIECE: usize = 256 * 1024;

/// A compiled network with its weights.
pub struct CpuEngine {
    train: Option<Compiled>,
    test: Compiled,
    /// The running statistics before a step that may not be finite.
    statistics: Vec<f32>,
    arena: Arena,
    rooms: Arena,
    shared: Arena,
    room: usize,
    isa: Isa,
    pool: Pool,
}

/// How much an engine needs, in floats.
#[derive(Clone, Copy, Default)]
struct Needs {
    arena: usize,
    /// For each worker.
    room: usize,
    /// For all workers together.
    shared: usize,
}

impl Needs {
    fn with(self, plan: &Plan, workspace: &Workspace) -> Self {
        Needs {
            arena: self.arena.max(plan.arena),
            room: self.room.max(workspace.room),
            shared: self.shared.max(workspace.shared),
        }
    }

    fn floats(self, threads: usize) -> usize {
        self.arena + self.room * threads + self.shared
    }
}

/// A plan with its code.
struct Compiled {
    plan: Plan,
    /// The first kernel of the optimizer; those before it leave weights and what is kept of them alone.
    update: usize,
    /// What they change all the same: running statistics.
    moved: Vec<Range<usize>>,
    /// Where gradients lie.
    gradients: Vec<Range<usize>>,
    /// The plan's numbers, in the order in which the code reads them.
    params: Vec<Param>,
    runs: Vec<Run>,
    /// Of each contraction the gate that decides what it reads.
    gates: Vec<Option<Draw>>,
    /// A kernel and the one after it in one pass.
    joined: Vec<Option<Ready>>,
    workspace: Workspace,
    _code: Code,
}

/// What a kernel is to the engine.
enum Run {
    Map { function: MapFn, domain: Domain },
    Contraction(Ready),
}

/// What a step's kernels are told.
struct Step {
    batch: usize,
    seed: u64,
    step: u32,
    rate: f32,
}

impl CpuEngine {
    /// Compiles a test plan, and a training plan if the network is to be trained, for `threads` threads. Both plans keep
    /// what outlives a step at the same places.
    pub fn new(train: Option<Plan>, test: Plan, threads: usize) -> Self {
        CpuEngine::laid_out(train, test, threads, Layout::Shared)
    }

    /// As [`new`](Self::new) for tests: every buffer lies against a page that nobody may touch, so that a kernel that leaves
    /// its buffers on that side ends the process. Buffers share no memory, which is several times what a step needs.
    pub fn fenced(mut train: Option<Plan>, mut test: Plan, threads: usize, side: Side) -> Self {
        let mut plans: Vec<&mut Plan> = train.iter_mut().chain([&mut test]).collect();
        let fences = fence::spread(&mut plans, side);
        let mut engine = CpuEngine::laid_out(train, test, threads, Layout::Fixed);
        engine.arena.close(&fences);
        engine
    }

    fn laid_out(train: Option<Plan>, test: Plan, threads: usize, layout: Layout) -> Self {
        let compile = |plan: Plan| Compiled::new(plan, threads, layout);
        let (train, test) = (train.map(compile), compile(test));
        let all = train.iter().chain([&test]);
        let needs = all.fold(Needs::default(), |needs, one| needs.with(&one.plan, &one.workspace));
        // The steps to come touch the arena for the first time: what compiling took need not lie beside it.
        host::give_back_memory();
        let pool = Pool::new(threads);
        CpuEngine {
            train,
            test,
            statistics: vec![],
            arena: Arena::new(needs.arena),
            rooms: Arena::new(needs.room * pool.threads()),
            shared: Arena::new(needs.shared),
            room: needs.room,
            isa: Isa::detect(),
            pool,
        }
    }

    /// Bytes beside those that kernels work in: this program's own pages, the plans, their code. Measured: 10 to 40 MiB, more
    /// for more kernels.
    pub const OWN: u64 = 12 << 20;

    /// Bytes by which a process grows that runs an engine for these plans.
    pub fn bytes(train: Option<&Plan>, test: &Plan, threads: usize) -> u64 {
        let needs = train.into_iter().chain([test]).cloned().fold(Needs::default(), |needs, mut plan| {
            let workspace = Workspace::of(&mut plan, threads, Layout::Shared);
            needs.with(&plan, &workspace)
        });
        CpuEngine::OWN + needs.floats(threads) as u64 * 4
    }

    /// The gradient of a weight at the last training step, as stored.
    ///
    /// # Panics
    /// Where the engine was not made for training or has no such weight.
    pub fn gradient(&self, path: &crate::net::Path) -> Vec<f32> {
        let train = self.train.as_ref().expect("an engine made for training");
        self.values(&train.plan, &Slot::Gradient(path.clone()))
    }

    /// The logits of the last training step's forward pass, N x classes.
    ///
    /// # Panics
    /// Where the engine was not made for training.
    pub fn training_logits(&self, batch: usize) -> Vec<f32> {
        let train = self.train.as_ref().expect("an engine made for training");
        self.rows(&train.plan, &Slot::Logits, batch)
    }

    fn values(&self, plan: &Plan, slot: &Slot) -> Vec<f32> {
        let buffer = plan.buffer(slot_of(plan, slot));
        let lanes = self.arena.slice(buffer.offset, buffer.size.len(plan.batch));
        layout::values(buffer.size, lanes)
    }

    fn rows(&self, plan: &Plan, slot: &Slot, batch: usize) -> Vec<f32> {
        let buffer = plan.buffer(slot_of(plan, slot));
        layout::rows(buffer.size, self.arena.slice(buffer.offset, buffer.size.len(batch)))
    }

    /// Puts N rows into a slot and says N.
    fn feed(pool: &Pool, arena: &mut Arena, plan: &Plan, slot: &Slot, rows: &[f32]) -> usize {
        let Some(id) = plan.slot(slot) else { return 0 };
        let buffer = plan.buffer(id);
        let batch = layout::images(buffer.size, rows.len(), plan.batch);
        let lanes = arena.slice_mut(buffer.offset, buffer.size.len(batch));
        if lanes.len() < SMALL {
            layout::set_rows(buffer.size, rows, lanes);
            return batch;
        }
        let images = lanes.chunks_exact_mut(buffer.size.per_image()).zip(rows.chunks_exact(rows.len() / batch));
        let images: Vec<_> = images.map(Mutex::new).collect();
        pool.run(batch, Order::Up, &|turn| {
            let (lanes, row) = &mut *images[turn.task].lock().expect("a task has an image to itself");
            layout::set_rows(buffer.size, row, lanes);
        });
        batch
    }

    /// Runs some kernels of the step; `at` hears the number of each before it runs.
    fn run(&self, compiled: &Compiled, kernels: Range<usize>, step: &Step, mut at: impl FnMut(usize)) {
        let Step { batch, seed, step, rate } = *step;
        let numbers: Vec<f32> = compiled.params.iter().map(|param| param.value(batch, step, rate)).collect();
        let context = StepContext {
            arena: self.arena.start(),
            batch: batch as u64,
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            step,
            numbers: numbers.as_ptr(),
        };
        let mut around = Around {
            context: &context,
            pool: &self.pool,
            isa: self.isa,
            rooms: self.rooms.start(),
            room: self.room,
            shared: self.shared.start(),
            order: Order::Up,
            gate_is_open: true,
        };
        let mut next = kernels.start;
        while next < kernels.end {
            let number = next;
            next += 1;
            let (run, kernel) = (&compiled.runs[number], &compiled.plan.kernels[number]);
            if !kernel.when.holds(seed, step) {
                continue;
            }
            let runs_next = || next < kernels.end && compiled.plan.kernels[next].when.holds(seed, step);
            let joined = compiled.joined[number].as_ref().filter(|_| runs_next());
            let heard = if joined.is_some() { compiled.heard(number) } else { number };
            at(heard);
            around.shared = match compiled.workspace.places[number] {
                // SAFETY: the arena holds the places of all workspaces.
                Some(place) => unsafe { self.arena.start().add(place) },
                None => self.shared.start(),
            };
            around.gate_is_open = compiled.gates[heard].is_none_or(|gate| gate.is_open(seed, step));
            match (run, joined) {
                (_, Some(joined)) => {
                    joined.run(&around);
                    next += 1;
                }
                (Run::Map { function, domain }, None) => run_map(*function, *domain, &around),
                (Run::Contraction(ready), None) => ready.run(&around),
            }
            if reads_feature_maps(kernel) {
                around.order = around.order.reversed();
            }
        }
    }

    /// Whether every gradient of the last step is finite.
    fn gradients_are_finite(&self, train: &Compiled) -> bool {
        let regions = train.gradients.iter().map(|region| self.arena.slice(region.start, region.len()));
        let pieces: Vec<&[f32]> = regions.flat_map(|region| region.chunks(PIECE)).collect();
        let finite = AtomicBool::new(true);
        self.pool.run(pieces.len(), Order::Up, &|turn| {
            if !are_finite(pieces[turn.task]) {
                finite.store(false, Relaxed);
            }
        });
        finite.into_inner()
    }

    fn is_finite(&self, plan: &Plan, buffer: BufferId, batch: usize) -> bool {
        let buffer = plan.buffer(buffer);
        are_finite(self.arena.slice(buffer.offset, buffer.size.len(batch)))
    }

    /// Puts images and targets where the training plan reads them; how many.
    fn feed_both(pool: &Pool, arena: &mut Arena, plan: &Plan, images: &[f32], targets: &[f32]) -> usize {
        let batch = CpuEngine::feed(pool, arena, plan, &Slot::Image, images);
        let rows = CpuEngine::feed(pool, arena, plan, &Slot::Target, targets);
        assert_eq!(batch, rows, "an image has a target");
        batch
    }

    /// A training step, watched: `at` hears the number of each kernel of the plan that runs in this step before it runs,
    /// and the count of all at the end.
    ///
    /// # Panics
    /// Where the engine was not made for training.
    pub fn watched_step(
        &mut self,
        images: &[f32],
        targets: &[f32],
        seed: u64,
        step: u32,
        rate: f32,
        mut at: impl FnMut(usize),
    ) -> f32 {
        let train = self.train.as_ref().expect("an engine made for training");
        let batch = CpuEngine::feed_both(&self.pool, &mut self.arena, &train.plan, images, targets);
        let (step, all) = (Step { batch, seed, step, rate }, train.runs.len());
        keep(&self.arena, &train.moved, &mut self.statistics);
        self.run(train, 0..train.update, &step, &mut at);
        let loss = train.plan.buffer(slot_of(&train.plan, &Slot::Loss));
        let loss = self.arena.slice(loss.offset, 1)[0];
        if !loss.is_finite() || !self.gradients_are_finite(train) {
            put_back(&mut self.arena, &train.moved, &self.statistics);
            return f32::NAN;
        }
        self.run(train, train.update..all, &step, &mut at);
        at(all);
        loss
    }

    /// The kernels of the training plan that are done in one pass where a watcher hears of `kernel`; none where it is always
    /// done in the pass of another. A map whose reader does not run in a step is done alone.
    pub fn pass(&self, kernel: usize) -> Range<usize> {
        let Some(train) = &self.train else { return kernel..kernel + 1 };
        let joins = |first: usize| train.joined.get(first).is_some_and(Option::is_some);
        if kernel > 0 && joins(kernel - 1) {
            return if train.heard(kernel - 1) == kernel { kernel - 1..kernel + 1 } else { kernel..kernel };
        }
        let both = joins(kernel) && train.heard(kernel) == kernel;
        kernel..kernel + 1 + usize::from(both)
    }

    /// The plan of a training step, where the engine was made for training.
    pub fn training_plan(&self) -> Option<&Plan> {
        self.train.as_ref().map(|compiled| &compiled.plan)
    }
}

impl Engine for CpuEngine {
    fn train_step(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> f32 {
        self.watched_step(images, targets, seed, step, rate, |_| {})
    }

    fn first_not_finite(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> Option<String> {
        let train = self.train.as_ref().expect("an engine made for training");
        let batch = CpuEngine::feed_both(&self.pool, &mut self.arena, &train.plan, images, targets);
        let step = Step { batch, seed, step, rate };
        keep(&self.arena, &train.moved, &mut self.statistics);
        let bad = |number: usize| {
            let mut ran = false;
            self.run(train, number..number + 1, &step, |_| ran = true);
            let kernel = &train.plan.kernels[number];
            ran && kernel.writes().into_iter().any(|buffer| !self.is_finite(&train.plan, buffer, batch))
        };
        let found = (0..train.update).find(|number| bad(*number));
        put_back(&mut self.arena, &train.moved, &self.statistics);
        found.map(|number| train.plan.kernels[number].name().to_owned())
    }

    fn logits(&mut self, images: &[f32]) -> Vec<f32> {
        let batch = CpuEngine::feed(&self.pool, &mut self.arena, &self.test.plan, &Slot::Image, images);
        let step = Step { batch, seed: 0, step: 0, rate: 0.0 };
        self.run(&self.test, 0..self.test.runs.len(), &step, |_| {});
        self.rows(&self.test.plan, &Slot::Logits, batch)
    }

    fn has(&self, state: &State) -> bool {
        self.state_plan().slot(&state.slot()).is_some()
    }

    fn read(&self, state: &State) -> Vec<f32> {
        self.values(self.state_plan(), &state.slot())
    }

    fn write(&mut self, state: &State, values: &[f32]) {
        let plan = self.state_plan();
        let buffer = plan.buffer(slot_of(plan, &state.slot()));
        layout::set_values(buffer.size, values, self.arena.slice_mut(buffer.offset, buffer.size.len(plan.batch)));
    }
}

impl CpuEngine {
    /// The plan that knows every state.
    fn state_plan(&self) -> &Plan {
        self.train.as_ref().map_or(&self.test.plan, |c| &c.plan)
    }
}

impl Compiled {
    /// Of a kernel that is done in one pass with the one after it the one that a watcher hears of: the first contraction.
    fn heard(&self, number: usize) -> usize {
        number + usize::from(matches!(self.runs[number], Run::Map { .. }))
    }

    fn new(mut plan: Plan, threads: usize, layout: Layout) -> Self {
        let workspace = Workspace::of(&mut plan, threads, layout);
        let maps: Vec<_> = plan.kernels.iter().flat_map(Kernel::maps).collect();
        let params = plan.params();
        let places = Places { buffers: &plan.buffers, params: &params };
        let code = Code::compile(&maps, places, jit::wide(), threads);
        let mut next = 0;
        let mut function = || {
            next += 1;
            code.function(next - 1)
        };
        let runs: Vec<Run> = plan
            .kernels
            .iter()
            .map(|kernel| match &kernel.body {
                Body::Map(map) => Run::Map { function: function(), domain: map.domain },
                Body::Contraction(k) => Run::Contraction(Ready::new(k, &plan, threads, &mut function)),
            })
            .collect();
        let code_of = |i: usize| match &runs[i] {
            Run::Map { function, .. } => *function,
            Run::Contraction(_) => without_code,
        };
        let ready = |i: usize| match &runs[i] {
            Run::Map { .. } => None,
            Run::Contraction(ready) => Some(ready),
        };
        let joined = join(&plan, Offsets::Final, code_of, ready);
        let gates = plan.kernels.iter().map(|kernel| match &kernel.body {
            Body::Map(_) => None,
            Body::Contraction(contraction) => contraction.gate(),
        });
        Compiled {
            gates: gates.collect(),
            runs,
            joined,
            workspace,
            _code: code,
            update: plan.update(),
            moved: plan.moved(),
            gradients: plan.gradients(),
            params,
            plan,
        }
    }
}

/// Copies parts of the arena.
fn keep(arena: &Arena, parts: &[Range<usize>], kept: &mut Vec<f32>) {
    kept.clear();
    parts.iter().for_each(|part| kept.extend_from_slice(arena.slice(part.start, part.len())));
}

/// Puts the copies where they came from.
fn put_back(arena: &mut Arena, parts: &[Range<usize>], mut kept: &[f32]) {
    for part in parts {
        let (values, rest) = kept.split_at(part.len());
        arena.slice_mut(part.start, part.len()).copy_from_slice(values);
        kept = rest;
    }
}

/// Whether a kernel goes over the batch's feature maps, which are what fills the caches.
fn reads_feature_maps(kernel: &Kernel) -> bool {
    match &kernel.body {
        Body::Map(map) => matches!(map.domain, Domain::Feature { .. }),
        Body::Contraction(_) => true,
    }
}

fn run_map(function: MapFn, domain: Domain, around: &Around<'_>) {
    let images = around.context.batch as usize;
    let (tasks, blocks, elements) = match domain {
        Domain::Feature { channels, height, width } => {
            (images * blocks(channels), blocks(channels), height * width * BLOCK)
        }
        Domain::Channel { channels } => (blocks(channels), blocks(channels), images * BLOCK),
        Domain::Image { channels } => (images, 1, channels),
        Domain::Flat { len } => (len.div_ceil(Domain::CHUNK), 1, Domain::CHUNK),
    };
    let task = |task: usize| {
        // SAFETY: the arguments are a task of the map's domain; tasks write disjoint elements of buffers that the plan
        // keeps for this kernel.
        unsafe { function(around.context(), (task / blocks) as u64, (task % blocks) as u64, std::ptr::null_mut(), 0) }
    };
    if tasks * elements < SMALL {
        (0..tasks).for_each(task);
    } else {
        around.over_batch(tasks, &|turn| task(turn.task));
    }
}

/// Whether all numbers are; without a way out, so that compilers use vectors.
fn are_finite(numbers: &[f32]) -> bool {
    numbers.iter().fold(true, |finite, x| finite & x.is_finite())
}
