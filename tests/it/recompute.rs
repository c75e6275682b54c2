//! `--memory low`: feature maps that are computed again change no number, and take less memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use sdc::bench;
use sdc::device::cpu::CpuEngine;
use sdc::device::{Device, Engine, State};
use sdc::driver::{self, Footprint, Graphs};
use sdc::graph::{Inputs, Phase};
use sdc::kernel::{Body, BufferId, Expr, Kernel, Lifetime, MAX_GATES, Map, Pass, Plan, When};
use sdc::net::recipe::Memory;
use sdc::net::{Network, Recipe, Role};
use sdc::train::initialise;

use super::graph::build::inputs;
use super::program;
use super::support::processor_time;

const LIBRARY: &str = "use std.resnet.{resnet_cifar}\nuse std.pyramidnet.{pyramidnet, pyramid_bottleneck}\n\
    use std.wrn.{wrn}\nuse std.resnext.{resnext_cifar}\nuse std.shake.{shake_resnet}\n\
    use std.regularizers.{shakedrop, shake_shake, random_drop, linear_decay}\n";
const SHAKEDROP: &str = "place shakedrop(p: linear_decay(l, L), alpha: -1..1, beta: 0..1, level: pixel) on residuals";

/// Dense blocks: every layer reads what all before it have made.
const DENSE: &str = "block layer(growth: int) {
    concat { path { } path { bn; relu; conv1x1(4 * growth); bn; relu; conv3x3(growth) } }
}
model M {
    input image[3, 12, 12]
    net { conv3x3(16); for i in 0..<6 { layer(12) } bn; relu; avg_pool(2); for i in 0..<6 { layer(12) }
          bn; relu; global_avg_pool; linear(10) }
}";

fn text(side: usize, net: &str, place: &str) -> String {
    format!("{LIBRARY}model M {{\ninput image[3, {side}, {side}]\nnet {net}\n{place}\n}}\n")
}

/// Networks of every kind whose blocks differ in what they keep.
fn networks() -> Vec<(&'static str, Network)> {
    let built = |text: String| {
        let outcome = program::build(&text);
        assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
        outcome.built.expect("it builds").network
    };
    let of = |net: &str, place: &str| built(text(12, net, place));
    vec![
        ("resnet", of("resnet_cifar(32, 10)", SHAKEDROP)),
        ("pyramidnet", of("pyramidnet(26, alpha: 20, classes: 10)", "place random_drop(p: 0.5) on residuals")),
        (
            "bottlenecks",
            of(
                "pyramidnet(38, alpha: 20, classes: 10, block: pyramid_bottleneck)",
                "place random_drop(p: 0.5) on residuals",
            ),
        ),
        ("three branches", of("shake_resnet(26, width: 16, classes: 10)", "place shake_shake on residuals")),
        ("pre-activation", of("wrn(22, 1, 10)", "place random_drop(p: 0.6) on residuals")),
        ("groups", of("resnext_cifar(29, cardinality: 4, width: 8, classes: 10)", "")),
        ("dense", built(DENSE.to_owned())),
    ]
}

fn graphs(network: &Network, batch: usize, footprint: Footprint) -> (Graphs, Recipe) {
    let recipe = bench::plain(network, batch).expect("it has classes");
    (driver::graphs_within(network, Some(&recipe), footprint), recipe)
}

fn engine(network: &Network, batch: usize, threads: usize, footprint: Footprint) -> CpuEngine {
    let (graphs, _) = graphs(network, batch, footprint);
    graphs.train.as_ref().expect("it is trained").verify().expect("the graph is valid");
    let plans = driver::plans(&graphs, batch);
    plans.train.as_ref().expect("it is trained").verify().expect("the plan is valid");
    driver::compile(plans, threads)
}

/// All that some steps leave, one of a partial batch: losses, gradients, weights, momenta, statistics.
fn bits(network: &Network, engine: &mut CpuEngine, batch: usize) -> Vec<(String, Vec<u32>)> {
    initialise(engine, network, 3);
    let images = bench::drawn(network, batch);
    let mut found = Vec::new();
    let mut keep = |name: String, values: Vec<f32>| {
        assert!(values.iter().all(|x| x.is_finite()), "{name}");
        found.push((name, values.into_iter().map(f32::to_bits).collect()));
    };
    for step in 0..4 {
        let n = if step == 2 { batch / 2 } else { batch };
        let (i, t) = (n * network.input.elements(), n * network.output.channels);
        let loss = engine.train_step(&images.images[..i], &images.targets[..t], 11, step, 0.05);
        keep(format!("loss of step {step}"), vec![loss]);
        for p in network.parameters().into_iter().filter(|p| p.role != Role::State) {
            keep(format!("gradient of {} in step {step}", p.path), engine.gradient(&p.path));
        }
    }
    for p in network.parameters() {
        keep(p.path.to_string(), engine.read(&State::Parameter(p.path.clone())));
        if p.role != Role::State {
            keep(format!("momentum of {}", p.path), engine.read(&State::Memory(Memory::Momentum, p.path.clone())));
        }
    }
    found
}

/// What is made again, whether or not it has a place of its own.
fn again(plan: &Plan) -> BTreeSet<&str> {
    let buffers = plan.buffers.iter().map(|buffer| buffer.name.as_str());
    buffers.chain(plan.kernels.iter().map(Kernel::name)).filter(|name| name.ends_with("/again")).collect()
}

#[test]
fn what_is_computed_again_changes_no_bit() {
    const BATCH: usize = 6;
    for (name, network) in networks() {
        let wanted = bits(&network, &mut engine(&network, BATCH, 2, Footprint::Normal), BATCH);
        for threads in [1, 2, 3] {
            let mut low = engine(&network, BATCH, threads, Footprint::Low);
            let count = again(low.training_plan().expect("it is trained")).len();
            assert!(count > 3, "{name}: {count} values are made again");
            for ((what, got), (_, wanted)) in bits(&network, &mut low, BATCH).iter().zip(&wanted) {
                assert!(got == wanted, "{name}, {threads} threads: other bits in {what}");
            }
        }
    }
}

#[test]
fn the_meaning_of_the_graph_is_the_same_number() {
    for (name, network) in networks() {
        let run = |footprint| {
            let (mut graphs, _) = graphs(&network, 2, footprint);
            let from = Inputs { step: 1, ..inputs(&network, 2) };
            graphs.train.as_mut().expect("it is trained").run(&from)
        };
        let (normal, low) = (run(Footprint::Normal), run(Footprint::Low));
        for (output, wanted) in &normal {
            let equal = low[output].iter().zip(wanted).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(equal && low[output].len() == wanted.len(), "{name}: {output}");
        }
    }
}

/// What a kernel behind a gate makes again is behind that gate, too.
#[test]
fn what_is_computed_again_behind_a_closed_gate_is_not_computed() {
    let (_, network) = networks().into_iter().find(|(name, _)| *name == "bottlenecks").expect("one of the networks");
    let engine = engine(&network, 6, 1, Footprint::Low);
    let plan = engine.training_plan().expect("it is trained");
    let contraction = |kernel: &&sdc::kernel::Kernel| {
        kernel.name().ends_with("/again")
            && kernel.name().contains(".branch")
            && matches!(kernel.body, Body::Contraction(_))
    };
    let (gated, all): (Vec<_>, Vec<_>) =
        plan.kernels.iter().filter(contraction).map(|kernel| kernel.when != When::Always).fold(
            (vec![], vec![]),
            |(mut gated, mut all), behind| {
                all.push(behind);
                if behind {
                    gated.push(behind);
                }
                (gated, all)
            },
        );
    assert!(!all.is_empty() && gated.len() == all.len(), "{} of {}", gated.len(), all.len());
}

/// The arena over the most floats that live at one time: what placing them wastes.
fn waste(plan: &Plan) -> f64 {
    let last = plan.kernels.len();
    let mut change = vec![0i64; last + 2];
    let mut persistent = 0;
    let own: Vec<BufferId> = plan.slots.values().copied().collect();
    for (id, buffer) in plan.buffers.iter().enumerate() {
        let len = buffer.size.len(plan.batch);
        let (from, to) = match buffer.lifetime {
            Lifetime::Persistent => {
                persistent = persistent.max(buffer.offset + len);
                continue;
            }
            Lifetime::Step => (0, last),
            // Views of gradients hold what they hold.
            Lifetime::ToEnd { .. } if !own.contains(&BufferId(id as u32)) => continue,
            Lifetime::ToEnd { from } => (from, last),
            Lifetime::Kernels { from, to } => (from, to),
        };
        change[from] += len as i64;
        change[to + 1] -= len as i64;
    }
    let (mut live, mut peak) = (0, 0);
    for step in change {
        live += step;
        peak = peak.max(live);
    }
    plan.arena as f64 / (persistent as f64 + peak as f64)
}

/// Bytes of a training step, and multiply-adds of its contractions.
fn size(network: &Network, batch: usize, footprint: Footprint) -> (f64, f64) {
    let (graphs, _) = graphs(network, batch, footprint);
    let plans = driver::plans(&graphs, batch);
    let train = plans.train.as_ref().expect("it is trained");
    let waste = waste(train);
    assert!((1.0..1.05).contains(&waste), "{footprint:?}: the arena is {waste:.3} of what lives");
    let work = train.kernels.iter().map(|kernel| kernel.work(train, batch).flops as f64).sum();
    ((plans.bytes(2) - CpuEngine::OWN) as f64, work)
}

/// The published networks at their batches: at most so much of the memory, for at most an eighth of the work.
#[test]
fn the_published_networks_take_less_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/networks");
    for (file, batch, bound) in [
        ("resnet20.sd", 128, 0.66),
        ("resnet110-shakedrop.sd", 128, 0.61),
        ("pyramidnet110-a48.sd", 128, 0.52),
        ("pyramidnet272-a200.sd", 32, 0.41),
        ("shake-shake26-2x32d.sd", 128, 0.64),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).expect("a program");
        let network = program::build(&text).network();
        let [(before, work), (after, more)] =
            [Footprint::Normal, Footprint::Low].map(|footprint| size(&network, batch, footprint));
        let (ratio, grown) = (after / before, more / work);
        println!("{file}: {ratio:.3} of {:.0} MB, {grown:.3} of the work", before / 1e6);
        assert!(ratio <= bound, "{file}: {ratio:.3} of the memory");
        assert!(grown > 1.0 && grown < 1.15, "{file}: {grown:.3} of the work");
    }
}

/// What a chain of blocks is computed again by: a kernel has a body for every combination of its gates, so that draws of
/// pixels are made behind closed gates alone.
#[test]
fn a_kernel_has_few_gates() {
    let text = include_str!("../../benches/networks/resnet110-shakedrop.sd");
    let (graphs, _) = graphs(&program::build(text).network(), 2, Footprint::Low);
    let plan = driver::plans(&graphs, 2).train.expect("it is trained");
    // A map has no expression twice.
    let gates = |map: &Map| map.exprs.iter().filter(|e| matches!(e, Expr::Draw(d) if d.is_gate())).count();
    assert_eq!(plan.kernels.iter().flat_map(Kernel::maps).map(gates).max(), Some(MAX_GATES));
}

/// Both gradients of a convolution read the gradient behind it, which the engine transforms once where one follows the
/// other.
#[test]
fn gradients_to_input_and_weight_stay_together() {
    let network = program::build(include_str!("../../benches/networks/pyramidnet110-a48.sd")).network();
    let pairs = |footprint| {
        let (graphs, _) = graphs(&network, 2, footprint);
        let plan = driver::plans(&graphs, 2).train.expect("it is trained");
        let pass = |kernel: &Kernel| match &kernel.body {
            Body::Contraction(contraction) => Some(contraction.pass.clone()),
            Body::Map(_) => None,
        };
        let both = |pair: &&[Kernel]| {
            matches!((pass(&pair[0]), pass(&pair[1])), (Some(Pass::ToInput { .. }), Some(Pass::ToWeight { .. })))
        };
        plan.kernels.windows(2).filter(both).count()
    };
    let normal = pairs(Footprint::Normal);
    assert!(normal > 100);
    assert_eq!(pairs(Footprint::Low), normal);
}

/// Each of these values is read by the next one and by its gradient: there are more ways down than can be gone, and kernels
/// that began at the image each time would be longer and longer.
#[test]
fn a_long_chain_of_activations_is_compiled_soon() {
    let text = "model M { input image[3, 4, 4]
        net { for i in 0..<60 { bn; sigmoid; sigmoid } global_avg_pool; linear(4) } }";
    let network = program::build(text).network();
    for footprint in [Footprint::Normal, Footprint::Low] {
        let start = Instant::now();
        let before = processor_time(start);
        engine(&network, 2, 1, footprint);
        let time = processor_time(start).saturating_sub(before);
        assert!(time < Duration::from_secs(20), "{footprint:?}: {time:?}");
    }
}

#[test]
fn a_clone_is_named_after_what_it_is_once_more() {
    let (_, network) = networks().into_iter().find(|(name, _)| *name == "resnet").expect("one of the networks");
    let (graphs, _) = graphs(&network, 2, Footprint::Low);
    let graph = graphs.train.expect("it is trained");
    let names = graph.names();
    let clones: Vec<_> = graph.nodes().into_iter().filter(|id| graph.node(*id).phase == Phase::Again).collect();
    assert!(clones.len() > 10);
    for id in clones {
        let original = names[&id].strip_suffix("/again").unwrap_or_else(|| panic!("{}", names[&id]));
        assert!(names.values().any(|name| name == original), "{original}");
    }
    assert!(graph.to_string().contains("/again: Conv"), "{graph}");
}

#[test]
fn a_plan_that_does_not_fit_is_told_of_the_low_footprint_and_of_the_largest_batch() {
    let (_, network) = networks().into_iter().find(|(name, _)| *name == "resnet").expect("one of the networks");
    let machine = driver::machine(Device::Cpu, 1).expect("the processor is there");
    let batch = 840;
    let [normal, low] = [Footprint::Normal, Footprint::Low].map(|footprint| graphs(&network, batch, footprint));
    let bytes = |graphs: &Graphs, batch: usize| driver::plans(graphs, batch).bytes(1);
    let room = bytes(&normal.0, 700);
    let refused = |(graphs, recipe): &(Graphs, Recipe), footprint| {
        let plans = driver::plans(graphs, recipe.batch);
        driver::ready((&network, recipe, footprint), graphs, plans, &machine, Some(room)).map(|_| ())
    };
    let failure = refused(&normal, Footprint::Normal).expect_err("it does not fit").to_string();
    let told = |before: &str| -> u64 {
        let (_, rest) = failure.split_once(before).unwrap_or_else(|| panic!("no `{before}` in {failure}"));
        rest.split(' ').next().and_then(|word| word.trim_end_matches('`').parse().ok()).expect("a number")
    };
    assert_eq!(told("`--memory low` takes "), bytes(&low.0, batch).div_ceil(1 << 20), "{failure}");
    assert_eq!((told(" of memory, and "), told("train.batch=")), (room >> 20, 700), "{failure}");
    assert!(bytes(&normal.0, 701) > room, "a larger batch takes more");
    assert_eq!(refused(&low, Footprint::Low).map_err(|failure| failure.to_string()), Ok(()));
}

/// A run says how it was made, goes on so, and may be gone on with otherwise: the bits are the same.
#[test]
fn a_run_keeps_its_footprint_and_may_change_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let sdc = |args: &[&str]| {
        let out =
            std::process::Command::new(env!("CARGO_BIN_EXE_sdc")).args(args).output().expect("the program starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    let path = |name: &str| folder.path().join(name).to_str().expect("a path of text").to_owned();
    let made = |name: &str| -> String {
        let text =
            std::fs::read_to_string(folder.path().join(name).join("run.json")).expect("a run says how it was made");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json["memory"].as_str().expect("a name").to_owned()
    };
    let run = |name: &str, more: &[&str]| {
        let out = path(name);
        sdc(&[&["train", "examples/digits.sd", "--quiet", "--out", &out, "--steps", "3"], more].concat());
    };
    run("normal", &[]);
    run("low", &["--memory", "low"]);
    assert_eq!((made("normal"), made("low")), ("normal".to_owned(), "low".to_owned()));
    sdc(&["train", "--resume", &path("low"), "--quiet", "--steps", "5"]);
    assert_eq!(made("low"), "low");
    sdc(&["train", "--resume", &path("low"), "--quiet", "--steps", "6", "--memory", "normal"]);
    assert_eq!(made("low"), "normal");
    sdc(&["train", "--resume", &path("normal"), "--quiet", "--steps", "6"]);
    let tensors = |name: &str| {
        let bytes =
            std::fs::read(folder.path().join(name).join("checkpoints/step-6.safetensors")).expect("it is there");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let mut all: Vec<_> = file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
        all.sort();
        all
    };
    assert!(tensors("low") == tensors("normal"), "other weights");
}
