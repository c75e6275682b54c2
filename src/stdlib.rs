//! The standard library: `stdlib/*.sd`, compiled into the binary.

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

/// The module that defines `name`, so that an unknown name can be answered with its `use`.
pub fn home_of(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(_, text)| defines(text, name)).map(|(module, _)| *module)
}

/// Whether a line of `text` opens an item called `name`. Reads the lines, not the grammar, so that it also answers for
/// an item that could not be parsed.
pub fn defines(text: &str, name: &str) -> bool {
    const KEYWORDS: [&str; 6] = ["const", "fn", "block", "family", "regularizer", "model"];
    text.lines().any(|line| {
        let mut words = line.trim_start().splitn(2, ' ');
        let (keyword, rest) = (words.next().unwrap_or(""), words.next().unwrap_or("").trim_start());
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        KEYWORDS.contains(&keyword) && &rest[..end] == name
    })
}
