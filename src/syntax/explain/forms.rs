//! How each item and statement is written, for the help of a problem that has no better one.

use super::Mismatch;

/// What may stand at the top of a file.
pub const ITEMS: &str =
    "a file consists of `use`, `const`, `fn`, `block`, `family`, `regularizer`, `model` and `train`";

/// The word with which a statement or item begins, and its form.
pub const FORMS: &[(&str, &str)] = &[
    ("use", "an import is written `use std.resnet.{resnet_cifar, basic}` or `use \"blocks.sd\".{stem}`"),
    ("fn", "a function is written `fn half(x: real) -> real = x / 2`"),
    ("block", "a block is written `block name(width: int, stride: int = 1) { … }`"),
    ("family", "a family is written `family name(depth: int, classes: int) { … }`"),
    ("regularizer", "a rule is written `regularizer name(p: prob) { let b = bernoulli(p, per: batch); forward = b }`"),
    ("model", "a model is written `model Name { input image[3, 32, 32]; net …; place … on residuals }`"),
    (
        "train",
        "options are written `key value`, `key: value` or `key { … }`, parted by `;`, `,` or the end of the line",
    ),
    ("const", "a constant is written `const name = value`"),
    ("let", "a named value is written `let name = value`"),
    ("for", "a loop is written `for i in 0..<n { … }`"),
    ("if", "a condition is written `if a > b { … } else if c { … } else { … }`"),
    ("require", "a condition that must hold is written `require depth > 2 : \"why\"`"),
    (
        "assert",
        "what a model comes to is asserted as `assert parameters == 28_485_477`; a reason may follow: ` : \"why\"`",
    ),
    ("default", "a default is written `default conv(init: he_normal_in)`"),
    ("stage", "a stage is written `stage name { … }` or `stage name[i] { … }`"),
    ("residual", "a residual is written `residual { branch { … } shortcut { … } }`"),
    ("concat", "a concat is written `concat { path { … } path { … } }`"),
    ("scale", "a gate, which multiplies what passes by what its layers make of it, is written `scale { … }`"),
    ("branch", "an arm is written `branch { … }`"),
    ("shortcut", "an arm is written `shortcut { … }`"),
    ("path", "an arm is written `path { … }`"),
    ("forward", "an equation is written `forward = value`"),
    ("backward", "an equation is written `backward = value`"),
    ("test", "an equation is written `test = value`"),
    ("input", "an input is written `input image[3, 32, 32]`: channels, height, width"),
    ("net", "a network is written `net family(depth: 110)`, `net Model` or `net { … }`"),
    (
        "place",
        "a placement is written `place rule(p: 0.5) on residuals where l > 1 at sum`; `where` and `at` may be left out",
    ),
];

/// The form of the statement in which the mistake is, else of the nearest one around it that has a form.
pub fn help(mismatch: &Mismatch<'_>) -> String {
    let starts = std::iter::once(mismatch.statement).chain(mismatch.around.iter().rev().copied());
    let form = starts.map(|i| mismatch.place.word(Some(i))).find_map(form_of);
    form.unwrap_or("a value is a number, a string, a name, a call, a list, or several of them with operators")
        .to_owned()
}

fn form_of(word: &str) -> Option<&'static str> {
    FORMS.iter().find(|(first, _)| *first == word).map(|(_, form)| *form)
}
