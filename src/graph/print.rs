//! A graph as text: a line a node, `NAME: OPERATION (INPUTS)  TYPE`.
//!
//! Lines stand in the order of execution and name nodes as [`Graph::names`] does; an input of the node's own layer is
//! written from `…` on. A layer put in adds its own lines and changes those that read what it puts out, no other; a
//! rule is printed as the text calls it, since its numbers change with the number of residuals.

use std::fmt;

use super::op::{ConvGeometry, GateRef, Op, Output, Type};
use super::{Graph, Node};
use crate::net::{Activation, Role, Window};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        for id in self.nodes() {
            let node = self.node(id);
            write!(f, "{}: {}", names[&id], node.op)?;
            let inputs: Vec<_> = self.inputs(id).iter().map(|input| relative(&names[input], node)).collect();
            if !inputs.is_empty() {
                write!(f, " ({})", inputs.join(", "))?;
            }
            writeln!(f, "  {}", node.ty)?;
        }
        Ok(())
    }
}

/// A name as a line of `node` writes it: `…/mean` for `LAYER/mean`, `d/….scale` for `d/LAYER.scale`.
fn relative(name: &str, node: &Node) -> String {
    let prefix = ["d/", "step/", "momentum/"].into_iter().find(|prefix| name.starts_with(prefix)).unwrap_or("");
    match name[prefix.len()..].strip_prefix(node.layer.as_str()) {
        Some(rest) if rest.is_empty() || rest.starts_with(['.', '/']) => format!("{prefix}…{rest}"),
        _ => name.to_owned(),
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = self.batch.then(|| "N".to_owned());
        let dims: Vec<_> = batch.into_iter().chain(self.dims.iter().map(usize::to_string)).collect();
        if dims.is_empty() { f.write_str("scalar") } else { f.write_str(&dims.join(" x ")) }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Loss => f.write_str("loss"),
            Output::Logits => f.write_str("logits"),
            Output::Gradient(path) => write!(f, "d/{path}"),
            Output::Parameter(path) => write!(f, "{path}"),
            Output::Momentum(path) => write!(f, "momentum/{path}"),
        }
    }
}

/// The operation with its numbers, without its inputs.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Image => f.write_str("Image"),
            Op::Target => f.write_str("Target"),
            Op::Clock => f.write_str("Clock"),
            Op::Rate => f.write_str("Rate"),
            Op::Parameter { role, .. } => write!(f, "Parameter {}", role_name(*role)),
            Op::Momentum { .. } => f.write_str("Momentum"),
            Op::Conv(g) => write!(f, "Conv {}", Geometry(*g)),
            Op::ConvToInput { geometry, .. } => write!(f, "ConvToInput {}", Geometry(*geometry)),
            Op::ConvToWeight(g) => write!(f, "ConvToWeight {}", Geometry(*g)),
            Op::AddChannel => f.write_str("AddChannel"),
            Op::SumChannel => f.write_str("SumChannel"),
            Op::ChannelMean => f.write_str("ChannelMean"),
            Op::ChannelVariance => f.write_str("ChannelVariance"),
            Op::BatchNorm { eps, statistics } => write!(f, "BatchNorm {statistics:?} eps {eps}"),
            Op::BatchNormToScale { eps } => write!(f, "BatchNormToScale eps {eps}"),
            Op::BatchNormToInput { eps } => write!(f, "BatchNormToInput eps {eps}"),
            Op::Running { momentum, variance, gates, .. } => {
                write!(f, "Running {} momentum {momentum}", if *variance { "variance" } else { "mean" })?;
                gates.iter().try_for_each(|GateRef { site, draw, .. }| write!(f, " unless {site}#{draw} is 0"))
            }
            Op::Act(a) => write!(f, "{}", Named("Act", *a)),
            Op::ActBack(a) => write!(f, "{}", Named("ActBack", *a)),
            Op::Add => f.write_str("Add"),
            Op::Scale(scale) => write!(f, "Scale {} at {}", scale.call, scale.site),
            Op::ScaleConst(factor) => write!(f, "ScaleConst {factor}"),
            Op::Mul => f.write_str("Mul"),
            Op::SumPixels => f.write_str("SumPixels"),
            Op::AvgPool(window) => write!(f, "AvgPool {}", Pool(*window)),
            Op::AvgPoolBack { window, .. } => write!(f, "AvgPoolBack {}", Pool(*window)),
            Op::MaxPool(window) => write!(f, "MaxPool {}", Pool(*window)),
            Op::MaxPoolBack(window) => write!(f, "MaxPoolBack {}", Pool(*window)),
            Op::GlobalAvgPool => f.write_str("GlobalAvgPool"),
            Op::GlobalAvgPoolBack { .. } => f.write_str("GlobalAvgPoolBack"),
            Op::PadChannels { .. } => f.write_str("PadChannels"),
            Op::SliceChannels { from, len } => write!(f, "SliceChannels {from}..<{}", from + len),
            Op::Concat => f.write_str("Concat"),
            Op::Subsample { stride } => write!(f, "Subsample stride {stride}"),
            Op::SubsampleBack { stride, .. } => write!(f, "SubsampleBack stride {stride}"),
            Op::Shift { down, right } => write!(f, "Shift down {down} right {right}"),
            Op::Reshape { .. } => f.write_str("Reshape"),
            Op::CrossEntropy { smoothing } => write!(f, "CrossEntropy smoothing {smoothing}"),
            Op::CrossEntropyBack { smoothing } => write!(f, "CrossEntropyBack smoothing {smoothing}"),
            Op::SgdMomentum { momentum, decay } => write!(f, "SgdMomentum momentum {momentum} decay {decay}"),
            Op::SgdStep { momentum, decay, nesterov: true } => {
                write!(f, "SgdStep nesterov momentum {momentum} decay {decay}")
            }
            Op::SgdStep { nesterov: false, .. } => f.write_str("SgdStep"),
            Op::Output(_) => f.write_str("Output"),
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Weight => "weight",
        Role::Bias => "bias",
        Role::Norm => "norm",
        Role::State => "state",
    }
}

/// `3x3 stride 2 pad 1`, what is as usual left out.
struct Geometry(ConvGeometry);

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let g = self.0;
        write!(f, "{0}x{0}", g.kernel)?;
        for (name, value, usual) in
            [("stride", g.stride, 1), ("pad", g.pad, 0), ("dilation", g.dilation, 1), ("groups", g.groups, 1)]
        {
            if value != usual {
                write!(f, " {name} {value}")?;
            }
        }
        Ok(())
    }
}

struct Pool(Window);

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { kernel, stride, pad } = self.0;
        write!(f, "{kernel}x{kernel} stride {stride}")?;
        if pad != 0 { write!(f, " pad {pad}") } else { Ok(()) }
    }
}

struct Named(&'static str, Activation);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Activation::Relu => write!(f, "{} relu", self.0),
            Activation::LeakyRelu { slope } => write!(f, "{} leaky_relu {slope}", self.0),
            Activation::Silu => write!(f, "{} silu", self.0),
            Activation::Sigmoid => write!(f, "{} sigmoid", self.0),
        }
    }
}
