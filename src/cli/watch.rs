//! What stands between a run and the world while it trains: the clock, the signals, the files that tell of it, the view.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::progress::{View, epoch_line};
use super::signals::Signals;
use crate::diag::Failure;
use crate::train::{Asked, EpochMetrics, Events, Observer, RunFolder, StepReport, Work};

/// Sees a run, writes its log and events, shows it, and asks for checkpoints when time has come.
pub struct Watch<'a> {
    view: View,
    signals: &'a Signals,
    /// As the user says; else often enough, and not so often that it counts.
    save_every: Option<Duration>,
    saved: Instant,
    epochs: usize,
    log: Log,
    events: Events,
    spent: Spent,
}

/// Seconds that a session has spent on each kind of work.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    work: Option<Work>,
    since: Instant,
    seconds: [f64; 4],
    /// How long the last checkpoint took.
    last_saving: Duration,
}

impl Spent {
    const NAMES: [(Work, &str, &str); 4] = [
        (Work::Steps, "steps", "steps"),
        (Work::Tests, "tests", "tests"),
        (Work::Saving, "saving", "saving"),
        (Work::Waiting, "waiting", "waiting for data"),
    ];

    fn begin() -> Self {
        Spent { work: None, since: Instant::now(), seconds: [0.0; 4], last_saving: Duration::ZERO }
    }

    /// What follows belongs to this kind of work.
    fn turn_to(&mut self, work: Option<Work>) {
        let now = Instant::now();
        if let Some(work) = self.work {
            let spent = now - self.since;
            self.seconds[work as usize] += spent.as_secs_f64();
            if work == Work::Saving {
                self.last_saving = spent;
            }
        }
        (self.work, self.since) = (work, now);
    }

    /// Each kind's share of them all, for people.
    fn line(&self) -> String {
        let all: f64 = self.seconds.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let share = |(work, _, name): &(Work, &str, &str)| {
            format!("{name} {:.2} %", 100.0 * self.seconds[*work as usize] / all)
        };
        format!("time {all:.1} s  {}", Self::NAMES.iter().map(share).collect::<Vec<_>>().join("  "))
    }

    /// The seconds, for programs.
    fn object(&self) -> Value {
        Self::NAMES.iter().map(|(work, key, _)| ((*key).to_owned(), json!(self.seconds[*work as usize]))).collect()
    }
}

impl<'a> Watch<'a> {
    /// Begins with a run whose first `step` steps are done.
    ///
    /// # Errors
    /// Where the run's folder takes no file.
    pub fn begin(
        folder: &RunFolder,
        step: u64,
        epochs: usize,
        view: View,
        signals: &'a Signals,
        save_every: Option<Duration>,
    ) -> Result<Self, Failure> {
        let events = Events::begin(folder.path(), step, now())?;
        let log = Log::open(folder)?;
        Ok(Watch { view, signals, save_every, saved: Instant::now(), epochs, log, events, spent: Spent::begin() })
    }

    /// Between two checkpoints.
    fn save_every(&self) -> Duration {
        const OFTEN: Duration = Duration::from_secs(60);
        self.save_every.unwrap_or_else(|| OFTEN.max(100 * self.spent.last_saving))
    }

    /// Tells a person and the log.
    pub fn tell(&mut self, line: &str) {
        self.view.line(line);
        self.log.line(line);
    }

    /// Tells the log alone.
    pub fn note(&mut self, line: &str) {
        self.log.line(line);
    }

    /// Tells a program.
    pub fn object(&self, object: &Value) {
        self.view.object(object);
    }

    /// Tells what the time was spent on, to a person and the log; the seconds for programs.
    pub fn tell_time(&mut self) -> Value {
        self.spent.turn_to(None);
        self.tell(&self.spent.line());
        self.spent.object()
    }

    /// When all is over.
    pub fn end(self) {
        if let Some(failure) = &self.log.failed {
            self.view.warn(failure);
        }
        self.view.close();
    }

    /// Tells a person and the log of something that goes wrong and does not end the run.
    pub fn warn(&mut self, failure: &Failure) {
        self.view.warn(failure);
        self.log.line(&format!("warning: {failure}"));
    }
}

impl Observer for Watch<'_> {
    fn asked(&mut self) -> Asked {
        if self.signals.stop() {
            Asked::Stop
        } else if self.signals.save() || self.saved.elapsed() >= self.save_every() {
            self.saved = Instant::now();
            Asked::Save
        } else {
            Asked::GoOn
        }
    }

    fn turns_to(&mut self, work: Work) {
        self.spent.turn_to(Some(work));
    }

    fn step(&mut self, report: &StepReport) {
        self.view.step(report);
    }

    fn epoch(&mut self, m: &EpochMetrics) {
        self.view.epoch(m);
        self.log.line(&epoch_line(m, self.epochs));
        let points = [
            ("loss/train", m.train_loss),
            ("loss/test", m.test_loss),
            ("accuracy/test", m.test_accuracy),
            ("rate", m.rate),
        ];
        let held = m.validation_accuracy.map(|accuracy| ("accuracy/validation", accuracy));
        let points: Vec<_> = points.into_iter().chain(held).collect();
        if let Err(failure) = self.events.add(m.step, now(), &points) {
            self.warn(&failure);
        }
        // An epoch ends with a checkpoint of its own.
        self.saved = Instant::now();
    }

    fn unsaved(&mut self, failure: &Failure) {
        self.warn(failure);
    }
}

/// Seconds since 1970, for TensorBoard's axis of time.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// The run's log, open at its end.
struct Log {
    file: File,
    path: PathBuf,
    /// Why it misses a line.
    failed: Option<Failure>,
}

impl Log {
    fn open(folder: &RunFolder) -> Result<Self, Failure> {
        let path = folder.log();
        match File::options().create(true).append(true).open(&path) {
            Ok(file) => Ok(Log { file, path, failed: None }),
            Err(e) => Err(Failure::unwritten(&path, &e)),
        }
    }

    fn line(&mut self, line: &str) {
        if let Err(e) = self.file.write_all(format!("{line}\n").as_bytes()) {
            self.failed = Some(Failure::unwritten(&self.path, &e));
        }
    }
}
