//! The parser: golden trees, golden mistakes, limits.

use std::time::Duration;

use sdc::diag::{Problems, codes};
use sdc::source::Sources;
use sdc::syntax;

use crate::support::{check_golden, check_marks, check_problems, on_small_stack, parse, rendered};

#[test]
fn trees() {
    insta::glob!("../golden/ast", "*.sd", |path| {
        check_golden(path, |text| {
            let parsed = parse(text);
            assert!(parsed.problems.is_empty(), "{}", rendered(&parsed));
            parsed.file.to_string()
        });
    });
}

#[test]
fn mistakes() {
    insta::glob!("../golden/syntax", "*.sd", |path| {
        check_golden(path, |text| {
            let parsed = parse(text);
            check_marks(text, &parsed);
            check_problems(&parsed);
            format!("{}\n{}", parsed.file, rendered(&parsed))
        });
    });
}

#[test]
fn every_fix_leaves_one_problem_less() {
    insta::glob!("../golden/syntax", "*.sd", |path| {
        let text = std::fs::read_to_string(path).expect("the golden input can be read");
        let parsed = parse(&text);
        let all = parsed.problems.sorted();
        for fix in all.iter().filter_map(|p| p.fix.as_ref()) {
            let mut mended = text.clone();
            mended.replace_range(fix.span.range(), &fix.text);
            let left = parse(&mended);
            let (before, after) = (all.len(), left.problems.sorted().len());
            assert!(after < before, "{fix:?} mends nothing:\n{}", rendered(&left));
        }
    });
}

#[test]
fn comments_are_kept_with_their_places() {
    let text = "// one\nfn f = 1 // two\n/// three\nfn g = \"// none\" // ünd\r\n";
    let parsed = parse(text);
    let comments: Vec<_> = parsed.file.comments.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(comments, ["// one", "// two", "/// three", "// ünd"]);
    for comment in &parsed.file.comments {
        assert_eq!(parsed.sources.text(comment.span), comment.text);
    }
    let docs: Vec<_> = parsed.file.items.iter().map(|i| i.doc.join("\n")).collect();
    assert_eq!(docs, ["", "three"]);
}

#[test]
fn places_of_items_are_exact() {
    let text = "\u{feff}/// doc\nconst a = 1 ; const b = (2 + 3) // c\nblock c { relu }\n";
    let parsed = parse(text);
    let items: Vec<_> = parsed.file.items.iter().map(|i| parsed.sources.text(i.span)).collect();
    assert_eq!(items, ["const a = 1", "const b = (2 + 3)", "block c { relu }"]);
}

fn expr(text: &str) -> Result<String, String> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let id = sources.add("--set", text);
    let expr = syntax::parse_expr(id, text, &mut problems);
    assert_eq!(expr.is_none() || problems.has_errors(), problems.has_errors());
    match expr {
        Some(expr) if problems.is_empty() => Ok(expr.to_string()),
        _ => Err(problems.sorted().iter().map(|p| format!("{} {}", p.code, p.message)).collect::<Vec<_>>().join("; ")),
    }
}

#[test]
fn an_expression_alone() {
    assert_eq!(expr(" 1 + 2*3 "), Ok("(1 + (2 * 3))".into()));
    assert_eq!(expr("[150, 225]"), Ok("[150, 225]".into()));
    assert_eq!(expr("-1..1"), Ok("((-1)..1)".into()));
    assert_eq!(expr("block"), Ok("block".into()));
    assert_eq!(expr(""), Err("SD0101 there is no value".into()));
    assert_eq!(expr("// only a comment"), Err("SD0101 there is no value".into()));
    assert_eq!(expr("1 2"), Err("SD0101 expected the end, found `2`".into()));
    assert_eq!(expr("(1"), Err("SD0101 `(` is never closed".into()));
    assert_eq!(expr("\"x"), Err("SD0101 this string has no end".into()));
    assert_eq!(expr("9223372036854775808"), Err("SD0104 this whole number is too large".into()));
    assert_eq!(expr("1e999"), Err("SD0104 this number is too large".into()));
}

#[test]
fn precedence() {
    for (text, tree) in [
        ("a or b and c", "(a or (b and c))"),
        ("not a == b", "(not (a == b))"),
        ("not a and b", "((not a) and b)"),
        ("-x ^ 2", "(-(x ^ 2))"),
        ("2 ^ 3 ^ 4", "(2 ^ (3 ^ 4))"),
        ("2 ^ -1 * 3", "((2 ^ (-1)) * 3)"),
        ("a - b - c", "((a - b) - c)"),
        ("a - -b", "(a - (-b))"),
        ("a / b * c % d", "(((a / b) * c) % d)"),
        ("a + b < c * d", "((a + b) < (c * d))"),
        ("x[0].y[1] ^ 2", "(x[0].y[1] ^ 2)"),
        ("if a { b } else { c } + 1", "((if a { b } else { c }) + 1)"),
    ] {
        assert_eq!(expr(text), Ok(tree.into()));
    }
    assert_eq!(expr("a < b < c"), Err("SD0101 comparisons do not form chains".into()));
    assert_eq!(expr("(a < b) == c"), Ok("((a < b) == c)".into()));
}

/// Texts made to exhaust something, with whether the language takes them.
fn bombs() -> Vec<(&'static str, String, bool)> {
    let nest = |open: &str, n: usize, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    let constant = |value: String| format!("const a = 1\nconst x = {value}\n");
    let block = |body: String| format!("const a = 1\nblock b {{\n{body}\n}}\n");
    let mib = 1 << 20;
    vec![
        ("2,000 minus signs", constant("-".repeat(2000) + "1"), false),
        ("2,000 nots", constant("not ".repeat(2000) + "a"), false),
        ("100,000 ifs", constant("if ".repeat(100_000)), false),
        ("parentheses", constant(nest("(", 10_000, "1", ")")), false),
        ("brackets", constant(nest("[", 10_000, "", "]")), false),
        ("calls", constant(nest("f(", 10_000, "1", ")")), false),
        ("indices", constant("a".to_owned() + &"[0]".repeat(10_000)), false),
        ("fields", constant("a".to_owned() + &".b".repeat(10_000)), false),
        ("powers", constant("2".to_owned() + &" ^ 2".repeat(10_000)), false),
        ("a sum of 100,000", constant("1".to_owned() + &" + 1".repeat(100_000)), false),
        ("ands", constant("a".to_owned() + &" and a".repeat(100_000)), false),
        ("a sum behind brackets", constant(nest("(", 100, "1", ")") + &" + 1".repeat(100)), false),
        ("ifs as values", constant(nest("if a { ", 10_000, "1", " } else { 1 }")), false),
        ("else-ifs as values", constant("if a { 1 } else ".repeat(10_000) + "{ 1 }"), false),
        ("braces", block(nest("{", 10_000, "", "}")), false),
        ("ifs", block(nest("if a {", 10_000, "", "}")), false),
        ("else-ifs", block("if a { } else ".repeat(10_000) + "{ }"), false),
        ("loops", block(nest("for i in 0..<9 {", 10_000, "", "}")), false),
        ("residuals", block(nest("residual { branch {", 10_000, "", "} }")), false),
        ("types", format!("const a = 1\nblock b(x: {}) {{ }}", nest("[", 10_000, "int", "]")), false),
        ("options", format!("const a = 1\ntrain t {{ {} }}", nest("a {", 10_000, "", "}")), false),
        ("unclosed parentheses", "(".repeat(mib), false),
        ("unclosed braces behind an item", "block b ".to_owned() + &"{".repeat(mib - 100), false),
        ("closing brackets", ")".repeat(mib), false),
        ("brackets that do not match", "([{".repeat(mib / 6) + &")]}".repeat(mib / 6), false),
        ("closing brackets of another kind", "(".repeat(mib / 2) + &"]".repeat(mib / 2), false),
        ("quotes", "\"".repeat(mib - 1), false),
        ("an endless string", "const a = \"".to_owned() + &"x".repeat(mib - 100), false),
        ("backslashes", "const a = \"".to_owned() + &"\\".repeat(mib - 100), false),
        ("a long name", "x".repeat(mib), false),
        ("a long word of no item", "blok".to_owned() + &"k".repeat(mib - 10), false),
        ("a long number", constant("9".repeat(mib - 100)), false),
        ("a long fraction", constant("0.".to_owned() + &"9".repeat(mib - 100)), true),
        ("broken items", "x { } ".repeat(mib / 6), false),
        ("broken lines", "block b {\n".repeat(mib / 10), false),
        ("broken words on one line", "{".to_owned() + &"fn f ".repeat(mib / 5 - 10), false),
        ("stars of wide characters", "★".repeat(mib / 3), false),
        ("more than 1 MiB", "/".repeat(mib + 1), false),
        ("one byte too many, in a wide character", "a".repeat(mib - 1) + "é", false),
        ("1 MiB of comment", "/".repeat(mib), true),
        ("1 MiB of blanks", " ".repeat(mib), true),
        ("127 brackets", constant(nest("(", 127, "1", ")")), true),
        ("126 calls", constant(nest("f(", 126, "1", ")")), true),
        ("128 terms", constant("1".to_owned() + &" + 1".repeat(127)), true),
        ("60 else-ifs with conditions", block("if a + 1 == 2 { relu } else ".repeat(60) + "{ bn }"), true),
        ("120 ifs", block(nest("if a {", 120, "", "}")), true),
        ("60 residuals", block(nest("residual { branch {", 60, "relu", "} }")), true),
    ]
}

#[test]
fn bombs_are_refused_in_a_blink() {
    for (name, text, accepted) in bombs() {
        let (parsed, time) = on_small_stack(|| {
            let parsed = parse(&text);
            // Walks over the tree are as safe as parsing: printing, cloning, dropping.
            std::hint::black_box(parsed.file.to_string());
            drop(parsed.file.clone());
            parsed
        });
        assert!(time < Duration::from_millis(200), "{name} takes {time:?}");
        assert_eq!(
            !parsed.problems.has_errors(),
            accepted,
            "{name}: {}",
            parsed.problems.sorted().first().map_or("", |p| &p.message)
        );
        check_problems(&parsed);
        // The item before the bomb stays usable.
        if text.starts_with("const a = 1\n") {
            assert!(!parsed.file.items.is_empty(), "{name}");
        }
    }
}

#[test]
fn too_deep_is_told_as_such() {
    for value in ["-".repeat(2000) + "1", "(".repeat(10_000), "1".to_owned() + &" + 1".repeat(1000)] {
        let parsed = parse(&format!("const a = {value}"));
        let codes: Vec<_> = parsed.problems.sorted().iter().map(|p| p.code).collect();
        assert_eq!(codes, [codes::TOO_DEEP]);
    }
}

#[test]
fn a_whole_mebibyte_of_program_parses_in_linear_time() {
    let unit = "block b(width: int, stride: int = 1) { residual { branch { bn; conv3x3(width, stride: stride) } } }\n";
    let time = |bytes: usize| {
        let text = unit.repeat(bytes / unit.len());
        let (parsed, time) = on_small_stack(|| parse(&text));
        assert!(parsed.problems.is_empty());
        time
    };
    let (quarter, whole) = (time(1 << 18), time(1 << 20));
    assert!(whole < 12 * quarter + Duration::from_millis(100), "{quarter:?} for a quarter, {whole:?} for the whole");
}
