//! Every set of vector instructions gives the bits of plain Rust; `tests/it/cpu.rs` compares with the f64 graph.

mod sweep;

use super::super::arena::Arena;
use super::{Around, Isa, Ready};
use crate::codegen::abi::StepContext;
use crate::device::cpu::pool::Pool;
use crate::kernel::{Body, Buffer, BufferId, Contraction, Kernel, Lifetime, Operand, Pass, Plan, Size, Sizes, When};

const BATCH: usize = 3;

/// What a plan of these tests holds: x, a weight and y, then what the passes backward make.
const BUFFERS: usize = 5;

/// A plan of contractions over x, a weight, y, the gradient to x, that to the weight.
fn plan(sizes: Sizes, passes: &[&dyn Fn([BufferId; BUFFERS]) -> Pass]) -> Plan {
    let feature = |channels, height, width| Size::Feature { channels, height, width };
    let (x, y) =
        (feature(sizes.inputs, sizes.height, sizes.width), feature(sizes.outputs, sizes.out_height, sizes.out_width));
    let all = [x, Size::Weight(sizes), y, x, Size::Weight(sizes)];
    let mut arena = 0;
    let buffers = all.map(|size| {
        let offset = arena;
        arena += size.len(BATCH);
        Buffer { name: String::new(), size, lifetime: Lifetime::Persistent, offset }
    });
    let kernels = passes.iter().map(|pass| {
        let pass = pass([0, 1, 2, 3, 4].map(BufferId));
        let contraction = Contraction { name: "test".into(), sizes, pass, epilogue: None };
        Kernel { when: When::Always, body: Body::Contraction(contraction) }
    });
    Plan {
        batch: BATCH,
        kernels: kernels.collect(),
        buffers: buffers.into(),
        slots: Default::default(),
        arena,
        plain: false,
    }
}

fn forward([x, weight, y, ..]: [BufferId; BUFFERS]) -> Pass {
    Pass::Forward { x: Operand::Stored(x), weight, y }
}

fn to_input([_, weight, dy, dx, _]: [BufferId; BUFFERS]) -> Pass {
    Pass::ToInput { dy: Operand::Stored(dy), weight, dx }
}

fn to_weight([x, _, dy, _, dweight]: [BufferId; BUFFERS]) -> Pass {
    Pass::ToWeight { x: Operand::Stored(x), dy: Operand::Stored(dy), dweight }
}

/// The plan's contractions.
fn ready(plan: &Plan) -> Vec<Ready> {
    let ready = |kernel: &Kernel| {
        let Body::Contraction(contraction) = &kernel.body else { unreachable!("made by `plan`") };
        Ready::new(contraction, plan, &mut || unreachable!("there is no map"))
    };
    plan.kernels.iter().map(ready).collect()
}

/// The bits of the arena after contractions, which start from numbers that are no pattern; padding lanes hold zeros.
fn result(plan: &Plan, contractions: &[Ready], sizes: &Sizes, isa: Isa) -> Vec<u32> {
    let mut arena = Arena::new(plan.arena);
    let s = sizes;
    for (buffer, channels, inner) in
        [(0, s.inputs, s.pixels()), (1, s.outputs, s.row_len()), (2, s.outputs, s.out_pixels())]
    {
        let Buffer { offset, size, .. } = plan.buffers[buffer];
        let blocks = crate::kernel::blocks(channels);
        for (i, x) in arena.slice_mut(offset, size.len(BATCH)).iter_mut().enumerate() {
            let channel = i / 16 / inner % blocks * 16 + i % 16;
            let drawn = (i as u32 ^ 0x9e37).wrapping_mul(2_654_435_761) >> 8;
            *x = if channel < channels { drawn as f32 / (1 << 23) as f32 - 1.0 } else { 0.0 };
        }
    }
    let context = StepContext {
        arena: arena.start(),
        batch: BATCH as u64,
        seed_low: 0,
        seed_high: 0,
        step: 0,
        numbers: std::ptr::null(),
    };
    let pool = Pool::new(2);
    for ready in contractions {
        let (rooms, shared) = (Arena::new(2 * ready.room()), Arena::new(ready.shared()));
        let (room, rooms, shared) = (ready.room(), rooms.start(), shared.start());
        ready.run(&Around { context: &context, pool: &pool, isa, rooms, room, shared, descends: false });
    }
    arena.slice(0, plan.arena).iter().map(|x| x.to_bits()).collect()
}

fn sizes(inputs: usize, outputs: usize, side: usize, kernel: usize, stride: usize, groups: usize) -> Sizes {
    let pad = kernel / 2;
    let out = (side + 2 * pad - kernel) / stride + 1;
    Sizes {
        inputs,
        outputs,
        height: side,
        width: side,
        out_height: out,
        out_width: out,
        kernel,
        stride,
        pad,
        dilation: 1,
        groups,
    }
}

#[test]
fn every_set_gives_the_same_bits() {
    let shapes = [
        sizes(3, 16, 9, 3, 1, 1),
        sizes(21, 37, 8, 3, 1, 1),
        sizes(64, 32, 13, 3, 1, 2),
        sizes(24, 24, 7, 3, 1, 6),
        sizes(17, 40, 10, 3, 2, 1),
        sizes(20, 36, 6, 1, 1, 1),
        sizes(33, 18, 7, 1, 2, 1),
        sizes(50, 10, 1, 1, 1, 1),
        sizes(3, 20, 21, 7, 2, 1),
    ];
    for shape in shapes {
        for pass in [forward, to_input, to_weight] {
            let plan = plan(shape, &[&pass]);
            let contractions = ready(&plan);
            let plain = result(&plan, &contractions, &shape, Isa::Portable);
            for isa in Isa::all() {
                assert!(result(&plan, &contractions, &shape, isa) == plain, "{isa:?} for {shape:?}");
            }
        }
    }
}

#[test]
fn one_pass_to_input_and_weight_gives_the_bits_of_two() {
    for (inputs, outputs, side) in [(16, 16, 32), (3, 21, 21), (40, 64, 17), (64, 64, 20), (33, 17, 18)] {
        let shape = sizes(inputs, outputs, side, 3, 1, 1);
        let plan = plan(shape, &[&to_input, &to_weight]);
        let apart = ready(&plan);
        let joined = apart[0].joined(&apart[1]).expect("few channels are joined");
        let wanted = result(&plan, &apart, &shape, Isa::detect());
        assert!(result(&plan, &[joined], &shape, Isa::detect()) == wanted, "{shape:?}");
    }
}

/// A batch of one group would be one task.
#[test]
fn wide_layers_few_tiles_and_strides_keep_two_passes() {
    for (channels, side, kernel, stride) in [(80, 20, 3, 1), (64, 16, 3, 1), (16, 32, 3, 2), (16, 32, 1, 1)] {
        let plan = plan(sizes(channels, channels, side, kernel, stride, 1), &[&to_input, &to_weight]);
        let apart = ready(&plan);
        assert!(apart[0].joined(&apart[1]).is_none(), "{channels} {side} {kernel} {stride}");
    }
}
