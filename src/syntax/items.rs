//! Where items begin and end, told from words and brackets alone, so that a broken item leaves the rest usable.
//!
//! While all brackets of a file match, an item begins outside brackets, at one of its eight words. Where they do not
//! match, a word of an item at the very start of a line begins one too, so that a missing brace costs one item and not
//! the rest of the file.

use std::ops::Range;

use super::scan::{Bracket, Token, TokenKind};

/// The words with which items begin.
pub const ITEM_WORDS: [&str; 8] = ["use", "const", "fn", "block", "family", "regularizer", "model", "train"];

/// The tokens of one item, or of something that stands where an item should.
pub struct Chunk {
    /// Indices into the tokens; never empty.
    pub tokens: Range<usize>,
    /// What is wrong with its brackets, by indices into the tokens.
    pub fault: Option<Fault>,
}

/// Brackets that do not match.
#[derive(Clone, Copy)]
pub enum Fault {
    /// An opening bracket that nothing closes.
    Unclosed {
        /// The bracket.
        open: usize,
        /// A closing brace that is indented unlike the line of the brace it closes: the likely place of the mistake.
        suspect: Option<(usize, usize)>,
    },
    /// A closing bracket that nothing opens.
    Stray(usize),
    /// An opening bracket and the closing one of another kind that meets it.
    Mismatch(usize, usize),
}

/// What is wrong with the brackets of a text that is not split.
pub fn brackets(tokens: &[Token]) -> Option<Fault> {
    let mut splitter = Splitter { tokens, ..Splitter::default() };
    for (i, token) in tokens.iter().enumerate() {
        splitter.bracket(i, token.kind);
    }
    splitter.end_chunk(tokens.len());
    splitter.chunks.pop().and_then(|c| c.fault)
}

/// The chunks of a file, in order; every token but the `;` between items is in one.
pub fn split(text: &str, tokens: &[Token]) -> Vec<Chunk> {
    let resync = brackets(tokens).is_some();
    let mut splitter = Splitter { text, tokens, resync, ..Splitter::default() };
    for i in 0..tokens.len() {
        splitter.step(i);
    }
    splitter.end_chunk(tokens.len());
    splitter.chunks
}

#[derive(Default)]
struct Splitter<'t> {
    text: &'t str,
    tokens: &'t [Token],
    chunks: Vec<Chunk>,
    /// Where the chunk begins that is being read.
    start: usize,
    /// Its open brackets.
    open: Vec<usize>,
    /// How many of them there are of each kind, so that a closing bracket of a kind that is not open costs no search.
    open_of: [usize; 3],
    fault: Option<Fault>,
    suspect: Option<(usize, usize)>,
    /// Whether an item may begin inside brackets.
    resync: bool,
}

impl Splitter<'_> {
    fn step(&mut self, i: usize) {
        let outside = self.open.is_empty();
        if outside && self.begins_item(i) || self.resync && !outside && self.begins_item_at_line(i) {
            self.end_chunk(i);
        }
        if outside && self.word(i) == ";" {
            self.end_chunk(i);
            self.start = i + 1;
        }
        self.bracket(i, self.tokens[i].kind);
    }

    fn bracket(&mut self, i: usize, kind: TokenKind) {
        match kind {
            TokenKind::Open(bracket) => {
                self.open.push(i);
                self.open_of[bracket as usize] += 1;
            }
            TokenKind::Close(bracket) => self.close(i, bracket),
            TokenKind::Word | TokenKind::Number | TokenKind::Str | TokenKind::OpenStr | TokenKind::Mark => {}
        }
    }

    fn close(&mut self, i: usize, bracket: Bracket) {
        if self.open_of[bracket as usize] == 0 {
            let fault = match self.open.last() {
                Some(&open) => Fault::Mismatch(open, i),
                None => Fault::Stray(i),
            };
            self.fault.get_or_insert(fault);
            return;
        }
        // Brackets of other kinds in between stay unclosed.
        while let Some(open) = self.open.pop() {
            let TokenKind::Open(kind) = self.tokens[open].kind else { continue };
            self.open_of[kind as usize] -= 1;
            if kind == bracket {
                self.compare_indents(open, i);
                return;
            }
            self.fault.get_or_insert(Fault::Mismatch(open, i));
        }
    }

    fn compare_indents(&mut self, open: usize, close: usize) {
        let [from, to] = [open, close].map(|i| &self.tokens[i]);
        if self.suspect.is_none() && to.first_on_line && from.indent != to.indent {
            self.suspect = Some((open, close));
        }
    }

    fn end_chunk(&mut self, end: usize) {
        if let Some(&open) = self.open.first() {
            self.fault.get_or_insert(Fault::Unclosed { open, suspect: self.suspect });
        }
        if self.start < end {
            self.chunks.push(Chunk { tokens: self.start..end, fault: self.fault });
        }
        self.start = end;
        self.open.clear();
        (self.open_of, self.fault, self.suspect) = ([0; 3], None, None);
    }

    /// Outside brackets: a word of an item before a name, where no name can stand; or any word behind a body.
    fn begins_item(&self, i: usize) -> bool {
        if i == self.start || self.tokens[i].kind != TokenKind::Word {
            return false;
        }
        let before = &self.tokens[i - 1];
        let behind_body = before.kind == TokenKind::Close(Bracket::Curly);
        let goes_on = matches!(self.word(i), "else" | "and" | "or");
        let names_item = i - 1 == self.start && ITEM_WORDS.contains(&self.word(i - 1));
        behind_body && !goes_on || before.ends_operand() && !names_item && self.opens_item(i) || self.begins_line(i)
    }

    /// At the start of a line, a word of an item and a name on the same line, which no value can be; the name is not
    /// such a word with a name in turn, before which this one could be a value.
    fn begins_line(&self, i: usize) -> bool {
        let token = &self.tokens[i];
        let one_line = self.tokens.get(i + 1).is_some_and(|t| !t.first_on_line);
        token.first_on_line && token.indent == 0 && one_line && self.opens_item(i) && !self.opens_item(i + 1)
    }

    /// Inside brackets that do not match.
    fn begins_item_at_line(&self, i: usize) -> bool {
        self.begins_line(i) && self.word(i) != "const"
    }

    fn opens_item(&self, i: usize) -> bool {
        let next = self.tokens.get(i + 1).map(|t| t.kind);
        next.is_some()
            && ITEM_WORDS.contains(&self.word(i))
            && (next == Some(TokenKind::Word) || self.word(i) == "use" && next == Some(TokenKind::Str))
    }

    fn word(&self, i: usize) -> &str {
        self.tokens[i].text(self.text)
    }
}
