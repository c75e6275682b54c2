//! Values while a program runs.

use std::fmt;
use std::rc::Rc;

use crate::net::{Factor, Init, Level};
use crate::num::float;
use crate::resolve::ItemId;
use crate::source::Span;
use crate::typing::{Base, Type};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(i64),
    Real(f64),
    Bool(bool),
    Str(Rc<str>),
    Range(f64, f64),
    Level(Level),
    Init(Init),
    Block(Rc<BlockValue>),
    List(Rc<[Value]>),
    /// A random number: what it is made of.
    Draw(Rc<Factor>),
}

/// A block that is passed, with the arguments that are bound.
#[derive(Clone, Debug)]
pub(super) struct BlockValue {
    pub block: ItemId,
    /// By parameter.
    pub bound: Vec<Option<Value>>,
    /// How many blocks are bound in one another, this one included.
    pub depth: usize,
    /// Where the text writes it.
    pub origin: Span,
}

/// Why a value is not one of the type it is needed as.
pub(super) enum Unfit {
    /// Its type is another.
    Type,
    /// It is outside [0, 1].
    Probability(f64),
}

impl Value {
    /// The value, which is no list, as one of type `ty`.
    pub fn convert(self, ty: Type) -> Result<Value, Unfit> {
        if ty.lists > 0 {
            return Err(Unfit::Type);
        }
        match (ty.base, self) {
            (Base::Any, value) => Ok(value),
            (Base::Int, value @ Value::Int(_))
            | (Base::Real, value @ Value::Real(_))
            | (Base::Bool, value @ Value::Bool(_))
            | (Base::Str, value @ Value::Str(_))
            | (Base::Range, value @ Value::Range(..))
            | (Base::Level, value @ Value::Level(_))
            | (Base::Init, value @ Value::Init(_))
            | (Base::Block, value @ Value::Block(_))
            | (Base::Draw, value @ Value::Draw(_)) => Ok(value),
            (Base::Real, Value::Int(v)) => Ok(Value::Real(v as f64)),
            (Base::Prob, value) => match value.number() {
                Some(p) if (0.0..=1.0).contains(&p) => Ok(Value::Real(p)),
                Some(p) => Err(Unfit::Probability(p)),
                None => Err(Unfit::Type),
            },
            (Base::Draw, value) => match value.number() {
                Some(v) => Ok(Value::Draw(Factor::Const(v).into())),
                None => Err(Unfit::Type),
            },
            (
                Base::Int | Base::Real | Base::Bool | Base::Str | Base::Range | Base::Level | Base::Init | Base::Block,
                _,
            ) => Err(Unfit::Type),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Real(v) => Some(*v),
            _ => None,
        }
    }

    /// What it is, for sentences.
    pub fn with_article(&self) -> String {
        match self {
            Value::Int(_) => Type::INT.with_article(),
            Value::Real(_) => Type::REAL.with_article(),
            Value::Bool(_) => Type::BOOL.with_article(),
            Value::Str(_) => Type::STR.with_article(),
            Value::Range(..) => "a range".into(),
            Value::Level(_) => "a level".into(),
            Value::Init(_) => "an initialiser".into(),
            Value::Block(_) => Type::BLOCK.with_article(),
            Value::List(_) => "a list".into(),
            Value::Draw(_) => Type::DRAW.with_article(),
        }
    }

    /// Whether two values are the same: numbers by their value, blocks by their definition, whatever is bound.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Range(a, b), Value::Range(c, d)) => a == c && b == d,
            (Value::Level(a), Value::Level(b)) => a == b,
            (Value::Init(a), Value::Init(b)) => a == b,
            (Value::Block(a), Value::Block(b)) => a.block == b.block,
            (a, b) => matches!((a.number(), b.number()), (Some(a), Some(b)) if a == b),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(v) => write!(f, "{v}"),
            Value::Real(v) => write!(f, "{}", shown(*v)),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Str(v) => write!(f, "\"{v}\""),
            Value::Range(lo, hi) => write!(f, "{lo}..{hi}"),
            Value::Level(level) => write!(f, "{level}"),
            Value::Init(_) => f.write_str("an initialiser"),
            Value::Block(_) => f.write_str("a block"),
            Value::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Draw(_) => f.write_str("a random number"),
        }
    }
}

/// A number with at most six decimals, so that messages stay readable.
pub(super) fn shown(v: f64) -> String {
    let rounded = float::round_half_up(v * 1e6) / 1e6;
    if v != 0.0 && (rounded == 0.0 || v.abs() >= 1e15) { format!("{v:e}") } else { format!("{rounded}") }
}
