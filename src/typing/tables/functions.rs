//! The functions of expressions, the two draws, and the words that stand for levels and initialisers.

use crate::net::{Init, Level};

/// A function of the language.
#[derive(Clone, Copy, Debug)]
pub struct FunctionSpec {
    /// Its name.
    pub name: &'static str,
    /// Which.
    pub function: Builtin,
    /// How it is called.
    pub signature: &'static str,
    /// What it gives.
    pub doc: &'static str,
}

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `floor`
    Floor,
    /// `ceil`
    Ceil,
    /// `round`
    Round,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `sqrt`
    Sqrt,
    /// `div`
    Div,
    /// `len`
    Len,
    /// `normal`
    Normal,
    /// `bernoulli` or `uniform`
    Draw(DrawKind),
}

/// From what a draw is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawKind {
    /// 1 with a probability, else 0.
    Bernoulli,
    /// Evenly from a range.
    Uniform,
}

const fn row(name: &'static str, function: Builtin, signature: &'static str, doc: &'static str) -> FunctionSpec {
    FunctionSpec { name, function, signature, doc }
}

/// Every function.
pub static FUNCTIONS: &[FunctionSpec] = &[
    row("floor", Builtin::Floor, "floor(x: real) -> int", "The largest whole number that is not above x."),
    row("ceil", Builtin::Ceil, "ceil(x: real) -> int", "The smallest whole number that is not below x."),
    row("round", Builtin::Round, "round(x: real) -> int", "The nearest whole number; halves go up."),
    row("min", Builtin::Min, "min(a, b, …)", "The smallest."),
    row("max", Builtin::Max, "max(a, b, …)", "The largest."),
    row("sqrt", Builtin::Sqrt, "sqrt(x: real) -> real", "The square root."),
    row("div", Builtin::Div, "div(a: int, b: int) -> int", "The whole quotient, rounded down."),
    row("len", Builtin::Len, "len(list) -> int", "How many elements a list has."),
    row("normal", Builtin::Normal, "normal(deviation: real) -> init", "Starts weights from a normal distribution."),
    row(
        "bernoulli",
        Builtin::Draw(DrawKind::Bernoulli),
        "bernoulli(p: prob, per: level = image)",
        "In a rule: 1 with probability p, else 0.",
    ),
    row(
        "uniform",
        Builtin::Draw(DrawKind::Uniform),
        "uniform(range, per: level = image)",
        "In a rule: evenly from lo..hi, hi itself never.",
    ),
];

/// The function with this name.
pub fn function(name: &str) -> Option<&'static FunctionSpec> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    /// How finely a draw is made.
    Level(Level),
    /// How a weight starts.
    Init(Init),
}

/// The words with what they stand for and a line of documentation.
pub fn words() -> &'static [(&'static str, Word, &'static str)] {
    &[
        ("batch", Word::Level(Level::Batch), "One draw for the whole batch."),
        ("image", Word::Level(Level::Image), "One draw an image."),
        ("channel", Word::Level(Level::Channel), "One draw an image and channel."),
        ("pixel", Word::Level(Level::Pixel), "One draw an element."),
        (
            "he_normal_out",
            Word::Init(Init::HeNormalOut),
            "Normal, variance 2 / (kernel^2 out) (He et al. 2015, equation 14).",
        ),
        (
            "he_normal_in",
            Word::Init(Init::HeNormalIn),
            "Normal, variance 2 / (kernel^2 in) (He et al. 2015, equation 10).",
        ),
        ("uniform_in", Word::Init(Init::UniformIn), "Uniform in +-1 / sqrt(in)."),
        ("zeros", Word::Init(Init::Zeros), "All zero."),
    ]
}

/// What this word stands for.
pub fn word(name: &str) -> Option<Word> {
    words().iter().find(|(n, _, _)| *n == name).map(|(_, w, _)| *w)
}
