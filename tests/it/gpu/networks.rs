//! The published families at small sizes, from their programs.

use sdc::codegen::gpu::Dialect;

use super::super::program;
use super::{check, drivers};

fn is_slow() -> bool {
    std::env::var_os("SDC_SLOW").is_some()
}

/// One step of `net` with a rule: three images in a batch for five, in two dialects, threads in several orders, and on
/// drivers.
fn family(net: &str, place: &str) {
    let library = "use std.resnet.{resnet_cifar}\nuse std.pyramidnet.{pyramidnet}\nuse std.wrn.{wrn}\n\
                   use std.resnext.{resnext_cifar}\nuse std.shake.{shake_resnet}\n\
                   use std.regularizers.{shakedrop, shake_shake, random_drop, linear_decay}\n";
    let data = "synthetic(channels: 3, height: 8, width: 8, classes: 4, images: 8)";
    let optimizer = "sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4 }";
    let text = format!(
        "{library}model M {{\ninput image[3, 8, 8]\nnet {net}\n{place}\n}}\n\
         train M {{\ndata {data}\nloss cross_entropy\noptimizer {optimizer}\nepochs 1\nbatch 5\n}}\n"
    );
    let outcome = program::build(&text);
    assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
    let built = outcome.built.expect("it builds");
    let recipe = built.recipe.expect("it is trained");
    let orders: &[u32] = if is_slow() { &[1, 2, 3, 4] } else { &[1] };
    for dialect in [Dialect::CUDA, Dialect::Metal] {
        check(&built.network, &recipe.optimizer, recipe.loss, [5, 3], dialect, orders);
    }
    drivers::check(&built.network, &recipe.optimizer, recipe.loss, [5, 3]);
}

const SHAKEDROP: &str = "shakedrop(p: linear_decay(l, L), alpha: -1..1, beta: 0..1, level: pixel)";

#[test]
fn resnet() {
    if is_slow() {
        family("resnet_cifar(20, 4)", "place random_drop(p: linear_decay(l, L)) on residuals");
    }
}

#[test]
fn pyramidnet() {
    let depth = if is_slow() { 110 } else { 8 };
    family(&format!("pyramidnet({depth}, alpha: 48, classes: 4)"), &format!("place {SHAKEDROP} on residuals"));
}

#[test]
fn wide_resnet() {
    if is_slow() {
        family("wrn(16, 4, 4)", &format!("place {SHAKEDROP} on residuals"));
    }
}

#[test]
fn three_branches() {
    if is_slow() {
        for place in ["at sum", "at branch"] {
            let net = "resnext_cifar(29, cardinality: 4, width: 16, classes: 4, branches: 2)";
            family(net, &format!("place {SHAKEDROP} on residuals {place}"));
        }
    }
}

#[test]
fn shake_shake() {
    if is_slow() {
        family("shake_resnet(26, width: 32, classes: 4)", "place shake_shake() on residuals");
    }
}
