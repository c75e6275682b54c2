//! Maps to machine code: compiled side by side, laid out in order, made executable and no longer writable.

use std::sync::Arc;

use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, control::ControlPlane};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module};

use crate::codegen::abi::StepContext;
use crate::codegen::clif;
use crate::device::parallel::each;
use crate::kernel::Map;

/// A compiled map: (context, task n, task block, tile, bytes from one row of the tile to the next).
///
/// The task of a map over features is (image, block of channels), over channels (0, block), over images (image, 0), over
/// a flat array (chunk, 0). Tile and row are read by prologues alone.
// SAFETY: the type of what Cranelift makes; each call says why it may be made.
pub(super) type MapFn = unsafe extern "C" fn(*const StepContext, u64, u64, *mut f32, u64);

/// The processor that this program runs on.
///
/// # Panics
/// On a processor for which Cranelift has no back end: `sdc` is built for x86-64 and 64-bit ARM.
pub fn target() -> Arc<dyn TargetIsa> {
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
    pub(super) fn compile(maps: &[&Map], places: clif::Places<'_>, threads: usize) -> Self {
        let isa = target();
        let done = each(maps.len(), threads, |i| {
            let map = maps[i];
            let mut context = Context::for_function(clif::function(map, places, isa.frontend_config()));
            let code = context
                .compile(&*isa, &mut ControlPlane::default())
                .unwrap_or_else(|e| panic!("map {} does not compile: {}", map.name, e.inner));
            assert!(code.buffer.relocs().is_empty(), "a map calls nothing");
            (code.code_buffer().to_vec(), u64::from(code.buffer.alignment))
        });
        let mut module = JITModule::new(JITBuilder::with_isa(isa.clone(), cranelift_module::default_libcall_names()));
        let signature = clif::signature(isa.frontend_config().default_call_conv);
        let ids: Vec<_> = done
            .iter()
            .enumerate()
            .map(|(i, (bytes, alignment))| {
                let id = module
                    .declare_function(&format!("map{i}"), Linkage::Local, &signature)
                    .expect("every map has a name of its own");
                module.define_function_bytes(id, *alignment, bytes, &[]).expect("every map is defined once");
                id
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
