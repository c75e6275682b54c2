//! The engine: what is fed, which calls a step makes, what is read back.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::{Prepared, Processor, Step};
use crate::codegen::gpu::{Program, Programs};
use crate::device::{Engine, State, layout, slot_of};
use crate::diag::Failure;
use crate::kernel::{BufferId, Plan, Size, Slot};

/// A network on a processor, with its weights.
pub struct GpuEngine<P> {
    train: Option<Pass>,
    test: Pass,
    /// The verdict's place.
    verdict: usize,
    processor: P,
    /// What the driver said when it failed; nothing is asked of it after that.
    failure: RefCell<Option<Failure>>,
    /// Calls of the last step.
    made: Cell<usize>,
}

/// A plan and its calls.
struct Pass {
    plan: Plan,
    program: Program,
    /// The number of its first call.
    first: usize,
}

impl Pass {
    /// The numbers of the calls that a step makes.
    fn calls(&self, step: &Step) -> Vec<usize> {
        let launches = self.program.launches.iter().enumerate();
        launches.filter(|(_, l)| l.when.holds(step.seed, step.number)).map(|(i, _)| self.first + i).collect()
    }

    fn place(&self, id: BufferId, batch: usize) -> Range<usize> {
        let buffer = self.plan.buffer(id);
        buffer.offset..buffer.offset + buffer.size.len(batch)
    }

    fn slot(&self, slot: &Slot, batch: usize) -> (Size, Range<usize>) {
        let id = slot_of(&self.plan, slot);
        (self.plan.buffer(id).size, self.place(id, batch))
    }
}

impl<P: Processor> GpuEngine<P> {
    /// An engine on a processor that `make` makes.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new(
        train: Option<Plan>,
        test: Plan,
        programs: Programs,
        make: impl FnOnce(Prepared) -> Result<P, Failure>,
    ) -> Result<Self, Failure> {
        let processor = make(Prepared::new(train.as_ref(), &test, &programs))?;
        let verdict = programs.verdict();
        let train = train.zip(programs.train).map(|(plan, program)| Pass { plan, program, first: 0 });
        let first = train.as_ref().map_or(0, |pass| pass.program.launches.len());
        let test = Pass { plan: test, program: programs.test, first };
        let (failure, made) = (RefCell::new(None), Cell::new(0));
        Ok(GpuEngine { train, test, verdict, processor, failure, made })
    }

    /// Calls that the last step made.
    pub fn calls(&self) -> usize {
        self.made.get()
    }

    /// The gradient of a weight at the last training step, as stored.
    ///
    /// # Panics
    /// Where the engine was not made for training or has no such weight.
    pub fn gradient(&self, path: &crate::net::Path) -> Vec<f32> {
        self.values(self.training(), &Slot::Gradient(path.clone()))
    }

    fn training(&self) -> &Pass {
        self.train.as_ref().expect("an engine made for training")
    }

    /// What a driver answers, or not-a-numbers where it fails or has failed; the failure is kept.
    fn answered(&self, floats: usize, ask: impl FnOnce(&P) -> Result<Vec<f32>, Failure>) -> Vec<f32> {
        if self.failure.borrow().is_none() {
            match ask(&self.processor) {
                Ok(answer) => return answer,
                Err(failure) => *self.failure.borrow_mut() = Some(failure),
            }
        }
        vec![f32::NAN; floats]
    }

    fn run(&self, calls: &[usize], step: &Step, read: &[Range<usize>]) -> Vec<f32> {
        self.made.set(calls.len());
        self.answered(read.iter().map(Range::len).sum(), |processor| processor.run(calls, step, read))
    }

    fn fetch(&self, place: Range<usize>) -> Vec<f32> {
        let nothing = Step { batch: 0, seed: 0, number: 0, rate: 0.0 };
        self.answered(place.len(), |processor| processor.run(&[], &nothing, &[place]))
    }

    fn put(&self, at: usize, lanes: &[f32]) {
        self.answered(0, |processor| processor.write(at, lanes).map(|()| vec![]));
    }

    fn values(&self, pass: &Pass, slot: &Slot) -> Vec<f32> {
        let (size, place) = pass.slot(slot, pass.plan.batch);
        layout::values(size, &self.fetch(place))
    }

    /// Puts N rows into a slot and says N.
    fn feed(&self, pass: &Pass, slot: &Slot, rows: &[f32]) -> usize {
        let Some(id) = pass.plan.slot(slot) else { return 0 };
        let buffer = pass.plan.buffer(id);
        let batch = layout::images(buffer.size, rows.len(), pass.plan.batch);
        let mut lanes = vec![0.0; buffer.size.len(batch)];
        layout::set_rows(buffer.size, rows, &mut lanes);
        self.put(buffer.offset, &lanes);
        batch
    }

    /// Puts images and targets where the training plan reads them, and says what the step is.
    fn begin(&self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> Step {
        let batch = self.feed(self.training(), &Slot::Image, images);
        let rows = self.feed(self.training(), &Slot::Target, targets);
        assert_eq!(batch, rows, "an image has a target");
        Step { batch, seed, number: step, rate }
    }

    /// The pass that knows every state.
    fn states(&self) -> &Pass {
        self.train.as_ref().unwrap_or(&self.test)
    }
}

impl<P: Processor> Engine for GpuEngine<P> {
    fn train_step(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> f32 {
        let step = self.begin(images, targets, seed, step, rate);
        let train = self.training();
        let (_, loss) = train.slot(&Slot::Loss, step.batch);
        let read = [loss.start..loss.start + 1, self.verdict..self.verdict + 1];
        let answer = self.run(&train.calls(&step), &step, &read);
        if answer[1] == 0.0 { answer[0] } else { f32::NAN }
    }

    fn first_not_finite(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> Option<String> {
        let step = self.begin(images, targets, seed, step, rate);
        let train = self.training();
        let bad = |kernel: &usize| {
            let written = train.plan.kernels[*kernel].writes();
            let read: Vec<_> = written.into_iter().map(|id| train.place(id, step.batch)).collect();
            self.run(&[], &step, &read).iter().any(|x| !x.is_finite())
        };
        let before_update = train.calls(&step).into_iter().filter(|call| call - train.first < train.program.update);
        for call in before_update {
            self.run(&[call], &step, &[]);
            let mut parts = train.program.launches[call - train.first].parts.iter();
            if let Some(kernel) = parts.find(|part| **part < train.plan.update() && bad(part)) {
                return Some(train.plan.kernels[*kernel].name().to_owned());
            }
        }
        None
    }

    fn logits(&mut self, images: &[f32]) -> Vec<f32> {
        let batch = self.feed(&self.test, &Slot::Image, images);
        let step = Step { batch, seed: 0, number: 0, rate: 0.0 };
        let (size, place) = self.test.slot(&Slot::Logits, batch);
        layout::rows(size, &self.run(&self.test.calls(&step), &step, &[place]))
    }

    fn has(&self, state: &State) -> bool {
        self.states().plan.slot(&state.slot()).is_some()
    }

    fn read(&self, state: &State) -> Vec<f32> {
        self.values(self.states(), &state.slot())
    }

    fn write(&mut self, state: &State, values: &[f32]) {
        let pass = self.states();
        let (size, place) = pass.slot(&state.slot(), pass.plan.batch);
        // What pads the last block of channels is 0 from the start and stays so.
        let mut lanes = vec![0.0; place.len()];
        layout::set_values(size, values, &mut lanes);
        self.put(place.start, &lanes);
    }

    fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }
}
