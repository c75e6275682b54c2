//! The reference meaning of operations against their equations, or numbers reckoned by hand.

use std::collections::BTreeMap;

use sdc::graph::op::{ConvGeometry, Op, Output, Type};
use sdc::graph::{Graph, Inputs, NodeId, Phase};
use sdc::net::{Activation, Path, Role, Window};

use super::build::{close, normal};

/// A graph over sources with given values, one of them the images.
struct Bench {
    graph: Graph,
    inputs: Inputs,
}

impl Bench {
    /// Starts from images of C x H x W.
    fn new(dims: [usize; 3], images: &[f64]) -> (Self, NodeId) {
        let mut graph = Graph::new();
        let image = graph.source(Phase::Forward, Op::Image, Type::feature(dims[0], dims[1], dims[2]), at(), None);
        (Bench { graph, inputs: Inputs { images: images.to_vec(), ..Inputs::default() } }, image)
    }

    /// One more value an image: what the graph calls the target.
    fn target(&mut self, dims: [usize; 3], values: &[f64]) -> NodeId {
        self.inputs.targets = values.to_vec();
        self.graph.source(Phase::Forward, Op::Target, Type::feature(dims[0], dims[1], dims[2]), at(), None)
    }

    fn parameter(&mut self, name: &str, dims: &[usize], values: &[f64]) -> NodeId {
        self.inputs.parameters.insert(Path::from(name), values.to_vec());
        let op = Op::Parameter { path: Path::from(name), role: Role::Weight };
        self.graph.source(Phase::Forward, op, Type::fixed(dims), at(), None)
    }

    fn run(mut self, op: Op, inputs: &[NodeId]) -> Vec<f64> {
        let y = self.graph.add(op, inputs, at(), None);
        self.graph.add(Op::Output(Output::Logits), &[y], at(), None);
        self.graph.verify().expect("the bench is a valid graph");
        self.graph.run(&self.inputs).remove(&Output::Logits).expect("the result is an output")
    }
}

fn at() -> Path {
    Path::from("here")
}

/// `op` of one image.
fn unary(op: Op, dims: [usize; 3], image: &[f64]) -> Vec<f64> {
    let (bench, image) = Bench::new(dims, image);
    bench.run(op, &[image])
}

/// `op` of an image and another.
fn binary(op: Op, a: ([usize; 3], &[f64]), b: ([usize; 3], &[f64])) -> Vec<f64> {
    let (mut bench, first) = Bench::new(a.0, a.1);
    let second = bench.target(b.0, b.1);
    bench.run(op, &[first, second])
}

#[test]
fn a_convolution_is_its_sum() {
    let (images, height, width) = (2, 7, 6);
    for (channels, out, g) in [
        (3, 4, ConvGeometry { kernel: 3, stride: 1, pad: 1, dilation: 1, groups: 1 }),
        (4, 6, ConvGeometry { kernel: 3, stride: 2, pad: 1, dilation: 1, groups: 2 }),
        (2, 2, ConvGeometry { kernel: 3, stride: 1, pad: 3, dilation: 2, groups: 2 }),
        (2, 3, ConvGeometry { kernel: 2, stride: 3, pad: 0, dilation: 3, groups: 1 }),
        (2, 3, ConvGeometry { kernel: 5, stride: 4, pad: 4, dilation: 1, groups: 1 }),
    ] {
        let per_group = channels / g.groups;
        let x = normal("x", images * channels * height * width);
        let weight = normal("weight", out * per_group * g.kernel * g.kernel);
        let mut wanted = vec![];
        for n in 0..images {
            for o in 0..out {
                for h in 0..g.count(height) {
                    for w in 0..g.count(width) {
                        let mut sum = 0.0;
                        for c in 0..per_group {
                            for i in 0..g.kernel {
                                for j in 0..g.kernel {
                                    let row = (h * g.stride + i * g.dilation) as isize - g.pad as isize;
                                    let column = (w * g.stride + j * g.dilation) as isize - g.pad as isize;
                                    let rows = 0..height as isize;
                                    let columns = 0..width as isize;
                                    if rows.contains(&row) && columns.contains(&column) {
                                        let channel = o / (out / g.groups) * per_group + c;
                                        let place = (row * width as isize + column) as usize;
                                        sum += x[(n * channels + channel) * height * width + place]
                                            * weight[((o * per_group + c) * g.kernel + i) * g.kernel + j];
                                    }
                                }
                            }
                        }
                        wanted.push(sum);
                    }
                }
            }
        }
        let (mut bench, image) = Bench::new([channels, height, width], &x);
        let weight = bench.parameter("weight", &[out, per_group, g.kernel, g.kernel], &weight);
        close(&bench.run(Op::Conv(g), &[image, weight]), &wanted, 1e-12);
    }
}

#[test]
fn a_linear_layer_is_a_matrix() {
    let (mut bench, image) = Bench::new([2, 1, 1], &[1.0, 2.0, -1.0, 0.5]);
    let weight = bench.parameter("weight", &[3, 2], &[1.0, 0.0, 0.0, 1.0, 3.0, -2.0]);
    let y = bench.run(Op::Conv(ConvGeometry::LINEAR), &[image, weight]);
    assert_eq!(y, [1.0, 2.0, -1.0, -1.0, 0.5, -4.0]);
}

#[test]
fn channels() {
    // Two images of two channels of two pixels.
    let x = [1.0, 3.0, 0.0, 0.0, 5.0, 7.0, 2.0, -2.0];
    let dims = [2, 1, 2];
    assert_eq!(unary(Op::SumChannel, dims, &x), [16.0, 0.0]);
    assert_eq!(unary(Op::ChannelMean, dims, &x), [4.0, 0.0]);
    let (mut bench, image) = Bench::new(dims, &x);
    let b = bench.parameter("b", &[2], &[10.0, 20.0]);
    assert_eq!(bench.run(Op::AddChannel, &[image, b]), [11.0, 13.0, 20.0, 20.0, 15.0, 17.0, 22.0, 18.0]);
    let (mut bench, image) = Bench::new(dims, &x);
    let mean = bench.parameter("mean", &[2], &[4.0, 0.0]);
    assert_eq!(bench.run(Op::ChannelVariance, &[image, mean]), [5.0, 2.0]);
    let (mut bench, image) = Bench::new(dims, &x);
    let [mean, variance, scale, shift] =
        [("mean", [4.0, 0.0]), ("variance", [3.0, 15.0]), ("scale", [2.0, 1.0]), ("shift", [0.5, 0.0])]
            .map(|(name, values)| bench.parameter(name, &[2], &values));
    let op = Op::BatchNorm { eps: 1.0, statistics: sdc::graph::op::Statistics::Running };
    let y = bench.run(op, &[image, mean, variance, scale, shift]);
    assert_eq!(y, [-2.5, -0.5, 0.0, 0.0, 1.5, 3.5, 0.5, -0.5]);
}

#[test]
fn activations() {
    let x = [-2.0, 0.0, 1.5];
    let dims = [1, 1, 3];
    let ones = [1.0; 3];
    let sigmoid = x.map(|x| 1.0 / (1.0 + libm::exp(-x)));
    let cases = [
        (Activation::Relu, [0.0, 0.0, 1.5], [0.0, 0.0, 1.0]),
        (Activation::LeakyRelu { slope: 0.25 }, [-0.5, 0.0, 1.5], [0.25, 0.25, 1.0]),
        (Activation::Sigmoid, sigmoid, sigmoid.map(|s| s * (1.0 - s))),
    ];
    for (activation, value, slope) in cases {
        close(&unary(Op::Act(activation), dims, &x), &value, 1e-15);
        close(&binary(Op::ActBack(activation), (dims, &ones), (dims, &x)), &slope, 1e-15);
    }
    close(&unary(Op::Act(Activation::Silu), dims, &x), &[-2.0 * sigmoid[0], 0.0, 1.5 * sigmoid[2]], 1e-15);
    close(&binary(Op::ActBack(Activation::Silu), (dims, &ones), (dims, &[0.0; 3])), &[0.5; 3], 1e-15);
}

#[test]
fn pools() {
    #[rustfmt::skip]
    let x = [
        -1.0, -2.0, -3.0,
        -4.0, -5.0, -6.0,
        -7.0, -8.0, -9.0,
    ];
    let dims = [1, 3, 3];
    let padded = Window { kernel: 2, stride: 2, pad: 1 };
    // Zeros around count for the mean and never win.
    assert_eq!(unary(Op::AvgPool(padded), dims, &x), [-0.25, -1.25, -2.75, -7.0]);
    assert_eq!(unary(Op::MaxPool(padded), dims, &x), [-1.0, -2.0, -4.0, -5.0]);
    let plain = Window { kernel: 2, stride: 1, pad: 0 };
    assert_eq!(unary(Op::AvgPool(plain), dims, &x), [-3.0, -4.0, -6.0, -7.0]);
    assert_eq!(unary(Op::GlobalAvgPool, dims, &x), [-5.0]);
    assert_eq!(unary(Op::SumPixels, dims, &x), [-45.0]);
}

#[test]
fn the_first_of_equal_elements_wins() {
    let window = Window { kernel: 2, stride: 1, pad: 0 };
    let x = [3.0; 6];
    let y_adj = [10.0, 1.0];
    let x_adj = binary(Op::MaxPoolBack(window), ([1, 1, 2], &y_adj), ([1, 2, 3], &x));
    assert_eq!(x_adj, [10.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn places() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let dims = [1, 2, 3];
    assert_eq!(unary(Op::Shift { down: 1, right: -1 }, dims, &x), [0.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
    assert_eq!(unary(Op::Subsample { stride: 2 }, dims, &x), [1.0, 3.0]);
    let back = Op::SubsampleBack { stride: 2, height: 2, width: 3 };
    assert_eq!(unary(back, [1, 1, 2], &[7.0, 8.0]), [7.0, 0.0, 8.0, 0.0, 0.0, 0.0]);
    assert_eq!(unary(Op::PadChannels { to: 3 }, [2, 1, 1], &x), [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 5.0, 6.0, 0.0]);
    assert_eq!(unary(Op::SliceChannels { from: 1, len: 2 }, [3, 1, 1], &x), [2.0, 3.0, 5.0, 6.0]);
    assert_eq!(binary(Op::Concat, ([2, 1, 1], &x[..4]), ([1, 1, 1], &[8.0, 9.0])), [1.0, 2.0, 8.0, 3.0, 4.0, 9.0]);
    assert_eq!(unary(Op::Reshape { dims: [6, 1, 1] }, dims, &x), x);
    let by_channel = binary(Op::Mul, ([2, 1, 3], &x), ([2, 1, 1], &[10.0, -1.0]));
    assert_eq!(by_channel, [10.0, 20.0, 30.0, -4.0, -5.0, -6.0]);
}

/// Two classes with the logits 0 and ln 3 have the probabilities 1/4 and 3/4.
#[test]
fn cross_entropy() {
    let ln = libm::log;
    let logits = [0.0, ln(3.0), 1000.0, 1000.0 + ln(3.0)];
    let (dims, targets) = ([2, 1, 1], [1.0, 0.0, 0.0, 1.0]);
    let loss = |smoothing| binary(Op::CrossEntropy { smoothing }, (dims, &logits), (dims, &targets));
    close(&loss(0.0), &[(ln(4.0) + ln(4.0 / 3.0)) / 2.0], 1e-12);
    // The targets become 0.9 and 0.1.
    let smoothed = (0.9 * ln(4.0) + 0.1 * ln(4.0 / 3.0) + 0.1 * ln(4.0) + 0.9 * ln(4.0 / 3.0)) / 2.0;
    close(&loss(0.2), &[smoothed], 1e-12);
    let back = binary(Op::CrossEntropyBack { smoothing: 0.2 }, (dims, &logits), (dims, &targets));
    close(&back, &[-0.325, 0.325, 0.075, -0.075], 1e-12);
}

/// What an operation does not take is refused with the reason.
#[test]
fn inputs_that_do_not_fit_are_refused() {
    let refused = |op: Op, second: Option<[usize; 3]>| {
        let result = std::panic::catch_unwind(|| {
            let (mut bench, image) = Bench::new([3, 4, 4], &[0.0; 48]);
            let mut inputs = vec![image];
            inputs.extend(second.map(|dims| bench.target(dims, &[])));
            bench.graph.add(op, &inputs, at(), None);
        });
        *result.expect_err("the inputs do not fit").downcast::<String>().expect("a panic has a text")
    };
    let window = Window { kernel: 9, stride: 1, pad: 0 };
    let cases: BTreeMap<&str, (Op, Option<[usize; 3]>)> = [
        ("here: Add: reads N x 3 x 4 x 5 where N x 3 x 4 x 4 belongs", (Op::Add, Some([3, 4, 5]))),
        ("here: Add: takes 2 inputs, not 1", (Op::Add, None)),
        ("here: AvgPool 9x9 stride 1: the window is larger than the padded image", (Op::AvgPool(window), None)),
        ("here: Concat: the inputs differ in height or width", (Op::Concat, Some([3, 2, 4]))),
        ("here: PadChannels: fewer channels leave than enter", (Op::PadChannels { to: 2 }, None)),
        ("here: Reshape: the number of elements changes", (Op::Reshape { dims: [7, 1, 1] }, None)),
        ("here: AddChannel: reads N x 3 x 1 x 1 where 3 belongs", (Op::AddChannel, Some([3, 1, 1]))),
        ("here: CrossEntropy smoothing 0: reads N x 3 x 4 x 4, not a vector an image", {
            (Op::CrossEntropy { smoothing: 0.0 }, Some([3, 4, 4]))
        }),
    ]
    .into();
    for (message, (op, second)) in cases {
        assert_eq!(refused(op, second), message);
    }
}
