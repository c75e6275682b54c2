//! Contractions on the CPU: tiles of gathered input (im2col) times the weight, through the crate `gemm`.
//!
//! The plain engine: every kernel size, stride, dilation and number of groups in one way. A task is an image (forward,
//! to the input) or one of a number of chunks of the batch (to the weight) that depends on the batch alone; chunks are
//! summed in their order.

use super::jit::MapFn;
use super::pool::Pool;
use crate::codegen::abi::StepContext;
use crate::kernel::{BLOCK, BufferId, Contraction, Operand, Pass, Plan, Sizes, blocks, padded};

/// Floats of gathered input that a tile holds at the most: it stays in the second-level cache.
const TILE_FLOATS: usize = 32 * 1024;
/// Chunks of the batch whose gradients to a weight are summed apart.
const CHUNKS: usize = 16;
/// Floats of a weight's gradient that one task sums over the chunks.
const SUM_SPAN: usize = 4096;

/// A contraction with its code.
pub(super) struct Ready {
    sizes: Sizes,
    pass: ReadyPass,
    epilogue: Option<MapFn>,
}

enum ReadyPass {
    Forward { x: Planes, weight: usize, y: usize },
    ToInput { dy: Planes, weight: usize, dx: usize },
    ToWeight { x: Planes, dy: Planes, dweight: usize },
}

/// Where an operand's planes come from.
#[derive(Clone, Copy)]
enum Planes {
    /// Offset of a feature map in the arena.
    Stored(usize),
    /// A prologue.
    Computed(MapFn),
}

/// Room that one worker needs, in floats.
#[derive(Clone, Copy, Default)]
pub(super) struct Room {
    x_planes: usize,
    y_planes: usize,
    gathered: usize,
    results: usize,
}

impl Room {
    /// What a contraction needs.
    pub(super) fn of(contraction: &Contraction) -> Room {
        let s = &contraction.sizes;
        Room {
            x_planes: padded(s.inputs) * s.pixels(),
            y_planes: padded(s.outputs) * s.out_pixels(),
            gathered: tile_pixels(s) * s.row_len(),
            results: tile_pixels(s) * padded(s.outputs),
        }
    }

    pub(super) fn len(self) -> usize {
        [self.x_planes, self.y_planes, self.gathered, self.results].map(|n| n.next_multiple_of(BLOCK)).iter().sum()
    }

    pub(super) fn max(self, other: Room) -> Room {
        Room {
            x_planes: self.x_planes.max(other.x_planes),
            y_planes: self.y_planes.max(other.y_planes),
            gathered: self.gathered.max(other.gathered),
            results: self.results.max(other.results),
        }
    }
}

/// Floats that the chunks of a gradient to a weight need.
pub(super) fn chunk_floats(contraction: &Contraction, batch: usize) -> usize {
    match contraction.pass {
        Pass::ToWeight { .. } => CHUNKS.min(batch) * contraction.sizes.weight_len(),
        Pass::Forward { .. } | Pass::ToInput { .. } => 0,
    }
}

/// What a worker works in: the parts of its room.
#[derive(Clone, Copy)]
struct Desk {
    x_planes: *mut f32,
    y_planes: *mut f32,
    gathered: *mut f32,
    results: *mut f32,
}

/// Everything a contraction runs with.
pub(super) struct Surroundings<'a> {
    pub(super) context: &'a StepContext,
    pub(super) pool: &'a Pool,
    /// A room a worker, one after another.
    pub(super) rooms: *mut f32,
    pub(super) room: Room,
    /// Gradients to a weight, a chunk after another.
    pub(super) chunks: *mut f32,
}

// SAFETY: workers use rooms of their own, and disjoint parts of the chunks.
unsafe impl Sync for Surroundings<'_> {}

impl Ready {
    /// `code` is asked for the functions of the prologues and of the epilogue, in the order of `Kernel::maps`.
    pub(super) fn new(contraction: &Contraction, plan: &Plan, code: &mut dyn FnMut() -> MapFn) -> Self {
        let offset = |id: BufferId| plan.buffer(id).offset;
        let mut planes = |operand: &Operand| match operand {
            Operand::Stored(id) => Planes::Stored(offset(*id)),
            Operand::Computed(_) => Planes::Computed(code()),
        };
        let pass = match &contraction.pass {
            Pass::Forward { x, weight, y } => {
                ReadyPass::Forward { x: planes(x), weight: offset(*weight), y: offset(*y) }
            }
            Pass::ToInput { dy, weight, dx } => {
                ReadyPass::ToInput { dy: planes(dy), weight: offset(*weight), dx: offset(*dx) }
            }
            Pass::ToWeight { x, dy, dweight } => {
                let x = planes(x);
                ReadyPass::ToWeight { x, dy: planes(dy), dweight: offset(*dweight) }
            }
        };
        let epilogue = contraction.epilogue.as_ref().map(|_| code());
        Ready { sizes: contraction.sizes, pass, epilogue }
    }

    /// Runs it for the step's batch.
    pub(super) fn run(&self, around: &Surroundings<'_>) {
        let images = around.context.batch as usize;
        match self.pass {
            ReadyPass::Forward { x, weight, y } => {
                around.pool.run(images, &|n, worker| self.forward(around, n, worker, x, weight, y));
            }
            ReadyPass::ToInput { dy, weight, dx } => {
                around.pool.run(images, &|n, worker| self.to_input(around, n, worker, dy, weight, dx));
            }
            ReadyPass::ToWeight { x, dy, dweight } => {
                let len = self.sizes.weight_len();
                let chunks = CHUNKS.min(images);
                around.pool.run(chunks, &|chunk, worker| {
                    self.to_weight(
                        around,
                        chunk * images / chunks..(chunk + 1) * images / chunks,
                        chunk,
                        worker,
                        x,
                        dy,
                    );
                });
                around.pool.run(len.div_ceil(SUM_SPAN), &|span, _| {
                    let from = span * SUM_SPAN;
                    let count = SUM_SPAN.min(len - from);
                    // SAFETY: spans are disjoint parts of the gradient, and the chunks are finished.
                    let (sum, all) = unsafe {
                        (
                            std::slice::from_raw_parts_mut(around.context.arena.add(dweight + from), count),
                            std::slice::from_raw_parts(around.chunks, chunks * len),
                        )
                    };
                    sum.copy_from_slice(&all[from..from + count]);
                    for chunk in 1..chunks {
                        let part = &all[chunk * len + from..][..count];
                        sum.iter_mut().zip(part).for_each(|(s, x)| *s += x);
                    }
                });
            }
        }
    }

    fn forward(&self, around: &Surroundings<'_>, n: usize, worker: usize, x: Planes, weight: usize, y: usize) {
        let s = &self.sizes;
        let desk = around.desk(worker);
        let x = self.planes(around, x, n, desk.x_planes, padded(s.inputs), (s.height, s.width));
        let out_blocks = blocks(s.outputs);
        // SAFETY: image n's part of y is this task's alone; offsets come from the plan.
        let (y, weight) = unsafe {
            (
                around.context.arena.add(y + n * out_blocks * s.out_pixels() * BLOCK),
                around.context.arena.add(weight).cast_const(),
            )
        };
        if !s.outputs.is_multiple_of(BLOCK) && s.groups > 1 {
            // SAFETY: the last block of y, whose padding no group writes.
            unsafe {
                std::ptr::write_bytes(y.add((out_blocks - 1) * s.out_pixels() * BLOCK), 0, s.out_pixels() * BLOCK)
            };
        }
        let rows = if s.groups == 1 { padded(s.outputs) } else { s.group_outputs() };
        for group in 0..s.groups {
            for (from, count) in tiles(s) {
                self.gather(x, group, from, count, desk.gathered);
                let direct = s.groups == 1 && out_blocks == 1;
                // SAFETY: the tile's results fit the desk, or are the tile's pixels of the single block of y.
                unsafe {
                    let (dst, stride) = match direct {
                        true => (y.add(from * BLOCK), BLOCK),
                        false => (desk.results, rows),
                    };
                    let weight = weight.add(group * s.group_outputs() * s.row_len());
                    multiply(
                        [rows, count, s.row_len()],
                        (dst, stride, 1, false),
                        (weight, 1, s.row_len()),
                        (desk.gathered, s.row_len(), 1),
                    );
                    if !direct {
                        let first = group * s.group_outputs();
                        scatter_channels(desk.results, rows, y, s.out_pixels(), first, from, count);
                    }
                }
            }
        }
        self.finish(around, n, out_blocks);
    }

    fn to_input(&self, around: &Surroundings<'_>, n: usize, worker: usize, dy: Planes, weight: usize, dx: usize) {
        let s = &self.sizes;
        let desk = around.desk(worker);
        let dy = self.planes(around, dy, n, desk.y_planes, padded(s.outputs), (s.out_height, s.out_width));
        let in_blocks = blocks(s.inputs);
        let len = in_blocks * s.pixels() * BLOCK;
        // SAFETY: image n's part of dx is this task's alone; offsets come from the plan.
        let (dx, weight) = unsafe {
            (
                std::slice::from_raw_parts_mut(around.context.arena.add(dx + n * len), len),
                around.context.arena.add(weight).cast_const(),
            )
        };
        dx.fill(0.0);
        for group in 0..s.groups {
            let (first, outputs) = (group * s.group_outputs(), s.group_outputs());
            for (from, count) in tiles(s) {
                // SAFETY: the tile of dy and its products fit the desk.
                unsafe {
                    gather_channels(dy, s.out_pixels(), first, outputs, from, count, desk.results);
                    multiply(
                        [s.row_len(), count, outputs],
                        (desk.gathered, s.row_len(), 1, false),
                        (weight.add(first * s.row_len()), s.row_len(), 1),
                        (desk.results, outputs, 1),
                    );
                }
                self.spread(desk.gathered, group, from, count, dx);
            }
        }
        self.finish(around, n, in_blocks);
    }

    fn to_weight(
        &self,
        around: &Surroundings<'_>,
        images: std::ops::Range<usize>,
        chunk: usize,
        worker: usize,
        x: Planes,
        dy: Planes,
    ) {
        let s = &self.sizes;
        let desk = around.desk(worker);
        // SAFETY: this chunk's part of the chunks is this task's alone.
        let sum = unsafe { around.chunks.add(chunk * s.weight_len()) };
        // SAFETY: as above; the chunk is as long as the weight.
        unsafe { std::ptr::write_bytes(sum, 0, s.weight_len()) };
        for n in images {
            let x = self.planes(around, x, n, desk.x_planes, padded(s.inputs), (s.height, s.width));
            let dy = self.planes(around, dy, n, desk.y_planes, padded(s.outputs), (s.out_height, s.out_width));
            for group in 0..s.groups {
                let (first, outputs) = (group * s.group_outputs(), s.group_outputs());
                for (from, count) in tiles(s) {
                    self.gather(x, group, from, count, desk.gathered);
                    // SAFETY: the tile of dy fits the desk; the rows of this group lie inside the chunk.
                    unsafe {
                        gather_channels(dy, s.out_pixels(), first, outputs, from, count, desk.results);
                        multiply(
                            [s.row_len(), outputs, count],
                            (sum.add(first * s.row_len()), s.row_len(), 1, true),
                            (desk.gathered, s.row_len(), 1),
                            (desk.results, 1, outputs),
                        );
                    }
                }
            }
        }
    }

    /// Image n's planes of an operand, computed into `room` where they are not stored.
    fn planes(
        &self,
        around: &Surroundings<'_>,
        planes: Planes,
        n: usize,
        room: *mut f32,
        channels: usize,
        (height, width): (usize, usize),
    ) -> *const f32 {
        let plane = height * width * BLOCK;
        match planes {
            // SAFETY: the offset comes from the plan.
            Planes::Stored(offset) => unsafe { around.context.arena.add(offset + n * channels / BLOCK * plane) },
            Planes::Computed(prologue) => {
                for block in 0..channels / BLOCK {
                    // SAFETY: the tile is this worker's own and holds a plane; the map reads what the plan says is ready.
                    unsafe {
                        let tile = room.add(block * plane);
                        prologue(around.context, n as u64, block as u64, tile, (width * BLOCK * 4) as u64);
                    }
                }
                room
            }
        }
    }

    /// Runs the epilogue on each plane of image n.
    fn finish(&self, around: &Surroundings<'_>, n: usize, blocks: usize) {
        if let Some(epilogue) = self.epilogue {
            for block in 0..blocks {
                // SAFETY: the plane is finished, and what the epilogue writes belongs to this plane.
                unsafe { epilogue(around.context, n as u64, block as u64, std::ptr::null_mut(), 0) };
            }
        }
    }

    /// What the taps of each output pixel of a tile read: `[pixel][tap][channel of the group]`.
    fn gather(&self, x: *const f32, group: usize, from: usize, count: usize, gathered: *mut f32) {
        let s = &self.sizes;
        let lanes = padded(s.group_inputs());
        // SAFETY: x holds all planes of an image, the desk a tile.
        let (x, out) = unsafe {
            (
                std::slice::from_raw_parts(x, padded(s.inputs) * s.pixels()),
                std::slice::from_raw_parts_mut(gathered, count * s.row_len()),
            )
        };
        for (place, out) in self.taps(from, count).zip(out.chunks_exact_mut(lanes)) {
            let used = place.map_or(0, |pixel| {
                self.channels(group, pixel, |lane, at, len| out[lane..lane + len].copy_from_slice(&x[at..at + len]))
            });
            out[used..].fill(0.0);
        }
    }

    /// The transpose of `gather`: adds what a tile's taps hold to the pixels that they read.
    fn spread(&self, gathered: *const f32, group: usize, from: usize, count: usize, dx: &mut [f32]) {
        let s = &self.sizes;
        let lanes = padded(s.group_inputs());
        // SAFETY: the desk holds a tile.
        let gathered = unsafe { std::slice::from_raw_parts(gathered, count * s.row_len()) };
        for (place, taps) in self.taps(from, count).zip(gathered.chunks_exact(lanes)) {
            if let Some(pixel) = place {
                self.channels(group, pixel, |lane, at, len| {
                    dx[at..at + len].iter_mut().zip(&taps[lane..lane + len]).for_each(|(d, x)| *d += x);
                });
            }
        }
    }

    /// The pixel of x that each tap of each output pixel of a tile reads, if it exists.
    fn taps(&self, from: usize, count: usize) -> impl Iterator<Item = Option<usize>> {
        let s = self.sizes;
        (from..from + count).flat_map(move |p| {
            let (row, column) = (p / s.out_width * s.stride, p % s.out_width * s.stride);
            (0..s.taps()).map(move |tap| {
                let h = (row + tap / s.kernel * s.dilation).wrapping_sub(s.pad);
                let w = (column + tap % s.kernel * s.dilation).wrapping_sub(s.pad);
                (h < s.height && w < s.width).then(|| h * s.width + w)
            })
        })
    }

    /// Calls `run` for the runs of neighbouring channels of a group at a pixel, with (first lane of the group, place in
    /// x, length), and says how many lanes that were. A single group takes whole blocks, padding included.
    fn channels(&self, group: usize, pixel: usize, mut run: impl FnMut(usize, usize, usize)) -> usize {
        let s = &self.sizes;
        let count = s.group_inputs();
        let end = if s.groups == 1 { padded(count) } else { count };
        for (lane, channel, len) in runs(group * count, end) {
            run(lane, place(channel, pixel, s.pixels()), len);
        }
        end
    }
}

impl Surroundings<'_> {
    /// What maps are called with.
    pub(super) fn context(&self) -> *const StepContext {
        self.context
    }

    fn desk(&self, worker: usize) -> Desk {
        let mut at = worker * self.room.len();
        let mut part = |len: usize| {
            // SAFETY: the engine holds a room for each worker.
            let start = unsafe { self.rooms.add(at) };
            at += len.next_multiple_of(BLOCK);
            start
        };
        Desk {
            x_planes: part(self.room.x_planes),
            y_planes: part(self.room.y_planes),
            gathered: part(self.room.gathered),
            results: part(self.room.results),
        }
    }
}

/// Output pixels of a tile: as many as fit, at least eight.
fn tile_pixels(s: &Sizes) -> usize {
    (TILE_FLOATS / s.row_len()).max(8).min(s.out_pixels())
}

/// The tiles of an image: (first output pixel, how many).
fn tiles(s: &Sizes) -> impl Iterator<Item = (usize, usize)> {
    let (step, all) = (tile_pixels(s), s.out_pixels());
    (0..all).step_by(step).map(move |from| (from, step.min(all - from)))
}

/// The runs of `count` channels from `first` that lie in one block each: (how many come before, first channel, length).
fn runs(first: usize, count: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut lane = 0;
    std::iter::from_fn(move || {
        let channel = first + lane;
        let len = (BLOCK - channel % BLOCK).min(count - lane);
        lane += len;
        (len > 0).then_some((lane - len, channel, len))
    })
}

/// Where a channel's pixel lies in the planes of an image.
fn place(channel: usize, pixel: usize, pixels: usize) -> usize {
    (channel / BLOCK * pixels + pixel) * BLOCK + channel % BLOCK
}

/// A tile's pixels of some channels, `[pixel][channel]`, out of planes.
///
/// # Safety
/// `planes` holds an image of the channels and pixels named, `out` so many floats.
unsafe fn gather_channels(
    planes: *const f32,
    pixels: usize,
    first: usize,
    channels: usize,
    from: usize,
    count: usize,
    out: *mut f32,
) {
    for (lane, channel, len) in runs(first, channels) {
        for p in 0..count {
            // SAFETY: as the caller promises.
            unsafe {
                let source = planes.add(place(channel, from + p, pixels));
                std::ptr::copy_nonoverlapping(source, out.add(p * channels + lane), len);
            }
        }
    }
}

/// The transpose of `gather_channels`: `stride` channels a pixel go to their planes.
///
/// # Safety
/// As for `gather_channels`.
unsafe fn scatter_channels(
    tile: *const f32,
    stride: usize,
    planes: *mut f32,
    pixels: usize,
    first: usize,
    from: usize,
    count: usize,
) {
    for (lane, channel, len) in runs(first, stride) {
        for p in 0..count {
            // SAFETY: as the caller promises.
            unsafe {
                let target = planes.add(place(channel, from + p, pixels));
                std::ptr::copy_nonoverlapping(tile.add(p * stride + lane), target, len);
            }
        }
    }
}

/// dst (+)= lhs rhs, with dst m x n, lhs m x k, rhs k x n; each operand is (start, column stride, row stride), dst also
/// says whether it is added to.
///
/// # Safety
/// The operands hold what the sizes and strides reach; dst meets neither of the others.
unsafe fn multiply(
    [m, n, k]: [usize; 3],
    (dst, dst_column, dst_row, add): (*mut f32, usize, usize, bool),
    (lhs, lhs_column, lhs_row): (*const f32, usize, usize),
    (rhs, rhs_column, rhs_row): (*const f32, usize, usize),
) {
    // SAFETY: as the caller promises.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst,
            dst_column as isize,
            dst_row as isize,
            add,
            lhs,
            lhs_column as isize,
            lhs_row as isize,
            rhs,
            rhs_column as isize,
            rhs_row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
