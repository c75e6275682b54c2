//! What a training step does besides gradients: running statistics, gates, the optimizer, batches of any size.

use sdc::graph::op::{Op, Output, Type};
use sdc::graph::{Graph, Inputs, Phase};
use sdc::lower::{Mode, lower};
use sdc::net::recipe::{Data, DataSet, Exempt, Memory, Optimizer, UpdateRule};
use sdc::net::{Network, Path, Recipe, Role, Shape};
use sdc::num::draw::{Stream, bernoulli_threshold};
use sdc::passes::{self, Update};

use super::build::*;

fn new(path: &str) -> Output {
    Output::Parameter(Path::from(path))
}

fn recipe(network: &Network, optimizer: Optimizer) -> Recipe {
    let set = DataSet::Synthetic { shape: network.input, classes: network.output.channels, images: 10 };
    Recipe {
        model: network.name.clone(),
        data: Data { shuffle: false, ..Data::plain(set) },
        loss: PLAIN,
        optimizer,
        schedule: vec![],
        epochs: 1,
        batch: 4,
        seed: 0,
    }
}

#[test]
fn running_statistics_are_a_moving_mean_and_an_unbiased_variance() {
    let network = network(Shape::new(2, 3, 2), |s| {
        s.bn().flatten().linear(2);
    });
    for images in [1, 2, 5] {
        let inputs = inputs(&network, images);
        let out = train_graph(&network).run(&inputs);
        for c in [0, 1] {
            let values: Vec<f64> = inputs.images.chunks_exact(6).skip(c).step_by(2).flatten().copied().collect();
            let m = values.len() as f64;
            assert_eq!(m, 6.0 * images as f64);
            let mean = values.iter().sum::<f64>() / m;
            let unbiased = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (m - 1.0);
            let old = |name: &str| inputs.parameters[&Path::from(name)][c];
            let (new_mean, new_variance) = (&out[&new("bn[0].mean")], &out[&new("bn[0].variance")]);
            close(&new_mean[c..=c], &[0.9 * old("bn[0].mean") + 0.1 * mean], 1e-12);
            close(&new_variance[c..=c], &[0.9 * old("bn[0].variance") + 0.1 * unbiased], 1e-12);
        }
    }
}

#[test]
fn the_variance_of_one_number_is_0() {
    let network = network(Shape::vector(3), |s| {
        s.bn().linear(2);
    });
    let inputs = inputs(&network, 1);
    let out = train_graph(&network).run(&inputs);
    let shrunk: Vec<_> = inputs.parameters[&Path::from("bn[0].variance")].iter().map(|v| 0.9 * v).collect();
    close(&out[&new("bn[0].variance")], &shrunk, 1e-12);
}

#[test]
fn a_gate_of_0_leaves_its_branch_alone() {
    let network = network(Shape::new(3, 3, 3), |s| {
        let inner: &dyn Fn(&mut Scope<'_>) = &|s| {
            let rules = Rules { at_branch: Some(random_drop(0.5)), ..Rules::default() };
            s.bn().residual(
                rules,
                &[&|s| {
                    s.conv(3, 3, 1).bn();
                }],
                &identity,
            );
        };
        let rules = Rules { at_sum: Some(random_drop(0.5)), ..Rules::default() };
        s.bn()
            .residual(rules, &[inner], &|s| {
                s.bn();
            })
            .flatten()
            .linear(2);
    });
    let mut graph = train_graph(&network);
    passes::training(&mut graph, &recipe(&network, sgd()), passes::Footprint::Normal);
    let outer_path = "block[0].branch[0]";
    let inner_path = "block[0].branch[0].block[0].branch[0]";
    let mut seen = std::collections::BTreeSet::new();
    for step in 0..12 {
        let inputs = Inputs { step, ..inputs(&network, 2) };
        let out = graph.run(&inputs);
        let drawn =
            |site: &str| u64::from(Stream::of_rule(site, 0).word(inputs.seed, step, 0)) < bernoulli_threshold(0.5);
        let (outer, inner) = (drawn(outer_path), drawn(inner_path));
        seen.insert((outer, inner));
        let moved = |layer: &str| {
            ["mean", "variance"].map(|name| {
                let path = format!("{layer}.{name}");
                out[&new(&path)] != inputs.parameters[&Path::from(path.as_str())]
            })
        };
        assert_eq!(moved("bn[0]"), [true, true], "outside all gates");
        assert_eq!(moved("block[0].shortcut.bn[0]"), [true, true], "a shortcut has no gate");
        assert_eq!(moved(&format!("{outer_path}.bn[0]")), [outer; 2]);
        assert_eq!(moved(&format!("{inner_path}.bn[0]")), [outer && inner; 2]);
        let weight = Path::from(format!("{inner_path}.conv[0].weight").as_str());
        let gradient = &out[&Output::Gradient(weight.clone())];
        assert_eq!(gradient.iter().any(|g| *g != 0.0), outer && inner);
        assert_ne!(out[&Output::Parameter(weight.clone())], inputs.parameters[&weight], "the decay goes on");
    }
    assert_eq!(seen.len(), 4, "every pair of gates was tried");
}

/// A graph in which `role`'s one number w = 2 has the gradient 0.5 whatever it is.
fn constant_gradient(role: Role) -> (Graph, Inputs) {
    let w = || Path::from("w");
    let mut graph = Graph::new();
    let image = graph.source(Phase::Forward, Op::Image, Type::feature(1, 1, 1), w(), None);
    graph.source(Phase::Forward, Op::Parameter { path: w(), role }, Type::fixed(&[1]), w(), None);
    let gradient = graph.add_in(Phase::Backward, Op::SumChannel, &[image], w(), None);
    graph.add_in(Phase::Backward, Op::Output(Output::Gradient(w())), &[gradient], w(), None);
    let inputs = Inputs {
        images: vec![0.5],
        rate: 0.1,
        parameters: [(w(), vec![2.0])].into(),
        memories: Memory::ALL
            .map(|memory| ((memory, w()), vec![if memory == Memory::Average { 2.0 } else { 0.0 }]))
            .into(),
        ..Inputs::default()
    };
    (graph, inputs)
}

/// The graph of an update of that number, and what it starts from.
fn updated(optimizer: Optimizer, role: Role) -> (Graph, Inputs) {
    let (mut graph, inputs) = constant_gradient(role);
    graph.luminal.compile(Update { optimizer }, ());
    graph.verify().expect("the update is a valid graph");
    (graph, inputs)
}

/// w, and the average of w where it is kept, after each step for which there is a gradient.
fn steps(optimizer: Optimizer, role: Role, gradients: &[f64]) -> Vec<(f64, Option<f64>)> {
    let (mut graph, mut inputs) = updated(optimizer, role);
    let step = |(step, gradient): (usize, &f64)| {
        inputs.step = step as u32;
        inputs.images = vec![*gradient];
        let out = graph.run(&inputs);
        assert_eq!(out[&Output::Gradient(Path::from("w"))], [*gradient]);
        inputs.parameters.insert(Path::from("w"), out[&new("w")].clone());
        for (name, values) in &out {
            if let Output::Memory(memory, path) = name {
                inputs.memories.insert((*memory, path.clone()), values.clone());
            }
        }
        let average = out.get(&Output::Memory(Memory::Average, Path::from("w")));
        (out[&new("w")][0], average.map(|values| values[0]))
    };
    gradients.iter().enumerate().map(step).collect()
}

fn weights(optimizer: Optimizer, role: Role, gradients: &[f64]) -> Vec<f64> {
    steps(optimizer, role, gradients).into_iter().map(|(w, _)| w).collect()
}

/// Reckoned by hand: g = 0.5, w = 2, rate 0.1, mu 0.9, decay 0.1.
#[test]
fn three_steps_of_the_optimizer() {
    let sgd = |nesterov, exempt: &[Exempt]| Optimizer {
        rule: UpdateRule::Sgd { momentum: 0.9, nesterov },
        weight_decay: 0.1,
        exempt: exempt.to_vec(),
        ..Optimizer::sgd(0.1, 0.9)
    };
    let three_steps = |optimizer, role| weights(optimizer, role, &[0.5; 3]);
    close(&three_steps(sgd(false, &[]), Role::Weight), &[1.93, 1.7977, 1.610653], 1e-12);
    close(&three_steps(sgd(true, &[]), Role::Weight), &[1.867, 1.679827, 1.446257587], 1e-12);
    // Without decay: v = 0.5, 0.95, 1.355.
    let plain = [1.95, 1.855, 1.7195];
    close(&three_steps(sgd(false, &[Exempt::Norm]), Role::Norm), &plain, 1e-12);
    close(&three_steps(sgd(false, &[Exempt::Norm, Exempt::Bias]), Role::Bias), &plain, 1e-12);
    close(&three_steps(sgd(false, &[Exempt::Norm]), Role::Bias), &[1.93, 1.7977, 1.610653], 1e-12);
    close(&three_steps(sgd(false, &[Exempt::Pattern("w".into())]), Role::Weight), &plain, 1e-12);
    let still = Optimizer { weight_decay: 0.1, ..Optimizer::sgd(0.1, 0.0) };
    close(&three_steps(still, Role::Weight), &[1.93, 1.8607, 1.792093], 1e-12);
}

/// Reckoned by hand: beta1 1/2, beta2 3/4, rate 0.1, no eps to speak of. First step: m / (1 - 1/2) = g and
/// v / (1 - 3/4) = g^2, so the step is -0.1 whatever g is. Second step, g = 1 after 1/2: m = (1/4 + 1) / 2 = 5/8, over 3/4
/// is 5/6; v = 3/4 1/16 + 1/4 = 19/64, over 7/16 is 19/28.
#[test]
fn two_steps_of_adam_with_decoupled_decay() {
    let rule = UpdateRule::AdamW { beta1: 0.5, beta2: 0.75, eps: 1e-15 };
    let adamw = Optimizer { rule, ..Optimizer::sgd(0.1, 0.0) };
    let second = 5.0 / 6.0 / (19.0f64 / 28.0).sqrt();
    close(&weights(adamw.clone(), Role::Weight, &[0.5, 1.0]), &[1.9, 1.9 - 0.1 * second], 1e-12);
    // The decay is taken from the weight, rate times, and never enters the moments.
    let decayed = Optimizer { weight_decay: 0.5, ..adamw.clone() };
    let first = 2.0 - 0.1 * (1.0 + 0.5 * 2.0);
    let wanted = [first, first - 0.1 * (second + 0.5 * first)];
    close(&weights(decayed.clone(), Role::Weight, &[0.5, 1.0]), &wanted, 1e-12);
    let exempt = Optimizer { exempt: vec![Exempt::Bias], ..decayed };
    close(&weights(exempt, Role::Bias, &[0.5, 1.0]), &[1.9, 1.9 - 0.1 * second], 1e-12);
    let slow = Optimizer { rule: UpdateRule::AdamW { beta1: 0.5, beta2: 0.75, eps: 0.5 }, ..adamw };
    close(&weights(slow, Role::Weight, &[0.5]), &[2.0 - 0.1 * 0.5 / (0.5 + 0.5)], 1e-12);
}

#[test]
fn a_gradient_longer_than_the_limit_is_scaled_to_it() {
    let clipped = |norm| Optimizer { clip: Some(norm), ..Optimizer::sgd(0.1, 0.0) };
    close(&weights(clipped(0.25), Role::Weight, &[0.5, -2.0, 0.125, 0.0]), &[1.975, 2.0, 1.9875, 1.9875], 1e-12);
    close(&weights(clipped(4.0), Role::Weight, &[0.5, -2.0]), &[1.95, 2.15], 1e-12);
}

/// Groups of two steps: gradients 1 and 3 make one update by their mean, 2, then 5 and -1 one by 2 again.
#[test]
fn gathered_gradients_make_one_update() {
    let gathered = Optimizer { accumulate: 2, ..Optimizer::sgd(0.1, 0.5) };
    let gradients = [1.0, 3.0, 5.0, -1.0, 7.0];
    close(&weights(gathered.clone(), Role::Weight, &gradients), &[2.0, 1.8, 1.8, 1.5, 1.5], 1e-12);
    // The limit is that of the mean.
    let clipped = Optimizer { clip: Some(0.5), ..gathered.clone() };
    close(&weights(clipped, Role::Weight, &gradients), &[2.0, 1.95, 1.95, 1.875, 1.875], 1e-12);
    // Corrections count updates, not steps: the first is -rate again.
    let rule = UpdateRule::AdamW { beta1: 0.5, beta2: 0.75, eps: 1e-15 };
    let adamw = Optimizer { rule, ..gathered };
    close(&weights(adamw, Role::Weight, &gradients), &[2.0, 1.9, 1.9, 1.8, 1.8], 1e-12);
}

/// d is 1/10, 2/11, 3/12, …, at most 0.2: w = 1.95, 1.9, 1.85.
#[test]
fn averages_follow_the_weights() {
    let averaged = Optimizer { average: Some(0.2), ..Optimizer::sgd(0.1, 0.0) };
    let averages = |optimizer, gradients: &[f64]| -> Vec<f64> {
        steps(optimizer, Role::Weight, gradients).into_iter().map(|(_, average)| average.expect("it is kept")).collect()
    };
    let first = 0.1 * 2.0 + 0.9 * 1.95;
    let second = 2.0 / 11.0 * first + 9.0 / 11.0 * 1.9;
    let third = 0.2 * second + 0.8 * 1.85;
    close(&averages(averaged.clone(), &[0.5; 3]), &[first, second, third], 1e-12);
    let gathered = Optimizer { accumulate: 2, ..averaged };
    close(&averages(gathered, &[0.5; 4]), &[2.0, first, first, second], 1e-12);
}

fn small() -> Network {
    network(Shape::new(2, 4, 4), |s| {
        let rules = Rules { at_sum: Some(noise(sdc::net::Level::Pixel)), ..Rules::default() };
        s.conv(4, 3, 1).residual(
            rules,
            &[&|s| {
                s.bn().relu().conv(4, 3, 1);
            }],
            &identity,
        );
        s.relu().global_avg_pool().linear(3);
    })
}

#[test]
fn a_step_hands_out_everything_that_changes() {
    let network = small();
    let mut graph = train_graph(&network);
    passes::training(&mut graph, &recipe(&network, sgd()), passes::Footprint::Normal);
    let out = graph.run(&inputs(&network, 4));
    let mut wanted = vec![Output::Loss, Output::Logits];
    for parameter in network.parameters() {
        wanted.push(Output::Parameter(parameter.path.clone()));
        if parameter.role != Role::State {
            wanted.push(Output::Gradient(parameter.path.clone()));
            wanted.push(Output::Memory(Memory::Momentum, parameter.path.clone()));
        }
    }
    wanted.sort();
    assert_eq!(out.keys().cloned().collect::<Vec<_>>(), wanted);
    for parameter in network.parameters() {
        assert_eq!(out[&Output::Parameter(parameter.path)].len(), parameter.dims.iter().product::<usize>());
    }
}

#[test]
fn steps_along_the_gradient_lower_the_loss() {
    let network = small();
    let mut graph = train_graph(&network);
    passes::training(&mut graph, &recipe(&network, sgd()), passes::Footprint::Normal);
    let mut inputs = inputs(&network, 6);
    let mut losses = vec![];
    for _ in 0..20 {
        let out = graph.run(&inputs);
        losses.push(out[&Output::Loss][0]);
        for (name, values) in out {
            match name {
                Output::Parameter(path) => drop(inputs.parameters.insert(path, values)),
                Output::Memory(memory, path) => drop(inputs.memories.insert((memory, path), values)),
                Output::Loss | Output::Logits | Output::Gradient(_) => {}
            }
        }
    }
    assert!(losses[19] < 0.8 * losses[0], "{losses:?}");
}

#[test]
fn one_graph_runs_batches_of_any_size() {
    let network = small();
    let all = inputs(&network, 4);
    let one = |n: usize| Inputs {
        images: all.images[n * 32..][..32].to_vec(),
        targets: all.targets[n * 3..][..3].to_vec(),
        ..all.clone()
    };
    let mut test = lower(&network, Mode::Test);
    let together = test.run(&all);
    let apart: Vec<_> = (0..4).flat_map(|n| test.run(&one(n))[&Output::Logits].clone()).collect();
    close(&together[&Output::Logits], &apart, 1e-12);

    let linear = super::build::network(Shape::new(2, 4, 4), |s| {
        s.conv(4, 3, 2).relu().flatten().linear(3);
    });
    let parameters = inputs(&linear, 1).parameters;
    let mut graph = train_graph(&linear);
    graph.luminal.compile(sdc::grad::Differentiate, ());
    let mut run = |inputs: Inputs| graph.run(&Inputs { parameters: parameters.clone(), ..inputs });
    let together = run(all.clone());
    let apart: Vec<_> = (0..4).map(|n| run(one(n))).collect();
    for (name, values) in &together {
        if *name != Output::Logits {
            let mean: Vec<_> =
                (0..values.len()).map(|i| apart.iter().map(|out| out[name][i]).sum::<f64>() / 4.0).collect();
            close(values, &mean, 1e-12);
        }
    }
}
