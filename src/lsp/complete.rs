//! Completion and signature help: what may stand at a place, with its documentation.

use gen_lsp_types::{
    ActiveParameter, CompletionItem, CompletionItemKind, Documentation, MarkupContent, MarkupKind,
    ParameterInformation, SignatureHelp, SignatureInformation,
};

use super::document::Document;
use super::hover::{entry_text, item_entry};
use super::names::{Meaning, definition};
use crate::docs::{self, Entry};
use crate::resolve::item_name;
use crate::source::SourceId;
use crate::stdlib;
use crate::syntax::context::{self, Around};
use crate::typing::program::Figure;
use crate::typing::tables::{self, KeySpec, OptionSpec, Takes};

/// What may be typed at a byte.
pub fn complete(document: &Document, at: usize) -> Vec<CompletionItem> {
    let line = document.text[..at].rsplit('\n').next().unwrap_or("");
    if let Some(rest) = line.trim_start().strip_prefix("use std.") {
        return imports(rest);
    }
    let around = context::around(&document.text, at);
    let is_train = around.first().is_some_and(|a| a.head.first().is_some_and(|w| w == "train"));
    if is_train && around.last().is_some_and(|a| !a.is_call) {
        return options(&around);
    }
    let mut items = Vec::new();
    if let Some(call) = around.last().filter(|a| a.is_call)
        && let Some(callee) = call.head.last()
        && let Some(entry) = called(document, callee)
    {
        items.extend(entry.params.iter().map(|p| {
            let mut item = plain(&format!("{}: ", p.name), CompletionItemKind::Property, &p.doc);
            item.detail = Some(p.preset.as_ref().map_or(p.ty.clone(), |preset| format!("{} = {preset}", p.ty)));
            item
        }));
    }
    if line.trim_start().starts_with("assert ") {
        items.extend(Figure::ALL.iter().map(|(name, _, doc)| plain(name, CompletionItemKind::Constant, doc)));
    }
    items.extend(values(document, at));
    if around.last().is_none_or(|a| !a.is_call) {
        items.extend(words());
    }
    items
}

/// The call that a byte stands in.
pub fn signature(document: &Document, at: usize) -> Option<SignatureHelp> {
    let around = context::around(&document.text, at);
    let call = around.iter().rev().find(|a| a.is_call && !a.head.is_empty())?;
    let entry = called(document, call.head.last()?)?;
    let named = call.argument.as_ref().and_then(|name| entry.params.iter().position(|p| p.name == *name));
    let active = named.unwrap_or(call.commas) as u32;
    let parameter = |p: &docs::Param| ParameterInformation {
        label: p.name.clone().into(),
        documentation: (!p.doc.is_empty()).then(|| Documentation::String(p.doc.clone())),
    };
    let signature = SignatureInformation {
        label: entry.signature.clone(),
        documentation: Some(markdown(entry.paragraphs.join("\n\n"))),
        parameters: Some(entry.params.iter().map(parameter).collect()),
        active_parameter: Some(ActiveParameter::Int(active)),
    };
    Some(SignatureHelp {
        signatures: vec![signature],
        active_signature: Some(0),
        active_parameter: Some(ActiveParameter::Int(active)),
    })
}

/// What a callee's name means.
fn called(document: &Document, callee: &str) -> Option<Entry> {
    let module = document.analysis.program.modules.first()?;
    match module.scope.get(callee) {
        Some(import) => item_entry(document, import.item),
        None => docs::all().iter().find(|entry| entry.name == callee).cloned(),
    }
}

fn markdown(value: String) -> Documentation {
    Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })
}

fn plain(label: &str, kind: CompletionItemKind, doc: &str) -> CompletionItem {
    CompletionItem {
        label: label.to_owned(),
        kind: Some(kind),
        documentation: (!doc.is_empty()).then(|| markdown(doc.to_owned())),
        ..CompletionItem::default()
    }
}

fn of_entry(entry: &Entry, kind: CompletionItemKind) -> CompletionItem {
    CompletionItem { detail: Some(entry.signature.clone()), ..plain(&entry.name, kind, &entry_text(entry)) }
}

/// Modules of the library behind `use std.`, the items of one in its braces.
fn imports(typed: &str) -> Vec<CompletionItem> {
    match typed.split_once('.') {
        None => stdlib::MODULES.iter().map(|(name, _)| plain(name, CompletionItemKind::Module, "")).collect(),
        Some((module, _)) => {
            let names = stdlib::text(module).map(stdlib::defined).unwrap_or_default();
            names.iter().map(|name| plain(name, CompletionItemKind::Reference, "")).collect()
        }
    }
}

/// The options that may stand in the innermost braces of a `train`.
fn options(around: &[Around]) -> Vec<CompletionItem> {
    let mut keys: &[KeySpec] = tables::TRAIN_KEYS;
    for braces in &around[1..] {
        let Some(spec) = braces.head.first().and_then(|word| keys.iter().find(|k| k.name == word)) else {
            return Vec::new();
        };
        match &spec.takes {
            Takes::Value { .. } => return Vec::new(),
            Takes::Several(options) => return options.iter().map(|o| option_item(o, spec.name)).collect(),
            Takes::OneOf(options) => {
                let chosen = braces.head.get(1).and_then(|word| options.iter().find(|o| o.name == word));
                let Some(option) = chosen.or(spec.preset()) else { return Vec::new() };
                keys = option.keys;
            }
        }
    }
    let mut items: Vec<CompletionItem> = Vec::new();
    for key in keys {
        items.push(of_entry(&docs::key(key, "train"), CompletionItemKind::Property));
        if let Takes::OneOf(options) = &key.takes {
            items.extend(options.iter().map(|o| option_item(o, key.name)));
        }
    }
    items
}

fn option_item(option: &OptionSpec, owner: &str) -> CompletionItem {
    of_entry(&docs::option(option, owner), CompletionItemKind::EnumMember)
}

/// Names that a value or a statement may be: what stands around, the module's items, what the language brings.
fn values(document: &Document, at: usize) -> Vec<CompletionItem> {
    let program = &document.analysis.program;
    let mut items = Vec::new();
    let Some(module) = program.modules.first() else { return items };
    let inside = module.file.items.iter().find(|i| i.span.range().contains(&at) || i.span.end as usize == at);
    for name in
        document.names.iter().filter(|n| inside.is_some_and(|i| i.span.range().contains(&(n.span.start as usize))))
    {
        let local = matches!(name.meaning, Meaning::Local(_) | Meaning::Param(..));
        if local && definition(program, name.meaning) == Some(name.span) && name.span.source == SourceId(0) {
            items.push(plain(&document.text[name.span.range()], CompletionItemKind::Variable, ""));
        }
    }
    for import in module.scope.values() {
        if let (Some(entry), Some(name)) =
            (item_entry(document, import.item), item_name(&program.item(import.item).kind))
        {
            items.push(CompletionItem { label: name.text.clone(), ..of_entry(&entry, CompletionItemKind::Class) });
        }
    }
    items.extend(tables::LAYERS.iter().map(|l| of_entry(&docs::layer(l), CompletionItemKind::Function)));
    items.extend(tables::FUNCTIONS.iter().map(|f| of_entry(&docs::function(f), CompletionItemKind::Function)));
    items.extend(
        tables::words().iter().map(|(n, w, doc)| of_entry(&docs::word(n, *w, doc), CompletionItemKind::EnumMember)),
    );
    items
}

/// The words with which items and statements begin.
fn words() -> impl Iterator<Item = CompletionItem> {
    crate::syntax::FORMS.iter().map(|(word, form)| plain(word, CompletionItemKind::Keyword, form))
}
