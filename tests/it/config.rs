//! `sdc config`: a resolved program is a program, and says where each value came from.

use std::path::Path;
use std::process::Command;

use sdc::config::{Config, Origin};
use sdc::driver::{self, Built, Choice, Input, Session};
use sdc::net::Network;

/// Writes files into a folder and resolves `main.sd` there.
fn resolve(folder: &Path, files: &[(&str, &str)], choice: &Choice) -> (Config, String) {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("the file is written");
    }
    let mut session = Session::default();
    let config = driver::config(&mut session, &Input::File(folder.join("main.sd")), choice);
    let problems = sdc::diag::render(&session.problems, &session.sources, false, 100);
    let config = config.unwrap_or_else(|| panic!("{problems}"));
    let text = config.to_text(&session.sources);
    (config, text)
}

fn build(file: &Path, choice: &Choice) -> Built {
    let mut session = Session::default();
    let built = driver::build(&mut session, &Input::File(file.to_owned()), choice);
    let problems = sdc::diag::render(&session.problems, &session.sources, false, 100);
    built.unwrap_or_else(|| panic!("{problems}\n{}", std::fs::read_to_string(file).unwrap_or_default()))
}

fn choice(model: Option<&str>, sets: &[&str]) -> Choice {
    Choice { model: model.map(str::to_owned), sets: sets.iter().map(|s| (*s).to_owned()).collect() }
}

/// What decides the bits of a run: weights with their names, sizes and starts; sites with their draws and equations.
fn essence(network: &Network) -> String {
    let sites = network.sites().into_iter().map(|s| (s.path.to_string(), s.rule.clone(), s.shape, s.l));
    format!("{:?} {:?}", network.parameters(), sites.collect::<Vec<_>>())
}

/// The resolved program builds the same without a word of the command line, and resolves to itself.
fn stands_alone(files: &[(&str, &str)], choice: &Choice) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, text) = resolve(folder.path(), files, choice);
    assert_eq!(text, sdc::syntax::format(&text), "it has the one style");
    let wanted = build(&folder.path().join("main.sd"), choice);
    let file = folder.path().join("resolved.sd");
    std::fs::write(&file, &text).expect("the program is written");
    let named = Choice { model: choice.model.clone().filter(|_| config.must_be_named), sets: Vec::new() };
    let got = build(&file, &named);
    assert_eq!(essence(&got.network), essence(&wanted.network), "{text}");
    assert_eq!(got.recipe, wanted.recipe, "{text}");
    let (again, _) = resolve(folder.path(), &[("main.sd", &text)], &named);
    // A value that was set in another layout has the one of `fmt` in the resolved program.
    let laid = |value: &str| {
        let line = sdc::syntax::format(&format!("const x = {value}\n"));
        line.trim_end().trim_start_matches("const x = ").to_owned()
    };
    let values = |c: &Config| c.values().into_iter().map(|v| (v.name, v.text)).collect::<Vec<_>>();
    let wanted: Vec<_> = values(&config).into_iter().map(|(name, value)| (name, laid(&value))).collect();
    assert_eq!(values(&again), wanted, "{text}");
    text
}

const DIGITS: &str = include_str!("../../examples/digits.sd");

#[test]
fn examples_stand_alone_resolved() {
    stands_alone(&[("main.sd", DIGITS)], &choice(None, &["model.alpha=24 * 2", "train.optimizer.lr=0.1*2"]));
    for example in [
        include_str!("../../examples/cifar10_resnet20.sd"),
        include_str!("../../examples/densenet_bc_100.sd"),
        include_str!("../../examples/se_resnext50.sd"),
    ] {
        stands_alone(&[("main.sd", example)], &Choice::default());
    }
}

#[test]
fn every_value_says_where_it_came_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let choice = choice(None, &["model.alpha=24 * 2", "train.schedule.cosine.per=epoch"]);
    let (config, text) = resolve(folder.path(), &[("main.sd", DIGITS)], &choice);
    let values = config.values();
    let find = |name: &str| values.iter().find(|v| v.name == name).unwrap_or_else(|| panic!("{name} in {values:#?}"));
    assert!(matches!(find("model.alpha").origin, Origin::CommandLine(_)));
    assert_eq!(find("model.alpha").text, "24 * 2");
    assert!(matches!(find("train.schedule.cosine.per").origin, Origin::CommandLine(_)));
    assert!(matches!(find("train.optimizer.lr").origin, Origin::Text(_)));
    assert_eq!(find("train.data.shuffle").origin, Origin::Language);
    assert_eq!(find("train.loss.smoothing").text, "0.0");
    for line in [
        "    alpha: real = 24 * 2, // --set model.alpha=24 * 2",
        "        gate: batch, // default, std/regularizers.sd:",
        "        shuffle: true // default of the language",
        "    epochs: 30 // ",
        "// sdc 0.1.0; std 0.1.0, hash ",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let line = DIGITS.lines().position(|l| l.contains("epochs 30")).expect("the example has it") + 1;
    assert!(text.contains(&format!("main.sd:{line}\n")), "{text}");
}

#[test]
fn files_beside_the_program_become_part_of_it() {
    let files = [
        ("main.sd", "use \"blocks.sd\".{stem}\nuse \"rules.sd\".{loud}
            use std.resnet.{resnet_cifar, basic, projection}
            const unused = 3
            const width = 8
            model Other { input image[1, 8, 8]; net { flatten; linear(10) } }
            model M(path: string = \"a // b\", block: block = basic(shortcut: projection, ..)) {
                input image[1, 8, 8]
                let classes = 5 + 5
                net { stem(width: width); for i in 0..<2 { block(8) }; global_avg_pool; linear(classes) }
                place loud on **.block where l > 1 at branch // the second
            }
            train M {
                data digits { augment { pad_crop(1) } }
                optimizer sgd { lr: 0.1, weight_decay: 1e-4 except bn, bias }
                schedule { steps([1], 0.5); warmup(1); steps(after: [2], factor: 0.5) }
                epochs 2 * 2; batch 8
            }
            train Other { data digits; optimizer sgd { lr: 0.1 }; epochs 1; batch 8 }"),
        ("blocks.sd", "/// A stem.\n///\n/// It thins.\nblock stem(width: int, thin: int = half(width)) { conv3x3(thin); bn; conv1x1(width) }
            fn half(n: int) -> int = div(n, 2)"),
        ("rules.sd", "use std.regularizers.{linear_decay}
            regularizer loud(p: prob = linear_decay(l, L, P: low)) { let b = bernoulli(p, per: image); forward = b * uniform(0..2) }
            const low = 0.25"),
    ];
    let text = stands_alone(&files, &choice(Some("M"), &["train.schedule.steps[1].factor=0.1", "train.epochs=3"]));
    assert!(!text.contains("use \"") && !text.contains("unused") && !text.contains("Other"), "{text}");
    assert!(text.contains("fn half") && text.contains("const low") && text.contains("// From blocks.sd:4."), "{text}");
    assert!(text.contains("use std.regularizers.{linear_decay}"), "{text}");
    assert!(text.contains("/// A stem.\n///\n/// It thins.\nblock stem"), "{text}");
    assert!(text.contains("factor: 0.1, // --set train.schedule.steps[1].factor=0.1"), "{text}");
}

#[test]
fn where_names_mean_two_things_files_stay_beside_the_program() {
    let files = [
        (
            "main.sd",
            "use \"stem.sd\".{stem}
            block part(w: int) { conv3x3(w) }
            model M { input image[1, 8, 8]; net { stem; part(4) } }",
        ),
        ("stem.sd", "use std.resnet.{pad}\nblock part { relu }\nblock stem { part; conv3x3(4); pad(4) }"),
    ];
    let text = stands_alone(&files, &Choice::default());
    assert!(text.contains("use \"stem.sd\".{stem} // hash "), "{text}");
    // A constant that another file would read as a word of the language.
    let captured = [
        (
            "main.sd",
            "use \"rule.sd\".{r}
            const image = 3
            model M { input image[image, 8, 8]; net { residual { branch { bn } } }; place r on residuals }",
        ),
        ("rule.sd", "regularizer r { forward = bernoulli(0.5, per: image) }"),
    ];
    assert!(stands_alone(&captured, &Choice::default()).contains("use \"rule.sd\""));
}

#[test]
fn a_model_that_is_placed_in_another_comes_with_it() {
    let files = [(
        "main.sd",
        "use std.pyramidnet.{pyramidnet}\nuse std.regularizers.{shakedrop}
        model Plain(depth: int = 8) { input image[3, 8, 8]; net pyramidnet(depth, 8, 10) }
        model Shaken { net Plain(depth: 14); place shakedrop(beta: 0..0.5) on residuals }",
    )];
    let text = stands_alone(&files, &choice(Some("Shaken"), &[]));
    assert!(text.contains("name it, `--model Shaken`"), "{text}");
    assert!(text.contains("// p: linear_decay(l, L), default, std/regularizers.sd:"), "{text}");
}

#[test]
fn a_resolved_program_trains_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let sets = ["model.alpha=6", "train.batch=16", "train.data.augment.pad_crop=1", "train.seed=7"];
    let (_, text) = resolve(folder.path(), &[("main.sd", DIGITS)], &choice(None, &sets));
    std::fs::write(folder.path().join("resolved.sd"), text).expect("the program is written");
    let run = |program: &str, sets: &[&str]| {
        let out = folder.path().join(format!("run-{program}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_sdc"));
        command.arg("train").arg(folder.path().join(program)).args(["--steps", "4"]).arg("--out").arg(&out);
        for set in sets {
            command.args(["--set", set]);
        }
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(out.join("checkpoints/step-4.safetensors")).expect("the file is there");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let mut all: Vec<_> = tensors.tensors().into_iter().map(|(n, t)| (n, t.data().to_vec())).collect();
        all.sort();
        all
    };
    let (wanted, got) = (run("main.sd", &sets), run("resolved.sd", &[]));
    assert!(wanted == got, "weights and momenta differ");
}
