//! The failures that more than one part of training has.

use crate::diag::{Failure, codes};

/// A loss or gradient that is NaN or infinite in step number `step`, from 1, first in what `place` names.
pub(super) fn diverged(step: u64, epoch: usize, rate: f64, place: Option<&str>) -> Failure {
    let place = place.map_or(String::new(), |place| format!(", first in `{place}`"));
    Failure::new(
        codes::NOT_FINITE,
        format!("in step {step} (epoch {epoch}) the loss or a gradient is not finite{place}; no weight was changed"),
        format!("lower the rate, which is {rate}, or lengthen its warmup; the checkpoints before are as they were"),
    )
}

/// A number that is NaN or infinite after `step` steps.
pub(super) fn not_finite(step: u64, what: &str) -> Failure {
    Failure::new(
        codes::NOT_FINITE,
        format!("after step {step} {what} is no longer finite"),
        "lower the rate, or lengthen its warmup; the weights saved before are as they were",
    )
}
