//! Inlay hints: the shape behind each statement that changes it, and the probabilities behind a placement.

use std::collections::BTreeMap;

use gen_lsp_types::{InlayHint, Label, Range};

use super::document::Document;
use super::hover::{shape, short, span_of};
use crate::net::{Shape, for_each_node};
use crate::source::SourceId;

/// The hints of a part of the text.
pub fn hints(document: &Document, within: Range) -> Vec<InlayHint> {
    let (from, to) = (document.offset(within.start), document.offset(within.end));
    let mut shapes: BTreeMap<usize, (Shape, Shape, bool)> = BTreeMap::new();
    let mut rules: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for network in &document.analysis.networks {
        for_each_node(&network.body, &mut |node| {
            let span = span_of(node);
            if span.source != SourceId(0) {
                return;
            }
            let changes = node.input() != node.output();
            shapes
                .entry(span.end as usize)
                .and_modify(|(_, last, any)| (*last, *any) = (node.output(), *any || changes))
                .or_insert((node.output(), node.output(), changes));
        });
        for site in network.sites().into_iter().filter(|s| s.span.source == SourceId(0) && s.l.is_some()) {
            rules.entry(site.span.end as usize).or_default().extend(site.rule.gate_probability());
        }
    }
    let shown = shapes.into_iter().filter(|(_, (_, _, changes))| *changes).map(|(at, (first, last, _))| {
        let text = if first == last { shape(last) } else { format!("{} … {}", shape(first), shape(last)) };
        (at, format!("→ {text}"))
    });
    let placed = rules.into_iter().filter_map(|(at, p)| {
        let (first, last) = (p.first()?, p.last()?);
        let text = if p.len() == 1 { short(*first) } else { format!("{} … {}", short(*first), short(*last)) };
        Some((at, format!("p_l = {text}")))
    });
    let mut all: Vec<(usize, String)> = shown.chain(placed).filter(|(at, _)| (from..=to).contains(at)).collect();
    all.sort();
    let hint = |(at, text)| InlayHint {
        position: document.position(at),
        label: Label::String(text),
        kind: None,
        text_edits: None,
        tooltip: None,
        padding_left: Some(true),
        padding_right: None,
        data: None,
    };
    all.into_iter().map(hint).collect()
}
