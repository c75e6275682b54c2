//! What several test modules need: parsing with rendered problems, and a small stack.

use std::path::Path;
use std::time::{Duration, Instant};

use sdc::diag::{self, Problem, Problems, codes};
use sdc::source::Sources;
use sdc::syntax::{self, tree};

/// A parsed text with everything that is wrong with it.
pub struct Parsed {
    pub file: tree::File,
    pub problems: Problems,
    pub sources: Sources,
}

/// Parses `text` under the name `test.sd`.
pub fn parse(text: &str) -> Parsed {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let id = sources.add("test.sd", text);
    let file = syntax::parse(id, text, &mut problems);
    Parsed { file, problems, sources }
}

/// All problems as a person reads them, without colours.
pub fn rendered(parsed: &Parsed) -> String {
    diag::render(&parsed.problems, &parsed.sources, false, 100)
}

/// The stack on which nothing may overflow.
pub const SMALL_STACK: usize = 1 << 20;

/// The processor's time that this thread has taken, which other work on the machine does not change; where the system
/// does not say, the time on the clock since `start`.
pub fn processor_time(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Runs `work` on a thread with a stack of [`SMALL_STACK`] bytes; its result and how much of a processor's time it took.
pub fn on_small_stack<T: Send>(work: impl FnOnce() -> T + Send) -> (T, Duration) {
    let timed = move || {
        let start = Instant::now();
        let result = work();
        (result, processor_time(start))
    };
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().stack_size(SMALL_STACK).spawn_scoped(scope, timed).expect("a thread starts");
        thread.join().expect("the work does not panic")
    })
}

/// Compares with the snapshot beside a golden input, which holds the input and the output.
pub fn check_golden(input: &Path, make: impl FnOnce(&str) -> String) {
    let text = std::fs::read_to_string(input).expect("the golden input can be read");
    let both = format!("{text}\n──── becomes ────\n{}", make(&text));
    let name = input.file_stem().and_then(|n| n.to_str()).expect("the name is text");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(input.parent().expect("a file stands in a folder"));
    settings.set_prepend_module_to_snapshot(false);
    settings.remove_snapshot_suffix();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, both));
}

/// Holds the problems against the marks in the text: `//~ CODE` on the line of a problem, `//~^ CODE` on the line below
/// it, one mark a problem.
pub fn check_marks(text: &str, parsed: &Parsed) {
    let mut marked = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let Some((_, mark)) = line.split_once("//~") else { continue };
        let code = mark.trim_start_matches('^').trim();
        assert!(codes::ALL.iter().any(|(c, _)| c.0 == code), "line {}: `{code}` is no code", i + 1);
        marked.push((i + 1 - (mark.len() - mark.trim_start_matches('^').len()), code.to_owned()));
    }
    let place = |p: &Problem| (parsed.sources.line_column(p.span()).0, p.code.to_string());
    let mut found: Vec<_> = parsed.problems.sorted().into_iter().map(place).collect();
    marked.sort();
    found.sort();
    assert_eq!(found, marked, "problems found (left) and marked (right), by line");
}

/// Every mistake has a way out, and its place lies in the text.
pub fn check_problems(parsed: &Parsed) {
    for problem in parsed.problems.sorted() {
        assert!(!problem.help.is_empty(), "no help in {problem:?}");
        assert!(!problem.message.ends_with('.'), "a full stop in {problem:?}");
        let fix = problem.fix.iter().map(|f| f.span);
        for span in problem.labels.iter().map(|l| l.span).chain(fix) {
            let source = parsed.sources.get(span.source);
            assert!(source.text.get(span.range()).is_some(), "a place outside the text in {problem:?}");
        }
    }
}
