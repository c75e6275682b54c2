//! What changed from one network to another, aligned by path, as a reviewer reads it.
//!
//! A part that only one of the two has is one entry, however much lies in it; entries that say the same of paths that
//! differ in their numbers alone are folded into one. Absence: two texts are never compared; two programs that build the
//! same network in the same way do not differ.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::Distribution;
use super::{Counts, Layer, Network, Recipe, Role, Site};

/// What changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    /// Of the whole network: what, before, after.
    pub totals: Vec<Row>,
    /// Layers, in the order of execution.
    pub layers: Vec<Entry>,
    /// Sites of rules.
    pub sites: Vec<Entry>,
    /// What a checkpoint of the first can give to the second.
    pub weights: Weights,
    /// Values of the recipe, by path.
    pub recipe: Vec<Row>,
}

/// A value that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub name: String,
    /// What it was; none if it is new.
    pub before: Option<String>,
    /// What it is; none if it is gone.
    pub after: Option<String>,
}

/// A change at one path, or at several that differ in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The path, `[*]` where the paths have different numbers.
    pub path: String,
    /// How many paths.
    pub count: usize,
    /// What it was; none if it is new.
    pub before: Option<String>,
    /// What it is; none if it is gone.
    pub after: Option<String>,
    /// The probabilities of a rule's gate before and after, at the first and at the last path, where they differ.
    pub p: Option<[(f64, f64); 2]>,
}

/// Weights by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Weights, running statistics included, with the same name and shape in both.
    pub kept: usize,
    /// How many trained numbers those hold.
    pub numbers: u64,
    /// The same name, another shape.
    pub reshaped: usize,
    /// In the first only.
    pub gone: usize,
    /// In the second only.
    pub new: usize,
}

impl Diff {
    /// From network `a`, trained as its recipe says, to `b`.
    pub fn between(a: (&Network, Option<&Recipe>), b: (&Network, Option<&Recipe>)) -> Self {
        Diff {
            totals: totals(a.0, b.0),
            layers: fold(layers(a.0, b.0)),
            sites: fold(sites(a.0, b.0)),
            weights: weights(a.0, b.0),
            recipe: rows(&a.1.map_or(Vec::new(), Recipe::values), &b.1.map_or(Vec::new(), Recipe::values)),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        let Weights { reshaped, gone, new, .. } = self.weights;
        let lists = self.totals.len() + self.layers.len() + self.sites.len() + self.recipe.len();
        lists + reshaped + gone + new == 0
    }
}

fn totals(a: &Network, b: &Network) -> Vec<Row> {
    let values = |n: &Network| {
        let Counts { parameters, multiply_adds } = n.counts();
        [
            ("input", n.input.to_string()),
            ("output", n.output.to_string()),
            ("parameters", parameters.to_string()),
            ("multiply-adds", multiply_adds.to_string()),
            ("residuals", n.residuals.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    };
    rows(&values(a), &values(b))
}

/// The values that differ, those that only the first has last.
fn rows(a: &[(String, String)], b: &[(String, String)]) -> Vec<Row> {
    let get = |of: &[(String, String)], name: &str| of.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let names = b.iter().chain(a.iter().filter(|(name, _)| get(b, name).is_none())).map(|(name, _)| name);
    let row = |name: &String| Row { name: name.clone(), before: get(a, name), after: get(b, name) };
    names.map(row).filter(|row| row.before != row.after).collect()
}

/// A change before folding.
struct Change {
    path: String,
    before: Option<String>,
    after: Option<String>,
    p: Option<(f64, f64)>,
}

/// Walks two lists with paths in order: what both have, and what only one has, each where it stands.
fn merge<'a, T>(
    a: &'a [(String, T)],
    b: &'a [(String, T)],
    visit: &mut dyn FnMut(&'a str, Option<&'a T>, Option<&'a T>),
) {
    let in_a: BTreeMap<&str, &T> = a.iter().map(|(path, value)| (path.as_str(), value)).collect();
    let in_b: BTreeMap<&str, usize> = b.iter().enumerate().map(|(i, (path, _))| (path.as_str(), i)).collect();
    let mut next = 0;
    let new = |until: usize, next: &mut usize, visit: &mut dyn FnMut(&'a str, Option<&'a T>, Option<&'a T>)| {
        while *next < until {
            let (path, value) = &b[*next];
            if !in_a.contains_key(path.as_str()) {
                visit(path, None, Some(value));
            }
            *next += 1;
        }
    };
    for (path, value) in a {
        match in_b.get(path.as_str()) {
            Some(&i) => {
                new(i, &mut next, visit);
                visit(path, Some(value), Some(&b[i].1));
            }
            None => visit(path, Some(value), None),
        }
    }
    new(b.len(), &mut next, visit);
}

fn layers(a: &Network, b: &Network) -> Vec<Change> {
    let list = |n: &Network| {
        let mut all = Vec::new();
        n.layers(&mut |layer| all.push((layer.path.to_string(), describe(layer))));
        all
    };
    let paths = |n: &Network| n.parts().iter().map(|part| part.path().to_string()).collect::<BTreeSet<String>>();
    let (list_a, list_b, paths_a, paths_b) = (list(a), list(b), paths(a), paths(b));
    let mut changes: Vec<Change> = Vec::new();
    merge(&list_a, &list_b, &mut |path, before, after| {
        let whole = match (before, after) {
            (Some(before), Some(after)) if before == after => return,
            (Some(_), Some(_)) => None,
            (Some(_), None) => outermost(path, &paths_b).map(|part| (part, a)),
            (None, _) => outermost(path, &paths_a).map(|part| (part, b)),
        };
        // A part that only one of the two has stands for all that is in it.
        let (path, text) = match whole.filter(|(part, _)| part.len() < path.len()) {
            Some((part, network)) => (part.to_owned(), Some(describe_part(network, part))),
            None => (path.to_owned(), None),
        };
        let text_of = |own: Option<&String>| own.map(|own| text.clone().unwrap_or_else(|| own.clone()));
        let change = Change { path, before: text_of(before), after: text_of(after), p: None };
        if changes.last().is_none_or(|last| last.path != change.path) {
            changes.push(change);
        }
    });
    changes
}

/// The outermost part of a path that is not among `others`.
fn outermost<'p>(path: &'p str, others: &BTreeSet<String>) -> Option<&'p str> {
    let ends = path.match_indices('.').map(|(dot, _)| dot).chain([path.len()]);
    ends.map(|end| &path[..end]).find(|part| !others.contains(*part))
}

fn describe(layer: &Layer) -> String {
    let counts = match layer.counts() {
        Counts { parameters: 0, .. } => String::new(),
        Counts { parameters, .. } => format!(", {parameters} parameters"),
    };
    format!("{}: {} -> {}{counts}", layer.op, layer.input, layer.output)
}

/// A whole part: how much lies in it.
fn describe_part(network: &Network, part: &str) -> String {
    let (mut layers, mut counts) = (0, Counts::default());
    network.layers(&mut |layer| {
        let rest = layer.path.as_str().strip_prefix(part);
        if rest.is_some_and(|rest| rest.starts_with('.')) {
            layers += 1;
            counts = counts + layer.counts();
        }
    });
    let Counts { parameters, multiply_adds } = counts;
    format!("{layers} layers, {parameters} parameters, {multiply_adds} multiply-adds")
}

fn sites(a: &Network, b: &Network) -> Vec<Change> {
    let list = |n: &Network| {
        let sites = n
            .sites()
            .into_iter()
            .map(|site| (site.path.to_string(), (describe_site(site), site.rule.gate_probability())));
        sites.collect::<Vec<_>>()
    };
    let (list_a, list_b) = (list(a), list(b));
    let mut changes = Vec::new();
    merge(&list_a, &list_b, &mut |path, before, after| {
        if before == after {
            return;
        }
        let p = match (before.and_then(|(_, p)| *p), after.and_then(|(_, p)| *p)) {
            (Some(before), Some(after)) if before != after => Some((before, after)),
            _ => None,
        };
        let text = |own: Option<&(String, Option<f64>)>| own.map(|(text, _)| text.clone());
        changes.push(Change { path: path.to_owned(), before: text(before), after: text(after), p });
    });
    changes
}

/// A rule at a site: all but the probabilities of its gates, which differ from site to site.
fn describe_site(site: &Site) -> String {
    let rule = &site.rule;
    let draws = rule.draws.iter().enumerate().map(|(i, draw)| {
        let from = match draw.distribution {
            Distribution::Bernoulli { .. } => "bernoulli".to_owned(),
            uniform @ Distribution::Uniform { .. } => uniform.to_string(),
        };
        format!("{} {from} per {}", rule.draw_name(i), draw.level)
    });
    let factors = |all: &[super::Factor]| {
        all.iter().map(|factor| factor.equation(&rule.draws).to_string()).collect::<Vec<_>>().join(", ")
    };
    let draws = draws.collect::<Vec<_>>().join(", ");
    // With every parameter, so that a default and its value written out are the same.
    let arguments = site.arguments.iter().map(|a| format!("{}: {}", a.name, a.expression));
    let call = format!("{}({})", rule.name, arguments.collect::<Vec<_>>().join(", "));
    format!("{call}: forward {}; backward {}; {draws}", factors(&rule.forward), factors(&rule.backward))
}

/// Changes that say the same of paths that differ in numbers alone become one entry, where the first stands.
fn fold(changes: Vec<Change>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut known: BTreeMap<(String, Option<String>, Option<String>), usize> = BTreeMap::new();
    for Change { path, before, after, p } in changes {
        let key = (without_numbers(&path), before.clone(), after.clone());
        match known.get(&key) {
            Some(&i) => {
                let entry = &mut entries[i];
                entry.path = common(&entry.path, &path);
                entry.count += 1;
                entry.p = match (entry.p, p) {
                    (Some([first, _]), Some(last)) => Some([first, last]),
                    (None, Some(p)) => Some([p, p]),
                    (both, None) => both,
                };
            }
            None => {
                known.insert(key, entries.len());
                entries.push(Entry { path, count: 1, before, after, p: p.map(|p| [p, p]) });
            }
        }
    }
    entries
}

fn without_numbers(path: &str) -> String {
    path.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

/// A path that stands for both: `[*]` where their numbers differ.
fn common(a: &str, b: &str) -> String {
    let part = |(a, b): (&str, &str)| match a == b {
        true => a.to_owned(),
        false => format!("{}[*]", a.split('[').next().unwrap_or(a)),
    };
    a.split('.').zip(b.split('.')).map(part).collect::<Vec<_>>().join(".")
}

fn weights(a: &Network, b: &Network) -> Weights {
    let (a, b) = (a.parameters(), b.parameters());
    let in_b: BTreeMap<&str, &[usize]> = b.iter().map(|p| (p.path.as_str(), &p.dims[..])).collect();
    let mut weights = Weights { new: b.len(), ..Weights::default() };
    for parameter in &a {
        match in_b.get(parameter.path.as_str()) {
            None => weights.gone += 1,
            Some(dims) => {
                weights.new -= 1;
                if *dims != parameter.dims {
                    weights.reshaped += 1;
                    continue;
                }
                weights.kept += 1;
                weights.numbers += if parameter.role == Role::State { 0 } else { parameter.elements() };
            }
        }
    }
    weights
}
