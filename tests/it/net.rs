//! Networks: rules with their moments, counts, invariants, printing.

use sdc::net::rule::Distribution;
use sdc::net::{Counts, Draw, Factor, Level, Network, Node, Path, Rule, Shape};
use sdc::num::draw::Stream;

use crate::hand::{self, shakedrop};

/// A small writer of factors: `c` a number, `d` a draw.
fn c(value: f64) -> Factor {
    Factor::Const(value)
}

fn d(i: usize) -> Factor {
    Factor::Draw(i)
}

fn binary(make: fn(Box<Factor>, Box<Factor>) -> Factor, a: Factor, b: Factor) -> Factor {
    make(Box::new(a), Box::new(b))
}

fn add(a: Factor, b: Factor) -> Factor {
    binary(Factor::Add, a, b)
}

fn sub(a: Factor, b: Factor) -> Factor {
    binary(Factor::Sub, a, b)
}

fn mul(a: Factor, b: Factor) -> Factor {
    binary(Factor::Mul, a, b)
}

fn div(a: Factor, b: Factor) -> Factor {
    binary(Factor::Div, a, b)
}

fn bernoulli(p: f64, level: Level) -> Draw {
    Draw { level, distribution: Distribution::Bernoulli { p }, named: true }
}

fn uniform(lo: f64, hi: f64, level: Level) -> Draw {
    Draw { level, distribution: Distribution::Uniform { lo, hi }, named: false }
}

/// A rule whose backward pass repeats its forward pass.
fn rule(draws: Vec<Draw>, forward: Vec<Factor>) -> Rule {
    let test = vec![1.0; forward.len()];
    Rule { name: "rule".into(), draws, backward: forward.clone(), forward, test }
}

const PROBABILITIES: [f64; 8] = [0.0, 1e-9, 0.1, 0.25, 0.5, 0.7, 0.990740740740741, 1.0];

#[test]
fn shakedrop_with_a_symmetric_alpha_keeps_exactly_p() {
    for p in PROBABILITIES {
        let rule = shakedrop(p, (-1.0, 1.0), Level::Pixel);
        assert_eq!(rule.mean_forward(0), Ok(p));
        // Var = p + (1 - p) / 3 - p^2: E[f^2] is 1 where b is 1 and E[u^2] = 1/3 where it is 0.
        let variance = rule.variance_forward(0).expect("a polynomial");
        assert!((variance - (p + (1.0 - p) / 3.0 - p * p)).abs() < 1e-15, "{p}: {variance}");
    }
}

#[test]
fn shakedrop_with_a_positive_alpha_keeps_p_and_half_of_the_rest() {
    for p in PROBABILITIES {
        let mean = shakedrop(p, (0.0, 1.0), Level::Pixel).mean_forward(0).expect("a polynomial");
        assert_eq!(mean, p + (1.0 - p) / 2.0);
    }
}

#[test]
fn a_rule_that_divides_by_p_keeps_exactly_everything() {
    for p in PROBABILITIES.into_iter().filter(|&p| p > 0.0) {
        let rule = rule(vec![bernoulli(p, Level::Image)], vec![div(d(0), c(p))]);
        assert_eq!(rule.mean_forward(0), Ok(1.0));
        let variance = rule.variance_forward(0).expect("a polynomial");
        assert!((variance - (1.0 - p) / p).abs() <= 1e-15 * ((1.0 - p) / p), "{p}: {variance}");
    }
}

#[test]
fn shake_shake_has_halves() {
    let rule = rule(vec![uniform(0.0, 1.0, Level::Image)], vec![d(0), sub(c(1.0), d(0))]);
    for branch in 0..2 {
        assert_eq!(rule.mean_forward(branch), Ok(0.5));
        assert!((rule.variance_forward(branch).expect("a polynomial") - 1.0 / 12.0).abs() < 1e-17);
    }
}

#[test]
fn powers_of_draws_have_their_moments() {
    let draws = vec![bernoulli(0.3, Level::Image), uniform(-0.5, 2.0, Level::Image)];
    let cube = |f: fn() -> Factor| mul(mul(f(), f()), f());
    assert_eq!(rule(draws.clone(), vec![cube(|| d(0))]).mean_forward(0), Ok(0.3));
    // (hi^4 - lo^4) / (4 (hi - lo))
    let third = (2.0f64 * 2.0 * 2.0 * 2.0 - 0.0625) / 10.0;
    assert_eq!(rule(draws.clone(), vec![cube(|| d(1))]).mean_forward(0), Ok(third));
    // Independent draws multiply; a draw and 1 minus the same gate never meet.
    assert_eq!(rule(draws.clone(), vec![mul(d(0), d(1))]).mean_forward(0), Ok(0.3 * 0.75));
    let never = mul(d(0), mul(sub(c(1.0), d(0)), d(1)));
    assert_eq!(rule(draws, vec![never]).variance_forward(0), Ok(0.0));
}

#[test]
fn what_is_no_polynomial_is_refused_with_the_reason() {
    let draws = vec![bernoulli(0.3, Level::Image), uniform(0.0, 1.0, Level::Image)];
    let reason = |f: Factor| rule(draws.clone(), vec![f]).mean_forward(0).expect_err("no closed form").reason;
    assert_eq!(reason(div(c(1.0), add(c(1.0), d(1)))), "it divides by `1 + u1`, which is drawn");
    assert_eq!(reason(div(d(1), c(0.0))), "it divides by 0");
    assert_eq!(reason(Factor::Sqrt(Box::new(d(1)))), "it takes the square root of `u1`, which is drawn");
    let min = binary(Factor::Min, d(1), c(0.5));
    assert_eq!(reason(min), "the draws decide which argument `min(u1, 0.5)` takes");
    let wide = (0..14).fold(c(1.0), |f, _| mul(f.clone(), add(add(f, d(1)), d(0))));
    assert!(reason(wide).ends_with("more than 4096 terms"));
}

#[test]
fn constants_and_ranges_decide_min_max_and_sqrt() {
    let draws = vec![bernoulli(0.25, Level::Image), uniform(0.0, 1.0, Level::Image)];
    let mean = |f: Factor| rule(draws.clone(), vec![f]).mean_forward(0);
    assert_eq!(mean(binary(Factor::Max, d(1), c(0.0))), Ok(0.5));
    assert_eq!(mean(binary(Factor::Min, c(3.0), c(2.0))), Ok(2.0));
    assert_eq!(mean(mul(d(0), Factor::Sqrt(Box::new(c(4.0))))), Ok(0.5));
    assert_eq!(mean(mul(c(0.0), Factor::Sqrt(Box::new(d(1))))), Ok(0.0));
}

/// The derived mean against the mean of drawn factors, at every level: they differ by less than 6 standard errors.
#[test]
fn derived_means_agree_with_draws() {
    let shape = Shape::new(5, 3, 2);
    for level in [Level::Batch, Level::Image, Level::Channel, Level::Pixel] {
        for p in [0.0, 0.25, 0.5, 1.0] {
            let mut gated = shakedrop(p, (-1.0, 0.5), level);
            gated.draws[0].level = level;
            let streams: Vec<_> = (0..3).map(|draw| Stream::of_rule("group[0].block[1]", draw)).collect();
            let (images, steps) = if level == Level::Batch { (1, 20_000) } else { (700, 30) };
            let (mut sum, mut count) = (0.0, 0.0);
            for step in 0..steps {
                for index in level.indices(shape, images) {
                    let values: Vec<f64> = gated
                        .draws
                        .iter()
                        .zip(&streams)
                        .map(|(draw, stream)| f64::from(draw.distribution.sample(stream.word(7, step, index))))
                        .collect();
                    sum += gated.forward[0].evaluate(&values);
                    count += 1.0;
                }
            }
            let (mean, variance) = (gated.mean_forward(0).unwrap(), gated.variance_forward(0).unwrap());
            let error = (variance / count).sqrt();
            assert!((sum / count - mean).abs() <= 6.0 * error + 1e-7, "{level} {p}: {} for {mean}", sum / count);
        }
    }
}

#[test]
fn gates_follow_from_the_equations() {
    let mut random_drop = rule(vec![bernoulli(0.5, Level::Batch)], vec![d(0)]);
    assert_eq!(random_drop.gate(0), Some(0));
    random_drop.backward = vec![c(1.0)];
    assert_eq!(random_drop.gate(0), None, "backward still needs the branch");
    assert_eq!(rule(vec![bernoulli(0.5, Level::Image)], vec![d(0)]).gate(0), None, "one a batch only");
    assert_eq!(shakedrop(0.5, (0.0, 0.0), Level::Batch).gate(0), None, "beta is drawn");
    let mut dropping = shakedrop(0.5, (0.0, 0.0), Level::Batch);
    dropping.draws[2] = uniform(0.0, 0.0, Level::Pixel);
    assert_eq!(dropping.gate(0), Some(0), "alpha and beta are 0");
    let rooted = mul(d(0), Factor::Sqrt(Box::new(d(1))));
    let draws = vec![bernoulli(0.5, Level::Batch), uniform(0.0, 1.0, Level::Image)];
    assert_eq!(rule(draws.clone(), vec![rooted]).gate(0), Some(0), "0 times a finite number");
    assert_eq!(rule(draws, vec![mul(d(0), div(c(1.0), d(1)))]).gate(0), None, "0 times what may be infinite");
    assert_eq!(shakedrop(0.5, (-1.0, 1.0), Level::Batch).gate(0), None);
    let chance = rule(vec![uniform(0.0, 1.0, Level::Batch)], vec![d(0)]);
    assert_eq!(chance.gate(0), None, "no draw that happens to be 0");
}

#[test]
fn gates_of_finer_levels_are_told_apart() {
    let gated = |level| rule(vec![bernoulli(0.75, level)], vec![div(d(0), c(0.75))]);
    assert_eq!((gated(Level::Batch).gate(0), gated(Level::Batch).gate_at(0, Level::Image)), (Some(0), None));
    assert_eq!((gated(Level::Image).gate(0), gated(Level::Image).gate_at(0, Level::Image)), (None, Some(0)));
    assert_eq!(gated(Level::Pixel).gate_at(0, Level::Pixel), Some(0));
}

#[test]
fn moments_of_the_backward_factor_are_its_own() {
    let mut shaken = rule(vec![bernoulli(0.5, Level::Batch), uniform(0.0, 1.0, Level::Image)], vec![d(0)]);
    shaken.backward = vec![add(d(0), mul(sub(c(1.0), d(0)), d(1)))];
    // E = p + (1 - p) / 2; E of the square = p + (1 - p) / 3.
    assert_eq!((shaken.mean_backward(0), shaken.mean_forward(0)), (Ok(0.75), Ok(0.5)));
    let variance = shaken.variance_backward(0).expect("a polynomial");
    assert!((variance - (0.5 + 0.5 / 3.0 - 0.75 * 0.75)).abs() < 1e-15);
    let powers = rule(vec![uniform(-1.0, 2.0, Level::Image)], vec![mul(d(0), mul(d(0), d(0)))]);
    // (2^4 - 1) / (4 * 3); (2^7 + 1) / (7 * 3) - (5 / 4)^2.
    assert_eq!(powers.mean_forward(0), Ok(1.25));
    assert!((powers.variance_forward(0).expect("a polynomial") - (129.0 / 21.0 - 1.5625)).abs() < 1e-13);
}

#[test]
fn ranges_hold_every_value() {
    let shaken = shakedrop(0.5, (-1.0, 1.0), Level::Pixel);
    assert_eq!(shaken.forward[0].range(&shaken.draws), (-1.0, 1.0));
    assert_eq!(shaken.backward[0].range(&shaken.draws), (0.0, 1.0));
    let quotient = div(c(1.0), d(1));
    assert_eq!(quotient.range(&shaken.draws), (f64::NEG_INFINITY, f64::INFINITY));
}

#[test]
fn equations_print_as_they_are_written() {
    let shaken = shakedrop(0.5, (-1.0, 1.0), Level::Pixel);
    assert_eq!(shaken.forward[0].equation(&shaken.draws).to_string(), "b0 + (1 - b0) * u1");
    let draws = &shaken.draws;
    let shown = |f: Factor| f.equation(draws).to_string();
    assert_eq!(shown(sub(d(0), sub(d(1), d(2)))), "b0 - (u1 - u2)");
    assert_eq!(shown(div(d(0), mul(d(1), c(-0.5)))), "b0 / (u1 * (-0.5))");
    assert_eq!(shown(Factor::Neg(Box::new(add(d(0), c(1.0))))), "-(b0 + 1)");
    assert_eq!(shown(binary(Factor::Min, Factor::Sqrt(Box::new(d(1))), c(2.0))), "min(sqrt(u1), 2)");
}

#[test]
fn rules_that_break_an_invariant_are_found() {
    let good = shakedrop(0.5, (-1.0, 1.0), Level::Pixel);
    assert_eq!(good.verify(), Ok(()));
    let broken = |change: fn(&mut Rule)| {
        let mut rule = good.clone();
        change(&mut rule);
        rule.verify().expect_err("an invariant is broken")
    };
    assert!(broken(|r| r.draws[0] = bernoulli(1.5, Level::Batch)).contains("draw 0"));
    assert!(broken(|r| r.draws[1] = uniform(1.0, 0.0, Level::Batch)).contains("draw 1"));
    assert!(broken(|r| r.test.push(1.0)).contains("2 test factors"));
    assert!(broken(|r| r.forward[0] = d(3)).contains("no draw 3"));
    assert!(broken(|r| r.backward[0] = c(f64::NAN)).contains("NaN"));
    assert!(broken(|r| r.test[0] = f64::INFINITY).contains("inf"));
}

fn hand_built() -> Network {
    hand::network(Shape::new(3, 8, 8), 16, 2, 10)
}

#[test]
fn counts_of_a_network_by_hand() {
    let network = hand_built();
    // stem: 3 * 16 * 9 + 32; a block: 2 (16 * 16 * 9 + 32); head: 16 * 10 + 10.
    let parameters = 432 + 32 + 2 * 2 * (2304 + 32) + 170;
    let multiply_adds = 64 * 432 + 2 * 2 * 64 * 2304 + 160;
    assert_eq!(network.counts(), Counts { parameters, multiply_adds });
    let parts: Counts = network.body.iter().map(Node::counts).sum();
    assert_eq!(parts, network.counts());
}

#[test]
fn a_network_prints_as_a_tree() {
    insta::assert_snapshot!(hand_built());
}

/// The lines of a longer text in order, without those of a shorter one; none if the shorter is no subsequence.
fn added_lines(shorter: &str, longer: &str) -> Option<Vec<String>> {
    let mut rest = shorter.lines().peekable();
    let mut added = Vec::new();
    for line in longer.lines() {
        if rest.next_if_eq(&line).is_none() {
            added.push(line.to_owned());
        }
    }
    rest.next().is_none().then_some(added)
}

#[test]
fn an_appended_block_adds_lines_and_changes_none() {
    let longer = hand::network(Shape::new(3, 8, 8), 16, 3, 10).to_string();
    let added = added_lines(&hand_built().to_string(), &longer).expect("no line changed");
    assert_eq!(added.len(), 10, "{added:#?}");
    assert!(added[0].trim_start().starts_with("block[2]: basic"));
}

#[test]
fn networks_that_break_an_invariant_are_found() {
    assert_eq!(hand_built().verify(), Ok(()));
    let broken = |change: &dyn Fn(&mut Network)| {
        let mut network = hand_built();
        change(&mut network);
        network.verify().expect_err("an invariant is broken")
    };
    let group = |network: &mut Network, change: &dyn Fn(&mut Vec<Node>)| match &mut network.body[1] {
        Node::Group(group) => change(&mut group.body),
        _ => unreachable!("the second part is a stage"),
    };
    let residual = |network: &mut Network, change: &dyn Fn(&mut sdc::net::Residual)| {
        group(network, &|body| match &mut body[1] {
            Node::Group(block) => match &mut block.body[0] {
                Node::Residual(residual) => change(residual),
                _ => unreachable!("a block holds a residual"),
            },
            _ => unreachable!("a stage holds blocks"),
        });
    };
    let first_layer = |arm: &mut sdc::net::Arm, change: &dyn Fn(&mut sdc::net::Layer)| match &mut arm.body[0] {
        Node::Layer(layer) => change(layer),
        _ => unreachable!("an arm holds layers"),
    };
    let finds = |change: &dyn Fn(&mut Network), words: &str| {
        let message = broken(change);
        assert!(message.contains(words), "`{message}` does not say `{words}`");
    };
    finds(&|n| n.input.channels = 4, "4 x 8 x 8 leaves a part and 3 x 8 x 8 enters the next");
    finds(&|n| n.output.channels = 11, "10 x 1 x 1 leaves the network");
    finds(
        &|n| residual(n, &|r| first_layer(&mut r.branches[0], &|layer| layer.op = hand::conv3x3(16, 2))),
        "makes 16 x 4 x 4, not 16 x 8 x 8",
    );
    finds(
        &|n| residual(n, &|r| first_layer(&mut r.branches[0], &|layer| layer.op = hand::conv3x3(16, 0))),
        "a size of 0",
    );
    finds(&|n| residual(n, &|r| r.branches.clear()), "has no branch");
    finds(
        &|n| residual(n, &|r| first_layer(&mut r.branches[0], &|layer| layer.path = Path::from("stem.conv[0]"))),
        "two layers at stem.conv[0]",
    );
    finds(
        &|n| residual(n, &|r| r.at_sum.as_mut().expect("a site").path = Path::from("group[0].block[0]")),
        "two sites at group[0].block[0]",
    );
    finds(&|n| residual(n, &|r| r.l = 1), "[1, 1], not 1 to 2");
    finds(&|n| n.residuals = 3, "not 1 to 3");
    finds(
        &|n| residual(n, &|r| r.at_sum.as_mut().expect("a site").rule.test[0] = f64::NAN),
        "at group[0].block[1]: shakedrop has a test-time factor of NaN",
    );
    finds(&|n| residual(n, &|r| r.at_sum.as_mut().expect("a site").shape.width = 1), "multiplies 16 x 8 x 8");
    finds(
        &|n| {
            residual(n, &|r| {
                r.on_branches = r.at_sum.take();
                let rule = &mut r.on_branches.as_mut().expect("a site").rule;
                rule.forward.push(c(1.0));
                rule.backward.push(c(1.0));
                rule.test.push(1.0);
            });
        },
        "2 factors at group[0].block[1], which takes 1",
    );
}
