//! The network: what a model builds, layer by layer, with stable paths, shapes and the sites of stochastic rules.
//!
//! A [`Network`] is a tree, as the text is: stages and blocks hold nodes, residuals hold arms. Its invariants are
//! written at [`Network`], [`verify`](Network::verify) is that list in code, and [`fmt::Display`] prints it so that one
//! more layer adds its own lines and changes no other. Absences: no syntax tree, no luminal, no device.

mod counts;
mod diff;
mod find;
mod layer;
mod parameter;
mod path;
mod print;
pub mod recipe;
pub mod rule;
mod shape;
mod site;
mod skip;
mod verify;

use std::fmt;

pub use counts::Counts;
pub use diff::{Diff, Entry, Row, Weights};
pub use find::{Part, Place};
pub use layer::{Activation, ConvOp, Init, Layer, LayerOp, Window};
pub use parameter::{Parameter, ParameterInit, Role};
pub use path::Path;
pub use recipe::Recipe;
pub use rule::{Draw, Factor, Level, Rule};
pub use shape::Misfit;
pub use site::{Argument, Site};
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
