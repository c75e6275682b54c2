//! A map to Cranelift IR: one function a map, called once a task.
//!
//! Sixteen channels are four vectors of four lanes ("quarters"). What does not change inside a task is computed once
//! before its loop; a gate that is one number a task splits the function into two specialised bodies, so that finer
//! draws are made, and what stands behind the gate is read, only where it matters. All arithmetic is rounded operation by
//! operation: what a known gate leaves out of an expression then changes no bit. Where the processor has wider vectors, a
//! routine of `codegen::wide` goes over the pixels of a plane, and the function calls it.

mod draw;
mod emit;
mod gather;
mod math;
mod nest;
mod pixels;

use std::fmt;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Block, Function, InstBuilder, Signature, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use crate::codegen::wide::{Routine, Set};
use crate::kernel::{Buffer, MAX_GATES, Map, Param};
use emit::Emitter;
pub use pixels::routine_signature;

/// Where a map finds what it reads.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The plan's buffers.
    pub buffers: &'a [Buffer],
    /// The plan's numbers, in the order of [`StepContext::numbers`](super::abi::StepContext).
    pub params: &'a [Param],
}

/// How a map is called: context, task n, task block, tile, bytes of a tile's row.
pub fn signature(call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature.params.extend([AbiParam::new(types::I64); 5]);
    signature
}

/// What a map is compiled for.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // Cranelift's conventions have none
pub struct Target {
    /// The machine's conventions.
    pub conventions: TargetFrontendConfig,
    /// Its vectors where they are wider than Cranelift's.
    pub wide: Option<Set>,
}

/// The function of a map.
#[derive(Clone, Debug)]
pub struct MapFunction {
    /// In Cranelift's language.
    pub function: Function,
    /// What it calls: number i as `u0:i`.
    pub routines: Vec<Routine>,
}

impl fmt::Display for MapFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        for (i, routine) in self.routines.iter().enumerate() {
            write!(f, "; u0:{i}, {}", routine.pixels)?;
        }
        Ok(())
    }
}

/// The function of a map.
pub fn function(map: &Map, places: Places<'_>, target: Target) -> MapFunction {
    let conventions = target.conventions;
    let mut context = Context::new();
    let signature = signature(conventions.default_call_conv);
    context.func = Function::with_name_signature(UserFuncName::user(0, 0), signature);
    let mut frontend = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut frontend);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let mut routines = Vec::new();
    Body { places, wide: target.wide, entry, routines: &mut routines }.emit(&mut builder, map, MAX_GATES);
    builder.seal_all_blocks();
    builder.finalize(conventions);
    MapFunction { function: context.func, routines }
}

/// What the bodies of a function have in common.
struct Body<'a> {
    places: Places<'a>,
    wide: Option<Set>,
    entry: Block,
    routines: &'a mut Vec<Routine>,
}

impl Body<'_> {
    /// The map's body, in two versions where a gate decides, as long as there are `splits` left.
    fn emit(&mut self, builder: &mut FunctionBuilder<'_>, map: &Map, splits: usize) {
        let Some(gate) = map.gate().filter(|_| splits > 0) else {
            Emitter::new(builder, map, self).nest();
            builder.ins().return_(&[]);
            return;
        };
        let open = Emitter::new(builder, map, self).gate_is_open(&gate);
        let (one, zero) = (builder.create_block(), builder.create_block());
        builder.ins().brif(open, one, &[], zero, &[]);
        builder.switch_to_block(one);
        self.emit(builder, &map.specialised(gate, 1.0), splits - 1);
        builder.switch_to_block(zero);
        self.emit(builder, &map.specialised(gate, 0.0), splits - 1);
    }
}
