//! What every name of the language and of a program means, as data for `sdc explain` and for an editor's hover.
//!
//! Items are read from their own text: documentation, parameters with types and defaults, a rule's equations with the
//! [mean](mean()) that its test-time pass multiplies by. Layers, functions, words and options of `train` come from the
//! [tables](crate::typing::tables) that checking reads, so the two cannot disagree.
//!
//! Absences: nothing is checked or computed; how an entry is shown in a terminal is the command line's business; for browsers it is [`html`]'s.

pub mod html;
mod language;
mod mean;
mod search;

pub use language::{all, form, function, key, layer, option, train, word};
pub use mean::mean;
pub use search::{Shelf, proposals};

use crate::resolve::{item_name, item_params, item_signature};
use crate::source::Sources;
use crate::syntax::one_line;
use crate::syntax::tree::{self, FactorKind, ItemKind, RuleStmt};

/// What a name means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// By which name it is asked for: `std.resnet.basic`, `conv`.
    pub name: String,
    /// What it is: "a layer", "a family".
    pub kind: String,
    /// Where it is defined, as `std/resnet.sd:18`; none for what the language brings.
    pub place: Option<String>,
    /// How it is written or called.
    pub signature: String,
    /// Its documentation, each paragraph on one line.
    pub paragraphs: Vec<String>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// A rule's equations, each on one line, and what follows from them.
    pub equations: Vec<String>,
    /// What belongs to it: a module's items, an option's keys.
    pub parts: Vec<Part>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type, or the words that it takes.
    pub ty: String,
    /// What it is where nothing is said; none where it must be given.
    pub preset: Option<String>,
    /// A line on it; items have none.
    pub doc: String,
}

/// Something that belongs to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How it is written or called.
    pub signature: String,
    /// A sentence on it.
    pub doc: String,
}

/// A module: its items, and what its text says of itself before the first of them.
pub fn module(name: &str, file: &tree::File, sources: &Sources) -> Entry {
    let parts = file.items.iter().filter_map(|i| item(i, name, sources)).map(|entry| Part {
        doc: entry.paragraphs.first().map_or(String::new(), |p| first_sentence(p).to_owned()),
        signature: entry.signature,
    });
    Entry {
        name: name.to_owned(),
        kind: "a module".to_owned(),
        place: Some(sources.get(file.source).name.clone()),
        paragraphs: heading(file, sources).into_iter().collect(),
        parts: parts.collect(),
        ..Entry::default()
    }
}

/// An item of `module`; none for imports and `train`, which have no name of their own.
pub fn item(item: &tree::Item, module: &str, sources: &Sources) -> Option<Entry> {
    let name = item_name(&item.kind)?;
    let result = match &item.kind {
        ItemKind::Fn(f) => f.result.as_ref().map(|ty| format!(" -> {}", sources.text(ty.span))),
        ItemKind::Const(c) => Some(format!(" = {}", one_line(sources.text(c.value.span)))),
        ItemKind::Regularizer(r) => r.branches.as_ref().map(|n| format!(" on {} branches", sources.text(n.span))),
        ItemKind::Use(_) | ItemKind::Train(_) | ItemKind::Block(_) | ItemKind::Family(_) | ItemKind::Model(_) => None,
    };
    let signature = item_signature(&item.kind, sources) + &result.unwrap_or_default();
    Some(Entry {
        name: if module.is_empty() { name.text.clone() } else { format!("{module}.{}", name.text) },
        kind: kind_of(&item.kind).to_owned(),
        place: Some(sources.locate(name.span)),
        signature,
        paragraphs: paragraphs(&item.doc),
        params: item_params(&item.kind).iter().map(|p| param(p, sources)).collect(),
        equations: match &item.kind {
            ItemKind::Regularizer(rule) => equations(rule, sources),
            ItemKind::Fn(f) => vec![body(f, sources)],
            ItemKind::Use(_)
            | ItemKind::Train(_)
            | ItemKind::Const(_)
            | ItemKind::Block(_)
            | ItemKind::Family(_)
            | ItemKind::Model(_) => Vec::new(),
        },
        parts: Vec::new(),
    })
}

/// What an item is, for sentences.
fn kind_of(kind: &ItemKind) -> &'static str {
    match kind {
        ItemKind::Use(_) => "an import",
        ItemKind::Const(_) => "a constant",
        ItemKind::Fn(_) => "a function",
        ItemKind::Block(_) => "a block",
        ItemKind::Family(_) => "a family",
        ItemKind::Regularizer(_) => "a regularizer",
        ItemKind::Model(_) => "a model",
        ItemKind::Train(_) => "a training",
    }
}

fn param(param: &tree::Param, sources: &Sources) -> Param {
    Param {
        name: param.name.text.clone(),
        ty: sources.text(param.ty.span).to_owned(),
        preset: param.default.as_ref().map(|d| one_line(sources.text(d.span))),
        doc: String::new(),
    }
}

/// `f(a, b) = …`
fn body(f: &tree::Fn, sources: &Sources) -> String {
    let params: Vec<&str> = f.params.iter().map(|p| p.name.text.as_str()).collect();
    format!("{}({}) = {}", f.name.text, params.join(", "), one_line(sources.text(f.body.span)))
}

/// The statements of a rule as its text has them, and the mean of `forward` where the text does not say `test`.
fn equations(rule: &tree::Regularizer, sources: &Sources) -> Vec<String> {
    let line = |stmt: &RuleStmt| match stmt {
        RuleStmt::Let(binding) => one_line(sources.text(binding.span)),
        RuleStmt::Require(require) => one_line(sources.text(require.span)),
        RuleStmt::Equation { name, value, .. } => {
            format!("{:<8} = {}", name.text, one_line(sources.text(value.span)))
        }
    };
    let mut lines: Vec<String> = rule.body.iter().map(line).collect();
    let has_test = rule.body.iter().any(|s| matches!(s, RuleStmt::Equation { factor: FactorKind::Test, .. }));
    if !has_test && let Some(mean) = mean(rule, sources) {
        lines.push(format!("E[forward] = {mean}"));
    }
    lines
}

/// The comment with which a file opens, if it is not an item's documentation.
fn heading(file: &tree::File, sources: &Sources) -> Option<String> {
    let text = &sources.get(file.source).text;
    let lines = text.lines().map(str::trim).take_while(|l| l.starts_with("//") && !l.starts_with("///"));
    let words: Vec<&str> = lines.flat_map(|l| l.trim_start_matches('/').split_whitespace()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Lines of documentation as paragraphs: an empty line parts two.
fn paragraphs(doc: &[String]) -> Vec<String> {
    let parts = doc.split(|line| line.trim().is_empty()).filter(|lines| !lines.is_empty());
    parts.map(|lines| lines.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ")).collect()
}

/// Up to the first full stop behind which a new sentence begins.
fn first_sentence(text: &str) -> &str {
    let ends = |at: &usize| {
        let begins = text[at + 2..].chars().next();
        // "et al. 2016" goes on.
        begins.is_some_and(|c| c.is_uppercase() || c == '`') && !text[..*at].ends_with("et al")
    };
    text.match_indices(". ").map(|(at, _)| at).find(ends).map_or(text, |at| &text[..=at])
}
