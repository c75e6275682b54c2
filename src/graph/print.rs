//! A graph as text: a line a node, `NAME: OPERATION (INPUTS)  TYPE`.
//!
//! Lines stand in the order of execution and name nodes as [`Graph::names`] does. What a node reads is written as seen
//! from its layer, so that a change of the network stays where it is made:
//!
//! | written | is |
//! | --- | --- |
//! | `…/mean`, `….weight` | a node or a parameter of the layer itself |
//! | `….branch[0]`, `…/arm` | what leaves an arm of the residual, concat or gate itself |
//! | `relu[0]`, `group[1]` | what leaves the part of this name before it, in the innermost row that holds both |
//! | `↓` | what comes back, in a backward pass, from what reads the layer |
//!
//! So a layer put into an arm changes the one line that reads it there, and a block appended to a stage none. A rule is
//! printed as the text calls it, since its numbers change with the number of residuals.

use std::fmt;

use super::op::{ConvGeometry, GateRef, Op, Output, Type, UpdateOp};
use super::{Graph, Node, NodeId, Phase};
use crate::net::recipe::Memory;
use crate::net::{Activation, Role, Window};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        for id in self.nodes() {
            let node = self.node(id);
            write!(f, "{}: {}", names[&id], node.op)?;
            let inputs: Vec<_> =
                self.inputs(id).iter().map(|&input| operand(self, input, &names[&input], node)).collect();
            if !inputs.is_empty() {
                write!(f, " ({})", inputs.join(", "))?;
            }
            writeln!(f, "  {}", node.ty)?;
        }
        Ok(())
    }
}

/// What `node` reads, as its line writes it.
fn operand(graph: &Graph, input: NodeId, name: &str, node: &Node) -> String {
    let read = graph.node(input);
    let own = read.layer == node.layer || read.layer.parent().is_some_and(|layer| layer == node.layer);
    match (&read.op, read.phase) {
        (Op::Parameter { .. } | Op::Memory { .. }, _) => relative(name, node),
        (Op::Image | Op::Target | Op::Clock | Op::Rate, _) => name.to_owned(),
        (_, Phase::Update | Phase::Again) => relative(name, node),
        // The sum of what several readers send back comes from them, too.
        (Op::Add, Phase::Backward) => "↓".to_owned(),
        (_, Phase::Backward) if own => relative(name, node),
        (_, Phase::Backward) => "↓".to_owned(),
        (_, Phase::Forward) => value(name, read, node),
    }
}

/// What leaves a layer, a part or an arm, as a line of `node` writes it.
fn value(name: &str, read: &Node, node: &Node) -> String {
    let parts = |of: &Node| of.layer.as_str().split('.').map(str::to_owned).collect::<Vec<_>>();
    let (read, own) = (parts(read), parts(node));
    let common = read.iter().zip(&own).take_while(|(a, b)| a == b).count();
    let rest = name.strip_prefix(read.join(".").as_str()).unwrap_or_default();
    let is_arm = |part: &str| {
        let name = part.split('[').next().unwrap_or(part);
        ["branch", "shortcut", "path"].contains(&name)
    };
    match read.get(common) {
        // The layer itself, or the one whose parameter `node` is for.
        None if common == own.len() => format!("…{rest}"),
        None => format!("{}{rest}", read[common - 1]),
        Some(part) if common == own.len() && is_arm(part) => format!("….{part}"),
        Some(_) if common == own.len() => "…/arm".to_owned(),
        Some(part) if read.len() == common + 1 => format!("{part}{rest}"),
        Some(part) => part.clone(),
    }
}

/// A name as a line of `node` writes it: `…/mean` for `LAYER/mean`, `d/….scale` for `d/LAYER.scale`.
fn relative(name: &str, node: &Node) -> String {
    let prefix = ["d/", "step/", "momentum/", "square/", "gathered/", "average/"]
        .into_iter()
        .find(|prefix| name.starts_with(prefix))
        .unwrap_or("");
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
            Output::Memory(memory, path) => write!(f, "{}/{path}", memory.name()),
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
            Op::Memory { memory: Memory::Momentum, .. } => f.write_str("Momentum"),
            Op::Memory { memory: Memory::Square, .. } => f.write_str("Square"),
            Op::Memory { memory: Memory::Gathered, .. } => f.write_str("Gathered"),
            Op::Memory { memory: Memory::Average, .. } => f.write_str("Average"),
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
                unless(f, gates)
            }
            Op::Act(a) => write!(f, "{}", Named("Act", *a)),
            Op::ActBack(a) => write!(f, "{}", Named("ActBack", *a)),
            Op::Add => f.write_str("Add"),
            Op::Scale(scale) => write!(f, "Scale {} at {}", scale.call, scale.site),
            Op::Gated { gates } => f.write_str("Gated").and_then(|()| unless(f, gates)),
            Op::ScaleConst { of, .. } => write!(f, "ScaleConst expected {of}"),
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
            Op::Update(op) => op.fmt(f),
            Op::Output(_) => f.write_str("Output"),
        }
    }
}

impl fmt::Display for UpdateOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateOp::Accumulate { every } => write!(f, "Accumulate every {every}"),
            UpdateOp::SquaredNorm => f.write_str("SquaredNorm"),
            UpdateOp::Clip { norm } => write!(f, "Clip norm {norm}"),
            UpdateOp::SgdMomentum { momentum, decay } => write!(f, "SgdMomentum momentum {momentum} decay {decay}"),
            UpdateOp::SgdStep { momentum, decay, nesterov: true } => {
                write!(f, "SgdStep nesterov momentum {momentum} decay {decay}")
            }
            UpdateOp::SgdStep { nesterov: false, .. } => f.write_str("SgdStep"),
            UpdateOp::Moment { beta, square: false } => write!(f, "Moment beta {beta}"),
            UpdateOp::Moment { beta, square: true } => write!(f, "Moment of squares beta {beta}"),
            UpdateOp::AdamStep { beta1, beta2, eps, decay, every } => {
                write!(f, "AdamStep betas {beta1} {beta2} eps {eps} decay {decay}")?;
                grouped(f, *every)
            }
            UpdateOp::Average { decay, every } => write!(f, "Average decay {decay}").and_then(|()| grouped(f, *every)),
            UpdateOp::Hold { every } => f.write_str("Hold").and_then(|()| grouped(f, *every)),
        }
    }
}

fn unless(f: &mut fmt::Formatter<'_>, gates: &[GateRef]) -> fmt::Result {
    gates.iter().try_for_each(|GateRef { site, draw, .. }| write!(f, " unless {site}#{draw} is 0"))
}

/// Steps of a group, where there are several.
fn grouped(f: &mut fmt::Formatter<'_>, every: u32) -> fmt::Result {
    if every == 1 { Ok(()) } else { write!(f, " every {every}") }
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
