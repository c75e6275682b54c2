//! The CPU engine against the f64 graph: one training step and one test pass of many small networks.

use std::collections::BTreeMap;

use sdc::device::cpu::{CpuEngine, Side};
use sdc::device::{Engine, State};
use sdc::fuse;
use sdc::grad::Differentiate;
use sdc::graph::op::Output;
use sdc::graph::{Graph, Inputs};
use sdc::kernel::Plan;
use sdc::lower::{Mode, lower};
use sdc::net::recipe::{Exempt, Loss, Memory, Optimizer, UpdateRule};
use sdc::net::{Activation, ConvOp, Level, Network, Shape};
use sdc::passes::{Close, Sweep, Update};

use super::graph::build::*;

/// Norm of the difference over norm, tensor by tensor.
const TOLERANCE: f64 = 2e-5;
/// A norm below which a tensor is 0 but for rounding: the gradient to a shift that the next normalisation takes away.
const FLOOR: f64 = 5e-2;

/// The training graph and the test graph.
pub fn graphs(network: &Network, optimizer: &Optimizer, loss: Loss) -> (Graph, Graph) {
    let mut train = lower(network, Mode::Train { loss });
    train.luminal.compile((Differentiate, Close, Update { optimizer: optimizer.clone() }, Sweep), ());
    train.verify().expect("a training graph is valid");
    (train, lower(network, Mode::Test))
}

/// An engine for batches of at most `batch`.
pub fn engine(train: &Graph, test: &Graph, batch: usize, threads: usize) -> CpuEngine {
    let [train, test] = plans(train, test, batch);
    CpuEngine::new(Some(train), test, threads)
}

/// The plans of a training step and of a test pass.
fn plans(train: &Graph, test: &Graph, batch: usize) -> [Plan; 2] {
    let persistent = fuse::persistent(train);
    [train, test].map(|graph| {
        let plan = fuse::plan(graph, &persistent, batch);
        plan.verify().expect("a plan is valid");
        plan
    })
}

pub fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}

pub fn set(engine: &mut dyn Engine, network: &Network, inputs: &Inputs) {
    for p in network.parameters() {
        engine.write(&State::Parameter(p.path.clone()), &single(&inputs.parameters[&p.path]));
        for memory in Memory::ALL {
            let state = State::Memory(memory, p.path.clone());
            if engine.has(&state) {
                engine.write(&state, &single(&inputs.memories[&(memory, p.path.clone())]));
            }
        }
    }
}

pub(super) fn agree(name: &str, got: &[f32], wanted: &[f64]) {
    agree_within(name, got, wanted, TOLERANCE);
}

/// Norm of the difference over norm.
pub(super) fn agree_within(name: &str, got: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len(), "{name}");
    let difference: f64 = got.iter().zip(wanted).map(|(a, b)| (f64::from(*a) - b) * (f64::from(*a) - b)).sum();
    let norm: f64 = wanted.iter().map(|x| x * x).sum();
    let error = difference.sqrt() / norm.sqrt().max(FLOOR);
    assert!(
        error < tolerance,
        "{name}: {error:e}, {:?} against {:?}",
        &got[..got.len().min(8)],
        &wanted[..got.len().min(8)]
    );
}

/// Numbers to start from that are f32: on the engine all are, so they are in the oracle.
pub fn rounded(network: &Network, images: usize) -> Inputs {
    let mut inputs = inputs(network, images);
    let round = |values: &mut Vec<f64>| values.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    round(&mut inputs.images);
    round(&mut inputs.targets);
    inputs.rate = f64::from(inputs.rate as f32);
    inputs.parameters.values_mut().for_each(round);
    for ((memory, path), values) in &mut inputs.memories {
        *values = normal(&format!("{}/{path}", memory.name()), values.len());
        if *memory == Memory::Square {
            values.iter_mut().for_each(|x| *x *= *x);
        }
        round(values);
    }
    inputs
}

/// A step on an engine: what it gives under each of the names.
pub fn step_of<'a>(
    engine: &mut CpuEngine,
    network: &Network,
    names: impl IntoIterator<Item = &'a Output>,
    inputs: &Inputs,
) -> BTreeMap<Output, Vec<f32>> {
    let (images, targets) = (single(&inputs.images), single(&inputs.targets));
    let loss = engine.train_step(&images, &targets, inputs.seed, inputs.step, inputs.rate as f32);
    let value = |name: &Output| match name {
        Output::Loss => vec![loss],
        Output::Logits => engine.training_logits(images.len() / network.input.elements()),
        Output::Gradient(path) => engine.gradient(path),
        Output::Parameter(path) => engine.read(&State::Parameter(path.clone())),
        Output::Memory(memory, path) => engine.read(&State::Memory(*memory, path.clone())),
    };
    names.into_iter().map(|name| (name.clone(), value(name))).collect()
}

/// One step and one test pass for a batch of `images` on an engine made for `batch`.
fn check_with(network: &Network, optimizer: &Optimizer, smoothing: f64, batch: usize, images: usize) {
    check_at(network, optimizer, smoothing, [batch, images], 0);
}

/// The same at a step, as planned, and with fences on either side of every buffer.
fn check_at(network: &Network, optimizer: &Optimizer, smoothing: f64, [batch, images]: [usize; 2], step: u32) {
    let (mut train, mut test) = graphs(network, optimizer, Loss { smoothing });
    let inputs = Inputs { step, ..rounded(network, images) };
    let (logits, outputs) = (test.run(&inputs).remove(&Output::Logits).expect("logits"), train.run(&inputs));
    let [train, test] = plans(&train, &test, batch);
    let fenced = Side::ALL.map(|side| CpuEngine::fenced(Some(train.clone()), test.clone(), 2, side));
    for mut engine in [CpuEngine::new(Some(train), test, 2)].into_iter().chain(fenced) {
        set(&mut engine, network, &inputs);
        agree("test logits", &engine.logits(&single(&inputs.images)), &logits);
        for (name, got) in step_of(&mut engine, network, outputs.keys(), &inputs) {
            agree(&name.to_string(), &got, &outputs[&name]);
        }
    }
}

fn check(input: Shape, body: impl FnOnce(&mut Scope<'_>)) {
    let network = network(input, body);
    check_with(&network, &sgd(), 0.0, 5, 5);
}

#[test]
fn convolutions() {
    for op in [
        ConvOp { kernel: 3, pad: 1, bias: true, ..conv(20) },
        ConvOp { kernel: 3, pad: 1, ..conv(16) },
        ConvOp { kernel: 3, stride: 2, pad: 1, groups: 2, ..conv(6) },
        ConvOp { kernel: 3, stride: 1, pad: 1, groups: 2, ..conv(36) },
        ConvOp { kernel: 3, pad: 2, dilation: 2, ..conv(2) },
        ConvOp { kernel: 2, stride: 3, ..conv(2) },
        ConvOp { kernel: 5, stride: 2, pad: 4, dilation: 2, groups: 18, bias: true, ..conv(36) },
        conv(33),
    ] {
        check(Shape::new(3, 7, 6), |s| {
            s.conv(18, 3, 1).conv_with(op).global_avg_pool().linear(3);
        });
    }
}

/// Blocks whose 3x3 convolutions have groups of whole blocks of channels, of stride 1 and 2: what each group reads is made
/// before it, and what it makes ends in the sums of a normalisation.
fn grouped(s: &mut Scope<'_>) {
    let conv3x3 = |groups, stride| ConvOp { kernel: 3, pad: 1, stride, groups, ..conv(64) };
    s.conv(64, 3, 1).bn().relu();
    for _ in 0..2 {
        let rule = shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), Level::Pixel);
        let at = Rules { at_sum: Some(rule), ..Rules::default() };
        let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.conv_with(conv3x3(2, 1)).bn().relu().conv_with(conv3x3(4, 1)).bn();
        };
        s.residual(at, &[branch], &identity);
        s.relu();
    }
    s.conv_with(conv3x3(2, 2)).bn().relu().global_avg_pool().linear(4);
}

#[test]
fn groups_of_whole_blocks() {
    check(Shape::new(3, 16, 16), grouped);
}

#[test]
fn activations() {
    for activation in [Activation::Relu, Activation::LeakyRelu { slope: 0.1 }, Activation::Silu, Activation::Sigmoid] {
        check(Shape::new(2, 4, 4), |s| {
            s.conv(5, 3, 1).act(activation).conv(4, 3, 1).bn().act(activation).global_avg_pool().linear(3);
        });
    }
}

#[test]
fn batch_normalisation_and_flatten() {
    check(Shape::new(2, 4, 3), |s| {
        s.conv(4, 3, 1).bn().relu().conv(19, 3, 2).bn().flatten().linear(17);
    });
}

#[test]
fn pools() {
    for (max, kernel, stride, pad) in
        [(false, 2, 2, 0), (false, 3, 2, 1), (true, 2, 2, 0), (true, 3, 2, 1), (true, 3, 1, 1), (false, 3, 1, 0)]
    {
        check(Shape::new(2, 5, 6), |s| {
            s.conv(17, 3, 1).pool(max, kernel, stride, pad).flatten().linear(3);
        });
    }
}

#[test]
fn places_and_channels() {
    check(Shape::new(2, 5, 4), |s| {
        s.conv(17, 3, 1).pad_channels(35).conv(3, 1, 1).subsample(2).flatten().linear(3);
    });
    check(Shape::new(2, 5, 4), |s| {
        let shifted: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.shift(1, -2);
        };
        let other: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.relu().conv(18, 3, 1).bn();
        };
        s.conv(21, 3, 1).concat(&[shifted, &identity, other]).conv(5, 1, 1).flatten().linear(3);
    });
}

#[test]
fn gates_by_channel_and_by_element() {
    check(Shape::new(2, 4, 4), |s| {
        s.conv(20, 3, 1).bn().gate(&|s| {
            s.global_avg_pool().linear(2).relu().linear(20).act(Activation::Sigmoid);
        });
        s.global_avg_pool().linear(3);
    });
    check(Shape::new(2, 4, 4), |s| {
        s.conv(4, 3, 1).gate(&|s| {
            s.conv(4, 1, 1).act(Activation::Sigmoid);
        });
        s.flatten().linear(3);
    });
}

/// On a 1 x 1 map a plane's value and its only pixel lie at one place; what a kernel makes of the whole plane is known
/// after its loop alone.
#[test]
fn means_of_single_pixels_are_read_after_they_are_made() {
    check(Shape::new(3, 1, 1), |s| {
        s.conv(20, 1, 1).global_avg_pool().relu().pad_channels(24).linear(3);
    });
    check(Shape::new(3, 1, 1), |s| {
        s.conv(20, 1, 1).global_avg_pool().global_avg_pool().relu().pad_channels(24).linear(3);
    });
    check(Shape::new(3, 1, 1), |s| {
        s.conv(20, 1, 1).gate(&|s| {
            s.global_avg_pool().linear(20).act(Activation::Sigmoid);
        });
        s.relu().linear(3);
    });
}

fn pyramid_block(width: usize, stride: usize) -> impl Fn(&mut Scope<'_>) {
    move |s| {
        s.bn().conv(width, 3, stride).bn().relu().conv(width, 3, 1).bn();
    }
}

#[test]
fn pyramid_blocks_under_every_rule_and_level() {
    for level in [Level::Batch, Level::Image, Level::Channel, Level::Pixel] {
        let rules = [
            shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), level),
            shakedrop(0.0, (-1.0, 1.0), (0.0, 1.0), level),
            noise(level),
            random_drop(0.5),
        ];
        for rule in rules {
            check(Shape::new(3, 6, 6), |s| {
                s.conv(16, 3, 1).bn();
                for (width, stride) in [(19, 1), (26, 2)] {
                    let at = Rules { at_sum: Some(rule.clone()), ..Rules::default() };
                    s.residual(at, &[&pyramid_block(width, stride)], &|s| {
                        if stride > 1 {
                            s.pool(false, stride, stride, 0);
                        }
                        s.pad_channels(width);
                    });
                }
                s.bn().relu().global_avg_pool().linear(4);
            });
        }
    }
}

#[test]
fn three_branches_with_rules_on_each() {
    let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
        s.relu().conv(18, 3, 1).bn().relu().conv(18, 3, 1).bn();
    };
    check(Shape::new(3, 5, 5), |s| {
        s.conv(18, 3, 1).bn();
        let mixed = Rules { on_branches: Some(mix(Level::Image)), ..Rules::default() };
        s.residual(mixed, &[branch, branch], &identity);
        let each =
            Rules { at_branch: Some(shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), Level::Channel)), ..Rules::default() };
        s.residual(each, &[branch, branch], &identity);
        s.relu().global_avg_pool().linear(4);
    });
}

#[test]
fn post_activation_blocks_partial_batch_smoothing_and_exemptions() {
    let network = network(Shape::new(3, 6, 6), |s| {
        s.conv(16, 3, 1).bn().relu();
        for _ in 0..2 {
            let at = Rules { at_sum: Some(random_drop(0.7)), ..Rules::default() };
            s.residual(
                at,
                &[&|s| {
                    s.conv(16, 3, 1).bn().relu().conv(16, 3, 1).bn();
                }],
                &identity,
            );
            s.relu();
        }
        s.global_avg_pool().linear(4);
    });
    for (nesterov, exempt) in [(true, vec![]), (false, vec![Exempt::Norm, Exempt::Bias])] {
        let rule = UpdateRule::Sgd { momentum: 0.9, nesterov };
        check_with(&network, &Optimizer { rule, exempt, ..sgd() }, 0.1, 8, 3);
    }
}

/// Every optimizer with everything beside it, in a step that ends a group and in one that does not. Eighteen channels leave
/// lanes of padding, of which the norm must know nothing; the wide layer takes the norm over several chunks.
#[test]
fn optimizers_clipping_accumulation_and_averages() {
    let network = network(Shape::new(3, 5, 5), |s| {
        s.conv(18, 3, 1).bn().relu().global_avg_pool().linear(1100).relu().linear(17);
    });
    let adamw = UpdateRule::AdamW { beta1: 0.9, beta2: 0.99, eps: 1e-6 };
    let plain = Optimizer { exempt: vec![Exempt::Norm, Exempt::Pattern("**.linear[1]".into())], ..sgd() };
    let adam = Optimizer { rule: adamw, ..plain.clone() };
    for optimizer in [plain, adam] {
        for (clip, accumulate, average) in [
            (None, 1, None),
            (Some(0.1), 1, None),
            (Some(1e9), 1, None),
            (Some(0.1), 3, Some(0.9)),
            (None, 2, Some(0.5)),
        ] {
            let optimizer = Optimizer { clip, accumulate, average, ..optimizer.clone() };
            for step in [0, 5] {
                check_at(&network, &optimizer, 0.0, [4, 4], step);
            }
        }
    }
}

/// A step whose loss is not finite changes no weight, no running statistic and nothing that is kept, whatever the optimizer
/// is made of; nor does the search for the place.
#[test]
fn a_step_that_is_not_finite_changes_no_state() {
    let network = network(Shape::new(3, 5, 5), |s| {
        s.conv(18, 3, 1).bn().relu().global_avg_pool().linear(4);
    });
    let adamw = UpdateRule::AdamW { beta1: 0.9, beta2: 0.99, eps: 1e-6 };
    for rule in [sgd().rule, adamw] {
        for (clip, accumulate, average) in
            [(None, 1, None), (Some(0.1), 1, None), (Some(0.1), 2, Some(0.9)), (None, 2, None), (None, 1, Some(0.5))]
        {
            let optimizer = Optimizer { rule, clip, accumulate, average, ..sgd() };
            let (train, test) = graphs(&network, &optimizer, PLAIN);
            let mut engine = engine(&train, &test, 4, 2);
            let inputs = inputs(&network, 4);
            set(&mut engine, &network, &inputs);
            let kept = |engine: &CpuEngine| -> Vec<(State, Vec<f32>)> {
                let states = network.parameters().into_iter().flat_map(|p| {
                    let memories = Memory::ALL.map(|memory| State::Memory(memory, p.path.clone()));
                    std::iter::once(State::Parameter(p.path)).chain(memories)
                });
                let read = |state: State| (state.clone(), engine.read(&state));
                states.filter(|state| engine.has(state)).map(read).collect()
            };
            let (mut images, targets) = (single(&inputs.images), single(&inputs.targets));
            images[7] = f32::INFINITY;
            let before = kept(&engine);
            assert!(!engine.train_step(&images, &targets, 7, 1, 0.05).is_finite(), "{optimizer:?}");
            assert_eq!(kept(&engine), before, "{optimizer:?}");
            let place = engine.first_not_finite(&images, &targets, 7, 1, 0.05);
            assert!(place.is_some(), "{optimizer:?}");
            assert_eq!(kept(&engine), before, "{optimizer:?}");
            images[7] = 0.0;
            assert!(engine.train_step(&images, &targets, 7, 1, 0.05).is_finite(), "{optimizer:?}");
            assert_ne!(kept(&engine), before, "{optimizer:?}");
        }
    }
}

/// The loss is that of the forward pass; a gradient that overflows on the way back stops the step all the same.
#[test]
fn a_step_whose_gradient_alone_is_not_finite_changes_no_state() {
    let network = network(Shape::new(3, 5, 5), |s| {
        let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.conv(6, 3, 1).bn();
        };
        s.conv(6, 3, 1).bn();
        for _ in 0..2 {
            let rule = rule("overflow", &[], &[number(1.0)], &[number(1e38)], &[1.0]);
            s.residual(Rules { at_sum: Some(rule), ..Rules::default() }, &[branch], &identity);
        }
        s.relu().global_avg_pool().linear(4);
    });
    let (train, test) = graphs(&network, &sgd(), PLAIN);
    let mut engine = engine(&train, &test, 4, 2);
    let inputs = inputs(&network, 4);
    set(&mut engine, &network, &inputs);
    let kept = |engine: &CpuEngine| -> Vec<Vec<f32>> {
        network.parameters().into_iter().map(|p| engine.read(&State::Parameter(p.path))).collect()
    };
    let before = kept(&engine);
    let (images, targets) = (single(&inputs.images), single(&inputs.targets));
    assert!(engine.train_step(&images, &targets, 7, 1, 0.05).is_nan());
    assert!(engine.training_logits(4).iter().all(|x| x.is_finite()), "what goes forward is finite");
    assert_eq!(kept(&engine), before);
    assert!(engine.first_not_finite(&images, &targets, 7, 1, 0.05).is_some());
}

/// No page of a process may be written and run at once, so that what is written wrongly is never run.
#[cfg(target_os = "linux")]
#[test]
fn no_page_is_writable_and_executable() {
    let network = network(Shape::new(3, 5, 5), |s| {
        s.conv(6, 3, 1).bn().relu().global_avg_pool().linear(4);
    });
    let (train, test) = graphs(&network, &sgd(), PLAIN);
    let mut engine = engine(&train, &test, 4, 2);
    let inputs = inputs(&network, 4);
    set(&mut engine, &network, &inputs);
    assert!(engine.logits(&single(&inputs.images)).iter().all(|x| x.is_finite()), "its code runs");
    let pages = std::fs::read_to_string("/proc/self/maps").expect("Linux tells of them");
    let allowed =
        |line: &&str| line.split_whitespace().nth(1).is_some_and(|may| may.contains('w') && may.contains('x'));
    assert_eq!(pages.lines().find(allowed), None);
}

/// A hash of everything that a run of some steps leaves.
fn fingerprint(network: &Network, optimizer: &Optimizer, threads: usize) -> u64 {
    let (train, test) = graphs(network, optimizer, PLAIN);
    let mut engine = engine(&train, &test, 9, threads);
    let inputs = inputs(network, 9);
    set(&mut engine, network, &inputs);
    let (images, targets) = (single(&inputs.images), single(&inputs.targets));
    let mut bytes = Vec::new();
    for step in 0..6 {
        let images_of_step = if step == 5 { 4 } else { 9 };
        let (i, t) = (images_of_step * network.input.elements(), images_of_step * network.output.channels);
        bytes.extend(engine.train_step(&images[..i], &targets[..t], 7, step, 0.05).to_le_bytes());
    }
    for p in network.parameters() {
        let memories = Memory::ALL.map(|memory| State::Memory(memory, p.path.clone()));
        for state in std::iter::once(State::Parameter(p.path)).chain(memories).filter(|state| engine.has(state)) {
            bytes.extend(engine.read(&state).into_iter().flat_map(f32::to_le_bytes));
        }
    }
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let pyramid = network(Shape::new(3, 12, 12), |s| {
        s.conv(16, 3, 1).bn();
        for (width, stride) in [(19, 1), (26, 2), (33, 1)] {
            let rule = shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), Level::Pixel);
            let at = Rules { at_sum: Some(rule), ..Rules::default() };
            s.residual(at, &[&pyramid_block(width, stride)], &|s| {
                if stride > 1 {
                    s.pool(false, stride, stride, 0);
                }
                s.pad_channels(width);
            });
        }
        s.bn().relu().global_avg_pool().linear(4);
    });
    let clipped = Optimizer { clip: Some(0.1), accumulate: 2, average: Some(0.9), ..sgd() };
    let groups = network(Shape::new(3, 16, 16), grouped);
    for (network, optimizer) in [(&pyramid, sgd()), (&pyramid, clipped), (&groups, sgd())] {
        let hash = |threads| (threads, fingerprint(network, &optimizer, threads));
        let hashes: BTreeMap<usize, u64> = [1, 2, 3, 5, 8, 16].map(hash).into();
        assert!(hashes.values().all(|h| *h == hashes[&1]), "{hashes:x?}");
    }
}
