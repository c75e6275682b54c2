//! The network: what a model builds, layer by layer, with stable paths, shapes and the sites of stochastic rules.
//!
//! A [`Network`] is a tree, as the text is: stages and blocks hold nodes, residuals hold arms. Its invariants are
//! written at [`Network`], [`verify`](Network::verify) is that list in code, and [`fmt::Display`] prints it so that one
//! more layer adds its own lines and changes no other. Absences: no syntax tree, no luminal, no device.

mod counts;
mod diff;
mod find;
mod path;
mod print;
pub mod recipe;
pub mod rule;
mod shape;
mod skip;
mod verify;

use std::fmt;

pub use counts::Counts;
pub use diff::{Diff, Entry, Row, Weights};
pub use find::{Part, Place};
pub use path::Path;
pub use recipe::Recipe;
pub use rule::{Draw, Factor, Level, Rule};
pub use shape::Misfit;
pub use skip::{BranchGate, Work};

use crate::source::Span;

/// The most layers of a network.
pub const MAX_LAYERS: usize = 10_000;
/// The most elements of one tensor, batch included.
pub const MAX_ELEMENTS: u64 = 1 << 31;
/// The most parameters of a network.
pub const MAX_PARAMETERS: u64 = 1 << 40;

/// The shape of one image's feature map; a vector is C x 1 x 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// C.
    pub channels: usize,
    /// H.
    pub height: usize,
    /// W.
    pub width: usize,
}

impl Shape {
    /// C x H x W.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Shape { channels, height, width }
    }

    /// A vector.
    pub const fn vector(channels: usize) -> Self {
        Shape::new(channels, 1, 1)
    }

    /// C * H * W.
    pub fn elements(self) -> usize {
        self.channels * self.height * self.width
    }

    /// H * W.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

/// A model, built.
///
/// Invariants:
/// 1. Each node's input shape is its predecessor's output shape; `input` and `output` are the ends.
/// 2. Every layer's output shape follows from its operation and its input shape.
/// 3. The arms of a residual agree in shape; those of a concat in height and width; a gate's arm ends in C x 1 x 1 or
///    C x H x W of what it multiplies.
/// 4. Paths are unique among layers, and among sites.
/// 5. The `l` of the residuals run from 1 to `residuals` in the order of the text, an outer one before those inside it.
/// 6. Every rule is [valid](Rule::verify) and its site has the shape of what it multiplies; a list of factors stands on
///    as many branches as it has entries, any other rule has one factor.
/// 7. At most [`MAX_LAYERS`] layers, [`MAX_PARAMETERS`] parameters, [`MAX_ELEMENTS`] elements an image's tensor.
#[derive(Clone, Debug)]
pub struct Network {
    /// The model's name.
    pub name: String,
    /// An image's shape.
    pub input: Shape,
    /// What happens to it, in order.
    pub body: Vec<Node>,
    /// What comes out: classes x 1 x 1 where it is trained.
    pub output: Shape,
    /// L: how many residuals there are.
    pub residuals: usize,
}

/// A part of a network.
#[derive(Clone, Debug)]
pub enum Node {
    /// One layer.
    Layer(Layer),
    /// A stage, or a block that was called.
    Group(Group),
    /// Branches and a shortcut, summed.
    Residual(Box<Residual>),
    /// Paths, joined along the channels.
    Concat(Concat),
    /// What passes, times what the arm makes of it (squeeze-and-excitation).
    Gate(Box<Gate>),
}

/// A stage or a block.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its path.
    pub path: Path,
    /// Which of the two.
    pub kind: GroupKind,
    /// Its parts, in order.
    pub body: Vec<Node>,
    /// The shape that enters.
    pub input: Shape,
    /// The shape that leaves.
    pub output: Shape,
    /// Where the text calls it.
    pub span: Span,
}

/// What a group came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// `stage NAME { … }`.
    Stage,
    /// A call of the block with this name (its definition's, not that of the parameter it was passed as).
    Block(String),
}

/// x -> shortcut(x) + sum of branches(x).
#[derive(Clone, Debug)]
pub struct Residual {
    /// Its path: that of the block whose body it stands in, else `residual[i]` in its scope.
    pub path: Path,
    /// Its 1-based place among all residuals of the model.
    pub l: usize,
    /// One or more.
    pub branches: Vec<Arm>,
    /// Empty where it is the identity.
    pub shortcut: Arm,
    /// A scalar rule on the sum of the branches (Type A).
    pub at_sum: Option<Site>,
    /// A list-valued rule, one factor a branch. Its path is the residual's with `branch` appended.
    pub on_branches: Option<Site>,
    /// The shape that enters.
    pub input: Shape,
    /// The shape that leaves.
    pub output: Shape,
    /// `residual { … }` in the text.
    pub span: Span,
}

/// A branch, shortcut, path, or the body of a gate.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Its path.
    pub path: Path,
    /// Its parts, in order; empty for the identity.
    pub body: Vec<Node>,
    /// The shape that leaves it.
    pub output: Shape,
    /// A scalar rule on this branch (Type B); on branches only.
    pub site: Option<Site>,
    /// The arm in the text.
    pub span: Span,
}

/// Paths from one input, joined along the channels in order.
#[derive(Clone, Debug)]
pub struct Concat {
    /// Its path.
    pub path: Path,
    /// Its arms.
    pub arms: Vec<Arm>,
    /// The shape that enters.
    pub input: Shape,
    /// The shape that leaves.
    pub output: Shape,
    /// `concat { … }` in the text.
    pub span: Span,
}

/// x -> x * arm(x), the arm giving one number a channel or an element.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Its path.
    pub path: Path,
    /// What computes the factor.
    pub arm: Arm,
    /// The shape that enters and leaves.
    pub shape: Shape,
    /// `scale { … }` in the text.
    pub span: Span,
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its path.
    pub path: Path,
    /// What it does.
    pub op: LayerOp,
    /// The shape that enters.
    pub input: Shape,
    /// The shape that leaves.
    pub output: Shape,
    /// Its call in the text.
    pub span: Span,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerOp {
    /// Cross-correlation with a square kernel. Weight `weight`: out x in/groups x kernel x kernel; `bias`: out.
    Conv(ConvOp),
    /// A matrix on C x 1 x 1. Weight `weight`: out x in; `bias`: out.
    Linear {
        /// Outputs.
        out: usize,
        /// Whether a bias is added.
        bias: bool,
        /// How the weight starts.
        init: Init,
    },
    /// Batch normalisation (Ioffe and Szegedy 2015). Weights `scale`, `shift`; state `mean`, `variance` (unbiased).
    BatchNorm {
        /// Added to the variance.
        eps: f64,
        /// Share of a batch's statistics in the running ones.
        momentum: f64,
    },
    /// An activation, element by element.
    Activation(Activation),
    /// The mean over a window; the padding counts as zeros.
    AvgPool(Window),
    /// The largest value of a window; the padding never wins.
    MaxPool(Window),
    /// The mean over all pixels.
    GlobalAvgPool,
    /// Zero channels appended up to `to`.
    PadChannels {
        /// Channels that leave; at least those that enter.
        to: usize,
    },
    /// Every `stride`-th pixel of every `stride`-th row, from the first.
    Subsample {
        /// The step.
        stride: usize,
    },
    /// Moves the image by so many pixels; zeros enter.
    Shift {
        /// Rows, towards larger indices.
        down: isize,
        /// Columns, towards larger indices.
        right: isize,
    },
    /// C x H x W to a vector, channels outermost.
    Flatten,
    /// A stochastic rule called as a layer (dropout).
    Rule(Box<Site>),
}

/// A convolution's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvOp {
    /// Channels that leave; a multiple of `groups`, as are those that enter.
    pub out: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros around the image.
    pub pad: usize,
    /// Step between the kernel's taps.
    pub dilation: usize,
    /// Independent groups of channels.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// How the weight starts.
    pub init: Init,
}

/// A pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Border around the image; at most half the kernel.
    pub pad: usize,
}

impl Window {
    /// How many windows fit along a side, if any does: floor((side + 2 pad - kernel) / stride) + 1.
    pub fn count(self, side: usize) -> Option<usize> {
        (side + 2 * self.pad).checked_sub(self.kernel).map(|room| room / self.stride + 1)
    }
}

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x where it is positive, else slope * x.
    LeakyRelu {
        /// The factor below 0.
        slope: f64,
    },
    /// x / (1 + exp(-x)).
    Silu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
}

/// How a weight starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with variance 2 / (kernel^2 * out) (He et al. 2015, equation 14).
    HeNormalOut,
    /// Normal with variance 2 / (kernel^2 * in / groups) (He et al. 2015, equation 10).
    HeNormalIn,
    /// Uniform in +-1 / sqrt(in), the default of `linear`.
    UniformIn,
    /// Normal with this deviation.
    Normal {
        /// Standard deviation.
        deviation: f64,
    },
    /// All zero.
    Zeros,
}

/// A rule at its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Names the streams of its draws, with the draw's number.
    pub path: Path,
    /// The rule with this site's numbers in it.
    pub rule: Rule,
    /// The rule's call as the text has it (`shakedrop(p: linear_decay(l, L))`), so that a printed network does not
    /// change at every site when a block is appended.
    pub call: String,
    /// The values of the rule's parameters here, in their order.
    pub arguments: Vec<Argument>,
    /// The residual's `l`; none for a rule called as a layer outside residuals.
    pub l: Option<usize>,
    /// What it multiplies.
    pub shape: Shape,
    /// The placement or call in the text.
    pub span: Span,
}

/// A parameter of a rule at one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value as the call, or the parameter's default, has it: `linear_decay(l, L)`.
    pub expression: String,
    /// What that is at this site.
    pub value: String,
    /// The expression in the text.
    pub span: Span,
}

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

impl Network {
    /// Calls `visit` on every layer in the order of execution.
    pub fn layers<'a>(&'a self, visit: &mut dyn FnMut(&'a Layer)) {
        for_each_node(&self.body, &mut |node| {
            if let Node::Layer(layer) = node {
                visit(layer);
            }
        });
    }

    /// Every residual, by `l`.
    pub fn residuals(&self) -> Vec<&Residual> {
        residuals(&self.body)
    }

    /// Every site of a rule, in the order of execution: a residual's branches, then its sum.
    pub fn sites(&self) -> Vec<&Site> {
        let mut all = Vec::new();
        collect_sites(&self.body, &mut all);
        all
    }

    /// Every parameter and running statistic, in the order of execution.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        self.layers(&mut |layer| all.extend(layer.parameters()));
        all
    }
}

impl Node {
    /// The shape that leaves.
    pub fn output(&self) -> Shape {
        match self {
            Node::Layer(n) => n.output,
            Node::Group(n) => n.output,
            Node::Residual(n) => n.output,
            Node::Concat(n) => n.output,
            Node::Gate(n) => n.shape,
        }
    }

    /// The shape that enters.
    pub fn input(&self) -> Shape {
        match self {
            Node::Layer(n) => n.input,
            Node::Group(n) => n.input,
            Node::Residual(n) => n.input,
            Node::Concat(n) => n.input,
            Node::Gate(n) => n.shape,
        }
    }
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

/// Calls `visit` on every node, an outer one before those inside it, arms in order with the shortcut last.
pub fn for_each_node<'a>(body: &'a [Node], visit: &mut dyn FnMut(&'a Node)) {
    for node in body {
        visit(node);
        match node {
            Node::Layer(_) => {}
            Node::Group(g) => for_each_node(&g.body, visit),
            Node::Residual(r) => {
                r.branches.iter().chain([&r.shortcut]).for_each(|arm| for_each_node(&arm.body, visit));
            }
            Node::Concat(c) => c.arms.iter().for_each(|arm| for_each_node(&arm.body, visit)),
            Node::Gate(g) => for_each_node(&g.arm.body, visit),
        }
    }
}

/// Every residual, by `l`.
pub fn residuals(body: &[Node]) -> Vec<&Residual> {
    let mut all: Vec<&Residual> = Vec::new();
    for_each_node(body, &mut |node| {
        if let Node::Residual(residual) = node {
            all.push(residual);
        }
    });
    all.sort_by_key(|r| r.l);
    all
}

fn collect_sites<'a>(body: &'a [Node], all: &mut Vec<&'a Site>) {
    for node in body {
        match node {
            Node::Layer(layer) => {
                if let LayerOp::Rule(site) = &layer.op {
                    all.push(site);
                }
            }
            Node::Group(g) => collect_sites(&g.body, all),
            Node::Residual(r) => {
                for arm in &r.branches {
                    collect_sites(&arm.body, all);
                    all.extend(&arm.site);
                }
                collect_sites(&r.shortcut.body, all);
                all.extend(&r.on_branches);
                all.extend(&r.at_sum);
            }
            Node::Concat(c) => c.arms.iter().for_each(|arm| collect_sites(&arm.body, all)),
            Node::Gate(g) => collect_sites(&g.arm.body, all),
        }
    }
}
