//! How deep an item nests, counted before the parser runs, in one pass without recursion.
//!
//! A level is whatever makes the parser, the tree or a walk over it one step deeper: a bracket; an operator, since
//! `a + b + c` is a tree of two; a `.` and an index, for the same reason; an `else`; an `if` inside an expression. So
//! a sum of more than [`MAX_NESTING`] terms is refused like as many brackets, and every later recursion over the tree,
//! `Drop` included, is as safe as its depth is small.
//!
//! The count is an upper bound of the tree's height, whatever the tokens mean.

use super::MAX_NESTING;
use super::scan::{Bracket, Token, TokenKind};

/// One open bracket, and the statement or value that is being read directly inside it.
#[derive(Default)]
struct Frame {
    /// Levels of all frames outside this one.
    outside: usize,
    /// Whether the bracket is an index into the operand before it.
    index: bool,
    /// The height of the highest statement or value that is complete.
    done: usize,
    /// Levels that hold for all that follows in this statement: what stands before an `if`, and each `else`.
    held: usize,
    /// Operators so far in this statement.
    operators: usize,
    /// The height of the highest operand so far, since the last condition or body.
    inner: usize,
    /// The height of the highest condition or body before that in this statement.
    aside: usize,
}

impl Frame {
    fn levels(&self) -> usize {
        self.held + self.operators
    }

    fn height(&self) -> usize {
        self.levels() + self.inner.max(self.aside)
    }

    /// The next statement, argument or value begins.
    fn next_statement(&mut self) {
        self.done = self.done.max(self.height());
        (self.held, self.operators, self.inner, self.aside) = (0, 0, 0, 0);
    }

    /// What stood before an `if` or `else` holds for its bodies.
    fn hold(&mut self, more: usize) {
        self.held += self.operators + more;
        self.aside = self.aside.max(self.inner);
        (self.operators, self.inner) = (0, 0);
    }

    /// A condition ends: the body is beside it, not inside it.
    fn end_condition(&mut self) {
        self.aside = self.aside.max(self.operators + self.inner);
        (self.operators, self.inner) = (0, 0);
    }
}

/// The token at which `tokens`, the whole of an item, go deeper than [`MAX_NESTING`].
pub fn first_too_deep<'t>(text: &str, tokens: &'t [Token]) -> Option<&'t Token> {
    let mut outer: Vec<Frame> = Vec::new();
    let mut now = Frame::default();
    let mut before: Option<&Token> = None;
    for token in tokens {
        let word = token.text(text);
        let after_operand = before.is_some_and(|b| b.ends_operand() && !awaits_operand(b.text(text)));
        match token.kind {
            TokenKind::Open(bracket) => {
                if bracket == Bracket::Curly && after_operand {
                    now.end_condition();
                }
                let index = bracket == Bracket::Square && after_operand;
                let inside = Frame { outside: now.outside + now.levels() + 1, index, ..Frame::default() };
                outer.push(std::mem::replace(&mut now, inside));
            }
            TokenKind::Close(_) => {
                if let Some(mut parent) = outer.pop() {
                    parent.inner = parent.inner.max(now.done.max(now.height()) + 1);
                    parent.operators += usize::from(now.index);
                    now = parent;
                }
            }
            TokenKind::Word if matches!(word, "or" | "and" | "not") => now.operators += 1,
            TokenKind::Word if word == "else" => now.hold(1),
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr => {
                if after_operand {
                    now.next_statement();
                }
                if word == "if" {
                    let opens_statement = before.is_none_or(|b| matches!(b.text(text), "{" | "}" | ";" | "else"));
                    now.hold(usize::from(!opens_statement));
                }
            }
            TokenKind::Mark if matches!(word, "," | ";" | ":" | "=" | "->") => now.next_statement(),
            TokenKind::Mark => now.operators += 1,
        }
        if now.outside + now.height() > MAX_NESTING {
            return Some(token);
        }
        before = Some(token);
    }
    None
}

/// Whether an operand follows the word, so that no statement ends with it.
fn awaits_operand(word: &str) -> bool {
    matches!(word, "or" | "and" | "not" | "if" | "else" | "in" | "let" | "require" | "assert" | "where")
}
