//! Inputs made at random, the same in every run: texts, programs, checkpoints, data files. Whatever they have become, an
//! answer comes soon, on a small stack, and is never a panic.
//!
//! A file is a kind of input; each test is one target. Rounds are counted, not timed, so that a run repeats.

mod files;
mod numbers;
mod programs;
mod texts;

use std::time::{Duration, Instant};

use sdc::num::draw::Stream;
use sdc::stdlib;

use crate::program::Outcome;
use crate::support::{on_small_stack, processor_time};

/// The longest that one answer may take of a processor's time.
const SOON: Duration = Duration::from_secs(2);

/// How many rounds a target takes: `quick`, or what takes about a minute.
fn rounds(quick: usize) -> usize {
    if std::env::var_os("SDC_SLOW").is_some() { 100 * quick } else { quick }
}

/// Numbers for choices, the same in every run.
pub struct Choices {
    stream: Stream,
    taken: u64,
}

impl Choices {
    pub fn of(target: &str) -> Self {
        Choices { stream: Stream::of_path(target), taken: 0 }
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.taken += 1;
        self.stream.word(0, 0, self.taken) as usize % n.max(1)
    }

    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Every program of the library, the examples and the golden files.
fn stored() -> Vec<String> {
    let mut all: Vec<String> = stdlib::MODULES.iter().map(|(_, text)| (*text).to_owned()).collect();
    for folder in ["examples", "tests/golden/nets", "tests/golden/mistakes", "tests/golden/ast", "tests/golden/syntax"]
    {
        let mut paths: Vec<_> = std::fs::read_dir(folder).expect("it is there").flatten().map(|e| e.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "sd"));
        paths.sort();
        all.extend(paths.iter().map(|path| std::fs::read_to_string(path).expect("it can be read")));
    }
    all
}

/// Judges what was said of a program: every place lies in its text, every mistake has a way out, all can be shown.
pub fn said_well(outcome: &Outcome) -> Result<(), String> {
    for problem in outcome.problems.sorted() {
        let fix = problem.fix.iter().map(|f| f.span);
        for span in problem.labels.iter().map(|l| l.span).chain(fix) {
            if outcome.sources.get(span.source).text.get(span.range()).is_none() {
                return Err(format!("a place outside the text: {problem:?}"));
            }
        }
        if problem.help.is_empty() {
            return Err(format!("no help: {problem:?}"));
        }
    }
    std::hint::black_box(outcome.rendered());
    Ok(())
}

/// What `work` makes, and how much of a processor's time that takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let before = processor_time(start);
    let made = work();
    (made, processor_time(start).saturating_sub(before))
}

/// Judges many inputs on a small stack; the first that breaks a promise ends it, with its text.
fn judge_all(count: usize, mut next: impl FnMut() -> String + Send, judge: impl Fn(&str) -> Result<(), String> + Send) {
    on_small_stack(move || {
        for n in 0..count {
            let input = next();
            let (judged, time) = timed(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&input))));
            match judged {
                Err(_) => panic!("input {n} makes it panic:\n{input}"),
                Ok(Err(fault)) => panic!("input {n}: {fault}\n{input}"),
                Ok(Ok(())) => assert!(time < SOON, "input {n} takes {time:?}:\n{input}"),
            }
        }
    });
}
