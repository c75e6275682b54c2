//! What a training step does besides gradients: running statistics, gates, the optimizer, batches of any size.

use sdc::graph::op::{Op, Output, Type};
use sdc::graph::{Graph, Inputs, Phase};
use sdc::lower::{Mode, lower};
use sdc::net::recipe::{Data, DataSet, Exempt, Sgd};
use sdc::net::{Network, Path, Recipe, Role, Shape};
use sdc::num::draw::{Stream, bernoulli_threshold};
use sdc::passes::{self, Update};

use super::build::*;

fn new(path: &str) -> Output {
    Output::Parameter(Path::from(path))
}

fn recipe(network: &Network, optimizer: Sgd) -> Recipe {
    let set = DataSet::Synthetic { shape: network.input, classes: network.output.channels, images: 10 };
    Recipe {
        model: network.name.clone(),
        data: Data { set, augment: vec![], shuffle: false },
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
    passes::training(&mut graph, &recipe(&network, sgd()));
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
        momenta: [(w(), vec![0.0])].into(),
        ..Inputs::default()
    };
    (graph, inputs)
}

fn three_steps(sgd: Sgd, role: Role) -> [f64; 3] {
    let (mut graph, mut inputs) = constant_gradient(role);
    graph.luminal.compile(Update { sgd }, ());
    graph.verify().expect("the update is a valid graph");
    [(); 3].map(|()| {
        let out = graph.run(&inputs);
        assert_eq!(out[&Output::Gradient(Path::from("w"))], [0.5]);
        inputs.parameters.insert(Path::from("w"), out[&new("w")].clone());
        inputs.momenta.insert(Path::from("w"), out[&Output::Momentum(Path::from("w"))].clone());
        out[&new("w")][0]
    })
}

/// Reckoned by hand: g = 0.5, w = 2, rate 0.1, mu 0.9, decay 0.1.
#[test]
fn three_steps_of_the_optimizer() {
    let sgd = |nesterov, exempt: &[Exempt]| Sgd {
        lr: 0.1,
        momentum: 0.9,
        nesterov,
        weight_decay: 0.1,
        exempt: exempt.to_vec(),
    };
    close(&three_steps(sgd(false, &[]), Role::Weight), &[1.93, 1.7977, 1.610653], 1e-12);
    close(&three_steps(sgd(true, &[]), Role::Weight), &[1.867, 1.679827, 1.446257587], 1e-12);
    // Without decay: v = 0.5, 0.95, 1.355.
    let plain = [1.95, 1.855, 1.7195];
    close(&three_steps(sgd(false, &[Exempt::Norm]), Role::Norm), &plain, 1e-12);
    close(&three_steps(sgd(false, &[Exempt::Norm, Exempt::Bias]), Role::Bias), &plain, 1e-12);
    close(&three_steps(sgd(false, &[Exempt::Norm]), Role::Bias), &[1.93, 1.7977, 1.610653], 1e-12);
    close(&three_steps(Sgd { momentum: 0.0, ..sgd(false, &[]) }, Role::Weight), &[1.93, 1.8607, 1.792093], 1e-12);
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
    passes::training(&mut graph, &recipe(&network, sgd()));
    let out = graph.run(&inputs(&network, 4));
    let mut wanted = vec![Output::Loss, Output::Logits];
    for parameter in network.parameters() {
        wanted.push(Output::Parameter(parameter.path.clone()));
        if parameter.role != Role::State {
            wanted.push(Output::Gradient(parameter.path.clone()));
            wanted.push(Output::Momentum(parameter.path.clone()));
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
    passes::training(&mut graph, &recipe(&network, sgd()));
    let mut inputs = inputs(&network, 6);
    let mut losses = vec![];
    for _ in 0..20 {
        let out = graph.run(&inputs);
        losses.push(out[&Output::Loss][0]);
        for (name, values) in out {
            match name {
                Output::Parameter(path) => drop(inputs.parameters.insert(path, values)),
                Output::Momentum(path) => drop(inputs.momenta.insert(path, values)),
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
