//! Stochastic factors: draws by level, the backward equation, sites, gates, test-time factors.

use std::collections::BTreeMap;

use luminal::compilers::CSE;
use sdc::grad::Differentiate;
use sdc::graph::op::{Op, Output, ScaleOp, Type};
use sdc::graph::{Graph, Inputs, NodeId, Phase};
use sdc::lower::{Mode, lower};
use sdc::net::{Factor, Level, Path, Role, Rule, Shape};
use sdc::num::draw::{Stream, bernoulli_threshold};

use super::build::*;

const SHAPE: [usize; 4] = [3, 5, 2, 4];

/// The word of a draw at an element, by the table of the draw format.
fn word(site: &str, number: usize, level: Level, inputs: &Inputs, [n, c, h, w]: [usize; 4]) -> u32 {
    let [_, _, height, width] = SHAPE;
    let index = match level {
        Level::Batch => 0,
        Level::Image => n,
        Level::Channel => 16 * n + c,
        Level::Pixel => 16 * (w + width * (h + height * n)) + c,
    };
    Stream::of_rule(site, number).word(inputs.seed, inputs.step, index as u64)
}

fn unit(word: u32) -> f64 {
    f64::from(word >> 8) / f64::from(1 << 24)
}

fn places() -> impl Iterator<Item = [usize; 4]> {
    let [images, channels, height, width] = SHAPE;
    let count = images * channels * height * width;
    (0..count)
        .map(move |i| [i / width / height / channels, i / width / height % channels, i / width % height, i % width])
}

fn scale_op(site: &str, rule: &Rule) -> Op {
    let (forward, backward) = (rule.forward[0].clone(), rule.backward[0].clone());
    let call = rule.name.clone();
    Op::Scale(Box::new(ScaleOp { site: Path::from(site), call, draws: rule.draws.clone(), forward, backward }))
}

/// bias -> image + bias -> rule -> mean -> loss.
fn graph_under(rule: &Rule) -> Graph {
    let mut graph = Graph::new();
    let [_, c, h, w] = SHAPE;
    let at = || Path::from("site");
    let image = graph.source(Phase::Forward, Op::Image, Type::feature(c, h, w), at(), None);
    let clock = graph.source(Phase::Forward, Op::Clock, Type::fixed(&[4]), at(), None);
    let bias = Op::Parameter { path: Path::from("bias"), role: Role::Bias };
    let bias = graph.source(Phase::Forward, bias, Type::fixed(&[c]), at(), None);
    let target = graph.source(Phase::Forward, Op::Target, Type::feature(c, 1, 1), at(), None);
    let x = graph.add(Op::AddChannel, &[image, bias], at(), None);
    let y = graph.add(scale_op("site", rule), &[x, clock], at(), None);
    let logits = graph.add(Op::GlobalAvgPool, &[y], at(), None);
    graph.add(Op::Output(Output::Logits), &[logits], at(), None);
    let loss = graph.add(Op::CrossEntropy { smoothing: 0.0 }, &[logits, target], at(), None);
    graph.add(Op::Output(Output::Loss), &[loss], at(), None);
    graph
}

fn inputs_at(step: u32) -> Inputs {
    let [n, c, h, w] = SHAPE;
    let targets = (0..n * c).map(|i| f64::from(i % c == i / c)).collect();
    Inputs {
        images: normal("images", n * c * h * w),
        targets,
        seed: 99,
        step,
        parameters: [(Path::from("bias"), normal("bias", c))].into(),
        ..Inputs::default()
    }
}

#[test]
fn forward_and_backward_are_their_equations() {
    let [images, channels, height, width] = SHAPE;
    for level in [Level::Batch, Level::Image, Level::Channel, Level::Pixel] {
        let rule = shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), level);
        let mut graph = graph_under(&rule);
        graph.luminal.compile(Differentiate, ());
        let mut gates_seen = [false; 2];
        for step in 0..8 {
            let inputs = inputs_at(step);
            let out = graph.run(&inputs);
            let b = f64::from(u64::from(word("site", 0, Level::Batch, &inputs, [0; 4])) < bernoulli_threshold(0.5));
            gates_seen[b as usize] = true;
            let alpha = |place| 2.0 * unit(word("site", 1, level, &inputs, place)) - 1.0;
            let beta = |place| unit(word("site", 2, level, &inputs, place));
            let bias = &inputs.parameters[&Path::from("bias")];

            let pixels = (height * width) as f64;
            let mut logits = vec![0.0; images * channels];
            for (i, [n, c, h, w]) in places().enumerate() {
                let factor = b + alpha([n, c, h, w]) - b * alpha([n, c, h, w]);
                logits[n * channels + c] += factor * (inputs.images[i] + bias[c]) / pixels;
            }
            close(take(&out, &Output::Logits), &logits, 1e-12);

            let mut gradient = vec![0.0; channels];
            for [n, c, h, w] in places() {
                let row = &logits[n * channels..][..channels];
                let total: f64 = row.iter().map(|z| libm::exp(*z)).sum();
                let logit_adj = (libm::exp(row[c]) / total - inputs.targets[n * channels + c]) / images as f64;
                let factor = b + beta([n, c, h, w]) - b * beta([n, c, h, w]);
                gradient[c] += factor * logit_adj / pixels;
            }
            close(take(&out, &Output::Gradient(Path::from("bias"))), &gradient, 1e-12);
        }
        assert_eq!(gates_seen, [true, true], "both values of the gate were tried");
    }
}

#[test]
fn every_form_of_factor_has_its_value() {
    let (three, eight) = (|| number(3.0), || number(8.0));
    let cases: [(Factor, f64); 9] = [
        (three(), 3.0),
        (Factor::Neg(three().into()), -3.0),
        (Factor::Sqrt(plus(eight(), number(1.0)).into()), 3.0),
        (plus(three(), eight()), 11.0),
        (minus(three(), eight()), -5.0),
        (times(three(), eight()), 24.0),
        (over(three(), eight()), 0.375),
        (Factor::Min(three().into(), eight().into()), 3.0),
        (Factor::Max(three().into(), eight().into()), 8.0),
    ];
    let inputs = inputs_at(0);
    let plain = graph_under(&rule("one", &[], &[number(1.0)], &[number(1.0)], &[1.0])).run(&inputs);
    for (factor, value) in cases {
        let factors = std::slice::from_ref(&factor);
        let rule = rule("constant", &[], factors, factors, &[value]);
        let logits: Vec<_> = plain[&Output::Logits].iter().map(|z| z * value).collect();
        close(take(&graph_under(&rule).run(&inputs), &Output::Logits), &logits, 1e-12);
    }
}

fn scales(graph: &Graph) -> Vec<NodeId> {
    graph.nodes().into_iter().filter(|&id| matches!(graph.node(id).op, Op::Scale(_))).collect()
}

#[test]
fn one_rule_at_two_sites_draws_twice() {
    let network = network(Shape::new(4, 3, 3), |s| {
        for _ in 0..2 {
            let rules = Rules { at_branch: Some(random_drop(0.5)), ..Rules::default() };
            s.residual(rules, &[&identity, &identity], &identity);
        }
        s.global_avg_pool().linear(2);
    });
    let mut graph = train_graph(&network);
    graph.luminal.compile(CSE, ());
    graph.verify().expect("luminal's pass keeps the graph valid");
    let site = |id: NodeId| match &graph.node(id).op {
        Op::Scale(scale) => scale.site.to_string(),
        _ => unreachable!("only factors are asked"),
    };
    let sites: Vec<_> = scales(&graph).into_iter().map(site).collect();
    assert_eq!(sites, ["block[0].branch[0]", "block[0].branch[1]", "block[1].branch[0]", "block[1].branch[1]"]);

    // x (1 + b0 + b1) (1 + b2 + b3): every one of the nine products comes up, so no two gates are one draw.
    let mut inputs = Inputs { images: vec![1.0; 36], ..inputs(&network, 1) };
    inputs.parameters.insert(Path::from("linear[0].weight"), vec![0.25; 8]);
    inputs.parameters.insert(Path::from("linear[0].bias"), vec![0.0; 2]);
    let mut products = BTreeMap::new();
    for step in 0..400 {
        let out = graph.run(&Inputs { step, ..inputs.clone() });
        *products.entry(out[&Output::Logits][0].round() as i64).or_insert(0) += 1;
    }
    // 1, 2, 3 have the odds 1, 2, 1 in 4 on each side.
    let expected = [(1, 25.0), (2, 100.0), (3, 50.0), (4, 100.0), (6, 100.0), (9, 25.0)];
    assert_eq!(products.keys().copied().collect::<Vec<_>>(), expected.map(|(product, _)| product));
    for (product, count) in expected {
        let deviation = f64::sqrt(count * (1.0 - count / 400.0));
        let got = f64::from(products[&product]);
        assert!((got - count).abs() < 4.0 * deviation, "{product} came {got} times in 400, not about {count}");
    }
}

#[test]
fn equal_layers_are_joined_and_draws_are_not() {
    let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
        s.relu().rule(noise(Level::Pixel));
    };
    let network = network(Shape::new(4, 3, 3), |s| {
        s.conv(4, 1, 1).residual(Rules::default(), &[branch, branch], &identity).global_avg_pool().linear(2);
    });
    let inputs = inputs(&network, 2);
    let mut graph = train_graph(&network);
    graph.luminal.compile(Differentiate, ());
    let before = graph.run(&inputs);
    let count =
        |graph: &Graph, wanted: fn(&Op) -> bool| graph.nodes().iter().filter(|&&id| wanted(&graph.node(id).op)).count();
    let relus: fn(&Op) -> bool = |op| matches!(op, Op::Act(_));
    assert_eq!((count(&graph, relus), scales(&graph).len()), (2, 4));
    graph.luminal.compile(CSE, ());
    assert_eq!((count(&graph, relus), scales(&graph).len()), (1, 4));
    assert_eq!(graph.run(&inputs), before);
}

#[test]
fn a_gate_follows_from_the_equations() {
    let b = || draw(0);
    let gate = |draws: &[sdc::net::Draw], forward: &[Factor], backward: &[Factor]| {
        let rule = rule("r", draws, forward, backward, &vec![1.0; forward.len()]);
        (0..forward.len()).map(|branch| rule.gate(branch)).collect::<Vec<_>>()
    };
    let named = [bernoulli(0.3, Level::Batch), uniform(0.0, 2.0, Level::Pixel)];
    let one = |factor: Factor| [factor];

    assert_eq!(random_drop(0.5).gate(0), Some(0));
    assert_eq!(shakedrop(0.5, (0.0, 0.0), (0.0, 0.0), Level::Pixel).gate(0), Some(0));
    assert_eq!(shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), Level::Pixel).gate(0), None);
    assert_eq!(shakedrop(0.5, (0.0, 0.0), (0.0, 1.0), Level::Pixel).gate(0), None, "backward is not 0");

    assert_eq!(gate(&named, &one(over(b(), number(0.3))), &one(b())), [Some(0)]);
    assert_eq!(gate(&named, &one(times(b(), draw(1))), &one(b())), [Some(0)]);
    assert_eq!(gate(&named, &one(minus(draw(1), times(minus(number(1.0), b()), draw(1)))), &one(b())), [Some(0)]);
    assert_eq!(gate(&named, &one(b()), &one(number(1.0))), [None]);
    assert_eq!(gate(&named, &one(minus(number(1.0), b())), &one(minus(number(1.0), b()))), [None], "0 where b is 1");
    assert_eq!(gate(&named, &one(times(b(), over(number(1.0), draw(1)))), &one(b())), [None], "0 / 0 is no 0");
    let lists = [b(), minus(number(1.0), b())];
    assert_eq!(gate(&named, &lists, &lists), [Some(0), None]);

    let by_image = [bernoulli(0.3, Level::Image)];
    assert_eq!(gate(&by_image, &one(b()), &one(b())), [None]);
    let unnamed = [sdc::net::Draw { named: false, ..bernoulli(0.3, Level::Batch) }];
    assert_eq!(gate(&unnamed, &one(b()), &one(b())), [None]);
    let second = [uniform(0.0, 1.0, Level::Batch), bernoulli(0.5, Level::Batch)];
    assert_eq!(gate(&second, &one(draw(1)), &one(times(draw(0), draw(1)))), [Some(1)]);
    assert_eq!(random_drop(0.5).gate(1), None, "there is no such branch");
}

#[test]
fn at_test_a_factor_is_its_expectation() {
    let constant = |value: f64| rule("constant", &[], &[number(value)], &[number(value)], &[value]);
    let with = |factor| {
        network(Shape::new(3, 2, 2), |s| {
            let rules = Rules { at_sum: Some(factor), ..Rules::default() };
            s.residual(
                rules,
                &[&|s| {
                    s.conv(3, 3, 1).bn();
                }],
                &identity,
            )
            .flatten()
            .linear(2);
        })
    };
    for (p, operations) in [(0.25, vec![0.25]), (1.0, vec![]), (0.0, vec![0.0])] {
        let network = with(random_drop(p));
        let mut graph = lower(&network, Mode::Test);
        let factors: Vec<_> = graph
            .nodes()
            .iter()
            .filter_map(|&id| match graph.node(id).op {
                Op::ScaleConst { factor, .. } => Some(factor),
                _ => None,
            })
            .collect();
        assert_eq!(factors, operations);
        assert!(scales(&graph).is_empty() && graph.find_source(&Op::Clock).is_none(), "nothing is drawn at test");
        let inputs = inputs(&network, 2);
        assert_eq!(graph.run(&inputs), lower(&with(constant(p)), Mode::Test).run(&inputs));
    }
    let list = |s: &mut Scope<'_>| {
        let rules = Rules { on_branches: Some(mix(Level::Image)), ..Rules::default() };
        s.residual(
            rules,
            &[&identity, &|s| {
                s.relu();
            }],
            &identity,
        )
        .global_avg_pool();
    };
    let network = network(Shape::new(2, 2, 2), list);
    let inputs = inputs(&network, 1);
    let logits = lower(&network, Mode::Test).run(&inputs);
    let mean = |x: &[f64]| x.iter().map(|v| 0.5 * v + 0.5 * v.max(0.0) + v).sum::<f64>() / 4.0;
    let wanted: Vec<_> = inputs.images.chunks_exact(4).map(mean).collect();
    close(take(&logits, &Output::Logits), &wanted, 1e-12);
}
