//! From a text to a trained network: what the program itself does with real programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use sdc::data::{self, Batch, Pass};
use sdc::device::{Engine, State};
use sdc::driver;
use sdc::elaborate::Built;
use sdc::graph::{Inputs, op};
use sdc::net::recipe::Memory;
use sdc::net::{Recipe, Role};
use sdc::train::initialise;

use super::program::build_with;
use super::support::check_golden;

fn sdc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sdc")).args(args).output().expect("the program starts")
}

fn succeeds(args: &[&str]) -> String {
    let out = sdc(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

fn built(text: &str, sets: &[&str]) -> (sdc::net::Network, Recipe) {
    let outcome = build_with(text, &sdc::source::NoFiles, None, sets);
    assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
    let Built { network, recipe } = outcome.built.expect("no errors, so it is built");
    (network, recipe.expect("the program trains"))
}

/// Whether the long versions run.
fn slow() -> bool {
    std::env::var_os("SDC_SLOW").is_some()
}

const SYNTHETIC: &str = "data synthetic(channels: 3, height: 32, width: 32, classes: 10, images: 64)";

/// The CIFAR example on images that need no files.
fn resnet20() -> String {
    let text = include_str!("../../examples/cifar10_resnet20.sd");
    let synthetic = text.replace("data cifar10 { augment { pad_crop(4); hflip } }", SYNTHETIC);
    assert_ne!(text, synthetic, "the example's data line has another form");
    synthetic
}

/// The norm of the difference over the norm.
fn distance(got: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(wanted).map(|(a, b)| f64::from(*a) - b)) / norm(&mut wanted.iter().copied())
}

/// The largest distance of a gradient of a first training step from the f64 graph's.
fn worst_gradient(text: &str, sets: &[&str]) -> f64 {
    let (network, recipe) = built(text, sets);
    let mut graphs = driver::graphs(&network, Some(&recipe));
    let mut engine = driver::compile(driver::plans(&graphs, recipe.batch), 2);
    initialise(&mut engine, &network, recipe.seed);
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let mut inputs = Inputs { seed: recipe.seed, step: 0, rate: 0.1, ..Inputs::default() };
    for p in network.parameters() {
        inputs.parameters.insert(p.path.clone(), wide(engine.read(&State::Parameter(p.path.clone()))));
        inputs.memories.insert((Memory::Momentum, p.path.clone()), vec![0.0; p.elements() as usize]);
    }
    let data = data::load(&recipe.data, recipe.seed).expect("synthetic images need no file");
    let mut batch = Batch::default();
    Pass::training(&data.train, &recipe.data, recipe.batch, recipe.seed, 1)
        .fill(0, &mut batch)
        .expect("images in memory");
    (inputs.images, inputs.targets) = (wide(batch.images.clone()), wide(batch.targets.clone()));
    let loss = engine.train_step(&batch.images, &batch.targets, inputs.seed, inputs.step, 0.1);
    let outputs = graphs.train.as_mut().expect("the program trains").run(&inputs);
    assert!(distance(&[loss], &outputs[&op::Output::Loss]) < 1e-5);
    let weights = network.parameters().into_iter().filter(|p| p.role != Role::State);
    let of = |path| distance(&engine.gradient(&path), &outputs[&op::Output::Gradient(path.clone())]);
    weights.map(|p| of(p.path)).fold(0.0, f64::max)
}

#[test]
fn a_step_of_resnet_20_agrees_with_the_f64_graph() {
    // One relu whose input is a rounding error from zero passes a gradient or not: one such pixel of a million moves
    // all gradients before it by some thousandths. Of a few batches at least one has none.
    let batches = ["train.seed=0", "train.seed=1", "train.seed=2", "train.seed=3"];
    let worst = batches.map(|seed| worst_gradient(&resnet20(), &["train.batch=3", seed]));
    assert!(worst.iter().all(|error| *error < 3e-2), "{worst:?}");
    assert!(worst.iter().any(|error| *error < 1e-4), "{worst:?}");
}

/// How many threads must give the same bits.
const THREADS: [usize; 6] = [1, 2, 3, 5, 8, 16];

/// A hash of the losses and of all states after some steps of a program: weights, momenta, running statistics. An epoch
/// ends among them, with a partial batch.
fn fingerprint(text: &str, sets: &[&str], threads: usize, steps: u32) -> u64 {
    let (network, recipe) = built(text, sets);
    let mut engine = driver::compile(driver::plans(&driver::graphs(&network, Some(&recipe)), recipe.batch), threads);
    initialise(&mut engine, &network, recipe.seed);
    let data = data::load(&recipe.data, recipe.seed).expect("synthetic images need no file");
    let batches = data.train.len().div_ceil(recipe.batch) as u32;
    assert!(steps >= batches && !data.train.len().is_multiple_of(recipe.batch), "no partial batch in {steps} steps");
    let mut batch = Batch::default();
    let mut bytes = Vec::new();
    for step in 0..steps {
        let pass = Pass::training(&data.train, &recipe.data, recipe.batch, recipe.seed, step / batches + 1);
        pass.fill((step % batches) as usize, &mut batch).expect("images in memory");
        let loss = engine.train_step(&batch.images, &batch.targets, recipe.seed, step, 0.05);
        assert!(loss.is_finite());
        bytes.extend(loss.to_le_bytes());
    }
    for p in network.parameters() {
        let momentum = (p.role != Role::State).then(|| State::Memory(Memory::Momentum, p.path.clone()));
        for state in [State::Parameter(p.path)].into_iter().chain(momentum) {
            bytes.extend(engine.read(&state).into_iter().flat_map(f32::to_le_bytes));
        }
    }
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[test]
fn resnet_20_has_one_hash_for_any_number_of_threads() {
    let steps = if slow() { 50 } else { 4 };
    // Three batches an epoch.
    let text = resnet20().replace("images: 64", "images: 32");
    let hash = |threads| (threads, fingerprint(&text, &["train.batch=12"], threads, steps));
    let hashes: BTreeMap<usize, u64> = THREADS.map(hash).into();
    assert!(hashes.values().all(|h| *h == hashes[&1]), "{hashes:x?}");
}

#[test]
fn every_network_of_the_benches_has_one_hash_for_any_number_of_threads() {
    if !slow() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/networks");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the networks are there").map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a program");
        let name = text.split("model ").nth(1).and_then(|rest| rest.split([' ', '(']).next()).expect("a model");
        let classes = if text.contains("classes: 100") { 100 } else { 10 };
        let text = format!(
            "{text}\ntrain {name} {{\n data synthetic(channels: 3, height: 32, width: 32, classes: {classes}, images: 12)\n \
             loss cross_entropy\n optimizer sgd {{ lr: 0.01, momentum: 0.9 }}\n epochs 1\n batch 5\n seed 1\n}}\n"
        );
        let hash = |threads| (threads, fingerprint(&text, &[], threads, 3));
        let hashes: BTreeMap<usize, u64> = THREADS.map(hash).into();
        assert!(hashes.values().all(|h| *h == hashes[&1]), "{}: {hashes:x?}", file.display());
    }
}

/// A rule that the standard library does not have, in a program of its own.
const OWN_RULE: &str = r#"
use std.resnet.{resnet_cifar}

/// The gate doubles what it keeps, on the average.
regularizer loud(p: prob) {
    let b = bernoulli(p, per: image)
    forward  = b * uniform(0..2)
    backward = b
}

model M {
    input image[3, 12, 12]
    net resnet_cifar(depth: 8, classes: 4, relu_after_sum: false)
    place loud(p: 1 - l / (2 * L)) on residuals
}

train M {
    data synthetic(channels: 3, height: 12, width: 12, classes: 4, images: 240)
    loss cross_entropy
    optimizer sgd { lr: 0.05, momentum: 0.9 }
    epochs 4
    batch 32
    seed 3
}
"#;

#[test]
fn a_rule_of_the_users_own_trains_and_its_test_factor_is_right() {
    let (network, _) = built(OWN_RULE, &[]);
    let factors: Vec<f64> = network.sites().iter().map(|site| site.rule.test[0]).collect();
    // E[b u] = p 1, with p = 1 - l / 6.
    let wanted = [5.0 / 6.0, 4.0 / 6.0, 3.0 / 6.0];
    assert!(factors.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-15), "{factors:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let (program, run) = (folder.path().join("own.sd"), folder.path().join("run"));
    std::fs::write(&program, OWN_RULE).expect("the program is written");
    let out = succeeds(&["train", path(&program), "--out", path(&run)]);
    assert_eq!(out.lines().filter(|line| line.starts_with("epoch")).count(), 4, "{out}");
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).expect("the metrics are there");
    let losses: Vec<f64> =
        metrics.lines().skip(1).map(|row| row.split(',').nth(3).unwrap_or("").parse().expect("a loss")).collect();
    assert!(losses[3] < 0.8 * losses[0], "{losses:?}");
    let scored: serde_json::Value =
        serde_json::from_str(&succeeds(&["eval", path(&run), "--json"])).expect("eval prints JSON");
    let accuracy = scored["accuracy"].as_f64().expect("an accuracy");
    let last = metrics.lines().last().and_then(|row| row.split(',').nth(5)).expect("a row");
    assert_eq!(accuracy.to_string(), last, "eval finds what training found");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the folder's name is text")
}

#[test]
fn a_run_is_the_same_for_any_number_of_threads_down_to_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("own.sd");
    std::fs::write(&program, OWN_RULE).expect("the program is written");
    let run = |threads: &str| {
        let run = folder.path().join(threads);
        succeeds(&["train", path(&program), "--set", "train.epochs=1", "--threads", threads, "--out", path(&run)]);
        ["metrics.csv", "checkpoints/best.safetensors"].map(|f| std::fs::read(run.join(f)).expect("the file is there"))
    };
    assert_eq!(run("1"), run("3"));
}

#[test]
fn first_weights_can_be_written_and_started_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("own.sd");
    std::fs::write(&program, OWN_RULE).expect("the program is written");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    succeeds(&["train", path(&program), "--steps", "0", "--seed", "11", "--out", path(&first)]);
    let weights = first.join("checkpoints/step-0.safetensors");
    succeeds(&["train", path(&program), "--steps", "0", "--weights", path(&weights), "--out", path(&second)]);
    let tensors = |run: &Path| {
        let bytes = std::fs::read(run.join("checkpoints/step-0.safetensors")).expect("the file is there");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let mut all: Vec<_> = tensors.tensors().into_iter().map(|(n, t)| (n, t.data().to_vec())).collect();
        all.sort();
        all
    };
    assert_eq!(tensors(&first), tensors(&second), "the weights come from the file, not from the seed");
    let again = sdc(&["train", path(&program), "--steps", "0", "--out", path(&second)]);
    assert_eq!(again.status.code(), Some(1), "a run never writes into another's folder");
}

#[test]
fn a_run_keeps_the_files_that_its_program_uses_and_never_over_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (head, rest) = OWN_RULE.split_once("model M").expect("the program has a model");
    let train = |file: &str| {
        let rule = folder.path().join(file);
        std::fs::create_dir_all(rule.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(rule, head).expect("the rule is written");
        let program = folder.path().join("main.sd");
        let text = format!("use \"{file}\".{{loud}}\nuse std.resnet.{{resnet_cifar}}\n\nmodel M{rest}");
        std::fs::write(&program, text).expect("the program is written");
        let run = folder.path().join(format!("run-{}", file.replace('/', "-")));
        (sdc(&["train", path(&program), "--steps", "0", "--out", path(&run)]), run)
    };
    for name in ["rules.sd", "sub/rules.sd", "std/rules.sd", "--rules.sd"] {
        let (out, run) = train(name);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        succeeds(&["eval", path(&run), "--json"]);
    }
    for name in ["program.sd", "run.json", "metrics.csv"] {
        let (out, run) = train(name);
        let words = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{name}: {words}");
        assert!(words.contains(name) && words.contains("rename"), "{words}");
        assert!(!run.exists(), "nothing is left behind");
    }
}

#[test]
fn a_summary_counts_and_names_its_sites() {
    let json: serde_json::Value =
        serde_json::from_str(&succeeds(&["summary", "examples/digits.sd", "--json"])).expect("summary prints JSON");
    assert_eq!(json["sites"].as_array().map(Vec::len), Some(9));
    assert_eq!(json["sites"][8]["path"], "group[2].pyramid_basic[2]");
    assert_eq!((&json["sites"][8]["l"], &json["sites"][8]["p"]), (&9.into(), &0.5.into()));
    assert_eq!(json["sites"][8]["test_factor"], 0.5, "alpha is symmetric, so E[forward] is p");
    let layers = json["layers"].as_array().expect("a list");
    let sum: u64 = layers.iter().filter_map(|l| l["parameters"].as_u64()).sum();
    assert_eq!(json["parameters"].as_u64(), Some(sum));
    assert!(json["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
}

#[test]
fn a_summary_shows_one_part_in_full() {
    let at = |path: &str| succeeds(&["summary", "examples/digits.sd", "--at", path]);
    let site = at("group[2].pyramid_basic[2]");
    for line in [
        "residual, l = 9 of 9",
        "p             linear_decay(l, L) = 1 - 9 / 9 * (1 - 0.5) = 0.5",
        "gate          batch  (default, std/regularizers.sd:",
        "forward       b0 + (1 - b0) * u1",
        "E[forward]    0.5\n",
        // p + (1 - p) / 2 and p + (1 - p) / 3 - E^2.
        "E[backward]   0.75\n",
        "Var[backward] 0.10416666666666667",
        "not computed  never",
    ] {
        assert!(site.contains(line), "{line} in\n{site}");
    }
    let layer = at("stem.conv[0]");
    for line in
        ["conv3x3(16)", "in            1 x 8 x 8", "144", "16 x 1 x 3 x 3, starts as he_normal_out", "digits.sd:8"]
    {
        assert!(layer.contains(line), "{line} in\n{layer}");
    }
    let wrong = sdc(&["summary", "examples/digits.sd", "--at", "group[2].piramid_basic[2]"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `group[2].pyramid_basic[2]`?"));
}

#[test]
fn a_summary_puts_the_layers_of_a_gate_below_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("gate.sd");
    let text = "model M { input image[4, 8, 8]; net { scale { global_avg_pool; linear(4); sigmoid } } }";
    std::fs::write(&program, text).expect("the program is written");
    let summary = succeeds(&["summary", path(&program)]);
    let names: Vec<&str> = summary.lines().skip(3).take(4).map(|l| l.split_whitespace().next().unwrap_or("")).collect();
    assert_eq!(names, ["scale[0]", "global_avg_pool[0]", "linear[0]", "sigmoid[0]"], "{summary}");
}

/// Two residuals of equal work, and as much work outside them.
const GATED: &str = "use std.regularizers.{random_drop, drop_path}
block b { residual { branch { conv3x3(4); residual { branch { conv3x3(4) } } } } }
model M {
    input image[4, 8, 8]
    net { conv3x3(4); conv3x3(4); b; global_avg_pool }
    place RULE on b
    place random_drop(0.5) on b.branch.residual
}";

#[test]
fn a_summary_says_what_closed_gates_save() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("gated.sd");
    let saved = |rule: &str| {
        std::fs::write(&program, GATED.replace("RULE", rule)).expect("the program is written");
        let json: serde_json::Value =
            serde_json::from_str(&succeeds(&["summary", path(&program), "--json"])).expect("summary prints JSON");
        (json["saved_share"].as_f64().expect("a number"), succeeds(&["summary", path(&program), "--at", "b[0]"]))
    };
    // Of four equal convolutions the third runs with 3/4, the fourth with 3/4 * 1/2; behind one gate an image, always.
    let (share, at) = saved("random_drop(0.75)");
    assert!((share - (0.25 + 0.625) / 4.0).abs() < 1e-12);
    assert!(at.contains("with probability 25.00 %: where b0 is 0"), "{at}");
    let (share, at) = saved("drop_path(0.75)");
    assert!((share - 0.5 / 4.0).abs() < 1e-12);
    assert!(at.contains("b0 is drawn per image, so its 0 closes one image while the batch goes on"), "{at}");
}

#[test]
fn a_diff_answers_as_diff_does() {
    let same = sdc(&["diff", "examples/digits.sd", "examples/digits.sd"]);
    assert_eq!((same.status.code(), &same.stdout[..]), (Some(0), &b"nothing changed\n"[..]));
    let folder = tempfile::tempdir().expect("a folder");
    let resolved = folder.path().join("resolved.sd");
    std::fs::write(&resolved, succeeds(&["config", "examples/digits.sd"])).expect("the program is written");
    let same = succeeds(&["diff", "examples/digits.sd", path(&resolved)]);
    assert_eq!(same, "nothing changed\n", "defaults that are written out change nothing");
    let other = folder.path().join("other.sd");
    let text = include_str!("../../examples/digits.sd")
        .replace("epochs 30", "epochs 40")
        .replace("level: pixel", "level: image");
    std::fs::write(&other, text).expect("the program is written");
    let out = sdc(&["diff", "examples/digits.sd", path(&other)]);
    let words = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1));
    for line in ["train.epochs  30 -> 40", "~ group[*].pyramid_basic[*]  (9 times)", "u1 uniform(-1..1) per image"] {
        assert!(words.contains(line), "{line} in\n{words}");
    }
    let json = sdc(&["diff", "examples/digits.sd", path(&other), "--json", "--set", "train.epochs=1"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("diff prints JSON");
    assert_eq!((&json["equal"], json["training"].as_array().map(Vec::len)), (&false.into(), Some(0)));
    assert_eq!(sdc(&["diff", "examples/digits.sd", "does-not-exist.sd"]).status.code(), Some(2));
}

#[test]
fn draws_are_those_of_the_step() {
    let json = |step: &str| -> serde_json::Value {
        let out = succeeds(&["draws", "examples/digits.sd", "--step", step, "--words", "--json"]);
        serde_json::from_str(&out).expect("draws prints JSON")
    };
    let (first, second) = (json("0"), json("1"));
    let gate = &first["sites"][4]["draws"][0];
    assert_eq!((gate["level"].as_str(), gate["values"].as_array().map(Vec::len)), (Some("batch"), Some(1)));
    let stream = sdc::num::draw::Stream::of_rule("group[1].pyramid_basic[1]", 0);
    assert_eq!(gate["values"][0].as_u64(), Some(u64::from(stream.word(0, 0, 0))));
    assert_ne!(first["sites"], second["sites"], "each step draws anew");
}

#[test]
fn every_stage_can_be_printed_and_prints_the_same_twice() {
    for stage in ["ast", "net", "graph", "grad", "kernels", "clif"] {
        let print = || succeeds(&["dump", stage, "examples/digits.sd"]);
        let text = print();
        assert!(text.lines().count() > 20, "{stage}: {text}");
        assert_eq!(text, print(), "{stage}");
    }
}

/// The fused plans of small programs: what is a prologue, an epilogue, a map of its own, and what is stored.
#[test]
fn plans() {
    insta::glob!("../golden/kernels", "*.sd", |path| {
        check_golden(path, |text| {
            let (network, recipe) = built(text, &[]);
            let plans = driver::plans(&driver::graphs(&network, Some(&recipe)), recipe.batch);
            let train = plans.train.expect("the program trains");
            train.verify().expect("a plan is valid");
            train.to_string()
        });
    });
}

#[test]
fn the_digits_example_learns() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let (epochs, wanted) = if slow() { ("30", 0.98) } else { ("4", 0.8) };
    let sets = format!("train.epochs={epochs}");
    succeeds(&["train", "examples/digits.sd", "--set", &sets, "--out", path(&run)]);
    let scored: serde_json::Value =
        serde_json::from_str(&succeeds(&["eval", path(&run), "--json"])).expect("eval prints JSON");
    assert!(scored["accuracy"].as_f64().is_some_and(|a| a >= wanted), "{scored}");
}
