//! Source texts and places in them.
//!
//! A [`Sources`] owns every text that a compilation reads; a [`Span`] names a byte range of one of them. Spans are
//! plain numbers, so every later stage keeps them at no cost, down to the nodes of the graph.
//!
//! Absence: this module knows neither the language nor how a problem is shown.

mod loader;

pub use loader::{DiskLoader, LoadError, Loader, MAX_FILES, MAX_SOURCE_BYTES, NoFiles};

/// Names one text in a [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A half-open byte range `start..end` of one source text, on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte; never below `start`.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `source`.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        debug_assert!(start <= end);
        Span { source, start: start as u32, end: end as u32 }
    }

    /// The smallest span that holds both, which must lie in one text.
    pub fn to(self, other: Span) -> Span {
        debug_assert_eq!(self.source, other.source);
        Span { source: self.source, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The range as indices into the text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One text with the name under which problems show it.
#[derive(Clone, Debug)]
pub struct Source {
    /// A path as the user typed it, `std/NAME.sd` for the standard library, or `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Whether it is a file beside the program that a `use "…"` names; then `name` is its path from the program's folder.
    pub beside: bool,
}

/// Every text of one compilation, in the order of loading.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a text and names it.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.push(Source { name: name.into(), text: text.into(), beside: false })
    }

    /// Adds a file that a program uses, by its path from the program's folder, and names it.
    pub fn add_beside(&mut self, path: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.push(Source { name: path.into(), text: text.into(), beside: true })
    }

    fn push(&mut self, source: Source) -> SourceId {
        self.files.push(source);
        SourceId(self.files.len() as u32 - 1)
    }

    /// The text behind an id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// What stands in a span.
    pub fn text(&self, span: Span) -> &str {
        &self.get(span.source).text[span.range()]
    }

    /// 1-based line and column (in characters) of a span's start.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let before = &self.get(span.source).text[..span.start as usize];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// `name:line` of a span's start.
    pub fn locate(&self, span: Span) -> String {
        format!("{}:{}", self.get(span.source).name, self.line_column(span).0)
    }

    /// All texts with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.files.iter().enumerate().map(|(i, s)| (SourceId(i as u32), s))
    }
}
