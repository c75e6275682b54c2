//! Branches behind closed gates: what is not computed changes no number.

use std::collections::BTreeMap;

use sdc::device::cpu::CpuEngine;
use sdc::device::{Engine, State};
use sdc::fuse;
use sdc::graph::op::Output;
use sdc::graph::{Graph, Inputs};
use sdc::kernel::{Body, Pass, Plan, Target, When};
use sdc::net::recipe::{Memory, Optimizer, UpdateRule};
use sdc::net::{Activation, Level, Network, Role, Rule, Shape};

use super::cpu::{agree, engine, graphs, rounded, set, single, step_of};
use super::graph::build::*;

/// Images of a whole batch.
const BATCH: usize = 5;

fn drop_at_sum(p: f64) -> Rules {
    Rules { at_sum: Some(random_drop(p)), ..Rules::default() }
}

/// conv, bn, relu, conv, bn, as in ResNet.
fn basic(width: usize, stride: usize) -> impl Fn(&mut Scope<'_>) {
    move |s| {
        s.conv(width, 3, stride).bn().relu().conv(width, 3, 1).bn();
    }
}

fn projection(width: usize, stride: usize) -> impl Fn(&mut Scope<'_>) {
    move |s| {
        s.conv(width, 1, stride).bn();
    }
}

fn on_images(body: impl FnOnce(&mut Scope<'_>)) -> Network {
    network(Shape::new(3, 6, 6), |s| {
        s.conv(16, 3, 1).bn().relu();
        body(s);
        s.global_avg_pool().linear(4);
    })
}

/// Two branches under one gate, mixed by a number an image.
fn gated_mix() -> Rule {
    let draws = [bernoulli(0.5, Level::Batch), uniform(0.0, 1.0, Level::Image)];
    let factors = [times(draw(0), draw(1)), times(draw(0), minus(number(1.0), draw(1)))];
    rule("gated_mix", &draws, &factors, &factors, &[0.25, 0.25])
}

/// Networks with gates in every place that the language has.
fn networks() -> Vec<(&'static str, Network)> {
    vec![
        (
            "basic",
            on_images(|s| {
                s.residual(drop_at_sum(0.5), &[&basic(16, 1)], &identity).relu();
                s.residual(drop_at_sum(0.5), &[&basic(20, 2)], &projection(20, 2)).relu();
                s.residual(drop_at_sum(0.5), &[&basic(20, 1)], &identity).relu();
            }),
        ),
        (
            "bottleneck",
            on_images(|s| {
                let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
                    s.conv(8, 1, 1).bn().relu().conv(8, 3, 2).bn().relu().conv(32, 1, 1).bn();
                };
                s.residual(drop_at_sum(0.5), &[branch], &projection(32, 2)).relu();
            }),
        ),
        (
            "pyramid",
            on_images(|s| {
                for (width, stride) in [(19, 1), (26, 2)] {
                    let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
                        s.bn().conv(width, 3, stride).bn().relu().conv(width, 3, 1).bn();
                    };
                    s.residual(drop_at_sum(0.5), &[branch], &|s| {
                        if stride > 1 {
                            s.pool(false, stride, stride, 0);
                        }
                        s.pad_channels(width);
                    });
                }
                s.bn().relu();
            }),
        ),
        (
            "nested",
            on_images(|s| {
                let inner: &dyn Fn(&mut Scope<'_>) = &|s| {
                    s.conv(16, 3, 1).bn().relu();
                    s.residual(drop_at_sum(0.5), &[&basic(16, 1)], &identity);
                    s.residual(drop_at_sum(0.5), &[&basic(16, 1)], &projection(16, 1));
                    s.conv(16, 3, 1);
                };
                s.residual(drop_at_sum(0.5), &[inner], &identity).relu();
            }),
        ),
        (
            "a gate a branch",
            on_images(|s| {
                let at = Rules { at_branch: Some(random_drop(0.5)), ..Rules::default() };
                s.residual(at, &[&basic(16, 1), &basic(16, 1)], &identity).relu();
            }),
        ),
        (
            "gates of branch and sum",
            on_images(|s| {
                let at = Rules { at_branch: Some(random_drop(0.6)), ..drop_at_sum(0.6) };
                s.residual(at, &[&basic(16, 1), &basic(16, 1)], &projection(16, 1)).relu();
            }),
        ),
        (
            "a list under one gate",
            on_images(|s| {
                let at = Rules { on_branches: Some(gated_mix()), ..Rules::default() };
                s.residual(at, &[&basic(16, 1), &basic(16, 1)], &identity).relu();
            }),
        ),
        (
            "pre-activation",
            on_images(|s| {
                for _ in 0..2 {
                    let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
                        s.bn().relu().conv(16, 3, 1).bn().relu().conv(16, 3, 1);
                    };
                    s.residual(drop_at_sum(0.5), &[branch], &identity);
                }
                s.bn().relu();
            }),
        ),
        (
            "squeeze and excitation",
            on_images(|s| {
                let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
                    s.conv(16, 3, 1).bn().gate(&|s| {
                        s.global_avg_pool().linear(4).relu().linear(16).act(Activation::Sigmoid);
                    });
                };
                s.residual(drop_at_sum(0.5), &[branch], &identity).relu();
            }),
        ),
        (
            "a rule on the trunk",
            on_images(|s| {
                s.rule(random_drop(0.5)).conv(16, 3, 1).bn().relu().conv(16, 3, 1);
                s.residual(drop_at_sum(0.5), &[&basic(16, 1)], &identity).relu();
            }),
        ),
    ]
}

/// An engine whose kernels all run.
fn in_full(train: &Graph, test: &Graph, threads: usize) -> CpuEngine {
    let persistent = fuse::persistent(train);
    let plans = [train, test].map(|graph| fuse::plan_in_full(graph, &persistent, BATCH));
    let [train, test] = plans;
    assert!(train.kernels.iter().all(|kernel| kernel.when == When::Always));
    CpuEngine::new(Some(train), test, threads)
}

fn plan(train: &Graph) -> Plan {
    fuse::plan(train, &fuse::persistent(train), BATCH)
}

/// All that 20 steps leave, some of partial batches: losses, gradients, weights, momenta, statistics.
fn bits(network: &Network, engine: &mut CpuEngine) -> Vec<(String, Vec<u32>)> {
    let inputs = inputs(network, BATCH);
    set(engine, network, &inputs);
    let (images, targets) = (single(&inputs.images), single(&inputs.targets));
    let mut found = Vec::new();
    let mut keep = |name: String, values: Vec<f32>| found.push((name, values.into_iter().map(f32::to_bits).collect()));
    for step in 0..20 {
        let n = if step % 4 == 3 { 2 } else { BATCH };
        let (i, t) = (n * network.input.elements(), n * network.output.channels);
        keep(format!("loss of step {step}"), vec![engine.train_step(&images[..i], &targets[..t], 11, step, 0.05)]);
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

#[test]
fn what_is_not_computed_changes_no_bit() {
    for (name, network) in networks() {
        let (train, test) = graphs(&network, &sgd(), PLAIN);
        let skips = plan(&train).kernels.iter().filter(|kernel| kernel.when != When::Always).count();
        assert!(skips > 4, "{name}: {skips} kernels stand behind gates");
        let wanted = bits(&network, &mut in_full(&train, &test, 2));
        for threads in [1, 2, 3] {
            let got = bits(&network, &mut engine(&train, &test, BATCH, threads));
            for ((what, got), (_, wanted)) in got.iter().zip(&wanted) {
                assert_eq!(got, wanted, "{name}, {threads} threads: {what}");
            }
        }
    }
}

/// A step on an engine and on the f64 graph.
fn step(network: &Network, train: &mut Graph, engine: &mut CpuEngine, inputs: &Inputs) -> BTreeMap<Output, Vec<f32>> {
    set(engine, network, inputs);
    let wanted = train.run(inputs);
    let found = step_of(engine, network, wanted.keys(), inputs);
    for (name, got) in &found {
        assert!(got.iter().all(|x| x.is_finite()), "{name}");
        agree(&name.to_string(), got, &wanted[name]);
    }
    found
}

#[test]
fn open_or_closed_the_engine_agrees_with_the_f64_graph() {
    for (name, network) in networks() {
        let (mut train, test) = graphs(&network, &sgd(), PLAIN);
        let mut engine = engine(&train, &test, BATCH, 2);
        let plan = plan(&train);
        let mut inputs = rounded(&network, BATCH);
        let mut seen = vec![[false; 2]; plan.kernels.len()];
        for number in 0..6 {
            inputs.step = number;
            step(&network, &mut train, &mut engine, &inputs);
            for (seen, kernel) in seen.iter_mut().zip(&plan.kernels) {
                seen[usize::from(kernel.when.holds(inputs.seed, number))] = true;
            }
        }
        let both = plan.kernels.iter().zip(&seen).all(|(k, seen)| k.when == When::Always || *seen == [true, true]);
        assert!(both, "{name}: the steps leave a gate as it is");
    }
}

/// Where a branch meets what is outside: its sum with the shortcut, what it sends back to the block's input, and the
/// gradients of its weights.
#[test]
fn the_graph_says_where_a_closed_branch_counts_as_0() {
    let network = on_images(|s| {
        s.residual(drop_at_sum(0.5), &[&basic(16, 1)], &identity).relu();
    });
    let (train, _) = graphs(&network, &sgd(), PLAIN);
    let text = train.to_string();
    let mut gated: Vec<_> = text.lines().filter_map(|line| line.split_once(": Gated unless block[0]")).collect();
    gated.sort();
    let names: Vec<_> = gated.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "block[0].branch/gated",
            "d/block[0].branch[0].bn[0].scale/gated",
            "d/block[0].branch[0].bn[0].shift/gated",
            "d/block[0].branch[0].bn[1].scale/gated",
            "d/block[0].branch[0].bn[1].shift/gated",
            "d/block[0].branch[0].conv[0].weight/gated",
            "d/block[0].branch[0].conv[0]/gated",
            "d/block[0].branch[0].conv[1].weight/gated",
        ]
    );
}

#[test]
fn a_plan_that_reads_what_a_closed_gate_leaves_out_is_refused() {
    let (_, network) = networks().into_iter().find(|(name, _)| *name == "basic").expect("one of the networks");
    let (train, _) = graphs(&network, &sgd(), PLAIN);
    let good = plan(&train);
    let gate = good.kernels.iter().find_map(|k| k.when.gates().first().copied()).expect("a gate");
    let refused = |change: &dyn Fn(&mut Plan), word: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let problem = bad.verify().expect_err("the plan is wrong");
        assert!(problem.contains(word), "{problem}");
    };
    refused(&|plan| plan.kernels[0].when = When::Open(vec![gate]), "which a closed gate leaves unwritten");
    let finer = sdc::kernel::Draw { level: Level::Image, ..gate };
    refused(&|plan| plan.kernels[0].when = When::Closed(vec![finer]), "a draw that is no gate");
    let keep_less = |plan: &mut Plan| {
        let maps = plan.kernels.iter_mut().filter_map(|kernel| match &mut kernel.body {
            Body::Map(map) => Some(map),
            Body::Contraction(_) => None,
        });
        let mut stores = maps.flat_map(|map| &mut map.stores).filter(|s| matches!(s.target, Target::Point(_)));
        stores.next().expect("a map of points").unless = Some(gate);
    };
    refused(&keep_less, "where it need not be kept");
}

/// Behind a closed gate gradients are 0, and weights and momenta go on as the optimizer says.
#[test]
fn a_closed_branch_decays_and_may_hold_anything() {
    let (_, network) = networks().into_iter().find(|(name, _)| *name == "basic").expect("one of the networks");
    let plain = Optimizer { rule: UpdateRule::Sgd { momentum: 0.9, nesterov: false }, ..sgd() };
    let (mut train, test) = graphs(&network, &plain, PLAIN);
    let mut engine = engine(&train, &test, BATCH, 2);
    let mut inputs = rounded(&network, BATCH);
    let first = plan(&train).kernels.iter().find(|k| k.when != When::Always).expect("a gate").when.clone();
    inputs.step = (0..).find(|step| !first.holds(inputs.seed, *step)).expect("a step that closes the first branch");
    let in_branch = |path: &str| path.starts_with("block[0].branch[0].");
    let found = step(&network, &mut train, &mut engine, &inputs);
    for (name, values) in &found {
        let Output::Gradient(path) = name else { continue };
        if in_branch(path.as_str()) {
            assert!(values.iter().all(|x| x.to_bits() == 0), "{path}");
            let (weights, momenta) = (&inputs.parameters[path], &inputs.memories[&(Memory::Momentum, path.clone())]);
            let wanted: Vec<f64> = momenta.iter().zip(weights).map(|(v, w)| 0.9 * v + 0.01 * w).collect();
            agree(&format!("momentum of {path}"), &found[&Output::Memory(Memory::Momentum, path.clone())], &wanted);
        }
    }
    // Not a number in the branch: it is not computed, in the graph's meaning as on the engine.
    for (path, values) in &mut inputs.parameters {
        let weight = in_branch(path.as_str()) && path.as_str().ends_with(".weight");
        if weight {
            values[0] = f64::NAN;
        }
    }
    set(&mut engine, &network, &inputs);
    let (images, targets) = (single(&inputs.images), single(&inputs.targets));
    let loss = engine.train_step(&images, &targets, inputs.seed, inputs.step, inputs.rate as f32);
    agree("loss", &[loss], &train.run(&inputs)[&Output::Loss]);
    for (name, wanted) in train.run(&inputs) {
        let Output::Gradient(path) = &name else { continue };
        agree(&name.to_string(), &engine.gradient(path), &wanted);
        assert!(wanted.iter().all(|x| x.is_finite()), "{path}");
    }
}

/// Whether a pass is one of those that are counted.
type Kind = fn(&Pass) -> bool;

/// Multiply-adds of one kind of contraction in a plan, all and weighted by what `runs` says of each kernel.
fn multiply_adds(plan: &Plan, kind: Kind, runs: impl Fn(&When) -> f64) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for kernel in &plan.kernels {
        if let Body::Contraction(contraction) = &kernel.body
            && kind(&contraction.pass)
        {
            let work = contraction.sizes.multiply_adds() as f64;
            sums = [sums[0] + work, sums[1] + work * runs(&kernel.when)];
        }
    }
    sums
}

#[test]
fn the_work_that_is_said_to_be_saved_is_saved() {
    const STEPS: u32 = 4000;
    for (name, network) in networks().into_iter().filter(|(name, _)| *name != "a rule on the trunk") {
        let (train, _) = graphs(&network, &sgd(), PLAIN);
        let plan = plan(&train);
        let expected = network.work();
        let sampled = |when: &When| (0..STEPS).filter(|step| when.holds(5, *step)).count() as f64 / f64::from(STEPS);
        let kinds: [(&str, Kind); 3] = [
            ("forward", |pass| matches!(pass, Pass::Forward { .. })),
            ("to weight", |pass| matches!(pass, Pass::ToWeight { .. })),
            ("to input", |pass| matches!(pass, Pass::ToInput { .. })),
        ];
        for (kind, of_kind) in kinds {
            let [all, done] = multiply_adds(&plan, of_kind, sampled);
            let mut saved = expected.all - expected.expected;
            // The first layer sends nothing to the images.
            let first = if kind == "to input" { 16.0 * 36.0 * 27.0 } else { 0.0 };
            assert_eq!(all, expected.all - first, "{name}, {kind}");
            saved /= all;
            assert!((1.0 - done / all - saved).abs() < 0.02, "{name}, {kind}: {} and {saved}", 1.0 - done / all);
        }
    }
}
