//! Programs that would take for ever, or overflow the stack, were they not refused by a rule. Each runs on a stack of
//! 1 MiB and is answered at once.

use std::fmt::Write as _;
use std::time::Duration;

use sdc::diag::MAX_SHOWN;
use sdc::source::NoFiles;

use crate::fuzz::said_well;
use crate::program::check;
use crate::support::on_small_stack;

/// How much of a processor's time an answer may take: what the program promises, and what that becomes where debug
/// assertions are on. What is not refused by a rule takes minutes.
const AT_ONCE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 200 });

/// The codes that a program is refused with, after it is seen that each has a way out, and is shown with its line.
fn codes(text: String) -> Vec<&'static str> {
    let begin: String = text.lines().next_back().unwrap_or_default().chars().take(60).collect();
    let (outcome, time) = on_small_stack(|| check(&text, &NoFiles));
    println!("{time:>12.1?} {begin}");
    assert!(time < AT_ONCE, "{time:?} for {begin}");
    said_well(&outcome).expect("every mistake has a place and a way out");
    let shown = outcome.rendered();
    for problem in outcome.problems.sorted().into_iter().take(MAX_SHOWN) {
        let line = format!("program.sd:{}:", outcome.sources.line_column(problem.span()).0);
        assert!(shown.contains(&line), "{line} of {problem:?} in\n{shown}");
    }
    outcome.codes()
}

fn in_model(net: &str) -> String {
    format!("model M {{ input image[3, 8, 8]; net {{ {net} }} }}")
}

/// `line` for each number below `n`, with `@` for the number and `#` for the one before.
fn lines(n: usize, line: &str) -> String {
    let mut text = String::new();
    for i in 1..n {
        let _ = writeln!(text, "{}", line.replace('@', &i.to_string()).replace('#', &(i - 1).to_string()));
    }
    text
}

#[test]
fn loops_without_end() {
    assert_eq!(codes(in_model("for i in 0..<1_000_000_000 { relu }")), ["SD0305"]);
    assert_eq!(codes(in_model("for i in 0..<1_000_000_000 { }")), ["SD0304"]);
    assert_eq!(codes(in_model("for i in 0..<100_000 { for j in 0..<100_000 { if false { bn } } }")), ["SD0304"]);
    let presets = in_model("for i in 0..<200_000 { default bn(eps: 0.1) }; for i in 0..<9_000 { conv1x1(3) }");
    assert_eq!(codes(presets), [] as [&str; 0]);
}

#[test]
fn calls_without_end() {
    let fact = "fn f(n: int) -> int = if n == 0 { 1 } else { f(n - 1) }\n";
    assert_eq!(codes(fact.to_owned() + &in_model("conv1x1(f(1_000_000))")), ["SD0102"]);
    let fib = "fn f(n: int) -> int = if n < 2 { n } else { f(n - 1) + f(n - 2) }\n";
    assert_eq!(codes(fib.to_owned() + &in_model("conv1x1(f(40))")), ["SD0304"]);
    let block = "block b { residual { branch { concat { path { scale { b } } } } } }\n";
    assert_eq!(codes(block.to_owned() + &in_model("b")), ["SD0102"]);
    let default = "block b(x: block = b) { x }\n";
    assert_eq!(codes(default.to_owned() + &in_model("b")), ["SD0102"]);
    let twice = "block b(n: int) { if n > 0 { b(n - 1); b(n - 1) } }\n";
    assert_eq!(codes(twice.to_owned() + &in_model("b(40)")), ["SD0304"]);
}

#[test]
fn chains_of_definitions() {
    let forward = "const c0 = 1\n".to_owned() + &lines(20_000, "const c@ = c# + 1");
    assert_eq!(codes(forward), [] as [&str; 0]);
    let backward = "const c20000 = 1\n".to_owned() + &lines(20_000, "const c# = c@ + 1");
    assert_eq!(codes(backward).first(), Some(&"SD0102"));
    let nested = lines(60, &format!("const c# = {}c@{}", "(1 + ".repeat(60), ")".repeat(60)));
    assert_eq!(codes(nested + "const c59 = 1").first(), Some(&"SD0102"));
    let functions = lines(1_000, "fn f#() = f@()") + "fn f999() = 1";
    assert_eq!(codes(functions).first(), Some(&"SD0102"));
}

#[test]
fn values_that_double() {
    let lists = "let a0 = [1]; ".to_owned() + &lines(300, "let a@ = [a#, a#]");
    assert_eq!(codes(in_model(&(lists + "bn"))).first(), Some(&"SD0102"));
    let blocks = "block w(a: block, b: block) { a }\nblock e { bn }\nconst b0 = e\n".to_owned()
        + &lines(400, "const b@ = w(a: b#, b: b#, ..)");
    let used = blocks + "fn same(a: block, b: block) = a == b\n" + &in_model("if same(b399, b398) { relu }; bn");
    assert_eq!(codes(used), ["SD0102"]);
    let rule =
        format!("regularizer r {{ let u0 = uniform(0..1)\n{} forward = u60 }}\n", lines(61, "let u@ = u# * u# + u#"));
    let placed = "model M { input image[3, 8, 8]; net { residual { branch { bn } } }; place r on residuals }";
    assert_eq!(codes(rule + placed), ["SD0406"]);
    let power = "regularizer r { forward = uniform(0..1) ^ 1_000_000_000 }\n";
    assert_eq!(codes(power.to_owned() + placed), ["SD0406"]);
}

#[test]
fn long_texts() {
    let unknown = format!("block b {{ {} }}", lines(20_000, "nothing@(#)"));
    assert_eq!(codes(unknown).len(), 19_999);
    let lets = format!("block b {{ let a0 = 1\n{} }}", lines(30_000, "let a@ = a#"));
    assert_eq!(codes(lets), [] as [&str; 0]);
    let name = "n".repeat(100_000);
    let path = in_model(&format!("stage {name} {{ for i in 0..<9_000 {{ relu }} }}"));
    assert_eq!(codes(path), ["SD0306"]);
    let models = lines(2_000, "model M@ { input image[3, 8, 8]; net { for i in 0..<500_000 { } } }");
    assert_eq!(codes(models), ["SD0304"]);
    let places = format!(
        "model M {{ input image[3, 8, 8]; net {{ for i in 0..<2_000 {{ residual {{ branch {{ bn }} }} }} }}\n{} }}",
        lines(5_000, "place r on nowhere[@].*")
    );
    let found = codes("regularizer r { forward = 1 }\n".to_owned() + &places);
    assert!(found.contains(&"SD0402") || found.contains(&"SD0304"), "{:?}", found.first());
    let params: Vec<String> = (0..2_000).map(|i| format!("p{i}: int = 1")).collect();
    let many = format!("block b({}) {{ bn }}\nblock c {{ {} }}", params.join(", "), lines(20_000, "b"));
    assert_eq!(codes(many), ["SD0103"]);
}

#[test]
fn deep_networks_keep_to_the_stack() {
    let open = "residual { branch { ".repeat(30);
    let close = "} }".repeat(30);
    assert_eq!(codes(in_model(&format!("{open} bn {close}"))), [] as [&str; 0]);
    let sums = format!("conv1x1({}1{})", "(1 + ".repeat(60), ")".repeat(60));
    assert_eq!(codes(in_model(&sums)), [] as [&str; 0]);
}
