//! Networks by hand, with the paths that the language gives, and inputs for them.

use std::cell::Cell;
use std::collections::BTreeMap;

use sdc::graph::{Graph, Inputs, Outputs};
use sdc::lower::{Mode, lower};
use sdc::net::recipe::{Loss, Memory, Optimizer, UpdateRule};
use sdc::net::rule::Distribution;
use sdc::net::{
    Activation, Arm, Concat, ConvOp, Draw, Factor, Gate, Group, GroupKind, Init, Layer, LayerOp, Level, Network, Node,
    Path, Residual, Rule, Shape, Site, Window,
};
use sdc::num::draw::{Stream, normal_pair};
use sdc::source::{SourceId, Span};

pub fn span() -> Span {
    Span::new(SourceId(0), 0, 0)
}

/// A network from what `body` adds.
pub fn network(input: Shape, body: impl FnOnce(&mut Scope<'_>)) -> Network {
    let residuals = Cell::new(0);
    let mut scope = Scope::new(Path::root(), input, &residuals);
    body(&mut scope);
    let Scope { body, shape: output, .. } = scope;
    Network { name: "Test".to_owned(), input, body, output, residuals: residuals.get() }
}

/// A place where layers are added one after the other.
pub struct Scope<'a> {
    path: Path,
    pub shape: Shape,
    body: Vec<Node>,
    counts: BTreeMap<String, usize>,
    residuals: &'a Cell<usize>,
}

/// Rules of a residual.
#[derive(Default)]
pub struct Rules {
    pub at_sum: Option<Rule>,
    pub at_branch: Option<Rule>,
    pub on_branches: Option<Rule>,
}

type Fill<'f> = &'f dyn Fn(&mut Scope<'_>);

impl<'a> Scope<'a> {
    fn new(path: Path, shape: Shape, residuals: &'a Cell<usize>) -> Self {
        Scope { path, shape, body: Vec::new(), counts: BTreeMap::new(), residuals }
    }

    fn next_path(&mut self, name: &str) -> Path {
        let count = self.counts.entry(name.to_owned()).or_default();
        *count += 1;
        self.path.indexed(name, *count - 1)
    }

    fn layer(&mut self, name: &str, op: LayerOp, output: Shape) -> &mut Self {
        let path = self.next_path(name);
        self.body.push(Node::Layer(Layer { path, op, input: self.shape, output, span: span() }));
        self.shape = output;
        self
    }

    pub fn conv_with(&mut self, op: ConvOp) -> &mut Self {
        let side = |n: usize| (n + 2 * op.pad - op.dilation * (op.kernel - 1) - 1) / op.stride + 1;
        let output = Shape::new(op.out, side(self.shape.height), side(self.shape.width));
        self.layer("conv", LayerOp::Conv(op), output)
    }

    pub fn conv(&mut self, out: usize, kernel: usize, stride: usize) -> &mut Self {
        self.conv_with(ConvOp { kernel, stride, pad: kernel / 2, ..conv(out) })
    }

    pub fn linear(&mut self, out: usize) -> &mut Self {
        self.layer("linear", LayerOp::Linear { out, bias: true, init: Init::UniformIn }, Shape::vector(out))
    }

    pub fn bn(&mut self) -> &mut Self {
        self.layer("bn", LayerOp::BatchNorm { eps: 1e-5, momentum: 0.1 }, self.shape)
    }

    pub fn act(&mut self, activation: Activation) -> &mut Self {
        self.layer("act", LayerOp::Activation(activation), self.shape)
    }

    pub fn relu(&mut self) -> &mut Self {
        self.layer("relu", LayerOp::Activation(Activation::Relu), self.shape)
    }

    pub fn pool(&mut self, max: bool, kernel: usize, stride: usize, pad: usize) -> &mut Self {
        let window = Window { kernel, stride, pad };
        let side = |n| window.count(n).expect("the test's window fits");
        let output = Shape::new(self.shape.channels, side(self.shape.height), side(self.shape.width));
        let (name, op) =
            if max { ("max_pool", LayerOp::MaxPool(window)) } else { ("avg_pool", LayerOp::AvgPool(window)) };
        self.layer(name, op, output)
    }

    pub fn global_avg_pool(&mut self) -> &mut Self {
        self.layer("global_avg_pool", LayerOp::GlobalAvgPool, Shape::vector(self.shape.channels))
    }

    pub fn pad_channels(&mut self, to: usize) -> &mut Self {
        self.layer("pad_channels", LayerOp::PadChannels { to }, Shape { channels: to, ..self.shape })
    }

    pub fn subsample(&mut self, stride: usize) -> &mut Self {
        let Shape { channels, height, width } = self.shape;
        let output = Shape::new(channels, height.div_ceil(stride), width.div_ceil(stride));
        self.layer("subsample", LayerOp::Subsample { stride }, output)
    }

    pub fn shift(&mut self, down: isize, right: isize) -> &mut Self {
        self.layer("shift", LayerOp::Shift { down, right }, self.shape)
    }

    pub fn flatten(&mut self) -> &mut Self {
        self.layer("flatten", LayerOp::Flatten, Shape::vector(self.shape.elements()))
    }

    /// A rule called as a layer.
    pub fn rule(&mut self, rule: Rule) -> &mut Self {
        let name = rule.name.clone();
        let path = self.path.indexed(&name, self.counts.get(&name).copied().unwrap_or(0));
        let site = site(path, rule, None, self.shape);
        self.layer(&name, LayerOp::Rule(Box::new(site)), self.shape)
    }

    pub fn group(&mut self, name: &str, fill: Fill<'_>) -> &mut Self {
        let path = self.next_path(name);
        let (input, inner) = (self.shape, self.inside(path.clone(), fill));
        let (body, output) = inner;
        self.body.push(Node::Group(Group { path, kind: GroupKind::Stage, body, input, output, span: span() }));
        self.shape = output;
        self
    }

    /// A residual in a block of its own.
    pub fn residual(&mut self, rules: Rules, branches: &[Fill<'_>], shortcut: Fill<'_>) -> &mut Self {
        let path = self.next_path("block");
        self.residuals.set(self.residuals.get() + 1);
        let (l, input) = (self.residuals.get(), self.shape);
        let mut branches: Vec<_> =
            branches.iter().enumerate().map(|(i, fill)| self.arm(path.indexed("branch", i), fill)).collect();
        let shortcut = self.arm(path.child("shortcut"), shortcut);
        let output = shortcut.output;
        let place = |path: &Path, rule: Rule| site(path.clone(), rule, Some(l), output);
        for arm in &mut branches {
            assert_eq!(arm.output, output, "the test's arms agree");
            arm.site = rules.at_branch.clone().map(|rule| place(&arm.path, rule));
        }
        let all_branches = path.child("branch");
        let residual = Residual {
            path: path.clone(),
            l,
            at_sum: rules.at_sum.map(|rule| {
                let alone = branches.len() == 1;
                place(if alone { &branches[0].path } else { &path }, rule)
            }),
            on_branches: rules.on_branches.map(|rule| place(&all_branches, rule)),
            branches,
            shortcut,
            input,
            output,
            span: span(),
        };
        let (kind, body) = (GroupKind::Block("block".to_owned()), vec![Node::Residual(residual.into())]);
        self.body.push(Node::Group(Group { path, kind, body, input, output, span: span() }));
        self.shape = output;
        self
    }

    pub fn concat(&mut self, arms: &[Fill<'_>]) -> &mut Self {
        let path = self.next_path("concat");
        let arms: Vec<_> = arms.iter().enumerate().map(|(i, fill)| self.arm(path.indexed("path", i), fill)).collect();
        let channels = arms.iter().map(|arm| arm.output.channels).sum();
        let (input, output) = (self.shape, Shape { channels, ..arms[0].output });
        self.body.push(Node::Concat(Concat { path, arms, input, output, span: span() }));
        self.shape = output;
        self
    }

    pub fn gate(&mut self, fill: Fill<'_>) -> &mut Self {
        let path = self.next_path("scale");
        let arm = self.arm(path.child("path"), fill);
        self.body.push(Node::Gate(Gate { path, arm, shape: self.shape, span: span() }.into()));
        self
    }

    fn arm(&self, path: Path, fill: Fill<'_>) -> Arm {
        let (body, output) = self.inside(path.clone(), fill);
        Arm { path, body, output, site: None, span: span() }
    }

    fn inside(&self, path: Path, fill: Fill<'_>) -> (Vec<Node>, Shape) {
        let mut inner = Scope::new(path, self.shape, self.residuals);
        fill(&mut inner);
        (inner.body, inner.shape)
    }
}

pub fn identity(_: &mut Scope<'_>) {}

/// 1 x 1, everything else as usual.
pub fn conv(out: usize) -> ConvOp {
    ConvOp { out, kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1, bias: false, init: Init::HeNormalOut }
}

fn site(path: Path, rule: Rule, l: Option<usize>, shape: Shape) -> Site {
    let call = format!("{}(…)", rule.name);
    Site { path, rule, call, arguments: vec![], l, shape, span: span() }
}

pub fn number(value: f64) -> Factor {
    Factor::Const(value)
}

pub fn draw(i: usize) -> Factor {
    Factor::Draw(i)
}

pub fn plus(a: Factor, b: Factor) -> Factor {
    Factor::Add(a.into(), b.into())
}

pub fn minus(a: Factor, b: Factor) -> Factor {
    Factor::Sub(a.into(), b.into())
}

pub fn times(a: Factor, b: Factor) -> Factor {
    Factor::Mul(a.into(), b.into())
}

pub fn over(a: Factor, b: Factor) -> Factor {
    Factor::Div(a.into(), b.into())
}

pub fn bernoulli(p: f64, level: Level) -> Draw {
    Draw { level, distribution: Distribution::Bernoulli { p }, named: true }
}

pub fn uniform(lo: f64, hi: f64, level: Level) -> Draw {
    Draw { level, distribution: Distribution::Uniform { lo, hi }, named: false }
}

pub fn rule(name: &str, draws: &[Draw], forward: &[Factor], backward: &[Factor], test: &[f64]) -> Rule {
    let (draws, forward, backward) = (draws.to_vec(), forward.to_vec(), backward.to_vec());
    Rule { name: name.to_owned(), draws, forward, backward, test: test.to_vec() }
}

/// forward = b + (1 - b) alpha, backward = b + (1 - b) beta.
pub fn shakedrop(p: f64, alpha: (f64, f64), beta: (f64, f64), level: Level) -> Rule {
    let draws = [bernoulli(p, Level::Batch), uniform(alpha.0, alpha.1, level), uniform(beta.0, beta.1, level)];
    let factor = |u| plus(draw(0), times(minus(number(1.0), draw(0)), draw(u)));
    let test = p + (1.0 - p) * (alpha.0 + alpha.1) / 2.0;
    rule("shakedrop", &draws, &[factor(1)], &[factor(2)], &[test])
}

/// One uniform factor, forward and backward.
pub fn noise(level: Level) -> Rule {
    rule("noise", &[uniform(-1.0, 2.0, level)], &[draw(0)], &[draw(0)], &[0.5])
}

pub fn random_drop(p: f64) -> Rule {
    rule("random_drop", &[bernoulli(p, Level::Batch)], &[draw(0)], &[draw(0)], &[p])
}

/// A convex mix of two branches, the same forward and backward.
pub fn mix(level: Level) -> Rule {
    let factors = [draw(0), minus(number(1.0), draw(0))];
    rule("mix", &[uniform(0.0, 1.0, level)], &factors, &factors, &[0.5, 0.5])
}

pub const PLAIN: Loss = Loss { smoothing: 0.0 };

pub fn sgd() -> Optimizer {
    let rule = UpdateRule::Sgd { momentum: 0.9, nesterov: true };
    Optimizer { rule, weight_decay: 0.01, ..Optimizer::sgd(0.1, 0.9) }
}

pub fn train_graph(network: &Network) -> Graph {
    lower(network, Mode::Train { loss: PLAIN })
}

/// `count` standard normal numbers that belong to `name`.
pub fn normal(name: &str, count: usize) -> Vec<f64> {
    let words = |block| Stream::of_path(name).words(7, 0, block);
    let four = |block| {
        let [a, b, c, d] = words(block);
        let ([a, b], [c, d]) = (normal_pair(a, b), normal_pair(c, d));
        [a, b, c, d]
    };
    (0..count.div_ceil(4) as u32).flat_map(four).take(count).collect()
}

/// All that any optimizer keeps, at its start.
fn memories(parameters: &BTreeMap<Path, Vec<f64>>) -> BTreeMap<(Memory, Path), Vec<f64>> {
    let start = |memory, values: &Vec<f64>| match memory {
        Memory::Average => values.clone(),
        Memory::Momentum | Memory::Square | Memory::Gathered => vec![0.0; values.len()],
    };
    let of = |memory| parameters.iter().map(move |(path, values)| ((memory, path.clone()), start(memory, values)));
    Memory::ALL.into_iter().flat_map(of).collect()
}

/// Drawn images, targets (each image's class has 0.7, the next 0.3), parameters and what optimizers keep.
pub fn inputs(network: &Network, images: usize) -> Inputs {
    let classes = network.output.channels;
    let target = |n: usize, c: usize| match (c + classes - n % classes) % classes {
        0 => 0.7,
        1 => 0.3,
        _ => 0.0,
    };
    let value = |p: sdc::net::Parameter| {
        let drawn = normal(p.path.as_str(), p.dims.iter().product());
        // Scales and variances stand around 1.
        let near_one = p.path.as_str().ends_with(".scale") || p.path.as_str().ends_with(".variance");
        let values = drawn.into_iter().map(|v| if near_one { 1.0 + 0.2 * v.clamp(-2.0, 2.0) } else { 0.5 * v });
        (p.path, values.collect::<Vec<_>>())
    };
    let parameters: BTreeMap<_, _> = network.parameters().into_iter().map(value).collect();
    Inputs {
        images: normal("images", images * network.input.elements()),
        targets: (0..images).flat_map(|n| (0..classes).map(move |c| target(n, c))).collect(),
        seed: 0x1234_5678_9abc_def0,
        step: 3,
        rate: 0.1,
        memories: memories(&parameters),
        parameters,
    }
}

pub fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "place {i}: {a} is not {b}");
    }
}

pub fn take<'o>(outputs: &'o Outputs, name: &sdc::graph::op::Output) -> &'o [f64] {
    outputs.get(name).unwrap_or_else(|| panic!("no output {name}"))
}
