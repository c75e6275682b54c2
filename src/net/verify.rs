//! The invariants of [`Network`], as code, in the order in which they are written there.

use std::collections::BTreeSet;

use super::{
    Arm, Layer, LayerOp, MAX_ELEMENTS, MAX_LAYERS, MAX_PARAMETERS, Network, Node, Path, Residual, Shape, Site,
    for_each_node,
};

impl Network {
    /// Checks the invariants.
    ///
    /// # Errors
    /// The first that does not hold, in words.
    pub fn verify(&self) -> Result<(), String> {
        let mut nodes = Vec::new();
        for_each_node(&self.body, &mut |node| nodes.push(node));
        let layers: Vec<&Layer> =
            nodes.iter().filter_map(|n| if let Node::Layer(layer) = n { Some(layer) } else { None }).collect();

        chain(&self.body, self.input, self.output, "the network")?;
        nodes.iter().try_for_each(|node| chains_inside(node))?;
        layers.iter().try_for_each(|layer| output_follows(layer))?;
        nodes.iter().try_for_each(|node| arms_agree(node))?;
        unique("layer", layers.iter().map(|layer| &layer.path))?;
        unique("site", self.sites().into_iter().map(|site| &site.path))?;
        self.levels_run(&nodes)?;
        nodes.iter().try_for_each(|node| rules_fit(node))?;
        self.is_within_limits(&layers)
    }

    fn levels_run(&self, nodes: &[&Node]) -> Result<(), String> {
        let levels: Vec<usize> = self.residuals().iter().map(|r| r.l).collect();
        if levels != (1..=self.residuals).collect::<Vec<_>>() {
            return Err(format!("the residuals' l are {levels:?}, not 1 to {}", self.residuals));
        }
        for node in nodes {
            let Node::Residual(outer) = node else { continue };
            let mut inner = Ok(());
            let arms = outer.branches.iter().chain([&outer.shortcut]);
            arms.for_each(|arm| {
                for_each_node(&arm.body, &mut |node| match node {
                    Node::Residual(r) if r.l < outer.l => {
                        inner = Err(format!("{} comes before {}", r.path, outer.path))
                    }
                    Node::Residual(_) | Node::Layer(_) | Node::Group(_) | Node::Concat(_) | Node::Gate(_) => {}
                });
            });
            inner?;
        }
        Ok(())
    }

    fn is_within_limits(&self, layers: &[&Layer]) -> Result<(), String> {
        if layers.len() > MAX_LAYERS {
            return Err(format!("{} layers", layers.len()));
        }
        let parameters = self.counts().parameters;
        if parameters > MAX_PARAMETERS {
            return Err(format!("{parameters} parameters"));
        }
        let shapes = layers.iter().flat_map(|layer| [layer.input, layer.output]).chain([self.input, self.output]);
        match shapes.into_iter().find(|shape| shape.checked_elements().is_none()) {
            Some(shape) => Err(format!("a tensor of {shape}, more than {MAX_ELEMENTS} elements")),
            None => Ok(()),
        }
    }
}

/// Invariant 1 along one sequence.
fn chain(body: &[Node], input: Shape, output: Shape, place: impl std::fmt::Display) -> Result<(), String> {
    let mut shape = input;
    for node in body {
        if node.input() != shape {
            return Err(format!("in {place}, {shape} leaves a part and {} enters the next", node.input()));
        }
        shape = node.output();
    }
    if shape == output { Ok(()) } else { Err(format!("{shape} leaves {place}, which says {output}")) }
}

/// Invariant 1 along the sequences of one node.
fn chains_inside(node: &Node) -> Result<(), String> {
    let arm = |arm: &Arm, input| chain(&arm.body, input, arm.output, &arm.path);
    match node {
        Node::Layer(_) => Ok(()),
        Node::Group(g) => chain(&g.body, g.input, g.output, &g.path),
        Node::Residual(r) => r.branches.iter().chain([&r.shortcut]).try_for_each(|a| arm(a, r.input)),
        Node::Concat(c) => c.arms.iter().try_for_each(|a| arm(a, c.input)),
        Node::Gate(g) => arm(&g.arm, g.shape),
    }
}

/// Invariant 2.
fn output_follows(layer: &Layer) -> Result<(), String> {
    let sizes = match &layer.op {
        LayerOp::Conv(c) => vec![c.out, c.kernel, c.stride, c.dilation, c.groups],
        LayerOp::AvgPool(w) | LayerOp::MaxPool(w) => vec![w.kernel, w.stride],
        LayerOp::Linear { out, .. } => vec![*out],
        LayerOp::PadChannels { to } => vec![*to],
        LayerOp::Subsample { stride } => vec![*stride],
        LayerOp::BatchNorm { .. }
        | LayerOp::Activation(_)
        | LayerOp::GlobalAvgPool
        | LayerOp::Shift { .. }
        | LayerOp::Flatten
        | LayerOp::Rule(_) => vec![],
    };
    if sizes.contains(&0) {
        return Err(format!("{} has a size of 0: {:?}", layer.path, layer.op));
    }
    match layer.op.output(layer.input) {
        Ok(shape) if shape == layer.output => Ok(()),
        Ok(shape) => Err(format!("{} makes {shape}, not {}", layer.path, layer.output)),
        Err(misfit) => Err(format!("{} cannot take {}: {misfit:?}", layer.path, layer.input)),
    }
}

/// Invariant 3.
fn arms_agree(node: &Node) -> Result<(), String> {
    match node {
        Node::Layer(_) | Node::Group(_) => Ok(()),
        Node::Residual(r) if r.branches.is_empty() => Err(format!("{} has no branch", r.path)),
        Node::Residual(r) => match r.branches.iter().chain([&r.shortcut]).find(|arm| arm.output != r.output) {
            Some(arm) => Err(format!("{} makes {}, its residual {}", arm.path, arm.output, r.output)),
            None => Ok(()),
        },
        Node::Concat(c) => {
            let channels = c.arms.iter().map(|arm| arm.output.channels).sum();
            match c.arms.iter().find(|arm| Shape { channels, ..arm.output } != c.output) {
                Some(arm) => Err(format!("{} makes {}, {} joins {}", arm.path, arm.output, c.path, c.output)),
                None if c.arms.is_empty() => Err(format!("{} has no path", c.path)),
                None => Ok(()),
            }
        }
        Node::Gate(g) if [g.shape, Shape::vector(g.shape.channels)].contains(&g.arm.output) => Ok(()),
        Node::Gate(g) => Err(format!("{} multiplies {} by {}", g.path, g.shape, g.arm.output)),
    }
}

/// Invariant 4.
fn unique<'a>(what: &str, paths: impl Iterator<Item = &'a Path>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(path) {
            return Err(format!("two {what}s at {path}"));
        }
    }
    Ok(())
}

/// Invariant 6.
fn rules_fit(node: &Node) -> Result<(), String> {
    match node {
        Node::Layer(Layer { op: LayerOp::Rule(site), output, .. }) => site_fits(site, *output, 1),
        Node::Residual(r) => rules_of_residual_fit(r),
        Node::Concat(c) => c.arms.iter().try_for_each(only_branches),
        Node::Gate(g) => only_branches(&g.arm),
        Node::Layer(_) | Node::Group(_) => Ok(()),
    }
}

fn rules_of_residual_fit(residual: &Residual) -> Result<(), String> {
    let Residual { branches, shortcut, at_sum, on_branches, output, .. } = residual;
    only_branches(shortcut)?;
    for site in branches.iter().filter_map(|arm| arm.site.as_ref()).chain(at_sum) {
        site_fits(site, *output, 1)?;
    }
    on_branches.iter().try_for_each(|site| site_fits(site, *output, branches.len()))
}

fn site_fits(site: &Site, shape: Shape, factors: usize) -> Result<(), String> {
    site.rule.verify().map_err(|broken| format!("at {}: {broken}", site.path))?;
    if site.shape != shape {
        return Err(format!("the rule at {} multiplies {shape}, not {}", site.path, site.shape));
    }
    match site.rule.forward.len() {
        n if n == factors => Ok(()),
        n => Err(format!("{n} factors at {}, which takes {factors}", site.path)),
    }
}

fn only_branches(arm: &Arm) -> Result<(), String> {
    match &arm.site {
        Some(site) => Err(format!("a rule at {}, which is no branch", site.path)),
        None => Ok(()),
    }
}
