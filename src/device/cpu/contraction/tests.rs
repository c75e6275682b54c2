//! Every set of vector instructions gives the bits of plain Rust, and none leaves its buffers; `tests/it/cpu.rs` compares
//! with the f64 graph.

mod sweep;

use super::super::arena::Arena;
use super::super::fence::{self, Fences, Side};
use super::{Around, Isa, Ready};
use crate::codegen::abi::StepContext;
use crate::device::cpu::pool::{Order, Pool};
use crate::kernel::{Body, Buffer, BufferId, Contraction, Kernel, Lifetime, Operand, Pass, Plan, Size, Sizes, When};

const BATCH: usize = 3;

const THREADS: usize = 2;

/// What a plan of these tests holds: x, a weight and y, then what the passes backward make.
const BUFFERS: usize = 5;

/// A pass over x, a weight, y, the gradient to x, that to the weight.
type Made = fn([BufferId; BUFFERS]) -> Pass;

/// A plan of contractions with its buffers between fences.
struct Fenced {
    plan: Plan,
    side: Side,
    fences: Vec<std::ops::Range<usize>>,
}

fn plan(sizes: Sizes, passes: &[Made], batch: usize, side: Side) -> Fenced {
    let feature = |channels, height, width| Size::Feature { channels, height, width };
    let (x, y) =
        (feature(sizes.inputs, sizes.height, sizes.width), feature(sizes.outputs, sizes.out_height, sizes.out_width));
    let all = [x, Size::Weight(sizes), y, x, Size::Weight(sizes)];
    let buffers = all.map(|size| Buffer { name: String::new(), size, lifetime: Lifetime::Step, offset: 0 });
    let kernels = passes.iter().map(|pass| {
        let pass = pass([0, 1, 2, 3, 4].map(BufferId));
        let contraction = Contraction { name: "test".into(), sizes, pass, epilogue: None };
        Kernel { when: When::Always, body: Body::Contraction(contraction) }
    });
    let mut plan = Plan {
        batch,
        kernels: kernels.collect(),
        buffers: buffers.into(),
        slots: Default::default(),
        arena: 0,
        plain: false,
    };
    let fences = fence::spread(&mut [&mut plan], side);
    Fenced { plan, side, fences }
}

impl Fenced {
    fn arena(&self) -> Arena {
        let mut arena = Arena::new(self.plan.arena);
        arena.close(&self.fences);
        arena
    }

    /// Runs a contraction for so many images, in rooms between fences.
    fn run(&self, contraction: &Ready, arena: &Arena, images: usize, isa: Isa) {
        let mut fences = Fences::new(self.side);
        let places = [(); THREADS].map(|()| fences.place(contraction.room()));
        let shared = fences.place(contraction.shared());
        let (len, closed) = fences.finish();
        let mut rooms = Arena::new(len);
        rooms.close(&closed);
        let at = |place: usize| rooms.start().wrapping_add(place);
        let context = StepContext {
            arena: arena.start(),
            batch: images as u64,
            seed_low: 0,
            seed_high: 0,
            step: 0,
            numbers: std::ptr::null(),
        };
        contraction.run(&Around {
            context: &context,
            pool: &Pool::new(THREADS),
            isa,
            rooms: at(places[0]),
            room: places[1] - places[0],
            shared: at(shared),
            order: Order::Up,
            gate_is_open: true,
        });
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
    ready_for(plan, THREADS)
}

/// The same for so many workers.
fn ready_for(plan: &Plan, threads: usize) -> Vec<Ready> {
    let ready = |kernel: &Kernel| {
        let Body::Contraction(contraction) = &kernel.body else { unreachable!("made by `plan`") };
        Ready::new(contraction, plan, threads, &mut || unreachable!("there is no map"))
    };
    plan.kernels.iter().map(ready).collect()
}

/// The bits of all buffers after contractions, which start from numbers that are no pattern; padding lanes hold zeros.
fn result(fenced: &Fenced, contractions: &[Ready], sizes: &Sizes, isa: Isa) -> Vec<u32> {
    let (plan, mut arena, s) = (&fenced.plan, fenced.arena(), sizes);
    for (buffer, channels, inner) in
        [(0, s.inputs, s.pixels()), (1, s.outputs, s.row_len()), (2, s.outputs, s.out_pixels())]
    {
        let Buffer { offset, size, .. } = plan.buffers[buffer];
        let blocks = crate::kernel::blocks(channels);
        for (i, x) in arena.slice_mut(offset, size.len(plan.batch)).iter_mut().enumerate() {
            let channel = i / 16 / inner % blocks * 16 + i % 16;
            let drawn = (i as u32 ^ 0x9e37).wrapping_mul(2_654_435_761) >> 8;
            *x = if channel < channels { drawn as f32 / (1 << 23) as f32 - 1.0 } else { 0.0 };
        }
    }
    contractions.iter().for_each(|contraction| fenced.run(contraction, &arena, plan.batch, isa));
    let buffers = plan.buffers.iter().flat_map(|buffer| arena.slice(buffer.offset, buffer.size.len(plan.batch)));
    buffers.map(|x| x.to_bits()).collect()
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
        sizes(17, 40, 15, 3, 2, 1),
        sizes(32, 96, 32, 3, 2, 2),
        sizes(20, 36, 6, 1, 1, 1),
        sizes(33, 18, 7, 1, 2, 1),
        sizes(50, 10, 1, 1, 1, 1),
        sizes(3, 20, 21, 7, 2, 1),
    ];
    for shape in shapes {
        for pass in [forward, to_input, to_weight] {
            let mut first: Option<Vec<u32>> = None;
            for side in Side::ALL {
                let fenced = plan(shape, &[pass], BATCH, side);
                let contractions = ready(&fenced.plan);
                for isa in Isa::all() {
                    let bits = result(&fenced, &contractions, &shape, isa);
                    assert!(
                        *first.get_or_insert_with(|| bits.clone()) == bits,
                        "{isa:?} for {shape:?}, fenced {side:?}"
                    );
                }
            }
        }
    }
}

/// Tiles of wide layers are grouped by the number of workers.
#[test]
fn wide_layers_give_the_same_bits_for_any_number_of_workers() {
    let shape = sizes(330, 330, 8, 3, 1, 1);
    for pass in [forward, to_input] {
        let fenced = plan(shape, &[pass], 48, Side::After);
        let [alone, many] = [1, 24].map(|threads| ready_for(&fenced.plan, threads));
        assert!(alone[0].room() > many[0].room(), "groups differ");
        let [alone, many] = [alone, many].map(|work| result(&fenced, &work, &shape, Isa::detect()));
        assert!(alone == many);
    }
}

/// Where all images are one group the sums at the points of a wide layer are made a panel at a time.
#[test]
fn panels_make_the_gradient_of_the_whole_weight() {
    let shape = sizes(352, 344, 4, 3, 1, 1);
    let all_sums = 36 * 352 * 352;
    for side in Side::ALL {
        let fenced = plan(shape, &[to_weight], BATCH, side);
        let panels = ready(&fenced.plan);
        assert!(panels[0].shared() < all_sums * 2 / 3, "{} floats of {all_sums}", panels[0].shared());
        let numbers = |work: &[Ready]| -> Vec<f32> {
            result(&fenced, work, &shape, Isa::detect()).into_iter().map(f32::from_bits).collect()
        };
        let plain = ready(&Plan { plain: true, ..fenced.plan.clone() });
        let off = numbers(&panels).into_iter().zip(numbers(&plain)).map(|(a, b)| (a - b).abs());
        // Sums of 48 products of numbers below 1.
        let most = off.fold(0.0, f32::max);
        assert!(most < 1e-4, "{most}");
    }
}

#[test]
fn one_pass_to_input_and_weight_gives_the_bits_of_two() {
    for (inputs, outputs, side, stride, groups) in [
        (16, 16, 32, 1, 1),
        (3, 21, 21, 1, 1),
        (40, 64, 17, 1, 1),
        (64, 64, 20, 1, 1),
        (33, 17, 18, 1, 1),
        (128, 64, 24, 1, 4),
        (16, 32, 64, 2, 1),
        (33, 50, 47, 2, 1),
        (64, 128, 40, 2, 4),
    ] {
        let shape = sizes(inputs, outputs, side, 3, stride, groups);
        for side in Side::ALL {
            let fenced = plan(shape, &[to_input, to_weight], BATCH, side);
            let apart = ready(&fenced.plan);
            let joined = apart[0].joined(&apart[1]).expect("few channels are joined");
            let wanted = result(&fenced, &apart, &shape, Isa::detect());
            assert!(result(&fenced, &[joined], &shape, Isa::detect()) == wanted, "{shape:?}");
        }
    }
}

/// A batch of one group would be one task.
#[test]
fn wide_layers_few_tiles_and_other_kernels_keep_two_passes() {
    for (channels, side, kernel, stride) in
        [(80, 20, 3, 1), (64, 16, 3, 1), (80, 40, 3, 2), (16, 9, 3, 2), (16, 32, 1, 1)]
    {
        let shape = sizes(channels, channels, side, kernel, stride, 1);
        let apart = ready(&plan(shape, &[to_input, to_weight], BATCH, Side::After).plan);
        assert!(apart[0].joined(&apart[1]).is_none(), "{channels} {side} {kernel} {stride}");
    }
}
