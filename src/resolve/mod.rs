//! From the text of a program to all its modules, each with the names that its items can use.
//!
//! Reads what `use` names (the standard library, files beside the program), refuses circles, and knows each module's
//! top-level names. Absences: names inside items are the business of [`typing`](crate::typing), values that of
//! [`elaborate`](crate::elaborate).

mod load;
mod set;

use std::collections::{BTreeMap, BTreeSet};

pub use load::load;
pub use set::{Chosen, Override};

use crate::source::{SourceId, Sources, Span};
use crate::syntax::tree;

/// A program: the text that the user named and everything that it uses.
///
/// Invariants: module 0 is the user's; every name in a scope leads to an item of one of the modules; no module uses
/// itself, not even through others.
#[derive(Clone, Debug)]
pub struct Program {
    /// All modules.
    pub modules: Vec<Module>,
    /// All items that have a name.
    pub items: Vec<Item>,
}

/// One text of a program.
#[derive(Clone, Debug)]
pub struct Module {
    /// Which text.
    pub source: SourceId,
    /// What it says.
    pub file: tree::File,
    /// Whether it is part of the standard library.
    pub library: bool,
    /// The names of items that could not be read: to use one is no second mistake.
    pub unreadable: BTreeSet<String>,
    /// The names that its items can use, its own and those it imports.
    pub scope: BTreeMap<String, Import>,
}

/// A name of a module's scope.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// What it means.
    pub item: ItemId,
    /// Where this module defines or imports it.
    pub span: Span,
}

/// Names an item in [`Program::items`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u32);

impl ItemId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where an item stands.
#[derive(Clone, Debug)]
pub struct Item {
    /// The module's index.
    pub module: usize,
    /// The index among the file's items.
    pub index: usize,
    /// Its name.
    pub name: tree::Name,
}

impl Program {
    /// What an item says.
    pub fn item(&self, id: ItemId) -> &tree::Item {
        let item = &self.items[id.index()];
        &self.modules[item.module].file.items[item.index]
    }

    /// Whether a text belongs to the standard library.
    pub fn is_library(&self, source: SourceId) -> bool {
        self.modules.iter().any(|m| m.source == source && m.library)
    }

    /// The user's own file.
    pub fn main(&self) -> &Module {
        &self.modules[0]
    }
}

/// The name of an item, where it has one.
pub fn item_name(kind: &tree::ItemKind) -> Option<&tree::Name> {
    use tree::ItemKind;
    match kind {
        ItemKind::Use(_) | ItemKind::Train(_) => None,
        ItemKind::Const(c) => Some(&c.name),
        ItemKind::Fn(f) => Some(&f.name),
        ItemKind::Block(b) | ItemKind::Family(b) => Some(&b.name),
        ItemKind::Regularizer(r) => Some(&r.name),
        ItemKind::Model(m) => Some(&m.name),
    }
}

/// The parameters of an item; none where it takes none.
pub fn item_params(kind: &tree::ItemKind) -> &[tree::Param] {
    use tree::ItemKind;
    match kind {
        ItemKind::Use(_) | ItemKind::Train(_) | ItemKind::Const(_) => &[],
        ItemKind::Fn(f) => &f.params,
        ItemKind::Block(b) | ItemKind::Family(b) => &b.params,
        ItemKind::Regularizer(r) => &r.params,
        ItemKind::Model(m) => &m.params,
    }
}

/// How an item is called, as its text says: `name(a: int, b: real = 1)`, on one line.
pub fn item_signature(kind: &tree::ItemKind, sources: &Sources) -> String {
    let name = item_name(kind).map_or("", |name| name.text.as_str());
    let params = item_params(kind);
    if params.is_empty() {
        return name.to_owned();
    }
    let each: Vec<&str> = params.iter().map(|p| sources.text(p.span)).collect();
    format!("{name}({})", each.join(", ").split_whitespace().collect::<Vec<_>>().join(" "))
}
