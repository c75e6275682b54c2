//! Residuals, and rules at their places.

use super::{Lowering, Mode};
use crate::graph::NodeId;
use crate::graph::op::{GateRef, Op, ScaleOp};
use crate::net::{BranchGate, Path, Residual, Site};

impl Lowering {
    /// shortcut(x) + the sum of the branches, each and the sum under the rules that stand there.
    pub(super) fn residual(&mut self, residual: &Residual, x: NodeId) -> NodeId {
        let (path, span) = (&residual.path, Some(residual.span));
        let all_branches = path.child("branch");
        let mut sum = None;
        for (i, arm) in residual.branches.iter().enumerate() {
            let outside = self.gates.len();
            self.gates.extend(residual.gates(i).map(|gate| {
                let BranchGate { site, draw, p } = gate;
                GateRef { site: site.path.clone(), draw, p }
            }));
            let mut y = self.body(&arm.body, x);
            self.gates.truncate(outside);
            for (site, entry) in residual.sites_on(i) {
                y = self.factor(site, entry, &arm.path, y);
            }
            sum = Some(match sum {
                Some(sum) => self.graph.add(Op::Add, &[sum, y], all_branches.clone(), span),
                None => y,
            });
        }
        let mut sum = sum.expect("a residual has a branch");
        if let Some(site) = &residual.at_sum {
            sum = self.factor(site, 0, &all_branches, sum);
        }
        let shortcut = self.body(&residual.shortcut.body, x);
        self.graph.add(Op::Add, &[sum, shortcut], path.clone(), span)
    }

    /// `x` times entry `entry` of the rule: drawn in training, expected at test, where a factor of 1 is no operation.
    pub(super) fn factor(&mut self, site: &Site, entry: usize, layer: &Path, x: NodeId) -> NodeId {
        let (layer, span) = (layer.clone(), Some(site.span));
        match self.mode {
            Mode::Train { .. } => {
                let scale = ScaleOp {
                    site: site.path.clone(),
                    call: site.call.clone(),
                    draws: site.rule.draws.clone(),
                    forward: site.rule.forward[entry].clone(),
                    backward: site.rule.backward[entry].clone(),
                };
                let clock = self.clock();
                self.graph.add(Op::Scale(Box::new(scale)), &[x, clock], layer, span)
            }
            Mode::Test if site.rule.test[entry] == 1.0 => x,
            Mode::Test => {
                let op = Op::ScaleConst { factor: site.rule.test[entry], of: site.call.clone() };
                self.graph.add(op, &[x], layer, span)
            }
        }
    }
}
