//! Finding a graphics processor, and opening it.

use wgpu::{
    AdapterInfo, Backends, DeviceDescriptor, DeviceType, ExperimentalFeatures, Features, Instance, InstanceDescriptor,
    Limits,
};

use super::{Complaints, WgpuProcessor};
use crate::codegen::gpu::Dialect;
use crate::device::gpu::Prepared;
use crate::diag::{Failure, codes};

/// A graphics processor that is open.
pub struct Adapter {
    name: String,
    dialect: Dialect,
    device: wgpu::Device,
    queue: wgpu::Queue,
    complaints: Complaints,
}

impl Adapter {
    /// Opens the fastest kind that takes a dialect: WGSL through Vulkan, Metal's text through Metal.
    ///
    /// # Errors
    /// Where there is none, or its driver is too old.
    pub fn open(dialect: Dialect) -> Result<Adapter, Failure> {
        let (backends, features) = match dialect {
            Dialect::Metal => (Backends::METAL, Features::PASSTHROUGH_SHADERS),
            Dialect::Wgsl | Dialect::Cuda(_) => (Backends::VULKAN, Features::empty()),
        };
        let what = if dialect == Dialect::Metal { "Metal" } else { "Vulkan" };
        let instance =
            Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle() });
        let mut all = pollster::block_on(instance.enumerate_adapters(backends));
        // The sort is stable: of one kind the driver's first.
        all.sort_by_key(|adapter| rank(adapter.get_info().device_type));
        let Some(adapter) = all.into_iter().next() else {
            let message = format!("no graphics processor with a {what} driver is on this machine");
            let help = match dialect {
                Dialect::Metal => "Metal is on Apple machines alone; elsewhere use --device vulkan, cuda or cpu",
                Dialect::Wgsl | Dialect::Cuda(_) => {
                    "install the card's Vulkan driver (on Debian `mesa-vulkan-drivers`, which also has one in software), \
                     or use --device cpu"
                }
            };
            return Err(Failure::new(codes::NO_DEVICE, message, help));
        };
        let name = name(&adapter.get_info());
        let refused = |why: String| {
            let help = "update the card's driver, or use --device cpu";
            Failure::new(codes::NO_DEVICE, format!("the driver of {name} cannot be used: {why}"), help)
        };
        if !adapter.features().contains(features) {
            return Err(refused("it takes no Metal text as it is".into()));
        }
        let found = adapter.limits();
        let wanted = Limits { max_compute_invocations_per_workgroup: 256, ..Limits::downlevel_defaults() };
        if !wanted.check_limits(&found) {
            return Err(refused("it runs fewer than 256 threads a block, or gives too little memory".into()));
        }
        let descriptor = DeviceDescriptor {
            label: Some("sdc"),
            required_features: features,
            required_limits: found,
            experimental_features: ExperimentalFeatures::disabled(),
            ..DeviceDescriptor::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|e| refused(e.to_string()))?;
        let complaints = Complaints::default();
        let heard = complaints.clone();
        device.on_uncaptured_error(std::sync::Arc::new(move |error: wgpu::Error| heard.add(error.to_string())));
        let heard = complaints.clone();
        device.set_device_lost_callback(move |reason, text| heard.add(format!("{reason:?}: {text}")));
        Ok(Adapter { name, dialect, device, queue, complaints })
    }

    /// What it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The language of its kernels.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Bytes that a network may take: the largest piece of memory that a kernel sees.
    pub fn largest(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)
    }

    /// Compiles a network's kernels and makes room for it.
    ///
    /// # Errors
    /// Where the driver refuses a kernel or the memory.
    pub fn processor(&self, prepared: Prepared) -> Result<WgpuProcessor, Failure> {
        WgpuProcessor::new(self.device.clone(), self.queue.clone(), self.complaints.clone(), self.dialect, prepared)
    }
}

/// Which kind is tried first.
fn rank(kind: DeviceType) -> usize {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Cpu => 3,
        DeviceType::Other => 4,
    }
}

fn name(info: &AdapterInfo) -> String {
    let driver = format!("{} {}", info.driver, info.driver_info);
    match driver.trim() {
        "" => info.name.clone(),
        driver => format!("{} (driver {driver})", info.name),
    }
}
