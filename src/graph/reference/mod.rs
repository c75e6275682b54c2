//! The meaning of every operation, in f64 and as its comment in [`op`](super::op) says it. Every kernel is tested
//! against this.
//!
//! Absences: no blocking, no threads, no f32 but in draws, which are rounded to it as every engine does. One file a
//! kind of operation.

mod channel;
mod contraction;
mod draw;
mod element;
mod loss;
mod place;
mod update;
mod window;

use super::array::Array;
use super::op::{Op, Type};

/// What `op` makes of its inputs, which have the types that it takes; `ty` is the type of the result.
pub(super) fn evaluate(op: &Op, ty: &Type, inputs: &[&Array]) -> Array {
    let images = inputs.iter().find_map(|array| array.images).unwrap_or(1);
    let mut result = Array::new(ty, images, vec![0.0; if ty.batch { images } else { 1 } * ty.elements()]);
    let out = &mut result;
    match op {
        Op::Image | Op::Target | Op::Clock | Op::Rate | Op::Parameter { .. } | Op::Memory { .. } => {
            unreachable!("a source's value is set before the run")
        }

        Op::Conv(g) => contraction::conv(*g, inputs[0], inputs[1], out),
        Op::ConvToInput { geometry, .. } => contraction::conv_to_input(*geometry, inputs[0], inputs[1], out),
        Op::ConvToWeight(g) => contraction::conv_to_weight(*g, inputs[0], inputs[1], out),

        Op::AddChannel => channel::add(inputs[0], inputs[1], out),
        Op::SumChannel => channel::sum(inputs[0], out),
        Op::ChannelMean => channel::mean(inputs[0], out),
        Op::ChannelVariance => channel::variance(inputs[0], inputs[1], out),
        Op::BatchNorm { eps, .. } => channel::batch_norm(*eps, inputs, out),
        Op::BatchNormToScale { eps } => channel::batch_norm_to_scale(*eps, inputs, out),
        Op::BatchNormToInput { eps } => channel::batch_norm_to_input(*eps, inputs, out),
        Op::Running { momentum, pixels, variance, gates } => {
            let clock = draw::Clock::of(inputs[2]);
            if clock.closes(gates) {
                out.values.clone_from(&inputs[0].values);
            } else {
                let count = variance.then_some(clock.images * *pixels as f64);
                channel::running(*momentum, count, inputs[0], inputs[1], out);
            }
        }

        Op::Act(a) => element::map(&[inputs[0]], out, |x| element::act(*a, x[0])),
        Op::ActBack(a) => element::map(&inputs[..2], out, |x| x[0] * element::act_slope(*a, x[1])),
        Op::Add => element::map(&inputs[..2], out, |x| x[0] + x[1]),
        Op::Scale(scale) => draw::scale(scale, &draw::Clock::of(inputs[1]), inputs[0], out),
        Op::Gated { gates } if draw::Clock::of(inputs[1]).closes(gates) => {}
        Op::Gated { .. } => out.values.clone_from(&inputs[0].values),
        Op::ScaleConst { factor, .. } => element::map(&[inputs[0]], out, |x| x[0] * factor),
        Op::Mul => element::mul(inputs[0], inputs[1], out),

        Op::SumPixels => window::sum_pixels(inputs[0], 1.0, out),
        Op::GlobalAvgPool => window::sum_pixels(inputs[0], 1.0 / window::pixels(inputs[0]), out),
        Op::GlobalAvgPoolBack { .. } => window::spread_pixels(inputs[0], out),
        Op::AvgPool(w) => window::avg_pool(*w, inputs[0], out),
        Op::AvgPoolBack { window, .. } => window::avg_pool_back(*window, inputs[0], out),
        Op::MaxPool(w) => window::max_pool(*w, inputs[0], out),
        Op::MaxPoolBack(w) => window::max_pool_back(*w, inputs[0], inputs[1], out),

        Op::PadChannels { .. } => place::slice_channels(inputs[0], 0, out),
        Op::SliceChannels { from, .. } => place::slice_channels(inputs[0], *from, out),
        Op::Concat => place::concat(inputs, out),
        Op::Subsample { stride } => place::subsample(*stride, inputs[0], out),
        Op::SubsampleBack { stride, .. } => place::subsample_back(*stride, inputs[0], out),
        Op::Shift { down, right } => place::shift(*down, *right, inputs[0], out),
        Op::Reshape { .. } | Op::Output(_) => out.values.clone_from(&inputs[0].values),

        Op::CrossEntropy { smoothing } => loss::cross_entropy(*smoothing, inputs[0], inputs[1], out),
        Op::CrossEntropyBack { smoothing } => loss::cross_entropy_back(*smoothing, inputs[0], inputs[1], out),
        Op::Update(op) => update::evaluate(op, inputs, out),
    }
    result
}
