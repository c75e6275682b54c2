//! The standard library against the figures of the papers. Every number here is written by hand.

use sdc::net::{LayerOp, Network, Shape};

use crate::program::{build, parameters};

fn network(uses: &str, input: [usize; 3], net: &str) -> Network {
    let text = format!("use {uses}\nmodel M {{ input image[{}, {}, {}]; net {net} }}", input[0], input[1], input[2]);
    build(&text).network()
}

fn cifar(uses: &str, net: &str) -> Network {
    network(uses, [3, 32, 32], net)
}

fn imagenet(uses: &str, net: &str) -> Network {
    network(uses, [3, 224, 224], net)
}

/// The channels that leave the residuals, in order.
fn widths(network: &Network) -> Vec<usize> {
    network.residuals().iter().map(|r| r.output.channels).collect()
}

/// Multiply-adds of convolutions and linear layers for one image.
fn multiply_adds(network: &Network) -> u64 {
    let mut sum = 0;
    network.layers(&mut |layer| {
        let inputs = layer.input.channels as u64;
        sum += match &layer.op {
            LayerOp::Conv(c) => {
                layer.output.elements() as u64 * inputs / c.groups as u64 * (c.kernel * c.kernel) as u64
            }
            LayerOp::Linear { out, .. } => inputs * *out as u64,
            _ => 0,
        };
    });
    sum
}

#[test]
fn parameter_counts_are_those_of_the_papers() {
    let resnet = "std.resnet.{resnet_cifar, projection}";
    let pyramid = "std.pyramidnet.{pyramidnet, pyramid_bottleneck}";
    let cases: &[(&str, &str, u64)] = &[
        (resnet, "resnet_cifar(20, 10, shortcut: projection)", 272_474),
        (resnet, "resnet_cifar(110, 10, shortcut: projection)", 1_730_714),
        (resnet, "resnet_cifar(110, 10)", 1_727_962),
        ("std.preresnet.{preresnet_cifar, bottleneck}", "preresnet_cifar(164, 10, block: bottleneck)", 1_703_258),
        ("std.preresnet.{preresnet_cifar, bottleneck}", "preresnet_cifar(164, 100, block: bottleneck)", 1_726_388),
        ("std.wrn.{wrn}", "wrn(28, 10, 10)", 36_479_194),
        ("std.wrn.{wrn}", "wrn(28, 10, 100)", 36_536_884),
        ("std.resnext.{resnext_cifar}", "resnext_cifar(29, 32, 4, 10)", 4_775_754),
        ("std.resnext.{resnext_cifar}", "resnext_cifar(29, 16, 64, 10)", 68_155_210),
        (pyramid, "pyramidnet(110, 48, 10)", 1_772_706),
        (pyramid, "pyramidnet(110, 270, 10)", 28_485_477),
        (pyramid, "pyramidnet(110, 270, 100)", 28_511_307),
        (pyramid, "pyramidnet(272, 200, 10, block: pyramid_bottleneck)", 26_210_842),
        ("std.shake.{shake_resnet}", "shake_resnet(26, 32, 10)", 2_923_162),
    ];
    for (uses, net, count) in cases {
        assert_eq!(parameters(&cifar(uses, net)), *count, "{net}");
    }
}

#[test]
fn imagenet_counts_are_those_of_the_papers() {
    let uses = "std.resnet.{resnet_imagenet}";
    let cases: &[(&str, u64, Option<&str>)] = &[
        ("resnet_imagenet(50)", 25_557_032, Some("4.089")),
        ("resnet_imagenet(152)", 60_192_808, None),
        ("resnet_imagenet(50, groups: 32, width_per_group: 4)", 25_028_904, Some("4.230")),
    ];
    for (net, count, work) in cases {
        let network = imagenet(uses, net);
        assert_eq!(parameters(&network), *count, "{net}");
        if let Some(work) = work {
            assert_eq!(format!("{:.3}", multiply_adds(&network) as f64 / 1e9), *work, "{net}");
        }
    }
}

#[test]
fn residuals_are_counted_over_the_whole_model() {
    let cases: &[(&str, &str, usize)] = &[
        ("std.pyramidnet.{pyramidnet}", "pyramidnet(110, 270, 10)", 54),
        ("std.resnet.{resnet_cifar}", "resnet_cifar(110, 10)", 54),
        ("std.pyramidnet.{pyramidnet, pyramid_bottleneck}", "pyramidnet(272, 200, 10, block: pyramid_bottleneck)", 90),
        ("std.wrn.{wrn}", "wrn(28, 10, 10)", 12),
        ("std.shake.{shake_resnet}", "shake_resnet(26, 32, 10)", 12),
        ("std.resnext.{resnext_cifar}", "resnext_cifar(29, 32, 4, 10)", 9),
    ];
    for (uses, net, count) in cases {
        assert_eq!(cifar(uses, net).residuals, *count, "{net}");
    }
    for (depth, count) in [(50, 16), (101, 33), (152, 50)] {
        let net = format!("resnet_imagenet({depth})");
        assert_eq!(imagenet("std.resnet.{resnet_imagenet}", &net).residuals, count, "{net}");
    }
}

#[test]
fn pyramids_widen_as_the_paper_rounds() {
    let uses = "std.pyramidnet.{pyramidnet, pyramid_bottleneck}";
    assert_eq!(widths(&cifar(uses, "pyramidnet(110, 270, 10)"))[..4], [21, 26, 31, 36]);
    let deep = widths(&cifar(uses, "pyramidnet(272, 200, 10, block: pyramid_bottleneck)"));
    assert_eq!(deep[..5], [18, 20, 23, 25, 27].map(|m| 4 * m));
    assert_eq!(deep[89], 4 * 216);
}

#[test]
fn imagenet_families_end_in_seven_by_seven_pixels() {
    let cases = [
        ("std.preresnet.{preresnet_imagenet}", "preresnet_imagenet(50)", 2048),
        ("std.preresnet.{preresnet_imagenet}", "preresnet_imagenet(18)", 512),
        ("std.pyramidnet.{pyramidnet_imagenet}", "pyramidnet_imagenet(101, 250)", 4 * 314),
        ("std.resnet.{resnet_imagenet}", "resnet_imagenet(50, width_per_group: 128)", 2048),
    ];
    for (uses, net, channels) in cases {
        let network = imagenet(uses, net);
        let last = network.residuals().last().map(|r| r.output);
        assert_eq!(last, Some(Shape::new(channels, 7, 7)), "{net}");
        assert_eq!(network.output, Shape::vector(1000), "{net}");
    }
}

#[test]
fn the_deepest_network_is_checked_at_once() {
    let text = "use std.pyramidnet.{pyramidnet, pyramid_bottleneck}\nuse std.regularizers.{shakedrop}\n\
                model M { input image[3, 32, 32]; net pyramidnet(272, 200, 10, block: pyramid_bottleneck); \
                place shakedrop(level: pixel) on residuals }";
    let start = std::time::Instant::now();
    let network = build(text).network();
    let time = start.elapsed();
    assert_eq!(network.sites().len(), 90);
    // The program promises 0.3 s; tests run half optimised and side by side.
    assert!(time < std::time::Duration::from_secs(3), "{time:?}");
}
