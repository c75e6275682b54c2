//! What layers hold: weights, which are trained, and running statistics.

use super::{Init, Layer, LayerOp, Path};

/// A weight or a running statistic of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `LAYER.weight` and the like: its name in checkpoints.
    pub path: Path,
    /// Its dimensions as stored.
    pub dims: Vec<usize>,
    /// How it starts.
    pub init: ParameterInit,
    /// What it is to the optimizer.
    pub role: Role,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterInit {
    /// Drawn.
    Drawn(Init),
    /// All one value.
    Constant(f64),
}

/// What a parameter is to the optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A convolution's or linear layer's weight.
    Weight,
    /// A bias.
    Bias,
    /// A batch normalisation's scale or shift.
    Norm,
    /// A running statistic: not trained, not counted as a parameter.
    State,
}

impl Layer {
    /// Its weights and running statistics, in the order in which checkpoints hold them.
    pub fn parameters(&self) -> Vec<Parameter> {
        let make =
            |name: &str, dims: Vec<usize>, init, role| Parameter { path: self.path.child(name), dims, init, role };
        let constant = |name: &str, n, value, role| make(name, vec![n], ParameterInit::Constant(value), role);
        let inputs = self.input.channels;
        match &self.op {
            LayerOp::Conv(c) => {
                let dims = vec![c.out, inputs / c.groups, c.kernel, c.kernel];
                let mut all = vec![make("weight", dims, ParameterInit::Drawn(c.init), Role::Weight)];
                if c.bias {
                    all.push(constant("bias", c.out, 0.0, Role::Bias));
                }
                all
            }
            LayerOp::Linear { out, bias, init } => {
                let mut all = vec![make("weight", vec![*out, inputs], ParameterInit::Drawn(*init), Role::Weight)];
                if *bias {
                    all.push(constant("bias", *out, 0.0, Role::Bias));
                }
                all
            }
            LayerOp::BatchNorm { .. } => vec![
                constant("scale", inputs, 1.0, Role::Norm),
                constant("shift", inputs, 0.0, Role::Norm),
                constant("mean", inputs, 0.0, Role::State),
                constant("variance", inputs, 1.0, Role::State),
            ],
            LayerOp::Activation(_)
            | LayerOp::AvgPool(_)
            | LayerOp::MaxPool(_)
            | LayerOp::GlobalAvgPool
            | LayerOp::PadChannels { .. }
            | LayerOp::Subsample { .. }
            | LayerOp::Shift { .. }
            | LayerOp::Flatten
            | LayerOp::Rule(_) => vec![],
        }
    }
}
