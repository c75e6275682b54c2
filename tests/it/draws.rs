//! Draw format 1: golden hashes, intervals of counters over whole networks, statistics, and compiled draws against the
//! reference.
//!
//! A threshold on a statistic is where an ideal generator goes beyond it once in 10^9 seeds; seeds are fixed, so a test
//! either always passes or never.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sdc::device::Engine as _;
use sdc::driver;
use sdc::kernel::{self, Expr};
use sdc::net::rule::Distribution;
use sdc::net::{Level, Network, Recipe, Shape, Site};
use sdc::num::draw::{Stream, normal_pair};

use crate::cpu::{engine, graphs};
use crate::graph::build;
use crate::program::build as program;

const LEVELS: [Level; 4] = [Level::Batch, Level::Image, Level::Channel, Level::Pixel];

fn slow() -> bool {
    std::env::var_os("SDC_SLOW").is_some()
}

/// How many draws a test takes.
fn draws() -> usize {
    1 << if slow() { 20 } else { 16 }
}

// ── Golden hashes ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Channels that fill no whole row of sixteen.
const SHAPE: Shape = Shape::new(19, 5, 3);
const IMAGES: usize = 33;
const SEED: u64 = 0x0123_4567_89ab_cdef;

/// The first `n` words of a draw at this level: step after step, in the order of the indices.
fn words(level: Level, n: usize) -> impl Iterator<Item = u32> {
    let stream = Stream::of_rule("group[1].block[4]", 2);
    let step = move |step| level.indices(SHAPE, IMAGES).map(move |index| stream.word(SEED, step, index));
    (0..).flat_map(step).take(n)
}

fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&bytes.collect::<Vec<u8>>())
}

/// What is drawn at each level, with the hashes of its first 2^16 and 2^20 numbers. They never change: a draw format
/// that gives other numbers has another number itself.
const GOLDEN: [(Level, Distribution, [u64; 2]); 12] = [
    (Level::Batch, Distribution::Bernoulli { p: 0.5 }, [0x36e9_3b00_edec_b640, 0xd1ef_accc_1021_7cb1]),
    (Level::Batch, Distribution::Bernoulli { p: 0.1 }, [0xbc21_4fcf_3315_993d, 0x6d1c_ce6c_87ec_6665]),
    (Level::Batch, Distribution::Uniform { lo: -1.0, hi: 1.0 }, [0x1fd3_4257_4be7_31c6, 0xcd42_dfbf_608b_f66f]),
    (Level::Image, Distribution::Bernoulli { p: 0.5 }, [0x9776_6ee4_1c44_77d4, 0x1805_e53f_c5b7_fd0e]),
    (Level::Image, Distribution::Bernoulli { p: 0.1 }, [0x1327_1c9d_b874_b39f, 0xca20_7335_8a75_a5b0]),
    (Level::Image, Distribution::Uniform { lo: -1.0, hi: 1.0 }, [0x0607_2d14_7bac_2d22, 0xfcb6_413d_0edd_9578]),
    (Level::Channel, Distribution::Bernoulli { p: 0.5 }, [0x806d_ed46_4df0_2fea, 0x7842_dc99_1178_d083]),
    (Level::Channel, Distribution::Bernoulli { p: 0.1 }, [0xc92f_b9d3_49fa_1d4d, 0x5d82_9025_8e9c_11ea]),
    (Level::Channel, Distribution::Uniform { lo: -1.0, hi: 1.0 }, [0xc8aa_7538_45ba_c9b6, 0x384e_0aeb_509b_112f]),
    (Level::Pixel, Distribution::Bernoulli { p: 0.5 }, [0x3880_3f69_8752_62b8, 0x18f2_ab36_f48b_0d7a]),
    (Level::Pixel, Distribution::Bernoulli { p: 0.1 }, [0x8a7b_56b4_4492_eac1, 0x3075_02ac_8914_3d10]),
    (Level::Pixel, Distribution::Uniform { lo: -1.0, hi: 1.0 }, [0x2c20_2e4b_4044_859d, 0x1ffe_8fe0_6a49_b49d]),
];

/// The same for the standard normal numbers of a weight.
const GOLDEN_NORMAL: [u64; 2] = [0x457b_63a6_2e36_cf30, 0xc52d_7988_479c_37dc];

#[test]
fn draws_are_the_same_for_ever() {
    let column = usize::from(slow());
    let mut found = Vec::new();
    for (level, distribution, golden) in GOLDEN {
        let values = words(level, draws()).map(|word| distribution.sample(word));
        found.push((format!("{level} {distribution}"), golden[column], hash(values.flat_map(f32::to_le_bytes))));
    }
    let normals = Stream::of_path("stem.conv[0].weight").all_normals(SEED, 0).take(draws());
    found.push(("normal".to_owned(), GOLDEN_NORMAL[column], hash(normals.flat_map(f64::to_le_bytes))));
    let other: Vec<String> = found
        .iter()
        .filter(|(_, golden, hash)| golden != hash)
        .map(|(what, _, h)| format!("{what}: {h:#018x}"))
        .collect();
    assert!(other.is_empty(), "{}", other.join("\n"));
}

// ── Intervals of counters ───────────────────────────────────────────────────────────────────────────────────────────

/// The counters of one kind of draw in a step: blocks `first` to `last` of a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    stream: Stream,
    first: u64,
    last: u64,
    what: String,
}

impl Interval {
    /// All indices from 0 to `last`, four a block.
    fn up_to(last: u64, stream: Stream, what: String) -> Self {
        assert!(last < 1 << 34, "{what} has indices that no counter holds");
        Interval { stream, first: 0, last: last / 4, what }
    }
}

/// The streams of what may be done to an image, which takes at most four words of them; where it is done again, `[1]` stands
/// behind the name, and where it is tried several times, `.try[k]` behind that.
const STEPS: [&str; 7] = [
    "data.centre_crop",
    "data.color_jitter",
    "data.cutout",
    "data.hflip",
    "data.pad_crop",
    "data.random_erasing",
    "data.random_resized_crop",
];

/// The other streams of the data, and how many words of them an image and a batch take.
const OTHERS: [(&str, [u64; 2]); 10] = [
    ("data.batch_augment", [0, 1]),
    ("data.cutmix.box", [0, 4]),
    ("data.cutmix.lambda", [0, 4 * 256]),
    ("data.cutmix.pair", [1, 0]),
    ("data.mixup.lambda", [0, 4 * 256]),
    ("data.mixup.pair", [1, 0]),
    ("data.shuffle", [1, 0]),
    ("data.synthetic.noise", [3 * 32 * 32, 0]),
    ("data.synthetic.pattern", [3 * 32 * 32, 0]),
    ("data.validation", [1, 0]),
];

/// Every interval of a run with batches of `batch` images of a data set of so many.
fn intervals(network: &Network, batch: usize, images: u64) -> Vec<Interval> {
    let mut all = Vec::new();
    for Site { path, rule, shape, .. } in network.sites() {
        for (i, draw) in rule.draws.iter().enumerate() {
            let (h, w) = (shape.height - 1, shape.width - 1);
            let last = draw.level.index(*shape, batch - 1, shape.channels - 1, h, w);
            all.push(Interval::up_to(last, Stream::of_rule(path.as_str(), i), format!("{path}#{i}")));
        }
    }
    for parameter in network.parameters() {
        let path = parameter.path.as_str();
        all.push(Interval::up_to(parameter.elements() - 1, Stream::of_path(path), path.to_owned()));
    }
    let mut taken = |name: String, words: u64| all.push(Interval::up_to(words - 1, Stream::of_path(&name), name));
    for step in STEPS {
        for name in [step.to_owned(), format!("{step}[1]")] {
            (0..10).for_each(|k| taken(format!("{name}.try[{k}]"), 4 * images));
            taken(name, 4 * images);
        }
    }
    for (name, [an_image, a_batch]) in OTHERS {
        taken(name.to_owned(), an_image * images + a_batch * images.div_ceil(batch as u64));
    }
    all
}

/// Every stream that the source texts of `data` name.
fn named_in_data() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data")];
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir().expect("the folder is readable") {
            let path = entry.expect("the entry is readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("the file is readable");
                let [streams, of_data] = ["of_path(\"", "of_path(\"data."].map(|open| text.matches(open).count());
                assert_eq!(streams, of_data, "{} has a stream whose name does not say `data`", path.display());
                let named = text.split("\"data.").skip(1).filter_map(|rest| rest.split('"').next());
                names.extend(named.map(|name| format!("data.{name}")));
            }
        }
    }
    names
}

#[test]
fn every_stream_of_the_data_is_compared() {
    let compared = STEPS.into_iter().chain(OTHERS.map(|(name, _)| name));
    assert_eq!(named_in_data(), compared.map(str::to_owned).collect::<BTreeSet<_>>());
}

/// Every draw of a plan, by its stream.
fn drawn(plan: &kernel::Plan) -> BTreeMap<Stream, (Level, kernel::Distribution)> {
    let mut all = BTreeMap::new();
    for kernel in &plan.kernels {
        let in_maps = kernel.maps().into_iter().flat_map(|map| &map.exprs).filter_map(|expr| match expr {
            Expr::Draw(draw) => Some(draw),
            _ => None,
        });
        for draw in in_maps.chain(kernel.when.draws()) {
            let what = (draw.level, draw.distribution);
            let before = all.insert(draw.stream, what);
            assert!(before.is_none_or(|b| b == what), "{}: one stream is two draws", kernel.name());
        }
    }
    all
}

fn trained(text: &str) -> (Network, Recipe) {
    let outcome = program(text);
    assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
    let built = outcome.built.expect("no errors");
    (built.network, built.recipe.expect("the program trains"))
}

const TRAIN: &str = "train M {
    data synthetic(channels: 3, height: 32, width: 32, classes: 10, images: 128)
    loss cross_entropy
    optimizer sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4 }
    epochs 1
    batch 128
}";

#[test]
fn no_two_draws_of_a_network_share_a_counter() {
    let pyramid = "use std.pyramidnet.{pyramidnet}\nuse std.regularizers.{shakedrop}\n
        model M { input image[3, 32, 32]; net pyramidnet(110, 270, 10); place shakedrop(level: pixel) on residuals }";
    let resnext = "use std.resnext.{resnext_cifar}\nuse std.regularizers.{shakedrop}\n
        regularizer mix on 3 branches {
            let a = uniform(0..1, per: image)
            let b = uniform(0..1, per: channel)
            forward  = [a * b, a * (1 - b), 1 - a]
            backward = forward
        }
        model M {
            input image[3, 32, 32]
            net resnext_cifar(29, 2, 64, 10, branches: 3)
            place mix on residuals
            place shakedrop(level: pixel) on residuals
        }";
    for (text, sites, draws) in [(pyramid, 54, 3 * 54), (resnext, 18, 5 * 9)] {
        let (network, recipe) = trained(&format!("{text}\n{TRAIN}"));
        assert_eq!(network.sites().len(), sites);
        let mut all = intervals(&network, recipe.batch, 60_000);
        all.sort();
        for pair in all.windows(2) {
            let [a, b] = pair else { unreachable!("windows of two") };
            assert!(a.stream != b.stream || a.last < b.first, "{a:?} and {b:?}");
        }
        // The compiled step draws what its sites say, and nothing else.
        let plan = driver::plans(&driver::graphs(&network, Some(&recipe)), recipe.batch).train.expect("it trains");
        let wanted = network.sites().into_iter().flat_map(|site| {
            let draw = |(i, draw): (usize, &sdc::net::Draw)| {
                (Stream::of_rule(site.path.as_str(), i), (draw.level, draw.distribution.into()))
            };
            site.rule.draws.iter().enumerate().map(draw).collect::<Vec<_>>()
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        assert_eq!(wanted.len(), draws);
        assert_eq!(drawn(&plan), wanted);
    }
}

#[test]
fn every_element_of_a_draw_has_an_index_of_its_own() {
    for (level, count) in LEVELS.into_iter().zip([1, IMAGES, IMAGES * 19, IMAGES * 19 * 15]) {
        let indices: Vec<u64> = level.indices(SHAPE, IMAGES).collect();
        assert!(indices.is_sorted_by(|a, b| a < b), "{level}");
        assert_eq!(indices.len(), count, "{level}");
        assert_eq!(indices.last(), Some(&level.index(SHAPE, IMAGES - 1, 18, 4, 2)), "{level}");
    }
}

// ── Statistics ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// A standard normal number is larger than this in size once in 10^9.
const Z: f64 = 6.11;

/// sqrt(n) times the distance of a sample from a distribution is larger than this once in 10^9: the limit law's tail is
/// 2 exp(-2 k^2) (Kolmogorov 1933).
const K: f64 = 3.28;

/// sqrt(n) times the largest distance between the distribution of a sample and F.
fn kolmogorov(mut sample: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = |(i, x): (usize, &f64)| {
        let f = cumulative(*x);
        (f - i as f64 / n).max((i + 1) as f64 / n - f)
    };
    n.sqrt() * sample.iter().enumerate().map(distance).fold(0.0, f64::max)
}

/// sqrt(n) times the correlation of two samples.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let mean = |x: &[f64]| x[..n].iter().sum::<f64>() / n as f64;
    let (ma, mb) = (mean(a), mean(b));
    let product =
        |x: &[f64], mx: f64, y: &[f64], my: f64| x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
    let (a, b) = (&a[..n], &b[..n]);
    (n as f64).sqrt() * product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
}

fn words_of(stream: Stream, seed: u64, step: u32) -> Vec<u32> {
    stream.all_words(seed, step).take(draws()).collect()
}

fn uniforms(stream: Stream, seed: u64, step: u32) -> Vec<f64> {
    let unit = Distribution::Uniform { lo: 0.0, hi: 1.0 };
    words_of(stream, seed, step).into_iter().map(|word| unit.sample(word).into()).collect()
}

const SITE: &str = "group[0].block[0]";

#[test]
fn uniform_draws_are_uniform() {
    for seed in [0, 1, u64::MAX] {
        let sample = uniforms(Stream::of_rule(SITE, 0), seed, 3);
        assert!(kolmogorov(sample, |x| x) < K, "seed {seed}");
    }
    // One a step, as a gate a batch is drawn.
    let stream = Stream::of_rule(SITE, 0);
    let by_step = (0..draws() as u32).map(|step| f64::from(stream.word(7, step, 0)) / 4_294_967_296.0).collect();
    assert!(kolmogorov(by_step, |x| x) < K);
    // A sample that leans by one part in a hundred is told apart.
    let leaning = uniforms(stream, 0, 3).into_iter().map(|x| x * 0.97).collect();
    assert!(kolmogorov(leaning, |x| x) > K);
}

#[test]
fn every_bit_of_a_word_is_fair() {
    let words = words_of(Stream::of_rule(SITE, 0), 5, 0);
    for bit in 0..32 {
        let ones = words.iter().filter(|word| *word >> bit & 1 == 1).count() as f64;
        let n = words.len() as f64;
        assert!((ones - n / 2.0).abs() / (n.sqrt() / 2.0) < Z, "bit {bit}");
    }
}

#[test]
fn gates_are_open_as_often_as_they_say() {
    for p in [0.001, 0.1, 0.5, 0.9] {
        let gate = Distribution::Bernoulli { p };
        let n = draws() as f64;
        let open: f64 = words(Level::Image, draws()).map(|word| f64::from(gate.sample(word))).sum();
        assert!((open - n * p).abs() < Z * (n * p * (1.0 - p)).sqrt(), "{p}: {open} of {n}");
    }
    for (p, value) in [(0.0, 0.0), (1.0, 1.0)] {
        assert!(words(Level::Image, draws()).all(|word| Distribution::Bernoulli { p }.sample(word) == value));
    }
}

#[test]
fn normal_draws_are_normal_and_in_pairs_independent() {
    let sample: Vec<f64> = Stream::of_path("stem.conv[0].weight").all_normals(9, 0).take(draws()).collect();
    let (first, second): (Vec<f64>, Vec<f64>) = sample.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    assert!(correlation(&first, &second).abs() < Z);
    let squares = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| x * x).collect() };
    assert!(correlation(&squares(&first), &squares(&second)).abs() < Z);
    assert!(kolmogorov(sample, |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)) < K);
    let [a, b] = normal_pair(0, 0);
    assert!(a.is_finite() && b.is_finite());
}

#[test]
fn draws_are_correlated_with_nothing_near_them() {
    let stream = Stream::of_rule(SITE, 0);
    let here = uniforms(stream, 4, 10);
    for lag in [1, 2, 3, 4, 5, 8, 16, 19, 64] {
        assert!(correlation(&here, &here[lag..]).abs() < Z, "lag {lag}");
    }
    let others = [
        ("the next draw", uniforms(Stream::of_rule(SITE, 1), 4, 10)),
        ("the next site", uniforms(Stream::of_rule("group[0].block[1]", 0), 4, 10)),
        ("a branch", uniforms(Stream::of_rule("group[0].block[0].branch[0]", 0), 4, 10)),
        ("the next step", uniforms(stream, 4, 11)),
        ("the next seed", uniforms(stream, 5, 10)),
        ("a seed of another high word", uniforms(stream, 4 + (1 << 32), 10)),
        ("a weight", uniforms(Stream::of_path(SITE), 4, 10)),
    ];
    for (what, other) in &others {
        for lag in [0, 1, 4] {
            assert!(correlation(&here, &other[lag..]).abs() < Z, "{what}, lag {lag}");
            assert!(correlation(&here[lag..], other).abs() < Z, "{what}, lag -{lag}");
        }
    }
    let echo: Vec<f64> = here.iter().zip(&others[0].1).map(|(x, y)| 0.05 * x + y).collect();
    assert!(correlation(&here, &echo) > Z, "a part in twenty is told apart");
}

// ── Compiled draws ──────────────────────────────────────────────────────────────────────────────────────────────────

/// A network whose outputs are draws, when its image is 1 everywhere: one arm a level and distribution, and an arm with
/// a weight, since a network without one is not trained.
fn of_draws(shape: Shape, distributions: &[Distribution]) -> Network {
    build::network(shape, |s| {
        let arm = |level: Level, distribution: Distribution| {
            let draw = sdc::net::Draw { level, distribution, named: false };
            move |s: &mut build::Scope<'_>| {
                s.rule(build::rule("draw", &[draw], &[build::draw(0)], &[build::draw(0)], &[0.5]));
            }
        };
        let arms: Vec<_> = LEVELS.iter().flat_map(|&level| distributions.iter().map(move |&d| arm(level, d))).collect();
        let weight = |s: &mut build::Scope<'_>| {
            s.conv(2, 1, 1);
        };
        let mut all: Vec<&dyn Fn(&mut build::Scope<'_>)> = arms.iter().map(|arm| arm as _).collect();
        all.push(&weight);
        s.concat(&all).flatten();
    })
}

#[test]
fn compiled_draws_are_the_reference_to_the_bit() {
    let distributions = [
        Distribution::Bernoulli { p: 0.3 },
        Distribution::Uniform { lo: -1.0, hi: 1.0 },
        Distribution::Uniform { lo: 0.1, hi: 0.7 },
    ];
    for channels in [1, 3, 15, 16, 17, 19, 33] {
        for (height, width) in [(1, 1), (3, 5)] {
            let shape = Shape::new(channels, height, width);
            let network = of_draws(shape, &distributions);
            let (train, test) = graphs(&network, &build::sgd(), build::PLAIN);
            let mut engine = engine(&train, &test, 5, 2);
            for (images, seed, step) in [(5, 0, 0), (3, SEED, 77), (5, u64::MAX, u32::MAX)] {
                let targets = vec![0.0; images * network.output.channels];
                engine.train_step(&vec![1.0; images * shape.elements()], &targets, seed, step, 0.0);
                let logits = engine.training_logits(images);
                for (arm, site) in network.sites().into_iter().enumerate() {
                    let (draw, stream) = (site.rule.draws[0], Stream::of_rule(site.path.as_str(), 0));
                    for (i, (n, c, h, w)) in elements(shape, images).enumerate() {
                        let place = i % shape.elements() + arm * shape.elements() + n * network.output.channels;
                        let index = draw.level.index(shape, n, c, h, w);
                        let wanted = draw.distribution.sample(stream.word(seed, step, index));
                        assert_eq!(
                            logits[place].to_bits(),
                            wanted.to_bits(),
                            "{shape}: {} at {n} {c} {h} {w}",
                            site.path
                        );
                    }
                }
            }
        }
    }
}

/// Every (n, c, h, w) of a batch, as it lies outside of kernels.
fn elements(shape: Shape, images: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let Shape { channels, height, width } = shape;
    let image =
        move |n| (0..channels).flat_map(move |c| (0..height).flat_map(move |h| (0..width).map(move |w| (n, c, h, w))));
    (0..images).flat_map(image)
}
