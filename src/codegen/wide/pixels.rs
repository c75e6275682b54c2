//! The noun: a straight line of arithmetic over the pixels of a plane.

use std::fmt;

use crate::kernel::{
    Axes, Axis, BLOCK, Binary, BufferId, Distribution, Domain, Draw, Expr, Map, Place, Store, Target, Unary, Value,
    blocks,
};
use crate::net::Level;
use crate::num::draw::Stream;
use crate::num::philox::{MULTIPLIERS, ROUNDS};

/// What a map does at every pixel of a plane, in one pass over its rows.
///
/// Invariants: a step uses earlier steps alone; a plane lies pixel by pixel as the map's domain has it, but for the tile,
/// whose rows have a length of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// H.
    pub height: usize,
    /// W.
    pub width: usize,
    /// What is read and written pixel by pixel.
    pub planes: Vec<Plane>,
    /// What all pixels share: sixteen lanes each; first what steps use.
    pub shared: Vec<Shared>,
    /// How many of these steps use.
    pub for_steps: usize,
    /// Where draws are made for each pixel: of what.
    pub draws: Option<Draws>,
    /// What is computed, in order.
    pub steps: Vec<Step>,
    /// What is kept of each pixel: in which plane, what.
    pub stores: Vec<(usize, Operand)>,
    /// What is summed over the pixels, first along each row, then over the rows. In a row of even width the pixels of even
    /// and of odd columns are summed apart.
    pub sums: Vec<Operand>,
}

/// What draws of pixels are made of: places in [`Pixels::shared`].
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// The streams.
    pub streams: Vec<Stream>,
    /// The counters of a turn's pixels, those of even and those of odd quarters.
    pub(super) counters: [usize; 2],
    /// What is added to them from turn to turn.
    pub(super) advance: usize,
    /// The second word of a counter.
    pub(super) step: usize,
    /// The third and the fourth word, stream by stream.
    pub(super) sites: Vec<[usize; 2]>,
    /// Philox's multipliers.
    pub(super) multipliers: [usize; 2],
    /// The key of each round.
    pub(super) keys: Vec<[usize; 2]>,
}

/// A plane of sixteen channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// The task's plane of a feature map.
    Of(BufferId),
    /// The plane of a feature map that lies so many blocks before the task's; anything where there is none.
    Before(BufferId, isize),
    /// The caller's tile.
    Tile,
}

/// A vector that is known before the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// A value that no pixel changes.
    Value(Value),
    /// All bits in the lanes of real channels, none in those that pad the last block.
    Channels,
    /// All bits where the feature map has the plane so many blocks before the task's, else none.
    Exists(BufferId, isize),
    /// The same bits in all lanes.
    Bits(u32),
    /// Lanes of 64 bits: the counters of the words that the first pixels of a plane draw, a turn of them. Of quarters 0 and
    /// 2, or of 1 and 3.
    Counters {
        /// Which.
        odd: bool,
    },
    /// Lanes of 64 bits: by how much counters differ from turn to turn.
    Advance,
    /// The number of the step.
    Step,
    /// A word of the key in a round.
    Key {
        /// 0 or 1.
        word: usize,
        /// From 0.
        round: usize,
    },
}

/// What a step works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A shared vector.
    Shared(usize),
    /// The result of a step.
    Step(usize),
    /// The words that the pixel draws from a stream, by its number.
    Words(usize),
}

/// One operation on sixteen lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// What lies at the pixel of a plane.
    Load(usize),
    /// The operand with its sign's bit changed; the second is that bit.
    Negate(Operand, Operand),
    /// The square root.
    Root(Operand),
    /// As [`Binary`] says.
    Binary(Binary, Operand, Operand),
    /// `then` where `cond` is above `zero`, else `otherwise`; 0 where there is none.
    Select {
        /// Compared.
        cond: Operand,
        /// A vector of zeros.
        zero: Operand,
        /// Where it is larger.
        then: Operand,
        /// Where it is not.
        otherwise: Option<Operand>,
    },
    /// The bits of the first that are set in the second.
    And(Operand, Operand),
    /// The upper 24 bits of words, as numbers.
    Top(Operand),
    /// The third where a word of the first lies below the second (both without a sign), else 0.
    Below(Operand, Operand, Operand),
}

impl Step {
    /// What it uses.
    pub fn operands(&self) -> impl Iterator<Item = Operand> {
        let list = match *self {
            Step::Load(_) => [None; 4],
            Step::Root(a) | Step::Top(a) => [Some(a), None, None, None],
            Step::Below(a, b, c) => [Some(a), Some(b), Some(c), None],
            Step::Negate(a, b) | Step::Binary(_, a, b) | Step::And(a, b) => [Some(a), Some(b), None, None],
            Step::Select { cond, zero, then, otherwise } => [Some(cond), Some(zero), Some(then), otherwise],
        };
        list.into_iter().flatten()
    }
}

impl Pixels {
    /// The loop of a map over features: these stores at each pixel, these values summed. None where it needs more than a
    /// straight line.
    pub fn of(map: &Map, axes: &[Axes], stores: &[Store], sums: &[Value]) -> Option<Pixels> {
        let Domain::Feature { height, width, .. } = map.domain else { return None };
        let empty = Pixels {
            height,
            width,
            planes: vec![],
            shared: vec![],
            for_steps: 0,
            draws: None,
            steps: vec![],
            stores: vec![],
            sums: vec![],
        };
        let mut builder = Builder { map, axes, pixels: empty, known: vec![None; map.exprs.len()], streams: vec![] };
        for store in stores {
            let value = builder.operand(store.value)?;
            let plane = builder.plane(match store.target {
                Target::Point(buffer) => Plane::Of(buffer),
                Target::Tile => Plane::Tile,
                Target::Plane(_) | Target::Image(_) | Target::Channel(_) | Target::Flat(_) | Target::Chunk(_) => {
                    return None;
                }
            });
            builder.pixels.stores.push((plane, value));
        }
        for sum in sums {
            let value = builder.operand(*sum)?;
            builder.pixels.sums.push(value);
        }
        builder.finish()
    }

    /// Pixels that the inner loop takes a turn.
    pub fn turn(&self) -> usize {
        match &self.draws {
            Some(_) => DRAWN,
            None if self.width.is_multiple_of(2) => 2,
            None => 1,
        }
    }

    /// How many sums of each kind a row has.
    pub(super) fn sums_a_row(&self) -> usize {
        if self.width.is_multiple_of(2) { 2 } else { 1 }
    }

    /// The steps after which a step's result is used no more; none for what is stored, whose use is the end.
    pub(super) fn last_uses(&self) -> Vec<Option<usize>> {
        let mut last: Vec<Option<usize>> = (0..self.steps.len()).map(Some).collect();
        for (i, step) in self.steps.iter().enumerate() {
            for operand in step.operands() {
                if let Operand::Step(used) = operand {
                    last[used] = Some(i);
                }
            }
        }
        for (_, operand) in &self.stores {
            if let Operand::Step(used) = *operand {
                last[used] = None;
            }
        }
        for operand in &self.sums {
            if let Operand::Step(used) = *operand {
                last[used] = None;
            }
        }
        last
    }
}

/// Pixels whose words are made together.
pub const DRAWN: usize = 4;

struct Builder<'a> {
    map: &'a Map,
    axes: &'a [Axes],
    pixels: Pixels,
    known: Vec<Option<Operand>>,
    streams: Vec<Stream>,
}

impl Builder<'_> {
    fn plane(&mut self, plane: Plane) -> usize {
        place(&mut self.pixels.planes, plane)
    }

    fn shared(&mut self, shared: Shared) -> Operand {
        Operand::Shared(place(&mut self.pixels.shared, shared))
    }

    fn number(&mut self, x: f32) -> Operand {
        self.shared(Shared::Bits(x.to_bits()))
    }

    /// The whole loop; none where words are drawn in rows that turns do not divide.
    fn finish(mut self) -> Option<Pixels> {
        self.pixels.for_steps = self.pixels.shared.len();
        if self.streams.is_empty() {
            return Some(self.pixels);
        }
        if !self.pixels.width.is_multiple_of(DRAWN) {
            return None;
        }
        let shared = &mut self.pixels.shared;
        let mut put = |item| {
            shared.push(item);
            shared.len() - 1
        };
        self.pixels.draws = Some(Draws {
            counters: [false, true].map(|odd| put(Shared::Counters { odd })),
            advance: put(Shared::Advance),
            step: put(Shared::Step),
            sites: self
                .streams
                .iter()
                .map(|s| [s.0 as u32, (s.0 >> 32) as u32].map(|w| put(Shared::Bits(w))))
                .collect(),
            multipliers: MULTIPLIERS.map(|multiplier| put(Shared::Bits(multiplier))),
            keys: (0..ROUNDS).map(|round| [0, 1].map(|word| put(Shared::Key { word, round }))).collect(),
            streams: self.streams,
        });
        Some(self.pixels)
    }

    /// As `codegen::clif` makes a draw of words.
    fn draw(&mut self, draw: Draw) -> Operand {
        let words = Operand::Words(place(&mut self.streams, draw.stream));
        match draw.distribution {
            Distribution::Bernoulli { threshold } => {
                let (threshold, one) = (self.shared(Shared::Bits(threshold as u32)), self.number(1.0));
                self.step(Step::Below(words, threshold, one))
            }
            Distribution::Uniform { lo, width } => {
                let [unit, lo, width] = [1.0 / 16_777_216.0, lo, width].map(|x| self.number(x));
                let top = self.step(Step::Top(words));
                let drawn = self.step(Step::Binary(Binary::Mul, top, unit));
                let scaled = self.step(Step::Binary(Binary::Mul, width, drawn));
                self.step(Step::Binary(Binary::Add, lo, scaled))
            }
        }
    }

    fn step(&mut self, step: Step) -> Operand {
        self.pixels.steps.push(step);
        Operand::Step(self.pixels.steps.len() - 1)
    }

    fn operand(&mut self, value: Value) -> Option<Operand> {
        if let Some(known) = self.known[value.index()] {
            return Some(known);
        }
        let operand = if self.axes[value.index()].has(Axis::Pixels) {
            self.compute(value)?
        } else {
            self.shared(Shared::Value(value))
        };
        self.known[value.index()] = Some(operand);
        Some(operand)
    }

    fn compute(&mut self, value: Value) -> Option<Operand> {
        let step = match *self.map.expr(value) {
            Expr::Load { buffer, at: Place::Point } => Step::Load(self.plane(Plane::Of(buffer))),
            Expr::Load { buffer, at: Place::Moved { channels, by } } => return self.moved(buffer, channels, by),
            Expr::Unary(Unary::Neg, a) => {
                let a = self.operand(a)?;
                Step::Negate(a, self.number(-0.0))
            }
            Expr::Unary(Unary::Sqrt, a) => Step::Root(self.operand(a)?),
            Expr::Binary(op, a, b) => {
                let a = self.operand(a)?;
                Step::Binary(op, a, self.operand(b)?)
            }
            Expr::Select { cond, then, otherwise } => {
                let otherwise = match self.map.expr(otherwise) {
                    Expr::Const(x) if x.to_bits() == 0 => None,
                    _ => Some(self.operand(otherwise)?),
                };
                let cond = self.operand(self.map.sign_of(cond))?;
                let then = self.operand(then)?;
                let zero = self.number(0.0);
                Step::Select { cond, zero, then, otherwise }
            }
            Expr::Mask(a) => {
                let a = self.operand(a)?;
                if self.map.domain.channels().is_multiple_of(BLOCK) {
                    return Some(a);
                }
                Step::And(a, self.shared(Shared::Channels))
            }
            Expr::Draw(draw) if draw.level == Level::Pixel => return Some(self.draw(draw)),
            Expr::Const(_)
            | Expr::Param(_)
            | Expr::Load { .. }
            | Expr::Gather { .. }
            | Expr::Draw(_)
            | Expr::Unary(Unary::Exp | Unary::Ln, _)
            | Expr::Reduce { .. } => return None,
        };
        Some(self.step(step))
    }

    /// A feature map's channels, moved by whole blocks.
    fn moved(&mut self, buffer: BufferId, channels: usize, by: isize) -> Option<Operand> {
        if by == 0 && blocks(channels) == blocks(self.map.domain.channels()) {
            let plane = self.plane(Plane::Of(buffer));
            return Some(self.step(Step::Load(plane)));
        }
        if by % BLOCK as isize != 0 {
            return None;
        }
        let by = by / BLOCK as isize;
        let plane = self.plane(Plane::Before(buffer, by));
        let found = self.step(Step::Load(plane));
        let exists = self.shared(Shared::Exists(buffer, by));
        Some(self.step(Step::And(found, exists)))
    }
}

/// The place of an item in a list of different ones, which it joins if it is not there.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|other| *other == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "for each of {} x {} pixels:", self.height, self.width)?;
        for (i, step) in self.steps.iter().enumerate() {
            write!(f, "    s{i} = ")?;
            match step {
                Step::Load(plane) => writeln!(f, "{}", self.planes[*plane])?,
                Step::Negate(a, _) => writeln!(f, "-{a}")?,
                Step::Root(a) => writeln!(f, "sqrt {a}")?,
                Step::Binary(op, a, b) => writeln!(f, "{op:?} {a}, {b}")?,
                Step::Select { cond, then, otherwise: Some(otherwise), .. } => {
                    writeln!(f, "{cond} > 0 ? {then} : {otherwise}")?;
                }
                Step::Select { cond, then, otherwise: None, .. } => writeln!(f, "{cond} > 0 ? {then} : 0")?,
                Step::And(a, b) => writeln!(f, "{a} & {b}")?,
                Step::Top(a) => writeln!(f, "{a} >> 8")?,
                Step::Below(a, b, c) => writeln!(f, "{a} < {b} ? {c} : 0")?,
            }
        }
        for (plane, operand) in &self.stores {
            writeln!(f, "    {} = {operand}", self.planes[*plane])?;
        }
        for operand in &self.sums {
            writeln!(f, "    sum {operand}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plane::Of(buffer) => write!(f, "%{}", buffer.0),
            Plane::Before(buffer, by) => write!(f, "%{} moved by {by}", buffer.0),
            Plane::Tile => write!(f, "tile"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Shared(i) => write!(f, "c{i}"),
            Operand::Step(i) => write!(f, "s{i}"),
            Operand::Words(i) => write!(f, "words{i}"),
        }
    }
}
