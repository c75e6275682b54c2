//! What changes a text, and what must know every place of a name: definition, references, rename, fixes, layout.

use std::collections::HashMap;

use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionResponse, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity,
    Location, Position, Range, TextEdit, Uri, WorkspaceEdit,
};

use super::document::{Document, position, range};
use super::names::{self, Meaning, Occurrence, definition};
use crate::diag::{Problem, Severity};
use crate::source::{SourceId, Span};
use crate::syntax;

/// Where the name at a byte is defined.
pub fn define(document: &Document, uri: &Uri, at: usize) -> Option<Location> {
    let name = document.name_at(at)?;
    definition(&document.analysis.program, name.meaning).map(|span| location(document, uri, span))
}

/// Every place of the name at a byte, in this text and those that it uses.
pub fn references(document: &Document, uri: &Uri, at: usize) -> Vec<Location> {
    let Some(name) = document.name_at(at) else { return Vec::new() };
    let all = everywhere(document, name.meaning);
    all.into_iter().map(|o| location(document, uri, o.span)).collect()
}

fn everywhere(document: &Document, meaning: Meaning) -> Vec<Occurrence> {
    let program = &document.analysis.program;
    let own = (0..program.modules.len()).filter(|&m| !program.modules[m].library);
    let all = own.flat_map(|m| names::names(program, m, &document.analysis.session.sources));
    let same = |o: &Occurrence| match meaning {
        Meaning::Language | Meaning::Key => false,
        Meaning::Item(_) | Meaning::Param(..) | Meaning::Local(_) => o.meaning == meaning,
    };
    all.filter(same).collect()
}

/// The edit that gives a name another one; none where it is not the program's to change, or the new one is no name or
/// means something already.
pub fn rename(document: &Document, uri: &Uri, at: usize, new: &str) -> Option<WorkspaceEdit> {
    let name = document.name_at(at)?;
    let program = &document.analysis.program;
    let home = definition(program, name.meaning)?;
    let is_word = new.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && new.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let taken = program.modules.iter().filter(|m| !m.library).any(|m| {
        let text = &document.analysis.session.sources.get(m.source).text;
        syntax::words(text).contains(new)
    });
    let reserved = ["if", "else", "true", "false", "and", "or", "not"].contains(&new);
    if program.is_library(home.source) || !is_word || reserved || taken {
        return None;
    }
    let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for place in everywhere(document, name.meaning) {
        let Location { uri, range } = location(document, uri, place.span);
        changes.entry(uri).or_default().push(TextEdit { range, new_text: new.to_owned() });
    }
    Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
}

/// The edit that gives the text its one style; an empty list where it has it.
pub fn layout(document: &Document) -> Option<Vec<TextEdit>> {
    let laid = syntax::format(&document.text);
    if laid == document.text {
        return Some(Vec::new());
    }
    let whole = Range { start: Position { line: 0, character: 0 }, end: position(&document.text, document.text.len()) };
    Some(vec![TextEdit { range: whole, new_text: laid }])
}

/// The mechanical mends of what is wrong in a part of the text.
pub fn actions(document: &Document, uri: &Uri, within: Range) -> Vec<CodeActionResponse> {
    let (from, to) = (document.offset(within.start), document.offset(within.end));
    let mut actions = Vec::new();
    for problem in document.analysis.session.problems.sorted() {
        let Some(fix) = problem.fix.as_ref().filter(|f| f.span.source == SourceId(0)) else { continue };
        let place = problem.span();
        if place.source != SourceId(0) || (place.end as usize) < from || place.start as usize > to {
            continue;
        }
        let text = document.text.get(fix.span.range()).unwrap_or("");
        let title = match (text.trim(), fix.text.trim()) {
            ("", new) => format!("Add `{new}`"),
            (old, "") => format!("Remove `{old}`"),
            (old, new) => format!("Replace `{old}` with `{new}`"),
        };
        let edit = TextEdit { range: document.range(fix.span), new_text: fix.text.clone() };
        actions.push(CodeActionResponse::CodeAction(CodeAction {
            title,
            kind: Some(CodeActionKind::QuickFix),
            diagnostics: Some(vec![diagnostic(document, uri, problem)]),
            is_preferred: Some(true),
            edit: Some(WorkspaceEdit {
                changes: Some(HashMap::from([(uri.clone(), vec![edit])])),
                ..WorkspaceEdit::default()
            }),
            ..CodeAction::default()
        }));
    }
    actions
}

/// Everything that is wrong, at its place.
pub fn diagnostics(document: &Document, uri: &Uri) -> Vec<Diagnostic> {
    let problems = document.analysis.session.problems.sorted();
    problems.into_iter().take(crate::diag::MAX_SHOWN).map(|p| diagnostic(document, uri, p)).collect()
}

fn diagnostic(document: &Document, uri: &Uri, problem: &Problem) -> Diagnostic {
    let sources = &document.analysis.session.sources;
    // What is wrong in another file stands at the first place of this one that has to do with it, else at the top.
    let own = problem.labels.iter().find(|l| l.span.source == SourceId(0)).map(|l| l.span);
    let mut message = problem.message.clone();
    if problem.span().source != SourceId(0) {
        message = format!("{}: {message}", sources.locate(problem.span()));
    }
    for more in problem.reason.iter().chain([&problem.help]) {
        message += &format!("\n{more}");
    }
    let related = problem.labels.iter().filter(|l| Some(l.span) != own && !l.text.is_empty());
    let related: Vec<_> = related
        .map(|l| DiagnosticRelatedInformation { location: location(document, uri, l.span), message: l.text.clone() })
        .collect();
    Diagnostic {
        range: document.range(own.unwrap_or(Span::new(SourceId(0), 0, 0))),
        severity: Some(match problem.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
        }),
        code: Some(problem.code.0.into()),
        source: Some("sdc".to_owned()),
        message: message.into(),
        related_information: (!related.is_empty()).then_some(related),
        ..Diagnostic::default()
    }
}

fn location(document: &Document, uri: &Uri, span: Span) -> Location {
    let text = &document.analysis.session.sources.get(span.source).text;
    Location { uri: document.uri_of(span.source, uri), range: range(text, span.range()) }
}
