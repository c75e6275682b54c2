//! One row an operation: what it is in ONNX. Where that takes two nodes, the first is named after what it lacks.

use tract_onnx::pb::AttributeProto;

use super::message::{floats, integer, integers, list, number};
use super::writer::{Form, Writer};
use crate::graph::NodeId;
use crate::graph::op::{ConvGeometry, Op};
use crate::net::{Activation, Window};

/// Past the end of every axis.
const END: i64 = i64::MAX;

impl Writer<'_> {
    pub(super) fn operation(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let name = self.name(id);
        match &node.op {
            Op::Conv(geometry) => self.contraction(id, *geometry),
            Op::BatchNorm { eps, .. } => {
                let chain = self.chain(id);
                let [_, mean, variance, scale, shift] = self.graph.inputs(id)[..] else {
                    unreachable!("BatchNorm has 5 inputs")
                };
                let inputs = vec![
                    self.input(id, 0, Form::Map),
                    self.weight(scale, chain.factor),
                    self.weight(shift, chain.factor),
                    self.weight(mean, 1.0),
                    self.weight(variance, 1.0),
                ];
                self.write(id, &chain, "BatchNormalization", inputs, vec![number("epsilon", *eps)], Form::Map);
            }
            Op::Act(activation) => {
                let form = self.form(id, 0);
                let x = self.input(id, 0, form);
                match activation {
                    Activation::Relu => self.write_alone(id, "Relu", vec![x], vec![], form),
                    Activation::LeakyRelu { slope } => {
                        self.write_alone(id, "LeakyRelu", vec![x], vec![number("alpha", *slope)], form);
                    }
                    Activation::Sigmoid => self.write_alone(id, "Sigmoid", vec![x], vec![], form),
                    Activation::Silu => {
                        let sigmoid = format!("{name}/sigmoid");
                        self.node("Sigmoid", &sigmoid, vec![x.clone()], &sigmoid, vec![]);
                        self.write_alone(id, "Mul", vec![x, sigmoid], vec![], form);
                    }
                }
            }
            Op::Add => self.of_two(id, "Add"),
            Op::Mul => self.of_two(id, "Mul"),
            Op::ScaleConst { factor, .. } => {
                let form = self.form(id, 0);
                let x = self.input(id, 0, form);
                let factor = self.constant(floats(&format!("{name}.value"), &[], &[*factor as f32]));
                self.write_alone(id, "Mul", vec![x, factor], vec![], form);
            }
            Op::AvgPool(window) => {
                let mut attributes = windowed(*window);
                attributes.push(integer("count_include_pad", 1));
                self.of_map(id, "AveragePool", vec![], attributes);
            }
            Op::MaxPool(window) => self.of_map(id, "MaxPool", vec![], windowed(*window)),
            Op::GlobalAvgPool => self.of_map(id, "GlobalAveragePool", vec![], vec![]),
            Op::PadChannels { to } => {
                let from = self.graph.node(self.graph.inputs(id)[0]).ty.dims[0];
                let pads = [0, 0, 0, 0, 0, (to - from) as i64, 0, 0];
                let pads = self.constant(integers(&format!("{name}.pads"), &pads));
                self.of_map(id, "Pad", vec![pads], vec![]);
            }
            Op::Subsample { stride } => {
                let step = *stride as i64;
                let places = self.slices(&name, [0, 0], [END, END], [step, step]);
                self.of_map(id, "Slice", places, vec![]);
            }
            Op::Shift { down, right } => {
                let (down, right) = (*down as i64, *right as i64);
                let pads = [0, 0, down.max(0), right.max(0), 0, 0, (-down).max(0), (-right).max(0)];
                let pads = self.constant(integers(&format!("{name}.pads"), &pads));
                let (x, padded) = (self.input(id, 0, Form::Map), format!("{name}/padded"));
                self.node("Pad", &padded, vec![x, pads], &padded, vec![]);
                let [first_row, first_column] = [(-down).max(0), (-right).max(0)];
                let [height, width] = [1, 2].map(|i| self.graph.node(id).ty.dims[i] as i64);
                let places =
                    self.slices(&name, [first_row, first_column], [first_row + height, first_column + width], [1, 1]);
                let inputs = [vec![padded], places].concat();
                self.write_alone(id, "Slice", inputs, vec![], Form::Map);
            }
            Op::Concat => {
                let inputs = (0..self.graph.inputs(id).len()).map(|i| self.input(id, i, Form::Map)).collect();
                self.write_alone(id, "Concat", inputs, vec![integer("axis", 1)], Form::Map);
            }
            Op::Reshape { .. } => {
                let x = self.input(id, 0, Form::Map);
                self.write_alone(id, "Flatten", vec![x], vec![integer("axis", 1)], Form::Vector);
            }
            Op::Image | Op::Parameter { .. } | Op::Output(_) => unreachable!("{name} is no operation"),
            Op::AddChannel => unreachable!("{name} is written with its convolution"),
            Op::Target
            | Op::Clock
            | Op::Rate
            | Op::Memory { .. }
            | Op::ConvToInput { .. }
            | Op::ConvToWeight(_)
            | Op::SumChannel
            | Op::ChannelMean
            | Op::ChannelVariance
            | Op::BatchNormToScale { .. }
            | Op::BatchNormToInput { .. }
            | Op::Running { .. }
            | Op::ActBack(_)
            | Op::Scale(_)
            | Op::Gated { .. }
            | Op::SumPixels
            | Op::AvgPoolBack { .. }
            | Op::MaxPoolBack(_)
            | Op::GlobalAvgPoolBack { .. }
            | Op::SliceChannels { .. }
            | Op::SubsampleBack { .. }
            | Op::CrossEntropy { .. }
            | Op::CrossEntropyBack { .. }
            | Op::Update(_) => unreachable!("the test-time graph has no {}", node.op),
        }
    }

    fn contraction(&mut self, id: NodeId, geometry: ConvGeometry) {
        let chain = self.chain(id);
        let weight = self.graph.inputs(id)[1];
        let linear = self.graph.node(weight).ty.dims.len() == 2;
        let form = if linear { Form::Vector } else { Form::Map };
        let mut inputs = vec![self.input(id, 0, form), self.weight(weight, chain.factor)];
        if let Some(bias) = chain.bias {
            inputs.push(self.weight(bias, chain.factor));
        }
        if linear {
            return self.write(id, &chain, "Gemm", inputs, vec![integer("transB", 1)], form);
        }
        let ConvGeometry { kernel, stride, pad, dilation, groups } = geometry;
        let attributes = vec![
            list("kernel_shape", &[kernel; 2]),
            list("strides", &[stride; 2]),
            list("pads", &[pad; 4]),
            list("dilations", &[dilation; 2]),
            integer("group", groups),
        ];
        self.write(id, &chain, "Conv", inputs, attributes, form);
    }

    /// An operation on a map and constants.
    fn of_map(&mut self, id: NodeId, operator: &str, constants: Vec<String>, attributes: Vec<AttributeProto>) {
        let inputs = [vec![self.input(id, 0, Form::Map)], constants].concat();
        self.write_alone(id, operator, inputs, attributes, Form::Map);
    }

    /// An operation on two values, of one form.
    fn of_two(&mut self, id: NodeId, operator: &str) {
        let form = if self.form(id, 0) == self.form(id, 1) { self.form(id, 0) } else { Form::Map };
        let inputs = vec![self.input(id, 0, form), self.input(id, 1, form)];
        self.write_alone(id, operator, inputs, vec![], form);
    }

    /// What `Slice` reads besides rows and columns: from where, to where, which axes, in which steps.
    fn slices(&mut self, name: &str, starts: [i64; 2], ends: [i64; 2], steps: [i64; 2]) -> Vec<String> {
        [("starts", starts), ("ends", ends), ("axes", [2, 3]), ("steps", steps)]
            .map(|(what, values)| self.constant(integers(&format!("{name}.{what}"), &values)))
            .to_vec()
    }
}

fn windowed(window: Window) -> Vec<AttributeProto> {
    let Window { kernel, stride, pad } = window;
    vec![list("kernel_shape", &[kernel; 2]), list("strides", &[stride; 2]), list("pads", &[pad; 4])]
}
