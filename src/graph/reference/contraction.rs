//! Convolution and its two gradients: one walk over all products `x * weight -> y`, three ways to use it.

use super::Array;
use crate::graph::op::ConvGeometry;

/// y += x * weight.
pub(super) fn conv(g: ConvGeometry, x: &Array, weight: &Array, y: &mut Array) {
    let (x_shape, y_shape) = (x.nchw(), y.nchw());
    for_each_run(g, x_shape, y_shape, |run| {
        let factor = weight.values[run.weight];
        let row = &mut y.values[run.y..run.y + run.len];
        for (y, x) in row.iter_mut().zip(x.values[run.x..].iter().step_by(g.stride)) {
            *y += x * factor;
        }
    });
}

/// x_adj += y_adj * weight.
pub(super) fn conv_to_input(g: ConvGeometry, y_adj: &Array, weight: &Array, x_adj: &mut Array) {
    let (x_shape, y_shape) = (x_adj.nchw(), y_adj.nchw());
    for_each_run(g, x_shape, y_shape, |run| {
        let factor = weight.values[run.weight];
        let row = &y_adj.values[run.y..run.y + run.len];
        for (y, x) in row.iter().zip(x_adj.values[run.x..].iter_mut().step_by(g.stride)) {
            *x += y * factor;
        }
    });
}

/// weight_adj += x * y_adj.
pub(super) fn conv_to_weight(g: ConvGeometry, x: &Array, y_adj: &Array, weight_adj: &mut Array) {
    let (x_shape, y_shape) = (x.nchw(), y_adj.nchw());
    for_each_run(g, x_shape, y_shape, |run| {
        let row = &y_adj.values[run.y..run.y + run.len];
        let products = row.iter().zip(x.values[run.x..].iter().step_by(g.stride)).map(|(y, x)| x * y);
        weight_adj.values[run.weight] += products.sum::<f64>();
    });
}

/// Places of one row of y that one weight reaches: y advances by 1, x by the stride.
struct Run {
    x: usize,
    weight: usize,
    y: usize,
    len: usize,
}

fn for_each_run(g: ConvGeometry, x: [usize; 4], y: [usize; 4], mut visit: impl FnMut(Run)) {
    let ([images, channels, height, width], [_, outputs, rows, columns]) = (x, y);
    let (per_group, outputs_per_group) = (channels / g.groups, outputs / g.groups);
    // The columns of y whose tap j falls inside the image.
    let inside = |j: usize| {
        let first = g.pad.saturating_sub(j * g.dilation).div_ceil(g.stride);
        let end = (width + g.pad).saturating_sub(j * g.dilation).div_ceil(g.stride).min(columns);
        (first, end)
    };
    for n in 0..images {
        for o in 0..outputs {
            for c in 0..per_group {
                let channel = o / outputs_per_group * per_group + c;
                for i in 0..g.kernel {
                    for j in 0..g.kernel {
                        let (first, end) = inside(j);
                        for h in 0..rows {
                            let row = (h * g.stride + i * g.dilation).wrapping_sub(g.pad);
                            if row >= height || first >= end {
                                continue;
                            }
                            let column = first * g.stride + j * g.dilation - g.pad;
                            visit(Run {
                                x: ((n * channels + channel) * height + row) * width + column,
                                weight: ((o * per_group + c) * g.kernel + i) * g.kernel + j,
                                y: ((n * outputs + o) * rows + h) * columns + first,
                                len: end - first,
                            });
                        }
                    }
                }
            }
        }
    }
}
