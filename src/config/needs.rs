//! What a resolved program needs besides its model: items, and names of the standard library.
//!
//! A name is looked for by the words of a text: a word that only looks like a name keeps an item too many, never one too
//! few. Files beside the program become part of the text, unless a name would then mean two things; then their `use`
//! lines stay, each with its text's hash.

use std::collections::{BTreeMap, BTreeSet};

use super::{Copied, Use};
use crate::num::stable_hash;
use crate::resolve::{ItemId, Program};
use crate::source::{Sources, Span};
use crate::syntax::tree::ItemKind;
use crate::syntax::words;

/// What is needed.
pub(super) struct Needs {
    pub uses: Vec<Use>,
    pub items: Vec<Copied>,
    /// How many models are among the items.
    pub models: usize,
}

/// What the texts `roots` need, which stand in the user's own file; an item is named with its text.
pub(super) fn needs(
    program: &Program,
    sources: &Sources,
    roots: impl Iterator<Item = (Span, Option<ItemId>)>,
) -> Needs {
    let roots: Vec<_> = roots.collect();
    let mut found = Found { program, sources, items: BTreeSet::new(), texts: Vec::new() };
    let chosen: BTreeSet<ItemId> = roots.iter().filter_map(|(_, item)| *item).collect();
    for (span, item) in roots {
        found.text(Text { module: 0, span, item });
    }
    let whole = found.items.iter().filter(|id| !chosen.contains(id));
    let (own, library): (Vec<ItemId>, Vec<ItemId>) = whole.partition(|id| !program.modules[found.module(**id)].library);
    let own = |inline: bool| own.iter().copied().filter(move |id| inline || found_in_main(program, *id));
    let inline = found.names_agree();
    let mut uses = match inline {
        true => Vec::new(),
        false => found.used_files(),
    };
    let std_names = library.into_iter().filter(|id| inline || program.main().scope.values().any(|i| i.item == *id));
    uses.splice(0..0, found.library(std_names));
    let items = own(inline).map(|id| found.copied(id)).collect();
    let is_model = |id: &ItemId| matches!(program.item(*id).kind, ItemKind::Model(_));
    Needs { uses, items, models: own(inline).filter(is_model).count() }
}

fn found_in_main(program: &Program, id: ItemId) -> bool {
    program.items[id.index()].module == 0
}

/// A text that is read, and where its names have their meaning.
#[derive(Clone, Copy)]
struct Text {
    module: usize,
    span: Span,
    /// The item that it is, where it is one with a name.
    item: Option<ItemId>,
}

struct Found<'a> {
    program: &'a Program,
    sources: &'a Sources,
    /// Every item that is reached.
    items: BTreeSet<ItemId>,
    /// Every text that is read.
    texts: Vec<Text>,
}

impl Found<'_> {
    fn module(&self, id: ItemId) -> usize {
        self.program.items[id.index()].module
    }

    /// Follows the names in a text. Items of the standard library are not followed.
    fn text(&mut self, text: Text) {
        let mut open = vec![text];
        while let Some(text) = open.pop() {
            self.texts.push(text);
            for word in words(self.sources.text(text.span)) {
                let Some(import) = self.program.modules[text.module].scope.get(word) else { continue };
                let module = self.module(import.item);
                if self.items.insert(import.item) && !self.program.modules[module].library {
                    open.push(Text { module, span: self.program.item(import.item).span, item: Some(import.item) });
                }
            }
        }
    }

    /// Whether each name would mean the same for every text if they all stood in one file. A parameter of an item hides
    /// what else its name may mean there.
    fn names_agree(&self) -> bool {
        let mut meaning: BTreeMap<&str, ItemId> = BTreeMap::new();
        for &id in &self.items {
            let name = self.program.items[id.index()].name.text.as_str();
            if meaning.insert(name, id).is_some_and(|other| other != id) {
                return false;
            }
        }
        self.texts.iter().all(|text| {
            let scope = &self.program.modules[text.module].scope;
            let params = text.item.map_or(&[][..], |id| self.program.item(id).kind.params());
            let agrees = |word: &str, id: &ItemId| {
                params.iter().any(|p| p.name.text == word) || scope.get(word).is_some_and(|import| import.item == *id)
            };
            words(self.sources.text(text.span))
                .into_iter()
                .all(|word| meaning.get(word).is_none_or(|id| agrees(word, id)))
        })
    }

    /// `use std.MODULE.{…}` for these items.
    fn library(&self, items: impl Iterator<Item = ItemId>) -> Vec<Use> {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in items {
            let file = &self.sources.get(self.program.modules[self.module(id)].source).name;
            let module = file.trim_end_matches(".sd").replace('/', ".");
            names.entry(module).or_default().push(self.program.items[id.index()].name.text.clone());
        }
        names.into_iter().map(|(from, names)| Use { from, names, hash: None }).collect()
    }

    /// The `use "…"` lines of the user's own file.
    fn used_files(&self) -> Vec<Use> {
        let mut names: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (name, import) in &self.program.main().scope {
            let home = self.module(import.item);
            if home != 0 && !self.program.modules[home].library && self.items.contains(&import.item) {
                names.entry(home).or_default().push(name.clone());
            }
        }
        let from = |(module, names): (usize, Vec<String>)| {
            let source = self.sources.get(self.program.modules[module].source);
            Use { from: format!("\"{}\"", source.name), names, hash: Some(stable_hash(&source.text)) }
        };
        names.into_iter().map(from).collect()
    }

    fn copied(&self, id: ItemId) -> Copied {
        let item = self.program.item(id);
        let doc: String = item.doc.iter().map(|line| format!("/// {line}\n").replace("/// \n", "///\n")).collect();
        let text = format!("{doc}{}", self.sources.text(item.span));
        Copied { text, from: (!found_in_main(self.program, id)).then_some(item.span) }
    }
}
