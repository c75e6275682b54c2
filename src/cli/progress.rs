//! How a run shows itself: on a terminal a live view, elsewhere a line an epoch; or JSON lines; or nothing.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::summary::size;
use super::{columns, print};
use crate::device::host;
use crate::diag::Failure;
use crate::kernel::{Draw, Plan, When};
use crate::train::{EpochMetrics, StepReport};

/// What is asked for on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// Only what goes wrong.
    Quiet,
    /// One JSON object a line.
    Json,
}

/// A run's view.
pub struct View {
    style: Style,
    /// On a terminal alone.
    live: Option<Live>,
    epochs: usize,
}

impl View {
    /// A view of a run of so many epochs in batches of `batch`, whose branches the gates close.
    pub fn new(style: Style, epochs: usize, batch: usize, gates: Gates) -> Self {
        let live = style == Style::Text && std::io::stderr().is_terminal();
        View { style, live: live.then(|| Live::new(epochs, batch, gates)), epochs }
    }

    /// A line for people.
    pub fn line(&self, line: &str) {
        match (self.style, &self.live) {
            (Style::Text, Some(live)) => live.bar.suspend(|| {
                // A file gets whole lines, whatever the terminal beside it is like.
                let line = if std::io::stdout().is_terminal() { broken(line, live_width()) } else { line.to_owned() };
                print(format!("{line}\n"));
            }),
            (Style::Text, None) => print(format!("{line}\n")),
            (Style::Quiet | Style::Json, _) => {}
        }
    }

    /// An object for programs.
    pub fn object(&self, object: &serde_json::Value) {
        match self.style {
            Style::Json => print(format!("{object}\n")),
            Style::Text | Style::Quiet => {}
        }
    }

    /// Something that goes wrong and does not end the run; loud in every style.
    pub fn warn(&self, failure: &Failure) {
        // Nothing is left to be told where standard error itself is gone.
        let tell = || drop(writeln!(std::io::stderr(), "warning: {failure}"));
        match &self.live {
            Some(live) => live.bar.suspend(tell),
            None => tell(),
        }
        self.object(&json!({ "event": "warning", "code": failure.code.0, "message": failure.message }));
    }

    /// A step was done.
    pub fn step(&mut self, report: &StepReport) {
        if let Some(live) = &mut self.live {
            live.step(report);
        }
    }

    /// An epoch is over.
    pub fn epoch(&mut self, m: &EpochMetrics) {
        self.line(&epoch_line(m, self.epochs));
        let mut object = json!({ "event": "epoch" });
        object.as_object_mut().expect("it is one").append(&mut epoch_object(m));
        self.object(&object);
        if let Some(live) = &mut self.live {
            live.accuracies.push(m.test_accuracy);
            live.losses.push(m.train_loss);
            live.next = Instant::now();
        }
    }

    /// Takes the live view from the screen.
    pub fn close(&self) {
        if let Some(live) = &self.live {
            live.bar.finish_and_clear();
        }
    }
}

/// An epoch for programs.
pub fn epoch_object(m: &EpochMetrics) -> Map<String, Value> {
    let object = json!({
        "epoch": m.epoch, "step": m.step, "rate": m.rate, "train_loss": m.train_loss, "test_loss": m.test_loss,
        "test_accuracy": m.test_accuracy, "validation_accuracy": m.validation_accuracy,
    });
    let Value::Object(fields) = object else { unreachable!("braces make an object") };
    fields
}

/// An epoch in words.
pub fn epoch_line(m: &EpochMetrics, epochs: usize) -> String {
    let held = m.validation_accuracy.map_or(String::new(), |a| format!("  validation accuracy {:.2} %", 100.0 * a));
    format!(
        "epoch {:>3}/{epochs}  rate {:<8}  train loss {:.4}  test loss {:.4}  test accuracy {:.2} %{held}",
        m.epoch,
        short(m.rate),
        m.train_loss,
        m.test_loss,
        100.0 * m.test_accuracy,
    )
}

/// Six digits after the point, without zeros at the end.
fn short(rate: f64) -> String {
    format!("{rate:.6}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The gates of a training step, which close branches for whole batches.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    gates: Vec<Draw>,
    seed: u64,
}

impl Gates {
    /// Those of a plan, each once, drawn from `seed`.
    pub fn of(plan: Option<&Plan>, seed: u64) -> Self {
        let mut gates: Vec<Draw> = Vec::new();
        for draw in plan.iter().flat_map(|plan| &plan.kernels).flat_map(|kernel| kernel.when.draws()) {
            if !gates.contains(draw) {
                gates.push(*draw);
            }
        }
        Gates { gates, seed }
    }

    /// How many of them a step closes.
    fn closed(&self, step: u64) -> usize {
        let closed = |gate: &&Draw| !When::Open(vec![**gate]).holds(self.seed, step as u32);
        self.gates.iter().filter(closed).count()
    }
}

/// What a terminal shows.
struct Live {
    bar: ProgressBar,
    epochs: usize,
    batch: u64,
    gates: Gates,
    losses: Vec<f64>,
    accuracies: Vec<f64>,
    /// Steps done and branches closed since the view began, and when that was.
    seen: u64,
    closed: u64,
    started: Option<Instant>,
    /// When the view is due again.
    next: Instant,
}

/// Between two looks of the live view.
const EVERY: Duration = Duration::from_millis(100);

impl Live {
    fn new(epochs: usize, batch: usize, gates: Gates) -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template's field is indicatif's");
        let bar = ProgressBar::no_length().with_style(style);
        Live {
            bar,
            epochs,
            batch: batch as u64,
            gates,
            losses: vec![],
            accuracies: vec![],
            seen: 0,
            closed: 0,
            started: None,
            next: Instant::now(),
        }
    }

    fn step(&mut self, report: &StepReport) {
        // The first step is not counted: it finds everything cold.
        let Some(started) = self.started else { return self.started = Some(Instant::now()) };
        self.seen += 1;
        self.closed += self.gates.closed(report.step - 1) as u64;
        // No faster than eyes, but the last step in any case.
        let now = Instant::now();
        if now < self.next && report.step < report.steps {
            return;
        }
        self.next = now + EVERY;
        let step_seconds = started.elapsed().as_secs_f64() / self.seen as f64;
        self.bar.set_message(self.text(report, step_seconds, live_width()));
    }

    fn text(&self, report: &StepReport, step_seconds: f64, width: usize) -> String {
        let left = step_seconds * (report.steps - report.step) as f64;
        let mut pieces = vec![
            format!("epoch {}/{}", report.epoch, self.epochs),
            gauge(report.step, report.steps),
            format!("step {}/{}", report.step, report.steps),
            format!("{} left", duration(left)),
            format!("loss {:.4}", report.loss),
            format!("rate {}", short(report.rate)),
            format!("{:.0} images/s", self.batch as f64 / step_seconds),
        ];
        pieces.extend(host::memory().map(size));
        if !self.gates.gates.is_empty() {
            let share = self.closed as f64 / (self.seen * self.gates.gates.len() as u64) as f64;
            pieces.push(format!("{:.0} % of branches skipped", 100.0 * share));
        }
        let mut lines = filled(&pieces, "  ", width);
        if let (Some(loss), Some(accuracy)) = (self.losses.last(), self.accuracies.last()) {
            lines.push(line_of("train loss", &self.losses, format!("{loss:.4}"), width));
            let best = self.accuracies.iter().copied().fold(0.0, f64::max);
            let figures = [format!("{:.2} %", 100.0 * accuracy), format!("best {:.2} %", 100.0 * best)];
            // Where there is little room, the curve is worth more than what the last lines say anyway.
            let figures = if width < 60 { figures[0].clone() } else { figures.join(", ") };
            lines.push(line_of("test accuracy", &self.accuracies, figures, width));
        }
        lines.join("\n")
    }
}

/// The columns that may be written to; the last stays free: some terminals go on to the next line where it is written.
fn live_width() -> usize {
    columns().unwrap_or(80).max(2) - 1
}

/// A line in as many as it takes: broken between its parts, which two spaces part, or between words.
fn broken(line: &str, width: usize) -> String {
    let between = if line.contains("  ") { "  " } else { " " };
    filled(&line.split(between).map(str::to_owned).collect::<Vec<_>>(), between, width).join("\n")
}

/// Pieces side by side, as many a line as it holds; lines after the first are moved in.
fn filled(pieces: &[String], between: &str, width: usize) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let mut lines: Vec<String> = vec![];
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if length(line) + length(between) + length(piece) <= width => {
                line.push_str(between);
                line.push_str(piece);
            }
            Some(_) => lines.push(format!("  {piece}")),
            None => lines.push(piece.clone()),
        }
    }
    lines
}

/// How much is done.
fn gauge(done: u64, all: u64) -> String {
    const CELLS: u64 = 20;
    let full = (done * CELLS).checked_div(all).unwrap_or(CELLS).min(CELLS) as usize;
    "█".repeat(full) + &"░".repeat(CELLS as usize - full)
}

/// A curve between its name and its figures.
fn line_of(name: &str, values: &[f64], figures: String, width: usize) -> String {
    let room = width.saturating_sub(2 + 13 + 1 + 1 + figures.len()).min(40);
    format!("  {name:<13} {} {figures}", curve(values, room))
}

/// Hours, minutes and seconds.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// The last values, at most `room`, as a row of bars between the least and the largest.
fn curve(values: &[f64], room: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(room)..];
    let low = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let high = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: &f64| match high > low {
        true => BARS[(((value - low) / (high - low)) * (BARS.len() - 1) as f64).round() as usize],
        false => BARS[0],
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::{Gates, Live, StepReport, broken, curve};

    #[test]
    fn no_line_of_the_view_is_wider_than_the_terminal() {
        let mut live = Live::new(30, 128, Gates::default());
        live.losses = (0..100).map(|i| 2.3 / f64::from(1 + i)).collect();
        live.accuracies = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let report = StepReport { epoch: 17, step: 12_345, steps: 60_000, rate: 0.012_345, loss: 1.234_5 };
        for width in [39, 59, 79, 119, 400] {
            let text = live.text(&report, 0.01, width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{widest:?} of {width}:\n{text}");
            for part in ["epoch 17/30", "step 12345/60000", "7:56 left", "loss 1.2345", "12800 images/s", "99.00 %"] {
                assert!(text.contains(part), "{part}:\n{text}");
            }
        }
    }

    #[test]
    fn lines_are_broken_between_their_parts() {
        let line = "epoch   1/4  rate 0.1  train loss 1.7852  test accuracy 65.22 %";
        assert_eq!(broken(line, 79), line);
        assert_eq!(broken(line, 39), "epoch   1/4  rate 0.1\n  train loss 1.7852\n  test accuracy 65.22 %");
        assert_eq!(broken("one two three", 8), "one two\n  three");
    }

    #[test]
    fn a_curve_shows_the_last_values_between_the_least_and_the_largest() {
        assert_eq!(curve(&[9.0, 0.0, 7.0, 3.0], 3), "▁█▄");
        assert_eq!(curve(&[2.0, 2.0], 9), "▁▁");
        assert_eq!(curve(&[], 9), "");
    }
}
