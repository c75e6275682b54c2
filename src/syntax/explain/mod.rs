//! Why a stretch of text is not what it should be, in people's words: what was expected, what stands there instead, and
//! a way out. Frequent slips have help of their own ([`slips`]); everywhere else the help is the right form of the
//! statement at hand ([`forms`]).

mod forms;
mod slips;

pub use forms::FORMS;
pub use slips::foreign_word;

use std::ops::Range;

use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::{Role, Rule, role};
use super::items::{self, Fault, ITEM_WORDS};
use super::scan::{self, Bracket, Token, TokenKind};
use crate::diag::{Problem, codes, near};
use crate::source::{SourceId, Span};

/// What a stretch should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// An item of a file.
    Item,
    /// One expression.
    Expr,
}

/// A stretch of tokens in its text.
pub struct Place<'t> {
    /// The text.
    pub source: SourceId,
    /// All of it.
    pub text: &'t str,
    /// Its tokens.
    pub tokens: &'t [Token],
    /// Which of them the stretch is.
    pub chunk: Range<usize>,
}

impl<'t> Place<'t> {
    /// The tokens of the stretch.
    pub fn chunk_tokens(&self) -> &'t [Token] {
        &self.tokens[self.chunk.clone()]
    }

    /// The first byte of the stretch.
    pub fn base(&self) -> usize {
        self.chunk_tokens().first().map_or(0, |t| t.start)
    }

    /// The text of the stretch.
    pub fn stretch(&self) -> &'t str {
        let end = self.chunk_tokens().last().map_or(self.text.len(), |t| t.end);
        &self.text[self.base()..end]
    }

    /// Whether every bracket of the stretch has its other half once `text` stands in place of `span`.
    fn is_closed_with(&self, span: Span, text: &str) -> bool {
        let (range, base) = (span.range(), self.base());
        let mut mended = self.stretch().to_owned();
        mended.replace_range(range.start - base..range.end - base, text);
        items::brackets(&scan::scan(&mended).tokens).is_none()
    }

    /// Where a token stands.
    pub fn span_of(&self, token: &Token) -> Span {
        Span::new(self.source, token.start, token.end)
    }

    /// The text of a token of the stretch; empty before the first and behind the last.
    fn word(&self, index: Option<usize>) -> &'t str {
        index.filter(|i| self.chunk.contains(i)).map_or("", |i| self.tokens[i].text(self.text))
    }
}

/// What can be said without the grammar: strings and brackets that are not closed, and what is not an item at all.
pub fn before_parsing(place: &Place<'_>, fault: Option<Fault>, wanted: Wanted) -> Option<Problem> {
    let Some(first) = place.chunk_tokens().first() else {
        let at = Span::new(place.source, 0, place.text.len());
        return Some(Problem::error(
            codes::SYNTAX,
            at,
            "there is no value",
            "write a value, such as `0.5` or `[1, 2]`",
        ));
    };
    if let Some(token) = place.chunk_tokens().iter().find(|t| t.kind == TokenKind::OpenStr) {
        return Some(
            Problem::error(
                codes::SYNTAX,
                place.span_of(token),
                "this string has no end",
                "write `\"` where it ends; a string stays on one line",
            )
            .here("begins here"),
        );
    }
    if let Some(fault) = fault {
        return Some(brackets(place, fault));
    }
    let word = first.text(place.text);
    (wanted == Wanted::Item && !ITEM_WORDS.contains(&word)).then(|| not_an_item(place, first, word))
}

fn brackets(place: &Place<'_>, fault: Fault) -> Problem {
    let span = |i: usize| place.span_of(&place.tokens[i]);
    let word = |i: usize| place.tokens[i].text(place.text);
    match fault {
        Fault::Unclosed { open, suspect } => {
            let close = closing(place.tokens[open].kind);
            let message = format!("`{}` is never closed", word(open));
            let help = format!("write the missing `{close}`");
            let problem = Problem::error(codes::SYNTAX, span(open), message, help).here("opened here");
            match suspect {
                Some((open, close)) => problem
                    .label(span(open), "this one is closed…")
                    .label(span(close), "…here, in another column: the missing one may belong before it"),
                None => {
                    let end = place.chunk_tokens().last().map_or(place.text.len(), |t| t.end);
                    let one_line = !place.text[place.tokens[open].end..end].contains('\n');
                    let text = if one_line { close.to_owned() } else { format!("\n{close}") };
                    problem.fix(Span::new(place.source, end, end), text)
                }
            }
        }
        Fault::Stray(close) => {
            let message = format!("`{}` closes nothing", word(close));
            let help = "remove it, or look for a missing opening bracket before it";
            let problem = Problem::error(codes::SYNTAX, span(close), message, help).here("nothing is open here");
            // Behind a complete item it is likely one too many; elsewhere what it closed may be what is missing.
            if place.chunk.len() == 1 { problem.fix(span(close), "") } else { problem }
        }
        Fault::Mismatch(open, close) => {
            let right = closing(place.tokens[open].kind);
            let message = format!("`{}` is met by `{}`", word(open), word(close));
            let help = format!("close it with `{right}` first");
            let problem = Problem::error(codes::SYNTAX, span(close), message, help)
                .here(format!("expected `{right}`"))
                .label(span(open), "opened here");
            let place_of_mend = if closes_more(place, open, place.tokens[close].kind) {
                let end = place.tokens[close - 1].end;
                Span::new(place.source, end, end)
            } else {
                span(close)
            };
            // On one line nothing else can be meant; over several it may belong to the end of any of them.
            let one_line = !place.text[place.tokens[open].end..place.tokens[close].start].contains('\n');
            if one_line && place.is_closed_with(place_of_mend, right) {
                problem.fix(place_of_mend, right)
            } else {
                problem
            }
        }
    }
}

/// Whether a bracket that is open around token `open` is one that `close` closes.
fn closes_more(place: &Place<'_>, open: usize, close: TokenKind) -> bool {
    let mut around = Vec::new();
    for token in &place.tokens[place.chunk.start..open] {
        match token.kind {
            TokenKind::Open(bracket) => around.push(bracket),
            TokenKind::Close(_) => drop(around.pop()),
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Mark => {}
        }
    }
    matches!(close, TokenKind::Close(bracket) if around.contains(&bracket))
}

fn closing(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Open(bracket) | TokenKind::Close(bracket) => bracket.close(),
        TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Mark => "}",
    }
}

fn not_an_item(place: &Place<'_>, first: &Token, word: &str) -> Problem {
    let span = place.span_of(first);
    let found = if first.kind == TokenKind::Word {
        format!("`{word}` does not begin an item")
    } else {
        "this is not an item".into()
    };
    let problem = Problem::error(codes::SYNTAX, span, found, forms::ITEMS).here("expected an item");
    match near(word, ITEM_WORDS) {
        Some(near) => problem.meant(span, near),
        None => match slips::foreign_word(word) {
            Some(help) => Problem { help: help.to_owned(), ..problem },
            None => problem,
        },
    }
}

/// Where and how a stretch leaves the grammar.
struct Mismatch<'e> {
    place: &'e Place<'e>,
    /// What would have gone on.
    expected: &'e [Rule],
    /// The token that does not.
    found: Option<usize>,
    /// The innermost open bracket before it.
    bracket: Option<Bracket>,
    /// The first token of the statement that it is in.
    statement: usize,
    /// The first tokens of the statements around that one, outermost first.
    around: Vec<usize>,
}

/// A pest error as a problem.
pub fn mismatch(place: &Place<'_>, error: &Error<Rule>) -> Problem {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => place.base() + at,
    };
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.as_slice(),
        // pest gives up by itself when a thread's stack is nearly used up.
        ErrorVariant::CustomError { .. } => return super::too_deep(Span::new(place.source, at, at)),
    };
    let index = place.chunk.start + place.chunk_tokens().partition_point(|t| t.end <= at);
    let found = place.chunk.contains(&index).then_some(index);
    // A complete item, and then a line that does not go on with it.
    if let Some(token) = found.map(|i| &place.tokens[i])
        && token.first_on_line
        && token.indent == 0
        && expected.contains(&Rule::EOI)
        && ITEM_WORDS.contains(&place.word(Some(place.chunk.start)))
    {
        return not_an_item(place, token, token.text(place.text));
    }
    let mismatch = locate(place, expected, found);
    let (span, found_text) = match found {
        Some(i) => (place.span_of(&place.tokens[i]), quoted(place.word(found))),
        None => (place.span_of(&place.tokens[place.chunk.end - 1]), "the end".to_owned()),
    };
    let names = expected_names(expected);
    if let Some(slip) = slips::find(&mismatch) {
        let message = slip.message.unwrap_or_else(|| format!("expected {names}, found {found_text}"));
        let problem = Problem::error(codes::SYNTAX, span, message, slip.help).here(slip.label);
        return match slip.fix {
            Some((range, text)) => problem.fix(Span::new(place.source, range.start, range.end), text),
            None => problem,
        };
    }
    let label = if found.is_some() { "not expected here" } else { "something is missing behind this" };
    Problem::error(codes::SYNTAX, span, format!("expected {names}, found {found_text}"), forms::help(&mismatch))
        .here(label)
}

/// Walks from the start of the stretch to the mistake and keeps what is open.
fn locate<'e>(place: &'e Place<'e>, expected: &'e [Rule], found: Option<usize>) -> Mismatch<'e> {
    let end = found.unwrap_or(place.chunk.end);
    // Of each open bracket: its kind, and the first token of the statement inside.
    let mut open = vec![(None, place.chunk.start)];
    for i in place.chunk.start..end {
        let token = &place.tokens[i];
        let in_statements = open.last().is_some_and(|(b, _)| *b != Some(Bracket::Round) && *b != Some(Bracket::Square));
        let new_line = token.first_on_line && i > place.chunk.start && place.tokens[i - 1].ends_operand();
        match token.kind {
            TokenKind::Open(bracket) => open.push((Some(bracket), i + 1)),
            TokenKind::Close(bracket) => {
                open.pop();
                let goes_on = matches!(place.word(Some(i + 1)), "else" | "as");
                if bracket == Bracket::Curly && !goes_on && open.len() > 1 {
                    set_start(&mut open, i + 1);
                }
            }
            TokenKind::Mark if place.word(Some(i)) == ";" => set_start(&mut open, i + 1),
            _ if in_statements && new_line && open.len() > 1 => set_start(&mut open, i),
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Mark => {}
        }
    }
    let (bracket, inner) = open.pop().unwrap_or((None, place.chunk.start));
    let starts_here = found.is_some_and(|i| place.tokens[i].first_on_line && bracket == Some(Bracket::Curly));
    let statement = if starts_here && end > inner && place.tokens[end - 1].ends_operand() { end } else { inner };
    Mismatch { place, expected, found, bracket, statement, around: open.into_iter().map(|(_, start)| start).collect() }
}

fn set_start(open: &mut [(Option<Bracket>, usize)], start: usize) {
    if let Some(last) = open.last_mut() {
        last.1 = start;
    }
}

/// The expected rules as people call them, without those that may stand nearly anywhere when there are others.
fn expected_names(expected: &[Rule]) -> String {
    let may_always_stand = |rule: Rule| {
        let goes_on = matches!(
            rule,
            Rule::prefix | Rule::infix | Rule::field | Rule::index | Rule::args | Rule::kw_as | Rule::alias
        );
        let mark =
            matches!(rule, Rule::open_bracket | Rule::open_paren | Rule::semicolon | Rule::range_mark | Rule::dot);
        goes_on || mark
    };
    let mut names: Vec<String> = Vec::new();
    for strong in [true, false] {
        for &rule in expected.iter().filter(|r| may_always_stand(**r) != strong) {
            let name = match role(rule) {
                Role::Mark("the end") => "the end".to_owned(),
                Role::Mark(text) => format!("`{text}`"),
                Role::Part(name) => name.to_owned(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            break;
        }
    }
    match names.split_last() {
        None => "something else".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// A token in backquotes, shortened where it is long.
fn quoted(word: &str) -> String {
    const SHOWN: usize = 40;
    match word.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", &word[..end]),
        None => format!("`{word}`"),
    }
}
