//! The outline of a text, what can be folded, and what its names are for colours.

use gen_lsp_types::{DocumentSymbol, FoldingRange, SemanticToken, SemanticTokens, SemanticTokensLegend, SymbolKind};

use super::document::Document;
use super::names::Meaning;
use crate::resolve::{item_name, item_params, item_signature};
use crate::source::Span;
use crate::syntax::context;
use crate::syntax::tree::ItemKind;

/// The kinds of names, in the order of their numbers.
const TYPES: [&str; 8] = ["function", "class", "macro", "struct", "variable", "parameter", "property", "operator"];

/// The names of the kinds.
pub fn legend() -> SemanticTokensLegend {
    SemanticTokensLegend {
        token_types: TYPES.iter().map(|t| (*t).to_owned()).collect(),
        token_modifiers: vec!["defaultLibrary".to_owned()],
    }
}

/// The items with their parameters.
pub fn symbols(document: &Document) -> Vec<DocumentSymbol> {
    let Some(module) = document.analysis.program.modules.first() else { return Vec::new() };
    let sources = &document.analysis.session.sources;
    let symbol = |name: String, detail: Option<String>, kind, whole: Span, own: Span, children| DocumentSymbol {
        name,
        detail,
        kind,
        tags: None,
        #[allow(deprecated)] // a field of the protocol that must be given
        deprecated: None,
        range: document.range(whole.range()),
        selection_range: document.range(own.range()),
        children: Some(children),
    };
    let mut all = Vec::new();
    for item in &module.file.items {
        let (kind, name) = match &item.kind {
            ItemKind::Use(_) => continue,
            ItemKind::Const(c) => (SymbolKind::Constant, &c.name),
            ItemKind::Fn(f) => (SymbolKind::Function, &f.name),
            ItemKind::Block(b) => (SymbolKind::Class, &b.name),
            ItemKind::Family(b) => (SymbolKind::Module, &b.name),
            ItemKind::Regularizer(r) => (SymbolKind::Operator, &r.name),
            ItemKind::Model(m) => (SymbolKind::Struct, &m.name),
            ItemKind::Train(t) => (SymbolKind::Event, &t.model),
        };
        let children = item_params(&item.kind).iter().map(|p| {
            let detail = sources.text(p.ty.span).to_owned();
            symbol(p.name.text.clone(), Some(detail), SymbolKind::Variable, p.span, p.name.span, Vec::new())
        });
        let text =
            if matches!(item.kind, ItemKind::Train(_)) { format!("train {}", name.text) } else { name.text.clone() };
        let detail = item_name(&item.kind).map(|_| item_signature(&item.kind, sources));
        all.push(symbol(text, detail, kind, item.span, name.span, children.collect()));
    }
    all
}

/// What stands in brackets on several lines.
pub fn folds(document: &Document) -> Vec<FoldingRange> {
    let line = |at| document.position(at).line;
    let fold = |(open, close): (usize, usize)| FoldingRange {
        start_line: line(open),
        start_character: None,
        // The closing bracket's line stays to be seen.
        end_line: line(close).saturating_sub(1),
        end_character: None,
        kind: None,
        collapsed_text: None,
    };
    context::folds(&document.text).into_iter().map(fold).filter(|f| f.end_line > f.start_line).collect()
}

/// Every name with its kind, each place relative to the one before.
pub fn tokens(document: &Document) -> SemanticTokens {
    let mut data = Vec::new();
    let (mut line, mut character) = (0, 0);
    for name in &document.names {
        let (kind, modifiers) = match name.meaning {
            Meaning::Item(id) => match &document.analysis.program.item(id).kind {
                ItemKind::Block(_) | ItemKind::Family(_) => (1, 0),
                ItemKind::Regularizer(_) => (2, 0),
                ItemKind::Model(_) | ItemKind::Train(_) => (3, 0),
                ItemKind::Const(_) => (4, 0),
                ItemKind::Fn(_) | ItemKind::Use(_) => (0, 0),
            },
            Meaning::Param(..) => (5, 0),
            Meaning::Local(_) => (4, 0),
            Meaning::Key => (6, 0),
            Meaning::Language => (0, 1),
        };
        let range = document.range(name.span.range());
        let delta_line = range.start.line - line;
        let from = if delta_line == 0 { character } else { 0 };
        data.push(SemanticToken {
            delta_line,
            delta_start: range.start.character - from,
            length: range.end.character - range.start.character,
            token_type: kind,
            token_modifiers_bitset: modifiers,
        });
        (line, character) = (range.start.line, range.start.character);
    }
    SemanticTokens { result_id: None, data }
}
