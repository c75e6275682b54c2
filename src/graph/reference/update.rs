//! What the optimizer does besides the step of plain gradient descent.

use super::Array;
use super::draw::Clock;
use super::element::map;
use crate::graph::op::UpdateOp;
use crate::net::recipe::{Every, averaging, bias_correction};

pub(super) fn evaluate(op: &UpdateOp, inputs: &[&Array], out: &mut Array) {
    match op {
        UpdateOp::Accumulate { every } => accumulate(*every, inputs, out),
        UpdateOp::SquaredNorm => squared_norm(inputs, out),
        UpdateOp::Clip { norm } => clip(*norm, inputs, out),
        UpdateOp::Moment { beta, square } => moment(*beta, *square, inputs, out),
        UpdateOp::AdamStep { beta1, beta2, eps, decay, every } => {
            adam_step([*beta1, *beta2], *eps, *decay, *every, inputs, out);
        }
        UpdateOp::Average { decay, every } => average(*decay, *every, inputs, out),
        UpdateOp::Hold { every } => hold(*every, inputs, out),
        UpdateOp::SgdMomentum { momentum, decay } => {
            map(&inputs[..3], out, |x| momentum * x[2] + x[1] + decay * x[0]);
        }
        UpdateOp::SgdStep { momentum, decay, nesterov } => {
            let rate = inputs[3].values[0];
            map(&inputs[..3], out, |x| {
                let step = if *nesterov { x[1] + decay * x[0] + momentum * x[2] } else { x[2] };
                x[0] - rate * step
            });
        }
    }
}

/// Inputs: gathered, gradient, clock.
fn accumulate(every: u32, inputs: &[&Array], out: &mut Array) {
    let begins = Every(every).begins(Clock::of(inputs[2]).step);
    map(&inputs[..2], out, |x| (if begins { 0.0 } else { x[0] }) + x[1] / f64::from(every));
}

fn squared_norm(inputs: &[&Array], sum: &mut Array) {
    sum.values[0] = inputs.iter().flat_map(|array| &array.values).map(|x| x * x).sum();
}

/// Inputs: gradient, squares of norms.
fn clip(norm: f64, inputs: &[&Array], out: &mut Array) {
    let squares: f64 = inputs[1..].iter().map(|square| square.values[0]).sum();
    // A norm of 0 makes an infinite factor, of which 1 is taken.
    let factor = (norm / squares.sqrt()).min(1.0);
    map(&inputs[..1], out, |x| x[0] * factor);
}

/// Inputs: moment, gradient.
fn moment(beta: f64, square: bool, inputs: &[&Array], out: &mut Array) {
    map(&inputs[..2], out, |x| beta * x[0] + (1.0 - beta) * if square { x[1] * x[1] } else { x[1] });
}

/// Inputs: weight, first moment, second moment, rate, clock.
fn adam_step(betas: [f64; 2], eps: f64, decay: f64, every: u32, inputs: &[&Array], out: &mut Array) {
    let (rate, updates) = (inputs[3].values[0], Every(every).updates(Clock::of(inputs[4]).step));
    let [first, second] = betas.map(|beta| bias_correction(beta, updates));
    map(&inputs[..3], out, |x| x[0] - rate * (x[1] * first / ((x[2] * second).sqrt() + eps) + decay * x[0]));
}

/// Inputs: average, value, clock.
fn average(decay: f64, every: u32, inputs: &[&Array], out: &mut Array) {
    let decay = averaging(decay, Every(every).updates(Clock::of(inputs[2]).step));
    map(&inputs[..2], out, |x| decay * x[0] + (1.0 - decay) * x[1]);
}

/// Inputs: new, old, clock.
fn hold(every: u32, inputs: &[&Array], out: &mut Array) {
    let ends = Every(every).ends(Clock::of(inputs[2]).step);
    out.values.clone_from(&inputs[usize::from(!ends)].values);
}
