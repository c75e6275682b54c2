//! Our one luminal operator.

use luminal::op::{InputTensor, Operator};
use luminal::shape::ShapeTracker;
use luminal::tensor::Tensor;

use super::array::Array;
use super::op::{Op, Type};
use super::reference;
use crate::net::Path;
use crate::num::Precision;
use crate::source::Span;

/// Which part of a step a node belongs to; each reads only itself and those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From the images to the logits and the loss.
    Forward,
    /// Values of the forward pass once more, for the backward pass.
    Again,
    /// From the loss to the gradients.
    Backward,
    /// New values of weights, momenta and running statistics.
    Update,
}

/// An operation at its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// What comes out.
    pub ty: Type,
    /// The path of what it serves: a layer, arm or residual; for the gradient and the new value of a parameter, that
    /// parameter. Problems and printers name it.
    pub layer: Path,
    /// Where the text says so.
    pub span: Option<Span>,
    /// Which part of a step it belongs to.
    pub phase: Phase,
    /// What a contraction's operands are rounded to before they are multiplied; of no other operation.
    pub(super) precision: Precision,
}

/// Two nodes are equal where they compute the same from equal inputs, in the same part of a step. A draw's site is part
/// of its operation, so luminal's common-subexpression elimination joins two equal layers on one input, but never two
/// draws.
impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        let own = (&self.op, &self.ty, self.phase, self.precision);
        own == (&other.op, &other.ty, other.phase, other.precision)
    }
}

impl Operator for Node {
    fn process(&mut self, inputs: Vec<(InputTensor<'_>, ShapeTracker)>) -> Vec<Tensor> {
        let arrays: Vec<&Array> = inputs.iter().map(|(tensor, _)| Array::of(tensor.borrowed())).collect();
        if self.precision == Precision::Fp32 {
            return vec![Tensor::new(reference::evaluate(&self.op, &self.ty, &arrays))];
        }
        let rounded: Vec<Array> = arrays.iter().map(|array| array.rounded(self.precision)).collect();
        let rounded: Vec<&Array> = rounded.iter().collect();
        vec![Tensor::new(reference::evaluate(&self.op, &self.ty, &rounded))]
    }
}
