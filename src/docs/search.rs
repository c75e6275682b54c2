//! Finding what a name means: in a program's own files, in the standard library, in the language.

use super::{Entry, Part, first_sentence, item, language, module};
use crate::diag::nearest;
use crate::resolve::{Program, item_name};
use crate::source::Sources;
use crate::stdlib;
use crate::syntax::{self, tree};

/// Every text that a name is looked up in.
#[derive(Debug, Default)]
pub struct Shelf {
    books: Vec<Book>,
    /// How many of them are the program's own; they come first.
    own: usize,
}

/// A module by the name under which its items are asked for: `std.resnet`, or nothing for a program's own.
#[derive(Debug)]
struct Book {
    name: String,
    file: tree::File,
}

impl Shelf {
    /// The standard library alone.
    pub fn library(sources: &mut Sources) -> Shelf {
        let mut read = |(name, text): &(&str, &'static str)| {
            let source = sources.add(format!("std/{name}.sd"), *text);
            // The library's own mistakes are its tests' business.
            let file = syntax::parse(source, text, &mut crate::diag::Problems::default());
            Book { name: format!("std.{name}"), file }
        };
        Shelf { books: stdlib::MODULES.iter().map(&mut read).collect(), own: 0 }
    }

    /// The files of a program, before the standard library.
    pub fn with(program: &Program, sources: &mut Sources) -> Shelf {
        let own = program.modules.iter().filter(|m| !m.library);
        let mut books: Vec<Book> = own.map(|m| Book { name: String::new(), file: m.file.clone() }).collect();
        let own = books.len();
        books.extend(Shelf::library(sources).books);
        Shelf { books, own }
    }

    /// Everything that `name` means, the nearest to the program first: `std.resnet`, `std.resnet.basic`, `basic`, `conv`.
    pub fn find(&self, name: &str, sources: &Sources) -> Vec<Entry> {
        if name == "std" {
            return vec![self.modules(sources)];
        }
        if let Some(book) = self.books.iter().find(|b| b.name == name && !name.is_empty()) {
            return vec![module(&book.name, &book.file, sources)];
        }
        let named = |book: &Book, short: &str| -> Vec<Entry> {
            let items = book.file.items.iter().filter(|i| item_name(&i.kind).is_some_and(|n| n.text == short));
            items.filter_map(|i| item(i, &book.name, sources)).collect()
        };
        if let Some((home, short)) = name.rsplit_once('.') {
            return self.books.iter().filter(|b| b.name == home).flat_map(|b| named(b, short)).collect();
        }
        let own: Vec<Entry> = self.books[..self.own].iter().flat_map(|b| named(b, name)).collect();
        if !own.is_empty() {
            return own;
        }
        let library = self.books[self.own..].iter().flat_map(|b| named(b, name));
        library.chain(same(language::all(), name)).collect()
    }

    /// Every module with its items in full, the program's own first.
    pub fn books(&self, sources: &Sources) -> Vec<(Entry, Vec<Entry>)> {
        let book = |book: &Book| {
            let items = book.file.items.iter().filter_map(|i| item(i, &book.name, sources));
            (module(&book.name, &book.file, sources), items.collect())
        };
        self.books.iter().map(book).collect()
    }

    /// What the program's own files define.
    pub fn own(&self, sources: &Sources) -> Vec<Entry> {
        self.books[..self.own].iter().map(|b| module("", &b.file, sources)).collect()
    }

    /// The modules of the standard library, each with its first sentence.
    pub fn modules(&self, sources: &Sources) -> Entry {
        let part = |book: &Book| Part {
            signature: book.name.clone(),
            doc: super::heading(&book.file, sources).map_or(String::new(), |h| first_sentence(&h).to_owned()),
        };
        Entry {
            name: "std".to_owned(),
            kind: "the standard library".to_owned(),
            parts: self.books[self.own..].iter().map(part).collect(),
            ..Entry::default()
        }
    }

    /// Every name that [`find`](Self::find) knows.
    fn names(&self) -> Vec<String> {
        let mut names = vec!["std".to_owned()];
        for book in &self.books {
            let items = book.file.items.iter().filter_map(|i| item_name(&i.kind)).map(|n| n.text.clone());
            if !book.name.is_empty() {
                names.push(book.name.clone());
                names.extend(items.clone().map(|item| format!("{}.{item}", book.name)));
            }
            names.extend(items);
        }
        names.extend(language::all().iter().map(|entry| entry.name.clone()));
        names
    }
}

/// The entries of this name; those that say the same of several owners once.
fn same(entries: &[Entry], name: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for entry in entries.iter().filter(|e| e.name == name) {
        let alike = |e: &Entry| e.signature == entry.signature && e.paragraphs == entry.paragraphs;
        if !found.iter().any(alike) {
            found.push(entry.clone());
        }
    }
    found
}

/// The nearest name to one that means nothing, among those of the shelf and `others`.
pub fn proposals(name: &str, shelf: &Shelf, others: &[&str]) -> Option<String> {
    let names = shelf.names();
    nearest(name, names.iter().map(String::as_str).chain(others.iter().copied())).map(str::to_owned)
}
