//! One layer.

use super::{Lowering, Mode};
use crate::graph::op::{ConvGeometry, Op, Output, Statistics, Type};
use crate::graph::{NodeId, Phase};
use crate::net::{ConvOp, Layer, LayerOp, Path};

impl Lowering {
    pub(super) fn layer(&mut self, layer: &Layer, x: NodeId) -> NodeId {
        let op = match &layer.op {
            LayerOp::Conv(ConvOp { kernel, stride, pad, dilation, groups, .. }) => {
                let geometry =
                    ConvGeometry { kernel: *kernel, stride: *stride, pad: *pad, dilation: *dilation, groups: *groups };
                return self.contraction(geometry, layer, x);
            }
            LayerOp::Linear { .. } => return self.contraction(ConvGeometry::LINEAR, layer, x),
            LayerOp::BatchNorm { eps, momentum } => return self.batch_norm(*eps, *momentum, layer, x),
            LayerOp::Rule(site) => return self.factor(site, 0, &layer.path, x),
            LayerOp::Activation(activation) => Op::Act(*activation),
            LayerOp::AvgPool(window) => Op::AvgPool(*window),
            LayerOp::MaxPool(window) => Op::MaxPool(*window),
            LayerOp::GlobalAvgPool => Op::GlobalAvgPool,
            LayerOp::PadChannels { to } => Op::PadChannels { to: *to },
            LayerOp::Subsample { stride } => Op::Subsample { stride: *stride },
            LayerOp::Shift { down, right } => Op::Shift { down: *down, right: *right },
            LayerOp::Flatten => Op::Reshape { dims: [layer.input.elements(), 1, 1] },
        };
        self.graph.add(op, &[x], layer.path.clone(), Some(layer.span))
    }

    /// A convolution or linear layer: parameters are the weight and, where there is one, the bias.
    fn contraction(&mut self, geometry: ConvGeometry, layer: &Layer, x: NodeId) -> NodeId {
        let (path, span) = (&layer.path, Some(layer.span));
        let parameters = self.parameters(layer);
        let y = self.graph.add(Op::Conv(geometry), &[x, parameters[0].1], path.clone(), span);
        match parameters.get(1) {
            Some(&(_, bias)) => self.graph.add(Op::AddChannel, &[y, bias], path.clone(), span),
            None => y,
        }
    }

    fn batch_norm(&mut self, eps: f64, momentum: f64, layer: &Layer, x: NodeId) -> NodeId {
        let (path, span) = (&layer.path, Some(layer.span));
        let [(_, scale), (_, shift), old_mean, old_variance] = &self.parameters(layer)[..] else {
            unreachable!("batch normalisation has four parameters")
        };
        match self.mode {
            Mode::Test => {
                let op = Op::BatchNorm { eps, statistics: Statistics::Running };
                self.graph.add(op, &[x, old_mean.1, old_variance.1, *scale, *shift], path.clone(), span)
            }
            Mode::Train { .. } => {
                let mean = self.graph.add(Op::ChannelMean, &[x], path.clone(), span);
                let variance = self.graph.add(Op::ChannelVariance, &[x, mean], path.clone(), span);
                for (is_variance, (state, old), batch) in [(false, old_mean, mean), (true, old_variance, variance)] {
                    let clock = self.clock();
                    let op = Op::Running {
                        momentum,
                        pixels: layer.input.pixels(),
                        variance: is_variance,
                        gates: self.gates.clone(),
                    };
                    let new = self.graph.add_in(Phase::Update, op, &[*old, batch, clock], state.clone(), span);
                    self.output(Phase::Update, Output::Parameter(state.clone()), new);
                }
                let op = Op::BatchNorm { eps, statistics: Statistics::Batch };
                self.graph.add(op, &[x, mean, variance, *scale, *shift], path.clone(), span)
            }
        }
    }

    /// The sources of a layer's parameters, in the order of [`Layer::parameters`].
    fn parameters(&mut self, layer: &Layer) -> Vec<(Path, NodeId)> {
        let mut source = |parameter: crate::net::Parameter| {
            let op = Op::Parameter { path: parameter.path.clone(), role: parameter.role };
            let ty = Type::fixed(&parameter.dims);
            let id = self.graph.source(Phase::Forward, op, ty, layer.path.clone(), Some(layer.span));
            (parameter.path, id)
        };
        layer.parameters().into_iter().map(&mut source).collect()
    }
}
