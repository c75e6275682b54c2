//! What the command line says of a program: values by their paths (`--set train.epochs=5`), and which model is meant.
//!
//! Absence: which paths there are; that is [`typing`](crate::typing)'s business, which writes the values into the tree.

use super::{ItemId, Program};
use crate::diag::{Problem, Problems, codes, listed, near};
use crate::source::{Sources, Span};
use crate::syntax::{self, tree};

/// One `--set PATH=VALUE`.
#[derive(Clone, Debug)]
pub struct Override {
    /// The parts of the path: `train`, `optimizer`, `lr`.
    pub path: Vec<tree::Name>,
    /// What it is set to.
    pub value: tree::Expr,
    /// All of it.
    pub span: Span,
}

impl Override {
    /// Reads `PATH=VALUE`; the value is an expression of the language.
    pub fn parse(text: &str, sources: &mut Sources, problems: &mut Problems) -> Option<Override> {
        let source = sources.add("--set", text);
        let span = Span::new(source, 0, text.len());
        let Some(equals) = text.find('=') else {
            let help = "write `--set train.epochs=5` or `--set model.depth=20`";
            problems.push(Problem::error(codes::SYNTAX, span, "`--set` takes PATH=VALUE", help));
            return None;
        };
        let mut path = Vec::new();
        let mut start = 0;
        for part in text[..equals].split('.') {
            let span = Span::new(source, start, start + part.len());
            path.push(tree::Name { text: part.trim().to_owned(), span });
            start += part.len() + 1;
        }
        // Blanks in place of the path keep the value's place in the text.
        let value = format!("{}{}", " ".repeat(equals + 1), &text[equals + 1..]);
        Some(Override { path, value: syntax::parse_expr(source, &value, problems)?, span })
    }
}

/// What a command works on.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// The model.
    pub model: ItemId,
    /// The number of its `train` item among those of the file, if it has one.
    pub train: Option<usize>,
}

impl Program {
    /// The model that a command works on: the one that is named, else the one that is trained, else the only one.
    pub fn choose(&self, model: Option<&str>, problems: &mut Problems) -> Option<Chosen> {
        let trains = self.trains();
        let models = self.models();
        let names: Vec<&str> = models.iter().map(|(name, _)| name.text.as_str()).collect();
        let top = Span { source: self.main().source, start: 0, end: 0 };
        let name = match (model, &trains[..], &models[..]) {
            (Some(name), _, _) => name,
            (None, [(_, train)], _) => &train.model.text,
            (None, [], [(name, _)]) => &name.text,
            (None, [], []) => {
                // Where an item could not be read, the model may be that one.
                if self.main().unreadable.is_empty() {
                    let help = "add `model NAME { input image[3, 32, 32]; net … }`";
                    problems.push(Problem::error(codes::BAD_MODEL, top, "the program has no model", help));
                }
                return None;
            }
            (None, [_, (_, second), ..], _) => {
                let trained: Vec<&str> = trains.iter().map(|(_, t)| t.model.text.as_str()).collect();
                let message = format!("the program trains {} models", trains.len());
                let help = format!("name one with `--model`: {}", listed(&trained));
                problems.push(Problem::error(codes::NO_TRAIN, second.model.span, message, help));
                return None;
            }
            (None, [], [_, (second, _), ..]) => {
                let message = format!("the program has {} models and trains none", models.len());
                let help = format!("name one with `--model`: {}", listed(&names));
                problems.push(Problem::error(codes::NO_TRAIN, second.span, message, help));
                return None;
            }
        };
        let Some((_, model)) = models.iter().find(|(n, _)| n.text == name) else {
            // A `train` that names no model is refused by typing.
            if model.is_some() {
                let message = format!("there is no model `{name}`");
                let help = match near(name, names.iter().copied()) {
                    Some(near) => near.question(""),
                    None => format!("the models are {}", listed(&names)),
                };
                problems.push(Problem::error(codes::UNKNOWN_NAME, top, message, help));
            }
            return None;
        };
        let train = trains.iter().position(|(_, t)| t.model.text == name);
        Some(Chosen { model: *model, train })
    }

    /// The `train` items of the user's own file, with their numbers among its items.
    pub fn trains(&self) -> Vec<(usize, &tree::Train)> {
        let items = self.main().file.items.iter().enumerate();
        items
            .filter_map(|(i, item)| match &item.kind {
                tree::ItemKind::Train(train) => Some((i, train)),
                _ => None,
            })
            .collect()
    }

    fn models(&self) -> Vec<(&tree::Name, ItemId)> {
        let is_model = |id: &ItemId| matches!(self.item(*id).kind, tree::ItemKind::Model(_));
        let own = self.items.iter().enumerate().filter(|(_, item)| item.module == 0);
        own.map(|(i, item)| (&item.name, ItemId(i as u32))).filter(|(_, id)| is_model(id)).collect()
    }
}
