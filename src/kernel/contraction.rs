//! Contractions: the three passes of a convolution (a linear layer is one with a single tap on a 1 x 1 image).
//!
//! A prologue computes a plane of what is read, an epilogue runs on each plane that is finished, both while the plane is
//! in cache. How the sums are blocked is the device's business (`device`), as long as it depends on shapes alone.

use super::{BufferId, Domain, Draw, Map, Target, padded};

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Channels of x.
    pub inputs: usize,
    /// Channels of y.
    pub outputs: usize,
    /// Rows of x.
    pub height: usize,
    /// Columns of x.
    pub width: usize,
    /// Rows of y.
    pub out_height: usize,
    /// Columns of y.
    pub out_width: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros around x.
    pub pad: usize,
    /// Step between taps.
    pub dilation: usize,
    /// Independent groups of channels.
    pub groups: usize,
}

impl Sizes {
    /// kernel^2.
    pub fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Channels of x that one channel of y reads.
    pub fn group_inputs(&self) -> usize {
        self.inputs / self.groups
    }

    /// Channels of y in a group.
    pub fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// The sizes of one group alone.
    pub fn of_group(&self) -> Sizes {
        Sizes { inputs: self.group_inputs(), outputs: self.group_outputs(), groups: 1, ..*self }
    }

    /// Floats of the weight as a plan holds it: `[outputs/16][taps][inputs of a group][16 outputs]`.
    pub fn weight_len(&self) -> usize {
        padded(self.outputs) * self.row_len()
    }

    /// Weights of one output channel.
    pub fn row_len(&self) -> usize {
        self.taps() * self.group_inputs()
    }

    /// Pixels of x.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of y.
    pub fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Multiply-adds of one pass over one image, padding left out.
    pub fn multiply_adds(&self) -> u64 {
        (self.outputs * self.group_inputs() * self.taps() * self.out_pixels()) as u64
    }
}

/// What a contraction reads, plane by plane.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A feature map that lies in a buffer.
    Stored(BufferId),
    /// A feature map that a prologue computes: its only store is [`Target::Tile`].
    Computed(Map),
}

impl Operand {
    /// Whether both are the same feature map, whatever they are called.
    pub fn computes_the_same(&self, other: &Operand) -> bool {
        match (self, other) {
            (Operand::Stored(a), Operand::Stored(b)) => a == b,
            (Operand::Computed(a), Operand::Computed(b)) => {
                (a.domain, &a.exprs, &a.stores) == (b.domain, &b.exprs, &b.stores)
            }
            _ => false,
        }
    }

    /// The buffers that it reads.
    pub fn reads(&self) -> Vec<BufferId> {
        match self {
            Operand::Stored(buffer) => vec![*buffer],
            Operand::Computed(map) => map.reads(),
        }
    }
}

/// Which pass of a convolution, with what it reads and writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Pass {
    /// y from x and the weight.
    Forward {
        /// What is convolved.
        x: Operand,
        /// The weight.
        weight: BufferId,
        /// The result.
        y: BufferId,
    },
    /// The gradient to x from that to y and the weight.
    ToInput {
        /// The gradient to y.
        dy: Operand,
        /// The weight.
        weight: BufferId,
        /// The result.
        dx: BufferId,
    },
    /// The gradient to the weight from x and the gradient to y, summed over the batch.
    ToWeight {
        /// What was convolved.
        x: Operand,
        /// The gradient to y.
        dy: Operand,
        /// The result.
        dweight: BufferId,
    },
}

impl Pass {
    /// The same with other prologues.
    pub fn map_operands(self, with: impl Fn(Map) -> Map) -> Pass {
        let operand = |operand| match operand {
            Operand::Stored(buffer) => Operand::Stored(buffer),
            Operand::Computed(map) => Operand::Computed(with(map)),
        };
        match self {
            Pass::Forward { x, weight, y } => Pass::Forward { x: operand(x), weight, y },
            Pass::ToInput { dy, weight, dx } => Pass::ToInput { dy: operand(dy), weight, dx },
            Pass::ToWeight { x, dy, dweight } => Pass::ToWeight { x: operand(x), dy: operand(dy), dweight },
        }
    }
}

/// One pass of a convolution.
///
/// Invariants:
/// 1. The sizes fit one another.
/// 2. A prologue is a valid map over its operand's planes with one store, the tile.
/// 3. An epilogue is a valid map over the result's planes; a gradient to a weight has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Contraction {
    /// The stable name of what it computes.
    pub name: String,
    /// How large.
    pub sizes: Sizes,
    /// Which pass.
    pub pass: Pass,
    /// What runs on each finished plane of the result.
    pub epilogue: Option<Map>,
}

impl Contraction {
    /// Its prologues, then its epilogue.
    pub fn maps(&self) -> Vec<&Map> {
        let operands = match &self.pass {
            Pass::Forward { x, .. } => vec![x],
            Pass::ToInput { dy, .. } => vec![dy],
            Pass::ToWeight { x, dy, .. } => vec![x, dy],
        };
        let prologues = operands.into_iter().filter_map(|operand| match operand {
            Operand::Stored(_) => None,
            Operand::Computed(map) => Some(map),
        });
        prologues.chain(&self.epilogue).collect()
    }

    /// The first gate of the whole batch that [decides](Map::gate) in one of its maps.
    pub fn gate(&self) -> Option<Draw> {
        self.maps().into_iter().filter_map(Map::gate).find(Draw::is_gate)
    }

    /// The buffers that it reads as they lie there.
    pub fn stored_reads(&self) -> Vec<BufferId> {
        let (operands, weight) = match &self.pass {
            Pass::Forward { x: a, weight, .. } | Pass::ToInput { dy: a, weight, .. } => (vec![a], Some(*weight)),
            Pass::ToWeight { x, dy, .. } => (vec![x, dy], None),
        };
        let stored = operands.into_iter().filter_map(|operand| match operand {
            Operand::Stored(buffer) => Some(*buffer),
            Operand::Computed(_) => None,
        });
        stored.chain(weight).collect()
    }

    /// The buffers that it reads.
    pub fn reads(&self) -> Vec<BufferId> {
        let mut all = match &self.pass {
            Pass::Forward { x: a, weight, .. } | Pass::ToInput { dy: a, weight, .. } => {
                let mut all = a.reads();
                all.push(*weight);
                all
            }
            Pass::ToWeight { x, dy, .. } => x.reads().into_iter().chain(dy.reads()).collect(),
        };
        all.extend(self.epilogue.iter().flat_map(|e| e.reads()));
        all
    }

    /// The buffers that it writes, its own result first.
    pub fn writes(&self) -> Vec<BufferId> {
        let result = match self.pass {
            Pass::Forward { y, .. } => y,
            Pass::ToInput { dx, .. } => dx,
            Pass::ToWeight { dweight, .. } => dweight,
        };
        std::iter::once(result).chain(self.epilogue.iter().flat_map(|e| e.writes())).collect()
    }

    /// What an epilogue runs over; none for a gradient to a weight.
    pub fn result_domain(&self) -> Option<Domain> {
        let s = &self.sizes;
        match self.pass {
            Pass::Forward { .. } => {
                Some(Domain::Feature { channels: s.outputs, height: s.out_height, width: s.out_width })
            }
            Pass::ToInput { .. } => Some(Domain::Feature { channels: s.inputs, height: s.height, width: s.width }),
            Pass::ToWeight { .. } => None,
        }
    }

    /// The invariants, in order; the first that does not hold.
    ///
    /// # Errors
    /// A sentence that names the contraction and what is wrong with it.
    pub fn verify(&self) -> Result<(), String> {
        let fail = |what: &str| Err(format!("contraction {}: {what}", self.name));
        let s = &self.sizes;
        let side = |n: usize| (n + 2 * s.pad).checked_sub(s.dilation * (s.kernel - 1) + 1).map(|r| r / s.stride + 1);
        if !s.inputs.is_multiple_of(s.groups) || !s.outputs.is_multiple_of(s.groups) {
            return fail("the groups do not divide its channels");
        }
        if side(s.height) != Some(s.out_height) || side(s.width) != Some(s.out_width) {
            return fail("its result has another size");
        }
        let x_domain = Domain::Feature { channels: s.inputs, height: s.height, width: s.width };
        let y_domain = Domain::Feature { channels: s.outputs, height: s.out_height, width: s.out_width };
        let operands = match &self.pass {
            Pass::Forward { x, .. } => vec![(x, x_domain)],
            Pass::ToInput { dy, .. } => vec![(dy, y_domain)],
            Pass::ToWeight { x, dy, .. } => vec![(x, x_domain), (dy, y_domain)],
        };
        for (operand, domain) in operands {
            if let Operand::Computed(map) = operand {
                map.verify()?;
                if map.domain != domain || map.stores.len() != 1 || map.stores[0].target != Target::Tile {
                    return fail("a prologue does not give its operand's planes");
                }
            }
        }
        if let Some(epilogue) = &self.epilogue {
            epilogue.verify()?;
            if Some(epilogue.domain) != self.result_domain() {
                return fail("its epilogue runs over something else");
            }
        }
        Ok(())
    }
}
