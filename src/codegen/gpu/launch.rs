//! What a program of kernels is called with.

use crate::kernel::{BufferId, Param, Plan, When};

/// What a kernel gets beside the step's numbers, in order: buffers, whole numbers, numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// A buffer of the plan.
    Buffer {
        /// Which.
        id: BufferId,
        /// Whether it is written.
        written: bool,
    },
    /// The room behind the arena, for parts of sums.
    Scratch {
        /// Vectors of four that are used.
        len: usize,
    },
    /// One vector behind the room for parts: whether the step's loss and gradients are finite (0) or not (1).
    Verdict,
    /// Counters behind the verdict, of 32 bits each: 0 before a launch and after it.
    Counters {
        /// The first.
        first: usize,
        /// How many.
        len: usize,
    },
    /// A whole number.
    Uint(u32),
    /// A number.
    Float(f32),
    /// A number that the host gives for each step, beside those that lie in the device's memory.
    Param(Param),
}

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The stable name of what it computes.
    pub name: String,
    /// Which of the program's kernels.
    pub kernel: usize,
    /// The kernels of the plan that it does, or does a part of.
    pub parts: Vec<usize>,
    /// In which steps it runs.
    pub when: When,
    /// Blocks of threads, in two directions.
    pub groups: [u32; 2],
    /// Threads of a block.
    pub threads: u32,
    /// What it is called with.
    pub arguments: Vec<Argument>,
}

/// One kernel's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its name in the text.
    pub name: String,
    /// The text.
    pub text: String,
}

/// The calls of a plan's step, in the plan's order. The calls of one kernel of the plan run in the same steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The calls.
    pub launches: Vec<Launch>,
    /// The first call that changes what outlives the step, if the verdict lets it; as many as there are where none does.
    pub update: usize,
}

/// The kernels of a network as texts, and the calls that make its steps.
///
/// Invariant: no two kernels have the same text but for their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Programs {
    /// What stands before the kernels.
    pub prelude: String,
    /// The kernels.
    pub kernels: Vec<Kernel>,
    /// A training step, where there is one.
    pub train: Option<Program>,
    /// The test-time pass.
    pub test: Program,
    /// Floats of the arena, which both plans lie in.
    pub arena: usize,
    /// Floats of the room for parts of sums, which lies behind the arena.
    pub scratch: usize,
    /// Counters of 32 bits, which lie behind the verdict.
    pub counters: usize,
}

impl Programs {
    /// Where the verdict lies, behind everything else.
    pub fn verdict(&self) -> usize {
        self.arena + self.scratch
    }

    /// Floats that a device needs for all of it.
    pub fn floats(&self) -> usize {
        self.verdict() + 4 + self.counters
    }

    /// The first float of what an argument names, where it names a place.
    pub fn place(&self, argument: &Argument, plan: &Plan) -> Option<usize> {
        match argument {
            Argument::Buffer { id, .. } => Some(plan.buffer(*id).offset),
            Argument::Scratch { .. } => Some(self.arena),
            Argument::Verdict => Some(self.verdict()),
            Argument::Counters { first, .. } => Some(self.verdict() + 4 + first),
            Argument::Uint(_) | Argument::Float(_) | Argument::Param(_) => None,
        }
    }

    /// The whole text, as the target's compiler takes it.
    pub fn text(&self) -> String {
        let mut text = self.prelude.clone();
        for kernel in &self.kernels {
            text.push('\n');
            text += &kernel.text;
        }
        text
    }
}

impl Argument {
    /// Floats of the room behind the arena that it needs.
    pub(super) fn scratch(&self) -> usize {
        match self {
            Argument::Scratch { len } => 4 * len,
            Argument::Buffer { .. }
            | Argument::Verdict
            | Argument::Counters { .. }
            | Argument::Uint(_)
            | Argument::Float(_)
            | Argument::Param(_) => 0,
        }
    }

    /// Counters that it needs.
    pub(super) fn counters(&self) -> usize {
        match self {
            Argument::Counters { first, len } => first + len,
            Argument::Buffer { .. }
            | Argument::Scratch { .. }
            | Argument::Verdict
            | Argument::Uint(_)
            | Argument::Float(_)
            | Argument::Param(_) => 0,
        }
    }
}
