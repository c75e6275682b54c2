//! A plan to kernels for graphics processors: one printer for CUDA C, Metal and WGSL.
//!
//! Memory is the plan's arena, seen as vectors of four floats: a quarter of a block of channels. A map is one kernel
//! (`nest`), draws inside; a contraction is one with its prologue and epilogue in it (`contraction`), or two where its
//! sums are split. Kernels that do the same to other buffers, sizes or draws are one text: what differs is an argument.
//! A step's numbers (images, seed, step, rate) lie in the device's memory, so that a recorded step draws anew each time
//! it is replayed. Whether loss and gradients are finite is found there too (`guard`).
//!
//! Absences: no driver, no file; fast paths for tensor cores.

mod contraction;
mod dialect;
mod gather;
mod guard;
mod launch;
mod nest;
mod prelude;
mod table;
mod value;
mod writer;

pub use dialect::Dialect;
pub use launch::{Argument, Kernel, Launch, Program, Programs};
pub use table::table;

use std::collections::BTreeMap;

use crate::kernel::{Body, Plan, When};
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
    let arena = train.map_or(0, |plan| plan.arena).max(test.arena);
    let train = train.map(|plan| texts.program(plan));
    let test = texts.program(test);
    let launches = train.iter().chain([&test]).flat_map(|program| &program.launches);
    let scratch = launches.flat_map(|launch| launch.arguments.iter().map(Argument::scratch)).max().unwrap_or(0);
    Programs { prelude: prelude::prelude(dialect), kernels: texts.kernels, train, test, arena, scratch }
}

/// The kernels so far.
struct Texts {
    dialect: Dialect,
    /// The number of each text.
    known: BTreeMap<String, usize>,
    kernels: Vec<Kernel>,
}

impl Texts {
    fn program(&mut self, plan: &Plan) -> Program {
        let (mut launches, first_update) = (Vec::new(), plan.update());
        let mut update = None;
        let dialect = self.dialect;
        let writer = || Writer::new(dialect, &plan.buffers);
        for (part_of, kernel) in plan.kernels.iter().enumerate() {
            if part_of == first_update {
                for (name, writer, shape) in guard::kernels(plan, &writer) {
                    launches.push(self.launch(name, part_of, When::Always, writer, shape));
                }
                update = Some(launches.len());
            }
            let parts = match &kernel.body {
                Body::Map(map) => {
                    let mut w = writer();
                    if update.is_some() {
                        w.guard();
                    }
                    let shape = nest::map(&mut w, map, plan.batch);
                    vec![(w, shape)]
                }
                Body::Contraction(k) => contraction::kernels(k, plan.batch, &writer),
            };
            for (writer, shape) in parts {
                launches.push(self.launch(kernel.name(), part_of, kernel.when.clone(), writer, shape));
            }
        }
        Program { update: update.unwrap_or(launches.len()), launches }
    }

    fn launch(&mut self, name: &str, part_of: usize, when: When, writer: Writer<'_>, shape: Shape) -> Launch {
        let (text, arguments) = writer.finish();
        let text = text.replace("$threads", &shape.threads.to_string());
        let groups = shape.groups.map(|n| u32::try_from(n).expect("a kernel has fewer than 2^32 blocks"));
        let (kernel, threads) = (self.number(text, name), shape.threads as u32);
        Launch { name: name.to_owned(), kernel, part_of, when, groups, threads, arguments }
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
