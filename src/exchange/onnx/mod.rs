//! ONNX, operator set 17: the test-time graph with its weights, from the pixel values as a data set has them to logits.
//!
//! [`model`] translates, [`check`] runs what was translated with an implementation that is not ours, [`samples`] are what
//! it was checked with. Nodes, values and weights bear the paths of the network. The messages are those of `tract-onnx`,
//! so what is written is what is read back. Absences: no file, no training operations.

mod check;
mod message;
mod operations;
mod writer;

use prost::Message as _;

pub use self::check::check;
use crate::data::Scale;
use crate::device::Engine;
use crate::diag::{Failure, codes};
use crate::graph::Graph;

/// Protocol buffers end here.
const MAX_BYTES: usize = (1 << 31) - 1;

/// What becomes a model.
pub struct Export<'a> {
    /// The test-time graph.
    pub graph: &'a Graph,
    /// Its weights.
    pub engine: &'a dyn Engine,
    /// How pixels are normalised, a channel.
    pub scale: &'a [Scale],
    /// The model's name.
    pub name: &'a str,
    /// The text of the resolved program, kept in the file.
    pub program: &'a str,
}

/// Images with what the network makes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// N, C, H, W.
    pub dims: [usize; 4],
    /// N x C x H x W: pixel values as the data set has them.
    pub pixels: Vec<f32>,
    /// N x classes.
    pub logits: Vec<f32>,
}

/// The bytes of the ONNX file.
///
/// # Errors
/// A network too large for the format.
pub fn model(export: &Export<'_>) -> Result<Vec<u8>, Failure> {
    let model = writer::write(export);
    let bytes = model.encoded_len();
    if bytes > MAX_BYTES {
        let message = format!("the network takes {} MiB as ONNX, whose files end at 2048 MiB", bytes >> 20);
        return Err(Failure::new(codes::TOO_BIG, message, "export its weights with `--format safetensors`"));
    }
    Ok(model.encode_to_vec())
}

/// The two files of a sample, `input_0.pb` and `output_0.pb`, as ONNX's own test data sets have them.
pub fn samples(sample: &Sample) -> [(&'static str, Vec<u8>); 2] {
    let [n, ..] = sample.dims;
    let images = message::floats("image", &sample.dims, &sample.pixels);
    let logits = message::floats("logits", &[n, sample.logits.len() / n], &sample.logits);
    [("input_0.pb", images.encode_to_vec()), ("output_0.pb", logits.encode_to_vec())]
}
