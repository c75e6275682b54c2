//! Changes between programs: what stays where a program changes in one place, and what `sdc diff` says.

use std::collections::BTreeSet;

use sdc::driver;
use sdc::graph::Graph;
use sdc::net::{Diff, Network, Recipe};
use sdc::source::NoFiles;

use super::program::build_with;

/// Residuals with one branch and with two, a concat and a gate, rules with `l` and `L` at all kinds of places. BLOCKS
/// stand in the first stage, EXTRA in the second branch of `two`.
const PROGRAM: &str = "use std.regularizers.{shakedrop, linear_decay, dropout, shake_shake, random_drop}
block one(w: int) { residual { branch { bn; conv3x3(w); bn; relu; conv3x3(w); bn } } }
block two(w: int) {
    residual {
        branch { conv3x3(w); bn }
        branch { relu; conv3x3(w); EXTRA; dropout(p: 1 - l / (2 * L)); conv3x3(w); bn }
        shortcut { conv1x1(w); bn }
    }
    relu
}
block wide(w: int) {
    concat { path { conv1x1(4) } path { conv3x3(w - 4); bn } }
    scale { global_avg_pool; linear(4); relu; linear(w); sigmoid }
}
model M {
    input image[3, 8, 8]
    net {
        stage stem { conv3x3(8); bn }
        stage a { BLOCKS }
        stage m { two(8); wide(8); two(8) }
        stage z { one(8) }
        stage head { bn; relu; global_avg_pool; linear(10) }
    }
    place shakedrop(p: linear_decay(l, L), level: pixel) on **.one
    place shake_shake on **.two
    place random_drop(p: linear_decay(l, L)) on **.two
}
train M { data synthetic(channels: 3, height: 8, width: 8); optimizer sgd { lr: 0.1 }; epochs 1; batch 4 }";

fn built(blocks: &str, extra: &str) -> (Network, Recipe) {
    let text = PROGRAM.replace("BLOCKS", blocks).replace("EXTRA", extra);
    let outcome = build_with(&text, &NoFiles, None, &[]);
    assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
    let built = outcome.built.expect("no errors, so it is built");
    (built.network, built.recipe.expect("the program trains"))
}

/// The names of the lines of `old` that `new` does not have.
fn gone(old: &Graph, new: &Graph) -> Vec<String> {
    let (old, new) = (old.to_string(), new.to_string());
    let kept: BTreeSet<_> = new.lines().collect();
    let name = |line: &str| line.split(": ").next().expect("a line has a name").to_owned();
    old.lines().filter(|line| !kept.contains(line)).map(name).collect()
}

/// The lines of every graph of `old` that are not in those of `new`.
fn gone_from_graphs(old: &(Network, Recipe), new: &(Network, Recipe)) -> Vec<String> {
    let graphs = |of: &(Network, Recipe)| driver::graphs(&of.0, Some(&of.1));
    let (old, new) = (graphs(old), graphs(new));
    let both = |graphs: driver::Graphs| (graphs.train.expect("there is a recipe"), graphs.test);
    let ((old_train, old_test), (new_train, new_test)) = (both(old), both(new));
    let mut all = gone(&old_train, &new_train);
    all.extend(gone(&old_test, &new_test));
    all
}

/// Weights, sites, draws and lines of the network of `old` are all in `new`.
fn nothing_is_renamed(old: &Network, new: &Network) {
    let weights = |n: &Network| n.parameters().iter().map(|p| p.path.to_string()).collect::<BTreeSet<_>>();
    assert!(weights(old).is_subset(&weights(new)));
    let draws = |n: &Network| {
        let sites = n.sites().into_iter().flat_map(|site| {
            let levels = site.rule.draws.iter().map(|draw| draw.level).enumerate();
            levels.map(|(i, level)| (site.path.to_string(), i, level)).collect::<Vec<_>>()
        });
        sites.collect::<BTreeSet<_>>()
    };
    assert!(!draws(old).is_empty() && draws(old).is_subset(&draws(new)));
    let (old, new) = (old.to_string(), new.to_string());
    let mut lines = new.lines();
    let lost = old.lines().find(|line| !lines.any(|l| l == *line));
    assert_eq!(lost, None, "a line of the old network, in its place\n{new}");
}

#[test]
fn an_appended_block_leaves_every_line_unchanged() {
    let old = built("one(8); two(8); one(8)", "");
    for block in ["one(8)", "two(8)", "wide(8)", "conv3x3(8); bn", "stage inner { two(8) }"] {
        let new = built(&format!("one(8); two(8); one(8); {block}"), "");
        nothing_is_renamed(&old.0, &new.0);
        // How many adjoints are summed follows from how many read the value: that alone belongs to the appended block.
        let gone = gone_from_graphs(&old, &new);
        assert!(gone.iter().all(|name| name.starts_with("d/a.one[1]/sum")), "{block}: {gone:?}");
    }
}

#[test]
fn an_inserted_layer_leaves_the_lines_of_other_arms_unchanged() {
    let old = built("one(8); two(8)", "");
    for layer in ["silu", "max_pool(3, stride: 1, pad: 1)", "conv1x1(8) as extra", "wide(8)", "shift(1, 0)"] {
        let new = built("one(8); two(8)", layer);
        nothing_is_renamed(&old.0, &new.0);
        let gone = gone_from_graphs(&old, &new);
        assert!(!gone.is_empty() && gone.iter().all(|name| name.contains(".branch[1].")), "{layer}: {gone:?}");
    }
}

fn diff(a: &(Network, Recipe), b: &(Network, Recipe)) -> Diff {
    Diff::between((&a.0, Some(&a.1)), (&b.0, Some(&b.1)))
}

#[test]
fn equal_programs_do_not_differ() {
    let (a, b) = (built("one(8)", ""), built("for i in 0..<1 { one(4 * 2) }", ""));
    assert!(diff(&a, &b).is_empty());
    let weights = diff(&a, &b).weights;
    assert_eq!((weights.kept, weights.numbers), (a.0.parameters().len(), a.0.counts().parameters));
}

#[test]
fn an_appended_block_is_one_entry() {
    let (a, b) = (built("one(8); one(8)", ""), built("one(8); one(8); one(8)", ""));
    let diff = diff(&a, &b);
    let layers: Vec<_> =
        diff.layers.iter().map(|e| (e.path.as_str(), e.count, e.before.is_some(), e.after.is_some())).collect();
    assert_eq!(layers, [("a.one[2]", 1, false, true)]);
    // bn 16, conv 576, bn 16, conv 576, bn 16.
    let text = diff.layers[0].after.as_deref().expect("it is new");
    assert_eq!(text, "6 layers, 1200 parameters, 73728 multiply-adds");
    assert_eq!((diff.weights.gone, diff.weights.reshaped), (0, 0));
    assert_eq!(diff.weights.new, 14, "two weights and three times four numbers of a bn");
    let row = diff.totals.iter().find(|row| row.name == "residuals").expect("there is one more");
    assert_eq!((row.before.as_deref(), row.after.as_deref()), (Some("5"), Some("6")));
    // Each p_l moves with L, under the same call: one entry for the two residuals of the stage.
    let moved = diff.sites.iter().find(|e| e.path.contains("one") && e.before.is_some()).expect("p_l moves");
    assert_eq!((moved.path.as_str(), moved.count, &moved.before), ("a.one[*]", 2, &moved.after));
    let [first, last] = moved.p.expect("p_l moves");
    let p = |l: f64, n: f64| 1.0 - l / n * 0.5;
    for ((before, after), l) in [(first, 1.0), (last, 2.0)] {
        assert!((before - p(l, 5.0)).abs() < 1e-12 && (after - p(l, 6.0)).abs() < 1e-12);
    }
    assert!(!diff.sites.iter().any(|e| e.path == "z.one[0]"), "the last residual has P");
}

#[test]
fn changes_that_say_the_same_are_folded() {
    let old = built("one(8); one(8)", "");
    let (from, to) = ("{ bn; conv3x3(w); bn; relu;", "{ bn; conv(5, w); bn; relu;");
    let text = PROGRAM.replace("BLOCKS", "one(8); one(8)").replace("EXTRA", "");
    assert!(text.contains(from));
    let outcome = build_with(&text.replace(from, to), &NoFiles, None, &["train.epochs=3"]);
    let new = outcome.built.map(|built| (built.network, built.recipe.expect("the program trains")));
    let diff = diff(&old, &new.expect("it builds"));
    let paths: Vec<&str> = diff.layers.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["a.one[*].branch[0].conv[0]", "z.one[0].branch[0].conv[0]"]);
    let entry = &diff.layers[0];
    assert_eq!(entry.count, 2);
    assert_eq!(entry.before.as_deref(), Some("conv3x3(8): 8 x 8 x 8 -> 8 x 8 x 8, 576 parameters"));
    assert_eq!(entry.after.as_deref(), Some("conv(5, 8): 8 x 8 x 8 -> 8 x 8 x 8, 1600 parameters"));
    assert!(diff.sites.is_empty());
    assert_eq!((diff.weights.reshaped, diff.weights.gone, diff.weights.new), (3, 0, 0));
    assert_eq!(diff.recipe.len(), 1);
    assert_eq!(diff.recipe[0].name, "train.epochs");
}
