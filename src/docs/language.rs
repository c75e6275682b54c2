//! Entries of what the language itself has by name, from its tables.

use super::{Entry, Param, Part};
use crate::typing::tables::{self, FunctionSpec, KeySpec, LayerSpec, OptionSpec, ParamSpec, Preset, Takes, Word};

/// A layer.
pub fn layer(layer: &LayerSpec) -> Entry {
    Entry {
        name: layer.name.to_owned(),
        kind: "a layer".to_owned(),
        signature: tables::signature(layer.name, layer.params),
        paragraphs: vec![layer.doc.to_owned()],
        params: params(layer.params),
        ..Entry::default()
    }
}

/// A function or a draw.
pub fn function(function: &FunctionSpec) -> Entry {
    Entry {
        name: function.name.to_owned(),
        kind: "a function of the language".to_owned(),
        signature: function.signature.to_owned(),
        paragraphs: vec![function.doc.to_owned()],
        ..Entry::default()
    }
}

/// A word for a level or an initialiser.
pub fn word(name: &str, word: Word, doc: &str) -> Entry {
    let kind = match word {
        Word::Level(_) => "a level: how finely a random number is drawn",
        Word::Init(_) => "an initialiser: how a weight starts",
    };
    Entry {
        name: name.to_owned(),
        kind: kind.to_owned(),
        signature: name.to_owned(),
        paragraphs: vec![doc.to_owned()],
        ..Entry::default()
    }
}

/// An option of `train`, or of `owner` inside it.
pub fn key(key: &KeySpec, owner: &str) -> Entry {
    let (signature, params, parts) = match &key.takes {
        Takes::Value { param, except } => {
            let except = if except.is_empty() { String::new() } else { format!(" except {}", except.join(", ")) };
            (format!("{}: {}{except}", key.name, param.ty), vec![one(param)], Vec::new())
        }
        Takes::OneOf(options) => (format!("{} ONE", key.name), Vec::new(), parts_of(options)),
        Takes::Several(options) => (format!("{} {{ … }}", key.name), Vec::new(), parts_of(options)),
    };
    let needed = if key.required { ", which must be given" } else { "" };
    Entry {
        name: key.name.to_owned(),
        kind: format!("an option of `{owner}`{needed}"),
        signature,
        paragraphs: vec![key.doc.to_owned()],
        params,
        parts,
        ..Entry::default()
    }
}

/// One of the things that the option `owner` takes.
pub fn option(option: &OptionSpec, owner: &str) -> Entry {
    let later = if option.runs { "" } else { ", which this version cannot run yet" };
    Entry {
        name: option.name.to_owned(),
        kind: format!("a value of `{owner}`{later}"),
        signature: tables::signature(option.name, option.params),
        paragraphs: vec![option.doc.to_owned()],
        params: params(option.params),
        parts: option.keys.iter().map(|k| Part { signature: key(k, "").signature, doc: k.doc.to_owned() }).collect(),
        ..Entry::default()
    }
}

/// `train` itself.
pub fn train() -> Entry {
    Entry {
        name: "train".to_owned(),
        kind: "an item: how a model is trained".to_owned(),
        signature: "train MODEL { … }".to_owned(),
        parts: tables::TRAIN_KEYS
            .iter()
            .map(|k| Part { signature: key(k, "").signature, doc: k.doc.to_owned() })
            .collect(),
        ..Entry::default()
    }
}

/// Every entry of the language: layers, functions, words, `train` with all its options.
pub fn all() -> Vec<Entry> {
    let mut all: Vec<Entry> = tables::LAYERS.iter().map(layer).collect();
    all.extend(tables::FUNCTIONS.iter().map(function));
    all.extend(tables::words().iter().map(|(name, w, doc)| word(name, *w, doc)));
    all.push(train());
    keys(tables::TRAIN_KEYS, "train", &mut all);
    all
}

fn keys(keys_of: &[KeySpec], owner: &str, all: &mut Vec<Entry>) {
    for spec in keys_of {
        all.push(key(spec, owner));
        match &spec.takes {
            Takes::Value { .. } => {}
            Takes::OneOf(options) | Takes::Several(options) => {
                for taken in *options {
                    let entry = option(taken, spec.name);
                    // Several values share their options, as all data sets do; each stands once.
                    all.push(entry);
                    keys(taken.keys, taken.name, all);
                }
            }
        }
    }
}

fn parts_of(options: &[OptionSpec]) -> Vec<Part> {
    let part = |o: &OptionSpec| Part {
        signature: tables::signature(o.name, o.params),
        doc: if o.runs { o.doc.to_owned() } else { format!("{} (not in this version)", o.doc) },
    };
    options.iter().map(part).collect()
}

fn params(specs: &[ParamSpec]) -> Vec<Param> {
    specs.iter().map(one).collect()
}

fn one(spec: &ParamSpec) -> Param {
    let bounds = spec.bounds.to_string();
    let bounds = if spec.bounds == tables::Bounds::NONE || spec.bounds == tables::Bounds::SIZE {
        String::new()
    } else {
        format!(" ({bounds})")
    };
    Param {
        name: spec.name.to_owned(),
        ty: if spec.words.is_empty() { format!("{}{bounds}", spec.ty) } else { spec.words.join(" or ") },
        preset: match spec.preset {
            Preset::Required => None,
            Preset::Absent => Some("nothing".to_owned()),
            preset => Some(preset.to_string()),
        },
        doc: spec.doc.to_owned(),
    }
}
