//! The picture of a network: steps one below the other, arms side by side, what repeats folded as ×N.
//!
//! A [`Diagram`] is made of a network and knows no format; [`svg`](Diagram::svg) lays it out by itself, since a residual
//! network is nearly a line, [`dot`](Diagram::dot) and [`mermaid`](Diagram::mermaid) leave that to others. Neighbours are
//! folded where they differ in numbers alone, which then stand as `first…last`. Absence: files.

mod fold;
mod svg;
mod text;

use serde::Serialize;

use crate::net::{Arm, ConvOp, GroupKind, Init, Layer, LayerOp, Network, Node, Residual, Site};

/// A network to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagram {
    /// The model.
    pub name: String,
    /// The shape that enters.
    pub input: String,
    /// Parameters.
    pub parameters: u64,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One part, or several that are alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// How many there are.
    pub times: usize,
    /// What it is.
    pub kind: StepKind,
    /// The shape that leaves.
    pub output: String,
}

/// What a step is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// One layer.
    Layer {
        /// As the language writes it.
        label: String,
        /// What it is for the eye.
        look: Look,
    },
    /// A stage or block.
    Frame {
        /// Its name.
        title: String,
        /// Whether it is a stage, which is never folded: each has its own row in a paper's table.
        is_stage: bool,
        /// Its parts.
        steps: Vec<Step>,
    },
    /// Arms side by side.
    Arms {
        /// What joins them.
        join: Join,
        /// Each.
        arms: Vec<Lane>,
        /// The rule that multiplies the branches before they are joined.
        rule: Option<String>,
    },
}

/// One of several arms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// `branch[0]`, `shortcut`.
    pub title: String,
    /// Its parts; none for the identity.
    pub steps: Vec<Step>,
    /// Whether the rule at the join multiplies it.
    pub is_branch: bool,
}

/// How arms are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Summed.
    Sum,
    /// Joined along the channels.
    Concat,
    /// Multiplied.
    Product,
}

/// What a layer is for the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// With weights: convolutions, linear layers.
    Weight,
    /// Batch normalisation.
    Norm,
    /// Activations.
    Activation,
    /// Pooling and what moves pixels and channels.
    Shape,
    /// A stochastic rule.
    Rule,
}

impl Join {
    /// The mark in a picture.
    pub fn mark(self) -> &'static str {
        match self {
            Join::Sum => "+",
            Join::Concat => "‖",
            Join::Product => "×",
        }
    }
}

impl Diagram {
    /// The picture of a network.
    pub fn of(network: &Network) -> Self {
        Diagram {
            name: network.name.clone(),
            input: network.input.to_string(),
            parameters: network.counts().parameters,
            steps: body(&network.body),
        }
    }
}

/// The steps of some nodes; a block in which nothing happens, such as the shortcut of a shape that stays, is none.
fn body(nodes: &[Node]) -> Vec<Step> {
    let is_empty = |step: &Step| matches!(&step.kind, StepKind::Frame { steps, .. } if steps.is_empty());
    fold::fold(nodes.iter().map(step).filter(|step| !is_empty(step)).collect())
}

fn step(node: &Node) -> Step {
    let kind = match node {
        Node::Layer(layer) => of_layer(layer),
        Node::Group(group) => {
            let (title, is_stage) = match &group.kind {
                GroupKind::Stage => (group.path.to_string(), true),
                GroupKind::Block(name) => (name.clone(), false),
            };
            StepKind::Frame { title, is_stage, steps: body(&group.body) }
        }
        Node::Residual(residual) => of_residual(residual),
        Node::Concat(concat) => {
            let arms = concat.arms.iter().map(|arm| lane(arm, true)).collect();
            StepKind::Arms { join: Join::Concat, arms, rule: None }
        }
        Node::Gate(gate) => {
            let passed = Lane { title: String::new(), steps: Vec::new(), is_branch: false };
            let arms = vec![passed, Lane { title: "scale".to_owned(), ..lane(&gate.arm, true) }];
            StepKind::Arms { join: Join::Product, arms, rule: None }
        }
    };
    Step { times: 1, kind, output: node.output().to_string() }
}

fn of_layer(layer: &Layer) -> StepKind {
    let look = match &layer.op {
        LayerOp::Conv(_) | LayerOp::Linear { .. } => Look::Weight,
        LayerOp::BatchNorm { .. } => Look::Norm,
        LayerOp::Activation(_) => Look::Activation,
        LayerOp::AvgPool(_)
        | LayerOp::MaxPool(_)
        | LayerOp::GlobalAvgPool
        | LayerOp::PadChannels { .. }
        | LayerOp::Subsample { .. }
        | LayerOp::Shift { .. }
        | LayerOp::Flatten => Look::Shape,
        LayerOp::Rule(_) => Look::Rule,
    };
    // How weights start is not part of the picture.
    let label = match &layer.op {
        LayerOp::Rule(site) => rule(site),
        LayerOp::Conv(conv) => LayerOp::Conv(ConvOp { init: Init::HeNormalOut, ..*conv }).to_string(),
        LayerOp::Linear { out, bias, .. } => {
            LayerOp::Linear { out: *out, bias: *bias, init: Init::UniformIn }.to_string()
        }
        op => op.to_string(),
    };
    StepKind::Layer { label, look }
}

fn of_residual(residual: &Residual) -> StepKind {
    let mut arms = vec![lane(&residual.shortcut, false)];
    arms.extend(residual.branches.iter().map(|arm| lane(arm, true)));
    let rules: Vec<String> = residual.on_branches.iter().chain(&residual.at_sum).map(rule).collect();
    StepKind::Arms { join: Join::Sum, arms, rule: (!rules.is_empty()).then(|| rules.join(", ")) }
}

fn lane(arm: &Arm, is_branch: bool) -> Lane {
    let mut steps = body(&arm.body);
    if let Some(site) = &arm.site {
        let kind = StepKind::Layer { label: rule(site), look: Look::Rule };
        steps.push(Step { times: 1, kind, output: arm.output.to_string() });
    }
    let title = arm.path.as_str().rsplit('.').next().unwrap_or("").to_owned();
    Lane { title, steps, is_branch }
}

/// `shakedrop l=1 p_l=0.991`
fn rule(site: &Site) -> String {
    let l = site.l.map_or(String::new(), |l| format!(" l={l}"));
    let p = site.rule.gate_probability().map_or(String::new(), |p| {
        let digits = format!("{p:.3}");
        format!(" p_l={}", digits.trim_end_matches('0').trim_end_matches('.'))
    });
    format!("{}{l}{p}", site.rule.name)
}
