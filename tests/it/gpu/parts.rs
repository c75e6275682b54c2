//! Every kind of map and contraction in a small network.

use sdc::codegen::gpu::Dialect;
use sdc::net::recipe::{Exempt, Optimizer, UpdateRule};
use sdc::net::{Activation, ConvOp, Level, Network, Shape};
use sdc::num::Precision;

use super::super::graph::build::*;
use super::{check, check_not_finite};

fn of(input: Shape, body: impl FnOnce(&mut Scope<'_>)) {
    let network = network(input, body);
    check(&network, &sgd(), PLAIN, [5, 3], Dialect::CUDA, &[1]);
    super::drivers::check(&network, &sgd(), PLAIN, [5, 3]);
}

/// Kernels, strides, dilations and groups; channels that fill no block; several tiles of columns; a linear layer.
#[test]
fn convolutions() {
    of(Shape::new(3, 9, 8), |s| {
        s.conv(18, 3, 1).conv_with(ConvOp { kernel: 3, pad: 1, bias: true, ..conv(20) }).bn();
        s.conv_with(ConvOp { kernel: 3, stride: 2, pad: 1, groups: 2, ..conv(36) }).bn().relu();
        s.conv_with(ConvOp { kernel: 5, stride: 2, pad: 4, dilation: 2, groups: 18, bias: true, ..conv(36) }).bn();
        s.conv_with(ConvOp { kernel: 2, stride: 3, ..conv(70) }).flatten().linear(3);
    });
}

/// Tiles of every width, warps that share a patch and warps with two, groups, planes that fill no tile.
#[test]
fn tensor_cores() {
    let tiles = |normed: bool| {
        network(Shape::new(3, 8, 8), |s| {
            let after = |s: &mut Scope<'_>| {
                if normed {
                    s.bn().relu();
                }
            };
            s.conv(16, 3, 1);
            after(s);
            s.conv(40, 1, 1);
            after(s);
            s.conv_with(ConvOp { kernel: 3, stride: 2, pad: 1, groups: 1, ..conv(64) });
            after(s);
            s.conv_with(ConvOp { kernel: 3, stride: 1, pad: 1, groups: 2, ..conv(96) });
            after(s);
            s.conv(20, 1, 1).global_avg_pool().linear(5);
        })
    };
    for precision in [Precision::Tf32, Precision::Bf16] {
        let dialect = Dialect::Cuda(precision);
        for normed in [false, true] {
            check(&tiles(normed), &sgd(), PLAIN, [5, 3], dialect, &[1, 2]);
        }
    }
}

#[test]
fn groups_of_whole_blocks() {
    of(Shape::new(3, 6, 6), |s| {
        s.conv(64, 3, 1).bn().conv_with(ConvOp { kernel: 3, stride: 2, pad: 1, groups: 2, ..conv(96) }).bn();
        s.relu().global_avg_pool().linear(3);
    });
}

#[test]
fn activations() {
    of(Shape::new(2, 4, 4), |s| {
        s.conv(5, 3, 1).act(Activation::Silu).conv(4, 3, 1).bn().act(Activation::Sigmoid);
        s.conv(4, 1, 1).act(Activation::LeakyRelu { slope: 0.1 }).flatten().linear(17);
    });
}

#[test]
fn pools_and_places() {
    of(Shape::new(2, 5, 6), |s| {
        s.conv(17, 3, 1).pool(true, 3, 1, 1).pad_channels(35).pool(false, 3, 2, 1);
        let shifted: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.shift(1, -2);
        };
        let other: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.relu().conv(18, 3, 1).bn();
        };
        s.concat(&[shifted, &identity, other]).conv(5, 1, 1).subsample(2).flatten().linear(3);
    });
}

#[test]
fn rules_at_every_level() {
    of(Shape::new(3, 6, 6), |s| {
        s.conv(16, 3, 1).bn();
        for level in [Level::Batch, Level::Image, Level::Channel, Level::Pixel] {
            let rule = shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), level);
            let at = Rules { at_sum: Some(rule), ..Rules::default() };
            let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
                s.conv(16, 3, 1).bn();
            };
            s.residual(at, &[branch], &identity);
        }
        s.relu().global_avg_pool().linear(4);
    });
}

/// Every optimizer with everything beside it; the wide layer takes the norm over several chunks.
fn optimizers(check: impl Fn(&Network, &Optimizer)) {
    let network = network(Shape::new(3, 5, 5), |s| {
        s.conv(18, 3, 1).bn().relu().global_avg_pool().linear(1100).relu().linear(17);
    });
    let adamw = UpdateRule::AdamW { beta1: 0.9, beta2: 0.99, eps: 1e-6 };
    let plain = Optimizer { exempt: vec![Exempt::Norm, Exempt::Pattern("**.linear[1]".into())], ..sgd() };
    let adam = Optimizer { rule: adamw, ..plain.clone() };
    for (optimizer, clip, accumulate, average) in
        [(&plain, Some(0.1), 1, None), (&adam, Some(0.1), 3, Some(0.9)), (&adam, None, 2, Some(0.5))]
    {
        check(&network, &Optimizer { clip, accumulate, average, ..optimizer.clone() });
    }
}

#[test]
fn every_optimizer() {
    for dialect in [Dialect::CUDA, Dialect::Metal] {
        optimizers(|network, optimizer| check(network, optimizer, PLAIN, [4, 4], dialect, &[1]));
    }
    optimizers(|network, optimizer| super::drivers::check(network, optimizer, PLAIN, [4, 4]));
}

#[test]
fn a_step_that_is_not_finite_changes_no_weight_and_nothing_that_is_kept() {
    optimizers(|network, optimizer| check_not_finite(network, optimizer, Dialect::CUDA));
    optimizers(super::drivers::check_not_finite);
}
