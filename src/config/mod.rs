//! The resolved program: every value that a run depends on, with where it came from, as data and as a program.
//!
//! A [`Config`] is the chosen model and its `train` item with nothing left unsaid: values from the command line are in
//! their places, defaults are written out, each beside its [`Origin`]; the items that they need stand with them, those of
//! files beside the program included. Printed, it is itself a program that builds the same network, with the same names
//! and the same draws, and trains it to the same bits.
//!
//! Absences: nothing is evaluated; a value is the text that gives it. Comments inside a model or a `train` item are not
//! kept; documentation and all other items stand as they were written.

mod call;
mod collect;
mod needs;
mod print;
mod train;
mod values;

pub use collect::collect;

use crate::source::{Sources, Span};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user's text says it here.
    Text(Span),
    /// Nothing is said; an item's parameter has this default.
    Item(Span),
    /// Nothing is said; the language has this default.
    Language,
    /// The command line says it: `--set PATH=VALUE`.
    CommandLine(Span),
}

impl Origin {
    /// In words: `digits.sd:22`, `default, std/resnet.sd:70`, `default of the language`, `--set train.epochs=5`.
    pub fn describe(self, sources: &Sources) -> String {
        match self {
            Origin::Text(span) => sources.locate(span),
            Origin::Item(span) => format!("default, {}", sources.locate(span)),
            Origin::Language => "default of the language".to_owned(),
            Origin::CommandLine(span) => {
                format!("--set {}", crate::syntax::one_line(&sources.get(span.source).text))
            }
        }
    }
}

/// A value with its name and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The parameter or key.
    pub name: String,
    /// The expression that gives it, on one line.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Given, or a default that means the same wherever it is written.
    Written(Value),
    /// A default that only its own item can write; a comment tells it.
    Told(Value),
}

/// A family, rule, data set or other thing with arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub callee: String,
    /// All its arguments.
    pub arguments: Vec<Argument>,
    /// Where it is called.
    pub origin: Origin,
}

/// A statement of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// As it is written.
    Plain(Value),
    /// `net CALL` or `place CALL on …`.
    Call {
        /// What stands before the call.
        word: &'static str,
        /// The call.
        call: Call,
        /// What stands behind it, on one line.
        rest: String,
    },
}

/// A parameter of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its type as written.
    pub ty: String,
    /// Its value, which becomes its default.
    pub value: Value,
}

/// The chosen model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its documentation, line by line.
    pub doc: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its statements.
    pub body: Vec<Statement>,
}

/// An option of `train`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `KEY VALUE`.
    Value(Value),
    /// `KEY OPTION(…) { … }`.
    Option {
        /// The key.
        key: &'static str,
        /// What it takes.
        choice: Choice,
    },
    /// `KEY { OPTION(…) … }`.
    Parts {
        /// The key.
        key: &'static str,
        /// Its parts, in order.
        parts: Vec<Choice>,
        /// Where it came from.
        origin: Origin,
    },
}

/// One of the things that a key of `train` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its name and arguments.
    pub call: Call,
    /// Its options.
    pub settings: Vec<Setting>,
}

/// The chosen model's `train` item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Train {
    /// Its documentation, line by line.
    pub doc: Vec<String>,
    /// Every key of the table.
    pub settings: Vec<Setting>,
}

/// `use FROM.{NAMES}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// `std.resnet`, or a path in quotes.
    pub from: String,
    /// Names, in order.
    pub names: Vec<String>,
    /// The hash of the text, where it is a file beside the program.
    pub hash: Option<u64>,
}

/// An item that stands as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its documentation and text.
    pub text: String,
    /// Its first line, where it comes from a file beside the program.
    pub from: Option<Span>,
}

/// A resolved program.
///
/// Invariants: every key of the tables of `train` that the chosen options have is there once; no value is left out but
/// those that [`Argument::Told`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The program's name, as the user typed it.
    pub program: String,
    /// A hash of the whole standard library's texts.
    pub library: u64,
    /// What is used from elsewhere.
    pub uses: Vec<Use>,
    /// Whether it is one of several models of which none is trained, so that a command has to name it.
    pub must_be_named: bool,
    /// The other items that it needs.
    pub items: Vec<Copied>,
    /// The chosen model.
    pub model: Model,
    /// How it is trained, if the program says so.
    pub train: Option<Train>,
}
