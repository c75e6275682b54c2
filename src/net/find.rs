//! Parts of a network by their paths. A path may lead to several: a block and the residual that takes its path, a branch
//! and the rule that stands on it.

use super::{Arm, LayerOp, Network, Node, Path, Site, for_each_node};

/// A part of a network that has a path.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// A layer, stage, block, residual, concat or gate.
    Node(&'a Node),
    /// A branch, shortcut or path.
    Arm(&'a Arm),
    /// A rule at its place.
    Site(&'a Site, Place),
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the sum of a residual's branches (Type A).
    Sum,
    /// On one branch, with draws of its own (Type B).
    Branch,
    /// On the branches, a factor each.
    Branches,
    /// Called as a layer.
    Layer,
}

impl Node {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Node::Layer(n) => &n.path,
            Node::Group(n) => &n.path,
            Node::Residual(n) => &n.path,
            Node::Concat(n) => &n.path,
            Node::Gate(n) => &n.path,
        }
    }
}

impl<'a> Part<'a> {
    /// Its path.
    pub fn path(self) -> &'a Path {
        match self {
            Part::Node(node) => node.path(),
            Part::Arm(arm) => &arm.path,
            Part::Site(site, _) => &site.path,
        }
    }
}

impl Network {
    /// Every part, an outer one before those inside it, rules after what they stand on.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut all = Vec::new();
        for_each_node(&self.body, &mut |node| {
            all.push(Part::Node(node));
            match node {
                Node::Layer(layer) => {
                    if let LayerOp::Rule(site) = &layer.op {
                        all.push(Part::Site(site, Place::Layer));
                    }
                }
                Node::Residual(residual) => {
                    for arm in residual.branches.iter().chain([&residual.shortcut]) {
                        all.push(Part::Arm(arm));
                        all.extend(arm.site.as_ref().map(|site| Part::Site(site, Place::Branch)));
                    }
                    all.extend(residual.on_branches.as_ref().map(|site| Part::Site(site, Place::Branches)));
                    all.extend(residual.at_sum.as_ref().map(|site| Part::Site(site, Place::Sum)));
                }
                Node::Concat(concat) => all.extend(concat.arms.iter().map(Part::Arm)),
                Node::Group(_) | Node::Gate(_) => {}
            }
        });
        all
    }

    /// What this path leads to; none where it leads nowhere.
    pub fn at(&self, path: &str) -> Vec<Part<'_>> {
        self.parts().into_iter().filter(|part| part.path().as_str() == path).collect()
    }
}
