//! Values from the command line (`--set train.epochs=5`), written into the tree, so that they are checked like text.

use super::{ItemId, Program};
use crate::diag::{Problem, Problems, codes, listed, nearest};
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
                let help = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the models are {}", listed(&names)),
                };
                problems.push(Problem::error(codes::UNKNOWN_NAME, top, message, help));
            }
            return None;
        };
        let train = trains.iter().position(|(_, t)| t.model.text == name);
        Some(Chosen { model: *model, train })
    }

    /// Writes `sets` into the tree: `model.NAME` is a parameter's default, `train.KEY…` an option.
    pub fn set(&mut self, chosen: Chosen, sets: &[Override], problems: &mut Problems) {
        for set in sets {
            let first = &set.path[0];
            let done = match first.text.as_str() {
                "model" => self.set_parameter(chosen.model, set),
                "train" => self.set_option(chosen.train, set),
                text => Err(unknown(first, text, "a path starts with `model` or `train`", &["model", "train"])),
            };
            if let Err(problem) = done {
                problems.push(*problem);
            }
        }
    }

    fn trains(&self) -> Vec<(usize, &tree::Train)> {
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

    fn set_parameter(&mut self, model: ItemId, set: &Override) -> Result<(), Box<Problem>> {
        let item = &self.items[model.index()];
        let tree::ItemKind::Model(model) = &mut self.modules[item.module].file.items[item.index].kind else {
            unreachable!("only models are chosen")
        };
        let names: Vec<String> = model.params.iter().map(|p| p.name.text.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let [_, name] = &set.path[..] else {
            let problem = Problem::error(codes::UNKNOWN_KEY, set.span, "a parameter's path is `model.NAME`", "");
            let help = format!("the parameters of `{}` are {}", model.name.text, listed(&names));
            return Err(Box::new(Problem { help, ..problem }));
        };
        let Some(param) = model.params.iter_mut().find(|p| p.name.text == name.text) else {
            let help = match names[..] {
                [] => format!("`{}` has no parameters: give it some, `model {0}(depth: int = 20)`", model.name.text),
                _ => format!("the parameters of `{}` are {}", model.name.text, listed(&names)),
            };
            return Err(unknown(name, &format!("model.{}", name.text), &help, &names));
        };
        param.default = Some(set.value.clone());
        Ok(())
    }

    fn set_option(&mut self, train: Option<usize>, set: &Override) -> Result<(), Box<Problem>> {
        let [_, keys @ .., last] = &set.path[..] else {
            let help = "name an option: `train.epochs=5`";
            return Err(Box::new(Problem::error(codes::UNKNOWN_KEY, set.span, "`train` is no option", help)));
        };
        let Some(train) = train.map(|n| self.trains()[n].0) else {
            let help = "add `train NAME { … }` to the program";
            return Err(Box::new(Problem::error(codes::NO_TRAIN, set.path[0].span, "the model has no `train`", help)));
        };
        let tree::ItemKind::Train(train) = &mut self.modules[0].file.items[train].kind else {
            unreachable!("found among the `train` items")
        };
        let mut entries = &mut train.entries;
        for key in keys {
            let names: Vec<String> = entries.iter().map(|e| e.key.text.clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let Some(at) = names.iter().position(|n| *n == key.text) else {
                let help = format!("the program sets {} there", listed(&names));
                return Err(unknown(key, &key.text, &help, &names));
            };
            let entry = &mut entries[at];
            if let Some(args) = arguments(entry, &last.text) {
                set_argument(args, last, &set.value);
                return Ok(());
            }
            entries = &mut entries[at].body;
        }
        match entries.iter_mut().find(|e| e.key.text == last.text) {
            Some(entry) => entry.value = Some(set.value.clone()),
            None => entries.push(tree::Entry {
                key: last.clone(),
                args: Vec::new(),
                value: Some(set.value.clone()),
                except: Vec::new(),
                body: Vec::new(),
                span: set.span,
            }),
        }
        Ok(())
    }
}

/// The arguments of an option's call in which `name` is given or, where nothing is in braces, belongs.
fn arguments<'a>(entry: &'a mut tree::Entry, name: &str) -> Option<&'a mut Vec<tree::Arg>> {
    let braces = !entry.body.is_empty();
    let args = match entry.value.as_mut().map(|v| &mut v.kind) {
        Some(tree::ExprKind::Call(call)) => &mut call.args,
        Some(_) => return None,
        None => &mut entry.args,
    };
    let given = args.iter().any(|a| a.name.as_ref().is_some_and(|n| n.text == name));
    (given || (!braces && !args.is_empty())).then_some(args)
}

/// Gives an argument a new value. A lone argument without a name is taken for the one that is meant.
fn set_argument(args: &mut Vec<tree::Arg>, name: &tree::Name, value: &tree::Expr) {
    let new = tree::Arg { name: Some(name.clone()), value: value.clone() };
    let same = |arg: &tree::Arg| arg.name.as_ref().is_some_and(|n| n.text == name.text);
    match args.iter().position(same) {
        Some(i) => args[i] = new,
        None if args.len() == 1 && args[0].name.is_none() => args[0] = new,
        None => args.push(new),
    }
}

fn unknown(name: &tree::Name, shown: &str, help: &str, candidates: &[&str]) -> Box<Problem> {
    let problem = Problem::error(codes::UNKNOWN_KEY, name.span, format!("there is no `{shown}` to set"), help);
    Box::new(match nearest(&name.text, candidates.iter().copied()) {
        Some(near) => Problem { help: format!("did you mean `{near}`?"), ..problem },
        None => problem,
    })
}
