//! Reads a program's modules and builds their scopes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Import, Item, ItemId, Module, Program, item_name};
use crate::diag::{Problem, Problems, codes, listed, near};
use crate::source::{LoadError, Loader, MAX_FILES, SourceId, Sources, Span};
use crate::stdlib;
use crate::syntax::{self, tree};

/// Reads the text `main` and all that it uses. Problems go into `problems`; what could be read is in the program.
pub fn load(main: SourceId, sources: &mut Sources, loader: &dyn Loader, problems: &mut Problems) -> Program {
    let program = Program { modules: Vec::new(), items: Vec::new() };
    let mut loading = Loading { program, sources, loader, problems, known: BTreeMap::new(), open: Vec::new() };
    loading.module(main, &Key::Main);
    loading.program
}

/// What makes a module one and the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Main,
    Library(String),
    /// Its path from the program's folder.
    File(String),
}

impl Key {
    fn shown(&self) -> String {
        match self {
            Key::Main => "the program itself".into(),
            Key::Library(name) => format!("std.{name}"),
            Key::File(path) => format!("\"{path}\""),
        }
    }
}

struct Loading<'a> {
    program: Program,
    sources: &'a mut Sources,
    loader: &'a dyn Loader,
    problems: &'a mut Problems,
    known: BTreeMap<Key, usize>,
    /// The modules whose `use` items are being read, outermost first.
    open: Vec<Key>,
}

impl Loading<'_> {
    /// Adds a module and everything it uses; its index.
    fn module(&mut self, source: SourceId, key: &Key) -> usize {
        let text = self.sources.get(source).text.clone();
        let mut found = Problems::default();
        let file = syntax::parse(source, &text, &mut found);
        let unreadable = if found.has_errors() { stdlib::defined(&text) } else { BTreeSet::new() };
        self.problems.extend(found);
        let index = self.program.modules.len();
        let library = matches!(key, Key::Library(_));
        self.program.modules.push(Module { source, file, library, unreadable, scope: BTreeMap::new() });
        self.known.insert(key.clone(), index);
        self.open.push(key.clone());
        for i in 0..self.program.modules[index].file.items.len() {
            self.item(index, i);
        }
        self.open.pop();
        index
    }

    fn item(&mut self, module: usize, index: usize) {
        let item = &self.program.modules[module].file.items[index];
        if let tree::ItemKind::Use(import) = &item.kind {
            let (import, span) = (import.clone(), item.span);
            return self.import(module, &import, span);
        }
        if let Some(name) = item_name(&item.kind).cloned() {
            let id = ItemId(self.program.items.len() as u32);
            self.program.items.push(Item { module, index, name: name.clone() });
            self.bind(module, &name, id);
        }
    }

    fn bind(&mut self, module: usize, name: &tree::Name, item: ItemId) {
        let import = Import { item, span: name.span };
        if let Some(first) = self.program.modules[module].scope.get(&name.text) {
            self.problems.push(
                Problem::error(
                    codes::DUPLICATE_NAME,
                    name.span,
                    format!("`{}` is defined twice", name.text),
                    "rename one of the two",
                )
                .here("the second")
                .label(first.span, "the first"),
            );
            return;
        }
        self.program.modules[module].scope.insert(name.text.clone(), import);
    }

    fn import(&mut self, module: usize, import: &tree::Use, span: Span) {
        let Some(from) = self.find(&import.from, span) else { return };
        for name in &import.names {
            let target = &self.program.modules[from];
            let own = target.scope.get(&name.text).filter(|i| self.program.items[i.item.index()].module == from);
            if let Some(found) = own {
                let item = found.item;
                self.bind(module, name, item);
                continue;
            }
            if target.unreadable.contains(&name.text) {
                continue;
            }
            let own = target.scope.iter().filter(|(_, i)| self.program.items[i.item.index()].module == from);
            let names: Vec<&str> = own.map(|(n, _)| n.as_str()).collect();
            let place = &self.sources.get(target.source).name;
            let mut problem =
                Problem::error(codes::UNKNOWN_NAME, name.span, format!("`{place}` has no `{}`", name.text), "");
            match near(&name.text, names.iter().copied()) {
                Some(near) => problem = problem.meant(name.span, near),
                None if names.is_empty() => problem.help = "it defines nothing".into(),
                None => problem.help = format!("it has {}", listed(&names)),
            }
            self.problems.push(problem);
        }
    }

    /// The index of the module that a `use` names, loading it where it is new.
    fn find(&mut self, from: &tree::UseFrom, span: Span) -> Option<usize> {
        let (key, place) = match from {
            tree::UseFrom::Library(parts) => (Key::Library(self.library(parts, span)?), span),
            tree::UseFrom::File { path, span } => (self.file_key(path), *span),
        };
        if let Some(first) = self.open.iter().position(|k| *k == key) {
            let circle: Vec<String> = self.open[first..].iter().chain([&key]).map(Key::shown).collect();
            self.problems.push(
                Problem::error(
                    codes::USE_CYCLE,
                    place,
                    "these files use one another in a circle",
                    "move what both need into a file of its own",
                )
                .because(circle.join(" uses ")),
            );
            return None;
        }
        if let Some(&index) = self.known.get(&key) {
            return Some(index);
        }
        if self.program.modules.len() >= MAX_FILES {
            let message = format!("a program has at most {MAX_FILES} files");
            self.problems.push(Problem::error(codes::TOO_LARGE, place, message, "put several files into one"));
            return None;
        }
        let source = match &key {
            Key::Main => return Some(0),
            Key::Library(name) => {
                let text = stdlib::text(name).expect("`library` has looked");
                self.sources.add(format!("std/{name}.sd"), text)
            }
            Key::File(path) => match self.loader.load(path) {
                Ok(text) => self.sources.add_beside(path.clone(), text),
                Err(error) => {
                    self.problems.push(cannot_load(path, place, &error));
                    return None;
                }
            },
        };
        Some(self.module(source, &key))
    }

    fn library(&mut self, parts: &[tree::Name], span: Span) -> Option<String> {
        let names: Vec<&str> = parts.iter().map(|p| p.text.as_str()).collect();
        if let ["std", module] = names[..]
            && stdlib::text(module).is_some()
        {
            return Some(module.to_owned());
        }
        let modules: Vec<&str> = stdlib::MODULES.iter().map(|(name, _)| *name).collect();
        let written = names.join(".");
        let last = parts.last().map_or(span, |p| p.span);
        let problem = Problem::error(codes::UNKNOWN_MODULE, last, format!("there is no module `{written}`"), "");
        let near = names.last().and_then(|name| near(name, modules.iter().copied()));
        self.problems.push(match (names.first(), near) {
            (Some(&"std"), Some(near)) => Problem { help: near.question("std."), ..problem.meant(last, near) },
            (Some(&"std"), None) => {
                Problem { help: format!("the standard library has {}", listed(&modules)), ..problem }
            }
            _ => Problem {
                help: "write `std.MODULE` for the standard library, or a path in quotes for a file beside this one"
                    .into(),
                ..problem
            },
        });
        None
    }

    /// The key of a file that the module being read names: its path from the program's folder.
    fn file_key(&self, path: &str) -> Key {
        let path = path.strip_prefix("./").unwrap_or(path);
        match self.open.last() {
            Some(Key::File(user)) => match user.rsplit_once('/') {
                Some((folder, _)) => Key::File(format!("{folder}/{path}")),
                None => Key::File(path.to_owned()),
            },
            _ => Key::File(path.to_owned()),
        }
    }
}

/// A file of the program that cannot be read; one that is not there is a wrong name in the text.
fn cannot_load(path: &str, span: Span, error: &LoadError) -> Problem {
    let problem = Problem::unreadable(span, path, error);
    match error {
        LoadError::Missing => {
            let help = "paths start from the folder of the file that uses them".to_owned();
            Problem { code: codes::UNKNOWN_MODULE, help, ..problem }
        }
        LoadError::Outside | LoadError::NotAFile | LoadError::TooLarge | LoadError::NotText | LoadError::Io(_) => {
            problem
        }
    }
}
