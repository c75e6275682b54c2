//! A plan to kernels for graphics processors: one printer for CUDA C, Metal and WGSL.
//!
//! Memory is the plan's arena, seen as vectors of four floats: a quarter of a block of channels. A map is one kernel
//! (`nest`), draws inside; a contraction is one with its prologue and epilogue in it (`contraction`). What joins a kernel's
//! sums over the batch rides on it or on its reader, and kernels that do not wait for one another share a launch (`join`). Kernels that do the same to other buffers, sizes or draws are one text: what differs is an argument.
//! A step's numbers (images, seed, step, rate) lie in the device's memory, so that a recorded step draws anew each time
//! it is replayed. Whether loss and gradients are finite is found there too (`guard`).
//!
//! Contractions multiply numbers of 32 bits, or in CUDA rounded ones on tensor cores ([`Precision`](crate::num::Precision)).
//!
//! Absences: no driver, no file; Metal's matrices of a SIMD group.

mod channel;
mod contraction;
mod dialect;
mod gather;
mod guard;
mod join;
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
use std::ops::Range;

use crate::kernel::{Body, Map, Plan, When};
use join::{Touched, Unit};
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
    let launches = || train.iter().chain([&test]).flat_map(|program| &program.launches);
    let most = |of: fn(&Argument) -> usize| launches().flat_map(|l| l.arguments.iter().map(of)).max().unwrap_or(0);
    let (scratch, counters) = (most(Argument::scratch), most(Argument::counters).next_multiple_of(4));
    Programs { prelude: prelude::prelude(dialect), kernels: texts.kernels, train, test, arena, scratch, counters }
}

/// The kernels so far.
struct Texts {
    dialect: Dialect,
    /// The number of each text.
    known: BTreeMap<String, usize>,
    kernels: Vec<Kernel>,
}

/// A launch to which more may be added.
struct Open<'a> {
    name: String,
    parts: Vec<usize>,
    when: When,
    touched: Touched,
    /// Whether it holds a kernel that is worth joining.
    joins: bool,
    sides: Vec<(Writer<'a>, Shape)>,
}

impl<'a> Open<'a> {
    fn new(name: &str, kernel: usize, (writer, shape): (Writer<'a>, Shape)) -> Self {
        let sides = vec![(writer, shape)];
        let (name, touched) = (name.to_owned(), Touched::default());
        Open { name, parts: vec![kernel], when: When::Always, touched, joins: false, sides }
    }

    /// Whether `other` may run beside it.
    fn takes(&self, other: &Open<'_>) -> bool {
        let blocks = |open: &Open<'_>| open.sides.iter().map(|(_, s)| s.groups[0] * s.groups[1]).sum::<usize>();
        (self.joins || other.joins)
            && self.when == other.when
            && self.sides.len() + other.sides.len() <= writer::MOST_BESIDE
            && self.sides[0].1.threads == other.sides[0].1.threads
            && blocks(self) + blocks(other) <= nest::MAX_GROUPS
    }

    fn join(&mut self, other: Open<'a>) {
        self.name = format!("{} + {}", self.name, other.name);
        self.parts.extend(other.parts);
        self.touched.add(other.touched);
        self.joins |= other.joins;
        self.sides.extend(other.sides);
    }
}

/// How many launches back a kernel looks for one to run beside.
const BACK: usize = 4;

impl Texts {
    fn program(&mut self, plan: &Plan) -> Program {
        let (dialect, first_update) = (self.dialect, plan.update());
        let writer = || Writer::new(dialect, &plan.buffers);
        let mut launches = self.joined(plan, 0..first_update);
        if first_update == plan.kernels.len() {
            return Program { update: launches.len(), launches };
        }
        for (name, writer, shape) in guard::kernels(plan, &writer) {
            launches.push(self.launch(Open::new(name, first_update, (writer, shape))));
        }
        let update = launches.len();
        for (number, kernel) in plan.kernels.iter().enumerate().skip(first_update) {
            let mut w = writer();
            w.guard();
            let shape = body(&mut w, plan, &Unit::new(number));
            let open = Open { when: kernel.when.clone(), ..Open::new(kernel.name(), number, (w, shape)) };
            launches.push(self.launch(open));
        }
        Program { update, launches }
    }

    /// The launches of some kernels of a plan.
    fn joined(&mut self, plan: &Plan, kernels: Range<usize>) -> Vec<Launch> {
        let mut open: Vec<Open<'_>> = Vec::new();
        for unit in join::units(plan, kernels, self.dialect) {
            let kernel = &plan.kernels[unit.kernel];
            let mut w = Writer::new(self.dialect, &plan.buffers);
            let shape = body(&mut w, plan, &unit);
            let new = Open {
                parts: unit.parts(),
                when: kernel.when.clone(),
                touched: Touched::of(plan, &unit),
                joins: unit.joins(plan),
                ..Open::new(kernel.name(), unit.kernel, (w, shape))
            };
            let waits_for = open.iter().rposition(|earlier| earlier.touched.meets(&new.touched)).map_or(0, |at| at + 1);
            let near = waits_for.max(open.len().saturating_sub(BACK));
            match open[near..].iter_mut().find(|earlier| earlier.takes(&new)) {
                Some(earlier) => earlier.join(new),
                None => open.push(new),
            }
        }
        open.into_iter().map(|open| self.launch(open)).collect()
    }

    fn launch(&mut self, open: Open<'_>) -> Launch {
        let Open { name, parts, when, sides, .. } = open;
        let (text, arguments, shape) = writer::kernel(sides);
        let text = text.replace("$threads", &shape.threads.to_string());
        let groups = shape.groups.map(|n| u32::try_from(n).expect("a kernel has fewer than 2^32 blocks"));
        let (kernel, threads) = (self.number(text, &name), shape.threads as u32);
        Launch { name, kernel, parts, when, groups, threads, arguments }
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

/// Writes what a unit computes.
fn body(w: &mut Writer<'_>, plan: &Plan, unit: &Unit) -> Shape {
    let maps =
        |numbers: &[usize]| -> Vec<&Map> { numbers.iter().flat_map(|number| plan.kernels[*number].maps()).collect() };
    let (before, after) = (maps(&unit.before), maps(&unit.after));
    match &plan.kernels[unit.kernel].body {
        Body::Map(map) => nest::map(w, map, plan.batch, &before, &after),
        Body::Contraction(k) if unit.sums_parts => contraction::sum_of_parts(w, k, plan.batch),
        Body::Contraction(k) => contraction::kernel(w, k, plan.batch, &after),
    }
}
