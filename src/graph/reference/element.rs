//! Operations element by element.

use super::Array;
use crate::net::Activation;
use crate::num::float;

/// `f` of the inputs' elements, place by place; at most three inputs.
pub(super) fn map(inputs: &[&Array], out: &mut Array, f: impl Fn([f64; 3]) -> f64) {
    for (place, value) in out.values.iter_mut().enumerate() {
        let mut x = [0.0; 3];
        for (x, input) in x.iter_mut().zip(inputs) {
            *x = input.values[place];
        }
        *value = f(x);
    }
}

/// x times g, g being of x's shape or one number an image and channel.
pub(super) fn mul(x: &Array, g: &Array, y: &mut Array) {
    let each = x.values.len() / g.values.len();
    for (place, value) in y.values.iter_mut().enumerate() {
        *value = x.values[place] * g.values[place / each];
    }
}

pub(super) fn act(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                x
            } else {
                slope * x
            }
        }
        Activation::Silu => x * sigmoid(x),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// The activation's derivative.
pub(super) fn act_slope(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => f64::from(x > 0.0),
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                1.0
            } else {
                slope
            }
        }
        // (x s)' = s + x s (1 - s)
        Activation::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
        Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + float::exp(-x))
}
