//! The picture as SVG, laid out here: each part is measured, then drawn around its middle line from the top down.

use std::fmt::Write as _;

use super::{Diagram, Join, Lane, Look, Step, StepKind};
use crate::diag::grouped;

/// The width of a letter of the fixed-width type, and the height of a layer.
const LETTER: f64 = 6.9;
const LAYER: f64 = 24.0;
/// Between steps, where an edge and its shape stand.
const EDGE: f64 = 20.0;
/// Around what a frame holds, and between arms.
const PAD: f64 = 14.0;
/// A frame's title.
const TITLE: f64 = 22.0;
/// The radius of a join.
const JOIN: f64 = 10.0;

/// The colours: fill and stroke of each look.
fn colours(look: Look) -> (&'static str, &'static str) {
    match look {
        Look::Weight => ("#dbe9fb", "#3b6fb6"),
        Look::Norm => ("#ececf1", "#80808f"),
        Look::Activation => ("#dff3e3", "#3c9455"),
        Look::Shape => ("#fdeed4", "#c08a2e"),
        Look::Rule => ("#fbdcdc", "#c23b3b"),
    }
}

#[derive(Clone, Copy, Default)]
struct Size {
    /// To the left of the middle line.
    left: f64,
    /// To the right of it.
    right: f64,
    height: f64,
}

impl Diagram {
    /// The picture as one SVG file.
    pub fn svg(&self) -> String {
        let title = format!("{}: {} parameters", self.name, grouped(self.parameters));
        let size = steps_size(&self.steps);
        let (left, right) = (size.left.max(text_width(&title) / 2.0), size.right.max(text_width(&title) / 2.0));
        let (width, height) = (left + right + 2.0 * PAD, size.height + 3.0 * TITLE + 2.0 * EDGE + 2.0 * PAD);
        let mut out = Drawing { out: String::new() };
        let _ = writeln!(
            out.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"11.5\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
        );
        let x = left + PAD;
        out.text(x, PAD + 8.0, &title, "middle", "#222", true);
        out.text(x, PAD + TITLE + 8.0, &self.input, "middle", "#666", false);
        let top = PAD + TITLE + 16.0;
        out.line(x, top, x, top + EDGE);
        let end = out.steps(&self.steps, x, top + EDGE, &self.input);
        out.line(x, end, x, end + EDGE);
        let last = self.steps.last().map_or(self.input.as_str(), |step| step.output.as_str());
        out.text(x, end + EDGE + 8.0, last, "middle", "#666", false);
        out.out + "</svg>\n"
    }
}

fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

fn label(step: &Step, text: &str) -> String {
    if step.times > 1 { format!("{text}  ×{}", step.times) } else { text.to_owned() }
}

fn steps_size(steps: &[Step]) -> Size {
    let mut size = Size::default();
    for (i, step) in steps.iter().enumerate() {
        let own = step_size(step);
        size.left = size.left.max(own.left);
        size.right = size.right.max(own.right);
        size.height += own.height + if i > 0 { EDGE } else { 0.0 };
        // Shapes stand to the right of the edges.
        size.right = size.right.max(text_width(&step.output) + 8.0);
    }
    size
}

fn step_size(step: &Step) -> Size {
    match &step.kind {
        StepKind::Layer { label: text, .. } => {
            let half = (text_width(&label(step, text)) + 16.0) / 2.0;
            Size { left: half, right: half, height: LAYER }
        }
        StepKind::Frame { title, steps, .. } => {
            let inner = steps_size(steps);
            let title = text_width(&label(step, title)) + 16.0;
            // The title ends before the middle line, which would strike it through.
            let (left, right) = ((inner.left + PAD).max(title), inner.right + PAD);
            Size { left, right, height: inner.height + TITLE + 2.0 * PAD }
        }
        StepKind::Arms { arms, rule, .. } => {
            let Columns { centre, width, .. } = columns(arms, rule.as_deref());
            let height = arms.iter().map(|arm| lane_size(arm).height).fold(LAYER, f64::max);
            let rule = if rule.is_some() { LAYER + EDGE } else { 0.0 };
            let repeated = if step.times > 1 { TITLE } else { 0.0 };
            Size {
                left: centre,
                right: width - centre,
                height: repeated + EDGE + TITLE + height + EDGE + rule + 2.0 * JOIN,
            }
        }
    }
}

fn lane_size(lane: &Lane) -> Size {
    let size = steps_size(&lane.steps);
    let half = text_width(&lane.title) / 2.0;
    Size { left: size.left.max(half), right: size.right.max(half), height: size.height }
}

/// Where the middle line of each arm lies, from the left end, and that from which they fork; and the whole width.
struct Columns {
    middles: Vec<f64>,
    centre: f64,
    width: f64,
}

fn columns(arms: &[Lane], rule: Option<&str>) -> Columns {
    let (mut at, mut middles) = (0.0, Vec::new());
    for arm in arms {
        let size = lane_size(arm);
        middles.push(at + size.left + PAD / 2.0);
        at += size.left + size.right + PAD;
    }
    if let Some(rule) = rule {
        let half = text_width(rule) / 2.0 + 8.0;
        // The rule stands below the branches, clear of the other arms, which come first.
        let clear = middles_of(arms, &middles, false).last().map_or(0.0, |other| other + PAD);
        let moved = (clear + half - middle_of(&middles_of(arms, &middles, true))).max(0.0);
        middles.iter_mut().zip(arms).filter(|(_, arm)| arm.is_branch).for_each(|(middle, _)| *middle += moved);
        at = (at + moved).max(middle_of(&middles_of(arms, &middles, true)) + half + PAD);
    }
    Columns { centre: middle_of(&middles), middles, width: at }
}

/// The middle lines of the branches, or of the other arms.
fn middles_of(arms: &[Lane], middles: &[f64], of_branches: bool) -> Vec<f64> {
    arms.iter().zip(middles).filter(|(arm, _)| arm.is_branch == of_branches).map(|(_, middle)| *middle).collect()
}

fn middle_of(all: &[f64]) -> f64 {
    match (all.first(), all.last()) {
        (Some(first), Some(last)) => (first + last) / 2.0,
        (_, _) => 0.0,
    }
}

struct Drawing {
    out: String,
}

impl Drawing {
    /// Steps from `y` down, with the shapes on the edges between; where the last one ends. A shape that is that of the edge
    /// before is not said again.
    fn steps(&mut self, steps: &[Step], x: f64, mut y: f64, entered: &str) -> f64 {
        let mut shape = entered.to_owned();
        for (i, step) in steps.iter().enumerate() {
            if i > 0 {
                self.line(x, y, x, y + EDGE);
                let before = &steps[i - 1].output;
                if *before != shape {
                    self.text(x + 6.0, y + EDGE / 2.0, before, "start", "#666", false);
                    shape.clone_from(before);
                }
                y += EDGE;
            }
            self.step(step, x, y, &shape);
            y += step_size(step).height;
        }
        y
    }

    fn step(&mut self, step: &Step, x: f64, y: f64, entered: &str) {
        let size = step_size(step);
        match &step.kind {
            StepKind::Layer { label: text, look } => self.layer(&label(step, text), *look, x, y),
            StepKind::Frame { title, steps, .. } => {
                let width = size.left + size.right;
                let left = x - size.left;
                let _ = writeln!(
                    self.out,
                    "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"6\" fill=\"black\" fill-opacity=\"0.03\" stroke=\"#bbb\"/>",
                    size.height
                );
                self.text(left + 8.0, y + TITLE / 2.0, &label(step, title), "start", "#444", true);
                let top = y + TITLE + PAD;
                self.line(x, y, x, top);
                let end = self.steps(steps, x, top, entered);
                self.line(x, end, x, y + size.height);
            }
            StepKind::Arms { join, arms, rule } => {
                let y = if step.times > 1 {
                    self.text(x + 6.0, y + TITLE / 2.0, &format!("×{}", step.times), "start", "#444", true);
                    self.line(x, y, x, y + TITLE);
                    y + TITLE
                } else {
                    y
                };
                self.arms(arms, *join, rule.as_deref(), x, y, entered);
            }
        }
    }

    fn layer(&mut self, text: &str, look: Look, x: f64, y: f64) {
        let width = text_width(text) + 16.0;
        let (fill, stroke) = colours(look);
        let dashed = if look == Look::Rule { " stroke-dasharray=\"4 2\"" } else { "" };
        let _ = writeln!(
            self.out,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{LAYER}\" rx=\"4\" fill=\"{fill}\" stroke=\"{stroke}\"{dashed}/>",
            x - width / 2.0
        );
        self.text(x, y + LAYER / 2.0, text, "middle", "#222", false);
    }

    fn arms(&mut self, arms: &[Lane], join: Join, rule: Option<&str>, x: f64, y: f64, entered: &str) {
        let Columns { middles, centre, .. } = columns(arms, rule);
        let left = x - centre;
        let middles: Vec<f64> = middles.iter().map(|m| left + m).collect();
        let height = arms.iter().map(|arm| lane_size(arm).height).fold(LAYER, f64::max);
        let (fork, top) = (y + EDGE / 2.0, y + EDGE + TITLE);
        let bottom = top + height;
        let (first, last) = (middles[0].min(x), middles[middles.len() - 1].max(x));
        self.line(x, y, x, fork);
        self.line(first, fork, last, fork);
        for (arm, &middle) in arms.iter().zip(&middles) {
            self.line(middle, fork, middle, top);
            self.text(middle + 5.0, y + EDGE + 4.0, &arm.title, "start", "#888", false);
            let end = self.steps(&arm.steps, middle, top, entered);
            self.line(middle, end, middle, bottom);
        }
        let branches = middles_of(arms, &middles, true);
        let meet = bottom + EDGE / 2.0;
        let mut end = bottom;
        if let Some(rule) = rule {
            let centre = middle_of(&branches);
            for &branch in &branches {
                self.line(branch, bottom, branch, meet);
            }
            if let (Some(a), Some(b)) = (branches.first(), branches.last()) {
                self.line(*a, meet, *b, meet);
            }
            self.line(centre, meet, centre, bottom + EDGE);
            self.layer(rule, Look::Rule, centre, bottom + EDGE);
            end = bottom + EDGE + LAYER;
            let others = middles_of(arms, &middles, false);
            for &other in &others {
                self.line(other, bottom, other, end);
            }
            self.join(join, &[others, vec![centre]].concat(), x, end);
        } else {
            self.join(join, &middles, x, end);
        }
    }

    /// Lines from above meet in a circle on the middle line.
    fn join(&mut self, join: Join, from: &[f64], x: f64, y: f64) {
        let centre = y + EDGE / 2.0 + JOIN;
        let meet = y + EDGE / 2.0 - 2.0;
        for &one in from {
            self.line(one, y, one, meet);
        }
        let (first, last) = from.iter().fold((x, x), |(a, b), &m| (a.min(m), b.max(m)));
        self.line(first, meet, last, meet);
        self.line(x, meet, x, y + EDGE + 2.0 * JOIN);
        let _ = writeln!(
            self.out,
            "<circle cx=\"{x:.1}\" cy=\"{centre:.1}\" r=\"{:.1}\" fill=\"white\" stroke=\"#444\"/>",
            JOIN - 1.5
        );
        self.text(x, centre, join.mark(), "middle", "#222", true);
    }

    fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ =
            writeln!(self.out, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#888\"/>");
    }

    fn text(&mut self, x: f64, y: f64, text: &str, anchor: &str, colour: &str, bold: bool) {
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            self.out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{weight}>{text}</text>",
            y + 4.0
        );
    }
}
