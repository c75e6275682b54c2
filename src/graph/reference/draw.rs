//! Stochastic factors: draws of format 1 (`num::draw`), rounded to f32, and expressions over them in f64.

use super::Array;
use crate::graph::op::{GateRef, ScaleOp};
use crate::net::rule::Distribution;
use crate::net::{Draw, Factor, Level};
use crate::num::draw::{Stream, bernoulli, bernoulli_threshold, uniform};

/// The values of `Op::Clock`.
pub(super) struct Clock {
    seed: u64,
    step: u32,
    /// N.
    pub images: f64,
}

impl Clock {
    pub fn of(array: &Array) -> Self {
        let [low, high, step, images] = array.values[..] else { unreachable!("a clock has 4 numbers") };
        Clock { seed: low as u64 | (high as u64) << 32, step: step as u32, images }
    }

    /// Whether the gate's one draw is 0.
    pub fn gate_is_zero(&self, gate: &GateRef) -> bool {
        let stream = Stream::of_rule(gate.site.as_str(), gate.draw);
        self.draw(&Distribution::Bernoulli { p: gate.p }, stream, 0) == 0.0
    }

    fn draw(&self, distribution: &Distribution, stream: Stream, index: u64) -> f64 {
        let word = stream.word(self.seed, self.step, index);
        f64::from(match *distribution {
            Distribution::Bernoulli { p } => bernoulli(word, bernoulli_threshold(p)),
            Distribution::Uniform { lo, hi } => uniform(word, lo as f32, (hi - lo) as f32),
        })
    }
}

/// y = forward factor * x.
pub(super) fn scale(op: &ScaleOp, clock: &Clock, x: &Array, y: &mut Array) {
    let streams: Vec<_> = (0..op.draws.len()).map(|i| Stream::of_rule(op.site.as_str(), i)).collect();
    let [images, channels, height, width] = x.nchw();
    let mut draws = vec![0.0; op.draws.len()];
    let mut places = y.values.iter_mut().zip(&x.values);
    for n in 0..images {
        for c in 0..channels {
            for h in 0..height {
                for w in 0..width {
                    for ((value, draw), &stream) in draws.iter_mut().zip(&op.draws).zip(&streams) {
                        let index = index(draw, [channels, height, width], [n, c, h, w]);
                        *value = clock.draw(&draw.distribution, stream, index);
                    }
                    let (y, x) = places.next().expect("as many elements as places");
                    *y = value(&op.forward, &draws) * x;
                }
            }
        }
    }
}

/// A draw's index at an element. The channels are innermost and counted in sixteens, so that 16 lanes are whole calls.
fn index(draw: &Draw, [channels, height, width]: [usize; 3], [n, c, h, w]: [usize; 4]) -> u64 {
    let channels = channels.next_multiple_of(16);
    (match draw.level {
        Level::Batch => 0,
        Level::Image => n,
        Level::Channel => n * channels + c,
        Level::Pixel => ((n * height + h) * width + w) * channels + c,
    }) as u64
}

/// A factor's value for the values of its draws.
fn value(factor: &Factor, draws: &[f64]) -> f64 {
    let of = |part: &Factor| value(part, draws);
    match factor {
        Factor::Const(number) => *number,
        Factor::Draw(i) => draws[*i],
        Factor::Neg(a) => -of(a),
        Factor::Sqrt(a) => of(a).sqrt(),
        Factor::Add(a, b) => of(a) + of(b),
        Factor::Sub(a, b) => of(a) - of(b),
        Factor::Mul(a, b) => of(a) * of(b),
        Factor::Div(a, b) => of(a) / of(b),
        Factor::Min(a, b) => of(a).min(of(b)),
        Factor::Max(a, b) => of(a).max(of(b)),
    }
}
