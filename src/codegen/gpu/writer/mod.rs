//! Writes a body: its statements in a dialect, and what it is called with. Bodies make a kernel (`assemble`).

mod assemble;

pub(super) use assemble::{MOST_BESIDE, kernel};

use super::dialect::{Dialect, Table, filled};
use super::launch::Argument;
use crate::kernel::{Buffer, BufferId, Param, Size, blocks};
use crate::num::Precision;

/// The type of a name in a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A whole number.
    U32,
    /// A number.
    F32,
    /// Four numbers: a quarter of a block of channels.
    F4,
    /// Four words.
    U4,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Type::U32 => "u32",
            Type::F32 => "f32",
            Type::F4 => "f4",
            Type::U4 => "u4",
        }
    }
}

/// An argument with the meaning by which it is found again. Two kernels that do the same to other sizes are one text, so
/// an argument is never found by its value.
struct Named {
    meaning: String,
    name: String,
    argument: Argument,
}

/// A body under construction. In its text `$name` stands for the kernel's name, and `@` before an argument's name for
/// whatever tells it from those of bodies beside it; both are known when all of the kernel is.
pub(super) struct Writer<'a> {
    dialect: Dialect,
    table: &'static Table,
    buffers: &'a [Buffer],
    body: String,
    depth: usize,
    named: Vec<Named>,
    shared: Vec<(Type, String, usize)>,
    /// Whether it stores only where the step's verdict lets it.
    guarded: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(dialect: Dialect, buffers: &'a [Buffer]) -> Self {
        let table = dialect.table();
        Writer { dialect, table, buffers, body: String::new(), depth: 1, named: vec![], shared: vec![], guarded: false }
    }

    /// From here on stores to buffers only happen where loss and gradients are finite.
    pub(super) fn guard(&mut self) {
        self.guarded = true;
    }

    /// A statement, or several lines of them.
    pub(super) fn line(&mut self, text: &str) {
        for line in text.lines() {
            self.body += &"  ".repeat(self.depth);
            self.body += line.trim_start();
            self.body.push('\n');
        }
    }

    /// A value that keeps.
    pub(super) fn constant(&mut self, ty: Type, name: &str, value: &str) {
        let text = filled(self.table.constant, &[ty.name(), name, value]);
        self.line(&text);
    }

    /// A whole number that keeps.
    pub(super) fn index(&mut self, name: &str, value: &str) {
        self.constant(Type::U32, name, value);
    }

    /// A value that changes.
    pub(super) fn variable(&mut self, ty: Type, name: &str, value: &str) {
        let text = filled(self.table.variable, &[ty.name(), name, value]);
        self.line(&text);
    }

    /// `name = value`.
    pub(super) fn assign(&mut self, name: &str, value: &str) {
        self.line(&format!("{name} = {value};"));
    }

    /// A block of statements behind a head such as `if (x) {`.
    pub(super) fn block(&mut self, head: &str, inside: impl FnOnce(&mut Self)) {
        self.line(head);
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line("}");
    }

    /// What runs where a condition holds.
    pub(super) fn when(&mut self, condition: &str, inside: impl FnOnce(&mut Self)) {
        self.block(&format!("if ({condition}) {{"), inside);
    }

    /// A loop over `first`, `first + step`, … below `end`.
    pub(super) fn count(&mut self, [name, first, end, step]: [&str; 4], inside: impl FnOnce(&mut Self)) {
        self.block(&filled(self.table.count, &[name, first, end, step]), inside);
    }

    /// `then` where the condition holds.
    pub(super) fn choose(&self, condition: &str, then: &str, otherwise: &str) -> String {
        filled(self.table.choose, &[condition, then, otherwise])
    }

    /// Leaves the kernel where a condition holds, which must be the same for all threads of a block.
    pub(super) fn leave(&mut self, condition: &str) {
        self.line(&format!("if ({condition}) {{ return; }}"));
    }

    /// Waits for all threads of a block.
    pub(super) fn barrier(&mut self) {
        self.line(self.table.barrier);
    }

    /// Waits for all threads of a block; what they wrote to buffers is seen by each.
    pub(super) fn barrier_of_buffers(&mut self) {
        self.line(self.table.barrier_of_buffers);
    }

    /// An array of vectors that a block of threads shares.
    pub(super) fn shared(&mut self, name: &str, len: usize) -> String {
        let name = format!("$name_{name}");
        if !self.shared.iter().any(|(_, known, _)| *known == name) {
            self.shared.push((Type::F4, name.clone(), len));
        }
        name
    }

    /// What contractions multiply.
    pub(super) fn precision(&self) -> Precision {
        self.dialect.precision()
    }

    /// Whether a block can see what others of the launch wrote.
    pub(super) fn sees_other_blocks(&self) -> bool {
        self.dialect.sees_other_blocks()
    }

    /// Leaves the kernel in all blocks but the last of `all` that come here; `counter` is one of `counters`, and zero again
    /// after it. What the others wrote is seen.
    pub(super) fn leave_unless_last(&mut self, counter: &str, counters: usize, all: &str) {
        debug_assert!(self.dialect.sees_other_blocks());
        let place = self.argument("counters".into(), "b", Argument::Counters { first: 0, len: counters });
        self.line(&format!("if (!is_last({place}, {counter}, {all})) {{ return; }}"));
    }

    /// An argument that is a whole number.
    pub(super) fn uint(&mut self, meaning: impl Into<String>, value: usize) -> String {
        let value = u32::try_from(value).expect("sizes of a plan fit 32 bits");
        self.argument(meaning.into(), "n", Argument::Uint(value))
    }

    /// An argument that is a number.
    pub(super) fn float(&mut self, meaning: impl Into<String>, value: f32) -> String {
        self.argument(meaning.into(), "c", Argument::Float(value))
    }

    /// An argument that is a number of the step.
    pub(super) fn param(&mut self, param: Param) -> String {
        self.argument(format!("{param:?}"), "c", Argument::Param(param))
    }

    /// A buffer that is only read.
    fn source(&mut self, id: BufferId) -> String {
        self.argument(format!("{id:?}"), "b", Argument::Buffer { id, written: false })
    }

    /// A buffer that is written, and perhaps read.
    fn target(&mut self, id: BufferId) -> String {
        let name = self.source(id);
        let named = self.named.iter_mut().find(|n| n.name == name).expect("it was just named");
        named.argument = Argument::Buffer { id, written: true };
        name
    }

    fn argument(&mut self, meaning: String, letter: &str, argument: Argument) -> String {
        if let Some(known) = self.named.iter().find(|n| n.meaning == meaning) {
            return known.name.clone();
        }
        let letter = format!("@{letter}");
        let like = self.named.iter().filter(|n| n.name.starts_with(&letter)).count();
        let name = format!("{letter}{like}");
        self.named.push(Named { meaning, name: name.clone(), argument });
        name
    }

    /// A vector of a buffer.
    pub(super) fn load(&mut self, id: BufferId, index: &str) -> String {
        let name = self.source(id);
        filled(self.table.element, &[&name, index])
    }

    /// Writes a vector of a buffer.
    pub(super) fn store(&mut self, id: BufferId, index: &str, value: &str) {
        let name = self.target(id);
        let element = filled(self.table.element, &[&name, index]);
        if self.guarded {
            let verdict = self.verdict();
            self.when(&format!("lane({verdict}, 0u) < 0.5f"), |w| w.assign(&element, value));
        } else {
            self.assign(&element, value);
        }
    }

    /// The vector that says whether loss and gradients are finite: 0 where they are, else 1.
    pub(super) fn verdict(&mut self) -> String {
        let name = self.argument("verdict".into(), "b", Argument::Verdict);
        filled(self.table.element, &[&name, "0u"])
    }

    /// A vector of the room for parts of sums, which is `len` vectors large; for reading and for writing.
    pub(super) fn scratch(&mut self, len: usize, index: &str) -> String {
        let name = self.argument("room for parts".into(), "b", Argument::Scratch { len });
        filled(self.table.element, &[&name, index])
    }

    /// A feature map's quarters, as an argument: four a block of channels.
    pub(super) fn quarters(&mut self, id: BufferId) -> String {
        let value = match self.buffers[id.0 as usize].size {
            Size::Feature { channels, .. } => 4 * blocks(channels),
            Size::Channels(_) | Size::Weight(_) | Size::Flat(_) => unreachable!("only feature maps have planes"),
        };
        self.uint(format!("quarters of {id:?}"), value)
    }

    /// Its counters become those from `from` on; how many they are, in whole vectors.
    fn count_from(&mut self, from: usize) -> usize {
        let mut used = 0;
        for named in &mut self.named {
            if let Argument::Counters { first, len } = &mut named.argument {
                *first = from;
                used = len.next_multiple_of(4);
            }
        }
        used
    }

    /// Sorts the arguments by kind: buffers, whole numbers, numbers. Names count within a kind, so they stay in order.
    fn sort(&mut self) {
        self.named.sort_by_key(|n| match &n.argument {
            Argument::Buffer { .. } | Argument::Scratch { .. } | Argument::Verdict | Argument::Counters { .. } => 0,
            Argument::Uint(_) => 1,
            Argument::Float(_) | Argument::Param(_) => 2,
        });
    }
}

/// A variable of four zeros.
pub(super) fn zeros(w: &mut Writer<'_>, name: &str) {
    w.variable(Type::F4, name, "splat(0.0f)");
}

/// A small function that kernels call, in a dialect.
pub(super) fn function(
    dialect: Dialect,
    result: Type,
    name: &str,
    parameters: &[(&str, &str)],
    body: impl FnOnce(&mut Writer<'_>),
) -> String {
    let table = dialect.table();
    let parameters: Vec<String> = parameters.iter().map(|(ty, name)| filled(table.parameter, &[ty, name])).collect();
    let mut writer = Writer::new(dialect, &[]);
    body(&mut writer);
    format!("{}\n{}}}\n", filled(table.function, &[result.name(), name, &parameters.join(", ")]), writer.body)
}

/// A number in every dialect.
pub(super) fn number(x: f32) -> String {
    if x.is_finite() { format!("{x:?}f") } else { format!("float_of({}u)", x.to_bits()) }
}
