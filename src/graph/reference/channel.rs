//! Operations with one number a channel.

use super::Array;

/// Each channel's number with the elements of the channel in one image; images outermost.
fn rows(map: &Array) -> impl Iterator<Item = (usize, &[f64])> {
    let [_, channels, height, width] = map.nchw();
    map.values.chunks_exact(height * width).enumerate().map(move |(i, row)| (i % channels, row))
}

/// `f(c, place)` for every element.
fn fill(map: &mut Array, f: impl Fn(usize, usize) -> f64) {
    let [_, channels, height, width] = map.nchw();
    for (place, value) in map.values.iter_mut().enumerate() {
        *value = f(place / (height * width) % channels, place);
    }
}

/// N H W.
fn count(map: &Array) -> f64 {
    let [images, _, height, width] = map.nchw();
    (images * height * width) as f64
}

pub(super) fn add(x: &Array, b: &Array, y: &mut Array) {
    fill(y, |c, i| x.values[i] + b.values[c]);
}

pub(super) fn sum(x: &Array, sums: &mut Array) {
    for (c, row) in rows(x) {
        sums.values[c] += row.iter().sum::<f64>();
    }
}

pub(super) fn mean(x: &Array, mean: &mut Array) {
    sum(x, mean);
    mean.values.iter_mut().for_each(|v| *v /= count(x));
}

pub(super) fn variance(x: &Array, mean: &Array, variance: &mut Array) {
    for (c, row) in rows(x) {
        variance.values[c] += row.iter().map(|v| (v - mean.values[c]) * (v - mean.values[c])).sum::<f64>();
    }
    variance.values.iter_mut().for_each(|v| *v /= count(x));
}

/// Inputs: x, mean, variance, scale, shift.
pub(super) fn batch_norm(eps: f64, inputs: &[&Array], y: &mut Array) {
    let &[x, mean, variance, scale, shift] = inputs else { unreachable!("BatchNorm has 5 inputs") };
    fill(y, |c, i| normal(eps, x, mean, variance, c, i) * scale.values[c] + shift.values[c]);
}

/// Inputs: dy, x, mean, variance.
pub(super) fn batch_norm_to_scale(eps: f64, inputs: &[&Array], scale_adj: &mut Array) {
    let &[y_adj, x, mean, variance] = inputs else { unreachable!("BatchNormToScale has 4 inputs") };
    let mut products = x.clone();
    fill(&mut products, |c, i| y_adj.values[i] * normal(eps, x, mean, variance, c, i));
    sum(&products, scale_adj);
}

/// Inputs: dy, x, mean, variance, scale, dscale, dshift.
pub(super) fn batch_norm_to_input(eps: f64, inputs: &[&Array], x_adj: &mut Array) {
    let &[y_adj, x, mean, variance, scale, scale_adj, shift_adj] = inputs else {
        unreachable!("BatchNormToInput has 7 inputs")
    };
    let m = count(x);
    fill(x_adj, |c, i| {
        let through_statistics =
            shift_adj.values[c] / m + normal(eps, x, mean, variance, c, i) * scale_adj.values[c] / m;
        scale.values[c] / (variance.values[c] + eps).sqrt() * (y_adj.values[i] - through_statistics)
    });
}

/// xhat.
fn normal(eps: f64, x: &Array, mean: &Array, variance: &Array, c: usize, i: usize) -> f64 {
    (x.values[i] - mean.values[c]) / (variance.values[c] + eps).sqrt()
}

/// A variance over `count` numbers is made unbiased. That of a single number is 0, and stays 0.
pub(super) fn running(share: f64, count: Option<f64>, old: &Array, batch: &Array, new: &mut Array) {
    let unbiased = count.map_or(1.0, |m| m / (m - 1.0).max(1.0));
    super::element::map(&[old, batch], new, |x| (1.0 - share) * x[0] + share * unbiased * x[1]);
}
