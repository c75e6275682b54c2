//! Slips of the hand in the tokens of a text, whatever they mean.

use std::ops::Range;

use super::{Operator, Walk, chosen, misspelt};

/// The words of the language.
const WORDS: &[&str] = &[
    "use",
    "const",
    "fn",
    "block",
    "family",
    "regularizer",
    "model",
    "train",
    "let",
    "for",
    "if",
    "else",
    "require",
    "assert",
    "default",
    "stage",
    "residual",
    "branch",
    "shortcut",
    "concat",
    "path",
    "scale",
    "input",
    "net",
    "place",
    "on",
    "where",
    "in",
    "and",
    "or",
    "not",
];

/// A stretch of text that is one token; comments and white space are none.
pub fn tokens(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        let run = |pred: &dyn Fn(char) -> bool| rest.find(|c| !pred(c)).unwrap_or(rest.len());
        let first = rest.chars().next().expect("not at the end");
        let length = match first {
            _ if rest.starts_with("//") => {
                at += run(&|c| c != '\n');
                continue;
            }
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if c.is_ascii_digit() => number(rest),
            c if c.is_alphanumeric() || c == '_' => run(&|c| c.is_alphanumeric() || c == '_'),
            _ => ["..<", "..", "->", "==", "!=", "<=", ">="]
                .iter()
                .find(|m| rest.starts_with(**m))
                .map_or(first.len_utf8(), |m| m.len()),
        };
        all.push(at..at + length);
        at += length;
    }
    all
}

/// How long the number is that `text` begins with.
fn number(text: &str) -> usize {
    let digits =
        |from: usize| from + text[from..].find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len() - from);
    let mut end = digits(0);
    if text[end..].starts_with('.') && text[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end = digits(end + 1);
    }
    match text[end..].strip_prefix('e') {
        Some(exponent) => digits(end + 1 + usize::from(exponent.starts_with('-'))),
        None => end,
    }
}

impl Walk<'_> {
    /// Slips of the hand, in the tokens of an item.
    pub(super) fn tokens(&mut self, item: Range<usize>) {
        let tokens = tokens(self.text, item.clone());
        for (n, token) in tokens.iter().enumerate() {
            let word = self.text[token.clone()].to_owned();
            // A slip of the hand is looked for around it.
            let around = tokens[n.saturating_sub(2)].start..tokens[(n + 2).min(tokens.len() - 1)].end;
            self.place = around;
            let bracket = matches!(word.as_str(), "(" | ")" | "[" | "]" | "{" | "}");
            let mark = !bracket && !word.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
            let next = tokens.get(n + 1);
            if bracket {
                self.plant(Operator::MissingBracket, token.clone(), "");
            }
            // A minus less is another number, and as right.
            let sign = word == "-" && n > 0 && matches!(&self.text[tokens[n - 1].clone()], ":" | "=" | "(" | "[");
            if mark && !sign {
                self.plant(Operator::MissingMark, token.clone(), "");
            }
            if WORDS.contains(&word.as_str())
                && next.is_none_or(|next| !matches!(&self.text[next.clone()], ":" | "." | ")" | ","))
            {
                self.plant(Operator::MisspeltWord, token.clone(), &misspelt(&word, n));
            }
            let layer = |range: &Range<usize>| {
                let word = &self.text[range.clone()];
                matches!(word, "bn" | "relu" | "sigmoid" | "global_avg_pool" | "imagenet_stem")
            };
            if layer(token) || next.is_some_and(layer) {
                continue;
            }
            if chosen("double", n, 3) == 0 && word != "-" {
                self.insert(Operator::ExtraToken, token.end, &format!(" {word}"));
            }
            if let Some(next) = next
                && chosen("swap", n, 3) == 0
                && self.text[next.clone()] != word
            {
                let swapped = format!(" {} {word}", &self.text[next.clone()]);
                self.plant(Operator::SwappedTokens, token.start..next.end, &swapped);
            }
        }
    }
}
