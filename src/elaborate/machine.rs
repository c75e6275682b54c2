//! The state of a running program: steps, depth, what has been built so far, and how a problem is told.

use std::collections::BTreeMap;

use super::value::Value;
use crate::diag::{Label, Problem, Problems, codes};
use crate::net::{Draw, Path, Shape};
use crate::source::{Sources, Span};
use crate::syntax::MAX_NESTING;
use crate::typing::program::{Figure, Item, Program, RuleCall};

/// The most steps of an evaluation: each statement, expression and round of a loop is one.
pub const MAX_STEPS: u64 = 1_000_000;
/// The most steps of what is evaluated only for a message.
const QUIET_STEPS: u64 = 1_000;
/// The deepest nesting of what runs, calls included: twice that of a text.
const MAX_DEPTH: usize = 2 * MAX_NESTING;

/// A problem has been told, or one was told before: this part of the program does not go on.
pub(super) struct Stop;

/// A value, or a stop.
pub(super) type Run<T> = Result<T, Stop>;

/// The values of an item that runs, and what is known around it.
#[derive(Clone, Default)]
pub(super) struct Frame {
    /// Parameters, `let`s and counters.
    pub slots: Vec<Value>,
    /// The shape that reaches the statement, in blocks.
    pub input: Option<Shape>,
    /// Where the rule stands, in its arguments and defaults.
    pub site: Option<SiteInfo>,
    /// What the network comes to, in assertions.
    pub figures: Option<Figures>,
}

/// What a network comes to.
#[derive(Clone, Copy)]
pub(super) struct Figures {
    pub parameters: u64,
    pub multiply_adds: u64,
    pub layers: usize,
    pub residuals: usize,
    pub sites: usize,
}

/// Where a rule stands.
#[derive(Clone, Copy)]
pub(super) struct SiteInfo {
    /// `l`; none outside residuals.
    pub l: Option<usize>,
    /// `L`
    pub count: usize,
    /// The shape of the residual's output, or of what the rule multiplies.
    pub output: Shape,
}

/// A rule called as a layer: its numbers are known when `L` is.
pub(super) struct Pending<'a> {
    pub call: &'a RuleCall,
    pub frame: Frame,
    pub l: Option<usize>,
    /// The calls that led there.
    pub trace: Vec<Span>,
}

/// The state of a running program.
pub(super) struct Machine<'a> {
    pub program: &'a Program,
    pub sources: &'a Sources,
    pub problems: &'a mut Problems,
    /// The constants that are known, by item.
    pub constants: Vec<Option<Value>>,
    /// The calls being run, outermost first.
    pub trace: Vec<Span>,
    /// The draws of the rule being instantiated.
    pub draws: Vec<Draw>,
    /// Whether a `let` of a rule is being evaluated.
    pub naming: bool,
    /// What is built.
    pub built: Built<'a>,
    pub steps: u64,
    depth: usize,
}

/// What has been built of a network so far.
#[derive(Default)]
pub(super) struct Built<'a> {
    pub layers: usize,
    pub parameters: u64,
    pub residuals: usize,
    /// The innermost open residual's `l`.
    pub inside: Option<usize>,
    /// `default LAYER(PARAM: …)`, by layer and parameter.
    pub presets: BTreeMap<(&'static str, &'static str), Value>,
    /// Rules called as layers, by path.
    pub pending: BTreeMap<Path, Pending<'a>>,
}

impl Figures {
    /// One of them; too large for a whole number of the language is its largest.
    pub fn get(self, figure: Figure) -> i64 {
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        match figure {
            Figure::Parameters => i64::try_from(self.parameters).unwrap_or(i64::MAX),
            Figure::MultiplyAdds => i64::try_from(self.multiply_adds).unwrap_or(i64::MAX),
            Figure::Layers => size(self.layers),
            Figure::Residuals => size(self.residuals),
            Figure::Sites => size(self.sites),
        }
    }
}

impl Frame {
    /// Sets a `let`, a counter or a parameter.
    pub fn set(&mut self, slot: usize, value: Value) {
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, Value::Int(0));
        }
        self.slots[slot] = value;
    }
}

impl<'a> Machine<'a> {
    pub fn new(program: &'a Program, sources: &'a Sources, problems: &'a mut Problems) -> Self {
        Machine {
            program,
            sources,
            problems,
            constants: vec![None; program.items.len()],
            trace: Vec::new(),
            draws: Vec::new(),
            naming: false,
            built: Built::default(),
            steps: 0,
            depth: 0,
        }
    }

    pub fn item(&self, id: crate::resolve::ItemId) -> &'a Item {
        &self.program.items[id.index()]
    }

    /// Counts one step.
    pub fn step(&mut self, span: Span) -> Run<()> {
        self.steps += 1;
        if self.steps <= MAX_STEPS {
            return Ok(());
        }
        let message = "the program takes more than a million steps";
        let help = "a network has at most 10,000 layers: look for a loop that runs too far";
        Err(self
            .stop(Problem::error(codes::TOO_MANY_STEPS, span, message, help).here("here when the limit was reached")))
    }

    /// Runs something nested one level deeper.
    pub fn deeper<T>(&mut self, span: Span, inside: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        self.step(span)?;
        if self.depth == MAX_DEPTH {
            let message = format!("calls and braces run more than {MAX_DEPTH} levels deep");
            let help = "look for a function or block that calls itself without end; write a loop in its place";
            return Err(self.stop(Problem::error(codes::TOO_DEEP, span, message, help)));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// Runs something that the call at `span` starts.
    pub fn called<T>(&mut self, span: Span, inside: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        self.trace.push(span);
        let result = self.deeper(span, inside);
        self.trace.pop();
        result
    }

    /// Tells a problem.
    pub fn stop(&mut self, problem: Problem) -> Stop {
        let problem = self.at_users_call(problem);
        self.problems.push(problem);
        Stop
    }

    /// A problem inside the standard library is the mistake of who called it: that call becomes its place.
    pub fn at_users_call(&self, mut problem: Problem) -> Problem {
        let in_library = |span: &Span| self.program.library.contains(&span.source);
        if in_library(&problem.span())
            && let Some(call) = self.trace.iter().rev().find(|span| !in_library(span))
        {
            let inside = &mut problem.labels[0];
            let text = std::mem::take(&mut inside.text);
            inside.text = if text.is_empty() { "here, called from the program".into() } else { text.clone() };
            problem.labels.insert(0, Label { span: *call, text });
            // Nobody mends the library from a program.
            problem.fix = None;
            return problem;
        }
        let covers = |a: Span, b: Span| a.source == b.source && a.start <= b.start && b.end <= a.end;
        match self.trace.last() {
            Some(call) if !in_library(call) && !covers(*call, problem.span()) => problem.label(*call, "in this call"),
            Some(_) | None => problem,
        }
    }

    /// ` at l = 3 of 9`, where a rule is being placed.
    pub fn at_site(frame: &Frame) -> String {
        match frame.site {
            Some(SiteInfo { l: Some(l), count, .. }) => format!(" at l = {l} of {count}"),
            Some(SiteInfo { l: None, .. }) | None => String::new(),
        }
    }

    /// Evaluates something small without telling problems.
    pub fn quietly<T>(&mut self, inside: impl FnOnce(&mut Self) -> Run<T>) -> Option<T> {
        let told = std::mem::take(self.problems);
        let steps = std::mem::replace(&mut self.steps, MAX_STEPS - QUIET_STEPS);
        let result = inside(self).ok();
        *self.problems = told;
        self.steps = steps;
        result
    }
}
