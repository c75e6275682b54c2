//! The plan: kernels in order over one arena.
//!
//! Everything a step touches has its place before the first step: what outlives a step at the front, the same in
//! every plan of a network, then what a step computes, where buffers whose lifetimes do not meet share their place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Contraction, Draw, Expr, Map, Param, When, all_among, contraction::Sizes, padded};
use crate::net::Path;
use crate::net::recipe::Memory;

/// Names a buffer of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u32);

/// How large a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// N feature maps: `[N][C/16][H][W][16]`.
    Feature {
        /// C.
        channels: usize,
        /// H.
        height: usize,
        /// W.
        width: usize,
    },
    /// A vector a channel: `[C/16][16]`.
    Channels(usize),
    /// A convolution's weight.
    Weight(Sizes),
    /// So many floats.
    Flat(usize),
}

impl Size {
    /// Floats for a batch of `batch` images; a multiple of 16.
    pub fn len(self, batch: usize) -> usize {
        match self {
            Size::Feature { .. } => batch * self.per_image(),
            Size::Channels(channels) => padded(channels),
            Size::Weight(sizes) => sizes.weight_len(),
            Size::Flat(len) => padded(len),
        }
    }

    /// Whether it is a number a plane or a channel.
    pub(super) fn is_small(self) -> bool {
        match self {
            Size::Feature { height, width, .. } => height * width == 1,
            Size::Channels(_) => true,
            Size::Weight(_) | Size::Flat(_) => false,
        }
    }

    /// Floats from one image to the next; 0 where the batch does not matter.
    pub fn per_image(self) -> usize {
        match self {
            Size::Feature { channels, height, width } => padded(channels) * height * width,
            Size::Channels(_) | Size::Weight(_) | Size::Flat(_) => 0,
        }
    }
}

/// What a buffer that the outside sees holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The images.
    Image,
    /// The targets.
    Target,
    /// The mean loss.
    Loss,
    /// The logits.
    Logits,
    /// A weight or running statistic.
    Parameter(Path),
    /// What the optimizer keeps of a parameter.
    Memory(Memory, Path),
    /// The gradient of a weight.
    Gradient(Path),
}

/// How long a buffer holds its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// From step to step.
    Persistent,
    /// From the step's start, or to its end: what goes in and out.
    Step,
    /// From the first kernel that uses it to the step's end, at a place of its own: gradients to weights.
    ToEnd {
        /// The first.
        from: usize,
    },
    /// From the first to the last kernel that uses it.
    Kernels {
        /// The first.
        from: usize,
        /// The last.
        to: usize,
    },
}

impl Lifetime {
    /// Whether what lives so has its place from the start, in a region of which buffers may be views.
    pub fn is_in_region(self) -> bool {
        matches!(self, Lifetime::Persistent | Lifetime::ToEnd { .. })
    }
}

/// A piece of the arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// The stable name of what it holds.
    pub name: String,
    /// How large.
    pub size: Size,
    /// How long it holds it.
    pub lifetime: Lifetime,
    /// Its first float in the arena; a multiple of 16.
    pub offset: usize,
}

/// What a kernel does.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A loop nest.
    Map(Map),
    /// A pass of a convolution.
    Contraction(Contraction),
}

/// A kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// In which steps it runs.
    pub when: When,
    /// What it does.
    pub body: Body,
}

impl Kernel {
    /// The stable name of what it computes.
    pub fn name(&self) -> &str {
        match &self.body {
            Body::Map(k) => &k.name,
            Body::Contraction(k) => &k.name,
        }
    }

    /// The buffers that it reads.
    pub fn reads(&self) -> Vec<BufferId> {
        match &self.body {
            Body::Map(k) => k.reads(),
            Body::Contraction(k) => k.reads(),
        }
    }

    /// The buffers that it reads, each with the gates that are open wherever what is read there matters.
    pub fn gated_reads(&self) -> Vec<(BufferId, Vec<Draw>)> {
        let inside = self.maps().into_iter().flat_map(Map::gated_reads);
        let whole = match &self.body {
            Body::Map(_) => vec![],
            Body::Contraction(k) => k.stored_reads(),
        };
        let all = inside.chain(whole.into_iter().map(|buffer| (buffer, vec![])));
        all.map(|(buffer, gates)| (buffer, [&gates, self.when.gates()].concat())).collect()
    }

    /// The buffers that it writes.
    pub fn writes(&self) -> Vec<BufferId> {
        match &self.body {
            Body::Map(k) => k.writes(),
            Body::Contraction(k) => k.writes(),
        }
    }

    /// The first draw that [decides](Map::gate) in one of its maps.
    pub fn gate(&self) -> Option<Draw> {
        self.maps().into_iter().find_map(Map::gate)
    }

    /// The same kernel where `draw` is known to be `value`: what no longer matters is gone.
    pub fn specialised(self, draw: Draw, value: f32) -> Kernel {
        let known = |map: Map| map.specialised(draw, value);
        let body = match self.body {
            Body::Map(map) => Body::Map(known(map)),
            Body::Contraction(k) => Body::Contraction(Contraction {
                pass: k.pass.map_operands(known),
                epilogue: k.epilogue.map(known),
                ..k
            }),
        };
        Kernel { when: self.when, body }
    }

    /// Its maps: itself, or its prologues and epilogue.
    pub fn maps(&self) -> Vec<&Map> {
        match &self.body {
            Body::Map(map) => vec![map],
            Body::Contraction(k) => k.maps(),
        }
    }
}

/// Kernels in order, and where everything lies.
///
/// Invariants:
/// 1. Every kernel is valid.
/// 2. What a kernel reads is persistent, goes in, or was written by an earlier kernel (or, in a contraction with an
///    epilogue, by the contraction itself).
/// 3. Offsets are multiples of 16; buffers whose lifetimes meet do not overlap, but for persistent ones and gradients, which
///    may be views of a whole region.
/// 4. The arena holds every buffer.
/// 5. A kernel runs under gates alone, and what it writes matters to a later one only where those gates are open.
/// 6. What need not be [kept](super::Store::unless) where a draw is 1 no other kernel reads where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The most images of a batch.
    pub batch: usize,
    /// All buffers.
    pub buffers: Vec<Buffer>,
    /// The buffers that the outside sees.
    pub slots: BTreeMap<Slot, BufferId>,
    /// What runs, in order.
    pub kernels: Vec<Kernel>,
    /// Floats of the arena.
    pub arena: usize,
    /// Whether convolutions are done by their plain sums alone, for comparison with faster ways.
    pub plain: bool,
}

impl Plan {
    /// The number of the first kernel that changes what the optimizer keeps of parameters: no kernel before it changes a
    /// weight, since the optimizer keeps something of each. As many as there are kernels where nothing is trained.
    pub fn update(&self) -> usize {
        let kept: Vec<_> = self
            .slots
            .iter()
            .filter(|(slot, _)| matches!(slot, Slot::Memory(..)))
            .map(|(_, id)| self.floats(*id))
            .collect();
        let changes = |kernel: &Kernel| {
            let mut written = kernel.writes().into_iter().map(|id| self.floats(id));
            written.any(|a| kept.iter().any(|b| a.start < b.end && b.start < a.end))
        };
        self.kernels.iter().position(changes).unwrap_or(self.kernels.len())
    }

    /// Where the states lie that kernels before the [optimizer's](Self::update) change: running statistics.
    pub fn moved(&self) -> Vec<Range<usize>> {
        let written: BTreeSet<BufferId> = self.kernels[..self.update()].iter().flat_map(Kernel::writes).collect();
        let states = self.slots.iter().filter(|(slot, id)| matches!(slot, Slot::Parameter(_)) && written.contains(id));
        states.map(|(_, id)| self.floats(*id)).collect()
    }

    /// Where gradients to weights lie, in order; those that lie side by side together.
    pub fn gradients(&self) -> Vec<Range<usize>> {
        let all = self.slots.iter().filter(|(slot, _)| matches!(slot, Slot::Gradient(_)));
        let mut places: Vec<Range<usize>> = all.map(|(_, id)| self.floats(*id)).collect();
        places.sort_by_key(|place| place.start);
        let mut joined: Vec<Range<usize>> = Vec::new();
        for place in places {
            match joined.last_mut() {
                Some(last) if last.end == place.start => last.end = place.end,
                _ => joined.push(place),
            }
        }
        joined
    }

    /// A buffer.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0 as usize]
    }

    /// The floats of the arena that a buffer takes for the largest batch.
    pub fn floats(&self, id: BufferId) -> Range<usize> {
        let buffer = self.buffer(id);
        buffer.offset..buffer.offset + buffer.size.len(self.batch)
    }

    /// The buffer of a slot.
    pub fn slot(&self, slot: &Slot) -> Option<BufferId> {
        self.slots.get(slot).copied()
    }

    /// The numbers of the step that its maps read, each once, in order.
    pub fn params(&self) -> Vec<Param> {
        let mut params = Vec::new();
        for expr in self.kernels.iter().flat_map(Kernel::maps).flat_map(|map| &map.exprs) {
            if let Expr::Param(param) = expr
                && !params.contains(param)
            {
                params.push(*param);
            }
        }
        params
    }

    /// The first and the last kernel for which a buffer holds its content.
    fn span(&self, buffer: &Buffer) -> (usize, usize) {
        let last = self.kernels.len();
        match buffer.lifetime {
            Lifetime::Persistent | Lifetime::Step => (0, last),
            Lifetime::ToEnd { from } => (from, last),
            Lifetime::Kernels { from, to } => (from, to),
        }
    }

    /// The invariants, in order; the first that does not hold.
    ///
    /// # Errors
    /// A sentence that names the kernel or buffer and what is wrong with it.
    pub fn verify(&self) -> Result<(), String> {
        let mut known: Vec<bool> =
            self.buffers.iter().map(|b| !matches!(b.lifetime, Lifetime::Kernels { .. })).collect();
        for kernel in &self.kernels {
            match &kernel.body {
                Body::Map(map) => map.verify()?,
                Body::Contraction(contraction) => contraction.verify()?,
            }
            let own = match &kernel.body {
                Body::Map(_) => None,
                Body::Contraction(k) => k.writes().first().copied(),
            };
            for id in kernel.reads() {
                if !known[id.0 as usize] && Some(id) != own {
                    return Err(format!(
                        "kernel {} reads {} before it is written",
                        kernel.name(),
                        self.buffer(id).name
                    ));
                }
            }
            kernel.writes().into_iter().for_each(|id| known[id.0 as usize] = true);
        }
        self.verify_skipping()?;
        self.verify_kept()?;
        // Sorted by place, only neighbours in a sliding set can meet.
        let mut sorted: Vec<&Buffer> = self.buffers.iter().collect();
        sorted.sort_by_key(|b| b.offset);
        let mut open: Vec<&Buffer> = Vec::new();
        for buffer in sorted {
            let (from, to) = self.span(buffer);
            let end = buffer.offset + buffer.size.len(self.batch);
            if buffer.offset % 16 != 0 || end > self.arena {
                return Err(format!("buffer {} lies outside the arena", buffer.name));
            }
            open.retain(|o| o.offset + o.size.len(self.batch) > buffer.offset);
            for other in &open {
                let views = buffer.lifetime.is_in_region() && other.lifetime.is_in_region();
                let (other_from, other_to) = self.span(other);
                if !views && other_from <= to && from <= other_to {
                    return Err(format!("buffers {} and {} overlap", buffer.name, other.name));
                }
            }
            open.push(buffer);
        }
        Ok(())
    }

    /// Invariant 6.
    fn verify_kept(&self) -> Result<(), String> {
        let mut needless: Vec<Option<Draw>> = vec![None; self.buffers.len()];
        for kernel in &self.kernels {
            for id in kernel.reads() {
                let runs = |draw: &Draw| !matches!(&kernel.when, When::Closed(gates) if gates == &[*draw]);
                let reads_it = |draw: Draw| runs(&draw) && kernel.clone().specialised(draw, 1.0).reads().contains(&id);
                if needless[id.0 as usize].is_some_and(reads_it) {
                    return Err(format!(
                        "kernel {} reads {} where it need not be kept",
                        kernel.name(),
                        self.buffer(id).name
                    ));
                }
            }
            for store in kernel.maps().into_iter().flat_map(|map| &map.stores) {
                if let Some(id) = store.target.buffer() {
                    needless[id.0 as usize] = store.unless;
                }
            }
        }
        Ok(())
    }

    /// Invariant 5.
    fn verify_skipping(&self) -> Result<(), String> {
        let mut written: Vec<&[Draw]> = vec![&[]; self.buffers.len()];
        for kernel in &self.kernels {
            if !kernel.when.draws().iter().all(Draw::is_gate) {
                return Err(format!("kernel {} runs under a draw that is no gate", kernel.name()));
            }
            let writes = kernel.writes();
            for (id, gates) in kernel.gated_reads() {
                // What a kernel makes itself is there.
                if !writes.contains(&id) && !all_among(written[id.0 as usize], &gates) {
                    return Err(format!(
                        "kernel {} reads {}, which a closed gate leaves unwritten",
                        kernel.name(),
                        self.buffer(id).name
                    ));
                }
            }
            for id in writes {
                let gates = &mut written[id.0 as usize];
                *gates = match &kernel.when {
                    When::Always => &[],
                    When::Open(open) => open,
                    // With what was written while they were open it is there in every step.
                    When::Closed(closed) if all_among(gates, closed) => &[],
                    When::Closed(_) => {
                        return Err(format!(
                            "kernel {} writes {}, which an open gate leaves unwritten",
                            kernel.name(),
                            self.buffer(id).name
                        ));
                    }
                };
            }
        }
        Ok(())
    }
}
