//! Slips that people often make, each with its own help and, where the mend is mechanical, a fix.

use std::ops::Range;

use super::super::grammar::Rule;
use super::super::scan::{Bracket, Token, TokenKind};
use super::{Mismatch, forms, quoted};

/// What to say about a slip.
pub struct Slip {
    /// What is wrong, where it is not simply what was expected and what was found.
    pub message: Option<String>,
    /// Words at the place.
    pub label: &'static str,
    /// The way out.
    pub help: String,
    /// The bytes to replace, and by what.
    pub fix: Option<(Range<usize>, String)>,
}

impl Slip {
    fn new(message: impl Into<String>, label: &'static str, help: impl Into<String>) -> Self {
        Slip { message: Some(message.into()), label, help: help.into(), fix: None }
    }

    fn fix(self, range: Range<usize>, text: impl Into<String>) -> Self {
        Slip { fix: Some((range, text.into())), ..self }
    }
}

/// The slip behind a mismatch, if it is a known one; the more particular ones come first.
pub fn find(m: &Mismatch<'_>) -> Option<Slip> {
    if m.expected == [Rule::kw_else] {
        let help = "as a value, an `if` needs what holds otherwise: `if c { a } else { b }`";
        return Some(Slip::new("this `if` has no `else`", "expected `else` behind this", help));
    }
    if m.found.is_none() {
        return number_at_the_end(m);
    }
    let at = Around::new(m)?;
    [
        foreign_mark,
        loop_bound,
        missing_comma,
        colon,
        equals,
        number,
        reserved_word,
        comma,
        several_in_parentheses,
        module_of_a_layer,
        chain_of_layers,
        rule_without_place,
        arm_alone,
        sum_of_arms,
        layer_among_arms,
        foreign_statement,
    ]
    .iter()
    .find_map(|slip| slip(m, &at))
}

/// The token that does not fit, and its neighbours.
struct Around<'t> {
    found: &'t Token,
    word: &'t str,
    before: Option<&'t Token>,
    word_before: &'t str,
    word_before_that: &'t str,
    word_after: &'t str,
}

impl<'t> Around<'t> {
    fn new(m: &'t Mismatch<'t>) -> Option<Self> {
        let i = m.found?;
        let place = m.place;
        Some(Around {
            found: &place.tokens[i],
            word: place.word(Some(i)),
            before: i.checked_sub(1).filter(|b| place.chunk.contains(b)).map(|b| &place.tokens[b]),
            word_before: place.word(i.checked_sub(1)),
            word_before_that: place.word(i.checked_sub(2)),
            word_after: place.word(Some(i + 1)),
        })
    }

    fn range(&self) -> Range<usize> {
        self.found.start..self.found.end
    }

    fn starts_operand(&self) -> bool {
        match self.found.kind {
            TokenKind::Word | TokenKind::Number | TokenKind::Str => true,
            TokenKind::OpenStr | TokenKind::Open(_) | TokenKind::Close(_) => false,
            TokenKind::Mark => self.word == "-",
        }
    }
}

/// Marks of other languages, with what is written here instead.
const FOREIGN_MARKS: &[(&str, &str)] = &[
    ("&&", "and"),
    ("||", "or"),
    ("!", "not"),
    ("**", "^"),
    (":=", "="),
    ("#", "//"),
    ("'", "\""),
    ("\u{201c}", "\""),
    ("\u{201d}", "\""),
    ("\u{2212}", "-"),
    ("\u{d7}", "*"),
    ("\u{2026}", ".."),
    ("\u{2264}", "<="),
    ("\u{2265}", ">="),
    ("\u{2260}", "!="),
];

fn foreign_mark(_: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    if let Some((mark, ours)) = FOREIGN_MARKS.iter().find(|(mark, _)| *mark == at.word) {
        let slip = Slip::new(
            format!("`{mark}` is not a mark of the language"),
            "unknown mark",
            format!("the language writes `{ours}`"),
        );
        // Marks that go in pairs, and those that would comment out what follows, are left to the reader.
        let mechanical = !matches!(*ours, "\"" | "//");
        return Some(if mechanical { slip.fix(at.range(), *ours) } else { slip });
    }
    if matches!(at.word, "+=" | "-=") {
        let help = "values never change; give the new value a name of its own with `let`";
        return Some(Slip::new(format!("`{}` is not a mark of the language", at.word), "unknown mark", help));
    }
    let stranger = at.word.chars().next().filter(|c| !c.is_ascii())?;
    let help = "names are of the letters a to z, digits and `_`; other characters may stand in comments and strings";
    Some(Slip::new(format!("`{stranger}` is not a character of the language"), "unknown character", help))
}

fn loop_bound(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let wants_up_to = m.expected.contains(&Rule::up_to);
    match at.word {
        ".." if wants_up_to => {
            let help = "`0..<n` counts 0, 1, …, n - 1; `..` is an interval of real numbers";
            Some(Slip::new("a loop counts with `..<`", "expected `..<`", help).fix(at.range(), "..<"))
        }
        "{" if wants_up_to => one_bound(m),
        "..<" => {
            let help = "`lo..hi` is an interval of real numbers; `..<` counts in a `for`";
            Some(Slip::new("an interval is written with `..`", "expected `..`", help).fix(at.range(), ".."))
        }
        _ => None,
    }
}

/// `for i in n` and `for i in range(n)`.
fn one_bound(m: &Mismatch<'_>) -> Option<Slip> {
    let brace = m.found?;
    let start = (m.place.chunk.start..brace).rfind(|i| m.place.word(Some(*i)) == "for")?;
    let bound = m.place.tokens.get(start + 3)?.start..m.place.tokens[brace - 1].end;
    let written = m.place.text.get(bound.clone())?;
    let called = written.strip_prefix("range(").and_then(|rest| rest.strip_suffix(')'));
    let ends = match called.unwrap_or(written).split_once(',') {
        Some((lo, hi)) => format!("{}..<{}", lo.trim(), hi.trim()),
        None => format!("0..<{}", called.unwrap_or(written)),
    };
    let slip = Slip::new("a loop needs both its ends", "expected `..<` before this", format!("write `{ends}`"));
    Some(slip.fix(bound, ends))
}

/// `f(a b: 2)` and `[1 2]`: two values of a list without a comma between them.
fn missing_comma(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let before = at.before.filter(|b| b.ends_operand())?;
    let in_list = matches!(m.bracket, Some(Bracket::Round | Bracket::Square)) && m.expected.contains(&Rule::comma);
    // A name and then a value is rather a `:` that is missing.
    let parted = at.word_after == ":" || m.bracket == Some(Bracket::Square) || before.kind != TokenKind::Word;
    let starts = at.starts_operand() && at.found.kind != TokenKind::Mark;
    (in_list && parted && starts).then(|| {
        let help = format!("write `{}, {}`", at.word_before, at.word);
        Slip::new("`,` is missing between two values", "expected `,` before this", help)
            .fix(before.end..before.end, ",")
    })
}

/// `stride 2` or `stride = 2` for `stride: 2`, in arguments, parameters and options.
fn colon(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let before = at.before.filter(|b| b.kind == TokenKind::Word)?;
    let begins = matches!(at.word_before_that, "(" | "," | "{" | ";");
    let named = m.bracket == Some(Bracket::Round) && begins || m.place.word(Some(m.place.chunk.start)) == "train";
    if !named || !m.expected.contains(&Rule::colon) {
        return None;
    }
    let name = at.word_before;
    if at.word == "=" {
        let help = format!("write `{name}: {}`", at.word_after);
        let slip = Slip::new(format!("`=` does not give `{name}` its value here"), "expected `:`", help);
        let space = if m.place.text[at.found.end..].starts_with(char::is_whitespace) { ":" } else { ": " };
        return Some(slip.fix(before.end..at.found.end, space));
    }
    if !at.starts_operand() {
        return None;
    }
    let help = format!("write `{name}: {}`", at.word);
    Some(
        Slip::new(format!("`:` is missing behind `{name}`"), "expected `:` before this", help)
            .fix(before.end..before.end, ":"),
    )
}

fn equals(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    if at.word == "==" && m.expected.contains(&Rule::equals) {
        let help = "`=` names a value, `==` compares two";
        return Some(Slip::new("`==` compares", "expected `=`", help).fix(at.range(), "="));
    }
    // `n = 2` as a statement: the parser stops at the name or behind it.
    let name = match at.word {
        "=" if m.bracket == Some(Bracket::Curly) && m.statement + 1 == m.found? => Some(at.word_before),
        word if at.word_after == "=" && at.found.kind == TokenKind::Word && m.statement == m.found? => Some(word),
        _ => None,
    };
    if let Some(name) = name {
        let help = format!("a named value is written `let {name} = …`");
        let start = m.place.tokens[m.statement].start;
        let slip = Slip::new("a value is given without `let`", "not expected here", help);
        return Some(slip.fix(start..start, "let "));
    }
    (at.word == "=" && m.expected.contains(&Rule::infix)).then(|| {
        let help = "`==` compares two values, `=` names one";
        Slip::new("`=` does not compare", "expected an operator", help).fix(at.range(), "==")
    })
}

/// `5.` as the last of an item.
fn number_at_the_end(m: &Mismatch<'_>) -> Option<Slip> {
    let last = m.place.chunk.end - 1;
    let digits = m.place.word(last.checked_sub(1));
    (m.place.word(Some(last)) == "." && digits.starts_with(|c: char| c.is_ascii_digit())).then(|| {
        let at = m.place.tokens[last].end;
        Slip::new("a number ends with a digit", "expected a digit behind this", format!("write `{digits}.0`"))
            .fix(at..at, "0")
    })
}

fn number(_: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let digit = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    if at.word == "." && digit(at.word_after) {
        let help = format!("write `0.{}`", at.word_after);
        return Some(
            Slip::new("a number begins with a digit", "expected a digit before this", help)
                .fix(at.found.start..at.found.start, "0"),
        );
    }
    if at.word_before == "." && digit(at.word_before_that) {
        let help = format!("write `{}.0`", at.word_before_that);
        let end = at.before?.end;
        return Some(Slip::new("a number ends with a digit", "expected a digit before this", help).fix(end..end, "0"));
    }
    (at.found.kind == TokenKind::Number && at.word.contains(|c: char| c.is_ascii_alphabetic() || c == '_')).then(|| {
        let help = "numbers are written `16`, `1_000`, `0.5` or `1e-4`; names begin with a letter";
        Slip::new(format!("{} is neither a number nor a name", quoted(at.word)), "not a number", help)
    })
}

fn reserved_word(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    if at.word == "else" {
        let help =
            "`else` stands directly behind the `}` of an `if`: `if c { … } else { … }`; as a value, an `if` needs it";
        return Some(Slip::new("this `else` belongs to no `if`", "not expected here", help));
    }
    let wants_name = m.expected.iter().any(|r| matches!(r, Rule::name | Rule::definition | Rule::param | Rule::call));
    (wants_name && matches!(at.word, "if" | "true" | "false" | "and" | "or" | "not")).then(|| {
        let help = "take another name; `if`, `else`, `true`, `false`, `and`, `or` and `not` are words of the language";
        Slip::new(format!("`{}` cannot be a name", at.word), "expected a name", help)
    })
}

fn comma(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let statements =
        m.expected.iter().any(|r| matches!(r, Rule::stmt | Rule::arm_stmt | Rule::rule_stmt | Rule::model_stmt));
    (at.word == "," && statements).then(|| {
        let help = "statements are parted by `;` or by the end of the line";
        Slip::new("`,` does not part statements", "expected `;`", help).fix(at.range(), ";")
    })
}

/// `(0, 1)` for an interval or a list.
fn several_in_parentheses(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let one = m.bracket == Some(Bracket::Round) && m.expected.contains(&Rule::close_paren);
    (one && at.word == "," && !m.expected.contains(&Rule::comma)).then(|| {
        let help = "an interval is written `-1..1`, a list `[0, 1]`; sizes of kernels and strides are single numbers";
        Slip::new("parentheses hold one value", "not expected here", help)
    })
}

/// `nn.Conv2d(…)` for a layer's name alone.
fn module_of_a_layer(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let before = at.before.filter(|b| b.kind == TokenKind::Word && m.expected.contains(&Rule::stmt))?;
    (at.word == ".").then(|| {
        let help = format!("write the name alone, without `{}.`", at.word_before);
        Slip::new("layers and blocks are called by their names alone", "not expected here", help)
            .fix(before.start..at.found.end, "")
    })
}

/// `conv3x3(16) -> bn` and `conv3x3(16).relu()`.
fn chain_of_layers(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    (matches!(at.word, "." | "->") && m.expected.contains(&Rule::stmt)).then(|| {
        let help = "what follows takes what came before it: write `;`";
        Slip::new(format!("`{}` does not part statements", at.word), "expected `;`", help).fix(at.range(), ";")
    })
}

/// `shakedrop on residuals` in a model.
fn rule_without_place(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    (at.word_after == "on" && m.expected.contains(&Rule::model_stmt)).then(|| {
        let help = format!("write `place {} on …`", at.word);
        Slip::new("a rule stands here without `place`", "expected `place` before this", help)
            .fix(at.found.start..at.found.start, "place ")
    })
}

/// An arm among statements: the brace of its residual is missing.
fn arm_alone(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    let form = match at.word_before {
        "branch" | "shortcut" => "residual { branch { … } }",
        "path" => "concat { path { … } path { … } }",
        _ => return None,
    };
    (at.word == "{" && m.expected.contains(&Rule::stmt)).then(|| {
        let help = format!("write `{form}`; is a `{{` missing?");
        Slip::new(format!("this `{}` stands in no residual or concat", at.word_before), "not expected here", help)
    })
}

/// `residual { branch { … } + x }`
fn sum_of_arms(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    (at.word == "+" && m.expected.contains(&Rule::arm_stmt)).then(|| {
        let help =
            "leave it out: branches and shortcut are summed, and without a `shortcut` the input is added as it is";
        Slip::new("the arms of a residual are summed without a mark", "not expected here", help)
    })
}

fn layer_among_arms(m: &Mismatch<'_>, at: &Around<'_>) -> Option<Slip> {
    if !m.expected.contains(&Rule::arm_stmt) || at.found.kind != TokenKind::Word {
        return None;
    }
    let outer = m.around.last().map(|i| m.place.word(Some(*i)));
    let arm = if outer == Some("concat") { "path" } else { "branch" };
    let help = format!("put layers into an arm: `{arm} {{ {}; … }}`", at.word);
    Some(Slip { message: None, label: "not an arm", help, fix: None })
}

/// Words of other languages, with what is written here instead.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    ("elif", "the language writes `else if`"),
    ("elsif", "the language writes `else if`"),
    ("elseif", "the language writes `else if`"),
    ("while", "loops count: `for i in 0..<n { … }`"),
    ("loop", "loops count: `for i in 0..<n { … }`"),
    ("def", "a function is written `fn`, layers with a name `block`"),
    ("function", "a function is written `fn half(x: real) -> real = x / 2`"),
    ("func", "a function is written `fn half(x: real) -> real = x / 2`"),
    ("class", "layers with a name are a `block`, a whole network is a `family` or a `model`"),
    ("struct", "layers with a name are a `block`, a whole network is a `family` or a `model`"),
    ("import", "names come in with `use std.resnet.{resnet_cifar}` or `use \"blocks.sd\".{stem}`"),
    ("from", "names come in with `use std.resnet.{resnet_cifar}` or `use \"blocks.sd\".{stem}`"),
    ("include", "names come in with `use \"blocks.sd\".{stem}`"),
    ("var", "a named value is written `let name = value`"),
    ("return", "a function is its value, `fn f(x: real) -> real = x / 2`; layers apply in the order of the text"),
    ("layer", "layers with a name are a `block`"),
    ("rule", "a stochastic rule is a `regularizer`"),
    ("network", "a whole network is a `family` or a `model`, and stands in a model behind `net`"),
];

/// The help for a word that other languages begin a statement with.
pub fn foreign_word(word: &str) -> Option<&'static str> {
    FOREIGN_WORDS.iter().find(|(foreign, _)| *foreign == word).map(|(_, help)| *help)
}

fn foreign_statement(m: &Mismatch<'_>, _: &Around<'_>) -> Option<Slip> {
    let first = m.place.word(Some(m.statement));
    let help = match foreign_word(first) {
        None if first == "use" && m.bracket.is_some() => {
            "`use` stands at the top of a file; a rule is placed by `place rule(p: 0.5) on residuals`"
        }
        Some(help) => help,
        None if super::ITEM_WORDS.contains(&first)
            && m.bracket.is_some()
            && first != "const"
            && m.found == Some(m.statement) =>
        {
            forms::ITEMS
        }
        None => return None,
    };
    Some(Slip { message: None, label: "not expected here", help: help.to_owned(), fix: None })
}
