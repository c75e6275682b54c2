//! Pooling: means and largest values of windows and of whole images.

use super::Array;
use crate::net::Window;

/// H W.
pub(super) fn pixels(x: &Array) -> f64 {
    let [_, _, height, width] = x.nchw();
    (height * width) as f64
}

/// The sum over the pixels of each image and channel, times `factor`.
pub(super) fn sum_pixels(x: &Array, factor: f64, y: &mut Array) {
    let each = x.values.len() / y.values.len();
    for (y, x) in y.values.iter_mut().zip(x.values.chunks_exact(each)) {
        *y = x.iter().sum::<f64>() * factor;
    }
}

/// Each adjoint to all pixels, divided by their number.
pub(super) fn spread_pixels(y_adj: &Array, x_adj: &mut Array) {
    let each = x_adj.values.len() / y_adj.values.len();
    for (x, y) in x_adj.values.chunks_exact_mut(each).zip(&y_adj.values) {
        x.fill(y / each as f64);
    }
}

pub(super) fn avg_pool(window: Window, x: &Array, y: &mut Array) {
    let area = (window.kernel * window.kernel) as f64;
    let shapes = (x.nchw(), y.nchw());
    for_each_pair(window, shapes.0, shapes.1, |i, o| y.values[o] += x.values[i] / area);
}

pub(super) fn avg_pool_back(window: Window, y_adj: &Array, x_adj: &mut Array) {
    let area = (window.kernel * window.kernel) as f64;
    let shapes = (x_adj.nchw(), y_adj.nchw());
    for_each_pair(window, shapes.0, shapes.1, |i, o| x_adj.values[i] += y_adj.values[o] / area);
}

pub(super) fn max_pool(window: Window, x: &Array, y: &mut Array) {
    let winners = winners(window, x, y.nchw());
    for (y, winner) in y.values.iter_mut().zip(winners) {
        *y = x.values[winner];
    }
}

pub(super) fn max_pool_back(window: Window, y_adj: &Array, x: &Array, x_adj: &mut Array) {
    for (y, winner) in y_adj.values.iter().zip(winners(window, x, y_adj.nchw())) {
        x_adj.values[winner] += y;
    }
}

/// Of each window, the place in x of its first largest element in the order of rows.
fn winners(window: Window, x: &Array, y: [usize; 4]) -> Vec<usize> {
    let mut best: Vec<Option<usize>> = vec![None; y.iter().product()];
    for_each_pair(window, x.nchw(), y, |i, o| {
        if best[o].is_none_or(|b| x.values[i] > x.values[b]) {
            best[o] = Some(i);
        }
    });
    // The padding is at most half the kernel.
    best.into_iter().map(|b| b.expect("every window reaches into the image")).collect()
}

/// Every place of x with every place of y whose window holds it, window by window, in the order of rows.
fn for_each_pair(window: Window, x: [usize; 4], y: [usize; 4], mut visit: impl FnMut(usize, usize)) {
    let ([images, channels, height, width], [_, _, rows, columns]) = (x, y);
    let reach = |place: usize, side: usize| {
        let start = place * window.stride;
        start.saturating_sub(window.pad)..(start + window.kernel).saturating_sub(window.pad).min(side)
    };
    for plane in 0..images * channels {
        for row in 0..rows {
            for column in 0..columns {
                let out = (plane * rows + row) * columns + column;
                for h in reach(row, height) {
                    for w in reach(column, width) {
                        visit((plane * height + h) * width + w, out);
                    }
                }
            }
        }
    }
}
