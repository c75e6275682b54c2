//! A map to Cranelift IR: one function a map, called once a task.
//!
//! Sixteen channels are four vectors of four lanes ("quarters"). What does not change inside a task is computed once
//! before its loop; a gate that is one number a task splits the function into two specialised bodies, so that finer
//! draws are made, and what stands behind the gate is read, only where it matters. All arithmetic is rounded operation by
//! operation: what a known gate leaves out of an expression then changes no bit.

mod draw;
mod emit;
mod gather;
mod math;
mod nest;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Block, Function, InstBuilder, Signature, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use crate::kernel::{Buffer, Map, Param};
use emit::Emitter;

/// The most gates that split a function: it has up to 2^3 bodies. Further ones choose lane by lane.
const MAX_SPLITS: usize = 3;

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

/// The function of a map, for a machine's conventions.
pub fn function(map: &Map, places: Places<'_>, target: TargetFrontendConfig) -> Function {
    let mut context = Context::new();
    context.func = Function::with_name_signature(UserFuncName::user(0, 0), signature(target.default_call_conv));
    let mut frontend = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut frontend);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    body(&mut builder, map, places, entry, MAX_SPLITS);
    builder.seal_all_blocks();
    builder.finalize(target);
    context.func
}

/// The map's body, in two versions where a gate decides, as long as there are `splits` left.
fn body(builder: &mut FunctionBuilder<'_>, map: &Map, places: Places<'_>, entry: Block, splits: usize) {
    let Some(gate) = map.gate().filter(|_| splits > 0) else {
        Emitter::new(builder, map, places, entry).nest();
        builder.ins().return_(&[]);
        return;
    };
    let open = Emitter::new(builder, map, places, entry).gate_is_open(&gate);
    let (one, zero) = (builder.create_block(), builder.create_block());
    builder.ins().brif(open, one, &[], zero, &[]);
    builder.switch_to_block(one);
    body(builder, &map.specialised(gate, 1.0), places, entry, splits - 1);
    builder.switch_to_block(zero);
    body(builder, &map.specialised(gate, 0.0), places, entry, splits - 1);
}
