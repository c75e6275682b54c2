//! `sdc summary --at PATH`: one part of a network in full: a layer's shapes, numbers and origin, a rule's equations with
//! its site's numbers in them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::diag::{Failure, codes, grouped, near};
use crate::net::rule::NoClosedForm;
use crate::net::{
    Argument, Arm, Counts, GroupKind, Layer, Level, Network, Node, Parameter, ParameterInit, Part, Place, Residual,
    Shape, Site,
};
use crate::source::{Sources, Span};

/// What stands at `path`.
///
/// # Errors
/// A path that leads nowhere.
pub fn parts<'a>(network: &'a Network, path: &str) -> Result<Vec<Part<'a>>, Failure> {
    let found = network.at(path);
    if !found.is_empty() {
        return Ok(found);
    }
    let all = network.parts();
    let help = match near(path, all.iter().map(|part| part.path().as_str())) {
        Some(near) => near.question(""),
        None => "`sdc summary FILE` lists all paths".to_owned(),
    };
    Err(Failure::new(codes::UNKNOWN_NAME, format!("the network has no part `{path}`"), help))
}

/// As text.
pub fn to_text(network: &Network, parts: &[Part<'_>], sources: &Sources) -> String {
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        out.push_str(if i > 0 { "\n" } else { "" });
        match part {
            Part::Node(node) => node_text(node, network, sources, &mut out),
            Part::Arm(arm) => arm_text(arm, sources, &mut out),
            Part::Site(site, place) => site_text(site, *place, network, sources, &mut out),
        }
    }
    out
}

/// One line: a word and what it is.
fn line(out: &mut String, word: &str, what: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  {word:<13} {what}");
}

fn title(out: &mut String, path: &str, what: &str) {
    let path = if path.is_empty() { "the network" } else { path };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{path}: {what}");
}

fn counts(out: &mut String, Counts { parameters, multiply_adds }: Counts) {
    line(out, "parameters", grouped(parameters));
    line(out, "multiply-adds", format!("{} an image", grouped(multiply_adds)));
}

fn node_text(node: &Node, network: &Network, sources: &Sources, out: &mut String) {
    let (what, span) = match node {
        Node::Layer(layer) => return layer_text(layer, sources, out),
        Node::Group(group) => match &group.kind {
            GroupKind::Stage => ("stage".to_owned(), group.span),
            GroupKind::Block(name) => (format!("block {name}"), group.span),
        },
        Node::Residual(residual) => (format!("residual, l = {} of {}", residual.l, network.residuals), residual.span),
        Node::Concat(concat) => ("concat".to_owned(), concat.span),
        Node::Gate(gate) => ("scale".to_owned(), gate.span),
    };
    title(out, node.path().as_str(), &what);
    line(out, "text", sources.locate(span));
    line(out, "in", node.input());
    line(out, "out", node.output());
    counts(out, node.counts());
    if let Node::Residual(residual) = node {
        let p = probability_of_running(residual);
        if p < 1.0 {
            line(out, "computed", format!("its branches on {} of all steps, on average", percent(p)));
        }
    }
}

/// The mean over a residual's branches, by their work, of the probability that one is computed.
fn probability_of_running(residual: &Residual) -> f64 {
    let (mut all, mut expected) = (0.0, 0.0);
    for (i, branch) in residual.branches.iter().enumerate() {
        let work = branch.body.iter().map(|node| node.counts().multiply_adds as f64).sum::<f64>();
        all += work;
        expected += residual.gates(i).fold(work, |work, gate| work * gate.p);
    }
    if all > 0.0 { expected / all } else { 1.0 }
}

fn layer_text(layer: &Layer, sources: &Sources, out: &mut String) {
    title(out, layer.path.as_str(), &layer.op.to_string());
    line(out, "text", sources.locate(layer.span));
    line(out, "in", layer.input);
    line(out, "out", layer.output);
    counts(out, layer.counts());
    for parameter in layer.parameters() {
        let Parameter { path, dims, init, .. } = &parameter;
        let dims = dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        line(out, path.tail(&layer.path), format!("{dims}, starts as {}", start(*init)));
    }
}

fn start(init: ParameterInit) -> String {
    match init {
        ParameterInit::Drawn(init) => init.to_string(),
        ParameterInit::Constant(value) => value.to_string(),
    }
}

fn arm_text(arm: &Arm, sources: &Sources, out: &mut String) {
    let identity = arm.body.is_empty();
    title(out, arm.path.as_str(), if identity { "arm, the identity" } else { "arm" });
    line(out, "text", sources.locate(arm.span));
    if let Some(first) = arm.body.first() {
        line(out, "in", first.input());
    }
    line(out, "out", arm.output);
    counts(out, arm.body.iter().map(Node::counts).sum());
}

fn site_text(site: &Site, place: Place, network: &Network, sources: &Sources, out: &mut String) {
    let rule = &site.rule;
    let place = match place {
        Place::Sum => "on the sum of the branches",
        Place::Branch => "on the branch",
        Place::Branches => "on the branches, a factor each",
        Place::Layer => "as a layer",
    };
    title(out, site.path.as_str(), &format!("{} {place}", rule.name));
    line(out, "text", format!("{}: {}", sources.locate(site.span), site.call));
    if let Some(l) = site.l {
        line(out, "l", format!("{l} of {}", network.residuals));
    }
    line(out, "multiplies", site.shape);
    for argument in &site.arguments {
        line(out, &argument.name, argument_text(argument, sources, site.span));
    }
    for (i, draw) in rule.draws.iter().enumerate() {
        let shared = if draw.named { ", one draw for both passes" } else { "" };
        line(out, &rule.draw_name(i), format!("{} per {}{shared}", draw.distribution, draw.level));
    }
    for i in 0..rule.forward.len() {
        if rule.forward.len() > 1 {
            let branch = format!("branch[{i}]");
            line(out, &branch, format!("is multiplied by factor {} of {}", i + 1, rule.forward.len()));
        }
        line(out, "forward", rule.forward[i].equation(&rule.draws));
        line(out, "backward", rule.backward[i].equation(&rule.draws));
        line(out, "test", rule.test[i]);
        line(out, "E[forward]", moment(rule.mean_forward(i)));
        line(out, "Var[forward]", moment(rule.variance_forward(i)));
        line(out, "E[backward]", moment(rule.mean_backward(i)));
        line(out, "Var[backward]", moment(rule.variance_backward(i)));
        line(out, "not computed", skipped(site, i));
    }
}

fn argument_text(argument: &Argument, sources: &Sources, placed: Span) -> String {
    let Argument { expression, worked, value, span, .. } = argument;
    let mut steps = vec![expression.as_str(), worked, value];
    steps.dedup();
    let value = steps.join(" = ");
    match span.source == placed.source && placed.start <= span.start && span.end <= placed.end {
        true => value,
        false => format!("{value}  (default, {})", sources.locate(*span)),
    }
}

fn moment(moment: Result<f64, NoClosedForm>) -> String {
    match moment {
        Ok(value) => value.to_string(),
        Err(NoClosedForm { reason }) => format!("no closed form: {reason}"),
    }
}

/// When nothing need be computed for a branch, in words.
fn skipped(site: &Site, entry: usize) -> String {
    let rule = &site.rule;
    if let Some(gate) = site.gate(entry) {
        let (probability, name) = (percent(1.0 - gate.p), rule.draw_name(gate.draw));
        return format!("with probability {probability}: where {name} is 0, both factors are 0 for the whole batch");
    }
    let finer = [Level::Image, Level::Channel, Level::Pixel];
    match finer.into_iter().find_map(|level| rule.gate_at(entry, level)) {
        Some(draw) => {
            let (name, level) = (rule.draw_name(draw), rule.draws[draw].level);
            format!("never: {name} is drawn per {level}, so its 0 closes one {level} while the batch goes on")
        }
        None => "never: no `let` draw makes both factors 0".to_owned(),
    }
}

/// 12.5 %, with as many decimals as tell.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// As JSON: a list of parts.
pub fn to_json(parts: &[Part<'_>], sources: &Sources) -> Value {
    let shape = |s: Shape| json!([s.channels, s.height, s.width]);
    let one = |part: &Part<'_>| match part {
        Part::Node(Node::Layer(layer)) => {
            let Counts { parameters, multiply_adds } = layer.counts();
            let weights = layer.parameters();
            let weights: Vec<Value> = weights
                .iter()
                .map(|p| json!({ "name": p.path.as_str(), "dims": p.dims, "init": start(p.init) }))
                .collect();
            json!({
                "path": layer.path.as_str(), "layer": layer.op.to_string(), "text": sources.locate(layer.span),
                "input": shape(layer.input), "output": shape(layer.output),
                "parameters": parameters, "multiply_adds": multiply_adds, "weights": weights,
            })
        }
        Part::Node(node) => {
            let Counts { parameters, multiply_adds } = node.counts();
            json!({
                "path": node.path().as_str(), "input": shape(node.input()), "output": shape(node.output()),
                "parameters": parameters, "multiply_adds": multiply_adds,
            })
        }
        Part::Arm(arm) => json!({
            "path": arm.path.as_str(), "text": sources.locate(arm.span), "output": shape(arm.output),
        }),
        Part::Site(site, _) => site_json(site, sources),
    };
    parts.iter().map(one).collect()
}

fn site_json(site: &Site, sources: &Sources) -> Value {
    let rule = &site.rule;
    let factor = |i: usize| {
        json!({
            "forward": rule.forward[i].equation(&rule.draws).to_string(),
            "backward": rule.backward[i].equation(&rule.draws).to_string(),
            "test": rule.test[i],
            "mean_forward": rule.mean_forward(i).ok(),
            "variance_forward": rule.variance_forward(i).ok(),
            "mean_backward": rule.mean_backward(i).ok(),
            "variance_backward": rule.variance_backward(i).ok(),
            "skipped": site.gate(i).map_or(0.0, |gate| 1.0 - gate.p),
        })
    };
    let arguments = site.arguments.iter().map(
        |a| json!({ "name": a.name, "expression": a.expression, "worked": a.worked, "value": a.value, "text": sources.locate(a.span) }),
    );
    let draws = rule.draws.iter().enumerate().map(|(i, draw)| {
        json!({ "name": rule.draw_name(i), "from": draw.distribution.to_string(), "level": draw.level.name() })
    });
    json!({
        "path": site.path.as_str(), "rule": rule.name, "call": site.call, "text": sources.locate(site.span), "l": site.l,
        "arguments": arguments.collect::<Vec<_>>(), "draws": draws.collect::<Vec<_>>(),
        "factors": (0..rule.forward.len()).map(factor).collect::<Vec<_>>(),
    })
}
