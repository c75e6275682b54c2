//! `sdc check --fix`: the mechanical mends of a program's own files, tried one by one.
//!
//! The first fix of a program is applied in memory and the program checked again. Where the problem is gone and nothing
//! new is unreadable the fix is kept, else it is put aside; and so on until no problem has another. Overlapping fixes
//! thus never meet. Nothing is written before the end.
//!
//! Absence: deciding what a fix is; the stages propose them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Input, Session, check_with};
use crate::diag::{Code, Failure, Fix, Problem};
use crate::disk::{self, SystemDisk};
use crate::source::{DiskLoader, LoadError, Loader, Source, Span};

/// The most fixes that one run applies.
const MAX_FIXES: usize = 200;

/// A program after its mechanical mends, in memory.
#[derive(Debug, Default)]
pub struct Mended {
    /// The mended texts with the problems that are left.
    pub session: Session,
    /// What was changed, file by file in the order of the text.
    pub changes: Vec<Change>,
    /// The files that changed.
    pub files: Vec<MendedFile>,
}

/// One edit that was kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The file, as problems name it.
    pub file: String,
    /// Where it stands in the mended text.
    pub offset: usize,
    /// The line there, from 1.
    pub line: usize,
    /// What stood there; empty where something was inserted.
    pub before: String,
    /// What stands there; empty where something was removed.
    pub after: String,
    /// The problem that is gone.
    pub code: Code,
}

/// A file with its text before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendedFile {
    /// Where it is; none for standard input.
    pub path: Option<PathBuf>,
    /// As problems name it.
    pub name: String,
    /// Its text as it was read.
    pub before: String,
    /// Its text now.
    pub after: String,
}

/// Checks a program and mends it in memory until nothing is left that a fix removes.
pub fn fix(input: &Input) -> Mended {
    let mut session = Session::default();
    let Some(source) = super::read(&mut session, input) else { return Mended { session, ..Mended::default() } };
    let main = session.sources.get(source).text.clone();
    let texts = Texts { main: input.name(), edited: BTreeMap::from([(input.name(), main)]), disk: input.folder() };
    let mut mending = Mending { session: texts.check(), texts, changes: Vec::new(), refused: Vec::new() };
    let first = originals(&mending.session);
    for _ in 0..MAX_FIXES {
        let Some(candidate) = mending.next() else { break };
        mending.attempt(candidate);
    }
    let Mending { session, mut changes, texts, .. } = mending;
    let mut files = Vec::new();
    for (name, before) in first {
        let Some(after) = texts.edited.get(&name).filter(|after| **after != before) else { continue };
        let own = name == texts.main;
        let path = match input {
            Input::File(path) if own => Some(path.clone()),
            Input::Stdin if own => None,
            Input::File(_) | Input::Stdin => Some(input.folder().join(&name)),
        };
        for change in changes.iter_mut().filter(|c| c.file == name) {
            change.line = after[..change.offset].matches('\n').count() + 1;
        }
        files.push(MendedFile { path, name, before, after: after.clone() });
    }
    changes.sort();
    Mended { session, changes, files }
}

/// The program's own texts by name, as they were read.
fn originals(session: &Session) -> BTreeMap<String, String> {
    let own = session.sources.iter().enumerate().filter(|(i, (_, source))| *i == 0 || source.beside);
    own.map(|(_, (_, source))| (source.name.clone(), source.text.clone())).collect()
}

impl MendedFile {
    /// Writes the mended text beside the file, with its permissions, and gives it the file's name.
    ///
    /// # Errors
    /// Where the folder or the file does not take it; the old text is then still there.
    pub fn write(&self) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let cannot = |e: std::io::Error| Failure::unwritten(path, &e);
        // A link keeps pointing where it points: what it names is written.
        let path = path.canonicalize().map_err(cannot)?;
        let permissions = fs::metadata(&path).map_err(cannot)?.permissions();
        let written = disk::replace(&SystemDisk, &path, |file| {
            file.write_all(self.after.as_bytes())?;
            file.set_permissions(permissions.clone())
        });
        written.map_err(cannot)
    }
}

/// The program's own texts, those that are edited in place of what lies on the disk.
struct Texts<'a> {
    /// The name of the program itself.
    main: String,
    edited: BTreeMap<String, String>,
    disk: &'a Path,
}

impl Loader for Texts<'_> {
    fn load(&self, path: &str) -> Result<String, LoadError> {
        match self.edited.get(path) {
            Some(text) if path != self.main => Ok(text.clone()),
            Some(_) | None => DiskLoader::new(self.disk).load(path),
        }
    }
}

impl Texts<'_> {
    fn check(&self) -> Session {
        let mut session = Session::default();
        let source = session.sources.add(self.main.clone(), self.edited[&self.main].clone());
        check_with(&mut session, source, self);
        session
    }
}

/// A fix with what tells it from others, wherever the text around it has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    file: String,
    code: Code,
    message: String,
    /// Where the problem begins.
    start: usize,
    fix: Fix,
}

impl Candidate {
    fn alike(&self, other: &Candidate) -> bool {
        (&self.file, self.code, &self.message, &self.fix.text)
            == (&other.file, other.code, &other.message, &other.fix.text)
    }
}

struct Mending<'a> {
    session: Session,
    texts: Texts<'a>,
    changes: Vec<Change>,
    /// What did not help.
    refused: Vec<Candidate>,
}

impl Mending<'_> {
    /// The first fix of the program's own files that was not refused.
    fn next(&self) -> Option<Candidate> {
        let sources = &self.session.sources;
        let own = |span: Span| {
            let source: &Source = sources.get(span.source);
            (source.beside || span.source.0 == 0).then_some(source)
        };
        let candidate = |p: &Problem| {
            let fix = p.fix.clone()?;
            let file = own(fix.span).filter(|_| fix.span.source == p.span().source)?.name.clone();
            let start = p.span().start as usize;
            Some(Candidate { file, code: p.code, message: p.message.clone(), start, fix })
        };
        let mut all = self.session.problems.sorted().into_iter().filter_map(candidate);
        all.find(|c| !self.refused.iter().any(|r| r.alike(c)))
    }

    /// Applies a fix, and keeps it where its problem is gone and nothing new is unreadable.
    fn attempt(&mut self, candidate: Candidate) {
        let fix = candidate.fix.clone();
        let range = fix.span.range();
        let old = self.session.sources.get(fix.span.source).text.clone();
        let new = format!("{}{}{}", &old[..range.start], fix.text, &old[range.end..]);
        let unreadable =
            |session: &Session| session.problems.sorted().iter().filter(|p| p.code.0.starts_with("SD01")).count();
        let before = unreadable(&self.session);
        let previous = self.texts.edited.insert(candidate.file.clone(), new);
        let session = self.texts.check();
        let moved = |at: usize| if at < range.end { at.min(range.start) } else { at - range.len() + fix.text.len() };
        let start = if range.is_empty() && candidate.start >= range.start {
            candidate.start + fix.text.len()
        } else {
            moved(candidate.start)
        };
        let same = |p: &&Problem| {
            p.code == candidate.code
                && p.span().start as usize == start
                && session.sources.get(p.span().source).name == candidate.file
        };
        if session.problems.sorted().iter().any(same) || unreadable(&session) > before {
            match previous {
                Some(text) => drop(self.texts.edited.insert(candidate.file.clone(), text)),
                None => drop(self.texts.edited.remove(&candidate.file)),
            }
            self.refused.push(candidate);
            return;
        }
        for change in self.changes.iter_mut().filter(|c| c.file == candidate.file && c.offset >= range.start) {
            change.offset = change.offset + fix.text.len() - range.len();
        }
        self.changes.push(Change {
            file: candidate.file,
            offset: range.start,
            line: 0,
            before: old[range].to_owned(),
            after: fix.text,
            code: candidate.code,
        });
        self.session = session;
    }
}
