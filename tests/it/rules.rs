//! The rules of the standard library, drawn: means and variances against the exact ones, which draws are one and which
//! are two, and the mistakes that other implementations made, each beside a rule that makes it.

use sdc::net::rule::Distribution;
use sdc::net::{Factor, Network, Rule, Shape};
use sdc::num::draw::Stream;

use crate::program::build;

/// A residual network of two branches each under a rule: `uses` before it, `place` in it.
fn placed(uses: &str, branches: usize, place: &str) -> Network {
    let arms = "branch { conv3x3(8); bn } ".repeat(branches);
    let body = format!("input image[8, 8, 8]; net {{ residual {{ {arms}}} }}; place {place} on residuals");
    let outcome = build(&format!("{uses}\nmodel M {{ {body} }}"));
    assert!(!outcome.problems.has_errors(), "{place}:\n{}", outcome.rendered());
    outcome.built.expect("no errors").network
}

fn std_rule(name: &str, branches: usize, args: &str) -> Rule {
    let network = placed(&format!("use std.regularizers.{{{name}}}"), branches, &format!("{name}{args}"));
    network.sites()[0].rule.clone()
}

fn draws() -> usize {
    if std::env::var_os("SDC_SLOW").is_some() { 1 << 20 } else { 1 << 15 }
}

/// The values of a rule's draws in training step `step`, for one element of a batch that `step` chooses too.
fn values(rule: &Rule, step: u32) -> Vec<f64> {
    let shape = Shape::new(8, 8, 8);
    let [n, c, h, w] = [step % 5, step % 8, step / 8 % 8, step / 64 % 8].map(|i| i as usize);
    let value = |(i, draw): (usize, &sdc::net::Draw)| {
        let index = draw.level.index(shape, n, c, h, w);
        f64::from(draw.distribution.sample(Stream::of_rule("residual[0]", i).word(7, step, index)))
    };
    rule.draws.iter().enumerate().map(value).collect()
}

/// What a factor is in each of many steps.
fn sampled(rule: &Rule, factor: &Factor) -> Vec<f64> {
    (0..draws() as u32).map(|step| factor.evaluate(&values(rule, step))).collect()
}

fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = of.len() as f64;
    of.sum::<f64>() / n
}

/// Six standard deviations of a mean of `n` draws of this variance, and the rounding of 32 bits.
fn six_sigma(variance: f64, n: usize) -> f64 {
    6.0 * (variance / n as f64).sqrt() + 1e-6
}

/// The means of both factors against what the compiler derives.
fn means_hold(rule: &Rule, what: &str) {
    let backwards = Rule { forward: rule.backward.clone(), ..rule.clone() };
    for (branch, test) in rule.test.iter().enumerate() {
        for (rule, which) in [(rule, "forward"), (&backwards, "backward")] {
            let exact = rule.mean_forward(branch).expect("std rules have closed forms");
            let variance = rule.variance_forward(branch).expect("std rules have closed forms");
            let found = mean(sampled(rule, &rule.forward[branch]).into_iter());
            assert!((found - exact).abs() < six_sigma(variance, draws()), "{what}, {which}: {found}, exactly {exact}");
            if which == "forward" {
                assert!((test - exact).abs() < 1e-12, "{what}: the test factor is {test}, the mean {exact}");
            }
        }
    }
}

#[test]
fn factors_have_their_derived_means() {
    for level in ["batch", "image", "channel", "pixel"] {
        for p in ["0", "0.25", "0.5", "1"] {
            for args in [format!("(p: {p}, gate: {level})"), format!("(p: {p}, alpha: 0..1, level: {level})")] {
                means_hold(&std_rule("shakedrop", 1, &args), &args);
            }
            let args = format!("(p: {p}, gate: {level})");
            means_hold(&std_rule("random_drop", 1, &args), &args);
            if p != "0" {
                means_hold(&std_rule("drop_path", 1, &args), &args);
                means_hold(&std_rule("dropout", 1, &format!("(p: {p}, level: {level})")), &args);
            }
        }
        let args = format!("(level: {level})");
        means_hold(&std_rule("single_shake", 1, &args), &args);
        for name in ["shake_shake", "shake_even", "shake_keep"] {
            means_hold(&std_rule(name, 2, &args), name);
        }
    }
    means_hold(&std_rule("even_even", 2, ""), "even_even");
}

/// The correlation of two samples.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a.iter().copied()), mean(b.iter().copied()));
    let product = |x: &[f64], mx: f64, y: &[f64], my: f64| mean(x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)));
    product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
}

#[test]
fn draws_of_their_own_are_independent() {
    let gates = ["batch", "image", "channel", "pixel"];
    for (name, branches, args) in [("single_shake", 1, ""), ("shake_shake", 2, "")] {
        let rule = std_rule(name, branches, args);
        let (forward, backward) = (sampled(&rule, &rule.forward[0]), sampled(&rule, &rule.backward[0]));
        let found = correlation(&forward, &backward);
        assert!(found.abs() < 6.0 / (draws() as f64).sqrt(), "{name}: {found}");
    }
    for gate in gates {
        let rule = std_rule("shakedrop", 1, &format!("(p: 0.5, gate: {gate}, level: {gate})"));
        let (kept, shaken) = by_gate(&rule);
        assert!(kept.iter().all(|(f, b)| (*f, *b) == (1.0, 1.0)), "{gate}: one gate decides both factors");
        let (forward, backward): (Vec<f64>, Vec<f64>) = shaken.into_iter().unzip();
        let found = correlation(&forward, &backward);
        assert!(found.abs() < 6.0 / (forward.len() as f64).sqrt(), "{gate}: {found}");
    }
}

#[test]
fn one_draw_is_one_number_for_both_factors() {
    for (name, branches, args) in [
        ("random_drop", 1, "(p: 0.5)"),
        ("drop_path", 1, "(p: 0.5)"),
        ("dropout", 1, "(p: 0.5)"),
        ("shake_keep", 2, ""),
        ("even_even", 2, ""),
    ] {
        let rule = std_rule(name, branches, args);
        for (forward, backward) in rule.forward.iter().zip(&rule.backward) {
            assert_eq!(sampled(&rule, forward), sampled(&rule, backward), "{name}");
        }
    }
    let rule = std_rule("shake_shake", 2, "");
    for branch in [&rule.forward, &rule.backward] {
        let sums = sampled(&rule, &branch[0]).into_iter().zip(sampled(&rule, &branch[1])).map(|(a, b)| a + b);
        assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-6), "the mix is convex");
    }
}

/// What both factors are, step by step.
type Pairs = Vec<(f64, f64)>;

/// The pairs of factors where the first draw, a gate, is 1, and where it is 0.
fn by_gate(rule: &Rule) -> (Pairs, Pairs) {
    let pairs = (0..draws() as u32).map(|step| {
        let values = values(rule, step);
        (values[0] == 1.0, (rule.forward[0].evaluate(&values), rule.backward[0].evaluate(&values)))
    });
    let (kept, shaken): (Vec<_>, Vec<_>) = pairs.partition(|(kept, _)| *kept);
    (kept.into_iter().map(|(_, pair)| pair).collect(), shaken.into_iter().map(|(_, pair)| pair).collect())
}

const SHAKEDROP: &str = "use std.regularizers.{shakedrop}";

/// A regularizer that is called like ShakeDrop and makes a mistake.
fn wrong(equations: &str) -> String {
    let params = "p: prob, alpha: range = -1..1, beta: range = 0..1, level: level = image";
    format!("regularizer shakedrop({params}) {{ {equations} }}")
}

/// Whether `holds` of the rule of the library, and not of the one that makes the mistake.
fn tells_apart(mistake: &str, args: &str, holds: impl Fn(&Rule) -> bool) {
    let rule = |text: &str| placed(text, 1, &format!("shakedrop{args}")).sites()[0].rule.clone();
    assert!(holds(&rule(SHAKEDROP)), "{args}: the library makes the mistake of `{mistake}`");
    assert!(!holds(&rule(&wrong(mistake))), "{args}: nothing shows the mistake of `{mistake}`");
}

#[test]
fn the_test_factor_is_not_p_where_alpha_is_not_symmetric() {
    let mistake = "let b = bernoulli(p); forward = b + (1 - b) * uniform(alpha); backward = b; test = p";
    tells_apart(mistake, "(p: 0.5, alpha: 0..1)", |rule| rule.test == [0.75]);
}

#[test]
fn the_gate_is_not_drawn_again_in_backward() {
    let mistake = "let b = bernoulli(p); let c = bernoulli(p)
        forward = b + (1 - b) * uniform(alpha, per: level); backward = c + (1 - c) * uniform(beta, per: level)";
    tells_apart(mistake, "(p: 0.5)", |rule| by_gate(rule).0.iter().all(|pair| *pair == (1.0, 1.0)));
}

#[test]
fn alpha_is_not_beta() {
    let mistake = "let b = bernoulli(p); let a = uniform(alpha, per: level)
        forward = b + (1 - b) * a; backward = b + (1 - b) * a";
    tells_apart(mistake, "(p: 0.5, beta: -1..1)", |rule| {
        let (forward, backward): (Vec<f64>, Vec<f64>) = by_gate(rule).1.into_iter().unzip();
        correlation(&forward, &backward).abs() < 6.0 / (forward.len() as f64).sqrt()
    });
    let mistake =
        "let b = bernoulli(p); forward = b + (1 - b) * uniform(alpha); backward = b + (1 - b) * uniform(alpha)";
    tells_apart(mistake, "(p: 0.5)", |rule| by_gate(rule).1.iter().all(|(_, b)| (0.0..1.0).contains(b)));
}

#[test]
fn a_kept_branch_is_not_shaken_and_a_shaken_one_not_twice() {
    let mistake =
        "let b = bernoulli(p); let a = uniform(alpha, per: level); forward = b + a + a * (1 - b); backward = b";
    tells_apart(mistake, "(p: 0.5)", |rule| {
        let (kept, shaken) = by_gate(rule);
        kept.iter().all(|(f, _)| *f == 1.0) && shaken.iter().all(|(f, _)| (-1.0..1.0).contains(f))
    });
}

#[test]
fn training_draws_and_test_does_not() {
    let mistake = "forward = p; backward = p";
    tells_apart(mistake, "(p: 0.5)", |rule| {
        let forward = sampled(rule, &rule.forward[0]);
        forward.contains(&1.0) && forward.iter().any(|f| *f < 0.0) && rule.test == [0.5]
    });
}

#[test]
fn a_probability_of_nought_never_keeps_and_of_one_always() {
    let mistake = "let b = bernoulli(0.01 + 0.98 * p); forward = b + (1 - b) * uniform(alpha); backward = b";
    tells_apart(mistake, "(p: 0)", |rule| by_gate(rule).0.is_empty());
    tells_apart(mistake, "(p: 1)", |rule| by_gate(rule).1.is_empty());
}

#[test]
fn gates_are_drawn_anew_in_every_step() {
    let rule = std_rule("shakedrop", 1, "(p: 0.5)");
    let kept = |step: u32| values(&rule, step)[0] == 1.0;
    let kept_in = (0..1_000).filter(|step| kept(*step)).count();
    assert!((405..595).contains(&kept_in), "within six sigma of a half: {kept_in}");
    let frozen = (0..1_000).filter(|_| kept(3)).count();
    assert!(!(405..595).contains(&frozen), "a gate that is replayed is always the same");
}

#[test]
fn l_is_counted_from_one_over_the_whole_model() {
    let kept = |decay: &str| -> Vec<f64> {
        let uses = "use std.pyramidnet.{pyramidnet}\nuse std.regularizers.{random_drop, linear_decay}";
        let body =
            format!("input image[3, 32, 32]; net pyramidnet(110, 48, 10); place random_drop(p: {decay}) on residuals");
        let network = build(&format!("{uses}\nmodel M {{ {body} }}")).network();
        let p = |rule: &Rule| match rule.draws[0].distribution {
            Distribution::Bernoulli { p } => p,
            Distribution::Uniform { .. } => unreachable!("the gate is Bernoulli"),
        };
        network.sites().iter().map(|site| p(&site.rule)).collect()
    };
    // 1 - l/54 (1 - 0.5) at the first, at the first of the second stage, and at the last.
    let holds = |p: &[f64]| {
        let close = |i: usize, exact: f64| (p[i] - exact).abs() < 1e-6;
        close(0, 0.990741) && close(18, 0.824074) && close(53, 0.5) && (p.iter().sum::<f64>() - 40.25).abs() < 1e-9
    };
    assert!(holds(&kept("linear_decay(l, L)")));
    assert!(!holds(&kept("linear_decay((l - 1) % 18 + 1, 18)")), "counted by stage");
    assert!(!holds(&kept("linear_decay(l - 1, L)")), "counted from 0");
}
