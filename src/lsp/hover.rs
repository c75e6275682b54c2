//! Hover: what a name means, and what stands at a place once the program is built.

use std::fmt::Write as _;

use gen_lsp_types::{Contents, Hover, MarkupContent, MarkupKind};

use super::document::Document;
use super::names::Meaning;
use crate::diag::grouped;
use crate::docs::{self, Entry};
use crate::net::{Counts, GroupKind, Network, Node, Residual, Shape, Site, for_each_node};
use crate::resolve::{ItemId, item_name, item_params};
use crate::source::{SourceId, Span};
use crate::syntax::context;
use crate::syntax::tree::{ItemKind, ModelStmt, Name, NetSource};

/// The most places of one call that are told apart.
const SHOWN: usize = 3;

/// What is known at a byte.
pub fn hover(document: &Document, at: usize) -> Option<Hover> {
    let (place, word) = context::word_at(&document.text, at)?;
    let mut out = String::new();
    match document.name_at(at) {
        Some(name) => meaning(document, name.meaning, word, &mut out),
        None => language(word, &mut out),
    }
    built(document, place.start, &mut out);
    if out.is_empty() {
        return None;
    }
    let contents = Contents::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: out });
    Some(Hover { contents, range: Some(document.range(place)) })
}

/// An entry of the documentation.
pub fn entry_text(entry: &Entry) -> String {
    let mut out = format!("```sd\n{}\n```\n", entry.signature);
    let place = entry.place.as_ref().map_or(String::new(), |place| format!(", `{place}`"));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}{place}\n", entry.kind);
    for paragraph in &entry.paragraphs {
        let _ = writeln!(out, "{paragraph}\n");
    }
    if !entry.equations.is_empty() {
        let _ = writeln!(out, "```sd\n{}\n```\n", entry.equations.join("\n"));
    }
    for param in entry.params.iter().filter(|p| !p.doc.is_empty()) {
        let _ = writeln!(out, "- `{}`: {}", param.name, param.doc);
    }
    for part in &entry.parts {
        let _ = writeln!(out, "- `{}`: {}", part.signature, part.doc);
    }
    out
}

/// The documentation of an item of the program.
pub fn item_entry(document: &Document, id: ItemId) -> Option<Entry> {
    docs::item(document.analysis.program.item(id), "", &document.analysis.session.sources)
}

fn meaning(document: &Document, meaning: Meaning, word: &str, out: &mut String) {
    let sources = &document.analysis.session.sources;
    match meaning {
        Meaning::Item(id) => {
            if let Some(entry) = item_entry(document, id) {
                *out += &entry_text(&entry);
                let name = item_name(&document.analysis.program.item(id).kind).map_or("", |n| n.text.as_str());
                calls_of(document, name, out);
                models_of(document, id, out);
            }
        }
        Meaning::Param(id, index) => {
            let item = document.analysis.program.item(id);
            if let Some(param) = item_params(&item.kind).get(index) {
                let owner = item_name(&item.kind).map_or("", |n| n.text.as_str());
                // Writing to a String cannot fail.
                let _ = writeln!(out, "```sd\n{}\n```\na parameter of `{owner}`\n", sources.text(param.span));
            }
        }
        Meaning::Local(span) => {
            let text = &sources.get(span.source).text;
            let start = text[..span.start as usize].rfind('\n').map_or(0, |i| i + 1);
            let line = text[start..].lines().next().unwrap_or("").trim();
            let _ = writeln!(out, "```sd\n{line}\n```\n");
        }
        Meaning::Language | Meaning::Key => language(word, out),
    }
}

fn language(word: &str, out: &mut String) {
    docs::all().iter().filter(|e| e.name == word).take(SHOWN).for_each(|entry| *out += &entry_text(entry));
}

/// What is built by the statement that begins at a byte.
fn built(document: &Document, at: usize, out: &mut String) {
    let here = |span: Span| span.source == SourceId(0) && span.start as usize == at;
    for network in &document.analysis.networks {
        list(network, &|node| here(span_of(node)), out);
        let sites: Vec<&Site> = network.sites().into_iter().filter(|site| here(site.span)).collect();
        if !sites.is_empty() {
            let _ = writeln!(out, "\nin `{}`, {} of {} residuals:\n", network.name, sites.len(), network.residuals);
            few(&sites, |site| site_line(site, network), out);
        }
    }
}

/// What a model builds; of a family or block each model that is a call of it.
fn models_of(document: &Document, id: ItemId, out: &mut String) {
    let Some(module) = document.analysis.program.modules.first() else { return };
    let means = |name: &Name| module.scope.get(&name.text).is_some_and(|import| import.item == id);
    let models = module.file.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Model(model) => Some(model),
        _ => None,
    });
    let is_of = |statement: &ModelStmt| match statement {
        ModelStmt::Net { net: NetSource::Call(call), .. } => means(&call.callee),
        _ => false,
    };
    for model in models.filter(|model| means(&model.name) || model.body.iter().any(is_of)) {
        for network in document.analysis.networks.iter().filter(|network| network.name == model.name.text) {
            let line = figures(network.input, network.output, network.counts());
            // Writing to a String cannot fail.
            let _ = writeln!(out, "\nmodel `{}`: {line}, {} residuals\n", network.name, network.residuals);
        }
    }
}

/// What the calls of a block build.
fn calls_of(document: &Document, name: &str, out: &mut String) {
    for network in &document.analysis.networks {
        let is_call = |node: &Node| matches!(node, Node::Group(g) if g.kind == GroupKind::Block(name.to_owned()));
        list(network, &is_call, out);
    }
}

fn list(network: &Network, wanted: &dyn Fn(&Node) -> bool, out: &mut String) {
    let mut nodes = Vec::new();
    for_each_node(&network.body, &mut |node| {
        if wanted(node) {
            nodes.push(node);
        }
    });
    if !nodes.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\nin `{}`:\n", network.name);
        few(&nodes, |node| node_line(node, network), out);
    }
}

/// A line each, where there are few; else the first, the number between, and the last.
fn few<T>(all: &[T], line: impl Fn(&T) -> String, out: &mut String) {
    let shown = if all.len() > SHOWN { &all[..SHOWN - 1] } else { all };
    for one in shown {
        let _ = writeln!(out, "- {}", line(one));
    }
    if let Some(last) = all.last().filter(|_| all.len() > SHOWN) {
        let _ = writeln!(out, "- … {} more …\n- {}", all.len() - SHOWN, line(last));
    }
}

fn node_line(node: &Node, network: &Network) -> String {
    let mut line = format!("`{}`: {}", node.path(), figures(node.input(), node.output(), node.counts()));
    if let Node::Residual(residual) = node {
        line += &residual_text(residual, network);
    }
    line
}

/// The shapes that enter and leave, and what is in between.
fn figures(input: Shape, output: Shape, counts: Counts) -> String {
    let mut line = format!("{input} → {output}");
    if counts.parameters > 0 {
        let (parameters, multiply_adds) = (grouped(counts.parameters), grouped(counts.multiply_adds));
        line += &format!(", {parameters} parameters, {multiply_adds} multiply-adds");
    }
    line
}

/// `l`, and each rule with its probability and mean.
fn residual_text(residual: &Residual, network: &Network) -> String {
    let mut text = format!(", l = {} of L = {}", residual.l, network.residuals);
    let on_arms = residual.branches.iter().filter_map(|arm| arm.site.as_ref());
    for site in residual.at_sum.iter().chain(&residual.on_branches).chain(on_arms) {
        text += &format!(", {}", rule_text(site));
    }
    text
}

fn site_line(site: &Site, network: &Network) -> String {
    let l = site.l.map_or(String::new(), |l| format!(", l = {l} of L = {}", network.residuals));
    format!("`{}`: {}{l}", site.path, rule_text(site))
}

/// `shakedrop: p_l = 0.5, E[forward] = 0.5`
fn rule_text(site: &Site) -> String {
    let p = site.rule.gate_probability().map_or(String::new(), |p| format!(" p_l = {},", short(p)));
    let test: Vec<String> = site.rule.test.iter().map(|t| short(*t)).collect();
    format!("{}:{p} E[forward] = {}", site.rule.name, test.join(", "))
}

/// A number with as many digits as a person reads.
pub fn short(value: f64) -> String {
    let rounded = format!("{value:.4}");
    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Where the text has it.
pub fn span_of(node: &Node) -> Span {
    match node {
        Node::Layer(n) => n.span,
        Node::Group(n) => n.span,
        Node::Residual(n) => n.span,
        Node::Concat(n) => n.span,
        Node::Gate(n) => n.span,
    }
}

/// A shape as an editor's margin has room for.
pub fn shape(shape: Shape) -> String {
    format!("{}×{}×{}", shape.channels, shape.height, shape.width)
}
