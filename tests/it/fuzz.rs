//! Programs with several edits at random: whatever they have become, the whole of checking (names, types, running them)
//! answers soon, on a small stack, and with places that lie in the text.

use std::time::{Duration, Instant};

use sdc::num::draw::Stream;
use sdc::source::NoFiles;
use sdc::stdlib;

use crate::mutate::tokens;
use crate::program::check;
use crate::support::SMALL_STACK;

/// The longest that an answer may take.
const SOON: Duration = Duration::from_secs(2);

/// Values that sit at the edge of something.
const EDGES: &[&str] = &[
    "0",
    "-1",
    "1e308",
    "1e-320",
    "9223372036854775807",
    "2147483649",
    "0.5",
    "[]",
    "[[1]]",
    "\"\"",
    "true",
    "-1..1",
    "l",
    "L",
    "in.channels",
    "batch",
    "forward",
    "bernoulli(0.5)",
    "uniform(0..1)",
    "div(1, 0)",
    "len([])",
    "pad",
    "..",
];

/// Every program of the library, the examples and the golden files.
fn programs() -> Vec<String> {
    let mut all: Vec<String> = stdlib::MODULES.iter().map(|(_, text)| (*text).to_owned()).collect();
    for folder in ["examples", "tests/golden/nets", "tests/golden/mistakes", "tests/golden/ast"] {
        let mut paths: Vec<_> = std::fs::read_dir(folder).expect("it is there").flatten().map(|e| e.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "sd"));
        paths.sort();
        all.extend(paths.iter().map(|path| std::fs::read_to_string(path).expect("it can be read")));
    }
    all.retain(|text| !tokens(text, 0..text.len()).is_empty());
    all
}

/// Numbers for choices, the same in every run.
struct Choices {
    taken: u64,
}

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.taken += 1;
        Stream::of_path("fuzz").word(0, 0, self.taken) as usize % n.max(1)
    }
}

/// A program with one to four edits of whole tokens, so that most still parse.
fn edited(programs: &[String], choices: &mut Choices) -> String {
    let mut text = programs[choices.below(programs.len())].clone();
    for _ in 0..1 + choices.below(4) {
        let own = tokens(&text, 0..text.len());
        if own.is_empty() {
            break;
        }
        let at = own[choices.below(own.len())].clone();
        let with = match choices.below(5) {
            0 => String::new(),
            1 => EDGES[choices.below(EDGES.len())].to_owned(),
            2 => text[own[choices.below(own.len())].clone()].to_owned(),
            3 => {
                let other = &programs[choices.below(programs.len())];
                let tokens = tokens(other, 0..other.len());
                let from = choices.below(tokens.len());
                let to = (from + choices.below(12)).min(tokens.len() - 1);
                other[tokens[from].start..tokens[to].end].to_owned()
            }
            _ => format!("{0} {0}", &text[at.clone()]),
        };
        text.replace_range(at, &with);
    }
    text
}

/// Judges one text; what breaks a promise.
fn fault(text: &str) -> Option<String> {
    let start = Instant::now();
    let outcome = match std::panic::catch_unwind(|| check(text, &NoFiles)) {
        Ok(outcome) => outcome,
        Err(_) => return Some("it panics".to_owned()),
    };
    for problem in outcome.problems.sorted() {
        let fix = problem.fix.iter().map(|f| f.span);
        for span in problem.labels.iter().map(|l| l.span).chain(fix) {
            if outcome.sources.get(span.source).text.get(span.range()).is_none() {
                return Some(format!("a place outside the text: {problem:?}"));
            }
        }
        if problem.help.is_empty() {
            return Some(format!("no help: {problem:?}"));
        }
    }
    let time = start.elapsed();
    (time > SOON).then(|| format!("it takes {time:?}"))
}

#[test]
fn checking_answers_whatever_a_program_has_become() {
    let texts = if std::env::var_os("SDC_SLOW").is_some() { 20_000 } else { 1_000 };
    let work = move || {
        let (programs, mut choices) = (programs(), Choices { taken: 0 });
        for n in 0..texts {
            let text = edited(&programs, &mut choices);
            if let Some(fault) = fault(&text) {
                panic!("text {n}: {fault}\n{text}");
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK).spawn(work).expect("a thread starts");
    thread.join().expect("no text has a fault");
}
