//! What is wrong with a text and what mends it: diagnostics, fixes, layout; and where a name is defined.

use std::collections::HashMap;

use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionResponse, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity,
    Location, Position, Range, TextEdit, Uri, WorkspaceEdit,
};

use super::document::Document;
use super::names::definition;
use crate::diag::{Problem, Severity};
use crate::source::{SourceId, Span};
use crate::syntax;

/// Where the name at a byte is defined.
pub fn define(document: &Document, uri: &Uri, at: usize) -> Option<Location> {
    let name = document.name_at(at)?;
    definition(&document.analysis.program, name.meaning).map(|span| document.location(uri, span))
}

/// The edit that gives the text its one style; an empty list where it has it.
pub fn layout(document: &Document) -> Option<Vec<TextEdit>> {
    let laid = syntax::format(&document.text);
    if laid == document.text {
        return Some(Vec::new());
    }
    let whole = Range { start: Position { line: 0, character: 0 }, end: document.position(document.text.len()) };
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
        let edit = TextEdit { range: document.range(fix.span.range()), new_text: fix.text.clone() };
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
        .map(|l| DiagnosticRelatedInformation { location: document.location(uri, l.span), message: l.text.clone() })
        .collect();
    Diagnostic {
        range: document.range(own.map_or(0..0, Span::range)),
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
