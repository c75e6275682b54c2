//! Random numbers in kernels' text: those of draw format 1, bit by bit.
//!
//! A kernel writes a draw at each point. A uniform draw from 0 to 1 shows the upper 24 bits of each word; Bernoulli draws
//! whose threshold is a word, or the next number, show all 32 of it.

use std::ops::Range;

use sdc::codegen::gpu::{self, Dialect};
use sdc::kernel::{
    Body, Buffer, BufferId, Distribution, Domain, Draw, Expr, Kernel, Lifetime, MapBuilder, Plan, Size, Slot, Target,
    When,
};
use sdc::net::Level;
use sdc::num::draw::Stream;

use super::machine::{self, Machine, Step};

const CHANNELS: usize = 18;
const SIDES: [usize; 2] = [3, 5];
const BATCH: usize = 4;

/// A plan for each level and distribution, with the step that it is run at. Two of its four images are there.
pub(super) fn plans() -> Vec<(Plan, Draw, Step)> {
    let stream = Stream::of_path("group[1].block[0]#2");
    let mut all = Vec::new();
    for (seed, number) in [(0, 0), (0x0123_4567_89ab_cdef, 77), (u64::MAX, u32::MAX)] {
        let step = Step { batch: 2, seed, number, rate: 0.0 };
        let mut add = |level, distribution| {
            let draw = Draw { stream, level, distribution };
            all.push((plan(draw), draw, step));
        };
        for level in [Level::Batch, Level::Image, Level::Channel, Level::Pixel] {
            add(level, Distribution::Uniform { lo: 0.0, width: 1.0 });
            add(level, Distribution::Uniform { lo: -1.0, width: 2.0 });
            let word = u64::from(stream.word(seed, number, 0));
            add(level, Distribution::Bernoulli { threshold: word });
            add(level, Distribution::Bernoulli { threshold: word + 1 });
        }
    }
    all
}

fn plan(draw: Draw) -> Plan {
    let size = Size::Feature { channels: CHANNELS, height: SIDES[0], width: SIDES[1] };
    let domain = Domain::Feature { channels: CHANNELS, height: SIDES[0], width: SIDES[1] };
    let mut map = MapBuilder::new("draws", domain);
    let value = map.push(Expr::Draw(draw));
    map.store(Target::Point(BufferId(0)), value);
    let buffers = vec![Buffer { name: "draws".into(), size, lifetime: Lifetime::Step, offset: 0 }];
    let kernels = vec![Kernel { when: When::Always, body: Body::Map(map.finish()) }];
    let slots = [(Slot::Logits, BufferId(0))].into();
    Plan { batch: BATCH, buffers, slots, kernels, arena: size.len(BATCH), plain: false }
}

/// Where the draws of the images lie.
pub(super) fn place(plan: &Plan) -> Range<usize> {
    0..plan.buffers[0].size.len(2)
}

/// Holds what a kernel wrote against the stream's words, in every lane of every block.
pub(super) fn check(lanes: &[f32], draw: Draw, step: Step) {
    let (blocks, pixels) = (CHANNELS.div_ceil(16), SIDES[0] * SIDES[1]);
    assert_eq!(lanes.len(), 2 * blocks * pixels * 16);
    let mut seen = std::collections::BTreeSet::new();
    for (i, got) in lanes.iter().enumerate() {
        let (lane, pixel, block, n) = (i % 16, i / 16 % pixels, i / 16 / pixels % blocks, i / 16 / pixels / blocks);
        let channel = 16 * block + lane;
        let index = match draw.level {
            Level::Batch => 0,
            Level::Image => n,
            Level::Channel => n * 16 * blocks + channel,
            Level::Pixel => (n * pixels + pixel) * 16 * blocks + channel,
        };
        let word = draw.stream.word(step.seed, step.number, index as u64);
        let wanted = match draw.distribution {
            Distribution::Uniform { lo, width } => sdc::num::draw::uniform(word, lo, width),
            Distribution::Bernoulli { threshold } => sdc::num::draw::bernoulli(word, threshold),
        };
        assert_eq!(got.to_bits(), wanted.to_bits(), "{draw:?}, index {index}");
        seen.insert(got.to_bits());
    }
    if draw.level == Level::Pixel && matches!(draw.distribution, Distribution::Uniform { .. }) {
        assert!(seen.len() > lanes.len() / 2, "draws differ from point to point");
    }
}

#[test]
fn words_are_those_of_the_format() {
    if !machine::at_hand() {
        return;
    }
    for dialect in [Dialect::CUDA, Dialect::Metal] {
        // One text serves every draw of a level and kind of distribution.
        let mut machines: Vec<(String, Machine)> = Vec::new();
        for (plan, draw, step) in plans() {
            let programs = gpu::programs(None, &plan, dialect);
            let text = programs.text();
            let known = machines.iter().position(|(known, _)| *known == text).unwrap_or_else(|| {
                machines.push((text, Machine::new(&programs, dialect)));
                machines.len() - 1
            });
            let mut arena = vec![f32::NAN; programs.floats()];
            machines[known].1.run(&programs, &plan, &programs.test, step, 1, &mut arena);
            check(&arena[place(&plan)], draw, step);
        }
    }
}
