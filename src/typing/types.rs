//! The types of values. Absence: no value and no scope is known here.

use std::fmt;

/// The type of a value: a base, inside so many lists (`[[int]]` has two).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// What the innermost elements are.
    pub base: Base,
    /// How many lists there are around them.
    pub lists: u8,
}

/// A type that is not a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Of an expression that is already refused, and of the elements of `[]`: fits everywhere.
    Any,
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Real,
    /// A number in [0, 1].
    Prob,
    /// `true` or `false`.
    Bool,
    /// A text.
    Str,
    /// An interval of numbers.
    Range,
    /// How finely a draw is made.
    Level,
    /// A block, perhaps with some arguments bound.
    Block,
    /// How a weight starts.
    Init,
    /// A number that is drawn anew in each step; in rules only.
    Draw,
}

impl Type {
    /// Fits everywhere.
    pub const ANY: Type = Type::scalar(Base::Any);
    /// `int`
    pub const INT: Type = Type::scalar(Base::Int);
    /// `real`
    pub const REAL: Type = Type::scalar(Base::Real);
    /// `prob`
    pub const PROB: Type = Type::scalar(Base::Prob);
    /// `bool`
    pub const BOOL: Type = Type::scalar(Base::Bool);
    /// `string`
    pub const STR: Type = Type::scalar(Base::Str);
    /// `range`
    pub const RANGE: Type = Type::scalar(Base::Range);
    /// `level`
    pub const LEVEL: Type = Type::scalar(Base::Level);
    /// `block`
    pub const BLOCK: Type = Type::scalar(Base::Block);
    /// `init`
    pub const INIT: Type = Type::scalar(Base::Init);
    /// A random number.
    pub const DRAW: Type = Type::scalar(Base::Draw);

    /// Not a list.
    pub const fn scalar(base: Base) -> Type {
        Type { base, lists: 0 }
    }

    /// A list of such values.
    pub const fn list(self) -> Type {
        Type { base: self.base, lists: self.lists.saturating_add(1) }
    }

    /// What an element of this list is.
    pub fn element(self) -> Option<Type> {
        match (self.lists, self.base) {
            (0, Base::Any) => Some(Type::ANY),
            (0, _) => None,
            (n, base) => Some(Type { base, lists: n - 1 }),
        }
    }

    /// Whether it is a number that needs no draw.
    pub fn is_number(self) -> bool {
        self.lists == 0 && matches!(self.base, Base::Any | Base::Int | Base::Real | Base::Prob)
    }

    /// Whether a draw has a part in it.
    pub fn is_drawn(self) -> bool {
        self.base == Base::Draw
    }

    /// Whether such a value may stand where `wanted` is taken: the same type, or a number that widens. A real may
    /// stand for a prob; its value is checked when it is known.
    pub fn fits(self, wanted: Type) -> bool {
        if self.base == Base::Any || wanted.base == Base::Any {
            return self.lists == wanted.lists || self == Type::ANY || wanted == Type::ANY;
        }
        self.lists == wanted.lists
            && (self.base == wanted.base
                || match wanted.base {
                    Base::Real | Base::Prob => matches!(self.base, Base::Int | Base::Real | Base::Prob),
                    Base::Draw => matches!(self.base, Base::Int | Base::Real | Base::Prob),
                    Base::Any
                    | Base::Int
                    | Base::Bool
                    | Base::Str
                    | Base::Range
                    | Base::Level
                    | Base::Block
                    | Base::Init => false,
                })
    }

    /// The type that takes both, as the elements of one list or the results of an `if`.
    pub fn join(self, other: Type) -> Option<Type> {
        if self == other || other == Type::ANY {
            return Some(self);
        }
        if self == Type::ANY {
            return Some(other);
        }
        if self.lists != other.lists {
            return None;
        }
        let base = match (self.base, other.base) {
            (Base::Any, b) | (b, Base::Any) => b,
            (Base::Draw, Base::Int | Base::Real | Base::Prob) | (Base::Int | Base::Real | Base::Prob, Base::Draw) => {
                Base::Draw
            }
            (Base::Int | Base::Real | Base::Prob, Base::Int | Base::Real | Base::Prob) => Base::Real,
            (a, b) if a == b => a,
            _ => return None,
        };
        Some(Type { base, lists: self.lists })
    }

    /// The types that a text can name.
    pub const NAMED: &[(&str, Type)] = &[
        ("int", Type::INT),
        ("real", Type::REAL),
        ("prob", Type::PROB),
        ("bool", Type::BOOL),
        ("string", Type::STR),
        ("range", Type::RANGE),
        ("level", Type::LEVEL),
        ("block", Type::BLOCK),
        ("init", Type::INIT),
    ];

    /// What such a value is, for sentences.
    pub fn with_article(self) -> String {
        match (self.lists, self.base) {
            (0, Base::Int) => "a whole number".into(),
            (0, Base::Real) => "a real number".into(),
            (0, Base::Prob) => "a probability".into(),
            (0, Base::Bool) => "true or false".into(),
            (0, Base::Str) => "a text".into(),
            (0, Base::Range) => "a range such as `-1..1`".into(),
            (0, Base::Level) => "a level (`batch`, `image`, `channel`, `pixel`)".into(),
            (0, Base::Block) => "a block".into(),
            (0, Base::Init) => "an initialiser such as `he_normal_in`".into(),
            (0, Base::Draw) => "a random number".into(),
            (0, Base::Any) => "anything".into(),
            (_, Base::Any) => "a list".into(),
            (_, _) => {
                format!("a list `{self}`")
            }
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.base {
            Base::Any => "any",
            Base::Int => "int",
            Base::Real => "real",
            Base::Prob => "prob",
            Base::Bool => "bool",
            Base::Str => "string",
            Base::Range => "range",
            Base::Level => "level",
            Base::Block => "block",
            Base::Init => "init",
            Base::Draw => "draw",
        };
        let lists = usize::from(self.lists);
        write!(f, "{}{name}{}", "[".repeat(lists), "]".repeat(lists))
    }
}
