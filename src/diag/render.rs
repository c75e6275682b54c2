//! Problems as text through miette, and as JSON lines for editors and CI.

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, Report};
use serde_json::json;

use super::window::Window;
use super::{Label, MAX_SHOWN, Problem, Problems, Severity};
use crate::source::Sources;

/// All problems as a person reads them: code, message, source with labels, reason, way out; then a count.
pub fn render(problems: &Problems, sources: &Sources, colour: bool, width: usize) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
    let sorted = problems.sorted();
    let mut out = String::new();
    for problem in sorted.iter().take(MAX_SHOWN) {
        let report = report(problem, sources);
        // Writing to a String cannot fail.
        let _ = handler.render_report(&mut out, report.as_ref());
    }
    let errors = sorted.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = sorted.len() - errors;
    if sorted.len() > MAX_SHOWN {
        let _ = writeln!(out, "({} more not shown)", sorted.len() - MAX_SHOWN);
    }
    if errors > 0 {
        let _ = writeln!(out, "{}, {}", count(errors, "error"), count(warnings, "warning"));
    } else if warnings > 0 {
        let _ = writeln!(out, "{}", count(warnings, "warning"));
    }
    out
}

/// One JSON object a line and problem, sorted, with byte offsets and 1-based lines and columns.
pub fn render_json(problems: &Problems, sources: &Sources) -> String {
    let place = |span| {
        let (line, column) = sources.line_column(span);
        json!({ "file": sources.get(span.source).name, "start": span.start, "end": span.end, "line": line, "column": column })
    };
    let mut out = String::new();
    for p in problems.sorted() {
        let labels: Vec<_> = p.labels.iter().map(|l| json!({ "at": place(l.span), "text": l.text })).collect();
        let line = json!({
            "code": p.code.0,
            "severity": match p.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": p.message,
            "labels": labels,
            "reason": p.reason,
            "help": p.help,
            "fix": p.fix.as_ref().map(|f| json!({ "at": place(f.span), "text": f.text })),
        });
        let _ = writeln!(out, "{line}");
    }
    out
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn report(problem: &Problem, sources: &Sources) -> Report {
    let home = problem.span().source;
    let (here, elsewhere): (Vec<&Label>, Vec<&Label>) = problem.labels.iter().partition(|l| l.span.source == home);
    let source = sources.get(home);
    let mut spans: Vec<(usize, usize)> =
        here.iter().map(|l| (l.span.start as usize, (l.span.end - l.span.start) as usize)).collect();
    let window = Window::new(&source.name, &source.text, &mut spans);
    let label = |(i, (l, span)): (usize, (&&Label, (usize, usize)))| {
        let text = (!l.text.is_empty()).then(|| l.text.clone());
        if i == 0 { LabeledSpan::new_primary_with_span(text, span) } else { LabeledSpan::new(text, span.0, span.1) }
    };
    let mut help = String::new();
    for l in elsewhere {
        let _ = writeln!(help, "{}: {}", sources.locate(l.span), l.text);
    }
    if let Some(reason) = &problem.reason {
        let _ = writeln!(help, "{reason}");
    }
    help.push_str(&problem.help);
    let diagnostic = MietteDiagnostic::new(problem.message.clone())
        .with_code(problem.code.0)
        .with_severity(match problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
        .with_labels(here.iter().zip(spans).enumerate().map(label))
        .with_help(help);
    Report::new(diagnostic).with_source_code(window)
}
