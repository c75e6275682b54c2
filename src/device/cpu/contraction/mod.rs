//! Contractions on the CPU: `winograd` where it suits, `direct` everywhere else.
//!
//! Work is cut by shape: a task forward and to the input is an image or a group of images, to the weight one of a number
//! of chunks of the batch, summed in their order. How many workers there are counts only where results do not depend on
//! the cut: how many tiles of a wide layer are a group. What lies around the innermost loops: `source` brings planes into
//! cache (prologue), `weights` says which channels a result reads, `product` is the innermost loop.

mod ahead;
mod chunks;
mod direct;
mod product;
mod source;
#[cfg(test)]
mod tests;
mod weights;
mod winograd;

use super::jit::MapFn;
use super::pool::{Order, Pool, Turn};
use super::simd::Isa;
use crate::codegen::abi::StepContext;
use crate::kernel::{BLOCK, BufferId, Contraction, Map, Operand, Pass, Plan, Sizes, blocks};
use ahead::Ahead;
use source::{Blocks, Origin, Source};
use weights::Matrix;

/// A contraction with its code.
pub(super) struct Ready {
    /// One, or one for each group of channels, which are then done one after another: their points and weights fit caches
    /// that those of all groups do not. From groups of 16 channels on the three passes together gain by it.
    methods: Vec<Method>,
}

enum Method {
    Direct(direct::Correlate),
    DirectWeight(direct::ToWeight),
    Winograd(winograd::Correlate),
    WinogradWeight(winograd::ToWeight),
    WinogradBackward(winograd::Backward),
}

/// Which of the two passes that correlate planes with a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    ToInput,
}

/// A correlation of planes with a weight: what both methods are told.
#[derive(Clone)]
struct Correlation {
    sizes: Sizes,
    direction: Direction,
    source: Source,
    /// Offset of the weight in the arena.
    weight: usize,
    result: Destination,
}

impl Correlation {
    /// Each group of channels as a correlation of its own.
    fn groups(&self) -> impl Iterator<Item = Correlation> {
        let sizes = self.sizes.of_group();
        let (read, made) = match self.direction {
            Direction::Forward => (sizes.inputs, sizes.outputs),
            Direction::ToInput => (sizes.outputs, sizes.inputs),
        };
        (0..self.sizes.groups).map(move |group| Correlation {
            sizes,
            direction: self.direction,
            source: self.source.group(group, blocks(read)),
            weight: self.weight + group * sizes.weight_len(),
            result: self.result.group(group, blocks(made)),
        })
    }

    fn matrix(&self) -> Matrix {
        match self.direction {
            Direction::Forward => Matrix::forward(&self.sizes),
            Direction::ToInput => Matrix::to_input(&self.sizes),
        }
    }
}

/// The feature map that is made.
#[derive(Clone)]
struct Destination {
    /// In the arena.
    offset: usize,
    /// Those that are made.
    blocks: Blocks,
    height: usize,
    width: usize,
    epilogue: Option<MapFn>,
    /// What the epilogue reads besides what is made.
    reads: Ahead,
}

/// Everything a contraction runs with.
pub(super) struct Around<'a> {
    pub(super) context: &'a StepContext,
    pub(super) pool: &'a Pool,
    pub(super) isa: Isa,
    /// A room a worker, one after another.
    pub(super) rooms: *mut f32,
    /// Floats of a room.
    pub(super) room: usize,
    /// What all workers share within a contraction.
    pub(super) shared: *mut f32,
    /// In which the batch is taken.
    pub(super) order: Order,
    /// Whether the contraction's gate is open in this step, if it has one.
    pub(super) gate_is_open: bool,
}

// SAFETY: workers use rooms of their own, and disjoint parts of what they share.
unsafe impl Sync for Around<'_> {}

impl Ready {
    /// `code` is asked for the functions of the prologues and of the epilogue, in the order of `Kernel::maps`.
    pub(super) fn new(contraction: &Contraction, plan: &Plan, threads: usize, code: &mut dyn FnMut() -> MapFn) -> Self {
        let sizes = contraction.sizes;
        // Groups of whole blocks share no block, so each can be done alone.
        let suits = !plan.plain && Matrix::forward(&sizes).is_plain() && winograd::suits(&sizes.of_group());
        let offset = |id: BufferId| plan.buffer(id).offset;
        let gate = contraction.gate();
        let mut source = |operand: &Operand, (channels, height, width)| {
            let origin = match operand {
                Operand::Stored(id) => Origin::Stored(offset(*id)),
                Operand::Computed(_) => Origin::Computed(code()),
            };
            let reads = Ahead::of_operand(operand, plan, gate);
            Source { origin, maker: None, blocks: Blocks::of(channels), height, width, reads }
        };
        let (x_shape, y_shape) = shapes(&sizes);
        let (direction, source, weight, result, shape) = match &contraction.pass {
            Pass::Forward { x, weight, y } => (Direction::Forward, source(x, x_shape), *weight, *y, y_shape),
            Pass::ToInput { dy, weight, dx } => (Direction::ToInput, source(dy, y_shape), *weight, *dx, x_shape),
            Pass::ToWeight { x, dy, dweight } => {
                let (x, dy) = (source(x, x_shape), source(dy, y_shape));
                let dweight = offset(*dweight);
                let winograd = |group: usize| {
                    let sizes = sizes.of_group();
                    let (x, dy) = (x.group(group, blocks(sizes.inputs)), dy.group(group, blocks(sizes.outputs)));
                    let dweight = dweight + group * sizes.weight_len();
                    Method::WinogradWeight(winograd::ToWeight::new(sizes, x, dy, dweight, plan.batch, threads))
                };
                let methods = if suits {
                    (0..sizes.groups).map(winograd).collect()
                } else {
                    vec![Method::DirectWeight(direct::ToWeight::new(sizes, x, dy, dweight, plan.batch))]
                };
                return Ready { methods };
            }
        };
        let (channels, height, width) = shape;
        let epilogue = contraction.epilogue.as_ref().map(|_| code());
        let reads =
            contraction.epilogue.as_ref().map_or_else(Ahead::default, |map| Ahead::of_map(map, plan, gate, &[result]));
        let (place, blocks) = (offset(result), Blocks::of(channels));
        let result = Destination { offset: place, blocks, height, width, epilogue, reads };
        let correlation = Correlation { sizes, direction, source, weight: offset(weight), result };
        let methods = if suits {
            let winograd = |job| Method::Winograd(winograd::Correlate::new(job, plan.batch, threads));
            correlation.groups().map(winograd).collect()
        } else {
            vec![Method::Direct(direct::Correlate::new(correlation))]
        };
        Ready { methods }
    }

    /// The same pass with the map before it, which makes what is read, plane by plane; none where it is no pass forward.
    pub(super) fn made_by(&self, maker: MapFn, map: &Map, plan: &Plan) -> Option<Ready> {
        let made = |job: &Correlation| {
            let reads = job.source.reads.behind(map, plan, job.source.blocks);
            let source = Source { maker: Some(maker), reads, ..job.source.clone() };
            (job.direction == Direction::Forward).then(|| Correlation { source, ..job.clone() })
        };
        let method = |method: &Method| match method {
            Method::Direct(m) => Some(Method::Direct(direct::Correlate::new(made(&m.job)?))),
            Method::Winograd(m) => Some(Method::Winograd(m.with(made(&m.job)?))),
            Method::DirectWeight(_) | Method::WinogradWeight(_) | Method::WinogradBackward(_) => None,
        };
        let methods = self.methods.iter().map(method).collect::<Option<_>>()?;
        Some(Ready { methods })
    }

    /// The passes to the input and to the weight as one that reads the gradient once, where that pays.
    pub(super) fn joined(&self, to_weight: &Ready) -> Option<Ready> {
        let both = |(to_input, to_weight): (&Method, &Method)| match (to_input, to_weight) {
            (Method::Winograd(to_input), Method::WinogradWeight(to_weight)) => {
                Some(Method::WinogradBackward(winograd::Backward::new(to_input, to_weight)?))
            }
            _ => None,
        };
        debug_assert_eq!(self.methods.len(), to_weight.methods.len(), "both are passes of one layer");
        let methods = self.methods.iter().zip(&to_weight.methods).map(both).collect::<Option<_>>()?;
        Some(Ready { methods })
    }

    /// Floats that each worker needs.
    pub(super) fn room(&self) -> usize {
        self.methods.iter().map(Method::room).max().unwrap_or(0).next_multiple_of(BLOCK)
    }

    /// Floats that all workers share.
    pub(super) fn shared(&self) -> usize {
        self.methods.iter().map(Method::shared).max().unwrap_or(0)
    }

    /// Runs it for the step's batch.
    pub(super) fn run(&self, around: &Around<'_>) {
        self.methods.iter().for_each(|method| method.run(around));
    }
}

impl Method {
    fn room(&self) -> usize {
        match self {
            Method::Direct(m) => m.room(),
            Method::DirectWeight(m) => m.room(),
            Method::Winograd(m) => m.room(),
            Method::WinogradWeight(m) => m.room(),
            Method::WinogradBackward(m) => m.room(),
        }
    }

    fn shared(&self) -> usize {
        match self {
            Method::Direct(m) => m.shared(),
            Method::DirectWeight(m) => m.shared(),
            Method::Winograd(m) => m.shared(),
            Method::WinogradWeight(m) => m.shared(),
            Method::WinogradBackward(m) => m.shared(),
        }
    }

    fn run(&self, around: &Around<'_>) {
        match self {
            Method::Direct(m) => m.run(around),
            Method::DirectWeight(m) => m.run(around),
            Method::Winograd(m) => m.run(around),
            Method::WinogradWeight(m) => m.run(around),
            Method::WinogradBackward(m) => m.run(around),
        }
    }
}

/// (channels, height, width) of x and of y.
fn shapes(s: &Sizes) -> ((usize, usize, usize), (usize, usize, usize)) {
    ((s.inputs, s.height, s.width), (s.outputs, s.out_height, s.out_width))
}

impl Destination {
    fn plane_len(&self) -> usize {
        self.height * self.width * BLOCK
    }

    /// What a group of channels makes of it: a run of so many blocks.
    fn group(&self, group: usize, count: usize) -> Self {
        let blocks = self.blocks.run(group, count);
        Destination { blocks, reads: self.reads.of_blocks(blocks), ..*self }
    }

    /// Where image n's plane of a block lies.
    ///
    /// # Safety
    /// The offset comes from the plan of the step's arena; n is an image of the batch.
    unsafe fn plane(&self, around: &Around<'_>, n: usize, block: usize) -> *mut f32 {
        // SAFETY: as the caller promises.
        unsafe { around.context.arena.add(self.offset + self.blocks.plane(n, block) * self.plane_len()) }
    }

    /// Runs the epilogue on the planes of image n.
    fn finish(&self, around: &Around<'_>, n: usize) {
        let Some(epilogue) = self.epilogue else { return };
        for block in 0..self.blocks.count {
            let block = self.blocks.in_image(block) as u64;
            // SAFETY: the plane is finished, and what the epilogue writes belongs to this plane.
            unsafe { epilogue(around.context(), n as u64, block, std::ptr::null_mut(), 0) };
        }
    }
}

impl Around<'_> {
    /// What maps are called with.
    pub(super) fn context(&self) -> *const StepContext {
        self.context
    }

    /// Runs tasks that are parts of the batch, in the order of this kernel.
    ///
    /// Kernels take the batch up and down by turns: what the one before has left in the cache is read first.
    pub(super) fn over_batch(&self, tasks: usize, body: &(dyn Fn(Turn) + Sync)) {
        self.pool.run(tasks, self.order, body);
    }

    /// Runs tasks that are parts of a weight.
    fn over_weight(&self, tasks: usize, body: &(dyn Fn(Turn) + Sync)) {
        self.pool.run(tasks, Order::Up, body);
    }

    /// A worker's room.
    fn room(&self, worker: usize) -> *mut f32 {
        // SAFETY: the engine holds a room for each worker.
        unsafe { self.rooms.add(worker * self.room) }
    }
}
