//! The text as a row of words, numbers, strings, marks and comments, in one pass without recursion.
//!
//! The parser does not read this row: it serves what must be known before and around parsing, namely where items begin
//! ([`items`](super::items)), how deep they nest ([`limits`](super::limits)), which comments there are, and what stands
//! beside a mistake ([`explain`](super::explain)). Absence: whether the row makes sense.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or a word of the language.
    Word,
    /// A number, well formed or not.
    Number,
    /// A string with its quotes.
    Str,
    /// A string that its line's end cuts off.
    OpenStr,
    /// `(`, `[` or `{`.
    Open(Bracket),
    /// `)`, `]` or `}`.
    Close(Bracket),
    /// Any other mark, the longest that the language has.
    Mark,
}

/// Which bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bracket {
    /// `( )`
    Round,
    /// `[ ]`
    Square,
    /// `{ }`
    Curly,
}

impl Bracket {
    /// The bracket that closes.
    pub fn close(self) -> &'static str {
        match self {
            Bracket::Round => ")",
            Bracket::Square => "]",
            Bracket::Curly => "}",
        }
    }
}

/// A token and its bytes `start..end` in the text.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether only white space stands before it on its line.
    pub first_on_line: bool,
    /// How many bytes of white space its line begins with.
    pub indent: usize,
}

impl Token {
    /// As it is written.
    pub fn text<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start..self.end]
    }

    /// Whether an operand can end with it.
    pub fn ends_operand(&self) -> bool {
        match self.kind {
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Close(_) => true,
            TokenKind::Open(_) | TokenKind::Mark => false,
        }
    }
}

/// A whole text, taken apart.
pub struct Scan {
    /// Every token, in order.
    pub tokens: Vec<Token>,
    /// The bytes of every comment, in order.
    pub comments: Vec<Range<usize>>,
}

/// Marks of more than one byte, longer ones first.
const LONG_MARKS: [&str; 14] = ["..<", "..", "->", "==", "!=", "<=", ">=", "&&", "||", "**", ":=", "+=", "-=", "//"];

/// Takes `text` apart.
pub fn scan(text: &str) -> Scan {
    let bytes = text.as_bytes();
    let mut scan = Scan { tokens: Vec::new(), comments: Vec::new() };
    let (mut line_start, mut indent, mut first_on_line) = (0, 0, true);
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < bytes.len() {
        let rest = &text[at..];
        let (kind, len) = match bytes[at] {
            b'\n' => {
                at += 1;
                (line_start, first_on_line) = (at, true);
                continue;
            }
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with("//") => {
                let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
                let comment = line.trim_end_matches('\r');
                scan.comments.push(at..at + comment.len());
                at += line.len();
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => (TokenKind::Word, word(rest)),
            b'0'..=b'9' => (TokenKind::Number, number(rest)),
            b'"' => string(rest),
            b'(' => (TokenKind::Open(Bracket::Round), 1),
            b')' => (TokenKind::Close(Bracket::Round), 1),
            b'[' => (TokenKind::Open(Bracket::Square), 1),
            b']' => (TokenKind::Close(Bracket::Square), 1),
            b'{' => (TokenKind::Open(Bracket::Curly), 1),
            b'}' => (TokenKind::Close(Bracket::Curly), 1),
            _ => (TokenKind::Mark, mark(rest)),
        };
        if first_on_line {
            indent = at - line_start;
        }
        scan.tokens.push(Token { kind, start: at, end: at + len, first_on_line, indent });
        first_on_line = false;
        at += len;
    }
    scan
}

fn word(rest: &str) -> usize {
    rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

/// The length of a number: `1_000`, `0.5`, `1e-4`; letters directly behind it belong to it, so that `3x` is one token.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut len = word(rest);
    if bytes.get(len) == Some(&b'.') && bytes.get(len + 1).is_some_and(u8::is_ascii_digit) {
        len += 1 + word(&rest[len + 1..]);
    }
    let signed = matches!(bytes.get(len), Some(b'+' | b'-')) && bytes.get(len + 1).is_some_and(u8::is_ascii_digit);
    if matches!(bytes[len - 1], b'e' | b'E') && signed {
        len += 1 + word(&rest[len + 1..]);
    }
    len
}

fn string(rest: &str) -> (TokenKind, usize) {
    let bytes = rest.as_bytes();
    let mut len = 1;
    while len < bytes.len() {
        match bytes[len] {
            b'"' => return (TokenKind::Str, len + 1),
            b'\n' => break,
            b'\\' if bytes.get(len + 1).is_some_and(|b| *b != b'\n') => len += 2,
            _ => len += 1,
        }
    }
    // A backslash before a character of several bytes skips only its first; the end is on a boundary all the same,
    // because it is the end of the line or of the text.
    (TokenKind::OpenStr, len.min(bytes.len()))
}

fn mark(rest: &str) -> usize {
    let long = LONG_MARKS.iter().find(|m| rest.starts_with(**m)).map(|m| m.len());
    long.or(rest.chars().next().map(char::len_utf8)).unwrap_or(1)
}
