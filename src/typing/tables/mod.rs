//! What the language has by name: layers, functions, words and options of `train`, as data. Checking, hovering,
//! completion and documentation read the same rows.

mod foreign;
mod functions;
mod layers;
mod options;

use std::fmt;

pub use foreign::{foreign, meant};
pub use functions::{Builtin, DrawKind, FUNCTIONS, FunctionSpec, Word, function, word, words};
pub use layers::{LAYERS, LayerKind, LayerSpec, layer};
pub use options::{KeySpec, OptionSpec, TRAIN_KEYS, Takes};

use super::types::Type;
use crate::net::Init;

/// A parameter of a layer or an option.
#[derive(Clone, Debug)]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Where not empty: the words that it takes in place of a value.
    pub words: &'static [&'static str],
    /// Between which numbers it must lie.
    pub bounds: Bounds,
    /// What it is where nothing is said.
    pub preset: Preset,
    /// A line of documentation.
    pub doc: &'static str,
}

/// What a parameter is where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Preset {
    /// It must be given.
    Required,
    /// It stays away.
    Absent,
    /// This.
    Int(i64),
    /// This.
    Real(f64),
    /// This.
    Bool(bool),
    /// This.
    Init(Init),
    /// This word.
    Word(&'static str),
    /// Worked out from others, as the text says.
    Computed(&'static str),
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Preset::Required | Preset::Absent => Ok(()),
            Preset::Int(v) => write!(f, "{v}"),
            Preset::Real(v) => write!(f, "{v:?}"),
            Preset::Bool(v) => write!(f, "{v}"),
            Preset::Init(Init::Normal { deviation }) => write!(f, "normal({deviation:?})"),
            Preset::Init(init) => {
                let named = words().iter().find(|(_, w, _)| *w == Word::Init(*init));
                f.write_str(named.map_or("", |(name, _, _)| name))
            }
            Preset::Word(text) | Preset::Computed(text) => f.write_str(text),
        }
    }
}

/// An interval that a parameter's value must lie in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lower end.
    pub lo: f64,
    /// The upper end.
    pub hi: f64,
    /// Whether the lower end itself is refused.
    pub above: bool,
    /// Whether the upper end itself is refused.
    pub below: bool,
}

impl Bounds {
    /// Any number.
    pub const NONE: Bounds = Bounds { lo: f64::NEG_INFINITY, hi: f64::INFINITY, above: false, below: false };
    /// A size: from 1 to what a tensor can have.
    pub const SIZE: Bounds = Bounds { lo: 1.0, hi: 2147483648.0, above: false, below: false };
    /// A number of steps: from 1 to what draws can count.
    pub const STEPS: Bounds = Bounds { lo: 1.0, hi: 4294967295.0, above: false, below: false };
    /// A size or nothing.
    pub const PADDING: Bounds = Bounds { lo: 0.0, ..Bounds::SIZE };
    /// From 0.
    pub const NOT_NEGATIVE: Bounds = Bounds { lo: 0.0, ..Bounds::NONE };
    /// Above 0.
    pub const POSITIVE: Bounds = Bounds { lo: 0.0, above: true, ..Bounds::NONE };
    /// From 0 to 1.
    pub const UNIT: Bounds = Bounds { lo: 0.0, hi: 1.0, above: false, below: false };
    /// Above 0, to 1.
    pub const PART: Bounds = Bounds { lo: 0.0, hi: 1.0, above: true, below: false };
    /// From 0, below 1.
    pub const SHARE: Bounds = Bounds { lo: 0.0, hi: 1.0, above: false, below: true };

    /// Whether the number lies in it.
    pub fn hold(&self, v: f64) -> bool {
        (if self.above { v > self.lo } else { v >= self.lo }) && (if self.below { v < self.hi } else { v <= self.hi })
    }
}

impl Bounds {
    /// Why a number is refused, and which the nearest is that is not: "must be at least 1", "the smallest is 1".
    pub fn refusal(&self, v: f64) -> (String, String) {
        let (end, exclusive, low) = if v < self.lo || (self.above && v == self.lo) {
            (self.lo, self.above, true)
        } else {
            (self.hi, self.below, false)
        };
        let word = match (low, exclusive) {
            (true, false) => "at least",
            (true, true) => "above",
            (false, false) => "at most",
            (false, true) => "below",
        };
        let help = match (exclusive, low) {
            (true, _) => format!("give a number {word} {end}"),
            (false, true) => format!("the smallest is {end}"),
            (false, false) => format!("the largest is {end}"),
        };
        (format!("must be {word} {end}"), help)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lo = format!("{} {}", if self.above { "above" } else { "at least" }, self.lo);
        let hi = format!("{} {}", if self.below { "below" } else { "at most" }, self.hi);
        match (self.lo.is_finite(), self.hi.is_finite()) {
            (false, false) => f.write_str("any number"),
            (true, false) => f.write_str(&lo),
            (false, true) => f.write_str(&hi),
            (true, true) => write!(f, "{lo} and {hi}"),
        }
    }
}

/// A parameter that must be given.
const fn required(name: &'static str, ty: Type, bounds: Bounds, doc: &'static str) -> ParamSpec {
    ParamSpec { name, ty, words: &[], bounds, preset: Preset::Required, doc }
}

/// A parameter with a preset.
const fn optional(name: &'static str, ty: Type, bounds: Bounds, preset: Preset, doc: &'static str) -> ParamSpec {
    ParamSpec { name, ty, words: &[], bounds, preset, doc }
}

/// `name(a: int, b: real = 1.0)`.
pub fn signature(name: &str, params: &[ParamSpec]) -> String {
    let each: Vec<String> = params
        .iter()
        .map(|p| {
            let ty = if p.words.is_empty() { p.ty.to_string() } else { p.words.join(" or ") };
            match p.preset {
                Preset::Required | Preset::Absent => format!("{}: {ty}", p.name),
                _ => format!("{}: {ty} = {}", p.name, p.preset),
            }
        })
        .collect();
    if each.is_empty() { name.to_owned() } else { format!("{name}({})", each.join(", ")) }
}
