//! How many kernels a step is: what fusing gained must not be lost.

use std::collections::BTreeMap;

use sdc::bench;
use sdc::codegen::gpu::{Dialect, Programs};
use sdc::driver::{self, Plans};
use sdc::kernel::{Body, Plan};

use super::super::program;

const LIBRARY: &str = "use std.resnet.{resnet_cifar}\nuse std.pyramidnet.{pyramidnet}\nuse std.wrn.{wrn}\n\
                       use std.resnext.{resnext_cifar}\nuse std.shake.{shake_resnet}\n\
                       use std.regularizers.{shakedrop, shake_shake, random_drop, linear_decay}\n";
const SHAKEDROP: &str = "place shakedrop(p: linear_decay(l, L), alpha: -1..1, beta: 0..1, level: pixel) on residuals";

/// A network's plans for training with plain SGD, and their kernels.
fn made(net: &str, place: &str, dialect: Dialect) -> (Plans, Programs) {
    let outcome = program::build(&format!("{LIBRARY}model M {{\ninput image[3, 32, 32]\nnet {net}\n{place}\n}}\n"));
    assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
    let network = outcome.built.expect("it builds").network;
    let recipe = bench::plain(&network, 32);
    let plans = driver::plans(&driver::graphs(&network, recipe.as_ref()), 32);
    let programs = driver::gpu_programs(&plans, dialect);
    (plans, programs)
}

/// Passes of convolutions and linear layers: forward, to the input, to the weight.
fn passes(plan: &Plan) -> usize {
    plan.kernels.iter().filter(|kernel| matches!(kernel.body, Body::Contraction(_))).count()
}

/// Launches a step, and passes of convolutions.
fn counted(net: &str, place: &str, dialect: Dialect) -> (usize, usize) {
    let (plans, programs) = made(net, place, dialect);
    (programs.train.expect("it is trained").launches.len(), passes(&plans.train.expect("it is trained")))
}

/// The launches of one block, forward and back, by name, with how often each comes.
fn of_block(place: &str, block: &str) -> BTreeMap<String, usize> {
    let (_, programs) = made("pyramidnet(20, alpha: 48, classes: 10)", place, Dialect::CUDA);
    let mut counts = BTreeMap::new();
    for launch in programs.train.expect("it is trained").launches {
        if launch.name.contains(block) {
            *counts.entry(launch.name).or_default() += 1;
        }
    }
    counts
}

#[test]
fn a_stochastic_factor_adds_no_kernel_to_a_block() {
    let plain = of_block("", "group[1].block[1]");
    let shaken = of_block(SHAKEDROP, "group[1].block[1]");
    assert!(plain.len() >= 6, "{plain:?}");
    let count = |launches: &BTreeMap<String, usize>| launches.values().sum::<usize>();
    golden("a_block", &plain.iter().map(|(name, count)| format!("{count} {name}\n")).collect::<String>());
    assert_eq!(count(&plain), count(&shaken), "{plain:#?}\n{shaken:#?}");
}

/// Passes of convolutions; launches a step, and a pass, with CUDA; with Metal and WGSL.
#[test]
fn launches_of_a_step() {
    let resnext = "resnext_cifar(29, cardinality: 4, width: 16, classes: 10, branches: 2)";
    let mut table = String::new();
    for (net, place) in [
        ("resnet_cifar(20, 10)", ""),
        ("resnet_cifar(20, 10)", SHAKEDROP),
        ("resnet_cifar(110, 10)", SHAKEDROP),
        ("pyramidnet(110, alpha: 48, classes: 10)", SHAKEDROP),
        ("wrn(16, 4, 10)", SHAKEDROP),
        (resnext, SHAKEDROP),
        ("shake_resnet(26, width: 32, classes: 10)", "place shake_shake() on residuals"),
    ] {
        let (launches, passes) = counted(net, place, Dialect::CUDA);
        let (metal, _) = counted(net, place, Dialect::Metal);
        assert_eq!(metal, counted(net, place, Dialect::Wgsl).0);
        // What a step has but once: the loss, the finding whether all is finite, the update.
        const ONCE: f64 = 12.0;
        let most = |each: f64| each * passes as f64 + ONCE;
        assert!(
            launches as f64 <= most(1.2) && metal as f64 <= most(1.7),
            "{launches} and {metal} for {passes}: {net}"
        );
        let each = |launches: usize| format!("{launches:5} {:.2}", launches as f64 / passes as f64);
        table += &format!("{passes:5} {} {}  {net} {place}\n", each(launches), each(metal));
    }
    golden("launches", &table);
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({
        prepend_module_to_snapshot => false, snapshot_path => "../../golden/gpu", omit_expression => true
    }, { insta::assert_snapshot!(name, text) });
}
