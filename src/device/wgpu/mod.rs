//! Graphics processors through the system's own drivers: WGSL on Vulkan, Metal's own text on Apple machines.
//!
//! The host code is the same for both, so what runs on a software driver in tests is what runs on Apple's.

#![allow(unsafe_code)]

mod adapter;
mod processor;

pub use adapter::Adapter;
pub use processor::WgpuProcessor;

use std::sync::{Arc, Mutex};

use crate::device::gpu::gave_up;
use crate::diag::Failure;

/// What a driver has complained of, from whichever thread it says it.
#[derive(Clone, Debug, Default)]
struct Complaints(Arc<Mutex<Vec<String>>>);

impl Complaints {
    fn add(&self, text: String) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(text);
    }

    /// Fails with the first complaint, if there is one.
    fn check(&self) -> Result<(), Failure> {
        match self.0.lock().unwrap_or_else(|e| e.into_inner()).first() {
            Some(text) => Err(failed(text)),
            None => Ok(()),
        }
    }
}

/// A device that does not do what it was asked.
fn failed(what: &dyn std::fmt::Display) -> Failure {
    gave_up(format!("the graphics processor gave up: {what}"))
}
