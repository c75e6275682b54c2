//! Whether an ONNX file computes what the network does, asked of an implementation that is not ours: `tract`.

use tract_onnx::prelude::{Framework as _, InferenceModelExt as _, IntoRunnable as _, Tensor, TractResult, tvec};

use super::Sample;
use crate::diag::{Failure, codes};

/// How far a logit may be off, as a share of the largest, which counts as at least 1.
pub const TOLERANCE: f32 = 1e-4;

/// Runs the model on the sample's images; the largest difference of a logit.
///
/// # Errors
/// A model that does not run, or gives other logits.
pub fn check(model: &[u8], sample: &Sample) -> Result<f32, Failure> {
    let help =
        "this is a mistake of sdc, not of your program: please report it; `--format safetensors` works meanwhile";
    let differs = |message: String| Failure::new(codes::EXPORT_DIFFERS, message, help);
    let logits = run(model, sample).map_err(|e| differs(format!("the exported network does not run: {e:#}")))?;
    if logits.len() != sample.logits.len() {
        let (theirs, ours) = (logits.len(), sample.logits.len());
        return Err(differs(format!("the exported network gives {theirs} logits where the run gives {ours}")));
    }
    let largest = sample.logits.iter().fold(1.0f32, |most, z| most.max(z.abs()));
    let differences = logits.iter().zip(&sample.logits).map(|(a, b)| (a - b).abs());
    // A number that is none is a difference, too.
    let off = differences.fold(0.0f32, |most, off| if off.is_nan() { f32::INFINITY } else { most.max(off) });
    if off > TOLERANCE * largest {
        let allowed = TOLERANCE * largest;
        let message =
            format!("a logit of the exported network is off by {off:e}, more than the {allowed:e} of rounding");
        return Err(differs(message));
    }
    Ok(off)
}

fn run(model: &[u8], sample: &Sample) -> TractResult<Vec<f32>> {
    let model = tract_onnx::onnx().model_for_read(&mut &*model)?;
    let model = model.into_optimized()?.into_runnable()?;
    let images = Tensor::from_shape(&sample.dims, &sample.pixels)?;
    let out = model.run(tvec!(images.into()))?;
    Ok(out[0].to_plain_array_view::<f32>()?.iter().copied().collect())
}
