//! Texts: bytes and tokens of programs edited at random, alone and many times in a row.

use sdc::diag::Problems;
use sdc::source::{NoFiles, SourceId};
use sdc::syntax;

use super::{Choices, judge_all, rounds, said_well, stored};
use crate::mutate::tokens;
use crate::program::check;
use crate::support::{check_problems, parse};

/// What a byte edit puts in.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\\",
    "//",
    "///",
    "..",
    "..<",
    ".",
    ",",
    ";",
    ":",
    "=",
    "==",
    "->",
    "-",
    "not ",
    "if ",
    "else ",
    "for ",
    "in ",
    "let ",
    "block ",
    "fn ",
    "use ",
    "train ",
    "residual ",
    "stage ",
    "place ",
    "as ",
    "except ",
    "\n",
    "1e",
    "0",
    "é",
    "\u{0}",
];

/// Values that sit at the edge of something.
const EDGES: &[&str] = &[
    "0",
    "-1",
    "1e308",
    "1e-320",
    "9223372036854775807",
    "2147483649",
    "0.5",
    "[]",
    "[[1]]",
    "\"\"",
    "true",
    "-1..1",
    "l",
    "L",
    "in.channels",
    "batch",
    "forward",
    "bernoulli(0.5)",
    "uniform(0..1)",
    "div(1, 0)",
    "len([])",
    "pad",
    "..",
];

/// A few bytes at one place of the text become others.
fn edit_bytes(text: &mut String, choices: &mut Choices) {
    let boundary = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    let at = boundary(text, choices.below(text.len() + 1));
    let end = boundary(text, (at + choices.below(12)).min(text.len()));
    let piece = match choices.below(4) {
        0 => String::new(),
        1 => text[at..end].repeat(2),
        2 => choices.one(PIECES).to_owned(),
        _ => choices.one(PIECES).repeat(1 + choices.below(200)),
    };
    text.replace_range(at..end, &piece);
}

/// One token becomes others, so that most texts still parse.
fn edit_tokens(text: &mut String, programs: &[String], choices: &mut Choices) {
    let own = tokens(text, 0..text.len());
    if own.is_empty() {
        return;
    }
    let at = own[choices.below(own.len())].clone();
    let with = match choices.below(5) {
        0 => String::new(),
        1 => choices.one(EDGES).to_owned(),
        2 => text[own[choices.below(own.len())].clone()].to_owned(),
        3 => {
            let other = &programs[choices.below(programs.len())];
            let tokens = tokens(other, 0..other.len());
            if tokens.is_empty() {
                return;
            }
            let from = choices.below(tokens.len());
            let to = (from + choices.below(12)).min(tokens.len() - 1);
            other[tokens[from].start..tokens[to].end].to_owned()
        }
        _ => format!("{0} {0}", &text[at.clone()]),
    };
    text.replace_range(at, &with);
}

fn picked(programs: &[String], choices: &mut Choices) -> String {
    programs[choices.below(programs.len())].clone()
}

/// A thousand files: those that are stored, then the same with bytes edited.
fn corpus() -> Vec<String> {
    let (mut all, mut choices) = (stored(), Choices::of("fuzz.corpus"));
    let stored = all.len();
    while all.len() < 1_000 {
        let mut text = all[choices.below(stored)].clone();
        for _ in 0..1 + choices.below(3) {
            edit_bytes(&mut text, &mut choices);
        }
        all.push(text);
    }
    all
}

fn checks(text: &str) -> Result<(), String> {
    said_well(&check(text, &NoFiles))
}

#[test]
fn a_corpus_of_a_thousand_files_is_answered() {
    let mut corpus = corpus().into_iter();
    judge_all(1_000, move || corpus.next().expect("a thousand"), checks);
}

#[test]
fn parsing_takes_any_bytes() {
    let (programs, mut choices) = (stored(), Choices::of("fuzz.parse"));
    let next = move || {
        let mut text = picked(&programs, &mut choices);
        for _ in 0..1 + choices.below(3) {
            edit_bytes(&mut text, &mut choices);
        }
        text
    };
    judge_all(rounds(1_500), next, |text| {
        let parsed = parse(text);
        check_problems(&parsed);
        // What was read can be printed, and its places can be shown.
        assert!(parsed.file.items.is_empty() || !parsed.file.to_string().is_empty());
        for item in &parsed.file.items {
            assert!(!parsed.sources.text(item.span).is_empty());
        }
        let _ = syntax::parse_expr(SourceId(0), text, &mut Problems::default());
        Ok(())
    });
}

#[test]
fn checking_takes_any_tokens() {
    let (programs, mut choices) = (stored(), Choices::of("fuzz.check"));
    let next = move || {
        let mut text = picked(&programs, &mut choices);
        for _ in 0..1 + choices.below(4) {
            edit_tokens(&mut text, &programs, &mut choices);
        }
        text
    };
    judge_all(rounds(400), next, checks);
}

/// One text, edited on and on as in an editor: slips, what the compiler proposes, slips again.
#[test]
fn a_text_may_be_edited_for_ever() {
    let (programs, mut choices) = (stored(), Choices::of("fuzz.edits"));
    let mut text = String::new();
    let next = move || {
        if choices.once_in(50) || text.len() > 20_000 || text.is_empty() {
            text = picked(&programs, &mut choices);
        }
        match choices.below(3) {
            0 => edit_bytes(&mut text, &mut choices),
            1 => edit_tokens(&mut text, &programs, &mut choices),
            _ => {
                let outcome = check(&text, &NoFiles);
                let fixes: Vec<_> = outcome.problems.sorted().into_iter().filter_map(|p| p.fix.clone()).collect();
                if !fixes.is_empty() {
                    let fix = &fixes[choices.below(fixes.len())];
                    text.replace_range(fix.span.range(), &fix.text);
                }
            }
        }
        text.clone()
    };
    judge_all(rounds(300), next, checks);
}
