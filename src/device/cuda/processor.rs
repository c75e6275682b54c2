//! A network's kernels and memory on a card.
//!
//! Calls that are always made together are recorded once as a CUDA graph and replayed: images, seed, step and rate lie in
//! the card's memory, so a replay draws anew. Calls of gates that are closed in a step belong to other graphs, which that
//! step leaves out; calls that get a number of the step as an argument (the optimizer's) are made one by one.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::sys::{self, CUdeviceptr};
use cudarc::driver::{CudaContext, CudaFunction, CudaGraph, CudaStream, DriverError, result};
use cudarc::nvrtc::Ptx;

use super::card::bind;
use super::{failed, said};
use crate::device::gpu::{Call, Prepared, Processor, Step, Word, no_memory};
use crate::diag::{Failure, codes};

/// Calls fewer than this are not worth a graph.
const WORTH_RECORDING: usize = 3;

/// A network's kernels and memory.
pub struct CudaProcessor {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    functions: Vec<CudaFunction>,
    calls: Vec<Call>,
    arena: Memory,
    step: Memory,
    segments: Vec<Segment>,
}

/// Calls that are made together.
struct Segment {
    calls: Range<usize>,
    /// Recorded when it is first needed; none where it must not be.
    graph: Option<RefCell<Option<CudaGraph>>>,
}

/// A piece of the card's memory.
struct Memory {
    context: Arc<CudaContext>,
    at: CUdeviceptr,
}

impl Memory {
    /// So many bytes, all zero.
    fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Memory, Failure> {
        bind(context)?;
        // SAFETY: the context is the thread's; the memory is freed once, when this is dropped.
        let at = unsafe { result::malloc_sync(bytes) }.map_err(|error| no_memory(bytes, &said(error)))?;
        let memory = Memory { context: context.clone(), at };
        // SAFETY: all of it was just given.
        unsafe { result::memset_d8_sync(at, 0, bytes) }.map_err(|e| failed("cleared memory", e))?;
        // The driver may still be at it when the call returns, and the stream of the kernels does not wait for it.
        context.synchronize().map_err(|e| failed("cleared memory", e))?;
        Ok(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: it was given by this context and is freed once. A context that has failed has freed it itself.
            let _ = unsafe { result::free_sync(self.at) };
        }
    }
}

/// The most blocks along the two sides of a grid.
const MOST_BLOCKS: [u32; 2] = [i32::MAX as u32, u16::MAX as u32];

impl CudaProcessor {
    pub(super) fn new(context: &Arc<CudaContext>, images: &[Vec<u8>], prepared: Prepared) -> Result<Self, Failure> {
        prepared.check_blocks(MOST_BLOCKS)?;
        bind(context)?;
        let stream = context.new_stream().map_err(|e| failed("made a stream", e))?;
        let load = |(kernel, image): (&crate::codegen::gpu::Kernel, &Vec<u8>)| {
            let module = context.load_module(Ptx::from_binary(image.clone())).map_err(unloaded)?;
            module.load_function(&kernel.name).map_err(unloaded)
        };
        let functions = prepared.kernels.iter().zip(images).map(load).collect::<Result<Vec<_>, _>>()?;
        let arena = Memory::new(context, prepared.floats * 4)?;
        let step = Memory::new(context, 32)?;
        let (train, test) = prepared.calls.split_at(prepared.test);
        let segments = [segments(train, 0), segments(test, train.len())].into_iter().flatten().collect();
        Ok(CudaProcessor { context: context.clone(), stream, functions, calls: prepared.calls, arena, step, segments })
    }

    /// Makes one call.
    fn call(&self, call: &Call, step: &Step) -> Result<(), DriverError> {
        let mut arguments = vec![self.step.at];
        // Each argument in a place of its own; the lower half of a place is where a number of 32 bits is looked for.
        arguments.extend(call.words.iter().map(|word| match *word {
            Word::Place(vectors) => self.arena.at + 16 * u64::from(vectors),
            Word::Bits(bits) => low_half(bits),
            Word::Param(param) => low_half(param.value(step.batch, step.number, step.rate).to_bits()),
        }));
        let mut places: Vec<*mut c_void> = arguments.iter_mut().map(|argument| (&raw mut *argument).cast()).collect();
        let (grid, block) = ((call.groups[0], call.groups[1], 1), (call.threads, 1, 1));
        // SAFETY: the function takes the step's place and then these arguments, as `codegen::gpu` prints its head from the
        // same list; the places that it gets lie in the arena that was made for the plan.
        unsafe {
            let function = self.functions[call.kernel].cu_function();
            result::launch_kernel(function, grid, block, 0, self.stream.cu_stream(), &mut places)
        }
    }

    fn make(&self, calls: Range<usize>, step: &Step) -> Result<(), DriverError> {
        self.calls[calls].iter().try_for_each(|call| self.call(call, step))
    }

    /// Replays a segment, which is recorded first if it was not.
    fn replay(&self, calls: Range<usize>, graph: &RefCell<Option<CudaGraph>>, step: &Step) -> Result<(), DriverError> {
        let mut graph = graph.borrow_mut();
        if graph.is_none() {
            self.stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
            let made = self.make(calls, step);
            // The recording ends in any case: the stream is of no use before.
            let recorded =
                self.stream.end_capture(sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
            made?;
            *graph = recorded?;
        }
        // A recording of nothing would leave kernels out without a word.
        graph.as_ref().ok_or(DriverError(sys::CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED))?.launch()
    }

    /// Makes calls, whole segments by their graphs.
    fn make_all(&self, mut calls: &[usize], step: &Step) -> Result<(), DriverError> {
        while let Some(&first) = calls.first() {
            let segment = self.segments.iter().find(|s| s.calls.start == first).filter(|s| covers(calls, &s.calls));
            let taken = match segment {
                Some(Segment { calls, graph: Some(graph) }) => {
                    self.replay(calls.clone(), graph, step)?;
                    calls.len()
                }
                Some(Segment { .. }) | None => {
                    self.make(first..first + 1, step)?;
                    1
                }
            };
            calls = &calls[taken..];
        }
        Ok(())
    }

    fn copy_in<T>(&self, at: CUdeviceptr, data: &[T]) -> Result<(), DriverError> {
        // SAFETY: the place lies in memory of this processor with room for the data; a copy from memory that is not pinned
        // has read it when the call returns.
        unsafe { result::memcpy_htod_async(at, data, self.stream.cu_stream()) }
    }
}

impl Processor for CudaProcessor {
    fn write(&self, at: usize, floats: &[f32]) -> Result<(), Failure> {
        bind(&self.context)?;
        self.copy_in(self.arena.at + 4 * at as u64, floats).map_err(|e| failed("took data", e))
    }

    fn run(&self, calls: &[usize], step: &Step, read: &[Range<usize>]) -> Result<Vec<f32>, Failure> {
        bind(&self.context)?;
        self.copy_in(self.step.at, &step.words()).map_err(|e| failed("took data", e))?;
        self.make_all(calls, step).map_err(|e| failed("ran kernels", e))?;
        let mut floats = vec![0.0f32; read.iter().map(Range::len).sum()];
        let mut end = 0;
        for range in read {
            let part = &mut floats[end..end + range.len()];
            let at = self.arena.at + 4 * range.start as u64;
            // SAFETY: the place lies in the arena, and the floats live until the stream has ended below.
            unsafe { result::memcpy_dtoh_async(part, at, self.stream.cu_stream()) }
                .map_err(|e| failed("gave data", e))?;
            end += range.len();
        }
        self.stream.synchronize().map_err(|e| failed("ran kernels", e))?;
        Ok(floats)
    }
}

/// A number of 32 bits in the half of a place that an address of 32 bits would be read from.
fn low_half(bits: u32) -> u64 {
    if cfg!(target_endian = "big") { u64::from(bits) << 32 } else { u64::from(bits) }
}

/// Whether `calls` begins with the whole of a range.
fn covers(calls: &[usize], range: &Range<usize>) -> bool {
    calls.len() >= range.len() && calls.iter().zip(range.clone()).all(|(a, b)| *a == b)
}

/// Cuts calls, whose first has this number, where what decides whether they are made changes.
fn segments(calls: &[Call], mut first: usize) -> Vec<Segment> {
    let alike = |a: &Call, b: &Call| a.when == b.when && a.has_params() == b.has_params();
    let mut all = Vec::new();
    for part in calls.chunk_by(alike) {
        let range = first..first + part.len();
        first = range.end;
        let record = part.len() >= WORTH_RECORDING && !part[0].has_params();
        all.push(Segment { calls: range, graph: record.then(|| RefCell::new(None)) });
    }
    all
}

/// Machine code that the driver does not take.
fn unloaded(error: DriverError) -> Failure {
    let message = format!("NVIDIA's driver does not take what NVRTC made: {}", said(error));
    Failure::new(codes::NO_DEVICE, message, "update the driver to the CUDA version of NVRTC, or use --device cpu")
}

#[cfg(test)]
mod tests {
    use super::{Call, Segment, covers, segments};
    use crate::device::gpu::Word;
    use crate::kernel::{Distribution, Draw, Param, When};
    use crate::net::Level;
    use crate::num::draw::Stream;

    fn call(when: &When, words: &[Word]) -> Call {
        Call { name: String::new(), kernel: 0, when: when.clone(), groups: [1, 1], threads: 1, words: words.to_vec() }
    }

    #[test]
    fn calls_are_recorded_by_gate_and_never_with_numbers_of_a_step() {
        let gate = |n| Draw {
            stream: Stream(n),
            level: Level::Batch,
            distribution: Distribution::Bernoulli { threshold: 1 << 31 },
        };
        let [one, other] = [1, 2].map(|n| When::Open(vec![gate(n)]));
        let plain = call(&When::Always, &[Word::Place(0)]);
        let mut calls = vec![plain.clone(); 4];
        calls.extend(vec![call(&one, &[]); 3]);
        calls.extend(vec![call(&other, &[]); 2]);
        calls.extend(vec![call(&When::Always, &[Word::Param(Param::Rate)]); 5]);
        calls.push(plain);
        let cut = segments(&calls, 0);
        let shown: Vec<_> = cut.iter().map(|Segment { calls, graph }| (calls.clone(), graph.is_some())).collect();
        assert_eq!(shown, [(0..4, true), (4..7, true), (7..9, false), (9..14, false), (14..15, false)]);
        assert!(covers(&[4, 5, 6, 9], &(4..7)));
        assert!(!covers(&[4, 6, 7], &(4..7)) && !covers(&[4, 5], &(4..7)));
    }
}
