//! Every place of a name, in the open texts and in the files of the editor's folders: references and rename.
//!
//! A file that is not open is read from the disk for each request, and only where it holds the word. Absence: the check;
//! what a name means hangs on the texts alone, so a broken file has all of it for its whole items.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use gen_lsp_types::{Location, PrepareRenamePlaceholder, TextEdit, Uri, WorkspaceEdit};

use super::document::{Document, path_of, uri_of};
use super::names::{self, Meaning, Occurrence, definition};
use crate::driver::{self, Input};
use crate::source::{DiskLoader, Span};
use crate::syntax;

/// All that an editor works on.
pub struct Workspace<'a> {
    /// The open texts, by address.
    pub open: &'a BTreeMap<String, Document>,
    /// The folders that are open.
    pub folders: &'a [PathBuf],
}

impl Workspace<'_> {
    /// Every place of the name at a byte of an open text; of folders that cannot be searched, what is open.
    pub fn references(&self, document: &Document, uri: &Uri, at: usize) -> Vec<Location> {
        let Some((name, home)) = home(document, at) else { return Vec::new() };
        let closed = self.closed(document, name).unwrap_or_default();
        self.everywhere(&closed, &self.located(document, uri, home))
    }

    /// What would be renamed at a byte.
    ///
    /// # Errors
    /// Why nothing there can be.
    pub fn prepare_rename(&self, document: &Document, at: usize) -> Result<PrepareRenamePlaceholder, String> {
        let (name, _) = renamable(document, at)?;
        let range = name.span.range();
        Ok(PrepareRenamePlaceholder {
            range: document.range(range.clone()),
            placeholder: document.text[range].to_owned(),
        })
    }

    /// The edit that gives the name at a byte another one, in every file.
    ///
    /// # Errors
    /// Why not: the name is not the program's to change, the new one is no name or means something already, or the folders
    /// cannot be searched.
    pub fn rename(&self, document: &Document, uri: &Uri, at: usize, new: &str) -> Result<WorkspaceEdit, String> {
        let (name, home) = renamable(document, at)?;
        let is_word = new.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && new.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_word {
            return Err(format!("`{new}` is no name: a letter or `_`, then letters, digits and `_`"));
        }
        if ["if", "else", "true", "false", "and", "or", "not"].contains(&new) {
            return Err(format!("`{new}` is a word of the language"));
        }
        let closed = self.closed(document, name)?;
        let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
        for Location { uri, range } in self.everywhere(&closed, &self.located(document, uri, home)) {
            changes.entry(uri).or_default().push(TextEdit { range, new_text: new.to_owned() });
        }
        let concerned = self.all(&closed).filter(|(uri, _)| changes.contains_key(uri));
        for (_, document) in concerned {
            let sources = &document.analysis.session.sources;
            let own = document.analysis.program.modules.iter().filter(|m| !m.library);
            let taken = own.map(|m| sources.get(m.source)).find(|source| syntax::words(&source.text).contains(new));
            if let Some(source) = taken {
                return Err(format!("`{new}` stands in {} already", source.name));
            }
        }
        Ok(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
    }

    /// The files of the folders that are not open and hold a name's word, none where only its own text can.
    ///
    /// # Errors
    /// A folder that cannot be searched.
    fn closed(&self, document: &Document, name: Occurrence) -> Result<Vec<(Uri, Document)>, String> {
        match name.meaning {
            Meaning::Item(_) | Meaning::Param(..) => {}
            Meaning::Local(_) | Meaning::Language | Meaning::Key => return Ok(Vec::new()),
        }
        let word = &document.text[name.span.range()];
        let texts = texts(self.open);
        let found = driver::programs(self.folders).map_err(|failure| failure.message)?;
        let paths = found.into_iter().filter_map(|input| match input {
            Input::File(path) if !texts.contains_key(&path) => Some(path),
            Input::File(_) | Input::Stdin => None,
        });
        let read = paths.filter_map(|path| Some((uri_of(&path), DiskLoader::read(&path).ok()?)));
        let holding = read.filter(|(_, text)| syntax::words(text).contains(word));
        Ok(holding.map(|(uri, text)| (uri.clone(), Document::unchecked(&uri, text, &texts))).collect())
    }

    /// Every place of the name that is defined at `home`, each once.
    fn everywhere(&self, closed: &[(Uri, Document)], home: &Location) -> Vec<Location> {
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for (uri, document) in self.all(closed) {
            let program = &document.analysis.program;
            // A name stands in many places, and where it is defined takes a look at a text.
            let mut known: Vec<(Meaning, bool)> = Vec::new();
            let mut is_it = |meaning: Meaning| {
                let found = known.iter().find(|(m, _)| *m == meaning).map(|(_, is_it)| *is_it);
                found.unwrap_or_else(|| {
                    let span = definition(program, meaning);
                    let is_it = span.is_some_and(|span| self.located(document, &uri, span) == *home);
                    known.push((meaning, is_it));
                    is_it
                })
            };
            for module in (0..program.modules.len()).filter(|&m| !program.modules[m].library) {
                let names = names::names(program, module, &document.analysis.session.sources);
                for name in names.into_iter().filter(|name| is_it(name.meaning)) {
                    let place = self.located(document, &uri, name.span);
                    if seen.insert(place.clone()) {
                        all.push(place);
                    }
                }
            }
        }
        all
    }

    fn all<'b>(&'b self, closed: &'b [(Uri, Document)]) -> impl Iterator<Item = (Uri, &'b Document)> {
        let open = self.open.iter().map(|(uri, document)| (Uri(uri.clone()), document));
        open.chain(closed.iter().map(|(uri, document)| (uri.clone(), document)))
    }

    /// Where a span of a program lies, an open text under the address that the editor gave it.
    fn located(&self, document: &Document, own: &Uri, span: Span) -> Location {
        let mut place = document.location(own, span);
        if !self.open.contains_key(&place.uri.0)
            && let Some(path) = path_of(&place.uri)
            && let Some((uri, _)) = self.open.iter().find(|(_, d)| d.path.as_ref() == Some(&path))
        {
            place.uri = Uri(uri.clone());
        }
        place
    }
}

/// The texts of the open files.
pub fn texts(open: &BTreeMap<String, Document>) -> BTreeMap<PathBuf, String> {
    open.values().filter_map(|d| d.path.clone().map(|path| (path, d.text.clone()))).collect()
}

/// The name at a byte and where it is defined.
fn home(document: &Document, at: usize) -> Option<(Occurrence, Span)> {
    let name = document.name_at(at)?;
    Some((name, definition(&document.analysis.program, name.meaning)?))
}

/// The same, where it is the program's to change.
fn renamable(document: &Document, at: usize) -> Result<(Occurrence, Span), String> {
    let Some(name) = document.name_at(at) else { return Err("no name stands here".to_owned()) };
    let word = &document.text[name.span.range()];
    let Some(home) = definition(&document.analysis.program, name.meaning) else {
        return Err(format!("`{word}` belongs to the language"));
    };
    let shows_library = document.path.as_deref().is_some_and(driver::is_library_file);
    if document.analysis.program.is_library(home.source) || shows_library {
        return Err(format!("`{word}` belongs to the standard library, which cannot be changed"));
    }
    Ok((name, home))
}
