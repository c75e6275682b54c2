//! A row of nodes that is being built, and the names of its parts.
//!
//! A part is counted by its name in its own row from 0, so that what is inserted in one arm renames nothing in another.
//! A part with a name of its own (`as mid`) is not counted: inserting it renames nothing at all.

use std::collections::BTreeMap;

use crate::net::{Node, Path, Shape};
use crate::source::Span;

/// A row of nodes: a family's, a stage's, a block's or an arm's.
pub(super) struct Line {
    /// The path of what it is the inside of.
    pub path: Path,
    /// What is built.
    pub nodes: Vec<Node>,
    /// The shape that leaves the last of them.
    pub shape: Shape,
    /// Whether it is the body of a block: its first residual and its first concat take the block's own path.
    block: bool,
    counts: BTreeMap<String, usize>,
    parts: BTreeMap<String, Span>,
}

impl Line {
    pub fn new(path: Path, shape: Shape) -> Self {
        let (counts, parts) = (BTreeMap::new(), BTreeMap::new());
        Line { path, nodes: Vec::new(), shape, block: false, counts, parts }
    }

    /// The row of a block's body.
    pub fn of_block(path: Path, shape: Shape) -> Self {
        Line { block: true, ..Line::new(path, shape) }
    }

    /// Adds a node.
    pub fn push(&mut self, node: Node) {
        self.shape = node.output();
        self.nodes.push(node);
    }

    /// The next number of parts called `name`.
    pub fn count(&mut self, name: &str) -> usize {
        let next = self.counts.entry(name.to_owned()).or_insert(0);
        *next += 1;
        *next - 1
    }

    /// `NAME[i]`, counted.
    pub fn numbered(&mut self, name: &str) -> String {
        format!("{name}[{}]", self.count(name))
    }

    /// Whether the next residual or concat takes the block's own path.
    pub fn takes_own_path(&self, what: &str) -> bool {
        self.block && !self.counts.contains_key(what)
    }

    /// Takes a part's name.
    ///
    /// # Errors
    /// Where the name stands already.
    pub fn claim(&mut self, part: &str, span: Span) -> Result<Path, Span> {
        match self.parts.insert(part.to_owned(), span) {
            None => Ok(self.path.child(part)),
            Some(first) => Err(first),
        }
    }
}
