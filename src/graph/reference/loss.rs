//! Softmax cross entropy with a smoothed target.

use super::Array;
use crate::num::float;

pub(super) fn cross_entropy(smoothing: f64, logits: &Array, target: &Array, loss: &mut Array) {
    let [images, classes, ..] = logits.nchw();
    for (logits, target) in logits.values.chunks_exact(classes).zip(target.values.chunks_exact(classes)) {
        for (log_p, t) in log_softmax(logits).zip(smoothed(smoothing, target)) {
            loss.values[0] -= t * log_p / images as f64;
        }
    }
}

pub(super) fn cross_entropy_back(smoothing: f64, logits: &Array, target: &Array, adj: &mut Array) {
    let [images, classes, ..] = logits.nchw();
    let rows = logits.values.chunks_exact(classes).zip(target.values.chunks_exact(classes));
    for (adj, (logits, target)) in adj.values.chunks_exact_mut(classes).zip(rows) {
        for ((adj, log_p), t) in adj.iter_mut().zip(log_softmax(logits)).zip(smoothed(smoothing, target)) {
            *adj = (float::exp(log_p) - t) / images as f64;
        }
    }
}

/// Each logit less the logarithm of the sum of all exponentials, which is taken around the largest.
fn log_softmax(logits: &[f64]) -> impl Iterator<Item = f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| float::exp(z - largest)).sum();
    let log_sum = largest + float::ln(sum);
    logits.iter().map(move |z| z - log_sum)
}

/// t'.
fn smoothed(smoothing: f64, target: &[f64]) -> impl Iterator<Item = f64> {
    let classes = target.len() as f64;
    target.iter().map(move |t| (1.0 - smoothing) * t + smoothing / classes)
}
