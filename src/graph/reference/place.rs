//! Operations that move elements: channels, strides, shifts.

use super::Array;

/// Each element is that of x at the place that `source` names, 0 where it names none.
fn gather(x: &Array, y: &mut Array, source: impl Fn([usize; 3]) -> Option<[usize; 3]>) {
    let [_, x_channels, x_height, x_width] = x.nchw();
    let [images, channels, height, width] = y.nchw();
    let mut values = y.values.iter_mut();
    for n in 0..images {
        for c in 0..channels {
            for h in 0..height {
                for w in 0..width {
                    let value = values.next().expect("as many elements as places");
                    if let Some([c, h, w]) = source([c, h, w]) {
                        *value = x.values[((n * x_channels + c) * x_height + h) * x_width + w];
                    }
                }
            }
        }
    }
}

/// The channels from `from` on; zeros past the last.
pub(super) fn slice_channels(x: &Array, from: usize, y: &mut Array) {
    let [_, channels, ..] = x.nchw();
    gather(x, y, |[c, h, w]| (from + c < channels).then_some([from + c, h, w]));
}

pub(super) fn concat(inputs: &[&Array], y: &mut Array) {
    let images = y.nchw()[0];
    y.values.clear();
    for n in 0..images {
        for input in inputs {
            let each = input.values.len() / images;
            y.values.extend(&input.values[n * each..(n + 1) * each]);
        }
    }
}

pub(super) fn subsample(stride: usize, x: &Array, y: &mut Array) {
    gather(x, y, |[c, h, w]| Some([c, h * stride, w * stride]));
}

pub(super) fn subsample_back(stride: usize, y_adj: &Array, x_adj: &mut Array) {
    gather(y_adj, x_adj, |[c, h, w]| (h % stride == 0 && w % stride == 0).then_some([c, h / stride, w / stride]));
}

pub(super) fn shift(down: isize, right: isize, x: &Array, y: &mut Array) {
    let [_, _, height, width] = x.nchw();
    gather(x, y, |[c, h, w]| {
        let h = h.checked_add_signed(-down).filter(|h| *h < height)?;
        let w = w.checked_add_signed(-right).filter(|w| *w < width)?;
        Some([c, h, w])
    });
}
