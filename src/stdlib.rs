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

/// The modules that define `name`, so that an unknown name can be answered with its `use`.
pub fn homes_of(name: &str) -> Vec<&'static str> {
    MODULES.iter().filter(|(_, text)| defined(text).contains(name)).map(|(module, _)| *module).collect()
}

/// The names after which a line of `text` opens an item. Reads the lines, not the grammar, so that it also knows an item
/// that could not be parsed.
pub fn defined(text: &str) -> BTreeSet<String> {
    const KEYWORDS: [&str; 6] = ["const", "fn", "block", "family", "regularizer", "model"];
    let name = |line: &str| {
        let (keyword, rest) = line.trim_start().split_once(' ')?;
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (KEYWORDS.contains(&keyword) && end > 0).then(|| rest[..end].to_owned())
    };
    text.lines().filter_map(name).collect()
}
