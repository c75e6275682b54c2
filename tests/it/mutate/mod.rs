//! Plants single mistakes in a text: walks its tree and its tokens, and where a person could slip, makes the slip.
//!
//! An [`Operator`] is one kind of slip, made only where it leaves a text that is wrong, or one of the same meaning: what
//! leaves a right network that is another one (a width of 17 for 16, a layer that stands twice) is no mistake that a
//! compiler can know. The same text always gives the same mutants. Absence: nothing is compiled here.

mod items;
mod statements;
mod tokens;
mod values;

use std::ops::Range;

use sdc::diag::Problems;
use sdc::num::draw::Stream;
use sdc::source::{Sources, Span};
use sdc::syntax::{self, tree};

pub use self::tokens::tokens;

/// One kind of slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// A value of another type.
    WrongType,
    /// A declared type that the uses do not fit.
    WrongDeclaredType,
    /// A name with a letter too many, too few, or two swapped.
    MisspeltName,
    /// The same for a word of the language.
    MisspeltWord,
    /// The same where a parameter, `let` or item is defined, so that its uses find nothing.
    MisspeltDefinition,
    /// A symbol of other languages: `&&`, `=`, `**`.
    ForeignSymbol,
    /// An arm whose width, stride, padding or groups no longer fit.
    WrongShape,
    /// `branch` for `shortcut`, `path` for `branch`.
    WrongArm,
    /// A number outside the range of its place.
    OutOfRange,
    /// An argument that has no default is gone.
    MissingArgument,
    /// An arm is gone.
    MissingArm,
    /// A statement that others need is gone: `let`, a fact, `forward`, `input`, `net`, `use`, an option.
    MissingStatement,
    /// A bracket is gone.
    MissingBracket,
    /// A comma, colon, operator or other mark is gone.
    MissingMark,
    /// An argument, parameter, option or name that nothing takes.
    ExtraArgument,
    /// A statement or option that stands twice, or that nothing knows.
    ExtraStatement,
    /// A token stands twice.
    ExtraToken,
    /// Two arguments of different types have changed places.
    SwappedArguments,
    /// Two neighbouring tokens have changed places.
    SwappedTokens,
}

/// A text with one mistake in it.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub operator: Operator,
    pub text: String,
    /// The item of the text (`block`, `model`, …) in which the mistake stands.
    pub item: Range<usize>,
    /// The statement, parameter or option in which it stands.
    pub place: Range<usize>,
    /// What stood there, and what stands there now.
    pub edit: String,
}

/// Every mutant of the items in the first `end` bytes of a right `text`.
pub fn mutants(text: &str, end: usize) -> Vec<Mutant> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let source = sources.add("original.sd", text);
    let file = syntax::parse(source, text, &mut problems);
    assert!(problems.is_empty(), "the original is right");
    let mut walk = Walk { text, item: 0..0, place: 0..0, in_arm: false, planted: Vec::new() };
    for item in file.items.iter().filter(|i| i.span.range().end <= end) {
        walk.item = item.span.range();
        walk.place = item.span.range();
        walk.item(item);
        walk.tokens(item.span.range());
    }
    walk.planted
}

/// A number for the `n`-th choice of a kind, below `below`.
fn chosen(what: &str, n: usize, below: usize) -> usize {
    Stream::of_path(what).word(0, 0, n as u64) as usize % below
}

/// `name` as a hurried person writes it.
pub fn misspelt(name: &str, n: usize) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = chosen(name, n, letters.len());
    match chosen(name, n + 1, 3) {
        0 if letters.len() > 3 => drop(letters.remove(at)),
        1 if at > 0 && letters[at - 1] != letters[at] => letters.swap(at - 1, at),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

/// The walk over a tree, with where it is.
struct Walk<'a> {
    text: &'a str,
    item: Range<usize>,
    place: Range<usize>,
    /// Whether the layers here are those of a residual's or `scale`'s arm, whose shape must agree with another's.
    in_arm: bool,
    planted: Vec<Mutant>,
}

impl Walk<'_> {
    fn plant(&mut self, operator: Operator, at: Range<usize>, with: &str) {
        let moved = |r: &Range<usize>| r.start..(r.end + with.len()).saturating_sub(at.len()).max(r.start);
        self.planted.push(Mutant {
            operator,
            text: format!("{}{with}{}", &self.text[..at.start], &self.text[at.end..]),
            item: moved(&self.item),
            place: moved(&self.place),
            edit: format!("`{}` becomes `{with}`", &self.text[at.clone()]),
        });
    }

    fn replace(&mut self, operator: Operator, at: Span, with: &str) {
        self.plant(operator, at.range(), with);
    }

    fn insert(&mut self, operator: Operator, at: usize, what: &str) {
        self.plant(operator, at..at, what);
    }

    fn remove(&mut self, operator: Operator, at: Span) {
        self.plant(operator, at.range(), "");
    }

    /// What stands at `at` stands twice.
    fn double(&mut self, operator: Operator, at: Span, between: &str) {
        let twice = format!("{between}{}", &self.text[at.range()]);
        self.insert(operator, at.range().end, &twice);
    }

    /// Runs `inside` with `span` as the place of what is planted.
    fn at(&mut self, span: Span, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.place, span.range());
        inside(self);
        self.place = before;
    }

    /// Runs `inside` as part of an arm whose shape must be another's, or not.
    fn arm(&mut self, in_arm: bool, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.in_arm, in_arm);
        inside(self);
        self.in_arm = before;
    }

    fn misspell(&mut self, operator: Operator, name: &tree::Name) {
        let n = self.planted.len();
        self.replace(operator, name.span, &misspelt(&name.text, n));
    }
}
