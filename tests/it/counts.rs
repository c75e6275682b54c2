//! Parameters and multiply-adds of the published families at many depths and widths, against a second count: each
//! family here is its paper's table once more, as sums over layers, without the compiler.

use sdc::net::{Network, Role};

use crate::program::build;

/// What a network under construction has, and what leaves its last layer.
#[derive(Clone, Copy)]
struct Count {
    parameters: u64,
    multiply_adds: u64,
    channels: u64,
    side: u64,
}

impl Count {
    fn of_image(side: u64) -> Self {
        Count { parameters: 0, multiply_adds: 0, channels: 3, side }
    }

    /// A convolution without bias that pads by half its kernel.
    fn conv(&mut self, kernel: u64, out: u64, stride: u64, groups: u64) {
        let weights = self.channels / groups * kernel * kernel * out;
        self.side = self.side.div_ceil(stride);
        self.parameters += weights;
        self.multiply_adds += weights * self.side * self.side;
        self.channels = out;
    }

    fn conv_bn(&mut self, kernel: u64, out: u64, stride: u64, groups: u64) {
        self.conv(kernel, out, stride, groups);
        self.bn();
    }

    fn bn(&mut self) {
        self.parameters += 2 * self.channels;
    }

    fn classify(&mut self, classes: u64) {
        self.parameters += self.channels * classes + classes;
        self.multiply_adds += self.channels * classes;
    }

    /// Counts what `aside` adds to a copy, whose shape is dropped.
    fn aside(&mut self, aside: impl FnOnce(&mut Count)) {
        let mut copy = Count { parameters: 0, multiply_adds: 0, ..*self };
        aside(&mut copy);
        self.parameters += copy.parameters;
        self.multiply_adds += copy.multiply_adds;
    }

    fn imagenet_stem(&mut self) {
        self.conv_bn(7, 64, 2, 1);
        self.side = self.side.div_ceil(2);
    }
}

/// Each block of three stages of `n` blocks: the stage, its place in it, and its stride.
fn three_stages(n: u64) -> impl Iterator<Item = (u32, u64, u64)> {
    (0..3).flat_map(move |stage| (0..n).map(move |i| (stage, i, if stage > 0 && i == 0 { 2 } else { 1 })))
}

fn imagenet_stages(depth: u64) -> impl Iterator<Item = (u32, u64)> {
    let blocks = match depth {
        18 => [2, 2, 2, 2],
        34 | 50 => [3, 4, 6, 3],
        101 => [3, 4, 23, 3],
        152 => [3, 8, 36, 3],
        _ => [3, 24, 36, 3],
    };
    (0..4u32).flat_map(move |s| (0..blocks[s as usize]).map(move |i| (s, if s > 0 && i == 0 { 2 } else { 1 })))
}

/// The residual of ResNet's basic block.
fn basic(c: &mut Count, width: u64, stride: u64, projection: bool) {
    if projection && (stride > 1 || c.channels != width) {
        c.aside(|c| c.conv_bn(1, width, stride, 1));
    }
    c.conv_bn(3, width, stride, 1);
    c.conv_bn(3, width, 1, 1);
}

/// The bottleneck of ResNet and ResNeXt, `inner` wide, with the stride on its 3x3, in so many equal branches.
fn bottleneck(c: &mut Count, (inner, out): (u64, u64), stride: u64, groups: u64, branches: u64) {
    if stride > 1 || c.channels != out {
        c.aside(|c| c.conv_bn(1, out, stride, 1));
    }
    let branch = |c: &mut Count| {
        c.conv_bn(1, inner, 1, 1);
        c.conv_bn(3, inner, stride, groups);
        c.conv_bn(1, out, 1, 1);
    };
    (1..branches).for_each(|_| c.aside(branch));
    branch(c);
}

fn resnet(depth: u64, classes: u64, projection: bool) -> Count {
    let mut c = Count::of_image(32);
    c.conv_bn(3, 16, 1, 1);
    three_stages((depth - 2) / 6).for_each(|(s, _, stride)| basic(&mut c, 16 << s, stride, projection));
    c.classify(classes);
    c
}

fn resnet_bottleneck(depth: u64, classes: u64) -> Count {
    let mut c = Count::of_image(32);
    c.conv_bn(3, 16, 1, 1);
    three_stages((depth - 2) / 9).for_each(|(s, _, stride)| bottleneck(&mut c, (16 << s, 64 << s), stride, 1, 1));
    c.classify(classes);
    c
}

fn resnet_imagenet(depth: u64, groups: u64, width_per_group: u64) -> Count {
    let mut c = Count::of_image(224);
    c.imagenet_stem();
    for (s, stride) in imagenet_stages(depth) {
        if depth < 50 {
            basic(&mut c, 64 << s, stride, true);
        } else {
            bottleneck(&mut c, ((groups * width_per_group) << s, 256 << s), stride, groups, 1);
        }
    }
    c.classify(1000);
    c
}

fn resnext(depth: u64, cardinality: u64, width: u64, classes: u64, branches: u64) -> Count {
    let mut c = Count::of_image(32);
    c.conv_bn(3, 64, 1, 1);
    three_stages((depth - 2) / 9).for_each(|(s, _, stride)| {
        bottleneck(&mut c, ((cardinality * width) << s, 256 << s), stride, cardinality, branches)
    });
    c.classify(classes);
    c
}

/// Where the convolution with the stride stands in a bottleneck.
#[derive(Clone, Copy, PartialEq)]
enum Preactivated {
    /// No bottleneck: two 3x3.
    Basic,
    /// On the first 1x1.
    StrideFirst,
    /// On the 3x3.
    StrideOn3x3,
}

/// A pre-activation block of 3x3 convolutions, or of 1x1, 3x3 and 1x1; its first bn is counted once, wherever it stands.
fn preactivated(c: &mut Count, width: u64, stride: u64, form: Preactivated) {
    let wide = form != Preactivated::Basic;
    let out = if wide { 4 * width } else { width };
    c.bn();
    if stride > 1 || c.channels != out {
        c.aside(|c| c.conv(1, out, stride, 1));
    }
    if wide {
        let (first, second) = if form == Preactivated::StrideFirst { (stride, 1) } else { (1, stride) };
        c.conv_bn(1, width, first, 1);
        c.conv_bn(3, width, second, 1);
        c.conv(1, out, 1, 1);
    } else {
        c.conv_bn(3, width, stride, 1);
        c.conv(3, out, 1, 1);
    }
}

fn preresnet(depth: u64, classes: u64, wide: bool) -> Count {
    let mut c = Count::of_image(32);
    c.conv(3, 16, 1, 1);
    let (layers, form) = if wide { (9, Preactivated::StrideFirst) } else { (6, Preactivated::Basic) };
    three_stages((depth - 2) / layers).for_each(|(s, _, stride)| preactivated(&mut c, 16 << s, stride, form));
    c.bn();
    c.classify(classes);
    c
}

fn preresnet_imagenet(depth: u64) -> Count {
    let mut c = Count::of_image(224);
    c.imagenet_stem();
    let form = if depth < 50 { Preactivated::Basic } else { Preactivated::StrideOn3x3 };
    imagenet_stages(depth).for_each(|(s, stride)| preactivated(&mut c, 64 << s, stride, form));
    c.bn();
    c.classify(1000);
    c
}

fn wrn(depth: u64, width: u64, classes: u64) -> Count {
    let mut c = Count::of_image(32);
    c.conv(3, 16, 1, 1);
    three_stages((depth - 4) / 6)
        .for_each(|(s, _, stride)| preactivated(&mut c, (width * 16) << s, stride, Preactivated::Basic));
    c.bn();
    c.classify(classes);
    c
}

/// A block of a PyramidNet; its shortcut has nothing to train.
fn pyramidal(c: &mut Count, width: u64, stride: u64, wide: bool) {
    c.bn();
    if wide {
        c.conv_bn(1, width, 1, 1);
        c.conv_bn(3, width, stride, 1);
        c.conv_bn(1, 4 * width, 1, 1);
    } else {
        c.conv_bn(3, width, stride, 1);
        c.conv_bn(3, width, 1, 1);
    }
}

/// round(`base` + k alpha / N) for whole alpha, halves up.
fn widened(base: u64, k: u64, alpha: u64, count: u64) -> u64 {
    base + (2 * k * alpha + count) / (2 * count)
}

fn pyramidnet(depth: u64, alpha: u64, classes: u64, wide: bool) -> Count {
    let mut c = Count::of_image(32);
    c.conv_bn(3, 16, 1, 1);
    let n = (depth - 2) / if wide { 9 } else { 6 };
    for (s, i, stride) in three_stages(n) {
        pyramidal(&mut c, widened(16, u64::from(s) * n + i + 1, alpha, 3 * n), stride, wide);
    }
    c.bn();
    c.classify(classes);
    c
}

fn pyramidnet_imagenet(depth: u64, alpha: u64, wide: bool) -> Count {
    let mut c = Count::of_image(224);
    c.imagenet_stem();
    let count = imagenet_stages(depth).count() as u64;
    for (k, (_, stride)) in imagenet_stages(depth).enumerate() {
        pyramidal(&mut c, widened(64, k as u64 + 1, alpha, count), stride, wide);
    }
    c.bn();
    c.classify(1000);
    c
}

fn shake(depth: u64, width: u64, classes: u64) -> Count {
    let mut c = Count::of_image(32);
    c.conv_bn(3, 16, 1, 1);
    for (s, _, stride) in three_stages((depth - 2) / 6) {
        let out = width << s;
        let branch = |c: &mut Count| {
            c.conv_bn(3, out, stride, 1);
            c.conv_bn(3, out, 1, 1);
        };
        if stride > 1 || c.channels != out {
            c.aside(|c| c.conv(1, out / 2, stride, 1));
            c.aside(|c| c.conv(1, out - out / 2, stride, 1));
            c.parameters += 2 * out;
        }
        c.aside(branch);
        branch(&mut c);
    }
    c.classify(classes);
    c
}

/// What the compiler counts.
fn counted(network: &Network) -> (u64, u64) {
    let trained = network.parameters().into_iter().filter(|p| p.role != Role::State);
    let parameters = trained.map(|p| p.dims.iter().product::<usize>() as u64).sum();
    let mut multiply_adds = 0;
    network.layers(&mut |layer| multiply_adds += layer.counts().multiply_adds);
    (parameters, multiply_adds)
}

/// Both counts of a net of the library agree.
fn agrees(module: &str, side: u64, net: &str, count: Count) {
    let defined = sdc::stdlib::defined(sdc::stdlib::text(module).expect("a module of the library"));
    let names = net.split(|c: char| !c.is_alphanumeric() && c != '_');
    let used: Vec<&str> = names.filter(|name| defined.contains(*name)).collect();
    let uses = format!("use std.{module}.{{{}}}", used.join(", "));
    let network = build(&format!("{uses}\nmodel M {{ input image[3, {side}, {side}]; net {net} }}")).network();
    assert_eq!(counted(&network), (count.parameters, count.multiply_adds), "{net}");
}

#[test]
fn cifar_families_at_many_sizes() {
    for depth in [20, 32, 44, 56, 110] {
        agrees("resnet", 32, &format!("resnet_cifar({depth}, 10)"), resnet(depth, 10, false));
        let net = format!("resnet_cifar({depth}, 100, shortcut: projection)");
        agrees("resnet", 32, &net, resnet(depth, 100, true));
        agrees("preresnet", 32, &format!("preresnet_cifar({depth}, 10)"), preresnet(depth, 10, false));
    }
    for depth in [29, 56, 164] {
        let net = format!("resnet_cifar({depth}, 10, block: bottleneck, shortcut: projection)");
        agrees("resnet", 32, &net, resnet_bottleneck(depth, 10));
        let net = format!("preresnet_cifar({depth}, 100)").replace(')', ", block: bottleneck)");
        agrees("preresnet", 32, &net, preresnet(depth, 100, true));
    }
    for (depth, width) in [(10, 1), (16, 4), (16, 8), (22, 8), (28, 10), (40, 4)] {
        agrees("wrn", 32, &format!("wrn({depth}, {width}, 10)"), wrn(depth, width, 10));
    }
    for (cardinality, width) in [(1, 64), (2, 64), (8, 64), (16, 64), (32, 4)] {
        let net = format!("resnext_cifar(29, {cardinality}, {width}, 100)");
        agrees("resnext", 32, &net, resnext(29, cardinality, width, 100, 1));
    }
    agrees("resnext", 32, "resnext_cifar(29, 4, 64, 100, branches: 2)", resnext(29, 4, 64, 100, 2));
    for width in [32, 64, 96, 112] {
        agrees("shake", 32, &format!("shake_resnet(26, {width}, 10)"), shake(26, width, 10));
    }
    for (depth, alpha) in [(20, 24), (110, 48), (110, 84), (110, 270)] {
        agrees("pyramidnet", 32, &format!("pyramidnet({depth}, {alpha}, 100)"), pyramidnet(depth, alpha, 100, false));
    }
    for (depth, alpha) in [(164, 48), (164, 270), (200, 240), (236, 220), (272, 200)] {
        let net = format!("pyramidnet({depth}, {alpha}, 10, block: pyramid_bottleneck)");
        agrees("pyramidnet", 32, &net, pyramidnet(depth, alpha, 10, true));
    }
}

#[test]
fn imagenet_families_at_many_sizes() {
    // Parameters and giga-multiply-adds as model tables publish them.
    for (depth, groups, width, parameters, giga) in [
        (18, 1, 64, 11_689_512, "1.814"),
        (34, 1, 64, 21_797_672, "3.664"),
        (50, 1, 64, 25_557_032, "4.089"),
        (101, 1, 64, 44_549_160, "7.801"),
        (152, 1, 64, 60_192_808, "11.514"),
        (50, 32, 4, 25_028_904, "4.230"),
        (50, 1, 128, 68_883_240, "11.398"),
    ] {
        let count = resnet_imagenet(depth, groups, width);
        let net = format!("resnet_imagenet({depth}, groups: {groups}, width_per_group: {width})");
        assert_eq!(count.parameters, parameters, "{net}");
        assert_eq!(format!("{:.3}", count.multiply_adds as f64 / 1e9), giga, "{net}");
        agrees("resnet", 224, &net, count);
    }
    for depth in [18, 34, 50, 101, 152, 200] {
        agrees("preresnet", 224, &format!("preresnet_imagenet({depth})"), preresnet_imagenet(depth));
    }
    for (depth, alpha) in [(50, 150), (101, 250), (200, 300)] {
        let net = format!("pyramidnet_imagenet({depth}, {alpha})");
        agrees("pyramidnet", 224, &net, pyramidnet_imagenet(depth, alpha, true));
    }
    let net = "pyramidnet_imagenet(34, 100, block: pyramid_basic)";
    agrees("pyramidnet", 224, net, pyramidnet_imagenet(34, 100, false));
}
