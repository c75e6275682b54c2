//! `train` items: their options against the [table](super::tables::TRAIN_KEYS).

use super::program::{Args, Chosen, Setting, SettingValue, Train};
use super::scope::{Found, Scope};
use super::tables::{KeySpec, OptionSpec, TRAIN_KEYS, Takes};
use super::{Checker, tables};
use crate::diag::{Problem, codes, listed, near};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::tree::{self, Arg, Entry, ItemKind, Name};

impl Checker<'_> {
    /// The `train` items of the user's own file.
    pub(super) fn trains(&mut self) -> Vec<Train> {
        let mut trains: Vec<Train> = Vec::new();
        for item in &self.resolved.main().file.items {
            let ItemKind::Train(train) = &item.kind else { continue };
            let train = self.train(train);
            match trains.iter().find(|t| t.model.is_some() && t.model == train.model) {
                Some(first) => self.trained_twice(&train.name, first.name.span),
                None => trains.push(train),
            }
        }
        trains
    }

    /// A model's name chooses its `train`, so there is one.
    fn trained_twice(&mut self, model: &Name, first: Span) {
        let name = &model.text;
        let message = format!("`{name}` has two `train` items");
        let help = format!("remove one, or train another model of the same network: `model Other {{ net {name} }}`");
        let problem = Problem::error(codes::DUPLICATE_NAME, model.span, message, help);
        self.problems.push(problem.here("the second").label(first, "the first"));
    }

    fn train(&mut self, train: &tree::Train) -> Train {
        let model = self.model_named(&train.model);
        let settings = self.settings(TRAIN_KEYS, &train.entries, "train", train.model.span);
        Train { model, name: train.model.clone(), settings }
    }

    fn model_named(&mut self, name: &Name) -> Option<ItemId> {
        let scope = Scope::new(0);
        let models: Vec<&str> = self
            .resolved
            .main()
            .scope
            .iter()
            .filter(|(_, import)| matches!(self.resolved.item(import.item).kind, ItemKind::Model(_)))
            .map(|(name, _)| name.as_str())
            .collect();
        let near = near(&name.text, models.iter().copied());
        let help = match near {
            Some(near) => near.question(""),
            None if models.is_empty() => format!("define it: `model {} {{ … }}`", name.text),
            None => format!("the models here are {}", listed(&models)),
        };
        match self.find(&scope, &name.text) {
            Some(Found::Item(id)) if matches!(self.resolved.item(id).kind, ItemKind::Model(_)) => Some(id),
            Some(found) => {
                let message = format!("`train` takes a model, and `{}` is {}", name.text, self.describe(&found));
                self.problems.push(Problem::error(codes::WRONG_KIND, name.span, message, help));
                None
            }
            None => {
                if !self.resolved.main().unreadable.contains(&name.text) {
                    let message = format!("there is no model `{}`", name.text);
                    let problem = Problem::error(codes::UNKNOWN_NAME, name.span, message, help);
                    let problem = match near {
                        Some(near) => problem.meant(name.span, near),
                        None => problem,
                    };
                    self.problems.push(problem);
                }
                None
            }
        }
    }

    /// The options in braces after `owner`.
    fn settings(&mut self, keys: &'static [KeySpec], entries: &[Entry], owner: &str, owner_span: Span) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        let mut unknown = false;
        for entry in entries {
            let Some(key) = keys.iter().find(|k| k.name == entry.key.text) else {
                unknown = true;
                self.unknown_key(keys.iter().map(|k| k.name), &entry.key, owner);
                continue;
            };
            if let Some(first) = settings.iter().find(|s| s.key.name == key.name) {
                let first = first.span;
                let message = format!("`{}` is given twice", key.name);
                let problem = Problem::error(codes::DUPLICATE_ARGUMENT, entry.span, message, "remove one of the two");
                self.problems.push(problem.here("the second").label(first, "the first"));
                continue;
            }
            settings.push(self.setting(key, entry));
        }
        let given = |key: &KeySpec| settings.iter().any(|s| s.key.name == key.name);
        let missing: Vec<&str> = keys.iter().filter(|k| k.required && !given(k)).map(|k| k.name).collect();
        // A misspelt key is one mistake, not a second one about what it left without a value.
        if !missing.is_empty() && !unknown {
            let message = format!("`{owner}` needs {}", listed(&missing));
            let docs = keys.iter().filter(|k| missing.contains(&k.name)).map(|k| format!("`{}`: {}", k.name, k.doc));
            let help = docs.collect::<Vec<_>>().join("\n");
            self.problems.push(Problem::error(codes::MISSING_KEY, owner_span, message, help));
        }
        settings
    }

    fn unknown_key(&mut self, known: impl Iterator<Item = &'static str>, key: &Name, owner: &str) {
        let known: Vec<&str> = known.collect();
        let message = format!("`{owner}` has no option `{}`", key.text);
        let problem = Problem::error(codes::UNKNOWN_KEY, key.span, message, "");
        self.problems.push(match tables::meant(&key.text, known.iter().copied()) {
            Some(near) => problem.meant(key.span, near),
            None if known.is_empty() => Problem { help: "it takes no options".into(), ..problem },
            None => Problem { help: format!("its options are {}", listed(&known)), ..problem },
        });
    }

    fn setting(&mut self, key: &'static KeySpec, entry: &Entry) -> Setting {
        let mut except = Vec::new();
        let value = match &key.takes {
            Takes::Value { param, except: words } => {
                except = self.exceptions(key, words, entry);
                self.plain(key, param, entry)
            }
            Takes::OneOf(options) => {
                self.no_exceptions(key, entry);
                self.one_of(key, options, entry)
            }
            Takes::Several(options) => {
                self.no_exceptions(key, entry);
                self.several(key, options, entry)
            }
        };
        Setting { key, value, except, span: entry.span }
    }

    fn plain(&mut self, key: &'static KeySpec, param: &tables::ParamSpec, entry: &Entry) -> SettingValue {
        let Some(value) = entry.value.as_ref().filter(|_| entry.body.is_empty() && entry.args.is_empty()) else {
            let message = format!("`{}` takes {}", key.name, param.ty.with_article());
            let help = format!("write `{} VALUE`: {}", key.name, param.doc);
            self.problems.push(Problem::error(codes::WRONG_TYPE, entry.key.span, message, help));
            return SettingValue::Broken;
        };
        let expr = self.expect(&Scope::new(0), value, param.ty, &format!("`{}`", key.name));
        SettingValue::Value(self.in_bounds(expr, key.name, param.bounds))
    }

    fn exceptions(&mut self, key: &'static KeySpec, words: &[&'static str], entry: &Entry) -> Vec<Name> {
        let mut kept = Vec::new();
        for name in &entry.except {
            let is_path = !words.is_empty() && name.text.contains(['.', '[', '*']);
            if is_path || words.contains(&name.text.as_str()) {
                kept.push(name.clone());
                continue;
            }
            let message = match words {
                [] => format!("`{}` has no exceptions", key.name),
                _ => format!("`{}` cannot except `{}`", key.name, name.text),
            };
            let help = match words {
                [] => "remove `except`".to_owned(),
                _ => format!("it can except {}, or a path pattern such as `stem.*` or `**.conv[0]`", listed(words)),
            };
            self.problems.push(Problem::error(codes::UNKNOWN_KEY, name.span, message, help));
        }
        kept
    }

    fn no_exceptions(&mut self, key: &'static KeySpec, entry: &Entry) {
        self.exceptions(key, &[], entry);
    }

    fn one_of(&mut self, key: &'static KeySpec, options: &'static [OptionSpec], entry: &Entry) -> SettingValue {
        use tree::ExprKind as T;
        let (name, args) = match entry.value.as_ref().map(|v| (&v.kind, v.span)) {
            Some((T::Name(name), span)) => (Name { text: name.clone(), span }, &[][..]),
            Some((T::Call(call), _)) => (call.callee.clone(), &call.args[..]),
            _ => {
                let names: Vec<&str> = options.iter().map(|o| o.name).collect();
                let place = entry.value.as_ref().map_or(entry.key.span, |v| v.span);
                let message = format!("`{}` takes one of {}", key.name, listed(&names));
                let help = format!("write `{} {}`", key.name, names[0]);
                self.problems.push(Problem::error(codes::WRONG_TYPE, place, message, help));
                return SettingValue::Broken;
            }
        };
        match self.chosen(key, options, &name, args, &entry.body) {
            Some(chosen) => SettingValue::Options(vec![chosen]),
            None => SettingValue::Broken,
        }
    }

    fn several(&mut self, key: &'static KeySpec, options: &'static [OptionSpec], entry: &Entry) -> SettingValue {
        if let Some(value) = &entry.value {
            let text = self.sources.text(value.span);
            let message = format!("`{}` takes its parts in braces", key.name);
            let fixed = format!("{{ {text} }}");
            let problem = Problem::error(codes::WRONG_TYPE, value.span, message, format!("write `{fixed}`"));
            self.problems.push(problem.fix(value.span, fixed));
            return SettingValue::Broken;
        }
        let mut all = Vec::new();
        for part in &entry.body {
            if let Some(value) = &part.value {
                let message = format!("`{}` takes its values in parentheses", part.key.text);
                let text = self.sources.text(value.span);
                let fixed = format!("{}({text})", part.key.text);
                let problem = Problem::error(codes::WRONG_TYPE, value.span, message, format!("write `{fixed}`"));
                // A part behind a part is no value: nobody knows what it does there.
                let is_part = options.iter().any(|option| {
                    let rest = text.strip_prefix(option.name);
                    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                });
                self.problems.push(match is_part {
                    true => Problem { help: "put each part on a line of its own".to_owned(), ..problem },
                    false => problem.fix(part.key.span.to(value.span), fixed),
                });
                continue;
            }
            all.extend(self.chosen(key, options, &part.key, &part.args, &part.body));
        }
        SettingValue::Options(all)
    }

    fn chosen(
        &mut self,
        key: &'static KeySpec,
        options: &'static [OptionSpec],
        name: &Name,
        args: &[Arg],
        body: &[Entry],
    ) -> Option<Chosen> {
        let Some(option) = options.iter().find(|o| o.name == name.text) else {
            let known: Vec<&str> = options.iter().map(|o| o.name).collect();
            let message = format!("`{}` knows no `{}`", key.name, name.text);
            let problem = Problem::error(codes::UNKNOWN_KEY, name.span, message, "");
            self.problems.push(match tables::meant(&name.text, known.iter().copied()) {
                Some(near) => problem.meant(name.span, near),
                None => Problem { help: format!("it knows {}", listed(&known)), ..problem },
            });
            return None;
        };
        let args: Args = self.table_args(&Scope::new(0), (option.name, option.params), name.span, args, false);
        let settings = self.settings(option.keys, body, option.name, name.span);
        Some(Chosen { option, args, settings, span: name.span })
    }
}
