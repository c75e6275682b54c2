//! Stochastic factors: draws of format 1 (`num::draw`), rounded to f32, and expressions over them in f64.

use super::Array;
use crate::graph::op::{GateRef, ScaleOp};
use crate::net::Shape;
use crate::net::rule::Distribution;
use crate::num::draw::Stream;

/// The values of `Op::Clock`.
pub(super) struct Clock {
    seed: u64,
    /// From 0.
    pub step: u32,
    /// N.
    pub images: f64,
}

impl Clock {
    pub fn of(array: &Array) -> Self {
        let [low, high, step, images] = array.values[..] else { unreachable!("a clock has 4 numbers") };
        Clock { seed: low as u64 | (high as u64) << 32, step: step as u32, images }
    }

    /// Whether one of the gates is 0.
    pub fn closes(&self, gates: &[GateRef]) -> bool {
        gates.iter().any(|gate| {
            let stream = Stream::of_rule(gate.site.as_str(), gate.draw);
            self.draw(Distribution::Bernoulli { p: gate.p }, stream, 0) == 0.0
        })
    }

    fn draw(&self, distribution: Distribution, stream: Stream, index: u64) -> f64 {
        f64::from(distribution.sample(stream.word(self.seed, self.step, index)))
    }
}

/// y = forward factor * x.
pub(super) fn scale(op: &ScaleOp, clock: &Clock, x: &Array, y: &mut Array) {
    let streams: Vec<_> = (0..op.draws.len()).map(|i| Stream::of_rule(op.site.as_str(), i)).collect();
    let [images, channels, height, width] = x.nchw();
    let shape = Shape::new(channels, height, width);
    let mut draws = vec![0.0; op.draws.len()];
    let mut places = y.values.iter_mut().zip(&x.values);
    for n in 0..images {
        for c in 0..channels {
            for h in 0..height {
                for w in 0..width {
                    for ((value, draw), &stream) in draws.iter_mut().zip(&op.draws).zip(&streams) {
                        let index = draw.level.index(shape, n, c, h, w);
                        *value = clock.draw(draw.distribution, stream, index);
                    }
                    let (y, x) = places.next().expect("as many elements as places");
                    *y = op.forward.evaluate(&draws) * x;
                }
            }
        }
    }
}
