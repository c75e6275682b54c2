//! Every set of vector instructions gives the bits of plain Rust; `tests/it/cpu.rs` compares with the f64 graph.

use super::super::arena::Arena;
use super::{Around, Isa, Ready};
use crate::codegen::abi::StepContext;
use crate::device::cpu::pool::Pool;
use crate::kernel::{Body, Buffer, BufferId, Contraction, Kernel, Lifetime, Operand, Pass, Plan, Size, Sizes, When};

const BATCH: usize = 3;

/// A plan of one contraction over x, a weight and y.
fn plan(sizes: Sizes, pass: &dyn Fn([BufferId; 3]) -> Pass) -> Plan {
    let feature = |channels, height, width| Size::Feature { channels, height, width };
    let all = [
        feature(sizes.inputs, sizes.height, sizes.width),
        Size::Weight(sizes),
        feature(sizes.outputs, sizes.out_height, sizes.out_width),
    ];
    let mut arena = 0;
    let buffers = all.map(|size| {
        let offset = arena;
        arena += size.len(BATCH);
        Buffer { name: String::new(), size, lifetime: Lifetime::Persistent, offset }
    });
    let pass = pass([0, 1, 2].map(BufferId));
    let contraction = Contraction { name: "test".into(), sizes, pass, epilogue: None };
    let mut plan = Plan { batch: BATCH, buffers: buffers.into(), slots: Default::default(), kernels: vec![], arena };
    plan.kernels.push(Kernel { when: When::Always, body: Body::Contraction(contraction) });
    plan
}

/// The arena after the plan's contraction, which starts from numbers that are no pattern; padding lanes hold zeros.
fn result(plan: &Plan, isa: Isa) -> Vec<f32> {
    let Body::Contraction(contraction) = &plan.kernels[0].body else { unreachable!("made by `plan`") };
    let ready = Ready::new(contraction, plan, &mut || unreachable!("there is no map"));
    let mut arena = Arena::new(plan.arena);
    let s = &contraction.sizes;
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
    let (rooms, shared) = (Arena::new(2 * ready.room()), Arena::new(ready.shared()));
    let context = StepContext {
        arena: arena.start(),
        batch: BATCH as u64,
        seed_low: 0,
        seed_high: 0,
        step: 0,
        numbers: std::ptr::null(),
    };
    let (pool, room) = (Pool::new(2), ready.room());
    let (rooms, shared) = (rooms.start(), shared.start());
    ready.run(&Around { context: &context, pool: &pool, isa, rooms, room, shared, descends: false });
    arena.slice(0, plan.arena).to_vec()
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
        let passes: [&dyn Fn([BufferId; 3]) -> Pass; 3] = [
            &|[x, weight, y]| Pass::Forward { x: Operand::Stored(x), weight, y },
            &|[dx, weight, dy]| Pass::ToInput { dy: Operand::Stored(dy), weight, dx },
            &|[x, dweight, dy]| Pass::ToWeight { x: Operand::Stored(x), dy: Operand::Stored(dy), dweight },
        ];
        for pass in passes {
            let plan = plan(shape, pass);
            let plain: Vec<u32> = result(&plan, Isa::Portable).iter().map(|x| x.to_bits()).collect();
            for isa in Isa::all() {
                let bits: Vec<u32> = result(&plan, isa).iter().map(|x| x.to_bits()).collect();
                assert!(bits == plain, "{isa:?} for {shape:?}");
            }
        }
    }
}
