//! What need not be computed: branches whose gate is 0 for the whole batch, and the work that this spares on average.
//!
//! Which draw is a gate follows from a rule's equations ([`Rule::gate`](super::Rule::gate)); here stands which branches it
//! gates. Gates are drawn independently, so a layer inside several runs with the product of their probabilities. Which
//! kernels that are follows from the graph (`passes`, `fuse`), and agrees.

use super::rule::Distribution;
use super::{Network, Node, Residual, Site};

/// A gate over a branch: its 0 makes what the branch sends forward and gets back 0 for the whole batch.
#[derive(Clone, Copy, Debug)]
pub struct BranchGate<'a> {
    /// Where it is drawn.
    pub site: &'a Site,
    /// The draw's number in the site's rule.
    pub draw: usize,
    /// The probability of 1.
    pub p: f64,
}

/// The multiply-adds of a network for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Of every layer.
    pub all: f64,
    /// What is left on average where branches with a closed gate are not computed.
    pub expected: f64,
}

impl Work {
    /// The share that is spared; the same forward and backward, as a closed gate spares both.
    pub fn saved(self) -> f64 {
        if self.all > 0.0 { 1.0 - self.expected / self.all } else { 0.0 }
    }
}

impl Site {
    /// The gate of an entry of this site's rule (0 for a scalar rule).
    pub fn gate(&self, entry: usize) -> Option<BranchGate<'_>> {
        let draw = self.rule.gate(entry)?;
        match self.rule.draws[draw].distribution {
            Distribution::Bernoulli { p } => Some(BranchGate { site: self, draw, p }),
            Distribution::Uniform { .. } => unreachable!("a gate is a Bernoulli draw"),
        }
    }
}

impl Residual {
    /// The sites that multiply a branch by itself, each with its entry for it: a rule of its own, then the list's.
    pub fn sites_on(&self, branch: usize) -> impl Iterator<Item = (&Site, usize)> {
        let own = self.branches[branch].site.as_ref().map(|site| (site, 0));
        own.into_iter().chain(self.on_branches.as_ref().map(|site| (site, branch)))
    }

    /// The gates of a branch: any of them at 0 makes it unneeded. One on the sum gates every branch.
    pub fn gates(&self, branch: usize) -> impl Iterator<Item = BranchGate<'_>> {
        let sum = self.at_sum.as_ref().map(|site| (site, 0));
        self.sites_on(branch).chain(sum).filter_map(|(site, entry)| site.gate(entry))
    }
}

impl Network {
    /// The multiply-adds of one image, all and on average.
    pub fn work(&self) -> Work {
        let mut work = Work::default();
        add(&self.body, 1.0, &mut work);
        work
    }
}

/// Adds the work of nodes that run with probability `p`.
fn add(body: &[Node], p: f64, work: &mut Work) {
    for node in body {
        match node {
            Node::Layer(layer) => {
                let own = layer.counts().multiply_adds as f64;
                work.all += own;
                work.expected += p * own;
            }
            Node::Group(group) => add(&group.body, p, work),
            Node::Residual(residual) => {
                for (i, branch) in residual.branches.iter().enumerate() {
                    add(&branch.body, residual.gates(i).fold(p, |p, gate| p * gate.p), work);
                }
                add(&residual.shortcut.body, p, work);
            }
            Node::Concat(concat) => concat.arms.iter().for_each(|arm| add(&arm.body, p, work)),
            Node::Gate(gate) => add(&gate.arm.body, p, work),
        }
    }
}
