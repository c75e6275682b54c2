//! Finding a card, and opening it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cudarc::driver::{self, CudaContext, DriverError};
use cudarc::nvrtc;

use super::{CudaProcessor, failed, said};
use crate::codegen::gpu::Dialect;
use crate::device::gpu::Prepared;
use crate::diag::{Failure, codes};
use crate::num::Precision;

/// The oldest driver, by the CUDA version that it was made for: from here on a driver runs what any NVRTC of the same major
/// version makes.
const OLDEST: i32 = 12_000;
/// The oldest cards: NVRTC 12 makes code for no older ones.
const OLDEST_CARD: (i32, i32) = (5, 0);

/// The oldest cards whose tensor cores take TF32 and bf16.
const OLDEST_TENSOR: (i32, i32) = (8, 0);

/// A card that is open.
pub struct Card {
    name: String,
    context: Arc<CudaContext>,
    /// Major and minor number.
    architecture: (i32, i32),
    precision: Precision,
    /// Where compiled kernels are kept.
    cache: Option<PathBuf>,
}

impl Card {
    /// Opens the card of this number.
    ///
    /// # Errors
    /// Where the driver, NVRTC or the card is not there, or too old.
    pub fn open(number: usize, cache: Option<&Path>) -> Result<Card, Failure> {
        let count = count()?;
        if number >= count {
            let message = format!("there is no card cuda:{number}: the driver knows {count}, counted from 0");
            return Err(missing(message, "`sdc devices` lists them"));
        }
        if !nvrtc_is_there() {
            let message = "NVIDIA's driver is here, but not its compiler NVRTC (libnvrtc.so.12)";
            let help = "install it: it is part of the CUDA toolkit 12, and on PyPI `nvidia-cuda-nvrtc-cu12`, whose folder \
                        then belongs into LD_LIBRARY_PATH";
            return Err(missing(message, help));
        }
        let refused = |error: DriverError| {
            let message = format!("the card cuda:{number} cannot be used: {}", said(error));
            missing(message, "`nvidia-smi` tells more; or use --device cpu")
        };
        let context = CudaContext::new(number).map_err(refused)?;
        let model = context.name().map_err(refused)?;
        let (major, minor) = context.compute_capability().map_err(refused)?;
        let bytes = context.total_mem().map_err(refused)?;
        if (major, minor) < OLDEST_CARD {
            let message = format!("the card cuda:{number}, {model}, is too old: its architecture is {major}.{minor}");
            return Err(missing(message, "cards from 5.0 on work; or use --device cpu"));
        }
        let name = format!("{model}, {} MiB, architecture {major}.{minor}", bytes >> 20);
        let (architecture, precision) = ((major, minor), Precision::Fp32);
        Ok(Card { name, context, architecture, precision, cache: cache.map(|cache| cache.join("cuda")) })
    }

    /// The same card, whose contractions multiply in a precision.
    ///
    /// # Errors
    /// Where its tensor cores are too old for it.
    pub fn with(self, precision: Precision) -> Result<Card, Failure> {
        let (major, minor) = self.architecture;
        if precision == Precision::Fp32 || self.architecture >= OLDEST_TENSOR {
            return Ok(Card { precision, ..self });
        }
        let message =
            format!("the card {} has no tensor cores for {precision}: its architecture is {major}.{minor}", self.name);
        Err(missing(message, "cards from 8.0 on have them; leave --precision away"))
    }

    /// The language of its kernels.
    pub fn dialect(&self) -> Dialect {
        Dialect::Cuda(self.precision)
    }

    /// Each card of this machine: what it is, else why it cannot be used.
    ///
    /// # Errors
    /// Where there is no driver, or it is too old.
    pub fn all() -> Result<Vec<Result<String, Failure>>, Failure> {
        let open = |number| Card::open(number, None).map(|card| card.name);
        count().map(|count| (0..count).map(open).collect())
    }

    /// What it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of its memory that are free.
    pub fn free(&self) -> u64 {
        self.context.mem_get_info().map_or(0, |(free, _)| free as u64)
    }

    /// Compiles a network's kernels and makes room for it.
    ///
    /// # Errors
    /// Where NVRTC or the driver refuses.
    pub fn processor(&self, prepared: Prepared) -> Result<CudaProcessor, Failure> {
        let (major, minor) = self.architecture;
        let images = super::compile::all(&prepared, &format!("sm_{major}{minor}"), self.cache.as_deref())?;
        CudaProcessor::new(&self.context, &images, prepared)
    }
}

fn missing(message: impl Into<String>, help: &str) -> Failure {
    Failure::new(codes::NO_DEVICE, message, help)
}

/// How many cards the driver knows.
fn count() -> Result<usize, Failure> {
    // SAFETY: the libraries that are looked for are the driver's own, whose start-up code may run.
    if !unsafe { driver::sys::is_culib_present() } {
        let message = "NVIDIA's driver is not on this machine: there is no libcuda.so.1 (on Windows nvcuda.dll)";
        let help = "use --device cpu, or vulkan for another card; where there is an NVIDIA card, install its driver";
        return Err(missing(message, help));
    }
    let refused = |error: DriverError| {
        let message = format!("NVIDIA's driver is here but does not start: {}", said(error));
        missing(message, "`nvidia-smi` tells more; or use --device cpu")
    };
    let version = version().map_err(refused)?;
    if version < OLDEST {
        let message = format!(
            "NVIDIA's driver is too old: it is made for CUDA {}.{}, and 12.0 is needed",
            version / 1000,
            version % 1000 / 10
        );
        return Err(missing(message, "install driver 525 or a newer one, or use --device cpu"));
    }
    driver::result::init().map_err(refused)?;
    let count = CudaContext::device_count().map_err(refused)?;
    if count == 0 {
        return Err(missing(
            "NVIDIA's driver is here but knows no card",
            "`nvidia-smi` tells more; or use --device cpu",
        ));
    }
    Ok(count as usize)
}

/// The CUDA version that the driver was made for, as 1000 major + 10 minor.
fn version() -> Result<i32, DriverError> {
    let mut version = 0;
    // SAFETY: the driver is there, and needs no start for this; it writes one number.
    unsafe { driver::sys::cuDriverGetVersion(&mut version) }.result()?;
    Ok(version)
}

pub(super) fn nvrtc_is_there() -> bool {
    // SAFETY: the libraries that are looked for are NVRTC's own, whose start-up code may run.
    unsafe { nvrtc::sys::is_culib_present() }
}

/// As every use of a context on a thread needs.
pub(super) fn bind(context: &CudaContext) -> Result<(), Failure> {
    context.bind_to_thread().map_err(|e| failed("took up its context", e))
}
