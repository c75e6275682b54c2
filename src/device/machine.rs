//! Which machines there are, and engines on them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::cpu::CpuEngine;
use super::cuda;
use super::gpu::{GpuEngine, Prepared, Processor};
use super::{Engine, host};
use crate::codegen::gpu::{self, Dialect, Programs};
use crate::diag::Failure;
use crate::kernel::Plan;
use crate::num::Precision;

/// A kind of machine, as a person names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor.
    #[default]
    Cpu,
    /// NVIDIA's card of this number, through CUDA.
    Cuda(usize),
    /// Apple's graphics processor.
    Metal,
    /// Whatever has a Vulkan driver.
    Vulkan,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(0)),
            "metal" => Ok(Device::Metal),
            "vulkan" => Ok(Device::Vulkan),
            _ => {
                let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                number.map(Device::Cuda).ok_or_else(|| "a device is cpu, cuda, cuda:N, metal or vulkan".to_owned())
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Metal => f.write_str("metal"),
            Device::Vulkan => f.write_str("vulkan"),
        }
    }
}

/// A machine that is open.
pub enum Machine {
    /// This machine's processor.
    Cpu {
        /// Threads that work.
        threads: usize,
    },
    /// A card of NVIDIA's.
    Cuda(cuda::Card),
    /// A graphics processor with a system driver.
    #[cfg(feature = "gpu")]
    Wgpu(super::wgpu::Adapter),
}

impl Machine {
    /// Opens a machine. What a driver's compiler makes is kept under `cache`, if it is given.
    ///
    /// # Errors
    /// Where it is not there or its driver cannot be used.
    pub fn open(device: Device, threads: usize, cache: Option<&Path>) -> Result<Machine, Failure> {
        match device {
            Device::Cpu => Ok(Machine::Cpu { threads }),
            Device::Cuda(number) => cuda::Card::open(number, cache).map(Machine::Cuda),
            #[cfg(feature = "gpu")]
            Device::Metal => super::wgpu::Adapter::open(Dialect::Metal).map(Machine::Wgpu),
            #[cfg(feature = "gpu")]
            Device::Vulkan => super::wgpu::Adapter::open(Dialect::Wgsl).map(Machine::Wgpu),
            #[cfg(not(feature = "gpu"))]
            Device::Metal | Device::Vulkan => Err(Failure::new(
                crate::diag::codes::NO_DEVICE,
                format!("this sdc was built without the drivers for `{device}`"),
                "build it with `cargo install --path . --features gpu`, or use --device cpu or cuda",
            )),
        }
    }

    /// The same machine, whose contractions multiply in a precision.
    ///
    /// # Errors
    /// Where it has no tensor cores for it.
    pub fn with(self, precision: Precision) -> Result<Machine, Failure> {
        let what = match self {
            Machine::Cuda(card) => return card.with(precision).map(Machine::Cuda),
            machine if precision == Precision::Fp32 => return Ok(machine),
            Machine::Cpu { .. } => "cpu",
            #[cfg(feature = "gpu")]
            Machine::Wgpu(adapter) => {
                if adapter.dialect() == Dialect::Metal {
                    "metal"
                } else {
                    "vulkan"
                }
            }
        };
        Err(Failure::new(
            crate::diag::codes::NO_DEVICE,
            format!("--device {what} multiplies in fp32 alone, not in {precision}"),
            "leave --precision away, or use --device cuda with a card of architecture 8.0 or newer",
        ))
    }

    /// The language of its kernels, where it compiles texts.
    pub fn dialect(&self) -> Option<Dialect> {
        match self {
            Machine::Cpu { .. } => None,
            Machine::Cuda(card) => Some(card.dialect()),
            #[cfg(feature = "gpu")]
            Machine::Wgpu(adapter) => Some(adapter.dialect()),
        }
    }

    /// Plans with all that an engine on this machine is made from.
    pub fn ready(&self, train: Option<Plan>, test: Plan) -> Ready {
        let programs = self.dialect().map(|dialect| gpu::programs(train.as_ref(), &test, dialect));
        let bytes = match (self, &programs) {
            (Machine::Cpu { threads }, _) => CpuEngine::bytes(train.as_ref(), &test, *threads),
            (_, programs) => programs.as_ref().expect("what is no CPU compiles texts").floats() as u64 * 4,
        };
        Ready { train, test, programs, bytes }
    }

    /// Bytes that there are for an engine, where that is known.
    pub fn room(&self) -> Option<u64> {
        match self {
            Machine::Cpu { .. } => host::available_memory(),
            Machine::Cuda(card) => Some(card.free()),
            #[cfg(feature = "gpu")]
            Machine::Wgpu(adapter) => Some(adapter.largest()),
        }
    }

    /// Compiles a network's kernels and makes room for it; none on the processor of this machine, which compiles plans.
    ///
    /// # Errors
    /// Where the driver refuses.
    pub fn processor(&self, prepared: Prepared) -> Option<Result<Box<dyn Processor>, Failure>> {
        match self {
            Machine::Cpu { .. } => None,
            Machine::Cuda(card) => Some(card.processor(prepared).map(|made| Box::new(made) as Box<dyn Processor>)),
            #[cfg(feature = "gpu")]
            Machine::Wgpu(adapter) => {
                Some(adapter.processor(prepared).map(|made| Box::new(made) as Box<dyn Processor>))
            }
        }
    }

    /// Compiles what is ready for this machine.
    ///
    /// # Errors
    /// Where the driver refuses.
    pub fn engine(&self, ready: Ready) -> Result<Box<dyn Engine>, Failure> {
        let Ready { train, test, programs, .. } = ready;
        Ok(match (self, programs) {
            (Machine::Cpu { threads }, _) => Box::new(CpuEngine::new(train, test, *threads)),
            (_, programs) => {
                let make = |prepared| self.processor(prepared).expect("a graphics processor");
                Box::new(GpuEngine::new(train, test, programs.expect("what is no CPU compiles texts"), make)?)
            }
        })
    }
}

/// A network's plans, and its kernels' texts for a machine that compiles texts: made once, before it is known whether there
/// is room for them.
pub struct Ready {
    train: Option<Plan>,
    test: Plan,
    programs: Option<Programs>,
    bytes: u64,
}

impl Ready {
    /// Bytes that an engine for it works in.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What was found of a kind of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name by which `--device` takes it, or the kind where none is there.
    pub name: String,
    /// What it is; else why it is not there.
    pub is: Result<String, Failure>,
}

/// All devices of this machine, and why kinds are not there.
pub fn found(threads: usize) -> Vec<Found> {
    let memory = host::available_memory().map_or(String::new(), |bytes| format!(", {} MiB free", bytes >> 20));
    let cpu = format!("{threads} threads, {}{memory}", host::instruction_set());
    let mut all = vec![Found { name: "cpu".into(), is: Ok(cpu) }];
    match cuda::Card::all() {
        Ok(cards) => {
            let cards = cards.into_iter().enumerate();
            all.extend(cards.map(|(number, card)| Found { name: Device::Cuda(number).to_string(), is: card }));
        }
        Err(failure) => all.push(Found { name: "cuda".into(), is: Err(failure) }),
    }
    for device in [Device::Vulkan, Device::Metal] {
        let is = Machine::open(device, threads, None);
        all.push(Found { name: device.to_string(), is: is.map(|machine| machine.to_string()) });
    }
    all
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Machine::Cpu { threads } => write!(f, "{threads} threads"),
            Machine::Cuda(card) => f.write_str(card.name()),
            #[cfg(feature = "gpu")]
            Machine::Wgpu(adapter) => f.write_str(adapter.name()),
        }
    }
}
