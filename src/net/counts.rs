//! Parameters and multiply-adds of a network, by part. Regularizers, pooling and activations count nothing.

use std::iter::Sum;
use std::ops::Add;

use super::{Layer, LayerOp, Network, Node, Parameter, Role, for_each_node};

/// Sizes of a part of a network; too large for a number is the largest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Trained numbers: running statistics are not counted.
    pub parameters: u64,
    /// Multiply-adds of convolutions and linear layers for one image.
    pub multiply_adds: u64,
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            parameters: self.parameters.saturating_add(other.parameters),
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(all: I) -> Counts {
        all.fold(Counts::default(), Counts::add)
    }
}

impl Network {
    /// Of the whole network.
    pub fn counts(&self) -> Counts {
        count(&self.body)
    }
}

impl Node {
    /// Of this part, everything inside it included.
    pub fn counts(&self) -> Counts {
        count(std::slice::from_ref(self))
    }
}

impl Layer {
    /// Of this layer.
    pub fn counts(&self) -> Counts {
        let trained = self.parameters().into_iter().filter(|p| p.role != Role::State);
        Counts {
            parameters: trained.fold(0, |sum: u64, p| sum.saturating_add(p.elements())),
            multiply_adds: self.multiply_adds(),
        }
    }

    fn multiply_adds(&self) -> u64 {
        let outputs = self.output.elements() as u64;
        match &self.op {
            LayerOp::Conv(conv) => {
                let taps = (conv.kernel as u64).saturating_mul(conv.kernel as u64);
                outputs.saturating_mul((self.input.channels / conv.groups) as u64).saturating_mul(taps)
            }
            LayerOp::Linear { .. } => outputs.saturating_mul(self.input.channels as u64),
            LayerOp::BatchNorm { .. }
            | LayerOp::Activation(_)
            | LayerOp::AvgPool(_)
            | LayerOp::MaxPool(_)
            | LayerOp::GlobalAvgPool
            | LayerOp::PadChannels { .. }
            | LayerOp::Subsample { .. }
            | LayerOp::Shift { .. }
            | LayerOp::Flatten
            | LayerOp::Rule(_) => 0,
        }
    }
}

impl Parameter {
    /// How many numbers it has.
    pub fn elements(&self) -> u64 {
        self.dims.iter().fold(1, |product: u64, &n| product.saturating_mul(n as u64))
    }
}

fn count(body: &[Node]) -> Counts {
    let mut sum = Counts::default();
    for_each_node(body, &mut |node| {
        if let Node::Layer(layer) = node {
            sum = sum + layer.counts();
        }
    });
    sum
}
