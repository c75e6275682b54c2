//! Networks built by hand, for tests that start after elaboration.

use sdc::net::rule::Distribution;
use sdc::net::{
    Activation, Arm, ConvOp, Draw, Factor, Group, GroupKind, Init, Layer, LayerOp, Level, Network, Node, Path,
    Residual, Rule, Shape, Site,
};
use sdc::source::{SourceId, Span};

/// A place in no text.
pub fn nowhere() -> Span {
    Span::new(SourceId(0), 0, 0)
}

/// A convolution with a kernel of three pixels.
pub fn conv3x3(out: usize, stride: usize) -> LayerOp {
    let init = Init::HeNormalOut;
    LayerOp::Conv(ConvOp { out, kernel: 3, stride, pad: 1, dilation: 1, groups: 1, bias: false, init })
}

/// `bn`.
pub fn bn() -> LayerOp {
    LayerOp::BatchNorm { eps: 1e-5, momentum: 0.1 }
}

/// `relu`.
pub fn relu() -> LayerOp {
    LayerOp::Activation(Activation::Relu)
}

/// `linear(out)`.
pub fn linear(out: usize) -> LayerOp {
    LayerOp::Linear { out, bias: true, init: Init::UniformIn }
}

/// ShakeDrop (Yamada et al. 2019, equation 6).
pub fn shakedrop(p: f64, (lo, hi): (f64, f64), level: Level) -> Rule {
    let one = || Box::new(Factor::Const(1.0));
    let gate = || Box::new(Factor::Draw(0));
    let factor = |u| {
        let closed = Factor::Sub(one(), gate());
        Factor::Add(gate(), Box::new(Factor::Mul(Box::new(closed), Box::new(Factor::Draw(u)))))
    };
    let uniform = |lo, hi| Draw { level, distribution: Distribution::Uniform { lo, hi }, named: false };
    Rule {
        name: "shakedrop".into(),
        draws: vec![
            Draw { level: Level::Batch, distribution: Distribution::Bernoulli { p }, named: true },
            uniform(lo, hi),
            uniform(0.0, 1.0),
        ],
        forward: vec![factor(1)],
        backward: vec![factor(2)],
        test: vec![p + (1.0 - p) * (lo + hi) / 2.0],
    }
}

/// Layers one after another, each named by its kind and counted, as the elaborator names them.
pub fn layers(scope: &Path, input: Shape, ops: Vec<LayerOp>) -> (Vec<Node>, Shape) {
    let mut shape = input;
    let mut names: Vec<&str> = Vec::new();
    let nodes = ops
        .into_iter()
        .map(|op| {
            let name = match &op {
                LayerOp::Conv(_) => "conv",
                LayerOp::Linear { .. } => "linear",
                LayerOp::BatchNorm { .. } => "bn",
                LayerOp::Activation(_) => "relu",
                LayerOp::GlobalAvgPool => "global_avg_pool",
                LayerOp::AvgPool(_) => "avg_pool",
                LayerOp::PadChannels { .. } => "pad_channels",
                _ => "layer",
            };
            let path = scope.indexed(name, names.iter().filter(|&&n| n == name).count());
            names.push(name);
            let output = op.output(shape).expect("the layer fits");
            let layer = Layer { path, op, input: shape, output, span: nowhere() };
            shape = output;
            Node::Layer(layer)
        })
        .collect();
    (nodes, shape)
}

fn stage(name: &str, input: Shape, ops: Vec<LayerOp>) -> Group {
    let path = Path::from(name);
    let (body, output) = layers(&path, input, ops);
    Group { path, kind: GroupKind::Stage, body, input, output, span: nowhere() }
}

/// A block of one residual: conv bn relu conv bn, under pixel-level ShakeDrop.
pub fn block(path: Path, input: Shape, l: usize, p: f64) -> Group {
    let branch = path.indexed("branch", 0);
    let width = input.channels;
    let (body, output) = layers(&branch, input, vec![conv3x3(width, 1), bn(), relu(), conv3x3(width, 1), bn()]);
    let site = Site {
        path: path.clone(),
        rule: shakedrop(p, (-1.0, 1.0), Level::Pixel),
        call: "shakedrop(p: linear_decay(l, L), level: pixel)".into(),
        arguments: Vec::new(),
        l: Some(l),
        shape: output,
        span: nowhere(),
    };
    let residual = Residual {
        path: path.clone(),
        l,
        branches: vec![Arm { path: branch, body, output, site: None, span: nowhere() }],
        shortcut: Arm { path: path.child("shortcut"), body: vec![], output, site: None, span: nowhere() },
        at_sum: Some(site),
        on_branches: None,
        input,
        output,
        span: nowhere(),
    };
    let kind = GroupKind::Block("basic".into());
    Group { path, kind, body: vec![Node::Residual(residual.into())], input, output, span: nowhere() }
}

/// A stem, `blocks` residual blocks of `width` channels under ShakeDrop with linear decay to 1/2, and a head.
pub fn network(input: Shape, width: usize, blocks: usize, classes: usize) -> Network {
    let stem = stage("stem", input, vec![conv3x3(width, 1), bn()]);
    let path = Path::root().indexed("group", 0);
    let blocks_of_group = (0..blocks).map(|i| {
        let p = 1.0 - (i + 1) as f64 / blocks as f64 * 0.5;
        Node::Group(block(path.indexed("block", i), stem.output, i + 1, p))
    });
    let body = blocks_of_group.collect();
    let (input_of_group, output) = (stem.output, stem.output);
    let group = Group { path, kind: GroupKind::Stage, body, input: input_of_group, output, span: nowhere() };
    let head = stage("head", output, vec![relu(), LayerOp::GlobalAvgPool, linear(classes)]);
    let output = head.output;
    Network {
        name: "Hand".into(),
        input,
        body: vec![Node::Group(stem), Node::Group(group), Node::Group(head)],
        output,
        residuals: blocks,
    }
}
