//! Values from the command line, written into the tree by their paths, so that they are checked like text.
//!
//! `model.NAME` is the default of a parameter. `train.KEY…` follows the [table](super::tables::TRAIN_KEYS) of options:
//!
//! | path | sets |
//! | --- | --- |
//! | `train.epochs` | the value of a key |
//! | `train.optimizer.lr` | a key in the braces of the option that `optimizer` takes |
//! | `train.loss.smoothing` | an argument of the option that `loss` takes, by its name, however the text gives it |
//! | `train.data` | the option itself, as `synthetic(classes: 4)` |
//! | `train.schedule.steps.factor` | an argument of a part in braces; `steps[1]` is the second of that name |
//! | `train.data.augment.pad_crop` | the first argument of a part |
//!
//! What the text leaves out is added where the table puts it.

use super::tables::{KeySpec, OptionSpec, TRAIN_KEYS, Takes};
use crate::diag::{Problem, Problems, codes, listed, nearest};
use crate::resolve::{Chosen, ItemId, Override, Program};
use crate::syntax::tree::{Arg, Call, Entry, Expr, ExprKind, ItemKind, Name, Param};

impl Program {
    /// Writes `sets` into the tree.
    pub fn set(&mut self, chosen: Chosen, sets: &[Override], problems: &mut Problems) {
        for set in sets {
            let first = &set.path[0];
            let done = match first.text.as_str() {
                "model" => self.set_parameter(chosen.model, set),
                "train" => self.set_option(chosen.train, set),
                _ => Err(unknown(set, "a path starts with `model` or `train`", &self.paths(chosen))),
            };
            if let Err(problem) = done {
                problems.push(*problem);
            }
        }
    }

    /// Every path that can be set.
    fn paths(&self, chosen: Chosen) -> Vec<String> {
        let mut paths = match &self.item(chosen.model).kind {
            ItemKind::Model(model) => parameter_paths(&model.params),
            _ => unreachable!("only models are chosen"),
        };
        if let Some(train) = chosen.train {
            each_path(TRAIN_KEYS, &self.trains()[train].1.entries, "train", &mut paths);
        }
        paths
    }

    fn set_parameter(&mut self, model: ItemId, set: &Override) -> Result<(), Box<Problem>> {
        let item = &self.items[model.index()];
        let ItemKind::Model(model) = &mut self.modules[item.module].file.items[item.index].kind else {
            unreachable!("only models are chosen")
        };
        let names: Vec<&str> = model.params.iter().map(|p| p.name.text.as_str()).collect();
        let help = match names[..] {
            [] => format!("`{}` has no parameters: give it some, `model {0}(depth: int = 20)`", model.name.text),
            _ => format!("the parameters of `{}` are {}", model.name.text, listed(&names)),
        };
        let paths = parameter_paths(&model.params);
        let param = match &set.path[..] {
            [_, name] => model.params.iter_mut().find(|p| p.name.text == name.text),
            _ => None,
        };
        match param {
            Some(param) => param.default = Some(set.value.clone()),
            None => return Err(unknown(set, &help, &paths)),
        }
        Ok(())
    }

    fn set_option(&mut self, train: Option<usize>, set: &Override) -> Result<(), Box<Problem>> {
        let Some(train) = train.map(|n| self.trains()[n].0) else {
            let help = "add `train NAME { … }` to the program";
            return Err(Box::new(Problem::error(codes::NO_TRAIN, set.path[0].span, "the model has no `train`", help)));
        };
        let ItemKind::Train(train) = &mut self.modules[0].file.items[train].kind else {
            unreachable!("found among the `train` items")
        };
        let mut paths = Vec::new();
        each_path(TRAIN_KEYS, &train.entries, "train", &mut paths);
        if !paths.contains(&uncounted(set)) {
            return Err(unknown(set, "name an option: `train.epochs=5`", &paths));
        }
        set_key(TRAIN_KEYS, &mut train.entries, &set.path[1..], set);
        Ok(())
    }
}

/// The path of each parameter.
fn parameter_paths(params: &[Param]) -> Vec<String> {
    params.iter().map(|param| format!("model.{}", param.name.text)).collect()
}

/// The path without the numbers of its parts.
fn uncounted(set: &Override) -> String {
    let parts = set.path.iter().map(|part| part.text.split('[').next().unwrap_or_default());
    parts.collect::<Vec<_>>().join(".")
}

/// All paths below `prefix` that can be set.
fn each_path(keys: &[KeySpec], entries: &[Entry], prefix: &str, paths: &mut Vec<String>) {
    for key in keys {
        let path = format!("{prefix}.{}", key.name);
        let entry = entries.iter().find(|e| e.key.text == key.name);
        let body = entry.map_or(&[][..], |e| &e.body);
        match &key.takes {
            Takes::Value { .. } => paths.push(path),
            Takes::OneOf(options) => {
                if let Some(option) = option_of(key, options, entry) {
                    option_paths(option, body, &path, paths);
                }
                paths.push(path);
            }
            Takes::Several(options) => {
                for option in options.iter() {
                    let part = body.iter().find(|e| e.key.text == option.name);
                    let path = format!("{path}.{}", option.name);
                    option_paths(option, part.map_or(&[][..], |e| &e.body), &path, paths);
                    if !option.params.is_empty() {
                        paths.push(path);
                    }
                }
            }
        }
    }
}

fn option_paths(option: &OptionSpec, body: &[Entry], prefix: &str, paths: &mut Vec<String>) {
    paths.extend(option.params.iter().map(|p| format!("{prefix}.{}", p.name)));
    each_path(option.keys, body, prefix, paths);
}

/// The option that a key takes: the one that the text names, else what stands where nothing is said.
fn option_of(key: &KeySpec, options: &'static [OptionSpec], entry: Option<&Entry>) -> Option<&'static OptionSpec> {
    let name = match entry.and_then(|e| e.value.as_ref()).map(|v| &v.kind) {
        Some(ExprKind::Name(name)) => name,
        Some(ExprKind::Call(call)) => &call.callee.text,
        Some(_) => return None,
        None => return key.preset(),
    };
    options.iter().find(|o| o.name == *name)
}

/// Sets what `path` leads to among `entries`. The path is one of [`each_path`].
fn set_key(keys: &'static [KeySpec], entries: &mut Vec<Entry>, path: &[Name], set: &Override) {
    let [name, rest @ ..] = path else { return };
    let Some(key) = keys.iter().find(|k| k.name == name.text) else { return };
    let entry = entry(entries, name, set);
    match (&key.takes, rest) {
        (Takes::Value { .. } | Takes::OneOf(_), []) => entry.value = Some(set.value.clone()),
        (Takes::Value { .. }, _) => {}
        (Takes::OneOf(options), rest) => {
            let Some(option) = option_of(key, options, Some(entry)) else { return };
            set_in_option(option, arguments(entry, option, name), rest, set);
            set_below(option, entry, rest, set);
        }
        (Takes::Several(options), [part, rest @ ..]) => {
            let named = part.text.split('[').next().unwrap_or_default();
            let Some(option) = options.iter().find(|o| o.name == named) else { return };
            let entry = self::entry(&mut entry.body, part, set);
            set_in_option(option, &mut entry.args, rest, set);
            set_below(option, entry, rest, set);
        }
        (Takes::Several(_), []) => {}
    }
}

/// The entry of this name, `NAME[i]` being the one after i others; added at the end where there is none.
fn entry<'e>(entries: &'e mut Vec<Entry>, name: &Name, set: &Override) -> &'e mut Entry {
    let (text, number) = match name.text.strip_suffix(']').and_then(|n| n.split_once('[')) {
        Some((text, number)) => (text, number.parse().unwrap_or(usize::MAX)),
        None => (name.text.as_str(), 0),
    };
    let mut same = entries.iter().enumerate().filter(|(_, e)| e.key.text == text).map(|(i, _)| i);
    let at = same.nth(number).unwrap_or_else(|| {
        let key = Name { text: text.to_owned(), span: name.span };
        entries.push(Entry { key, args: vec![], value: None, except: vec![], body: vec![], span: set.span });
        entries.len() - 1
    });
    &mut entries[at]
}

/// The arguments of the option that an entry's value calls; a name alone becomes a call.
fn arguments<'e>(entry: &'e mut Entry, option: &OptionSpec, name: &Name) -> &'e mut Vec<Arg> {
    let span = entry.value.as_ref().map_or(name.span, |v| v.span);
    if !matches!(entry.value.as_ref().map(|v| &v.kind), Some(ExprKind::Call(_))) {
        let callee = Name { text: option.name.to_owned(), span };
        let call = Call { callee, args: Vec::new(), open: None, span };
        entry.value = Some(Expr { kind: ExprKind::Call(call), span });
    }
    match entry.value.as_mut().map(|v| &mut v.kind) {
        Some(ExprKind::Call(call)) => &mut call.args,
        _ => unreachable!("made a call above"),
    }
}

/// Sets an argument: the one that `rest` names, the first where it names none.
fn set_in_option(option: &OptionSpec, args: &mut Vec<Arg>, rest: &[Name], set: &Override) {
    let index = match rest {
        [] => 0,
        [name] => match option.params.iter().position(|p| p.name == name.text) {
            Some(index) => index,
            None => return,
        },
        _ => return,
    };
    let Some(param) = option.params.get(index) else { return };
    let value = set.value.clone();
    let named = args.iter().position(|a| a.name.as_ref().is_some_and(|n| n.text == param.name));
    let positional = args.iter().take_while(|a| a.name.is_none()).count();
    match named.or((index < positional).then_some(index)) {
        Some(at) => args[at].value = value,
        None => {
            let span = rest.first().map_or(set.span, |name| name.span);
            args.push(Arg { name: Some(Name { text: param.name.to_owned(), span }), value });
        }
    }
}

/// Sets what lies in an option's braces.
fn set_below(option: &'static OptionSpec, entry: &mut Entry, rest: &[Name], set: &Override) {
    let is_key = rest.first().is_some_and(|name| option.keys.iter().any(|k| k.name == name.text));
    if is_key {
        set_key(option.keys, &mut entry.body, rest, set);
    }
}

/// A path that leads nowhere: below the part of it that is known, the nearest that leads somewhere is proposed, or all.
fn unknown(set: &Override, help: &str, paths: &[String]) -> Box<Problem> {
    let parts: Vec<&str> = set.path.iter().map(|part| part.text.as_str()).collect();
    let path = parts.join(".");
    let span = set.path[0].span.to(set.path[set.path.len() - 1].span);
    let problem = Problem::error(codes::UNKNOWN_KEY, span, format!("there is no `{path}` to set"), help);
    for known in (0..=parts.len()).rev() {
        let prefix: String = parts[..known].iter().map(|part| format!("{part}.")).collect();
        let below: Vec<&str> = paths.iter().filter_map(|p| p.strip_prefix(&prefix)).collect();
        if below.is_empty() {
            continue;
        }
        let rest = parts[known..].join(".");
        let near = nearest(&rest, below.iter().copied()).map(str::to_owned).or_else(|| {
            // A path that is right but for its next part.
            let (next, after) = rest.split_once('.')?;
            let first = nearest(next, below.iter().map(|path| path.split('.').next().unwrap_or(path)))?;
            Some(format!("{first}.{after}"))
        });
        if let Some(near) = near {
            return Box::new(Problem { help: format!("did you mean `{prefix}{near}`?"), ..problem });
        }
        if known < 2 {
            break;
        }
        let all: Vec<String> = below.iter().map(|rest| format!("{prefix}{rest}")).collect();
        return Box::new(Problem { help: format!("what can be set there: {}", listed(&all)), ..problem });
    }
    Box::new(problem)
}
