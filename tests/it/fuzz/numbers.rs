//! Programs that the generator of `programs` writes, ended by a classifier: the compiled step against the f64 graph, and
//! against compiled steps with one way to be fast after the other left out.

use sdc::device::Engine as _;
use sdc::device::cpu::CpuEngine;
use sdc::fuse::{self, Persistent};
use sdc::graph::op::Output;
use sdc::graph::{Graph, Inputs};
use sdc::kernel::Plan;
use sdc::net::Network;
use sdc::net::recipe::Loss;
use sdc::passes::{Recompute, Sweep};
use sdc::source::NoFiles;

use super::Choices;
use super::programs::Writer;
use crate::cpu::{graphs, rounded, set, single, step_of};
use crate::graph::build::sgd;
use crate::program::build_with;

const IMAGES: usize = 3;
/// Numbers of an image, multiply-adds and parameters, which bound the time that the f64 graph takes.
const NUMBERS: usize = 4_096;
const WORK: u64 = 150_000;
const PARAMETERS: u64 = 6_000;
/// Values beyond which f32 has another range than f64.
const LARGEST: f64 = 1e12;

/// The norm of the difference over the norm, as the rounding of f32 leaves it.
const TOLERANCE: f64 = 3e-5;
/// How much more than a rounding of what goes in the roundings on the way may change.
const AMPLIFIED: f64 = 40.0;
/// A norm below which a tensor is 0 but for rounding.
const FLOOR: f64 = 5e-2;
/// The same as a part of the largest gradient: what is less in f64 is a sum that cancels, and its rounding that of the largest.
const CANCELS: f64 = 1e-9;

/// A step's answers and the test logits, in the order of `Output`.
type Answers = Vec<(String, Vec<f64>)>;

fn reference(train: &mut Graph, test: &mut Graph, inputs: &Inputs) -> Answers {
    let logits = test.run(inputs).remove(&Output::Logits).expect("logits");
    let outputs = train.run(inputs).into_iter().map(|(name, values)| (name.to_string(), values));
    std::iter::once(("test logits".to_owned(), logits)).chain(outputs).collect()
}

fn compiled(network: &Network, train: &Graph, mut engine: CpuEngine, inputs: &Inputs) -> Answers {
    set(&mut engine, network, inputs);
    let logits = engine.logits(&single(&inputs.images));
    let outputs = step_of(&mut engine, network, train.outputs().keys(), inputs);
    let outputs = outputs.into_iter().map(|(name, values)| (name.to_string(), values));
    let all = std::iter::once(("test logits".to_owned(), logits)).chain(outputs);
    all.map(|(name, values)| (name, values.into_iter().map(f64::from).collect())).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    f64::sqrt(values.map(|x| x * x).sum())
}

/// The norm of the difference over the norm, `floor` at least.
fn distance(a: &[f64], b: &[f64], floor: f64) -> f64 {
    norm(a.iter().zip(b).map(|(a, b)| a - b)) / norm(b.iter().copied()).max(floor)
}

/// The inputs with every weight and pixel off by one rounding of f32, up and down by turns.
fn nudged(inputs: &Inputs) -> Inputs {
    let mut nudged = inputs.clone();
    let parameters = nudged.parameters.values_mut().flatten();
    for (i, x) in parameters.chain(&mut nudged.images).enumerate() {
        *x *= 1.0 + f64::from(f32::EPSILON) / 2.0 * if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    }
    nudged
}

/// Compiles and runs a network; whether its numbers could be compared.
fn agrees(network: &Network) -> Result<bool, String> {
    let (mut train, mut test) = graphs(network, &sgd(), Loss { smoothing: 0.1 });
    let inputs = rounded(network, IMAGES);
    let wanted = reference(&mut train, &mut test, &inputs);
    if wanted.iter().flat_map(|(_, values)| values).any(|x| !x.is_finite() || x.abs() > LARGEST) {
        return Ok(false);
    }
    let off = reference(&mut train, &mut test, &nudged(&inputs));

    let mut low = graphs(network, &sgd(), Loss { smoothing: 0.1 }).0;
    low.luminal.compile((Recompute, Sweep), ());
    let persistent = fuse::persistent(&train);
    type Planner = fn(&Graph, &Persistent, usize) -> Plan;
    let engine = |planner: Planner, train: &Graph, plain: bool| {
        let [train, test] = [train, &test].map(|graph| Plan { plain, ..planner(graph, &persistent, IMAGES) });
        train.verify().and(test.verify()).map(|()| CpuEngine::new(Some(train), test, 2))
    };
    let engines = [
        ("as it is", engine(fuse::plan, &train, false)?),
        ("in little memory", engine(fuse::plan, &low, false)?),
        ("with nothing skipped", engine(fuse::plan_in_full, &train, false)?),
        ("with plain convolutions", engine(fuse::plan, &train, true)?),
        ("with nothing at all", engine(fuse::plan_apart, &train, true)?),
    ];
    let gradients = wanted.iter().filter(|(name, _)| name.starts_with("d/"));
    let largest = gradients.map(|(_, values)| norm(values.iter().copied())).fold(0.0, f64::max);
    let floor = |wanted: &[f64]| match norm(wanted.iter().copied()) < CANCELS * largest {
        true => FLOOR.max(largest),
        false => FLOOR,
    };
    let mut first: Option<Answers> = None;
    for (way, engine) in engines {
        let got = compiled(network, &train, engine, &inputs);
        for (((name, got), (_, wanted)), (_, off)) in got.iter().zip(&wanted).zip(&off) {
            let [error, least] = [got, off].map(|values| distance(values, wanted, floor(wanted)));
            if got.len() != wanted.len() || error.is_nan() || error > TOLERANCE + AMPLIFIED * least {
                return Err(format!("{way}, {name}: {error:e}, where a rounding of what goes in makes {least:e}"));
            }
        }
        match &first {
            None => first = Some(got),
            Some(first) if way.contains("memory") || way.contains("skipped") => {
                if let Some(((name, _), _)) = first.iter().zip(&got).find(|(a, b)| a != b) {
                    return Err(format!("{way}, {name}: other bits"));
                }
            }
            Some(_) => {}
        }
    }
    Ok(true)
}

/// Whether a program is one whose numbers can be compared, and they agree.
fn checked(text: &str) -> Result<bool, String> {
    let outcome = build_with(text, &NoFiles, Some("M"), &[]);
    let Some(built) = outcome.built.filter(|_| !outcome.problems.has_errors()) else { return Ok(false) };
    let counts = built.network.counts();
    let numbers = built.network.input.elements();
    let small = numbers <= NUMBERS && counts.multiply_adds <= WORK && counts.parameters <= PARAMETERS;
    if small { agrees(&built.network) } else { Ok(false) }
}

#[test]
fn compiled_code_means_what_the_text_says() {
    let wanted = if std::env::var_os("SDC_SLOW").is_some() { 10_000 } else { 300 };
    let (mut choices, mut ran) = (Choices::of("fuzz.numbers"), 0);
    for _ in 0..10 * wanted {
        let (text, left) = Writer::new(choices).classifier();
        choices = left;
        ran += usize::from(checked(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}")));
        if ran == wanted {
            return;
        }
    }
    panic!("the numbers of {ran} networks were compared");
}
