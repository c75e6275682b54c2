//! An open text: its lines, edits in an editor's coordinates, and what the compiler says of it.
//!
//! Positions of the protocol are lines and UTF-16 units from 0, those of the compiler bytes. Absence: requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gen_lsp_types::{Location, Position, Range, TextDocumentContentChangeEvent, Uri};

use super::names::{self, Occurrence};
use crate::driver::{self, Analysis};
use crate::source::{DiskLoader, LoadError, Loader, SourceId, Span};

/// A text that an editor has open.
pub struct Document {
    /// Its file, where it has one.
    pub path: Option<PathBuf>,
    /// As the editor counts.
    pub version: i32,
    /// As it is there.
    pub text: String,
    /// What the compiler says of it.
    pub analysis: Analysis,
    /// Every name in it.
    pub names: Vec<Occurrence>,
    /// Where its lines begin: there are as many places to find in it as it has names.
    lines: Vec<usize>,
    /// The files that it uses, and those that these use, there or not.
    uses: BTreeSet<PathBuf>,
}

/// Files as the editor has them, else as the disk has them.
struct Opened<'a> {
    folder: PathBuf,
    texts: &'a BTreeMap<PathBuf, String>,
    asked: RefCell<BTreeSet<PathBuf>>,
}

impl Loader for Opened<'_> {
    fn load(&self, path: &str) -> Result<String, LoadError> {
        self.asked.borrow_mut().insert(self.folder.join(path));
        let disk = DiskLoader::new(&self.folder).load(path);
        match (self.texts.get(&self.folder.join(path)), disk) {
            // What lies outside the folder stays there, open or not.
            (Some(text), Ok(_)) => Ok(text.clone()),
            (_, disk) => disk,
        }
    }
}

impl Document {
    /// A text with what the compiler says of it; `open` are the texts of the other open files.
    pub fn new(uri: &Uri, version: i32, text: String, open: &BTreeMap<PathBuf, String>) -> Self {
        Document::by(driver::analyse, uri, version, text, open)
    }

    /// A text that is not open, of which only names are asked.
    pub fn unchecked(uri: &Uri, text: String, open: &BTreeMap<PathBuf, String>) -> Self {
        Document::by(driver::read_names, uri, 0, text, open)
    }

    fn by(
        analyse: fn(&str, &str, &dyn Loader) -> Analysis,
        uri: &Uri,
        version: i32,
        text: String,
        open: &BTreeMap<PathBuf, String>,
    ) -> Self {
        let path = path_of(uri);
        let folder = path.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned();
        let name = path.as_deref().and_then(Path::file_name).map_or("program.sd".into(), |n| n.to_string_lossy());
        let loader = Opened { folder, texts: open, asked: RefCell::default() };
        let analysis = analyse(&name, &text, &loader);
        let names = match analysis.program.modules.is_empty() {
            true => Vec::new(),
            false => names::names(&analysis.program, 0, &analysis.session.sources),
        };
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Document { path, version, text, analysis, names, lines, uses: loader.asked.into_inner() }
    }

    /// Whether what the compiler says of it may depend on a file.
    pub fn uses(&self, file: &Path) -> bool {
        self.uses.contains(file)
    }

    /// The byte at a position; past a line's end its end.
    pub fn offset(&self, position: Position) -> usize {
        offset(&self.text, position)
    }

    /// The position of a byte.
    pub fn position(&self, at: usize) -> Position {
        let at = self.text.floor_char_boundary(at);
        let line = self.lines.partition_point(|start| *start <= at) - 1;
        let character = self.text[self.lines[line]..at].encode_utf16().count() as u32;
        Position { line: line as u32, character }
    }

    /// The range of some bytes.
    pub fn range(&self, bytes: std::ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    /// The name at a byte.
    pub fn name_at(&self, at: usize) -> Option<Occurrence> {
        let holds = |o: &&Occurrence| o.span.start as usize <= at && at <= o.span.end as usize;
        self.names.iter().find(holds).copied()
    }

    /// Where a span of any text of the program lies.
    pub fn location(&self, own: &Uri, span: Span) -> Location {
        let uri = self.uri_of(span.source, own);
        if span.source == SourceId(0) {
            return Location { uri, range: self.range(span.range()) };
        }
        let text = &self.analysis.session.sources.get(span.source).text;
        let (start, end) = (position(text, span.start as usize), position(text, span.end as usize));
        Location { uri, range: Range { start, end } }
    }

    /// Where a text of the program lies for the editor: this one, a file beside it, or the file that shows a text
    /// of the library.
    fn uri_of(&self, source: SourceId, own: &Uri) -> Uri {
        let text = self.analysis.session.sources.get(source);
        if source == SourceId(0) {
            return own.clone();
        }
        match (&self.path, text.beside) {
            (Some(path), true) => uri_of(&path.with_file_name(&text.name)),
            (_, _) => uri_of(&driver::library_file(&text.name, &text.text)),
        }
    }
}

/// The text after an edit.
pub fn edited(text: &str, change: &TextDocumentContentChangeEvent) -> String {
    match change {
        TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => whole.text.clone(),
        TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
            let start = offset(text, part.range.start);
            let end = offset(text, part.range.end).max(start);
            format!("{}{}{}", &text[..start], part.text, &text[end..])
        }
    }
}

/// The byte at a position; past a line's end its end, past the text's end that.
pub fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split('\n').next().unwrap_or("").trim_end_matches('\r');
    let mut units = 0;
    for (at, c) in line.char_indices() {
        if units >= position.character {
            return start + at;
        }
        units += c.len_utf16() as u32;
    }
    start + line.len()
}

/// The position of a byte in a text that is not open.
fn position(text: &str, at: usize) -> Position {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let character = before[line_start..].encode_utf16().count() as u32;
    Position { line: before.matches('\n').count() as u32, character }
}

/// The file that a `file:` address names.
pub fn path_of(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.0.strip_prefix("file://")?;
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.bytes();
    while let Some(byte) = left.next() {
        let hex = |b: Option<u8>| (b? as char).to_digit(16);
        match byte {
            b'%' => bytes.push((hex(left.next())? * 16 + hex(left.next())?) as u8),
            other => bytes.push(other),
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    // `file:///C:/…` names a drive.
    let drive = path.strip_prefix('/').filter(|rest| rest.as_bytes().get(1) == Some(&b':'));
    Some(PathBuf::from(drive.unwrap_or(&path)))
}

/// The `file:` address of a path.
pub fn uri_of(path: &Path) -> Uri {
    let text = path.to_string_lossy().replace('\\', "/");
    let mut out = String::from(if text.starts_with('/') { "file://" } else { "file:///" });
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b':' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    Uri(out)
}
