//! The standard library: `stdlib/*.sd`, compiled into the binary.

use std::collections::BTreeSet;

/// Every module: its name in `use std.NAME`, and its text.
pub const MODULES: &[(&str, &str)] = &[
    ("preresnet", include_str!("../stdlib/preresnet.sd")),
    ("pyramidnet", include_str!("../stdlib/pyramidnet.sd")),
    ("regularizers", include_str!("../stdlib/regularizers.sd")),
    ("resnet", include_str!("../stdlib/resnet.sd")),
    ("resnext", include_str!("../stdlib/resnext.sd")),
    ("shake", include_str!("../stdlib/shake.sd")),
    ("wrn", include_str!("../stdlib/wrn.sd")),
];

/// The text of a module.
pub fn text(module: &str) -> Option<&'static str> {
    MODULES.iter().find(|(name, _)| *name == module).map(|(_, text)| *text)
}

/// The modules that define `name` after a keyword that `fits`, so that an unknown name can be answered with its `use`.
pub fn homes_of(name: &str, fits: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let defines = |text: &str| items(text).any(|(keyword, defined)| defined == name && fits(keyword));
    MODULES.iter().filter(|(_, text)| defines(text)).map(|(module, _)| *module).collect()
}

/// The names of the items of `text`, also of those that could not be parsed.
pub fn defined(text: &str) -> BTreeSet<String> {
    items(text).map(|(_, name)| name.to_owned()).collect()
}

/// What opens an item at the begin of a line: the keyword and the name. Reads the lines, not the grammar.
fn items(text: &str) -> impl Iterator<Item = (&str, &str)> {
    const KEYWORDS: [&str; 6] = ["const", "fn", "block", "family", "regularizer", "model"];
    text.lines().filter_map(|line| {
        let (keyword, rest) = line.trim_start().split_once(' ')?;
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (KEYWORDS.contains(&keyword) && end > 0).then(|| (keyword, &rest[..end]))
    })
}
