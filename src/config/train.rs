//! The options of `train`: every key of the [table](tables::TRAIN_KEYS), said or not.

use super::collect::Collector;
use super::{Argument, Call, Choice, Origin, Setting, Value};
use crate::syntax::tree::{Arg, Entry, ExprKind};
use crate::typing::tables::{self, KeySpec, OptionSpec, ParamSpec, Preset, Takes};

impl Collector<'_> {
    pub fn train(&self, entries: &[Entry]) -> Vec<Setting> {
        self.settings(tables::TRAIN_KEYS, entries)
    }

    fn settings(&self, keys: &'static [KeySpec], entries: &[Entry]) -> Vec<Setting> {
        let setting = |key: &'static KeySpec| self.setting(key, entries.iter().find(|e| e.key.text == key.name));
        keys.iter().filter_map(setting).collect()
    }

    fn setting(&self, key: &'static KeySpec, entry: Option<&Entry>) -> Option<Setting> {
        Some(match &key.takes {
            Takes::Value { param, .. } => Setting::Value(match entry.and_then(|e| e.value.as_ref().map(|v| (e, v))) {
                Some((entry, value)) => {
                    let mut value = self.value(key.name, value);
                    let names: Vec<&str> = entry.except.iter().map(|n| n.text.as_str()).collect();
                    if !names.is_empty() {
                        value.text = format!("{} except {}", value.text, names.join(", "));
                    }
                    value
                }
                None => preset(param)?,
            }),
            Takes::OneOf(options) => {
                let choice = match entry.and_then(|e| e.value.as_ref().map(|v| (e, v))) {
                    Some((entry, value)) => {
                        let (name, args) = match &value.kind {
                            ExprKind::Name(name) => (name.as_str(), &[][..]),
                            ExprKind::Call(call) => (call.callee.text.as_str(), &call.args[..]),
                            _ => return None,
                        };
                        self.choice(options, name, args, &entry.body, self.origin(value.span))?
                    }
                    None => self.choice(options, key.preset()?.name, &[], &[], Origin::Language)?,
                };
                Setting::Option { key: key.name, choice }
            }
            Takes::Several(options) => {
                let part = |e: &Entry| self.choice(options, &e.key.text, &e.args, &e.body, self.origin(e.span));
                let parts = entry.iter().flat_map(|e| &e.body).filter_map(part).collect();
                let origin = entry.map_or(Origin::Language, |e| self.origin(e.span));
                Setting::Parts { key: key.name, parts, origin }
            }
        })
    }

    fn choice(
        &self,
        options: &'static [OptionSpec],
        name: &str,
        args: &[Arg],
        body: &[Entry],
        origin: Origin,
    ) -> Option<Choice> {
        let option = options.iter().find(|o| o.name == name)?;
        let positional = args.iter().take_while(|a| a.name.is_none()).count();
        let argument = |(i, param): (usize, &ParamSpec)| {
            let named = args.iter().find(|a| a.name.as_ref().is_some_and(|n| n.text == param.name));
            match named.or((i < positional).then(|| &args[i])) {
                Some(arg) => Some(Argument::Written(self.value(param.name, &arg.value))),
                None => preset(param).map(Argument::Written).or_else(|| told(param)),
            }
        };
        let arguments = option.params.iter().enumerate().filter_map(argument).collect();
        let call = Call { callee: name.to_owned(), arguments, origin };
        Some(Choice { call, settings: self.settings(option.keys, body) })
    }
}

/// What the table says where the text says nothing.
fn preset(param: &ParamSpec) -> Option<Value> {
    match param.preset {
        Preset::Required | Preset::Absent | Preset::Computed(_) => None,
        Preset::Int(_) | Preset::Real(_) | Preset::Bool(_) | Preset::Init(_) | Preset::Word(_) => {
            Some(Value { name: param.name.to_owned(), text: param.preset.to_string(), origin: Origin::Language })
        }
    }
}

/// What stays away, or is worked out.
fn told(param: &ParamSpec) -> Option<Argument> {
    let text = match param.preset {
        Preset::Absent => "none".to_owned(),
        Preset::Computed(text) => text.to_owned(),
        _ => return None,
    };
    Some(Argument::Told(Value { name: param.name.to_owned(), text, origin: Origin::Language }))
}
