//! luminal's traps, and what its verifier must catch.

use luminal::op::Operator;
use luminal::shape::ShapeTracker;
use luminal::tensor::Tensor;
use sdc::grad::Differentiate;
use sdc::graph::op::{Op, Output, Statistics, Type};
use sdc::graph::{Compiler, Graph, LuminalGraph, MAX_INPUTS, NodeId, Phase, ToIdsMut};
use sdc::lower::{Mode, lower};
use sdc::net::{Activation, Level, Path, Role, Shape};
use sdc::passes::{Sweep, Update};

use super::build::*;

fn at() -> Path {
    Path::from("here")
}

fn image(graph: &mut Graph) -> NodeId {
    graph.source(Phase::Forward, Op::Image, Type::feature(2, 2, 2), at(), None)
}

#[test]
fn more_outputs_than_a_byte_counts() {
    let mut graph = Graph::new();
    let path = |i: usize| Path::from(format!("w[{i}]").as_str());
    for i in 0..300 {
        let source = Op::Parameter { path: path(i), role: Role::Weight };
        let w = graph.source(Phase::Forward, source, Type::fixed(&[1]), path(i), None);
        graph.add(Op::Output(Output::Parameter(path(i))), &[w], path(i), None);
    }
    let parameters = (0..300).map(|i| (path(i), vec![i as f64])).collect();
    let out = graph.run(&sdc::graph::Inputs { parameters, ..Default::default() });
    assert_eq!(out.len(), 300);
    for i in 0..300 {
        assert_eq!(out[&Output::Parameter(path(i))], [i as f64]);
    }
}

#[test]
fn more_paths_than_a_byte_counts() {
    let path: &dyn Fn(&mut Scope<'_>) = &identity;
    let network = network(Shape::vector(1), |s| {
        s.concat(&vec![path; MAX_INPUTS + 44]);
    });
    let mut graph = lower(&network, Mode::Test);
    graph.verify().expect("a long concatenation is split");
    let out = graph.run(&inputs(&network, 2));
    let wanted: Vec<_> = inputs(&network, 2).images.iter().flat_map(|v| [*v; 300]).collect();
    assert_eq!(out[&Output::Logits], wanted);
}

#[test]
#[should_panic(expected = "here: Concat: takes 1 to 256 inputs, not 257")]
fn a_node_takes_no_more_inputs_than_luminal_counts() {
    let mut graph = Graph::new();
    let image = image(&mut graph);
    graph.add(Op::Concat, &[image; MAX_INPUTS + 1], at(), None);
}

#[test]
fn a_run_keeps_nothing_of_the_one_before() {
    let network = network(Shape::new(2, 3, 3), |s| {
        s.conv(4, 3, 1).rule(noise(Level::Image)).flatten().linear(2);
    });
    let mut graph = train_graph(&network);
    let mut inputs = inputs(&network, 2);
    let first = graph.run(&inputs);
    inputs.step += 1;
    let second = graph.run(&inputs);
    assert_ne!(first[&Output::Loss], second[&Output::Loss], "a new step draws anew");
    inputs.step -= 1;
    assert_eq!(graph.run(&inputs), first, "the same step draws the same");
    inputs.seed += 1 << 40;
    assert_ne!(graph.run(&inputs)[&Output::Loss], first[&Output::Loss], "the seed's upper half counts");
}

#[test]
fn nodes_added_after_a_run_are_run() {
    let mut graph = Graph::new();
    let image = image(&mut graph);
    graph.add(Op::Output(Output::Logits), &[image], at(), None);
    let inputs = sdc::graph::Inputs { images: vec![1.0; 8], ..Default::default() };
    assert_eq!(graph.run(&inputs).len(), 1);
    let sum = graph.add_in(Phase::Backward, Op::SumChannel, &[image], at(), None);
    graph.add_in(Phase::Backward, Op::Output(Output::Gradient(at())), &[sum], at(), None);
    assert_eq!(graph.run(&inputs)[&Output::Gradient(at())], [4.0, 4.0]);
}

/// A pass as a user of the library writes one: every leaky relu becomes a relu.
struct Straighten;

impl Compiler for Straighten {
    fn compile<T: ToIdsMut>(&self, graph: &mut LuminalGraph, _: T) {
        Graph::within(graph, |graph| {
            for id in graph.nodes() {
                let mut node = graph.node(id).clone();
                if matches!(node.op, Op::Act(Activation::LeakyRelu { .. })) {
                    node.op = Op::Act(Activation::Relu);
                    graph.luminal.graph[id] = Box::new(node);
                }
            }
        });
    }
}

#[test]
fn a_pass_of_the_user_goes_between_ours() {
    let with = |activation| {
        network(Shape::new(2, 3, 3), |s| {
            s.conv(4, 3, 1).act(activation).flatten().linear(2);
        })
    };
    let (leaky, straight) = (with(Activation::LeakyRelu { slope: 0.5 }), with(Activation::Relu));
    let mut changed = train_graph(&leaky);
    changed.luminal.compile((Straighten, Differentiate, Update { optimizer: sgd() }, Sweep), ());
    changed.verify().expect("the pass keeps the graph valid");
    let mut plain = train_graph(&straight);
    plain.luminal.compile((Differentiate, Update { optimizer: sgd() }, Sweep), ());
    assert_eq!(changed.run(&inputs(&leaky, 2)), plain.run(&inputs(&leaky, 2)));
}

#[test]
fn what_no_output_needs_is_swept() {
    let mut graph = Graph::new();
    let image = image(&mut graph);
    graph.add(Op::Output(Output::Logits), &[image], at(), None);
    let unread = graph.add(Op::Act(Activation::Relu), &[image], at(), None);
    graph.add(Op::Act(Activation::Relu), &[unread], at(), None);
    graph.luminal.compile(Sweep, ());
    assert_eq!(graph.nodes().len(), 2);
}

#[derive(Debug, PartialEq)]
struct Foreign;

impl Operator for Foreign {
    fn process(&mut self, _: Vec<(luminal::op::InputTensor<'_>, ShapeTracker)>) -> Vec<Tensor> {
        vec![]
    }
}

/// The verifier's word on a graph that `spoil` makes of an image.
fn refused(spoil: impl FnOnce(&mut Graph, NodeId)) -> String {
    let mut graph = Graph::new();
    let image = image(&mut graph);
    assert_eq!(graph.verify(), Ok(()));
    spoil(&mut graph, image);
    graph.verify().expect_err("the graph is broken")
}

#[test]
fn each_invariant_is_checked() {
    let relu = || Op::Act(Activation::Relu);
    let foreign = refused(|graph, _| {
        graph.luminal.graph.add_node(Box::new(Foreign));
    });
    assert_eq!(foreign, "an operator that is not a Node");

    let gap = refused(|graph, image| {
        let sum = graph.add(Op::Add, &[image, image], at(), None);
        let edge = graph.luminal.graph.find_edge(image, sum).expect("it has inputs");
        graph.luminal.graph.remove_edge(edge);
        let left = *graph.luminal.graph.edges_connecting(image, sum).next().expect("one is left").weight();
        graph.luminal.graph.add_edge(image, sum, left);
    });
    assert_eq!(gap, "here: Add: inputs are not numbered from 0");

    let wrong_type = refused(|graph, image| {
        let y = graph.add(relu(), &[image], at(), None);
        let mut node = graph.node(y).clone();
        node.ty = Type::scalar();
        graph.luminal.graph[y] = Box::new(node);
    });
    assert_eq!(wrong_type, "here: Act relu: puts out N x 2 x 2 x 2, not scalar");

    let backwards = refused(|graph, image| {
        let y = graph.add_in(Phase::Backward, relu(), &[image], Path::from("later"), None);
        graph.add(relu(), &[y], at(), None);
    });
    assert_eq!(backwards, "here: Act relu: reads later, which comes later");

    let statistics = refused(|graph, image| {
        let other = graph.add(relu(), &[image], at(), None);
        let mean = graph.add(Op::ChannelMean, &[other], at(), None);
        let variance = graph.add(Op::ChannelVariance, &[other, mean], at(), None);
        let op = Op::BatchNorm { eps: 1e-5, statistics: Statistics::Batch };
        graph.add(op, &[image, mean, variance, mean, mean], at(), None);
    });
    assert_eq!(statistics, "here: BatchNorm Batch eps 0.00001: its statistics are not those of what it normalises");

    let twice = refused(|graph, image| {
        graph.add(Op::Output(Output::Logits), &[image], at(), None);
        graph.add(Op::Output(Output::Logits), &[image], at(), None);
    });
    assert_eq!(twice, "2 nodes for output logits");

    let read = refused(|graph, image| {
        let out = graph.add(Op::Output(Output::Logits), &[image], at(), None);
        graph.add(relu(), &[out], at(), None);
    });
    assert_eq!(read, "here: Output: an output is read");

    let loss = refused(|graph, image| {
        graph.add(Op::Output(Output::Loss), &[image], at(), None);
    });
    assert_eq!(loss, "here: Output: the loss is not a cross entropy");
}
