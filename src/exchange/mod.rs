//! How trained networks leave for other tools and come from them: ONNX and safetensors out, safetensors in.
//!
//! What leaves is the test-time network, its weights and running statistics under their stable paths. Absences: no
//! training, no terminal; nothing of a text but what is quoted.

pub mod card;
pub mod import;
pub mod onnx;
mod weights;

pub use weights::weights;
