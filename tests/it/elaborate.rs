//! What programs build: nets, paths, rules at their sites, recipes, values from the command line.

use std::collections::BTreeSet;

use sdc::net::recipe::{Augment, DataSet, Exempt, Fill, Schedule, UpdateRule};
use sdc::net::rule::Distribution;
use sdc::net::{Factor, Level, Network, Recipe};
use sdc::source::DiskLoader;

use crate::program::{Files, build, build_with, check, parameters};

/// The model in braces, with what stands before it.
fn model(before: &str, body: &str) -> Network {
    build(&format!("{before}\nmodel M {{ {body} }}")).network()
}

/// The paths of all parameters.
fn weights(network: &Network) -> BTreeSet<String> {
    network.parameters().iter().map(|p| p.path.to_string()).collect()
}

/// The paths of all sites.
fn sites(network: &Network) -> Vec<String> {
    network.sites().iter().map(|s| s.path.to_string()).collect()
}

#[test]
fn nets() {
    insta::glob!("../golden/nets", "*.sd", |path: &Path| {
        let text = std::fs::read_to_string(path).expect("the glob found it");
        let outcome = build_with(&text, &Files(&[]), Some(&last_model(&text)), &[]);
        assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
        let network = outcome.built.expect("no errors").network;
        network.verify().expect("what is built keeps the invariants");
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden/nets/snapshots", omit_expression => true }, {
            insta::assert_snapshot!(network);
        });
    });
}

/// The name of the last model of a text.
fn last_model(text: &str) -> String {
    let start = text.rfind("model ").expect("a golden net has a model") + "model ".len();
    text[start..].split([' ', '(']).next().expect("a split has a first part").to_owned()
}

#[test]
fn networks_that_std_does_not_have_can_be_written() {
    for (file, count) in [("densenet_bc_100", 769_162), ("se_resnext50", 27_559_896)] {
        let text = std::fs::read_to_string(format!("examples/{file}.sd")).expect("the example stands there");
        let network = build(&text).network();
        network.verify().expect("what is built keeps the invariants");
        assert_eq!(parameters(&network), count, "{file}");
    }
}

#[test]
fn paths_are_those_of_the_language_page() {
    let network = model(
        "use std.pyramidnet.{pyramidnet}",
        "input image[3, 32, 32]; net pyramidnet(depth: 32, alpha: 48, classes: 10)",
    );
    assert!(weights(&network).contains("group[1].block[4].branch[0].conv[1].weight"));
}

#[test]
fn appending_a_block_renames_nothing() {
    let net = |n: usize| {
        let body = "stage a { for i in 0..<N { b(8) } } stage z { b(8); conv1x1(4) }".replace('N', &n.to_string());
        let block = "block b(w: int) { residual { branch { conv3x3(w); bn; relu; conv3x3(w); bn } } }";
        model(block, &format!("input image[8, 8, 8]; net {{ {body} }}"))
    };
    let (short, long) = (weights(&net(2)), weights(&net(3)));
    assert!(short.is_subset(&long));
    assert!(long.difference(&short).all(|path| path.starts_with("a.b[2].")));
}

#[test]
fn inserting_a_layer_renames_only_later_ones_of_its_kind_in_its_own_arm() {
    let net = |first: &str| {
        let block = format!(
            "block b(w: int) {{ bn; residual {{ branch {{ {first} conv3x3(w); bn }} branch {{ conv3x3(w); bn }} }} }}"
        );
        model(&block, "input image[8, 8, 8]; net { b(8); b(8) }")
    };
    let before = weights(&net(""));
    let inserted = weights(&net("bn;"));
    assert!(before.is_subset(&inserted), "one more bn counts up the bn after it and nothing else");
    let pinned = weights(&net("conv1x1(8) as extra;"));
    assert!(before.is_subset(&pinned), "a layer with a name of its own is not counted");
    assert!(pinned.contains("b[1].branch[0].extra.weight"));
}

const SHAKEN: &str = "use std.pyramidnet.{pyramidnet}\nuse std.regularizers.{shakedrop, linear_decay}";

#[test]
fn shakedrop_has_the_numbers_of_the_paper() {
    let text = "input image[3, 32, 32]; net pyramidnet(110, 270, 100); place shakedrop(alpha: ALPHA) on residuals";
    let network = model(SHAKEN, &text.replace("ALPHA", "-1..1"));
    let sites = network.sites();
    let p = |i: usize| match sites[i].rule.draws[0].distribution {
        Distribution::Bernoulli { p } => p,
        Distribution::Uniform { .. } => unreachable!("the first draw is the gate"),
    };
    assert_eq!((sites.len(), network.residuals), (54, 54));
    assert!((p(0) - 0.990741).abs() < 1e-6 && p(53) == 0.5);
    assert!(((0..54).map(p).sum::<f64>() - 40.25).abs() < 1e-9);
    for (i, site) in sites.iter().enumerate() {
        assert_eq!(site.l, Some(i + 1));
        assert!((site.rule.test[0] - p(i)).abs() < 1e-12, "alpha is symmetric");
    }
    let positive = model(SHAKEN, &text.replace("ALPHA", "0..1"));
    for (i, site) in positive.sites().iter().enumerate() {
        assert!((site.rule.test[0] - (p(i) + (1.0 - p(i)) / 2.0)).abs() < 1e-12);
    }
}

#[test]
fn draws_are_numbered_in_the_order_of_the_text() {
    let network =
        model(SHAKEN, "input image[3, 8, 8]; net pyramidnet(8, 8, 10); place shakedrop(level: pixel) on residuals");
    let rule = &network.sites()[0].rule;
    let levels: Vec<(Level, bool)> = rule.draws.iter().map(|d| (d.level, d.named)).collect();
    assert_eq!(levels, [(Level::Batch, true), (Level::Pixel, false), (Level::Pixel, false)]);
    let factor = |draw| {
        let rest = Factor::Sub(Factor::Const(1.0).into(), Factor::Draw(0).into());
        Factor::Add(Factor::Draw(0).into(), Factor::Mul(rest.into(), Factor::Draw(draw).into()).into())
    };
    assert_eq!((&rule.forward, &rule.backward), (&vec![factor(1)], &vec![factor(2)]), "one gate, a fresh beta");
}

#[test]
fn backward_is_forward_where_nothing_is_said() {
    let rule = "regularizer r(p: prob) { forward = bernoulli(p) / p }";
    let network = model(rule, "input image[3, 8, 8]; net { residual { branch { bn } } }; place r(0.5) on residuals");
    let rule = &network.sites()[0].rule;
    assert_eq!(rule.draws.len(), 1);
    assert_eq!(rule.forward, rule.backward);
    assert_eq!(rule.test, [1.0]);
}

#[test]
fn rules_of_the_user_have_their_mean() {
    let rule = "regularizer r(p: prob) { let b = bernoulli(p); forward = b * uniform(0..2) ^ 2; backward = b }\n\
                regularizer t { forward = max(uniform(-1..1), 0); backward = 1; test = 0.25 }";
    let network = model(
        rule,
        "input image[3, 8, 8]; net { residual { branch { bn } }; residual { branch { bn } } }; \
         place r(p: 0.25 * l) on residuals where l == 1; place t on residuals where l > 1",
    );
    let tests: Vec<f64> = network.sites().iter().map(|s| s.rule.test[0]).collect();
    assert!((tests[0] - 0.25 * 4.0 / 3.0).abs() < 1e-12, "{tests:?}");
    assert_eq!(tests[1], 0.25);
}

#[test]
fn sites_stand_where_the_papers_put_them() {
    let before = "use std.regularizers.{random_drop, shake_shake}\n\
                  block one { residual { branch { bn } } }\n\
                  block two { residual { branch { bn } branch { bn } } }";
    let sites_of = |net: &str, place: &str| {
        sites(&model(before, &format!("input image[3, 8, 8]; net {{ {net} }}; place {place}")))
    };
    assert_eq!(sites_of("two", "random_drop(p: 0.5) on residuals"), ["two[0]"], "Type A");
    let type_b = sites_of("two", "random_drop(p: 0.5) on residuals at branch");
    assert_eq!(type_b, ["two[0].branch[0]", "two[0].branch[1]"]);
    assert_eq!(sites_of("one", "random_drop(p: 0.5) on residuals at branch"), ["one[0]"], "one branch, one site");
    assert_eq!(sites_of("two", "shake_shake on residuals"), ["two[0].branch"]);
    let both = sites_of("two", "shake_shake on residuals; place random_drop(p: 0.5) on residuals at sum");
    assert_eq!(both, ["two[0].branch", "two[0]"]);
}

#[test]
fn an_outer_residual_counts_before_those_inside_it() {
    let network = model(
        "",
        "input image[3, 8, 8]; net { residual { branch { residual { branch { bn } } } }; residual { branch { bn } } }",
    );
    let by_l: Vec<String> = network.residuals().iter().map(|r| r.path.to_string()).collect();
    assert_eq!(by_l, ["residual[0]", "residual[0].branch[0].residual[0]", "residual[1]"]);
}

#[test]
fn rules_as_layers_know_the_residual_they_stand_in() {
    let network = model(
        "use std.regularizers.{shakedrop, dropout}",
        "input image[3, 8, 8]; net { dropout(p: 0.75); for i in 0..<4 { residual { branch { bn; shakedrop } } } }",
    );
    let sites = network.sites();
    assert_eq!(sites.iter().map(|s| s.l).collect::<Vec<_>>(), [None, Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(sites[0].rule.test, [1.0]);
    assert_eq!(sites[4].rule.test, [0.5], "p = 1 - 4/4 (1 - 0.5), and alpha is symmetric");
    assert_eq!(sites[4].path.as_str(), "residual[3].branch[0].shakedrop[0]");
}

const DIGITS: &str = "use std.pyramidnet.{pyramidnet}
model M(depth: int = 20) { input image[1, 8, 8]; net pyramidnet(depth: depth, alpha: 24, classes: 10) }
train M {
    data digits { augment { pad_crop(1); hflip }; shuffle: false }
    loss cross_entropy(smoothing: 0.1)
    optimizer sgd { lr: 0.5, momentum: 0.9, nesterov: true, weight_decay: 1e-4 except bn, bias }
    schedule { warmup(epochs: 2); steps(after: [5, 8], factor: 0.1); cosine(per: step) }
    epochs 10
    batch 64
}";

fn recipe(sets: &[&str]) -> Recipe {
    let outcome = build_with(DIGITS, &Files(&[]), None, sets);
    assert!(outcome.problems.is_empty(), "{}", outcome.rendered());
    outcome.built.expect("no problems").recipe.expect("the program trains")
}

#[test]
fn a_recipe_is_what_the_text_says() {
    let recipe = recipe(&[]);
    assert_eq!(recipe.data.set, DataSet::Digits);
    assert_eq!(recipe.data.augment, [Augment::PadCrop { pad: 1, fill: Fill::Zeros }, Augment::Hflip]);
    assert!(!recipe.data.shuffle);
    assert_eq!(recipe.loss.smoothing, 0.1);
    let sgd = &recipe.optimizer;
    assert_eq!((sgd.rule, sgd.lr, sgd.weight_decay), (UpdateRule::Sgd { momentum: 0.9, nesterov: true }, 0.5, 1e-4));
    assert_eq!(sgd.exempt, [Exempt::Norm, Exempt::Bias]);
    assert_eq!(recipe.schedule.len(), 3);
    assert_eq!((recipe.epochs, recipe.batch, recipe.seed), (10, 64, 0));
}

#[test]
fn values_from_the_command_line_are_checked_like_text() {
    let changed = recipe(&["train.epochs=2 * 10", "train.seed=7", "train.optimizer.lr=0.1"]);
    assert_eq!((changed.epochs, changed.seed, changed.optimizer.lr), (20, 7, 0.1));
    let parts = recipe(&["train.schedule.steps.factor=0.2", "train.loss.smoothing=0"]);
    assert_eq!(parts.schedule[1], Schedule::Steps { after: vec![5, 8], factor: 0.2 });
    assert_eq!(parts.loss.smoothing, 0.0);
    assert_eq!(
        recipe(&["train.data.augment.pad_crop.pad=2"]).data.augment[0],
        Augment::PadCrop { pad: 2, fill: Fill::Zeros }
    );
    let deeper = build_with(DIGITS, &Files(&[]), None, &["model.depth=26"]);
    assert_eq!(deeper.network().residuals, 12);
    for (set, code) in [
        ("train.epohcs=5", "SD0501"),
        ("train.epochs=5.5", "SD0203"),
        ("train.epochs=0", "SD0210"),
        ("model.dpeth=20", "SD0501"),
        ("model.depth=\"20\"", "SD0203"),
        ("model.depth=21", "SD0301"),
        ("modle.depth=21", "SD0501"),
        ("train.optimizer.momentun=0.9", "SD0501"),
        ("train.epochs", "SD0101"),
    ] {
        let outcome = build_with(DIGITS, &Files(&[]), None, &[set]);
        assert_eq!(outcome.codes(), [code], "{set}:\n{}", outcome.rendered());
    }
}

/// Positional arguments everywhere, a data set with arguments, no `loss`.
const POSITIONAL: &str = "use std.resnet.{basic, projection, pad}
const n = 3
model M(block: block = basic, level: level = image, range: range = 0..1, name: string = \"a\") {
    input image[3, 8, 8]
    net { conv3x3(4); block(4); block(8); global_avg_pool; linear(4) }
}
train M {
    data synthetic(3, 8, height: 8, classes: 4) { augment { pad_crop(4) } }
    optimizer sgd { lr: 0.5 }
    schedule { steps([5, 8], 0.1); steps([9], 0.5) }
    epochs 10
    batch 64
}";

#[test]
fn any_value_of_train_is_set_by_its_path() {
    let recipe = |sets: &[&str]| {
        let outcome = build_with(&POSITIONAL.replace("3, 8, height: 8", "3, 8, 8"), &Files(&[]), None, sets);
        assert!(outcome.problems.is_empty(), "{sets:?}\n{}", outcome.rendered());
        outcome.built.expect("no problems").recipe.expect("the program trains")
    };
    let steps = |after: &[usize], factor| Schedule::Steps { after: after.to_vec(), factor };
    assert_eq!(recipe(&["train.optimizer.lr=0.1*2"]).optimizer.lr, 0.1 * 2.0);
    assert_eq!(recipe(&["train.epochs=n * 4"]).epochs, 12, "names of the program's own");
    assert_eq!(recipe(&["train.schedule.steps.factor=0.2"]).schedule[0], steps(&[5, 8], 0.2));
    assert_eq!(recipe(&["train.schedule.steps.after=[1, 2]"]).schedule[0], steps(&[1, 2], 0.1));
    assert_eq!(recipe(&["train.schedule.steps[1].factor=1 / 4"]).schedule[1], steps(&[9], 0.25));
    assert_eq!(recipe(&["train.schedule.steps=[3]"]).schedule[0], steps(&[3], 0.1), "a part's first argument");
    assert_eq!(recipe(&["train.schedule.warmup.epochs=2"]).schedule[2], Schedule::Warmup { epochs: 2 });
    assert_eq!(recipe(&["train.schedule.cosine.per=step"]).schedule[2], Schedule::Cosine { per_step: true });
    let augment = |sets: &[&str]| recipe(sets).data.augment;
    assert_eq!(augment(&["train.data.augment.pad_crop=2"]), [Augment::PadCrop { pad: 2, fill: Fill::Zeros }]);
    assert_eq!(augment(&["train.data.augment.pad_crop.pad=2"]), [Augment::PadCrop { pad: 2, fill: Fill::Zeros }]);
    assert_eq!(recipe(&["train.loss.smoothing=0.1"]).loss.smoothing, 0.1, "what the text leaves out");
    assert!(!recipe(&["train.data.shuffle=false"]).data.shuffle);
    let rule = recipe(&["train.optimizer.momentum=0.9", "train.optimizer.momentum=0.8"]).optimizer.rule;
    assert_eq!(rule, UpdateRule::Sgd { momentum: 0.8, nesterov: false });
    let images = |sets: &[&str]| match recipe(sets).data.set {
        DataSet::Synthetic { images, .. } => images,
        other => panic!("{other:?}"),
    };
    assert_eq!(images(&["train.data.images=12"]), 12);
    assert_eq!(images(&["train.data=synthetic(3, 8, 8, 4, images: 24)", "train.data.images=36"]), 36);
}

#[test]
fn any_parameter_of_the_model_is_set_by_its_name() {
    let program = POSITIONAL.replace("3, 8, height: 8", "3, 8, 8");
    let network = |sets: &[&str]| build_with(&program, &Files(&[]), None, sets).network();
    assert!(!weights(&network(&[])).contains("block[1].shortcut.shortcut[0].conv[0].weight"));
    let projected = network(&["model.block=basic(shortcut: projection, ..)", "model.level=pixel", "model.range=-1..1"]);
    assert!(weights(&projected).contains("block[1].shortcut.shortcut[0].conv[0].weight"));
    network(&["model.name=\"b // c\""]);
}

#[test]
fn mistakes_on_the_command_line_stand_in_its_text_and_name_the_nearest_path() {
    for (set, code, words) in [
        ("train.optimizr.lr=0.1", "SD0501", "did you mean `train.optimizer.lr`?"),
        ("train.schedule.stepz.factor=1", "SD0501", "did you mean `train.schedule.steps.factor`?"),
        ("train.data.augment.pad_crp=1", "SD0501", "did you mean `train.data.augment.pad_crop`?"),
        ("train.optimizer.decay=1", "SD0501", "`train.optimizer.weight_decay`"),
        ("model.blok=pad", "SD0501", "did you mean `model.block`?"),
        ("modle.block=pad", "SD0501", "did you mean `model.block`?"),
        ("train=1", "SD0501", "name an option"),
        ("train.schedule=1", "SD0501", "`train.schedule.steps.after`"),
        ("train.schedule.steps.after=5", "SD0203", ""),
        ("train.schedule.steps[7].factor=1", "SD0205", ""),
        ("train.schedule.steps.factor=-1", "SD0210", ""),
        ("train.loss.smoothing=1.5", "SD0210", ""),
        ("train.epochs=1 +", "SD0101", ""),
        ("train.epochs=m", "SD0201", ""),
        ("model.level=pixl", "SD0201", ""),
        ("train.data=digit", "SD0501", "did you mean `digits`?"),
        ("=3", "SD0501", ""),
        ("train..epochs=3", "SD0501", "did you mean `train.epochs`?"),
    ] {
        let program = POSITIONAL.replace("3, 8, height: 8", "3, 8, 8");
        let outcome = build_with(&program, &Files(&[]), None, &[set]);
        let told = outcome.rendered();
        assert_eq!(outcome.codes(), [code], "{set}:\n{told}");
        assert!(told.contains("--set") && told.contains(words), "{set}:\n{told}");
    }
}

#[test]
fn one_of_several_models_is_named() {
    let text = "model A { input image[1, 8, 8]; net { bn } }\nmodel B { net A }";
    assert_eq!(build(text).codes(), ["SD0505"]);
    let named = build_with(text, &Files(&[]), Some("B"), &[]);
    assert_eq!(named.network().name, "B");
    assert_eq!(build_with(text, &Files(&[]), Some("C"), &[]).codes(), ["SD0201"]);
}

#[test]
fn files_beside_the_program_are_used() {
    let files = Files(&[
        ("blocks/stem.sd", "use \"parts.sd\".{head}\nblock stem { conv3x3(8); head(8) }"),
        ("blocks/parts.sd", "block head(width: int) { relu; conv1x1(width) }"),
    ]);
    let text = "use \"blocks/stem.sd\".{stem}\nmodel M { input image[3, 8, 8]; net { stem } }";
    let network = build_with(text, &files, None, &[]).network();
    assert!(weights(&network).contains("stem[0].head[0].conv[0].weight"));
}

#[cfg(unix)]
#[test]
fn files_outside_the_folder_of_the_program_are_never_used() {
    use std::os::unix::fs::symlink;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(home.path().join("program/sub")).expect("writable");
    let stem = "block stem { conv3x3(4) }\n";
    let climbing = "use \"../../outside.sd\".{stem}\nblock own { conv3x3(4) }\n";
    for (name, text) in [
        ("outside.sd", stem),
        ("program/inside.sd", stem),
        ("program/sub/inside.sd", stem),
        ("program/sub/climbing.sd", climbing),
    ] {
        std::fs::write(home.path().join(name), text).expect("writable");
    }
    for (link, to) in [
        ("program/link_inside.sd", "inside.sd"),
        ("program/link_outside.sd", "../outside.sd"),
        ("program/up", ".."),
        ("seen_through_a_link", "program"),
    ] {
        symlink(to, home.path().join(link)).expect("a link can be made");
    }
    let absolute = home.path().join("outside.sd").display().to_string();
    for folder in ["program", "seen_through_a_link"] {
        let files = DiskLoader::new(home.path().join(folder));
        let using = |path: &str, name: &str| {
            check(&format!("use \"{path}\".{{{name}}}\nmodel M {{ input image[3, 8, 8]; net {{ bn }} }}"), &files)
        };
        for path in ["inside.sd", "./inside.sd", "sub/inside.sd", "link_inside.sd"] {
            let outcome = using(path, "stem");
            assert!(outcome.problems.is_empty(), "{path}:\n{}", outcome.rendered());
        }
        for (path, name) in [
            ("../outside.sd", "stem"),
            ("sub/../../outside.sd", "stem"),
            ("link_outside.sd", "stem"),
            ("up/outside.sd", "stem"),
            ("sub/climbing.sd", "own"),
            (absolute.as_str(), "stem"),
        ] {
            let outcome = using(path, name);
            let told: Vec<_> = outcome.problems.sorted().into_iter().map(|p| p.message.as_str()).collect();
            let fits = matches!(told[..], [told] if told.ends_with("leaves the program's own folder"));
            assert!(fits, "{path}:\n{}", outcome.rendered());
        }
    }
}

#[test]
fn defaults_reach_the_blocks_that_a_family_calls_and_end_with_it() {
    let text = "block b { conv3x3(4) }
family f { conv3x3(4); default conv(init: zeros, bias: true); b; conv3x3(4, bias: false) }";
    let network = model(text, "input image[4, 8, 8]; net f");
    let biased: Vec<String> = weights(&network).into_iter().filter(|w| w.ends_with("bias")).collect();
    assert_eq!(biased, ["b[0].conv[0].bias"]);
}

#[test]
fn parameters_may_be_called_as_layers_are() {
    let text = "block inner(relu: int, conv: int = 2) { conv3x3(relu * conv) }
family f(block: block = inner, level: int = 4, shortcut: int = 1) { block(relu: level, conv: shortcut) }";
    assert_eq!(model(text, "input image[4, 8, 8]; net f").output.channels, 4);
}
