//! Tokens and comments, in the order of the text, as parts of a document.
//!
//! Invariant: each token and each comment of the text is written once and in its order; behind a comment the next thing
//! is a new line. A comment that stands behind something on its line stays there.

use std::ops::Range;

use pest::iterators::Pair;
use pretty::{Arena, DocAllocator, DocBuilder};

use crate::syntax::grammar::{Rule, extent};

/// A part of the document.
pub type Doc<'a> = DocBuilder<'a, Arena<'a>>;

/// One level of indentation.
pub const INDENT: isize = 4;

/// Walks a text once from its beginning to its end.
#[derive(Clone)]
pub struct Writer<'a> {
    pub arena: &'a Arena<'a>,
    pub text: &'a str,
    /// How many bodies stand around the next token.
    pub depth: usize,
    /// Where in the text the parsed stretch begins.
    base: usize,
    /// The comments that are not written yet.
    comments: &'a [Range<usize>],
    /// Where the last token or comment ends that is written.
    last_end: usize,
    /// Whether a comment was written last, so that a new line must follow.
    behind_comment: bool,
    /// Whether a line may begin here.
    at_line: bool,
}

impl<'a> Writer<'a> {
    pub fn new(arena: &'a Arena<'a>, text: &'a str, comments: &'a [Range<usize>]) -> Self {
        Writer { arena, text, depth: 0, base: 0, comments, last_end: 0, behind_comment: false, at_line: true }
    }

    /// The next pairs are of a stretch that begins at `base`.
    pub fn begin(&mut self, base: usize) {
        self.base = base;
    }

    /// Where a pair stands in the whole text.
    pub fn place(&self, pair: &Pair<'_, Rule>) -> Range<usize> {
        let Range { start, end } = extent(pair);
        self.base + start..self.base + end
    }

    /// A token.
    pub fn token(&mut self, pair: &Pair<'_, Rule>) -> Doc<'a> {
        let place = self.place(pair);
        let before = self.comments_before(place.start);
        let before = if self.behind_comment { before.append(self.arena.hardline()) } else { before };
        (self.behind_comment, self.at_line, self.last_end) = (false, false, place.end);
        before.append(self.arena.text(&self.text[place]))
    }

    /// A comma or `;` that layout writes itself or leaves out.
    pub fn pass_over(&mut self, pair: &Pair<'_, Rule>) {
        let place = self.place(pair);
        if self.next_comment_before(place.start).is_none() {
            self.last_end = place.end;
        }
    }

    /// A blank.
    pub fn space(&mut self) -> Doc<'a> {
        self.gap(self.arena.space())
    }

    /// A blank where the group stands on one line, else a new line.
    pub fn line(&mut self) -> Doc<'a> {
        self.gap(self.arena.line())
    }

    /// Nothing where the group stands on one line, else a new line.
    pub fn line_(&mut self) -> Doc<'a> {
        self.gap(self.arena.line_())
    }

    /// A place where a line may end, written as `otherwise` where no comment makes it end.
    pub fn gap(&mut self, otherwise: Doc<'a>) -> Doc<'a> {
        let trailing = self.trailing_comment();
        self.at_line = true;
        if std::mem::take(&mut self.behind_comment) { trailing.append(self.arena.hardline()) } else { otherwise }
    }

    /// A new line before what stands at `next`, with the comments between; single empty lines stay, but for one directly
    /// behind an opening bracket.
    pub fn new_line(&mut self, opening: bool, next: usize) -> Doc<'a> {
        let mut doc = if opening && self.last_end == 0 { self.arena.nil() } else { self.trailing_comment() };
        let mut opening = opening;
        loop {
            let comment = self.next_comment_before(next);
            let until = comment.as_ref().map_or(next, |c| c.start);
            if !opening && self.has_empty_line(self.last_end..until) {
                doc = doc.append(self.arena.hardline());
            }
            doc = doc.append(self.arena.hardline());
            opening = false;
            (self.behind_comment, self.at_line) = (false, true);
            match comment {
                Some(comment) => doc = doc.append(self.comment_text(comment)),
                None => return doc,
            }
        }
    }

    /// The next comment, behind the last token or on a line of its own.
    pub fn line_of_comment(&mut self, opening: bool, start: usize) -> Doc<'a> {
        if !self.behind_comment && self.comments.first().is_some_and(|c| self.is_on_last_line(c)) {
            return self.trailing_comment();
        }
        self.new_line(opening, start).append(self.comments_before(start + 1))
    }

    /// The comments behind the last item.
    pub fn last_comments(&mut self, opening: bool) -> Doc<'a> {
        let (mut doc, mut opening) = (self.arena.nil(), opening);
        while let Some(next) = self.comments.first().map(|c| c.start) {
            doc = doc.append(self.line_of_comment(opening, next));
            opening = false;
        }
        doc
    }

    /// A stretch as it stands.
    pub fn verbatim(&mut self, from: usize, to: usize) -> Doc<'a> {
        while let Some(comment) = self.next_comment_before(to) {
            self.take(comment);
        }
        (self.behind_comment, self.at_line, self.last_end) = (false, false, to);
        let lines = self.text[from..to].split('\n').map(|line| self.arena.text(line.trim_end_matches('\r')));
        self.arena.intersperse(lines, self.arena.hardline())
    }

    /// The comments before `start`, each on its line; one behind the last token stays behind it.
    pub fn comments_before(&mut self, start: usize) -> Doc<'a> {
        let mut doc = self.arena.nil();
        while let Some(comment) = self.next_comment_before(start) {
            let trails = !self.behind_comment && self.is_on_last_line(&comment);
            let lead = match (trails, self.at_line && !self.behind_comment) {
                (true, _) => self.arena.space(),
                (false, true) => self.arena.nil(),
                (false, false) => self.arena.hardline(),
            };
            doc = doc.append(lead).append(self.comment_text(comment));
        }
        doc
    }

    /// Where the next comment begins that stands before `end`.
    pub fn comment_start_before(&self, end: usize) -> Option<usize> {
        self.next_comment_before(end).map(|c| c.start)
    }

    /// Whether a line ends in the stretch.
    pub fn has_line_end(&self, stretch: Range<usize>) -> bool {
        self.text[stretch].contains('\n')
    }

    /// Whether a whole line of the stretch is empty.
    pub fn has_empty_line(&self, stretch: Range<usize>) -> bool {
        let lines: Vec<&str> = self.text[stretch].split('\n').collect();
        lines.len() > 2 && lines[1..lines.len() - 1].iter().any(|line| line.trim().is_empty())
    }

    /// A comment behind the last token, on its line.
    fn trailing_comment(&mut self) -> Doc<'a> {
        match self.comments.first().cloned() {
            Some(comment) if !self.behind_comment && self.is_on_last_line(&comment) => {
                self.arena.space().append(self.comment_text(comment))
            }
            Some(_) | None => self.arena.nil(),
        }
    }

    /// Whether only blanks and separators stand between the last token and a comment on its line.
    fn is_on_last_line(&self, comment: &Range<usize>) -> bool {
        let between = self.text.get(self.last_end..comment.start);
        self.last_end > 0 && between.is_some_and(|b| b.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | ',' | ';')))
    }

    fn next_comment_before(&self, start: usize) -> Option<Range<usize>> {
        self.comments.first().filter(|c| c.start < start).cloned()
    }

    fn comment_text(&mut self, comment: Range<usize>) -> Doc<'a> {
        let text = self.text[comment.clone()].trim_end();
        self.take(comment);
        self.arena.text(text)
    }

    fn take(&mut self, comment: Range<usize>) {
        self.comments = &self.comments[1..];
        (self.behind_comment, self.at_line, self.last_end) = (true, false, comment.end);
    }
}
