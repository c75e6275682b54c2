//! Training: initial weights, the loop on a small engine and on the processor's, disks that fail under it, checkpoints
//! and their damage, run folders, schedules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path as FilePath;
use std::sync::Barrier;

use sdc::data::{Splits, load};
use sdc::device::{Engine, State};
use sdc::diag::{Failure, codes};
use sdc::disk::{Disk, SystemDisk};
use sdc::driver;
use sdc::net::recipe::{Data, DataSet, Loss, Memory, Optimizer, Schedule};
use sdc::net::{Init, LayerOp, Network, Parameter, ParameterInit, Path, Recipe, Role, Shape};
use sdc::num::draw::{Stream, normal_pair};
use sdc::num::float;
use sdc::train::{
    Asked, Checkpoint, Checkpoints, Ended, EpochMetrics, Job, Metrics, Observer, Progress, Record, RunFolder, Start,
    StepReport, Trainer, Work, evaluate, initial, save, states,
};

use crate::disk::{Call, Fault, Faulty};
use crate::hand;

/// Softmax regression with momentum 0.9, in plain loops: an engine small enough to be right by inspection.
#[derive(Default)]
pub struct Regression {
    states: BTreeMap<State, Vec<f32>>,
    /// Steps after which the loss is NaN, if it ever is.
    fails_after: Option<u32>,
}

const CLASSES: usize = 10;

fn parameter(name: &str) -> State {
    State::Parameter(Path::from("linear[0]").child(name))
}

impl Engine for Regression {
    fn train_step(&mut self, images: &[f32], targets: &[f32], _: u64, step: u32, rate: f32) -> f32 {
        if self.fails_after.is_some_and(|after| step >= after) {
            return f32::NAN;
        }
        let logits = self.logits(images);
        let (count, inputs) = (targets.len() / CLASSES, images.len() / (targets.len() / CLASSES));
        let mut gradients = [("weight", vec![0.0f32; CLASSES * inputs]), ("bias", vec![0.0f32; CLASSES])];
        let mut loss = 0.0;
        for n in 0..count {
            let row = &logits[n * CLASSES..(n + 1) * CLASSES];
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = row.iter().map(|&z| float::exp(f64::from(z - top))).sum();
            for class in 0..CLASSES {
                let (share, target) = (float::exp(f64::from(row[class] - top)) / sum, targets[n * CLASSES + class]);
                loss -= f64::from(target) * float::ln(share);
                let adjoint = (share as f32 - target) / count as f32;
                gradients[1].1[class] += adjoint;
                for i in 0..inputs {
                    gradients[0].1[class * inputs + i] += adjoint * images[n * inputs + i];
                }
            }
        }
        for (name, gradient) in gradients {
            let path = Path::from("linear[0]").child(name);
            let momentum =
                self.states.get_mut(&State::Memory(Memory::Momentum, path.clone())).expect("it was initialised");
            momentum.iter_mut().zip(&gradient).for_each(|(v, g)| *v = 0.9 * *v + g);
            let momentum = momentum.clone();
            let weights = self.states.get_mut(&State::Parameter(path)).expect("it was initialised");
            weights.iter_mut().zip(&momentum).for_each(|(w, v)| *w -= rate * v);
        }
        (loss / count as f64) as f32
    }

    fn first_not_finite(&mut self, _: &[f32], _: &[f32], _: u64, _: u32, _: f32) -> Option<String> {
        Some("linear[0]".into())
    }

    fn logits(&mut self, images: &[f32]) -> Vec<f32> {
        let (weight, bias) = (&self.states[&parameter("weight")], &self.states[&parameter("bias")]);
        let inputs = weight.len() / CLASSES;
        let dot = |image: &[f32], row: &[f32]| image.iter().zip(row).map(|(x, w)| x * w).sum::<f32>();
        let rows = images.chunks_exact(inputs);
        rows.flat_map(|image| weight.chunks_exact(inputs).zip(bias).map(move |(row, b)| dot(image, row) + b)).collect()
    }

    fn has(&self, state: &State) -> bool {
        matches!(state, State::Parameter(_) | State::Memory(Memory::Momentum, _))
    }

    fn read(&self, state: &State) -> Vec<f32> {
        self.states[state].clone()
    }

    fn write(&mut self, state: &State, values: &[f32]) {
        self.states.insert(state.clone(), values.to_vec());
    }
}

fn network() -> Network {
    let input = Shape::new(1, 8, 8);
    let (body, output) = hand::layers(&Path::root(), input, vec![LayerOp::Flatten, hand::linear(CLASSES)]);
    Network { name: "Regression".into(), input, body, output, residuals: 0 }
}

fn recipe(epochs: usize) -> Recipe {
    Recipe {
        model: "Regression".into(),
        data: Data::plain(DataSet::Digits),
        loss: Loss { smoothing: 0.0 },
        optimizer: Optimizer::sgd(0.05, 0.9),
        schedule: vec![],
        epochs,
        batch: 64,
        seed: 11,
    }
}

/// Keeps what it sees.
#[derive(Default)]
struct Seen {
    steps: Vec<StepReport>,
    epochs: Vec<EpochMetrics>,
    unsaved: Vec<Failure>,
    work: Vec<Work>,
    /// How often it is asked until it wants the run to stop.
    patience: Option<usize>,
    /// The step after which it wants the run to stop.
    last: Option<u64>,
}

impl Observer for Seen {
    fn asked(&mut self) -> Asked {
        if self.last.is_some() && self.last == self.steps.last().map(|report| report.step) {
            return Asked::Stop;
        }
        match &mut self.patience {
            Some(0) => Asked::Stop,
            Some(n) => {
                *n -= 1;
                Asked::GoOn
            }
            None => Asked::GoOn,
        }
    }

    fn turns_to(&mut self, work: Work) {
        self.work.push(work);
    }

    fn unsaved(&mut self, failure: &Failure) {
        self.unsaved.push(failure.clone());
    }

    fn step(&mut self, report: &StepReport) {
        self.steps.push(*report);
    }

    fn epoch(&mut self, metrics: &EpochMetrics) {
        self.epochs.push(*metrics);
    }
}

struct Setting {
    network: Network,
    recipe: Recipe,
    data: Splits,
}

impl Setting {
    fn new(epochs: usize) -> Self {
        let recipe = recipe(epochs);
        Setting { network: network(), data: load(&recipe.data, recipe.seed).expect("in the binary"), recipe }
    }

    /// With the first images alone, 16 to a step.
    fn small(mut self, train: usize, test: usize) -> Self {
        self.data.train = self.data.train.first(train);
        self.data.test = self.data.test.first(test);
        self.recipe.batch = 16;
        self
    }

    fn job(&self) -> Job<'_> {
        Job {
            program: "train Regression { }\n",
            set: &[],
            network: &self.network,
            recipe: &self.recipe,
            data: &self.data,
        }
    }

    fn train(&self, engine: &mut Regression, steps: Option<u64>, folder: &FilePath) -> (Seen, RunFolder) {
        let mut seen = Seen::default();
        let folder = RunFolder::named(folder).expect("a new folder");
        let mut trainer = Trainer::new(self.job(), engine, &SystemDisk, Start::Drawn, steps).expect("few steps");
        trainer.run(&folder, &mut seen).expect("it trains");
        (seen, folder)
    }

    /// A run, or the rest of one, as far as the disk and who sees it let it go.
    fn run(
        &self,
        engine: &mut dyn Engine,
        disk: &dyn Disk,
        start: Start<'_>,
        seen: &mut Seen,
        folder: &RunFolder,
    ) -> Result<Ended, Failure> {
        Trainer::new(self.job(), engine, disk, start, None).expect("few steps").run(folder, seen)
    }

    /// A run of its own on a disk.
    fn run_on(&self, disk: &dyn Disk, home: &FilePath) -> (Result<Ended, Failure>, Seen, RunFolder) {
        let (mut seen, folder) = (Seen::default(), RunFolder::named(&home.join("run")).expect("a new folder"));
        let ended = self.run(&mut Regression::default(), disk, Start::Drawn, &mut seen, &folder);
        (ended, seen, folder)
    }
}

fn newest(folder: &RunFolder, network: &Network) -> Checkpoint {
    folder.checkpoints().newest(network).expect("one is whole").checkpoint
}

#[test]
fn a_run_trains_and_leaves_program_weights_and_metrics() {
    let (setting, home) = (Setting::new(3), tempfile::tempdir().expect("a folder"));
    let mut engine = Regression::default();
    let (seen, folder) = setting.train(&mut engine, None, &home.path().join("run"));
    assert_eq!((seen.steps.len(), seen.epochs.len()), (72, 3));
    assert!(seen.epochs[2].test_accuracy > 0.9, "{:?}", seen.epochs);
    let turns = |work: Work| seen.work.iter().filter(|w| **w == work).count();
    // A checkpoint at the start and one after each epoch.
    assert_eq!([Work::Waiting, Work::Steps, Work::Tests, Work::Saving].map(turns), [72, 72, 3, 4]);
    assert!(seen.epochs[2].train_loss < seen.epochs[0].train_loss);
    assert_eq!(fs::read_to_string(folder.program()).expect("it is written"), setting.job().program);
    let metrics = fs::read_to_string(folder.metrics()).expect("it is written");
    let rows: Vec<String> = seen.epochs.iter().map(ToString::to_string).collect();
    assert_eq!(
        metrics,
        format!("epoch,step,rate,train_loss,test_loss,test_accuracy,validation_accuracy\n{}\n", rows.join("\n"))
    );
    assert!(rows[2].starts_with("3,72,0.05,"));

    let checkpoint = newest(&folder, &setting.network);
    assert_eq!(checkpoint.record.program, setting.job().program);
    assert_eq!(checkpoint.record.seed, 11);
    let progress = Progress { step: 72, loss_sum: 0.0, images: 0, metrics: Metrics(seen.epochs.clone()) };
    assert_eq!(checkpoint.record.progress, progress);
    let mut again = Regression::default();
    checkpoint.restore(&mut again);
    assert_eq!(again.states, engine.states);
    let scores = evaluate(&mut again, &setting.data.test, 100, &mut || true).expect("images in memory");
    let scores = scores.expect("nothing ends it");
    assert_eq!(scores.accuracy, seen.epochs[2].test_accuracy, "no matter in which batches");
}

#[test]
fn the_same_run_writes_the_same_bytes() {
    let (setting, home) = (Setting::new(1), tempfile::tempdir().expect("a folder"));
    let bytes = |name: &str| {
        let (_, folder) = setting.train(&mut Regression::default(), None, &home.path().join(name));
        [folder.checkpoints().after(24), folder.metrics()].map(|file| fs::read(file).expect("it is written"))
    };
    assert_eq!(bytes("a"), bytes("b"));
}

#[test]
fn a_run_stops_after_the_steps_that_are_asked_for() {
    let (setting, home) = (Setting::new(3), tempfile::tempdir().expect("a folder"));
    let mut engine = Regression::default();
    let (seen, folder) = setting.train(&mut engine, Some(30), &home.path().join("thirty"));
    assert_eq!((seen.steps.len(), seen.epochs.len()), (30, 1));
    let progress = newest(&folder, &setting.network).record.progress;
    assert_eq!((progress.step, progress.images), (30, 6 * 64));
    let sum: f64 = seen.steps[24..].iter().map(|s| f64::from(s.loss) * 64.0).sum();
    assert_eq!(progress.loss_sum, sum);

    let (seen, folder) = setting.train(&mut engine, Some(0), &home.path().join("zero"));
    assert!(seen.steps.is_empty());
    let mut initialised = Regression::default();
    newest(&folder, &setting.network).restore(&mut initialised);
    let weight = &setting.network.parameters()[0];
    assert_eq!(initialised.read(&parameter("weight")), initial(weight, 11));

    let (seen, _) = setting.train(&mut engine, Some(1000), &home.path().join("many"));
    assert_eq!(seen.steps.len(), 72, "not beyond the last epoch");
}

/// All that a run leaves and that must not depend on stops: its newest checkpoint and its metrics.
fn left(folder: &RunFolder) -> [Vec<u8>; 2] {
    let last = folder.checkpoints().steps().expect("a folder").pop().expect("a checkpoint");
    [folder.checkpoints().after(last), folder.metrics()].map(|file| fs::read(file).expect("it is written"))
}

/// A run of three epochs of 24 steps, the last batch of each a partial one, the rate changed after the second: stopped
/// before each of many steps and within tests, and resumed.
#[test]
fn a_run_resumes_to_the_same_bits_at_any_step() {
    let mut setting = Setting::new(3);
    setting.recipe.schedule = vec![Schedule::Steps { after: vec![2], factor: 0.1 }];
    let home = tempfile::tempdir().expect("a folder");
    let (whole, folder) = setting.train(&mut Regression::default(), None, &home.path().join("whole"));
    let wanted = left(&folder);
    // 24 steps and 299 tested images an epoch; of the tests some moments stand for all.
    let moments = (0..=24).chain([30, 322, 323]).chain(324..349).chain([640, 646]).chain(647..672).chain([970]);
    for patience in moments {
        let folder = RunFolder::named(&home.path().join(patience.to_string())).expect("a new folder");
        let mut seen = Seen { patience: Some(patience), ..Seen::default() };
        let ended = setting.run(&mut Regression::default(), &SystemDisk, Start::Drawn, &mut seen, &folder);
        assert_eq!(ended, Ok(Ended::Stopped), "{patience}");
        let (found, mut rest) = (newest(&folder, &setting.network), Seen::default());
        let start = Start::Resumed(&found);
        let ended = setting.run(&mut Regression::default(), &SystemDisk, start, &mut rest, &folder);
        assert_eq!(ended, Ok(Ended::Finished));
        assert_eq!(seen.steps.len() + rest.steps.len(), whole.steps.len(), "no step is done twice");
        assert_eq!(left(&folder), wanted, "stopped when asked {patience} times");
    }
}

/// The engine of the processor, with normalisation and a rule that draws: a run of three epochs of 21 steps, the last
/// batch of each a partial one, the rate changed after the second. It is stopped after each of 60 steps, and goes from
/// each stop to its end with another number of threads.
#[test]
fn a_run_on_the_processor_resumes_to_the_same_bits_with_other_threads() {
    let network = hand::network(Shape::new(1, 8, 8), 4, 1, CLASSES);
    let mut setting = Setting { network, ..Setting::new(3) }.small(330, 30);
    setting.recipe.schedule = vec![Schedule::Steps { after: vec![2], factor: 0.1 }];
    // An engine serves many runs: each sets every state.
    let [mut first, mut second] = [2, 3].map(|threads| {
        let graphs = driver::graphs(&setting.network, Some(&setting.recipe));
        driver::compile(driver::plans(&graphs, setting.recipe.batch), threads)
    });
    let (disk, home) = (Faulty::healthy(), tempfile::tempdir().expect("a folder"));
    let folder = |name: &str| RunFolder::named(&home.path().join(name)).expect("a new folder");
    let whole = folder("whole");
    let mut seen = Seen::default();
    assert_eq!(setting.run(&mut first, &disk, Start::Drawn, &mut seen, &whole), Ok(Ended::Finished));
    assert_eq!((seen.steps.len(), seen.epochs.len()), (63, 3));
    let wanted = left(&whole);
    let stopped = folder("stopped");
    let mut found: Option<Checkpoint> = None;
    for step in 1..=60 {
        let start = found.as_ref().map_or(Start::Drawn, Start::Resumed);
        let mut seen = Seen { last: Some(step), ..Seen::default() };
        let ended = setting.run(&mut first, &disk, start, &mut seen, &stopped);
        assert_eq!((ended, seen.steps.len()), (Ok(Ended::Stopped), 1), "step {step}");
        let (here, rest) = (newest(&stopped, &setting.network), folder(&step.to_string()));
        let ended = setting.run(&mut second, &disk, Start::Resumed(&here), &mut Seen::default(), &rest);
        assert_eq!(ended, Ok(Ended::Finished), "step {step}");
        assert!(left(&rest) == wanted, "stopped after step {step}");
        found = Some(here);
    }
}

/// A run of epochs of four steps, the last of which has a partial batch.
fn short(epochs: usize) -> Setting {
    Setting::new(epochs).small(50, 20)
}

/// How many system calls a short run has made when it starts, and when each of its epochs is saved.
fn saves() -> [usize; 4] {
    [0, 1, 2, 3].map(|epochs| {
        let (disk, home) = (Faulty::healthy(), tempfile::tempdir().expect("a folder"));
        let (ended, seen, _) = short(epochs).run_on(&disk, home.path());
        assert_eq!((ended, seen.epochs.len()), (Ok(Ended::Finished), epochs));
        disk.calls()
    })
}

#[test]
fn a_disk_that_fails_for_good_is_told_of_at_each_save_and_spoils_no_checkpoint() {
    let (setting, saves) = (short(3), saves());
    for calls in 0..saves[3] {
        let home = tempfile::tempdir().expect("a folder");
        let (ended, seen, folder) = setting.run_on(&Faulty::for_good(Fault::Full, calls), home.path());
        let failure = ended.expect_err("the last save fails");
        assert_eq!(failure.code, codes::CANNOT_WRITE, "call {calls}: {failure}");
        let done = saves.iter().filter(|save| **save <= calls).count();
        if done == 0 {
            assert_eq!((seen.steps.len(), seen.unsaved.len()), (0, 0), "call {calls}: no step without a checkpoint");
            continue;
        }
        // Those that were to come, and one more try at the end, whose failure is the run's.
        assert_eq!((seen.steps.len(), seen.unsaved.len()), (12, 4 - done + 1), "call {calls}");
        assert_eq!(seen.unsaved.last(), Some(&failure), "call {calls}");
        let found = folder.checkpoints().newest(&setting.network).expect("one is whole");
        let (step, old) = (found.checkpoint.record.progress.step, 4 * (done as u64 - 1));
        assert!(found.passed_over.is_empty() && (step == old || step == old + 4), "call {calls}: {step}");
    }
}

#[test]
fn a_save_that_fails_once_is_told_of_once_and_the_run_ends_as_ever() {
    let (setting, saves) = (short(3), saves());
    let home = tempfile::tempdir().expect("a folder");
    let (_, _, whole) = setting.run_on(&Faulty::healthy(), home.path());
    for calls in 0..saves[3] {
        let (disk, home) = (Faulty::new(Fault::Error, calls), tempfile::tempdir().expect("a folder"));
        let (ended, seen, folder) = setting.run_on(&disk, home.path());
        // A file whose flush fails is written anew within the save.
        let told = usize::from(disk.met() != Some(Call::Flush));
        if calls < saves[0] && told == 1 {
            assert_eq!(ended.expect_err("a run begins with a save").code, codes::CANNOT_WRITE, "call {calls}");
            assert_eq!((seen.steps.len(), seen.unsaved.len()), (0, 0), "call {calls}");
            continue;
        }
        assert_eq!((ended, seen.unsaved.len()), (Ok(Ended::Finished), told), "call {calls}");
        assert!(left(&folder) == left(&whole), "call {calls}");
    }
}

#[test]
fn a_run_that_dies_in_any_system_call_resumes_to_the_same_bits() {
    let (setting, saves) = (short(3), saves());
    let home = tempfile::tempdir().expect("a folder");
    let (_, _, whole) = setting.run_on(&Faulty::healthy(), home.path());
    for fault in [Fault::Kill, Fault::LostNames] {
        for calls in saves[0]..saves[3] {
            let case = format!("{fault:?} at call {calls}");
            let home = tempfile::tempdir().expect("a folder");
            let (_, _, folder) = setting.run_on(&Faulty::new(fault, calls), home.path());
            let mut checkpoints = folder.checkpoints();
            let found = checkpoints.newest(&setting.network).expect(&case);
            assert!(found.passed_over.is_empty(), "{case}");
            // The metrics are written first.
            let epochs = found.checkpoint.record.progress.metrics.0.len();
            let rows = folder.read_metrics().expect(&case).0.len();
            assert!(rows == epochs || rows == epochs + 1, "{case}: {rows} rows");
            if checkpoints.best().exists() {
                Checkpoint::read(&checkpoints.best(), &setting.network).expect(&case);
            }
            let (mut engine, start) = (Regression::default(), Start::Resumed(&found.checkpoint));
            let ended = setting.run(&mut engine, &Faulty::healthy(), start, &mut Seen::default(), &folder);
            assert_eq!(ended, Ok(Ended::Finished), "{case}");
            assert!(left(&folder) == left(&whole), "{case}");
        }
    }
}

#[test]
fn a_finished_run_can_be_extended() {
    let home = tempfile::tempdir().expect("a folder");
    let (short, long) = (Setting::new(1), Setting::new(3));
    let (_, wanted) = long.train(&mut Regression::default(), None, &home.path().join("long"));
    let (_, folder) = short.train(&mut Regression::default(), None, &home.path().join("short"));
    let (found, mut engine) = (newest(&folder, &short.network), Regression::default());
    let start = Start::Resumed(&found);
    let mut trainer = Trainer::new(long.job(), &mut engine, &SystemDisk, start, None).expect("few steps");
    trainer.run(&folder, &mut Seen::default()).expect("it trains");
    assert_eq!(left(&folder), left(&wanted));
    let mut other = long.job();
    other.program = "train Other { }\n";
    let refused = Trainer::new(other, &mut engine, &SystemDisk, start, None).err().expect("another program");
    assert_eq!(refused.code, codes::CHECKPOINT_DAMAGED);
}

#[test]
fn the_newest_two_checkpoints_and_the_best_are_kept() {
    let (setting, home) = (Setting::new(3), tempfile::tempdir().expect("a folder"));
    let (seen, folder) = setting.train(&mut Regression::default(), None, &home.path().join("run"));
    let mut checkpoints = folder.checkpoints();
    assert_eq!(checkpoints.steps().expect("a folder"), [48, 72]);
    let best = Checkpoint::read(&checkpoints.best(), &setting.network).expect("it is whole");
    let metrics = Metrics(seen.epochs);
    assert_eq!(best.record.progress.step, metrics.best().expect("three epochs").step);

    // The newest is damaged: the one before takes its place, with one line, and is not removed after the next saves.
    let flip = |step: u64| {
        let file = folder.checkpoints().after(step);
        let mut bytes = fs::read(&file).expect("it is written");
        bytes[2000] ^= 1;
        fs::write(file, bytes).expect("a file is written");
    };
    flip(72);
    let found = checkpoints.newest(&setting.network).expect("one is whole");
    assert_eq!((found.checkpoint.record.progress.step, found.passed_over.len()), (48, 1));
    assert!(found.passed_over[0].message.contains("step-72.safetensors is damaged"), "{}", found.passed_over[0]);
    flip(48);
    let failure = checkpoints.newest(&setting.network).expect_err("none is whole");
    assert_eq!(failure.code, codes::CHECKPOINT_DAMAGED);
}

/// Old ones go by their number, not by their name; what is damaged stays, and so does what is no checkpoint.
#[test]
fn rotation_removes_what_is_old_and_whole() {
    let (setting, home) = (Setting::new(1), tempfile::tempdir().expect("a folder"));
    let mut engine = Regression::default();
    setting.train(&mut engine, Some(1), &home.path().join("run"));
    let mut checkpoints = Checkpoints::of(home.path().join("kept"));
    let save = |checkpoints: &mut Checkpoints, step: u64| {
        let progress = Progress { step, ..Progress::default() };
        let record = Record { program: String::new(), set: vec![], seed: 0, progress };
        checkpoints.save(&SystemDisk, &engine, &setting.network, &record).expect("a folder that takes it");
    };
    save(&mut checkpoints, 8);
    fs::write(checkpoints.after(7), "not whole").expect("a file is written");
    fs::write(home.path().join("kept/step-09.safetensors"), "another name").expect("a file is written");
    save(&mut checkpoints, 99);
    save(&mut checkpoints, 100);
    assert_eq!(checkpoints.steps().expect("a folder"), [7, 99, 100]);
    // Another process knows nothing yet of what is whole.
    let mut checkpoints = Checkpoints::of(home.path().join("kept"));
    save(&mut checkpoints, 1000);
    assert_eq!(checkpoints.steps().expect("a folder"), [7, 99, 100, 1000], "only one is known to be whole");
    save(&mut checkpoints, 1001);
    assert_eq!(checkpoints.steps().expect("a folder"), [7, 1000, 1001]);
    assert!(home.path().join("kept/step-09.safetensors").exists());
}

#[test]
fn a_run_in_use_is_locked() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::named(&home.path().join("run")).expect("a new folder");
    assert!(!folder.in_use());
    let lock = folder.lock().expect("nobody has it");
    assert!(folder.in_use());
    assert_eq!(folder.lock().expect_err("it is locked").code, codes::RUN_IN_USE);
    drop(lock);
    assert!(!folder.in_use() && folder.lock().is_ok());
}

#[test]
fn a_run_may_start_from_the_weights_of_another() {
    let (setting, home) = (Setting::new(1), tempfile::tempdir().expect("a folder"));
    let mut engine = Regression::default();
    let (_, folder) = setting.train(&mut engine, None, &home.path().join("first"));
    let weights = newest(&folder, &setting.network);
    let mut second = Regression::default();
    let trainer = Trainer::new(setting.job(), &mut second, &SystemDisk, Start::Weights(&weights), Some(0));
    assert_eq!(trainer.expect("no steps").progress(), &Progress::default());
    assert_eq!(second.read(&parameter("weight")), engine.read(&parameter("weight")));
    let momentum = State::Memory(Memory::Momentum, Path::from("linear[0].weight"));
    assert!(second.read(&momentum).iter().all(|&v| v == 0.0), "momenta start anew");
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_overwrites_nothing() {
    let (setting, home) = (Setting::new(3), tempfile::tempdir().expect("a folder"));
    let folder = RunFolder::named(&home.path().join("run")).expect("a new folder");
    let mut engine = Regression { fails_after: Some(30), ..Regression::default() };
    let mut trainer = Trainer::new(setting.job(), &mut engine, &SystemDisk, Start::Drawn, None).expect("few steps");
    let failure = trainer.run(&folder, &mut Seen::default()).expect_err("the loss is NaN");
    assert_eq!(failure.code, codes::NOT_FINITE);
    assert!(failure.message.contains("in step 31 (epoch 2)") && failure.message.contains("`linear[0]`"), "{failure}");
    let kept = newest(&folder, &setting.network);
    assert_eq!(kept.record.progress.step, 24, "the end of the first epoch");
}

#[test]
fn states_that_are_not_finite_are_never_saved() {
    let (setting, home) = (Setting::new(1), tempfile::tempdir().expect("a folder"));
    let mut engine = Regression::default();
    let (_, folder) = setting.train(&mut engine, Some(1), &home.path().join("run"));
    let file = folder.checkpoints().after(1);
    let before = fs::read(&file).expect("it is written");
    let record = Record { program: String::new(), set: vec![], seed: 0, progress: Progress::default() };
    engine.write(&parameter("bias"), &[f32::INFINITY; CLASSES]);
    let failure = save(&SystemDisk, &file, &engine, &setting.network, &record).expect_err("infinite");
    assert_eq!(failure.code, codes::NOT_FINITE);
    assert!(failure.message.contains("linear[0].bias"));
    assert_eq!(fs::read(&file).expect("it is still there"), before);
    let files = fs::read_dir(folder.path().join("checkpoints")).expect("a folder").count();
    assert_eq!(files, 2, "no remains of the failed save");
}

/// Every kind of damage gives an error and never a panic: all prefixes of the header and some of the rest, and flips of
/// bits all over the file.
#[test]
fn no_damage_to_a_checkpoint_goes_unseen() {
    let (setting, home) = (Setting::new(1), tempfile::tempdir().expect("a folder"));
    let (_, folder) = setting.train(&mut Regression::default(), Some(1), &home.path().join("run"));
    let whole = fs::read(folder.checkpoints().after(1)).expect("it is written");
    let damaged = home.path().join("damaged.safetensors");
    let refused = |bytes: &[u8], what: &dyn Fn() -> String| {
        fs::write(&damaged, bytes).expect("a file is written");
        let failure = Checkpoint::read(&damaged, &setting.network).err().unwrap_or_else(|| panic!("{}", what()));
        assert_eq!(failure.code, codes::CHECKPOINT_DAMAGED, "{}: {failure}", what());
    };
    for length in (0..whole.len()).step_by(41) {
        refused(&whole[..length], &|| format!("cut to {length} bytes"));
    }
    let mut longer = whole.clone();
    longer.push(0);
    refused(&longer, &|| "one byte more".into());
    // All over the file, 10,000 and more where tests may be slow.
    let (stride, least) = if std::env::var_os("SDC_SLOW").is_some_and(|v| v == "1") { (3, 10_000) } else { (61, 500) };
    let bits = (0..whole.len() * 8).step_by(stride);
    assert!(bits.len() >= least, "{} flips", bits.len());
    for bit in bits {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused(&flipped, &|| format!("bit {bit} flipped"));
    }
}

#[test]
fn a_checkpoint_of_another_network_is_refused_by_name() {
    let (setting, home) = (Setting::new(1), tempfile::tempdir().expect("a folder"));
    let (_, folder) = setting.train(&mut Regression::default(), Some(0), &home.path().join("run"));
    let refused = |network: &Network| {
        let failure = Checkpoint::read(&folder.checkpoints().after(0), network).expect_err("another network");
        assert_eq!(failure.code, codes::CHECKPOINT_DAMAGED);
        failure.message
    };
    let other = |ops: Vec<LayerOp>| {
        let (body, output) = hand::layers(&Path::root(), Shape::new(1, 8, 8), ops);
        Network { body, output, ..network() }
    };
    assert!(refused(&other(vec![hand::conv3x3(4, 1)])).contains("has no conv[0].weight"));
    let wider = refused(&other(vec![LayerOp::Flatten, hand::linear(11)]));
    assert!(wider.contains("has linear[0].weight as F32 [10, 64], not F32 [11, 64]"), "{wider}");
    let unbiased = LayerOp::Linear { out: 10, bias: false, init: Init::UniformIn };
    assert!(refused(&other(vec![LayerOp::Flatten, unbiased])).contains("has linear[0].bias, which"));
    let missing = Checkpoint::read(&home.path().join("none"), &setting.network).expect_err("no such file");
    assert_eq!(missing.code, codes::CANNOT_READ);
}

#[test]
fn states_are_named_by_stable_paths() {
    let names: Vec<String> = states(&hand::network(Shape::new(3, 8, 8), 4, 1, 10), &[Memory::Momentum])
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names[..3], ["stem.conv[0].weight", "stem.conv[0].weight.momentum", "stem.bn[0].scale"]);
    assert!(names.contains(&"group[0].block[0].branch[0].bn[1].variance".to_owned()));
    assert!(!names.contains(&"group[0].block[0].branch[0].bn[1].variance.momentum".to_owned()));
    assert_eq!(names.last().map(String::as_str), Some("head.linear[0].bias.momentum"));
}

#[test]
fn runs_are_numbered_and_never_share_a_folder() {
    let home = tempfile::tempdir().expect("a folder");
    let runs = home.path().join("runs");
    let name = |folder: &RunFolder| folder.path().file_name().expect("a name").to_string_lossy().into_owned();
    let made: Vec<_> = (0..3).map(|_| name(&RunFolder::numbered_in(&runs, "Net").expect("a new folder"))).collect();
    assert_eq!(made, ["Net-1", "Net-2", "Net-3"]);
    fs::remove_dir(runs.join("Net-2")).expect("it is empty");
    assert_eq!(name(&RunFolder::numbered_in(&runs, "Net").expect("a new folder")), "Net-2");
    let taken = RunFolder::named(&runs.join("Net-1")).expect_err("it is there");
    assert_eq!(taken.code, codes::CANNOT_WRITE);
    RunFolder::named(&home.path().join("a/b/c")).expect("folders around it are made");
}

#[test]
fn runs_that_start_at_once_get_a_folder_each() {
    const RUNS: usize = 8;
    let home = tempfile::tempdir().expect("a folder");
    for round in 0..20 {
        let (runs, gate) = (home.path().join(round.to_string()), Barrier::new(RUNS));
        let start = || {
            gate.wait();
            RunFolder::numbered_in(&runs, "Net").expect("a new folder").path().to_owned()
        };
        let made: BTreeSet<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..RUNS).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it gets one")).collect()
        });
        let wanted: BTreeSet<_> = (1..=RUNS).map(|number| runs.join(format!("Net-{number}"))).collect();
        assert_eq!(made, wanted);
    }
}

fn weight(path: &str, dims: Vec<usize>, init: Init) -> Parameter {
    Parameter { path: Path::from(path), dims, init: ParameterInit::Drawn(init), role: Role::Weight }
}

#[test]
fn initial_weights_are_the_words_of_their_path() {
    let conv = weight("stem.conv[0].weight", vec![7, 3, 3, 3], Init::HeNormalOut);
    let values = initial(&conv, 5);
    assert_eq!(values.len(), 189);
    let stream = Stream::of_path("stem.conv[0].weight");
    let deviation = (2.0f64 / (9.0 * 7.0)).sqrt();
    for pair in 0..94u64 {
        let expected = normal_pair(stream.word(5, 0, 2 * pair), stream.word(5, 0, 2 * pair + 1));
        let at = 2 * pair as usize;
        assert_eq!([values[at], values[at + 1]], expected.map(|z| (z * deviation) as f32));
    }
    let linear = weight("linear[0].weight", vec![10, 64], Init::UniformIn);
    let unit = |word: u32| (word >> 8) as f32 / 16_777_216.0;
    let values = initial(&linear, 5);
    let words = (0..640).map(|i| Stream::of_path("linear[0].weight").word(5, 0, i));
    assert!(values.iter().zip(words).all(|(&v, word)| v == -0.125 + 0.25 * unit(word)));
}

#[test]
fn initial_weights_have_the_deviations_of_the_papers() {
    let groups_of_two = vec![64, 16, 3, 3];
    for (init, variance) in [
        (Init::HeNormalOut, 2.0 / (9.0 * 64.0)),
        (Init::HeNormalIn, 2.0 / (9.0 * 16.0)),
        (Init::Normal { deviation: 0.01 }, 1e-4),
        (Init::UniformIn, 1.0 / (3.0 * 9.0 * 16.0)),
        (Init::Zeros, 0.0),
    ] {
        let values = initial(&weight("w", groups_of_two.clone(), init), 0);
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / count;
        // Six standard errors; those of the variance are sqrt(2 / n) of it for a normal weight, less for a uniform one.
        assert!(mean.abs() <= 6.0 * (variance / count).sqrt(), "{init}: {mean}");
        assert!((square - variance).abs() <= 6.0 * (2.0 / count).sqrt() * variance, "{init}: {square}");
    }
    let seeds = [0, 1].map(|seed| initial(&weight("w", vec![4, 4], Init::HeNormalIn), seed));
    assert_ne!(seeds[0], seeds[1]);
}

/// Rates by hand: 0.1, three steps an epoch.
#[test]
fn schedules_follow_their_tables() {
    let rates = |schedule: Vec<Schedule>, epochs| {
        let mut recipe = recipe(epochs);
        (recipe.optimizer.lr, recipe.schedule) = (0.1, schedule);
        (0..3 * epochs as u64).map(|step| recipe.rate(step, 3)).collect::<Vec<f64>>()
    };
    let close = |rates: Vec<f64>, table: &[f64]| {
        assert_eq!(rates.len(), table.len());
        assert!(rates.iter().zip(table).all(|(a, b)| (a - b).abs() < 1e-15), "{rates:?} for {table:?}");
    };
    close(rates(vec![], 1), &[0.1, 0.1, 0.1]);
    let steps = Schedule::Steps { after: vec![1, 2], factor: 0.1 };
    close(rates(vec![steps.clone()], 3), &[0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001]);
    // (1 + cos(pi t / 6)) / 2: 1, (2 + sqrt 3) / 4, 3/4, 1/2, 1/4, (2 - sqrt 3) / 4.
    let root = 3.0f64.sqrt();
    let cosine = [1.0, (2.0 + root) / 4.0, 0.75, 0.5, 0.25, (2.0 - root) / 4.0].map(|f| 0.1 * f);
    close(rates(vec![Schedule::Cosine { per_step: true }], 2), &cosine);
    close(rates(vec![Schedule::Cosine { per_step: false }], 2), &[0.1, 0.1, 0.1, 0.05, 0.05, 0.05]);
    let warmup = Schedule::Warmup { epochs: 1 };
    let third = 0.1 / 3.0;
    close(rates(vec![warmup, steps], 2), &[third, 2.0 * third, 0.1, 0.01, 0.01, 0.01]);
}

/// An engine whose device gives up in a step.
struct Failing {
    engine: Regression,
    steps: u64,
}

impl Failing {
    fn ok<T>(&self, answer: T, nothing: T) -> T {
        if self.steps > 0 { answer } else { nothing }
    }
}

impl Engine for Failing {
    fn train_step(&mut self, images: &[f32], targets: &[f32], seed: u64, step: u32, rate: f32) -> f32 {
        self.steps = self.steps.saturating_sub(1);
        let loss = self.engine.train_step(images, targets, seed, step, rate);
        self.ok(loss, f32::NAN)
    }

    fn first_not_finite(&mut self, _: &[f32], _: &[f32], _: u64, _: u32, _: f32) -> Option<String> {
        None
    }

    fn logits(&mut self, images: &[f32]) -> Vec<f32> {
        self.engine.logits(images)
    }

    fn has(&self, state: &State) -> bool {
        self.engine.has(state)
    }

    fn read(&self, state: &State) -> Vec<f32> {
        let values = self.engine.read(state);
        let nothing = vec![f32::NAN; values.len()];
        self.ok(values, nothing)
    }

    fn write(&mut self, state: &State, values: &[f32]) {
        self.engine.write(state, values);
    }

    fn failure(&self) -> Option<Failure> {
        (self.steps == 0).then(|| Failure::new(codes::DEVICE_FAILED, "the device gave up", "try another"))
    }
}

#[test]
fn a_device_that_gives_up_ends_the_run_and_spoils_no_checkpoint() {
    let (setting, home) = (Setting::new(3), tempfile::tempdir().expect("a folder"));
    let mut engine = Failing { engine: Regression::default(), steps: 30 };
    let folder = RunFolder::named(&home.path().join("run")).expect("a new folder");
    let mut seen = Seen::default();
    let mut trainer = Trainer::new(setting.job(), &mut engine, &SystemDisk, Start::Drawn, None).expect("few steps");
    let failure = trainer.run(&folder, &mut seen).expect_err("the device gives up");
    assert_eq!((failure.code, failure.message.as_str()), (codes::DEVICE_FAILED, "the device gave up"));
    assert_eq!(seen.steps.len(), 29);
    // What was saved after the first epoch is whole, and nothing after it.
    assert_eq!(newest(&folder, &setting.network).record.progress.step, 24);
}
