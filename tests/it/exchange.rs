//! Trained networks on their way out and in: ONNX, safetensors, names of other tools.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use prost::Message as _;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use sdc::diag::codes;
use sdc::driver::{self, Choice, Input, Session};
use sdc::exchange::import::{Names, import};
use sdc::exchange::onnx::{Sample, check};
use sdc::net::Network;
use tempfile::TempDir;
use tract_onnx::pb::{ModelProto, TensorProto};

/// Two blocks under a rule whose factor is folded, one that ends in a relu, where it cannot be.
const PROGRAM: &str = "
use std.regularizers.{shakedrop}

block plain(width: int) {
    residual { branch { conv3x3(width); bn } }
}
model Small {
    input image[3, 8, 8]
    net {
        stage stem { conv3x3(4); bn; relu }
        stage group[1] { plain(4); plain(4) }
        residual { branch { conv1x1(4, bias: true); relu } }
        global_avg_pool
        linear(10)
    }
    place shakedrop(p: 0.5, alpha: -1..1, beta: 0..1) on residuals
}
train Small {
    data synthetic(channels: 3, height: 8, width: 8, classes: 10, images: 20)
    loss cross_entropy
    optimizer sgd { lr: 0.05 }
    epochs 2
    batch 5
}
";

fn sdc(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_sdc")).current_dir(folder).args(args).output().expect("it starts");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

fn well(folder: &Path, args: &[&str]) -> String {
    let (code, told) = sdc(folder, args);
    assert_eq!(code, Some(0), "{args:?}: {told}");
    told
}

/// A folder with a run of some steps.
fn trained() -> TempDir {
    let folder = TempDir::new().expect("a folder can be made");
    std::fs::write(folder.path().join("small.sd"), PROGRAM).expect("writable");
    well(folder.path(), &["train", "small.sd", "--quiet", "--steps", "3", "--out", "run"]);
    folder
}

fn network(program: &Path) -> Network {
    let mut session = Session::default();
    driver::build(&mut session, &Input::named(program), &Choice::default()).expect("it builds").network
}

fn numbers(tensor: &TensorProto) -> Vec<f32> {
    tensor.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

#[test]
fn a_network_leaves_as_onnx_under_its_paths_with_its_factors_folded() {
    let folder = trained();
    let folder = folder.path();
    let told = well(folder, &["export", "run", "--format", "onnx", "-o", "net.onnx", "--samples", "samples"]);
    assert!(told.contains("the logits of 4 test images agree"), "{told}");
    let bytes = std::fs::read(folder.join("net.onnx")).expect("readable");
    let model = ModelProto::decode(&*bytes).expect("a message");
    assert_eq!(model.opset_import[0].version, 17);
    assert!(model.metadata_props[0].value.contains("model Small"), "the program goes along");
    let graph = model.graph.expect("a graph");
    let operators: BTreeMap<_, _> = graph.node.iter().map(|n| (n.name.as_str(), n.op_type.as_str())).collect();
    assert_eq!(operators["group[1].plain[0].branch[0].conv[0]"], "Conv");
    assert_eq!(operators["group[1].plain[1].branch[0].bn[0]"], "BatchNormalization");
    assert_eq!(operators["linear[0]"], "Gemm");
    // E[forward] of ShakeDrop with p = 1/2 and alpha in -1..1 is 1/2. After a bn it is in its scale and shift; after a relu
    // it stays an operation.
    let multiplied: Vec<_> = graph.node.iter().filter(|n| n.op_type == "Mul").collect();
    assert_eq!(multiplied.len(), 1);
    assert!(multiplied[0].name.starts_with("residual[0]"), "{}", multiplied[0].name);
    let constants: BTreeMap<_, _> = graph.initializer.iter().map(|t| (t.name.as_str(), numbers(t))).collect();
    well(folder, &["export", "run", "--format", "safetensors", "-o", "weights"]);
    let bytes = std::fs::read(folder.join("weights/model.safetensors")).expect("readable");
    let weights = SafeTensors::deserialize(&bytes).expect("safetensors");
    let ours = |name: &str| {
        let data = weights.tensor(name).expect("it is there").data().to_vec();
        data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect::<Vec<_>>()
    };
    let halves: Vec<f32> = ours("group[1].plain[0].branch[0].bn[0].scale").iter().map(|v| v * 0.5).collect();
    assert_eq!(constants["group[1].plain[0].branch[0].bn[0].scale"], halves);
    assert_eq!(constants["stem.bn[0].scale"], ours("stem.bn[0].scale"), "no rule stands there");
    assert_eq!(constants["linear[0].weight"], ours("linear[0].weight"));
    // The sample is what the data set holds: bytes, not normalised numbers.
    let images = std::fs::read(folder.join("samples/input_0.pb")).expect("readable");
    let images = TensorProto::decode(&*images).expect("a message");
    assert_eq!(images.dims, [4, 3, 8, 8]);
    assert!(numbers(&images).iter().all(|v| v.fract() == 0.0 && (0.0..=255.0).contains(v)));
    let logits = std::fs::read(folder.join("samples/output_0.pb")).expect("readable");
    let logits = TensorProto::decode(&*logits).expect("a message");
    assert_eq!(logits.dims, [4, 10]);
    // The check is one: it passes on these logits, and not on others.
    let model = std::fs::read(folder.join("net.onnx")).expect("readable");
    let mut sample = Sample { dims: [4, 3, 8, 8], pixels: numbers(&images), logits: numbers(&logits) };
    assert!(check(&model, &sample).expect("it agrees") < 1e-4);
    sample.logits[7] += 0.01;
    assert_eq!(check(&model, &sample).expect_err("a logit differs").code, codes::EXPORT_DIFFERS);
    assert_eq!(check(&model[..model.len() / 2], &sample).expect_err("half a file").code, codes::EXPORT_DIFFERS);
}

#[test]
fn weights_and_card_make_the_run_again() {
    let folder = trained();
    let folder = folder.path();
    well(folder, &["export", "run", "--format", "safetensors", "-o", "out"]);
    let card = std::fs::read_to_string(folder.join("out/README.md")).expect("readable");
    let accuracy = well(folder, &["eval", "run", "--json"]);
    let accuracy: serde_json::Value = serde_json::from_str(&accuracy).expect("JSON");
    let shown = format!("| accuracy | {:.2} % |", 100.0 * accuracy["accuracy"].as_f64().expect("a number"));
    assert!(card.contains(&shown), "{shown} in {card}");
    assert!(card.contains("# Small") && card.contains("place shakedrop("), "{card}");
    // The program has the one style, as a file and in the card.
    well(folder, &["fmt", "--check", "out/program.sd"]);
    let program = std::fs::read_to_string(folder.join("out/program.sd")).expect("readable");
    assert!(card.contains(&format!("```sd\n{program}```\n")), "{card}");
    let told = well(folder, &["import", "out/model.safetensors", "out/program.sd", "--out", "again"]);
    assert!(told.starts_with("again: 19 tensors of out/model.safetensors, 0 left out"), "{told}");
    assert_eq!(well(folder, &["predict", "again", "--csv"]), well(folder, &["predict", "run", "--csv"]));
    well(folder, &["train", "--resume", "again", "--quiet"]);
    assert_eq!(
        sdc(folder, &["export", "run", "--format", "safetensors", "-o", "out"]).0,
        Some(1),
        "it is there already"
    );
}

/// A file as PyTorch would save a network like [`PROGRAM`]'s: half precision, other names, a head for three classes.
fn foreign(folder: &Path) {
    const ONE: u16 = 0x3c00;
    let mut all: Vec<(String, Vec<usize>, u16)> = vec![];
    let mut layer = |name: &str, value: u16, dims: &[usize]| {
        let mut tensor = |kind: &str, dims: &[usize], value| all.push((format!("{name}.{kind}"), dims.to_vec(), value));
        tensor("weight", dims, value);
        if dims.len() != 4 {
            tensor("bias", &dims[..1], ONE);
        }
        if dims.len() == 1 {
            tensor("running_mean", dims, ONE);
            tensor("running_var", dims, ONE);
        }
    };
    layer("conv1", 0x3800, &[4, 3, 3, 3]);
    layer("bn1", 0x4000, &[4]);
    for block in 0..2 {
        layer(&format!("layer1.{block}.conv1"), 0x4000 + block, &[4, 4, 3, 3]);
        layer(&format!("layer1.{block}.bn1"), ONE, &[4]);
    }
    layer("fc", ONE, &[3, 4]);
    layer("last", ONE, &[4, 4]);
    let bytes = |dims: &[usize], value: u16| value.to_le_bytes().repeat(dims.iter().product());
    let all: Vec<_> = all.into_iter().map(|(name, dims, value)| (name, bytes(&dims, value), dims)).collect();
    let views = all.iter().map(|(name, bytes, dims)| {
        (name.as_str(), TensorView::new(Dtype::F16, dims.clone(), bytes).expect("the size fits"))
    });
    let zero = 0u64.to_le_bytes();
    let counter = TensorView::new(Dtype::I64, vec![], &zero).expect("the size fits");
    let bytes = serialize(views.chain([("bn1.num_batches_tracked", counter)]), None).expect("it serialises");
    std::fs::write(folder.join("theirs.safetensors"), bytes).expect("writable");
}

const MAP: &str = "
conv1 = stem.conv[0]            # layers,
bn1.{x} = _
bn1 = stem.bn[0]
layer{g}.{b}.conv{c} = group[{g}].plain[{b}].branch[0].conv[{c-1}]
layer{g}.{b}.bn{c} = group[{g}].plain[{b}].branch[0].bn[{c-1}]
last.weight = residual[0].branch[0].conv[0].weight   # or tensors
last.bias = residual[0].branch[0].conv[0].bias
fc = _
_ = linear[0]
";

#[test]
fn weights_of_other_tools_come_in_by_a_map_of_names() {
    let folder = trained();
    let folder = folder.path();
    foreign(folder);
    let map = MAP.replace("bn1.{x} = _\n", "");
    std::fs::write(folder.join("map.txt"), &map).expect("writable");
    let told = well(folder, &["import", "theirs.safetensors", "small.sd", "--map", "map.txt", "--out", "theirs"]);
    // 19 tensors with names, the head's two and the counter left out, ours drawn.
    assert!(told.contains("17 tensors of theirs.safetensors, 3 left out"), "{told}");
    assert!(told.contains("starts as drawn: linear[0].weight"), "{told}");
    well(folder, &["eval", "theirs"]);
    well(folder, &["export", "theirs", "--format", "safetensors", "-o", "out"]);
    let bytes = std::fs::read(folder.join("out/model.safetensors")).expect("readable");
    let weights = SafeTensors::deserialize(&bytes).expect("safetensors");
    let first = |name: &str| {
        let data = weights.tensor(name).expect("it is there").data()[..4].to_vec();
        f32::from_le_bytes(data.try_into().expect("four bytes"))
    };
    assert_eq!(first("stem.conv[0].weight"), 0.5);
    assert_eq!(first("stem.bn[0].scale"), 2.0, "a normalisation's weight is its scale");
    assert_eq!(first("stem.bn[0].variance"), 1.0);
    assert_eq!(first("group[1].plain[0].branch[0].conv[0].weight"), 2.0);
    assert_eq!(first("group[1].plain[1].branch[0].conv[0].weight"), 2.0 + 1.0 / 512.0);
    // What is drawn is what a run of this program draws.
    well(folder, &["train", "small.sd", "--quiet", "--steps", "0", "--out", "drawn"]);
    well(folder, &["export", "drawn", "--format", "safetensors", "-o", "start"]);
    let start = std::fs::read(folder.join("start/model.safetensors")).expect("readable");
    let start = SafeTensors::deserialize(&start).expect("safetensors");
    let head = |of: &SafeTensors<'_>| of.tensor("linear[0].weight").expect("it is there").data().to_vec();
    assert_eq!(head(&weights), head(&start));
}

#[test]
fn what_does_not_fit_is_told_as_a_whole() {
    let folder = TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    std::fs::write(folder.join("small.sd"), PROGRAM).expect("writable");
    foreign(folder);
    let network = network(&folder.join("small.sd"));
    let refused = |map: &str| {
        let names = Names::parse(map).expect("a map");
        let failure = import(&folder.join("theirs.safetensors"), &network, &names).expect_err("it does not fit");
        assert_eq!(failure.code, codes::IMPORT_UNFIT);
        failure.message.replace(&folder.display().to_string(), "")
    };
    let told = refused("");
    assert!(
        told.contains("20 tensors find no place in the network: bn1.bias, ") && told.contains(", and 14 more"),
        "{told}"
    );
    assert!(told.contains("parameters get no values: group[1]"), "{told}");
    let told = refused(MAP);
    assert!(told.contains("1 line of the map names nothing: line 3: bn1.{x} = _"), "{told}");
    let told = refused("fc = linear[0]\nlast = linear[0]\nconv1 = stem.convolution[0]");
    assert!(told.contains("fc.weight is [3, 4], linear[0].weight [10, 4]"), "{told}");
    assert!(told.contains("conv1.weight (there is no stem.convolution[0].weight)"), "{told}");
    let told = refused("layer1.{b}.conv1 = group[1].plain[0].branch[0].conv[0]");
    assert!(
        told.contains(
            "1 parameter gets values twice: group[1].plain[0].branch[0].conv[0].weight by layer1.0.conv1.weight"
        ),
        "{told}"
    );
    std::fs::write(folder.join("theirs.safetensors"), "nothing of the kind").expect("writable");
    assert!(refused("").contains("is no file of safetensors"));
    let wrong = [
        ("conv1", "line 1, `conv1`, has no `=`"),
        ("\na{g = b", "line 2, `a{g = b`, has a `{` without its `}`"),
        ("a = b[{g}]", "has {g} on the right alone"),
        ("a{g+1} = b[{g}]", "counts on the left"),
        ("a{1} = b", "has {1}, which is no"),
        ("_ = _", "names nothing on both sides"),
        ("a =", "on one side alone"),
        ("a{g} = b[{g-99999999999999999999}]", "which is no {name}"),
    ];
    for (map, told) in wrong {
        let problem = Names::parse(map).expect_err(map);
        assert!(problem.contains(told), "{map}: {problem}");
    }
}

#[test]
fn the_map_of_torchvisions_resnets_fits() {
    let folder = TempDir::new().expect("a folder can be made");
    let program = folder.path().join("program.sd");
    let text = "use std.resnet.{resnet_imagenet}\nmodel R { input image[3, 64, 64]; net resnet_imagenet(50, 10) }\n";
    std::fs::write(&program, text).expect("writable");
    // As torchvision has them: three convolutions a bottleneck, a projection where the width changes.
    let mut all: Vec<(String, Vec<usize>)> = vec![];
    let mut layer = |name: String, dims: &[usize]| {
        all.push((format!("{name}.weight"), dims.to_vec()));
        if dims.len() == 1 {
            all.extend(["bias", "running_mean", "running_var"].map(|kind| (format!("{name}.{kind}"), dims.to_vec())));
        }
    };
    layer("conv1".to_owned(), &[64, 3, 7, 7]);
    layer("bn1".to_owned(), &[64]);
    let mut inputs = 64;
    for (g, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let (width, out) = (64 << g, 256 << g);
        for b in 0..blocks {
            let name = format!("layer{}.{b}", g + 1);
            for (c, dims) in [[width, inputs, 1, 1], [width, width, 3, 3], [out, width, 1, 1]].iter().enumerate() {
                layer(format!("{name}.conv{}", c + 1), dims);
                layer(format!("{name}.bn{}", c + 1), &dims[..1]);
            }
            if b == 0 {
                layer(format!("{name}.downsample.0"), &[out, inputs, 1, 1]);
                layer(format!("{name}.downsample.1"), &[out]);
            }
            inputs = out;
        }
    }
    layer("fc".to_owned(), &[10, 2048]);
    all.push(("fc.bias".to_owned(), vec![10]));
    let largest = all.iter().map(|(_, dims)| dims.iter().product::<usize>()).max().expect("there are some");
    let zeros: Vec<u8> = vec![0; 2 * largest];
    let views = all.iter().map(|(name, dims)| {
        let bytes = &zeros[..2 * dims.iter().product::<usize>()];
        (name.as_str(), TensorView::new(Dtype::BF16, dims.clone(), bytes).expect("the size fits"))
    });
    let file = folder.path().join("resnet50.safetensors");
    std::fs::write(&file, serialize(views, None).expect("it serialises")).expect("writable");
    let names = Names::parse(include_str!("../../examples/torchvision_resnet.txt")).expect("a map");
    let imported = import(&file, &network(&program), &names).expect("it fits");
    assert_eq!((imported.taken, imported.left_out), (all.len(), 0));
}
