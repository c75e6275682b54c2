//! NVIDIA's cards through the CUDA driver and NVRTC, both opened when they are asked for.
//!
//! Absences: cuBLAS and CUDA's runtime; nothing of CUDA is needed to build. cuDNN is no second provider of contractions: it
//! reads and writes whole maps, channels last, where these kernels read blocks of 16 channels, normalise and activate what
//! they read, and sum what they write. Each layer would make two copies and at least two more passes over its maps.

#![allow(unsafe_code)]

mod card;
mod compile;
mod processor;

pub use card::Card;
pub use processor::CudaProcessor;

use cudarc::driver::DriverError;

use crate::device::gpu::gave_up;
use crate::diag::Failure;

/// A driver that does not do what it was asked.
fn failed(what: &str, error: DriverError) -> Failure {
    gave_up(format!("CUDA gave up while it {what}: {}", said(error)))
}

/// What the driver says, in its own words.
fn said(error: DriverError) -> String {
    let words = |text: Result<&std::ffi::CStr, DriverError>| text.ok().map(|text| text.to_string_lossy().into_owned());
    match (words(error.error_name()), words(error.error_string())) {
        (Some(name), Some(text)) => format!("{text} ({name})"),
        (Some(name), None) => name,
        (None, _) => format!("error {}", error.0 as u32),
    }
}
