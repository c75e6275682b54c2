//! A plan to kernels for graphics processors: one printer for CUDA C, Metal and WGSL.
//!
//! Memory is the plan's arena, seen as vectors of four floats: a quarter of a block of channels. A map is one kernel
//! (`nest`), draws inside; a contraction is one with its prologue and epilogue in it (`contraction`), or two where its
//! sums are split. Kernels that do the same to other buffers, sizes or draws are one text: what differs is an argument.
//! A step's numbers (images, seed, step, rate) lie in the device's memory, so that a recorded step draws anew each time
//! it is replayed.
//!
//! Absences: no driver, no file; fast paths for tensor cores.

mod contraction;
mod dialect;
mod gather;
mod launch;
mod nest;
mod prelude;
mod value;
mod writer;

pub use dialect::Dialect;
pub use launch::{Argument, Kernel, Launch, Program, Programs};

use std::collections::BTreeMap;

use crate::kernel::{Body, Plan};
use writer::Writer;

/// How a kernel is cut into threads.
struct Shape {
    /// Blocks in two directions.
    groups: [usize; 2],
    /// Threads of a block.
    threads: usize,
}

/// The kernels and calls of a network's plans, which lie over one arena.
pub fn programs(train: Option<&Plan>, test: &Plan, dialect: Dialect) -> Programs {
    let mut texts = Texts { dialect, known: BTreeMap::new(), kernels: vec![] };
    let train = train.map(|plan| Program { launches: texts.launches(plan) });
    let test = Program { launches: texts.launches(test) };
    let launches = train.iter().chain([&test]).flat_map(|program| &program.launches);
    let scratch = launches.flat_map(|launch| launch.arguments.iter().map(Argument::scratch)).max().unwrap_or(0);
    Programs { prelude: prelude::prelude(dialect), kernels: texts.kernels, train, test, scratch }
}

/// The kernels so far.
struct Texts {
    dialect: Dialect,
    /// The number of each text.
    known: BTreeMap<String, usize>,
    kernels: Vec<Kernel>,
}

impl Texts {
    fn launches(&mut self, plan: &Plan) -> Vec<Launch> {
        let mut launches = Vec::new();
        for (part_of, kernel) in plan.kernels.iter().enumerate() {
            let writer = || Writer::new(self.dialect, &plan.buffers);
            let parts = match &kernel.body {
                Body::Map(map) => {
                    let mut w = writer();
                    let shape = nest::map(&mut w, map, plan.batch);
                    vec![(w, shape)]
                }
                Body::Contraction(k) => contraction::kernels(k, plan.batch, &writer),
            };
            for (writer, shape) in parts {
                let (text, arguments) = writer.finish();
                let text = text.replace("$threads", &shape.threads.to_string());
                let groups = shape.groups.map(|n| u32::try_from(n).expect("a kernel has fewer than 2^32 blocks"));
                let kernel = Launch {
                    name: kernel.name().to_owned(),
                    kernel: self.number(text, kernel.name()),
                    part_of,
                    when: kernel.when.clone(),
                    groups,
                    threads: shape.threads as u32,
                    arguments,
                };
                launches.push(kernel);
            }
        }
        launches
    }

    /// The number of a kernel of this text; `user` is what calls it.
    fn number(&mut self, text: String, user: &str) -> usize {
        if let Some(known) = self.known.get(&text) {
            return *known;
        }
        let number = self.kernels.len();
        let name = format!("k{number}");
        self.kernels.push(Kernel { text: format!("// {user}\n{}", text.replace("$name", &name)), name });
        self.known.insert(text, number);
        number
    }
}
