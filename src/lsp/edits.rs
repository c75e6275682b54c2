//! What changes a text, and what must know every place of a name: definition, references, rename, fixes, layout.

use std::collections::{BTreeMap, HashMap};

use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionResponse, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity,
    Location, Position, Range, TextEdit, Uri, WorkspaceEdit,
};

use super::document::Document;
use super::names::{self, Meaning, definition};
use crate::diag::{Problem, Severity};
use crate::source::{SourceId, Span};
use crate::syntax;

/// Where the name at a byte is defined.
pub fn define(document: &Document, uri: &Uri, at: usize) -> Option<Location> {
    let name = document.name_at(at)?;
    definition(&document.analysis.program, name.meaning).map(|span| document.location(uri, span))
}

/// Every place of the name at a byte: in this text, those that it uses, and the open ones that use them.
pub fn references(open: &BTreeMap<String, Document>, document: &Document, uri: &Uri, at: usize) -> Vec<Location> {
    let Some(name) = document.name_at(at) else { return Vec::new() };
    let Some(home) = definition(&document.analysis.program, name.meaning) else { return Vec::new() };
    everywhere(open, &document.location(uri, home))
}

/// Every place of the name that is defined at `home`, in the open texts and those that they use, each once.
fn everywhere(open: &BTreeMap<String, Document>, home: &Location) -> Vec<Location> {
    let mut all: Vec<Location> = Vec::new();
    for (uri, document) in open {
        let (uri, program) = (Uri(uri.clone()), &document.analysis.program);
        // A name stands in many places, and where it is defined takes a look at a text.
        let mut known: Vec<(Meaning, bool)> = Vec::new();
        let mut is_it = |meaning: Meaning| {
            let found = known.iter().find(|(m, _)| *m == meaning).map(|(_, is_it)| *is_it);
            found.unwrap_or_else(|| {
                let span = definition(program, meaning);
                let is_it = span.is_some_and(|span| document.location(&uri, span) == *home);
                known.push((meaning, is_it));
                is_it
            })
        };
        for module in (0..program.modules.len()).filter(|&m| !program.modules[m].library) {
            let names = names::names(program, module, &document.analysis.session.sources);
            for name in names.into_iter().filter(|name| is_it(name.meaning)) {
                let place = document.location(&uri, name.span);
                if !all.contains(&place) {
                    all.push(place);
                }
            }
        }
    }
    all
}

/// The edit that gives a name another one; none where it is not the program's to change, or the new one is no name or
/// means something already.
pub fn rename(
    open: &BTreeMap<String, Document>,
    document: &Document,
    uri: &Uri,
    at: usize,
    new: &str,
) -> Option<WorkspaceEdit> {
    let name = document.name_at(at)?;
    let program = &document.analysis.program;
    let home = definition(program, name.meaning)?;
    let is_word = new.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && new.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let reserved = ["if", "else", "true", "false", "and", "or", "not"].contains(&new);
    if program.is_library(home.source) || !is_word || reserved {
        return None;
    }
    let places = everywhere(open, &document.location(uri, home));
    let concerned = open.iter().filter(|(uri, _)| places.iter().any(|place| place.uri.0 == **uri));
    let taken = concerned.map(|(_, document)| document).any(|document| {
        let sources = &document.analysis.session.sources;
        let own = document.analysis.program.modules.iter().filter(|m| !m.library);
        own.map(|m| &sources.get(m.source).text).any(|text| syntax::words(text).contains(new))
    });
    if taken {
        return None;
    }
    let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for Location { uri, range } in places {
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
