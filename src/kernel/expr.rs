//! Scalar expressions: what is computed at one point of a loop nest.
//!
//! A point is (n, c, h, w): image, channel, row, column. All arithmetic is f32, each operation rounded on its own (no
//! fused multiply-add), so that every backend computes the same bits; `exp` and `ln` are polynomials with a fixed
//! order of operations (see `codegen`).

use super::BufferId;
use crate::net::recipe::{Every, averaging, bias_correction};
use crate::net::{Level, Window};
use crate::num::draw::{self, Stream};

/// An expression of a map, by its place in the map's list; operands stand before those that use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u32);

impl Value {
    /// As an index into the map's list.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Const(f32),
    /// A number of the step.
    Param(Param),
    /// What lies at this point of a buffer.
    Load {
        /// The buffer.
        buffer: BufferId,
        /// Which of its elements.
        at: Place,
    },
    /// What other points of a feature map hold.
    Gather {
        /// The buffer.
        buffer: BufferId,
        /// Its rows.
        height: usize,
        /// Its columns.
        width: usize,
        /// Which points, and how they are joined.
        gather: Gather,
    },
    /// A random number.
    Draw(Draw),
    /// An operation on one operand.
    Unary(Unary, Value),
    /// An operation on two operands.
    Binary(Binary, Value, Value),
    /// `then` where `cond` is above 0, else `otherwise`.
    Select {
        /// Compared with 0.
        cond: Value,
        /// Where it is larger.
        then: Value,
        /// Where it is not (or not a number).
        otherwise: Value,
    },
    /// The operand, but 0 in the lanes that pad the last block of channels.
    Mask(Value),
    /// The operand joined over an axis, in the order of the axis.
    Reduce {
        /// Over which.
        over: Axis,
        /// How.
        op: ReduceOp,
        /// What.
        body: Value,
    },
}

/// A number that is known when a step starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Param {
    /// The learning rate.
    Rate,
    /// N.
    Batch,
    /// 1 where the step begins a group, else 0.
    Begins(Every),
    /// 1 where the step ends a group, else 0.
    Ends(Every),
    /// The [bias correction](bias_correction) of a mean that decays by `beta`.
    Correction {
        /// Of the mean.
        beta: f64,
        /// What makes an update.
        every: Every,
    },
    /// The [decay](averaging) of a moving average.
    Averaging {
        /// What it grows to.
        decay: f64,
        /// What makes an update.
        every: Every,
    },
}

impl Param {
    /// The number in a step (from 0) on `batch` images.
    pub fn value(self, batch: usize, step: u32, rate: f32) -> f32 {
        match self {
            Param::Rate => rate,
            Param::Batch => batch as f32,
            Param::Begins(every) => f32::from(u8::from(every.begins(step))),
            Param::Ends(every) => f32::from(u8::from(every.ends(step))),
            Param::Correction { beta, every } => bias_correction(beta, every.updates(step)) as f32,
            Param::Averaging { decay, every } => averaging(decay, every.updates(step)) as f32,
        }
    }
}

/// Which element of a buffer belongs to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `[n][c][h][w]`.
    Point,
    /// `[n][c]`: one a plane.
    Plane,
    /// `[c]`; of a flat array's sixteen lanes.
    Channel,
    /// `[i]`, of a flat array: its sixteen lanes are channels, what follows them pixels.
    Flat,
    /// `[n][c - by][h][w]`; 0 where c - by is none of the buffer's `channels`.
    Moved {
        /// The buffer's channels.
        channels: usize,
        /// By how many channels the buffer's first lies behind.
        by: isize,
    },
    /// The same elements in another shape: element c H W + h W + w of an image, of a buffer of `pixels` a channel.
    Reshaped {
        /// H W of the buffer.
        pixels: usize,
    },
}

/// Reads of other points of a plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gather {
    /// (h - down, w - right), 0 outside.
    Shift {
        /// Rows.
        down: isize,
        /// Columns.
        right: isize,
    },
    /// (h s, w s).
    Subsample {
        /// s.
        stride: usize,
    },
    /// (h / s, w / s) where both divide, else 0.
    Spread {
        /// s.
        stride: usize,
    },
    /// The sum of a window, the padding counting as zeros.
    WindowSum(Window),
    /// The largest of a window; the padding never wins.
    WindowMax(Window),
    /// The sum over all windows that hold (h, w): the transpose of `WindowSum`.
    WindowSumBack(Window),
    /// The sum over all windows of which (h, w) is the first largest element of `x`.
    WindowMaxBack {
        /// The window.
        window: Window,
        /// What was pooled; as large as the map's plane.
        x: BufferId,
    },
}

/// A random number at a point (draw format 1, `num::draw`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Which stream.
    pub stream: Stream,
    /// How finely.
    pub level: Level,
    /// From what.
    pub distribution: Distribution,
}

impl Draw {
    /// Whether it is one Bernoulli draw for the whole batch.
    pub fn is_gate(&self) -> bool {
        self.level == Level::Batch && matches!(self.distribution, Distribution::Bernoulli { .. })
    }

    /// Whether it is a Bernoulli draw that is one number for a whole task of a map.
    pub fn splits_tasks(&self) -> bool {
        self.level <= Level::Image && matches!(self.distribution, Distribution::Bernoulli { .. })
    }

    /// How often it is 1, where it is 0 otherwise.
    pub fn probability(&self) -> Option<f64> {
        match self.distribution {
            Distribution::Bernoulli { threshold } => Some(draw::bernoulli_probability(threshold)),
            Distribution::Uniform { .. } => None,
        }
    }
}

/// How a word becomes a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// 1 where the word lies below the threshold, else 0.
    Bernoulli {
        /// Up to 2^32.
        threshold: u64,
    },
    /// lo + width * (word / 2^8) * 2^-24.
    Uniform {
        /// The lower end.
        lo: f32,
        /// The upper end less the lower one.
        width: f32,
    },
}

impl From<crate::net::rule::Distribution> for Distribution {
    fn from(d: crate::net::rule::Distribution) -> Self {
        match d {
            crate::net::rule::Distribution::Bernoulli { p } => {
                Distribution::Bernoulli { threshold: draw::bernoulli_threshold(p) }
            }
            crate::net::rule::Distribution::Uniform { lo, hi } => {
                Distribution::Uniform { lo: lo as f32, width: (hi - lo) as f32 }
            }
        }
    }
}

/// An operation on one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// -a
    Neg,
    /// The square root, correctly rounded.
    Sqrt,
    /// e to the power of a.
    Exp,
    /// The natural logarithm of a positive number.
    Ln,
}

/// An operation on two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
    /// a / b
    Div,
    /// The smaller; b where they do not compare.
    Min,
    /// The larger; b where they do not compare.
    Max,
}

/// How values are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReduceOp {
    /// Added.
    Sum,
    /// The largest.
    Max,
    /// The first along the axis.
    First,
}

/// An axis of a loop nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// n.
    Batch,
    /// c, the padding left out.
    Channels,
    /// h and w: first along each row, then over the rows.
    Pixels,
}

/// A set of axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axes(u8);

impl Axes {
    /// None.
    pub const NONE: Axes = Axes(0);
    /// All three.
    pub const ALL: Axes = Axes(7);

    /// With one more.
    pub const fn with(self, axis: Axis) -> Axes {
        Axes(self.0 | 1 << axis as u8)
    }

    /// Without one.
    pub const fn without(self, axis: Axis) -> Axes {
        Axes(self.0 & !(1 << axis as u8))
    }

    /// Those of both.
    pub const fn union(self, other: Axes) -> Axes {
        Axes(self.0 | other.0)
    }

    /// Whether it is one of them.
    pub const fn has(self, axis: Axis) -> bool {
        self.0 & 1 << axis as u8 != 0
    }
}

impl Expr {
    /// The operands.
    pub fn operands(&self) -> impl Iterator<Item = Value> {
        let list = match *self {
            Expr::Const(_) | Expr::Param(_) | Expr::Load { .. } | Expr::Gather { .. } | Expr::Draw(_) => {
                [None, None, None]
            }
            Expr::Unary(_, a) | Expr::Mask(a) | Expr::Reduce { body: a, .. } => [Some(a), None, None],
            Expr::Binary(_, a, b) => [Some(a), Some(b), None],
            Expr::Select { cond, then, otherwise } => [Some(cond), Some(then), Some(otherwise)],
        };
        list.into_iter().flatten()
    }

    /// The draw, where it is a gate: one Bernoulli draw a batch.
    pub fn as_gate(&self) -> Option<Draw> {
        match self {
            Expr::Draw(draw) if draw.is_gate() => Some(*draw),
            _ => None,
        }
    }

    /// The same operation on other operands.
    pub fn map_operands(&self, mut with: impl FnMut(Value) -> Value) -> Expr {
        match *self {
            Expr::Const(_) | Expr::Param(_) | Expr::Load { .. } | Expr::Gather { .. } | Expr::Draw(_) => self.clone(),
            Expr::Unary(op, a) => Expr::Unary(op, with(a)),
            Expr::Mask(a) => Expr::Mask(with(a)),
            Expr::Reduce { over, op, body } => Expr::Reduce { over, op, body: with(body) },
            Expr::Binary(op, a, b) => {
                let a = with(a);
                Expr::Binary(op, a, with(b))
            }
            Expr::Select { cond, then, otherwise } => {
                let (cond, then) = (with(cond), with(then));
                Expr::Select { cond, then, otherwise: with(otherwise) }
            }
        }
    }

    /// The buffers that this one operation reads.
    pub fn reads(&self) -> impl Iterator<Item = BufferId> {
        let list = match *self {
            Expr::Load { buffer, .. } => [Some(buffer), None],
            Expr::Gather { buffer, gather: Gather::WindowMaxBack { x, .. }, .. } => [Some(buffer), Some(x)],
            Expr::Gather { buffer, .. } => [Some(buffer), None],
            Expr::Const(_)
            | Expr::Param(_)
            | Expr::Draw(_)
            | Expr::Unary(..)
            | Expr::Mask(_)
            | Expr::Reduce { .. }
            | Expr::Binary(..)
            | Expr::Select { .. } => [None, None],
        };
        list.into_iter().flatten()
    }

    /// The axes along which this operation itself varies; those of its operands come on top.
    pub fn own_axes(&self) -> Axes {
        let plane = Axes::NONE.with(Axis::Batch).with(Axis::Channels);
        match self {
            Expr::Const(_) | Expr::Param(_) | Expr::Unary(..) | Expr::Binary(..) | Expr::Select { .. } => Axes::NONE,
            Expr::Reduce { .. } => Axes::NONE,
            Expr::Mask(_) => Axes::NONE.with(Axis::Channels),
            Expr::Load { at, .. } => match at {
                Place::Point | Place::Moved { .. } | Place::Reshaped { .. } => Axes::ALL,
                Place::Plane => plane,
                Place::Channel => Axes::NONE.with(Axis::Channels),
                Place::Flat => Axes::NONE.with(Axis::Channels).with(Axis::Pixels),
            },
            Expr::Gather { .. } => Axes::ALL,
            Expr::Draw(draw) => match draw.level {
                Level::Batch => Axes::NONE,
                Level::Image => Axes::NONE.with(Axis::Batch),
                Level::Channel => plane,
                Level::Pixel => Axes::ALL,
            },
        }
    }
}
