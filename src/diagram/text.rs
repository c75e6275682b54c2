//! The picture for programs that lay out graphs themselves: Graphviz, and Mermaid in web pages.

use std::fmt::Write as _;

use super::{Diagram, Step, StepKind};

impl Diagram {
    /// For Graphviz's `dot`.
    pub fn dot(&self) -> String {
        let mut lines = Lines { dialect: Dialect::Dot, out: String::new(), nodes: 0, frames: 0, depth: 1 };
        let entry = lines.node(&self.input, false);
        lines.steps(&self.steps, vec![entry]);
        format!("digraph {:?} {{\n  node [shape=box, fontname=monospace]\n{}}}\n", self.name, lines.out)
    }

    /// For Mermaid.
    pub fn mermaid(&self) -> String {
        let mut lines = Lines { dialect: Dialect::Mermaid, out: String::new(), nodes: 0, frames: 0, depth: 1 };
        let entry = lines.node(&self.input, false);
        lines.steps(&self.steps, vec![entry]);
        format!("flowchart TD\n{}", lines.out)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Dot,
    Mermaid,
}

struct Lines {
    dialect: Dialect,
    out: String,
    nodes: usize,
    frames: usize,
    depth: usize,
}

/// An end that the next step continues: a node, and the shape that leaves it.
type End = (usize, String);

impl Lines {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:1$}{text}", "", 2 * self.depth);
    }

    fn node(&mut self, label: &str, round: bool) -> End {
        let id = self.nodes;
        self.nodes += 1;
        let label = label.replace('"', "'");
        let line = match (self.dialect, round) {
            (Dialect::Dot, false) => format!("n{id} [label=\"{label}\"]"),
            (Dialect::Dot, true) => format!("n{id} [label=\"{label}\", shape=circle]"),
            (Dialect::Mermaid, false) => format!("n{id}[\"{label}\"]"),
            (Dialect::Mermaid, true) => format!("n{id}((\"{label}\"))"),
        };
        self.line(&line);
        (id, String::new())
    }

    fn edges(&mut self, from: &[End], to: usize) {
        for (id, shape) in from {
            let line = match (self.dialect, shape.is_empty()) {
                (Dialect::Dot, true) => format!("n{id} -> n{to}"),
                (Dialect::Dot, false) => format!("n{id} -> n{to} [label=\"{shape}\"]"),
                (Dialect::Mermaid, true) => format!("n{id} --> n{to}"),
                (Dialect::Mermaid, false) => format!("n{id} -->|{shape}| n{to}"),
            };
            self.line(&line);
        }
    }

    fn steps(&mut self, steps: &[Step], mut ends: Vec<End>) -> Vec<End> {
        for step in steps {
            ends = self.step(step, ends);
        }
        ends
    }

    fn step(&mut self, step: &Step, ends: Vec<End>) -> Vec<End> {
        let times = if step.times > 1 { format!(" ×{}", step.times) } else { String::new() };
        match &step.kind {
            StepKind::Layer { label, .. } => {
                let (id, _) = self.node(&format!("{label}{times}"), false);
                self.edges(&ends, id);
                vec![(id, step.output.clone())]
            }
            StepKind::Frame { title, steps, .. } => {
                self.frames += 1;
                let (open, close) = match self.dialect {
                    Dialect::Dot => (format!("subgraph cluster_{} {{\n label=\"{title}{times}\"", self.frames), "}"),
                    Dialect::Mermaid => (format!("subgraph f{}[\"{title}{times}\"]", self.frames), "end"),
                };
                self.line(&open);
                self.depth += 1;
                let ends = self.steps(steps, ends);
                self.depth -= 1;
                self.line(close);
                ends
            }
            StepKind::Arms { join, arms, rule } => {
                let (mut branches, mut others) = (Vec::new(), Vec::new());
                for arm in arms {
                    let left = self.steps(&arm.steps, ends.clone());
                    if arm.is_branch { branches.extend(left) } else { others.extend(left) }
                }
                if let Some(rule) = rule {
                    let (id, _) = self.node(rule, false);
                    self.edges(&branches, id);
                    branches = vec![(id, String::new())];
                }
                let (id, _) = self.node(&format!("{}{times}", join.mark()), true);
                others.append(&mut branches);
                self.edges(&others, id);
                vec![(id, step.output.clone())]
            }
        }
    }
}
