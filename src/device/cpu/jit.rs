//! Maps to machine code: compiled side by side, laid out in order, made executable and no longer writable.

use std::sync::Arc;

use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, control::ControlPlane};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleReloc, ModuleRelocTarget};

use super::simd::Isa;
use crate::codegen::abi::StepContext;
use crate::codegen::clif::{self, MapFunction};
use crate::codegen::wide::{Routine, Set};
use crate::device::parallel::each;
use crate::kernel::Map;

/// A compiled map: (context, task n, task block, tile, bytes from one row of the tile to the next).
///
/// The task of a map over features is (image, block of channels), over channels (0, block), over images (image, 0), over
/// a flat array (chunk, 0). Tile and row are read by prologues alone.
// SAFETY: the type of what Cranelift makes; each call says why it may be made.
pub(super) type MapFn = unsafe extern "C" fn(*const StepContext, u64, u64, *mut f32, u64);

/// Stands for a map where only sizes are asked for.
pub(super) extern "C" fn without_code(_: *const StepContext, _: u64, _: u64, _: *mut f32, _: u64) {}

/// The processor that this program runs on.
///
/// # Panics
/// On a processor for which Cranelift has no back end: `sdc` is built for x86-64 and 64-bit ARM.
fn target() -> Arc<dyn TargetIsa> {
    let mut flags = settings::builder();
    // Cranelift's optimiser moves what a loop does not change, square roots and quotients too, to where it is used inside
    // the loop. `codegen::clif` computes every value once, before the loop that needs it, so there is nothing to gain.
    for (name, value) in
        [("opt_level", "none"), ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })]
    {
        flags.set(name, value).expect("a setting that Cranelift has");
    }
    let mut native = cranelift_native::builder().expect("a processor that Cranelift knows");
    // With it products of widened words, of which draws are made, become vpmullq: three times the work of vpmuludq.
    if cfg!(target_arch = "x86_64") {
        native.set("has_avx512dq", "false").expect("a setting of x86-64");
    }
    native.finish(settings::Flags::new(flags)).expect("settings that fit the processor")
}

/// The vectors of this processor that are wider than Cranelift's.
pub(super) fn wide() -> Option<Set> {
    wider(Isa::detect())
}

fn wider(isa: Isa) -> Option<Set> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Some(Set::Avx512),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Some(Set::Avx2),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => None,
        Isa::Portable => None,
    }
}

/// What maps are compiled for on this processor.
pub fn map_target() -> clif::Target {
    clif::Target { conventions: target().frontend_config(), wide: wide() }
}

/// A map's function as bytes.
struct Compiled {
    bytes: Vec<u8>,
    alignment: u64,
    /// Where it calls one of its routines.
    calls: Vec<ModuleReloc>,
    routines: Vec<Routine>,
}

/// What routines are aligned to, in bytes.
const CACHE_LINE: u64 = 64;

/// The function of the module that a map calls.
fn called(name: &ModuleRelocTarget, routines: &[FuncId]) -> ModuleRelocTarget {
    match name {
        ModuleRelocTarget::User { index, .. } => routines[*index as usize].into(),
        other => unreachable!("a map calls its routines alone, not {other}"),
    }
}

/// Compiled maps. They stay callable as long as this lives.
pub(super) struct Code {
    module: Option<JITModule>,
    functions: Vec<MapFn>,
}

// SAFETY: the code is finished; nothing in it changes any more.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}

impl Code {
    /// Compiles maps on `threads` threads. The result does not depend on how many.
    pub(super) fn compile(maps: &[&Map], places: clif::Places<'_>, wide: Option<Set>, threads: usize) -> Self {
        let isa = target();
        let conventions = isa.frontend_config();
        let done = each(maps.len(), threads, |i| {
            let map = maps[i];
            let MapFunction { function, routines } = clif::function(map, places, clif::Target { conventions, wide });
            let mut context = Context::for_function(function);
            if let Err(error) = context.compile(&*isa, &mut ControlPlane::default()) {
                panic!("map {} does not compile: {}", map.name, error.inner);
            }
            let code = context.compiled_code().expect("it is compiled");
            let (bytes, alignment) = (code.code_buffer().to_vec(), u64::from(code.buffer.alignment));
            // The map itself has no number yet, and does not call itself.
            let own = FuncId::from_u32(u32::MAX - 1);
            let calls = code.buffer.relocs().iter();
            let calls = calls.map(|call| ModuleReloc::from_mach_reloc(call, &context.func, own)).collect();
            Compiled { bytes, alignment, calls, routines }
        });
        let mut module = JITModule::new(JITBuilder::with_isa(isa.clone(), cranelift_module::default_libcall_names()));
        let mut define = |name: &str, signature, alignment, bytes: &[u8], calls: &[ModuleReloc]| {
            let id = module.declare_function(name, Linkage::Local, signature).expect("every function has its own name");
            module.define_function_bytes(id, alignment, bytes, calls).expect("every function is defined once");
            id
        };
        let (of_map, of_routine) = (clif::signature(conventions.default_call_conv), clif::routine_signature());
        let ids: Vec<_> = done
            .into_iter()
            .enumerate()
            .map(|(i, Compiled { bytes, alignment, mut calls, routines })| {
                let routines: Vec<FuncId> = routines
                    .iter()
                    .enumerate()
                    .map(|(j, routine)| define(&format!("map{i}.{j}"), &of_routine, CACHE_LINE, &routine.code, &[]))
                    .collect();
                calls.iter_mut().for_each(|call| call.name = called(&call.name, &routines));
                define(&format!("map{i}"), &of_map, alignment, &bytes, &calls)
            })
            .collect();
        module.finalize_definitions().expect("the system lets memory be made executable");
        let functions = ids
            .into_iter()
            // SAFETY: the function was compiled with the signature of `MapFn`.
            .map(|id| unsafe { std::mem::transmute::<*const u8, MapFn>(module.get_finalized_function(id)) })
            .collect();
        Code { module: Some(module), functions }
    }

    /// The function of map number i.
    pub(super) fn function(&self, i: usize) -> MapFn {
        self.functions[i]
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: the engine that calls these functions owns this value, so none of them runs any more.
            unsafe { module.free_memory() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Isa, clif, map_target, wider};
    use crate::codegen::abi::StepContext;
    use crate::codegen::wide::Set;
    use crate::device::cpu::arena::Arena;
    use crate::kernel::{
        Axis, BLOCK, Binary, Buffer, BufferId, Distribution, Domain, Draw, Expr, Lifetime, Map, MapBuilder, Place,
        Size, Target, Unary, Value, blocks,
    };
    use crate::net::Level;
    use crate::num::draw::Stream;

    const BATCH: usize = 2;
    /// Feature maps that are read: three as large as the domain, one of fewer blocks.
    const READ: usize = 4;

    /// Numbers below a limit, one after another.
    struct Chance(Box<dyn Iterator<Item = u32>>);

    impl Chance {
        fn below(&mut self, limit: usize) -> usize {
            self.0.next().expect("endless") as usize % limit
        }
    }

    fn buffers(channels: usize, height: usize, width: usize) -> Vec<Buffer> {
        let map = |channels| Size::Feature { channels, height, width };
        let plane = Size::Feature { channels, height: 1, width: 1 };
        let sizes =
            [map(channels), map(channels), map(channels), map(BLOCK), Size::Channels(channels), map(channels), plane];
        let mut offset = 0;
        let place = |size: Size| {
            let buffer = Buffer { name: "buffer".to_owned(), size, lifetime: Lifetime::Step, offset };
            offset += size.len(BATCH);
            buffer
        };
        sizes.map(place).into()
    }

    /// A straight line of random operations, kept a point and summed a plane.
    fn random_map(chance: &mut Chance, channels: usize, height: usize, width: usize) -> Map {
        let mut map = MapBuilder::new("random", Domain::Feature { channels, height, width });
        let mut values: Vec<Value> = (0..READ - 1).map(|i| map.load(BufferId(i as u32), Place::Point)).collect();
        let by = -(BLOCK as isize) * chance.below(2) as isize;
        values.push(map.load(BufferId(READ as u32 - 1), Place::Moved { channels: BLOCK, by }));
        values.push(map.load(BufferId(READ as u32), Place::Channel));
        values.push(map.constant(0.0));
        values.push(map.constant(1.5));
        if width.is_multiple_of(4) {
            let uniform = Distribution::Uniform { lo: -1.0, width: 2.0 };
            let bernoulli = Distribution::Bernoulli { threshold: 3 << 30 };
            for (name, distribution) in [("uniform", uniform), ("bernoulli", bernoulli)] {
                let (stream, level) = (Stream::of_path(name), Level::Pixel);
                values.push(map.push(Expr::Draw(Draw { stream, level, distribution })));
            }
        }
        for _ in 0..chance.below(12) + 2 {
            let [a, b, c] = [(); 3].map(|()| values[chance.below(values.len())]);
            let zero = values[READ + 1];
            values.push(match chance.below(10) {
                0 => map.unary(Unary::Neg, a),
                1 => map.unary(Unary::Sqrt, a),
                2 => map.binary(Binary::Max, zero, a),
                3 => map.binary(Binary::Min, a, b),
                4 => map.push(Expr::Select { cond: a, then: b, otherwise: c }),
                5 => map.push(Expr::Select { cond: a, then: b, otherwise: zero }),
                6 => map.push(Expr::Mask(a)),
                7 => map.div(a, b),
                8 => map.sub(a, b),
                _ => map.mul(a, b),
            });
        }
        let last = values[values.len() - 1];
        let sum = map.sum(Axis::Pixels, last);
        let point = if chance.below(2) == 0 { Target::Tile } else { Target::Point(BufferId(READ as u32 + 1)) };
        map.store(point, last);
        map.store(Target::Plane(BufferId(READ as u32 + 2)), sum);
        map.finish()
    }

    /// The bits of all buffers and of the tile after the map has run over two images.
    fn run(map: &Map, buffers: &[Buffer], wide: Option<Set>, (height, width): (usize, usize)) -> Vec<u32> {
        let code = Code::compile(&[map], clif::Places { buffers, params: &[] }, wide, 1);
        let last = buffers.last().expect("there are buffers");
        let len = last.offset + last.size.len(BATCH);
        // A frame with a pixel around the tile.
        let (frame, row) = ((height + 2) * (width + 2) * BLOCK, (width + 2) * BLOCK);
        let mut arena = Arena::new(len + frame);
        let words = Stream::of_path("wide").all_words(0, 0);
        for (lane, word) in arena.slice_mut(0, len).iter_mut().zip(words) {
            *lane = if word % 16 == 0 { 0.0 } else { word as i32 as f32 / 1e9 };
        }
        let context = StepContext {
            arena: arena.start(),
            batch: 2,
            seed_low: 5,
            seed_high: 7,
            step: 3,
            numbers: std::ptr::null(),
        };
        for task in 0..BATCH * blocks(map.domain.channels()) {
            let (n, block) = (task / blocks(map.domain.channels()), task % blocks(map.domain.channels()));
            // SAFETY: the arena holds the buffers and, behind them, the frame.
            unsafe {
                let tile = arena.start().add(len + row + BLOCK);
                code.function(0)(&context, n as u64, block as u64, tile, row as u64 * 4);
            }
        }
        arena.slice(0, len + frame).iter().map(|lane| lane.to_bits()).collect()
    }

    #[test]
    fn wide_loops_give_the_bits_of_cranelift() {
        let sets: Vec<Set> = Isa::all().into_iter().filter_map(wider).collect();
        let words: Vec<u32> = Stream::of_path("maps").all_words(0, 0).take(100_000).collect();
        let mut chance = Chance(Box::new(words.into_iter()));
        let mut by_routine = 0;
        for round in 0..200 {
            let (channels, height, width) = ([5, 16, 20, 32][round % 4], 1 + chance.below(4), 1 + chance.below(9));
            let (map, buffers) = (random_map(&mut chance, channels, height, width), buffers(channels, height, width));
            map.verify().expect("a valid map");
            let expected = run(&map, &buffers, None, (height, width));
            for set in &sets {
                let target = clif::Target { wide: Some(*set), ..map_target() };
                let function = clif::function(&map, clif::Places { buffers: &buffers, params: &[] }, target);
                by_routine += function.routines.len();
                let found = run(&map, &buffers, Some(*set), (height, width));
                assert!(found == expected, "{set:?} {channels} x {height} x {width}\n{function}");
            }
        }
        assert!(by_routine >= 190 * sets.len(), "{by_routine} loops were wide");
    }
}
