//! Everything that a driver must know of a network before its first step.

use super::too_many_blocks;
use crate::codegen::gpu::{Argument, Kernel, Launch, Program, Programs};
use crate::diag::Failure;
use crate::kernel::{Param, Plan, When};

/// The kernels of a network and the calls that make its steps.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What stands before each kernel.
    pub prelude: String,
    /// The kernels.
    pub kernels: Vec<Kernel>,
    /// The calls of a training step, if there is one, then those of the test-time pass.
    pub calls: Vec<Call>,
    /// The number of the first call of the test-time pass.
    pub test: usize,
    /// Floats of memory.
    pub floats: usize,
}

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The stable name of what it computes.
    pub name: String,
    /// Which kernel.
    pub kernel: usize,
    /// In which steps it is made.
    pub when: When,
    /// Blocks of threads, in two directions.
    pub groups: [u32; 2],
    /// Threads of a block.
    pub threads: u32,
    /// What it is called with, in order.
    pub words: Vec<Word>,
}

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    /// A place in memory, in vectors of four.
    Place(u32),
    /// A whole number, or the bits of a number.
    Bits(u32),
    /// The bits of a number of the step.
    Param(Param),
}

impl Prepared {
    /// Of plans and their programs.
    pub fn new(train: Option<&Plan>, test: &Plan, programs: &Programs) -> Prepared {
        let of = |plan: &Plan, program: &Program| -> Vec<Call> {
            program.launches.iter().map(|launch| Call::new(launch, plan, programs)).collect()
        };
        let mut calls = train.zip(programs.train.as_ref()).map_or(vec![], |(plan, program)| of(plan, program));
        let first = calls.len();
        calls.extend(of(test, &programs.test));
        let (prelude, kernels) = (programs.prelude.clone(), programs.kernels.clone());
        Prepared { prelude, kernels, calls, test: first, floats: programs.floats() }
    }

    /// Holds every call to the blocks that a driver counts in each direction.
    ///
    /// # Errors
    /// The first call that needs more.
    pub fn check_blocks(&self, most: [u32; 2]) -> Result<(), Failure> {
        let over = |call: &&Call| call.groups.iter().zip(most).any(|(n, most)| *n > most);
        self.calls.iter().find(over).map_or(Ok(()), |call| Err(too_many_blocks(&call.name, most)))
    }

    /// The whole text of one kernel.
    pub fn text(&self, kernel: usize) -> String {
        format!("{}\n{}", self.prelude, self.kernels[kernel].text)
    }
}

impl Call {
    fn new(launch: &Launch, plan: &Plan, programs: &Programs) -> Call {
        let word = |argument: &Argument| match *argument {
            Argument::Buffer { .. } | Argument::Scratch { .. } | Argument::Verdict | Argument::Counters { .. } => {
                let place = programs.place(argument, plan).expect("it names a place");
                Word::Place(u32::try_from(place / 4).expect("memory is counted in 32 bits"))
            }
            Argument::Uint(x) => Word::Bits(x),
            Argument::Float(x) => Word::Bits(x.to_bits()),
            Argument::Param(param) => Word::Param(param),
        };
        Call {
            name: launch.name.clone(),
            kernel: launch.kernel,
            when: launch.when.clone(),
            groups: launch.groups,
            threads: launch.threads,
            words: launch.arguments.iter().map(word).collect(),
        }
    }

    /// Whether it gets a number of the step among its arguments, and not only from the processor's memory.
    pub fn has_params(&self) -> bool {
        self.words.iter().any(|word| matches!(word, Word::Param(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Prepared};
    use crate::kernel::When;

    #[test]
    fn a_call_of_more_blocks_than_a_driver_counts_is_refused_by_name() {
        let call = |name: &str, groups| Call {
            name: name.into(),
            kernel: 0,
            when: When::Always,
            groups,
            threads: 32,
            words: vec![],
        };
        let calls = vec![call("wide", [70_000, 1]), call("high", [1, 70_000])];
        let prepared = Prepared { prelude: String::new(), kernels: vec![], calls, test: 0, floats: 0 };
        assert!(prepared.check_blocks([70_000; 2]).is_ok());
        let failure = prepared.check_blocks([u32::MAX, 65_535]).expect_err("too many rows");
        assert!(failure.message.contains("the kernel of high"), "{}", failure.message);
    }
}
