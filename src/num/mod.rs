//! Numbers that must be the same on every machine: counter-based draws, float functions, stable hashing.
//!
//! Absences: no clock, no thread-local generator, no std float function whose result depends on the platform.

pub mod draw;
pub mod float;
pub mod philox;
mod precision;

pub use philox::philox4x32;
pub use precision::Precision;

/// A 64-bit hash of a text that is the same on every machine and for ever (xxh3).
pub fn stable_hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}
