//! A network's kernels and memory on a graphics processor.
//!
//! A step is one command buffer: what the host sends, all kernels, the copy of what the host reads. Between kernels the
//! driver waits for what the one before wrote.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc;

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry,
    BindingResource, BindingType, Buffer, BufferBinding, BufferBindingType, BufferDescriptor, BufferSize, BufferUsages,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor, Device, ErrorFilter,
    MapMode, PassthroughShaderEntryPoint, PipelineCompilationOptions, PipelineLayout, PipelineLayoutDescriptor,
    PollType, Queue, ShaderModule, ShaderModuleDescriptor, ShaderModuleDescriptorPassthrough, ShaderRuntimeChecks,
    ShaderSource, ShaderStages,
};

use super::{Complaints, failed};
use crate::codegen::gpu::Dialect;
use crate::device::gpu::{Prepared, Processor, Step, Word, no_memory};
use crate::device::parallel::each;
use crate::diag::Failure;

/// A network's kernels and memory.
pub struct WgpuProcessor {
    device: Device,
    queue: Queue,
    complaints: Complaints,
    prepared: Prepared,
    /// By kernel and threads of a block.
    pipelines: BTreeMap<(usize, u32), ComputePipeline>,
    arena: Buffer,
    /// The arguments of all calls, a slot each.
    arguments: Buffer,
    /// Bytes of a slot.
    slot: usize,
    step: Buffer,
    group: BindGroup,
    /// Where the host reads small answers.
    answer: Buffer,
}

/// Bytes of `answer`.
const ANSWER: u64 = 4096;

impl WgpuProcessor {
    pub(super) fn new(
        device: Device,
        queue: Queue,
        complaints: Complaints,
        dialect: Dialect,
        prepared: Prepared,
    ) -> Result<Self, Failure> {
        let limits = device.limits();
        prepared.check_blocks([limits.max_compute_workgroups_per_dimension; 2])?;
        let align = limits.min_storage_buffer_offset_alignment.max(4) as usize;
        let words = prepared.calls.iter().map(|call| call.words.len()).max().unwrap_or(0).max(1);
        let slot = (words * 4).next_multiple_of(align);
        let scope = device.push_error_scope(ErrorFilter::OutOfMemory);
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let arena = buffer(&device, prepared.floats * 4, storage | BufferUsages::COPY_SRC);
        let arguments = buffer(&device, prepared.calls.len() * slot, storage);
        let step = buffer(&device, 32, storage);
        let answer = buffer(&device, ANSWER as usize, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(no_memory(prepared.floats * 4, &error));
        }
        let layout = layout(&device, slot);
        let group = group(&device, &layout, [&arena, &arguments, &step], slot);
        let mut processor = WgpuProcessor {
            device,
            queue,
            complaints,
            prepared,
            pipelines: BTreeMap::new(),
            arena,
            arguments,
            slot,
            step,
            group,
            answer,
        };
        processor.compile(dialect, &layout)?;
        let nothing = Step { batch: 0, seed: 0, number: 0, rate: 0.0 };
        (0..processor.prepared.calls.len()).for_each(|call| processor.set_arguments(call, &nothing));
        Ok(processor)
    }

    /// Compiles each kernel as a module of its own, several at a time.
    fn compile(&mut self, dialect: Dialect, layout: &BindGroupLayout) -> Result<(), Failure> {
        let layout = self.device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(layout)],
            immediate_size: 0,
        });
        let mut wanted: Vec<(usize, u32)> =
            self.prepared.calls.iter().map(|call| (call.kernel, call.threads)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pipeline = |i: usize| Ok((wanted[i], self.pipeline(dialect, &layout, wanted[i])?));
        let made: Result<_, Failure> = each(wanted.len(), threads, pipeline).into_iter().collect();
        self.pipelines = made?;
        Ok(())
    }

    /// Compiles a kernel for blocks of so many threads. A scope for errors is a thread's own.
    fn pipeline(
        &self,
        dialect: Dialect,
        layout: &PipelineLayout,
        (kernel, threads): (usize, u32),
    ) -> Result<ComputePipeline, Failure> {
        let name = &self.prepared.kernels[kernel].name;
        let scope = self.device.push_error_scope(ErrorFilter::Validation);
        let module = module(&self.device, dialect, name, self.prepared.text(kernel), threads);
        let pipeline = self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(layout),
            module: &module,
            entry_point: Some(name),
            // Kernels write what they share before they read it.
            compilation_options: PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..PipelineCompilationOptions::default()
            },
            cache: None,
        });
        match pollster::block_on(scope.pop()) {
            Some(error) => Err(failed(&format!("it does not take kernel {name}: {error}"))),
            None => Ok(pipeline),
        }
    }

    /// Puts a call's arguments where its kernel reads them.
    fn set_arguments(&self, call: usize, step: &Step) {
        let words = self.prepared.calls[call].words.iter().map(|word| match *word {
            Word::Place(vectors) => vectors,
            Word::Bits(bits) => bits,
            Word::Param(param) => param.value(step.batch, step.number, step.rate).to_bits(),
        });
        let bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
        if !bytes.is_empty() {
            self.queue.write_buffer(&self.arguments, (call * self.slot) as u64, &bytes);
        }
    }
}

impl Processor for WgpuProcessor {
    fn write(&self, at: usize, floats: &[f32]) -> Result<(), Failure> {
        let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_ne_bytes()).collect();
        self.queue.write_buffer(&self.arena, at as u64 * 4, &bytes);
        self.complaints.check()
    }

    fn run(&self, calls: &[usize], step: &Step, read: &[Range<usize>]) -> Result<Vec<f32>, Failure> {
        let bytes: Vec<u8> = step.words().iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.queue.write_buffer(&self.step, 0, &bytes);
        let all = &self.prepared.calls;
        calls.iter().filter(|call| all[**call].has_params()).for_each(|call| self.set_arguments(*call, step));
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            for number in calls {
                let call = &all[*number];
                pass.set_pipeline(&self.pipelines[&(call.kernel, call.threads)]);
                pass.set_bind_group(0, &self.group, &[(number * self.slot) as u32]);
                pass.dispatch_workgroups(call.groups[0], call.groups[1], 1);
            }
        }
        let len: usize = read.iter().map(Range::len).sum();
        let own = (len as u64 * 4 > ANSWER)
            .then(|| buffer(&self.device, len * 4, BufferUsages::MAP_READ | BufferUsages::COPY_DST));
        let answer = own.as_ref().unwrap_or(&self.answer);
        let mut end = 0;
        for range in read {
            let size = range.len() as u64 * 4;
            encoder.copy_buffer_to_buffer(&self.arena, range.start as u64 * 4, answer, end, size);
            end += size;
        }
        self.queue.submit([encoder.finish()]);
        if len == 0 {
            return self.complaints.check().map(|()| vec![]);
        }
        let (tell, told) = mpsc::channel();
        answer.map_async(MapMode::Read, 0..end, move |result| {
            // Who asked waits below.
            let _ = tell.send(result);
        });
        self.device.poll(PollType::wait_indefinitely()).map_err(|e| failed(&e))?;
        self.complaints.check()?;
        told.recv().map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        let floats = {
            let view = answer.get_mapped_range(0..end).map_err(|e| failed(&e))?;
            let (floats, _) = view.as_chunks::<4>();
            floats.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect()
        };
        answer.unmap();
        Ok(floats)
    }
}

fn buffer(device: &Device, bytes: usize, usage: BufferUsages) -> Buffer {
    device.create_buffer(&BufferDescriptor {
        label: None,
        size: bytes.max(16) as u64,
        usage,
        mapped_at_creation: false,
    })
}

/// Arena, arguments, step: buffers 0, 1 and 2 of every kernel.
fn layout(device: &Device, slot: usize) -> BindGroupLayout {
    let entry = |binding, read_only, has_dynamic_offset, size: Option<usize>| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty: BufferBindingType::Storage { read_only },
            has_dynamic_offset,
            min_binding_size: size.and_then(|size| BufferSize::new(size as u64)),
        },
        count: None,
    };
    let entries = [entry(0, false, false, None), entry(1, true, true, Some(slot)), entry(2, true, false, None)];
    device.create_bind_group_layout(&BindGroupLayoutDescriptor { label: None, entries: &entries })
}

fn group(device: &Device, layout: &BindGroupLayout, [arena, arguments, step]: [&Buffer; 3], slot: usize) -> BindGroup {
    let slot =
        BindingResource::Buffer(BufferBinding { buffer: arguments, offset: 0, size: BufferSize::new(slot as u64) });
    let entries = [
        BindGroupEntry { binding: 0, resource: arena.as_entire_binding() },
        BindGroupEntry { binding: 1, resource: slot },
        BindGroupEntry { binding: 2, resource: step.as_entire_binding() },
    ];
    device.create_bind_group(&BindGroupDescriptor { label: None, layout, entries: &entries })
}

/// One kernel's text as a module.
fn module(device: &Device, dialect: Dialect, name: &str, text: String, threads: u32) -> ShaderModule {
    match dialect {
        Dialect::Metal => {
            let entry = PassthroughShaderEntryPoint { name: name.to_owned().into(), workgroup_size: (threads, 1, 1) };
            let descriptor = ShaderModuleDescriptorPassthrough {
                label: Some(name),
                entry_points: Cow::Owned(vec![entry]),
                msl: Some(text.into()),
                ..ShaderModuleDescriptorPassthrough::default()
            };
            // SAFETY: the text is one that `codegen::gpu` prints, whose only buffers are the three of the layout and
            // whose indices lie inside the arena for the plan that the arena was made for.
            unsafe { device.create_shader_module_passthrough(descriptor) }
        }
        Dialect::Wgsl | Dialect::Cuda(_) => {
            let source = ShaderSource::Wgsl(text.into());
            let descriptor = ShaderModuleDescriptor { label: Some(name), source };
            // SAFETY: as above; its loops are counted, and its divisors are numbers of a plan, none of them 0.
            unsafe { device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked()) }
        }
    }
}
