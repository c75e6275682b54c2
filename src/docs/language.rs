//! Entries of what the language itself has by name, from its tables.

use std::sync::LazyLock;

use super::{Entry, Param, Part};
use crate::syntax::FORMS;
use crate::typing::Type;
use crate::typing::program::Figure;
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
    let (signature, parts) = match &key.takes {
        Takes::Value { param, except } => {
            let except = if except.is_empty() { String::new() } else { format!(" except {}", except.join(", ")) };
            let shown = one(param);
            let preset = shown.preset.map_or(String::new(), |preset| format!(" = {preset}"));
            (format!("{}: {}{except}{preset}", key.name, shown.ty), Vec::new())
        }
        Takes::OneOf(options) => (format!("{} ONE", key.name), parts_of(options)),
        Takes::Several(options) => (format!("{} {{ … }}", key.name), parts_of(options)),
    };
    Entry {
        name: key.name.to_owned(),
        kind: format!("an option of `{owner}`"),
        signature,
        paragraphs: vec![key_doc(key)],
        parts,
        ..Entry::default()
    }
}

fn key_doc(key: &KeySpec) -> String {
    if key.required { format!("{} It must be given.", key.doc) } else { key.doc.to_owned() }
}

fn key_parts(keys: &[KeySpec]) -> Vec<Part> {
    keys.iter().map(|k| Part { signature: key(k, "").signature, doc: key_doc(k) }).collect()
}

/// A word with which a statement or an item begins, and how that is written.
pub fn form(word: &str, form: &str) -> Entry {
    Entry {
        name: word.to_owned(),
        kind: "a word of the language".to_owned(),
        signature: word.to_owned(),
        paragraphs: vec![form[..1].to_uppercase() + &form[1..] + "."],
        ..Entry::default()
    }
}

/// Words inside statements, and what is known in an expression, with what they mean.
const INSIDE: &[(&str, &str)] = &[
    (
        "l",
        "The place of a residual among all `L` of the model, from 1, in the order of the text. Known in the arguments of \
         `place`, in `where`, and in the defaults of a rule's parameters.",
    ),
    ("L", "The number of the model's residuals. Known where `l` is."),
    (
        "residuals",
        "Every residual of the model, in `place rule on residuals`. A path pattern selects some: `group[2].*`, `**.block`; \
         `*` stands for one part of a path, `**` for any number of them, a name without a number for every number. In `assert` \
         it is their number.",
    ),
    (
        "where",
        "Narrows a placement: `place rule on residuals where channels >= 128 and l < L`. `channels`, `height` and `width` \
         are those of the residual's output.",
    ),
    (
        "at",
        "Where a rule with one factor stands: `at sum`, the default, behind the sum of the branches and before the \
         shortcut is added; `at branch` on each branch, with draws of its own.",
    ),
    ("per", "How finely a number is drawn, `bernoulli(p, per: batch)`: `batch`, `image`, `channel` or `pixel`."),
    ("as", "Names a layer or a part, `conv3x3(w) as mid`, so that its path stays when others come before it."),
    ("in", "The shape that reaches a statement: `in.channels`, `in.height`, `in.width`."),
];

/// A type.
fn ty(name: &str, ty: Type) -> Entry {
    Entry {
        name: name.to_owned(),
        kind: "a type".to_owned(),
        signature: name.to_owned(),
        paragraphs: vec![format!("Such a value is {}.", ty.with_article())],
        ..Entry::default()
    }
}

/// One of the things that the option `owner` takes.
pub fn option(option: &OptionSpec, owner: &str) -> Entry {
    Entry {
        name: option.name.to_owned(),
        kind: format!("a value of `{owner}`"),
        signature: tables::signature(option.name, option.params),
        paragraphs: vec![option.doc.to_owned()],
        params: params(option.params),
        parts: key_parts(option.keys),
        ..Entry::default()
    }
}

/// `train` itself.
pub fn train() -> Entry {
    Entry {
        name: "train".to_owned(),
        kind: "an item".to_owned(),
        signature: "train MODEL { … }".to_owned(),
        paragraphs: vec!["How a model is trained.".to_owned()],
        parts: key_parts(tables::TRAIN_KEYS),
        ..Entry::default()
    }
}

/// Every entry of the language: layers, functions, words, statements, `train` with all its options.
pub fn all() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(collected);
    &ALL
}

fn collected() -> Vec<Entry> {
    let mut all: Vec<Entry> = tables::LAYERS.iter().map(layer).collect();
    all.extend(tables::FUNCTIONS.iter().map(function));
    all.extend(tables::words().iter().map(|(name, w, doc)| word(name, *w, doc)));
    all.extend(FORMS.iter().filter(|(word, _)| *word != "train").map(|(word, text)| form(word, text)));
    let inside = |(word, meaning): &(&str, &str)| Entry {
        name: (*word).to_owned(),
        kind: "a word of the language".to_owned(),
        signature: (*word).to_owned(),
        paragraphs: vec![(*meaning).to_owned()],
        ..Entry::default()
    };
    all.extend(INSIDE.iter().map(inside));
    let figures = Figure::ALL.iter().map(|(name, _, doc)| (*name, *doc));
    // `residuals` is a word of placements as well, and says so there.
    all.extend(figures.filter(|(name, _)| *name != "residuals").map(|figure| inside(&figure)));
    // A word that begins an item or an option, as `block` does, keeps that meaning.
    all.extend(
        Type::NAMED.iter().filter(|(name, _)| FORMS.iter().all(|(word, _)| word != name)).map(|(n, t)| ty(n, *t)),
    );
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
                    all.push(option(taken, spec.name));
                    keys(taken.keys, taken.name, all);
                }
            }
        }
    }
}

fn parts_of(options: &[OptionSpec]) -> Vec<Part> {
    let part = |o: &OptionSpec| Part { signature: tables::signature(o.name, o.params), doc: o.doc.to_owned() };
    options.iter().map(part).collect()
}

fn params(specs: &[ParamSpec]) -> Vec<Param> {
    specs.iter().map(one).collect()
}

fn one(spec: &ParamSpec) -> Param {
    // That a size has an upper limit, and a lower one of 1, goes without saying.
    let size = tables::Bounds::SIZE;
    let hi = if spec.bounds.hi == size.hi { f64::INFINITY } else { spec.bounds.hi };
    let told = tables::Bounds { hi, ..spec.bounds };
    let untold = spec.bounds == size || told == tables::Bounds::NONE;
    let bounds = if untold { String::new() } else { format!(" ({told})") };
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
