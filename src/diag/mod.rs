//! Problems: what is wrong, where, why, and what to do. Collected, sorted, and rendered once.
//!
//! A stage pushes [`Problem`]s into [`Problems`] and goes on; the texts stand beside the stage that finds them, the
//! codes in [`codes`]. Absence: this module knows no stage; it only renders.

pub mod codes;
mod failure;
mod page;
mod render;
mod unreadable;
mod window;
mod words;

pub use codes::Code;
pub use failure::Failure;
pub use page::{Example, Page, page};
pub use render::{render, render_json};
pub use words::{counted, grouped, listed};

use std::collections::BTreeSet;

use crate::source::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program is refused.
    Error,
    /// The program runs, but a paper or its authors advise against it.
    Warning,
}

/// A place with a few words about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there, without a final full stop; may be empty.
    pub text: String,
}

/// An edit that mends the problem mechanically: what stands in `span` becomes `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to replace (empty to insert).
    pub span: Span,
    /// By what.
    pub text: String,
}

/// One mistake.
///
/// Invariants: `message` is one sentence without a final full stop; the first label is the place of the mistake;
/// `help` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable name, with a page of its own.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where; the first is the place itself, the others what it disagrees with.
    pub labels: Vec<Label>,
    /// Why the rule exists, where that is not plain from the message.
    pub reason: Option<String>,
    /// The way out.
    pub help: String,
    /// The way out as an edit, where it is mechanical.
    pub fix: Option<Fix>,
}

impl Problem {
    /// An error at `span`.
    pub fn error(code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label { span, text: String::new() }],
            reason: None,
            help: help.into(),
            fix: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::error(code, span, message, help) }
    }

    /// Words for the first label.
    pub fn here(mut self, text: impl Into<String>) -> Self {
        self.labels[0].text = text.into();
        self
    }

    /// A further place that matters.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Why the rule exists.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The mechanical mend.
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, text: text.into() });
        self
    }

    /// Asks whether a name was meant; where no other can have been, it is the mend in place of `span`.
    pub fn meant(self, span: Span, near: Near<'_>) -> Self {
        let asked = Problem { help: near.question(""), ..self };
        if near.is_sure { asked.fix(span, near.name) } else { asked }
    }

    /// The place of the mistake.
    pub fn span(&self) -> Span {
        self.labels[0].span
    }
}

/// The most problems that one run shows; the rest is counted.
pub const MAX_SHOWN: usize = 50;

/// Every problem of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    seen: BTreeSet<(Span, Code, String)>,
}

impl Problems {
    /// Adds one; the same problem at the same place is kept once.
    pub fn push(&mut self, problem: Problem) {
        if self.seen.insert((problem.span(), problem.code, problem.message.clone())) {
            self.list.push(problem);
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Problems) {
        other.list.into_iter().for_each(|p| self.push(p));
    }

    /// Whether any of them refuses the program.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|p| p.severity == Severity::Error)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In order of file, place, severity and code.
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut all: Vec<_> = self.list.iter().collect();
        all.sort_by_key(|p| (p.span(), p.severity, p.code));
        all
    }
}

/// A name that may be what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near<'a> {
    /// The name.
    pub name: &'a str,
    /// Another one that is as near.
    pub or: Option<&'a str>,
    /// Whether it is so near, and nearer than all others, that it may be put in place without asking.
    pub is_sure: bool,
}

impl<'a> Near<'a> {
    /// One that is known to be meant.
    pub fn sure(name: &'a str) -> Self {
        Near { name, or: None, is_sure: true }
    }

    /// Asks whether it was meant, with what stands before all names of its kind.
    pub fn question(&self, prefix: &str) -> String {
        let or = self.or.map_or(String::new(), |or| format!(" or `{prefix}{or}`"));
        format!("did you mean `{prefix}{}`{or}?", self.name)
    }
}

/// The slips of a word that is sure to be another.
const SURE: usize = 2;

/// The candidate nearest to a misspelt `name`, if one is near enough to be meant; capitals make no distance.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(name, candidates).map(|near| near.name)
}

/// The same, and whether it is sure.
pub fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<Near<'a>> {
    // The distance is at least the difference in length: names that are far too long cost nothing.
    let length = name.chars().count();
    let allowed = |c: &str| c.chars().count().max(3) / 3;
    let mut all: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|c| c.chars().count().abs_diff(length) <= allowed(c))
        .map(|c| (if c.eq_ignore_ascii_case(name) { 0 } else { strsim::damerau_levenshtein(name, c) }, c))
        // Words of which no letter is the same are not alike.
        .filter(|(distance, c)| *distance <= allowed(c) && (*distance < length || *distance < c.chars().count()))
        .collect();
    all.sort_unstable();
    all.dedup();
    let (distance, name) = *all.first()?;
    let or = all.get(1).filter(|(other, _)| *other == distance).map(|(_, or)| *or);
    Some(Near { name, or, is_sure: or.is_none() && distance <= SURE })
}

#[cfg(test)]
mod tests {
    use super::{Near, near, nearest};

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(nearest("shakdrop", ["random_drop", "shakedrop"]), Some("shakedrop"));
        assert_eq!(nearest("wdith", ["width", "stride"]), Some("width"));
        assert_eq!(nearest("zebra", ["width", "stride"]), None);
        assert_eq!(nearest("BN", ["bn", "width"]), Some("bn"));
        assert_eq!(nearest("k", ["i", "j"]), None, "no letter is the same");
    }

    #[test]
    fn a_name_is_sure_where_no_other_is_as_near() {
        assert_eq!(near("blcok", ["block", "blocks"]), Some(Near::sure("block")));
        assert_eq!(near("nit", ["int", "init"]), Some(Near { name: "init", or: Some("int"), is_sure: false }));
        assert_eq!(near("nit", ["int", "init"]).unwrap().question("t."), "did you mean `t.init` or `t.int`?");
        assert_eq!(near("shakdrpp", ["shakedrop", "shakedrop"]), Some(Near::sure("shakedrop")));
    }
}
