//! Every differentiated operation against finite differences, draws held fixed.

use std::collections::BTreeMap;

use sdc::grad::Differentiate;
use sdc::graph::Inputs;
use sdc::graph::op::Output;
use sdc::lower::{Mode, lower};
use sdc::net::recipe::Loss;
use sdc::net::{Activation, ConvOp, Level, Network, Path, Role, Shape};
use sdc::num::draw::Stream;

use super::build::*;

const EPS: f64 = 1e-6;
const ATOL: f64 = 1e-5;
const RTOL: f64 = 1e-3;
/// Elements of one parameter that are moved; evenly spread where there are more.
const MOVED: usize = 12;

/// How large the gradient of each trained parameter is, after it is compared with the loss's central difference.
fn compared(network: &Network, inputs: &Inputs, smoothing: f64) -> BTreeMap<Path, f64> {
    let mode = Mode::Train { loss: Loss { smoothing } };
    let mut graph = lower(network, mode);
    graph.luminal.compile(Differentiate, ());
    graph.verify().expect("the gradient is a valid graph");
    let mut plain = lower(network, mode);
    let gradients = graph.run(inputs);
    let mut largest = BTreeMap::new();
    for parameter in network.parameters().into_iter().filter(|p| p.role != Role::State) {
        let gradient = take(&gradients, &Output::Gradient(parameter.path.clone()));
        let mut loss_at = |place: usize, by: f64| {
            let mut moved = inputs.clone();
            moved.parameters.get_mut(&parameter.path).expect("every parameter has a value")[place] += by;
            plain.run(&moved)[&Output::Loss][0]
        };
        for place in (0..gradient.len()).step_by(gradient.len().div_ceil(MOVED)) {
            let wanted = (loss_at(place, EPS) - loss_at(place, -EPS)) / (2.0 * EPS);
            let got = gradient[place];
            assert!(
                (got - wanted).abs() <= ATOL + RTOL * wanted.abs(),
                "{}[{place}]: {got}, not {wanted}",
                parameter.path
            );
        }
        largest.insert(parameter.path.clone(), gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs())));
    }
    largest
}

/// The gradient of every trained parameter is the loss's central difference, and is not merely 0.
fn check_with(network: &Network, images: usize, smoothing: f64) {
    for (path, largest) in compared(network, &inputs(network, images), smoothing) {
        assert!(largest > 1e-3, "{path}: a gradient of {largest} shows nothing");
    }
}

fn check(input: Shape, body: impl FnOnce(&mut Scope<'_>)) {
    check_with(&network(input, body), 3, 0.0);
}

/// A convolution to learn before what is tested, so that its adjoint matters.
fn start<'s, 'n>(s: &'s mut Scope<'n>) -> &'s mut Scope<'n> {
    s.conv(4, 3, 1)
}

#[test]
fn convolutions() {
    for op in [
        ConvOp { kernel: 3, pad: 1, bias: true, ..conv(4) },
        ConvOp { kernel: 3, stride: 2, pad: 1, groups: 2, ..conv(6) },
        ConvOp { kernel: 3, pad: 2, dilation: 2, ..conv(2) },
        ConvOp { kernel: 2, stride: 3, ..conv(2) },
        ConvOp { kernel: 5, stride: 2, pad: 4, dilation: 2, groups: 4, bias: true, ..conv(4) },
        conv(3),
    ] {
        check(Shape::new(2, 6, 5), |s| {
            start(s).conv_with(op).flatten().linear(3);
        });
    }
}

#[test]
fn activations() {
    for activation in [Activation::Relu, Activation::LeakyRelu { slope: 0.1 }, Activation::Silu, Activation::Sigmoid] {
        check(Shape::new(2, 4, 4), |s| {
            start(s).act(activation).flatten().linear(3);
        });
    }
}

#[test]
fn batch_normalisation() {
    check(Shape::new(2, 4, 3), |s| {
        start(s).bn().relu().conv(3, 3, 2).bn().flatten().linear(4);
    });
}

#[test]
fn pools() {
    for (max, kernel, stride, pad) in
        [(false, 2, 2, 0), (false, 3, 2, 1), (true, 2, 2, 0), (true, 3, 2, 1), (true, 3, 1, 1), (false, 3, 1, 0)]
    {
        check(Shape::new(2, 5, 6), |s| {
            start(s).pool(max, kernel, stride, pad).flatten().linear(3);
        });
    }
    check(Shape::new(2, 5, 6), |s| {
        start(s).global_avg_pool().linear(3);
    });
}

#[test]
fn places() {
    check(Shape::new(2, 5, 4), |s| {
        start(s).pad_channels(6).conv(3, 1, 1).subsample(2).flatten().linear(3);
    });
    for (down, right) in [(1, 1), (-1, 0), (2, -3), (0, 9)] {
        check(Shape::new(2, 5, 4), |s| {
            s.conv(2, 3, 1)
                .concat(&[
                    &|s| {
                        s.shift(down, right);
                    },
                    &identity,
                ])
                .flatten()
                .linear(3);
        });
    }
}

#[test]
fn concat_of_three_paths() {
    check(Shape::new(2, 4, 4), |s| {
        start(s)
            .concat(&[
                &|s| {
                    s.conv(2, 1, 1);
                },
                &identity,
                &|s| {
                    s.relu().conv(3, 3, 1).bn();
                },
            ])
            .flatten()
            .linear(3);
    });
}

#[test]
fn gates_by_channel_and_by_element() {
    check(Shape::new(2, 4, 4), |s| {
        start(s).gate(&|s| {
            s.global_avg_pool().linear(2).relu().linear(4).act(Activation::Sigmoid);
        });
        s.flatten().linear(3);
    });
    check(Shape::new(2, 4, 4), |s| {
        start(s)
            .gate(&|s| {
                s.conv(4, 1, 1).act(Activation::Sigmoid);
            })
            .flatten()
            .linear(3);
    });
    check(Shape::new(2, 4, 4), |s| {
        start(s).gate(&identity).flatten().linear(3);
    });
}

#[test]
fn smoothed_loss() {
    let network = network(Shape::new(2, 4, 4), |s| {
        start(s).flatten().linear(4);
    });
    check_with(&network, 5, 0.1);
}

#[test]
fn residual_of_one_branch() {
    for level in [Level::Batch, Level::Image, Level::Channel, Level::Pixel] {
        check(Shape::new(3, 4, 4), |s| {
            let rules = Rules { at_sum: Some(noise(level)), ..Rules::default() };
            start(s).residual(
                rules,
                &[&|s| {
                    s.bn().conv(5, 3, 2).bn().relu().conv(5, 3, 1).bn();
                }],
                &|s| {
                    s.pool(false, 2, 2, 0).pad_channels(5);
                },
            );
            s.act(Activation::Silu).global_avg_pool().linear(3);
        });
    }
}

#[test]
fn residual_of_two_and_three_branches_under_lists() {
    let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
        s.relu().conv(4, 3, 1).bn();
    };
    let last: &dyn Fn(&mut Scope<'_>) = &|s| {
        s.conv(4, 1, 1);
    };
    check(Shape::new(2, 4, 4), |s| {
        let rules =
            Rules { on_branches: Some(mix(Level::Image)), at_sum: Some(noise(Level::Channel)), ..Rules::default() };
        start(s).residual(rules, &[branch, last], &identity).flatten().linear(3);
    });
    check(Shape::new(2, 4, 4), |s| {
        let draws = [uniform(0.0, 1.0, Level::Pixel), uniform(-1.0, 1.0, Level::Image)];
        let factors = [draw(0), times(draw(0), draw(1)), minus(number(1.0), draw(1))];
        let list = rule("three", &draws, &factors, &factors, &[0.5, 0.0, 1.0]);
        let rules = Rules { on_branches: Some(list), at_branch: Some(noise(Level::Batch)), ..Rules::default() };
        start(s)
            .residual(rules, &[branch, last, branch], &|s| {
                s.conv(4, 1, 1).bn();
            })
            .flatten()
            .linear(3);
    });
}

#[test]
fn residuals_within_residuals() {
    check(Shape::new(2, 4, 4), |s| {
        let inner: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.residual(
                Rules::default(),
                &[&|s| {
                    s.conv(4, 3, 1).bn();
                }],
                &identity,
            )
            .relu();
        };
        start(s).residual(Rules::default(), &[inner], &identity).flatten().linear(3);
    });
}

/// The first step in which the gate of the network's one site is this for each image.
fn step_with(network: &Network, seed: u64, gates: [f32; 3]) -> u32 {
    let site = network.sites()[0];
    let (draw, stream) = (site.rule.draws[0], Stream::of_rule(site.path.as_str(), 0));
    let gate = |step: u32, image: usize| {
        let index = draw.level.index(site.shape, image, 0, 0, 0);
        draw.distribution.sample(stream.word(seed, step, index))
    };
    let fits = |step: &u32| gates.iter().enumerate().all(|(image, wanted)| gate(*step, image) == *wanted);
    (0..1000).find(fits).expect("one step in eight has such gates")
}

#[test]
fn residuals_behind_open_and_closed_gates() {
    for (level, gates) in [
        (Level::Batch, [1.0, 1.0, 1.0]),
        (Level::Batch, [0.0, 0.0, 0.0]),
        (Level::Image, [1.0, 1.0, 1.0]),
        (Level::Image, [0.0, 0.0, 0.0]),
        (Level::Image, [1.0, 0.0, 1.0]),
    ] {
        let mut gate = random_drop(0.5);
        gate.draws[0].level = level;
        let network = network(Shape::new(2, 4, 4), |s| {
            let rules = Rules { at_sum: Some(gate), ..Rules::default() };
            start(s).residual(
                rules,
                &[&|s| {
                    s.conv(4, 3, 1).bn().relu().conv(4, 3, 1);
                }],
                &identity,
            );
            s.flatten().linear(3);
        });
        let mut inputs = inputs(&network, gates.len());
        inputs.step = step_with(&network, inputs.seed, gates);
        let branch = network.sites()[0].path.as_str();
        for (path, largest) in compared(&network, &inputs, 0.0) {
            // Nothing comes through a gate that is closed for every image.
            let is_shut = !gates.contains(&1.0) && path.as_str().starts_with(branch);
            let fits = if is_shut { largest == 0.0 } else { largest > 1e-3 };
            assert!(fits, "{path} behind {gates:?} a {level}: a gradient of {largest}");
        }
    }
}

#[test]
fn rules_as_layers() {
    check(Shape::new(2, 4, 4), |s| {
        start(s).rule(noise(Level::Pixel)).relu().rule(noise(Level::Channel)).flatten().linear(3);
    });
}
