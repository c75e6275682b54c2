//! A network as text: a tree of path tails, layers as the language writes them, shapes that leave.
//!
//! A line depends on its own layer alone. So one more layer adds its lines, and one more block changes no other line:
//! columns are not aligned, nothing is summed up, rules stand as their calls, not with the numbers of a site, and no
//! residual says its `l`, which counts what stands before it.

use std::fmt;

use super::{Activation, Arm, ConvOp, Group, GroupKind, Init, Layer, LayerOp, Network, Node, Path, Residual, Window};

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} -> {}", self.name, self.input, self.output)?;
        body(&self.body, &Path::root(), 1, f)
    }
}

impl Path {
    /// What this path adds to `outer`, in which it lies.
    pub fn tail(&self, outer: &Path) -> &str {
        self.as_str().strip_prefix(outer.as_str()).map_or(self.as_str(), |rest| rest.trim_start_matches('.'))
    }
}

fn body(nodes: &[Node], outer: &Path, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    nodes.iter().try_for_each(|node| match node {
        Node::Layer(n) => layer(n, outer, depth, f),
        Node::Group(n) => group(n, outer, depth, f),
        Node::Residual(n) => residual(n, outer, depth, f),
        Node::Concat(n) => {
            let tail = match n.path.tail(outer) {
                "" => "concat",
                tail => tail,
            };
            line(depth, tail, format_args!("concat -> {}", n.output), f)?;
            n.arms.iter().try_for_each(|a| arm(a, &n.path, depth + 1, f))
        }
        Node::Gate(n) => {
            line(depth, n.path.tail(outer), format_args!("scale -> {}", n.shape), f)?;
            body(&n.arm.body, &n.path, depth + 1, f)
        }
    })
}

fn layer(layer: &Layer, outer: &Path, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tail = layer.path.tail(outer);
    match layer.counts().parameters {
        0 => line(depth, tail, format_args!("{} -> {}", layer.op, layer.output), f),
        n => line(depth, tail, format_args!("{} -> {}, {n} parameters", layer.op, layer.output), f),
    }
}

fn group(group: &Group, outer: &Path, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let kind = match &group.kind {
        GroupKind::Stage => "stage",
        GroupKind::Block(name) => name,
    };
    line(depth, group.path.tail(outer), format_args!("{kind} -> {}", group.output), f)?;
    body(&group.body, &group.path, depth + 1, f)
}

fn residual(residual: &Residual, outer: &Path, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tail = match residual.path.tail(outer) {
        "" => "residual",
        tail => tail,
    };
    line(depth, tail, format_args!("residual -> {}", residual.output), f)?;
    for (site, place) in [(&residual.at_sum, "at sum"), (&residual.on_branches, "on branches")] {
        site.iter().try_for_each(|site| line(depth + 1, place, format_args!("{}", site.call), f))?;
    }
    let arms = residual.branches.iter().chain([&residual.shortcut]);
    arms.into_iter().try_for_each(|a| arm(a, &residual.path, depth + 1, f))
}

fn arm(arm: &Arm, outer: &Path, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tail = arm.path.tail(outer);
    if arm.body.is_empty() && arm.site.is_none() {
        return line(depth, tail, format_args!("identity"), f);
    }
    writeln!(f, "{:1$}{tail}", "", 2 * depth)?;
    body(&arm.body, &arm.path, depth + 1, f)?;
    arm.site.iter().try_for_each(|site| line(depth + 1, "at branch", format_args!("{}", site.call), f))
}

fn line(depth: usize, tail: &str, what: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:1$}{tail}: {what}", "", 2 * depth)
}

impl fmt::Display for LayerOp {
    /// As the language calls it, what has its default left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerOp::Conv(conv) => write_conv(conv, f),
            LayerOp::Linear { out, bias, init } => {
                write!(f, "linear({out}")?;
                option("bias", *bias, true, f)?;
                option("init", *init, Init::UniformIn, f)?;
                f.write_str(")")
            }
            LayerOp::BatchNorm { eps: 1e-5, momentum: 0.1 } => f.write_str("bn"),
            LayerOp::BatchNorm { eps, momentum } => write!(f, "bn(eps: {eps}, momentum: {momentum})"),
            LayerOp::Activation(activation) => activation.fmt(f),
            LayerOp::AvgPool(window) => write_pool("avg_pool", *window, f),
            LayerOp::MaxPool(window) => write_pool("max_pool", *window, f),
            LayerOp::GlobalAvgPool => f.write_str("global_avg_pool"),
            LayerOp::PadChannels { to } => write!(f, "pad_channels({to})"),
            LayerOp::Subsample { stride } => write!(f, "subsample({stride})"),
            LayerOp::Shift { down, right } => write!(f, "shift({down}, {right})"),
            LayerOp::Flatten => f.write_str("flatten"),
            LayerOp::Rule(site) => f.write_str(&site.call),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::Relu => f.write_str("relu"),
            Activation::LeakyRelu { slope } => write!(f, "leaky_relu({slope})"),
            Activation::Silu => f.write_str("silu"),
            Activation::Sigmoid => f.write_str("sigmoid"),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Init::HeNormalOut => f.write_str("he_normal_out"),
            Init::HeNormalIn => f.write_str("he_normal_in"),
            Init::UniformIn => f.write_str("uniform_in"),
            Init::Normal { deviation } => write!(f, "normal({deviation})"),
            Init::Zeros => f.write_str("zeros"),
        }
    }
}

fn write_conv(conv: &ConvOp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let ConvOp { out, kernel, stride, pad, dilation, groups, bias, init } = *conv;
    match kernel {
        1 | 3 => write!(f, "conv{kernel}x{kernel}({out}")?,
        _ => write!(f, "conv({kernel}, {out}")?,
    }
    option("stride", stride, 1, f)?;
    option("pad", pad, dilation * (kernel / 2), f)?;
    option("groups", groups, 1, f)?;
    option("dilation", dilation, 1, f)?;
    option("bias", bias, false, f)?;
    option("init", init, Init::HeNormalOut, f)?;
    f.write_str(")")
}

fn write_pool(name: &str, window: Window, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}({}", window.kernel)?;
    option("stride", window.stride, window.kernel, f)?;
    option("pad", window.pad, 0, f)?;
    f.write_str(")")
}

fn option<T: fmt::Display + PartialEq>(name: &str, value: T, default: T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value == default { Ok(()) } else { write!(f, ", {name}: {value}") }
}
