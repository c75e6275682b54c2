//! The table of derivatives: what each operation sends back to its inputs, its equation above it.
//!
//! `y` is the node's output, `y_adj` the loss's gradient to it; the others are the inputs' names in
//! [`op`](crate::graph::op).

use super::Walk;
use crate::graph::NodeId;
use crate::graph::op::{Op, ScaleOp, Statistics, Type};

impl Walk<'_> {
    /// loss = cross entropy of logits and target: logits_adj = (softmax(logits) - t') / N. The adjoint of the loss
    /// itself is 1, so it is no node.
    pub(super) fn send_from_loss(&mut self, loss: NodeId) {
        let Op::CrossEntropy { smoothing } = self.graph.node(loss).op else {
            unreachable!("the loss of a verified graph is a cross entropy")
        };
        let inputs = self.graph.inputs(loss);
        self.send(loss, inputs[0], Op::CrossEntropyBack { smoothing }, &inputs);
    }

    /// Sends `node`'s adjoint on to its inputs.
    pub(super) fn send_back(&mut self, node: NodeId, y_adj: NodeId) {
        let inputs = self.graph.inputs(node);
        let input = |i: usize| inputs[i];
        let dims = |i: usize| feature_dims(&self.graph.node(inputs[i]).ty);
        match self.graph.node(node).op.clone() {
            // y = x * weight: x_adj(n,c,.,.) sums y_adj weight over the windows that hold a place, weight_adj sums
            // x y_adj over images and places.
            Op::Conv(geometry) => {
                let [_, height, width] = dims(0);
                let to_input = Op::ConvToInput { geometry, height, width };
                self.send(node, input(0), to_input, &[y_adj, input(1)]);
                self.send(node, input(1), Op::ConvToWeight(geometry), &[input(0), y_adj]);
            }
            // y = x + b(c): x_adj = y_adj, b_adj(c) = sum over n, h, w of y_adj.
            Op::AddChannel => {
                self.pass_on(input(0), y_adj);
                self.send(node, input(1), Op::SumChannel, &[y_adj]);
            }
            // y = xhat scale + shift, xhat = (x - mean(x)) / sqrt(variance(x) + eps): Ioffe and Szegedy 2015,
            // section 3. The row goes through mean and variance itself, so nothing is sent to them.
            Op::BatchNorm { eps, statistics: Statistics::Batch } => self.batch_norm(node, eps, y_adj, &inputs),
            // y = a(x): x_adj = y_adj a'(x).
            Op::Act(activation) => self.send(node, input(0), Op::ActBack(activation), &[y_adj, input(0)]),
            // y = a + b: a_adj = b_adj = y_adj.
            Op::Add => {
                self.pass_on(input(0), y_adj);
                self.pass_on(input(1), y_adj);
            }
            // y = forward x: x_adj = backward y_adj, by definition. A rule is the pair, and need not be a derivative.
            Op::Scale(scale) => {
                let ScaleOp { forward, backward, .. } = *scale.clone();
                let swapped = ScaleOp { forward: backward, backward: forward, ..*scale };
                self.send(node, input(0), Op::Scale(Box::new(swapped)), &[y_adj, input(1)]);
            }
            // y = k x: x_adj = k y_adj.
            Op::ScaleConst { factor, of } => {
                self.send(node, input(0), Op::ScaleConst { factor, of }, &[y_adj]);
            }
            // y = x g: x_adj = y_adj g, g_adj = y_adj x, summed over h, w where g has one number a channel.
            Op::Mul => {
                let one_a_channel = dims(1) != dims(0);
                self.send(node, input(0), Op::Mul, &[y_adj, input(1)]);
                if self.wanted.contains(&input(1)) && one_a_channel {
                    let product = self.emit(node, Op::Mul, &[y_adj, input(0)]);
                    self.send(node, input(1), Op::SumPixels, &[product]);
                } else {
                    self.send(node, input(1), Op::Mul, &[y_adj, input(0)]);
                }
            }
            // y = mean of each window, of area k^2: x_adj sums y_adj / k^2 over the windows that hold a place.
            Op::AvgPool(window) => {
                let [_, height, width] = dims(0);
                self.send(node, input(0), Op::AvgPoolBack { window, height, width }, &[y_adj]);
            }
            // y = x at the first largest place of each window: x_adj sums y_adj over the windows that a place wins.
            Op::MaxPool(window) => self.send(node, input(0), Op::MaxPoolBack(window), &[y_adj, input(0)]),
            // y = mean over h, w: x_adj = y_adj / (H W).
            Op::GlobalAvgPool => {
                let [_, height, width] = dims(0);
                self.send(node, input(0), Op::GlobalAvgPoolBack { height, width }, &[y_adj]);
            }
            // y = x, then zeros: x_adj = the first channels of y_adj.
            Op::PadChannels { .. } => {
                self.send(node, input(0), Op::SliceChannels { from: 0, len: dims(0)[0] }, &[y_adj]);
            }
            // y = a, then b, …: each gets its own channels of y_adj.
            Op::Concat => {
                let channels: Vec<_> = (0..inputs.len()).map(|i| dims(i)[0]).collect();
                let mut from = 0;
                for (&part, len) in inputs.iter().zip(channels) {
                    self.send(node, part, Op::SliceChannels { from, len }, &[y_adj]);
                    from += len;
                }
            }
            // y(h, w) = x(h s, w s): x_adj is y_adj there, 0 between.
            Op::Subsample { stride } => {
                let [_, height, width] = dims(0);
                self.send(node, input(0), Op::SubsampleBack { stride, height, width }, &[y_adj]);
            }
            // y(h, w) = x(h - down, w - right): x_adj(h, w) = y_adj(h + down, w + right).
            Op::Shift { down, right } => {
                self.send(node, input(0), Op::Shift { down: -down, right: -right }, &[y_adj]);
            }
            // y = the elements of x: x_adj = the elements of y_adj.
            Op::Reshape { .. } => {
                let dims = dims(0);
                self.send(node, input(0), Op::Reshape { dims }, &[y_adj]);
            }
            // The end of the chain.
            Op::Parameter { .. } => {}
            // Adjoints are sent to nodes that a parameter reaches alone: never to data. The loss has a row of its own;
            // the mean and variance of a batch belong to their normalisation's row; normalisation by running statistics
            // is for test, by those taken before for what is computed again; the others stand in the backward pass or after it, and there are no second derivatives.
            Op::Image
            | Op::Target
            | Op::Clock
            | Op::Rate
            | Op::Memory { .. }
            | Op::CrossEntropy { .. }
            | Op::ChannelMean
            | Op::ChannelVariance
            | Op::BatchNorm { statistics: Statistics::Running | Statistics::Taken, .. }
            | Op::ConvToInput { .. }
            | Op::ConvToWeight(_)
            | Op::SumChannel
            | Op::BatchNormToScale { .. }
            | Op::BatchNormToInput { .. }
            | Op::ActBack(_)
            | Op::SumPixels
            | Op::AvgPoolBack { .. }
            | Op::MaxPoolBack(_)
            | Op::GlobalAvgPoolBack { .. }
            | Op::SliceChannels { .. }
            | Op::SubsampleBack { .. }
            | Op::CrossEntropyBack { .. }
            | Op::Running { .. }
            | Op::Gated { .. }
            | Op::Update(_)
            | Op::Output(_) => unreachable!("{} has no derivative", self.graph.node(node).op),
        }
    }

    /// shift_adj = sum of y_adj, scale_adj = sum of y_adj xhat,
    /// x_adj = scale / sqrt(variance + eps) (y_adj - shift_adj / m - xhat scale_adj / m).
    fn batch_norm(&mut self, node: NodeId, eps: f64, y_adj: NodeId, inputs: &[NodeId]) {
        let &[x, mean, variance, scale, shift] = inputs else { unreachable!("BatchNorm has 5 inputs") };
        let shift_adj = self.emit(shift, Op::SumChannel, &[y_adj]);
        self.pass_on(shift, shift_adj);
        let scale_adj = self.emit(scale, Op::BatchNormToScale { eps }, &[y_adj, x, mean, variance]);
        self.pass_on(scale, scale_adj);
        let operands = [y_adj, x, mean, variance, scale, scale_adj, shift_adj];
        self.send(node, x, Op::BatchNormToInput { eps }, &operands);
    }
}

fn feature_dims(ty: &Type) -> [usize; 3] {
    ty.dims[..].try_into().expect("a differentiated operation on places reads feature maps")
}
