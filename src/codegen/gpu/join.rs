//! Which kernels of a plan share a launch.
//!
//! A sum a channel over the batch, as batch normalisation takes it, joins the planes' sums of another kernel. On CUDA the
//! last block of that kernel does it. Elsewhere a block does not see what other blocks of its launch wrote; there each
//! block of the map that first reads the result does it for itself. Then kernels that do not wait for one another run side
//! by side, each in blocks of its own: the gradients of a convolution to its input and to its weight, a sum of parts
//! beside the next map.
//!
//! A kernel never moves past another that touches the same memory, wherever its buffers have their places.

use std::ops::Range;

use super::channel::MOST;
use super::contraction;
use super::dialect::Dialect;
use crate::kernel::{Body, BufferId, Domain, Expr, Kernel, Map, Pass, Place, Plan, Target};

/// What is written as one body: a kernel of the plan with the maps over channels that it does as well, or the sum of the
/// parts of a gradient to a weight.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// The kernel's number in the plan.
    pub(super) kernel: usize,
    /// Whether it is the sum of the kernel's parts.
    pub(super) sums_parts: bool,
    /// Maps over channels that each block does first, for what it reads.
    pub(super) before: Vec<usize>,
    /// Maps over channels that the last block does.
    pub(super) after: Vec<usize>,
}

impl Unit {
    pub(super) fn new(kernel: usize) -> Self {
        Unit { kernel, sums_parts: false, before: vec![], after: vec![] }
    }

    /// The plan's kernels in it, in order.
    pub(super) fn parts(&self) -> Vec<usize> {
        self.before.iter().chain([&self.kernel]).chain(&self.after).copied().collect()
    }

    /// Whether it is of a kind that leaves most of a processor idle, or waits for nobody: worth a launch with another.
    pub(super) fn joins(&self, plan: &Plan) -> bool {
        let kernel = &plan.kernels[self.kernel];
        self.sums_parts || of_channels(kernel).is_some() || to_weight(kernel)
    }
}

/// The memory that is read and that is written: ranges of floats, those of the room for parts behind everything else.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    reads: Vec<Range<usize>>,
    writes: Vec<Range<usize>>,
}

impl Touched {
    fn of_kernel(plan: &Plan, kernel: &Kernel) -> Touched {
        let all = |ids: Vec<BufferId>| ids.into_iter().map(|id| plan.floats(id)).collect();
        Touched { reads: all(kernel.reads()), writes: all(kernel.writes()) }
    }

    pub(super) fn of(plan: &Plan, unit: &Unit) -> Touched {
        /// Where the room for parts begins: behind every arena.
        const ROOM: Range<usize> = usize::MAX - 1..usize::MAX;
        let mut all = Touched::default();
        unit.parts().into_iter().for_each(|part| all.add(Touched::of_kernel(plan, &plan.kernels[part])));
        if unit.sums_parts {
            all.reads = vec![ROOM];
        } else if contraction::has_parts(&plan.kernels[unit.kernel], plan.batch) {
            all.writes.push(ROOM);
        }
        all
    }

    pub(super) fn add(&mut self, other: Touched) {
        self.reads.extend(other.reads);
        self.writes.extend(other.writes);
    }

    /// Whether the order of the two matters.
    pub(super) fn meets(&self, other: &Touched) -> bool {
        meet(&self.writes, &other.writes) || meet(&self.writes, &other.reads) || meet(&self.reads, &other.writes)
    }
}

fn meet(some: &[Range<usize>], others: &[Range<usize>]) -> bool {
    some.iter().any(|a| others.iter().any(|b| a.start < b.end && b.start < a.end))
}

/// The units of some kernels of a plan, in an order in which they may run.
pub(super) fn units(plan: &Plan, kernels: Range<usize>, dialect: Dialect) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for number in kernels {
        let host = if dialect.sees_other_blocks() { finisher(plan, &units, number) } else { None };
        if let Some(host) = host {
            units[host].after.push(number);
            continue;
        }
        units.push(Unit::new(number));
        if !dialect.sees_other_blocks() && contraction::has_parts(&plan.kernels[number], plan.batch) {
            units.push(Unit { sums_parts: true, ..Unit::new(number) });
        }
    }
    if !dialect.sees_other_blocks() {
        for at in (0..units.len()).rev() {
            if let Some(reader) = first_reader(plan, &units, at) {
                let own = units[at].kernel;
                units[reader].before.insert(0, own);
                units.remove(at);
            }
        }
    }
    units
}

fn to_weight(kernel: &Kernel) -> bool {
    matches!(&kernel.body, Body::Contraction(k) if matches!(k.pass, Pass::ToWeight { .. }))
}

/// A kernel's map, where it is one over channels that joins images.
fn of_channels(kernel: &Kernel) -> Option<&Map> {
    match &kernel.body {
        Body::Map(map) if matches!(map.domain, Domain::Channel { .. }) => Some(map),
        Body::Map(_) | Body::Contraction(_) => None,
    }
}

/// The unit whose last block can do a map over channels: the one that made all planes that it joins, a block of threads
/// an image and tile of channels.
fn finisher(plan: &Plan, units: &[Unit], number: usize) -> Option<usize> {
    let kernel = &plan.kernels[number];
    let map = of_channels(kernel)?;
    let planes: Vec<BufferId> = map.exprs.iter().filter_map(plane).collect();
    let makes = |unit: &Unit| planes.iter().any(|id| plan.kernels[unit.kernel].writes().contains(id));
    let host = units.iter().rposition(makes)?;
    let (first, later) = units[host..].split_first().expect("it was found there");
    let body = &plan.kernels[first.kernel];
    let fits = body.when == kernel.when
        && first.after.len() < MOST
        && !first.sums_parts
        && by_image(body).is_some_and(|(domain, stored)| {
            domain.channels() == map.domain.channels() && planes.iter().all(|id| stored.contains(id))
        });
    let own = Touched::of_kernel(plan, kernel);
    // What the host's own blocks still read, or write, must not be changed while they run.
    let body = Touched::of_kernel(plan, body);
    let free = !meet(&own.writes, &body.reads) && !meet(&own.writes, &body.writes);
    (fits && free && !later.iter().any(|unit| own.meets(&Touched::of(plan, unit)))).then_some(host)
}

/// The planes' buffers that a kernel stores from blocks of threads of which each takes an image, with its domain.
fn by_image(kernel: &Kernel) -> Option<(Domain, Vec<BufferId>)> {
    let map = match &kernel.body {
        Body::Map(map) => map,
        Body::Contraction(k) => k.epilogue.as_ref().filter(|map| contraction::sums_planes(map))?,
    };
    let stored = map.stores.iter().filter_map(|store| match store.target {
        Target::Plane(id) | Target::Image(id) => Some(id),
        Target::Point(_) | Target::Channel(_) | Target::Flat(_) | Target::Chunk(_) | Target::Tile => None,
    });
    match map.domain {
        Domain::Feature { .. } => Some((map.domain, stored.collect())),
        // Rows of one number: a single block of channels.
        Domain::Image { .. } => Some((Domain::Channel { channels: 1 }, stored.collect())),
        Domain::Channel { .. } | Domain::Flat { .. } => None,
    }
}

fn plane(expr: &Expr) -> Option<BufferId> {
    match expr {
        Expr::Load { buffer, at: Place::Plane } => Some(*buffer),
        _ => None,
    }
}

/// The unit that reads the results of a map over channels before all others, if its blocks can make them themselves: a
/// map over planes of these channels.
fn first_reader(plan: &Plan, units: &[Unit], at: usize) -> Option<usize> {
    let kernel = &plan.kernels[units[at].kernel];
    let map = of_channels(kernel)?;
    let own = Touched::of(plan, &units[at]);
    let reads = |unit: &Unit| meet(&own.writes, &Touched::of(plan, unit).reads);
    let reader = at + 1 + units[at + 1..].iter().position(reads)?;
    let Body::Map(body) = &plan.kernels[units[reader].kernel].body else { return None };
    let whole = matches!(body.domain, Domain::Feature { channels, .. } if channels == map.domain.channels());
    let made = kernel.writes();
    // A vector a channel is read as one, or not at all.
    let as_channels = body.exprs.iter().all(|expr| match expr {
        Expr::Load { at: Place::Channel, .. } => true,
        expr => !expr.reads().any(|id| made.contains(&id)),
    });
    // Other maps that the reader does first come after this one and may need it.
    let alone = units[reader].before.iter().all(|other| {
        let other = Touched::of_kernel(plan, &plan.kernels[*other]);
        !own.meets(&other)
    });
    let body = Touched::of_kernel(plan, &plan.kernels[units[reader].kernel]);
    let free = !meet(&body.writes, &own.reads) && !meet(&body.writes, &own.writes);
    let fits = units[reader].before.len() < MOST
        && whole
        && as_channels
        && alone
        && free
        && plan.kernels[units[reader].kernel].when == kernel.when;
    let passed = units[at + 1..reader].iter().any(|unit| own.meets(&Touched::of(plan, unit)));
    (fits && !passed).then_some(reader)
}
