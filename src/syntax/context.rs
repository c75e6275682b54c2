//! What stands around a place in a text that need not parse: the open brackets with the words before them, for an editor
//! that completes what is being typed.

use super::items::ITEM_WORDS;
use super::scan::{self, Bracket, Token, TokenKind};

/// A bracket that is open at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// Whether it is round; else it is `{` or `[`.
    pub is_call: bool,
    /// The words of its statement before it: `["optimizer", "sgd"]`, `["block", "basic"]`; of a call the callee alone.
    pub head: Vec<String>,
    /// How many commas stand in it before the place.
    pub commas: usize,
    /// The argument being given by name, where one is.
    pub argument: Option<String>,
}

/// The brackets that are open at byte `at`, outermost first.
pub fn around(text: &str, at: usize) -> Vec<Around> {
    let scan::Scan { tokens, .. } = scan::scan(text);
    let before: Vec<&Token> = tokens.iter().take_while(|t| t.end <= at).collect();
    let mut open: Vec<(usize, Around)> = Vec::new();
    let mut statement = 0;
    for (i, token) in before.iter().enumerate() {
        let word = token.text(text);
        // An item begins outside of whatever was left open before it.
        if token.first_on_line && token.indent == 0 && ITEM_WORDS.contains(&word) {
            open.clear();
            statement = i;
        }
        match token.kind {
            TokenKind::Open(bracket) => {
                let is_call = bracket == Bracket::Round;
                let words = |from: usize| {
                    let words = before[from..i].iter().filter(|t| t.kind == TokenKind::Word);
                    words.map(|t| t.text(text).to_owned()).collect::<Vec<_>>()
                };
                let callee = i.checked_sub(1).filter(|&c| is_call && before[c].kind == TokenKind::Word);
                let head = if is_call { callee.map_or_else(Vec::new, words) } else { words(statement) };
                open.push((statement, Around { is_call, head, commas: 0, argument: None }));
                statement = i + 1;
            }
            TokenKind::Close(_) => {
                if let Some((outer, _)) = open.pop() {
                    statement = if word == "}" { i + 1 } else { outer };
                }
            }
            TokenKind::Mark if word == "," || word == ";" => {
                statement = i + 1;
                if let Some((_, last)) = open.last_mut() {
                    last.commas += usize::from(word == ",");
                    last.argument = None;
                }
            }
            TokenKind::Mark if word == ":" => {
                if let Some((_, last)) = open.last_mut()
                    && let Some(name) = i.checked_sub(1).map(|n| before[n].text(text))
                {
                    last.argument = Some(name.to_owned());
                }
            }
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Mark => {
                // A statement begins on a new line in braces.
                let in_braces = open.last().is_none_or(|(_, around)| !around.is_call);
                if token.first_on_line && in_braces && i > statement {
                    statement = i;
                }
            }
        }
    }
    open.into_iter().map(|(_, around)| around).collect()
}

/// The pairs of braces that stand on several lines, by the bytes of both.
pub fn folds(text: &str) -> Vec<(usize, usize)> {
    let scan::Scan { tokens, .. } = scan::scan(text);
    let (mut open, mut pairs) = (Vec::new(), Vec::new());
    for token in tokens {
        match token.kind {
            TokenKind::Open(_) => open.push(token.start),
            TokenKind::Close(_) => {
                if let Some(start) = open.pop().filter(|&start| text[start..token.start].contains('\n')) {
                    pairs.push((start, token.start));
                }
            }
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Mark => {}
        }
    }
    pairs.sort_unstable();
    pairs
}

/// The word at byte `at`, with its place: one that holds it or ends there.
pub fn word_at(text: &str, at: usize) -> Option<(std::ops::Range<usize>, &str)> {
    let scan::Scan { tokens, .. } = scan::scan(text);
    let token = tokens.iter().find(|t| t.kind == TokenKind::Word && t.start <= at && at <= t.end)?;
    Some((token.start..token.end, token.text(text)))
}
