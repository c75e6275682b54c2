//! Text to tree. A text is taken apart into tokens (`scan`), split into items (`items`), each item is checked for
//! its nesting (`limits`), matched by pest against `grammar/sd.pest` (`grammar`) and built into the tree
//! (`build`); where it does not match, `explain` says so in people's words. `fmt` gives a text its one style.
//!
//! Absences: no layer, rule or option is known here by name; no other module sees pest.

mod build;
pub mod context;
mod explain;
mod fmt;
mod grammar;
mod items;
mod limits;
mod print;
mod scan;
pub mod tree;

use pest::Parser;

pub use self::explain::{FORMS, foreign_word};
pub use self::fmt::{WIDTH, format};

use self::build::Builder;
use self::explain::{Place, Wanted};
use self::grammar::{Grammar, Parts, Rule};
use self::scan::Scan;
use crate::diag::{MAX_SHOWN, Problem, Problems, codes};
use crate::source::{MAX_SOURCE_BYTES, SourceId, Span};

/// The deepest nesting of any kind that a program may have: brackets, operators and chains of `else` together.
pub const MAX_NESTING: usize = 128;

/// Parses a file: the items that can be read, and a problem for each that cannot.
///
/// Time is linear in the text, and neither the text's nesting nor its size can exhaust the stack. After as many broken
/// items as are ever shown, the rest of the file is left unread.
pub fn parse(source: SourceId, text: &str, problems: &mut Problems) -> tree::File {
    let mut file = tree::File { source, items: Vec::new(), comments: Vec::new() };
    if let Some(problem) = too_large(source, text) {
        problems.push(problem);
        return file;
    }
    let Scan { tokens, comments } = scan::scan(text);
    let mut broken = 0;
    let mut docs = comments.iter().peekable();
    for chunk in items::split(text, &tokens) {
        let doc = doc_before(text, tokens[chunk.tokens.start].start, &mut docs);
        let place = Place { source, text, tokens: &tokens, chunk: chunk.tokens };
        match parse_item(&place, chunk.fault, doc, problems) {
            Ok(item) => file.items.push(item),
            Err(problem) => {
                problems.push(*problem);
                broken += 1;
            }
        }
        if broken == MAX_SHOWN {
            break;
        }
    }
    let comment = |range: std::ops::Range<usize>| tree::Comment {
        text: text[range.clone()].to_owned(),
        span: Span::new(source, range.start, range.end),
    };
    file.comments = comments.into_iter().map(comment).collect();
    file
}

/// Parses one expression, as in `--set path=value`.
pub fn parse_expr(source: SourceId, text: &str, problems: &mut Problems) -> Option<tree::Expr> {
    let result = too_large(source, text).map_or(Ok(()), |p| Err(Box::new(p))).and_then(|()| {
        let Scan { tokens, .. } = scan::scan(text);
        let place = Place { source, text, tokens: &tokens, chunk: 0..tokens.len() };
        let fault = items::brackets(&tokens);
        matched(&place, fault, Wanted::Expr, |pair| {
            Builder { source, base: place.base(), problems }.expr(Parts::of(pair).part())
        })
    });
    result.map_err(|problem| problems.push(*problem)).ok()
}

/// A stretch of text as if it stood on one line: without comments, with even white space, none inside round and square
/// brackets, no comma before the last bracket.
pub fn one_line(text: &str) -> String {
    let Scan { tokens, .. } = scan::scan(text);
    let mut line = String::with_capacity(text.len());
    for (i, token) in tokens.iter().enumerate() {
        let word = token.text(text);
        let tight = |mark: &str| ["(", "["].contains(&mark);
        let closes = [")", "]"].contains(&word);
        if closes && line.ends_with(',') {
            line.pop();
        }
        let apart = i > 0 && tokens[i - 1].end < token.start;
        if apart && !closes && !tight(tokens[i - 1].text(text)) {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// The words of a text outside comments and strings: the names that it may mean among them.
pub fn words(text: &str) -> std::collections::BTreeSet<&str> {
    let Scan { tokens, .. } = scan::scan(text);
    tokens.iter().filter(|t| t.kind == scan::TokenKind::Word).map(|t| t.text(text)).collect()
}

fn parse_item(
    place: &Place<'_>,
    fault: Option<items::Fault>,
    doc: Vec<String>,
    problems: &mut Problems,
) -> Result<tree::Item, Box<Problem>> {
    matched(place, fault, Wanted::Item, |pair| {
        Builder { source: place.source, base: place.base(), problems }.item(pair, doc)
    })
}

/// Matches a stretch of tokens against the grammar and builds what it is, or says why it is nothing.
fn matched<T>(
    place: &Place<'_>,
    fault: Option<items::Fault>,
    wanted: Wanted,
    build: impl FnOnce(pest::iterators::Pair<'_, Rule>) -> T,
) -> Result<T, Box<Problem>> {
    if let Some(token) = limits::first_too_deep(place.text, place.chunk_tokens()) {
        return Err(Box::new(too_deep(place.span_of(token))));
    }
    if let Some(problem) = explain::before_parsing(place, fault, wanted) {
        return Err(Box::new(problem));
    }
    let rule = match wanted {
        Wanted::Item => Rule::only_item,
        Wanted::Expr => Rule::only_expr,
    };
    match Grammar::parse(rule, place.stretch()) {
        Ok(mut pairs) => Ok(build(pairs.next().expect("a match has its rule"))),
        Err(error) => Err(Box::new(explain::mismatch(place, &error))),
    }
}

/// The lines of the `///` comments directly before byte `start`; `comments` moves behind them.
fn doc_before<'c>(
    text: &str,
    start: usize,
    comments: &mut std::iter::Peekable<impl Iterator<Item = &'c std::ops::Range<usize>>>,
) -> Vec<String> {
    let mut doc = Vec::new();
    let mut end = 0;
    while let Some(range) = comments.next_if(|c| c.start < start) {
        match text[range.clone()].strip_prefix("///") {
            Some(line) if !line.starts_with('/') => {
                if !text[end..range.start].trim().is_empty() {
                    doc.clear();
                }
                doc.push(line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
            }
            Some(_) | None => doc.clear(),
        }
        end = range.end;
    }
    if text[end..start].trim().is_empty() { doc } else { Vec::new() }
}

fn too_large(source: SourceId, text: &str) -> Option<Problem> {
    if text.len() <= MAX_SOURCE_BYTES {
        return None;
    }
    let at = text.floor_char_boundary(MAX_SOURCE_BYTES);
    let message = format!("the text is {} bytes long, the limit is 1 MiB", text.len());
    let help = "split the program into several files and join them with `use \"…\".{…}`";
    Some(Problem::error(codes::TOO_LARGE, Span::new(source, at, at), message, help).here("the limit is reached here"))
}

fn too_deep(span: Span) -> Problem {
    Problem::error(
        codes::TOO_DEEP,
        span,
        format!("more than {MAX_NESTING} levels of nesting"),
        "give inner parts names of their own: `let` for a value, `block` for layers",
    )
    .here("the limit is reached here")
    .because("brackets, operators in one value, and `else` each count as a level; sums of many terms do too")
}
