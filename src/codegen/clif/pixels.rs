//! The call of a routine that goes over a plane's pixels in wider vectors than Cranelift's (`codegen::wide`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, InstBuilder, Signature, StackSlot, StackSlotData, StackSlotKind,
    UserExternalName, types,
};
use cranelift_codegen::isa::CallConv;

use super::emit::{BLOCK_BYTES, Emitter, QUARTER_BYTES, QUARTERS};
use super::nest::PixelSum;
use crate::codegen::abi::StepContext;
use crate::codegen::wide::{DRAWN, Plane, Routine, Set, Shared};
use crate::kernel::{BufferId, Domain, ReduceOp, Store, Value};
use crate::num::philox::WEYL;

/// How a routine is called.
pub fn routine_signature() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64); 2]);
    signature
}

impl Emitter<'_, '_> {
    /// The loop over the pixels of the plane by a routine: stores are made and sums are known. False where there is none.
    pub(super) fn by_routine(&mut self, stores: &[Store], sums: &[PixelSum]) -> bool {
        let Some(set) = self.set else { return false };
        if sums.iter().any(|sum| sum.op != ReduceOp::Sum) {
            return false;
        }
        let bodies: Vec<Value> = sums.iter().map(|sum| sum.body).collect();
        let Some(routine) = Routine::of(self.map, &self.axes, stores, &bodies, set) else { return false };

        let mut addresses = Vec::new();
        for plane in &routine.pixels.planes {
            addresses.push(self.address(*plane));
        }
        if let Domain::Feature { width, .. } = self.map.domain {
            addresses.push(self.b.ins().iadd_imm_s(self.tile_row, -(width as i64 * BLOCK_BYTES)));
        }
        let mut lanes = Vec::new();
        for shared in &routine.pixels.shared {
            lanes.extend(self.shared(*shared, set));
        }
        let first_sum = lanes.len();
        for sum in sums {
            lanes.extend(sum.plane.map(|lanes| self.b.use_var(lanes)));
        }

        let (addresses, _) = self.on_the_stack(&addresses, types::I64.bytes() as i32);
        let (lanes, slot) = self.on_the_stack(&lanes, QUARTER_BYTES);
        self.call(routine, &[addresses, lanes]);
        for (i, sum) in sums.iter().enumerate() {
            for (quarter, variable) in sum.plane.iter().enumerate() {
                let place = (first_sum + i * QUARTERS + quarter) as i32 * QUARTER_BYTES;
                let total = self.b.ins().stack_load(types::I64, types::F32X4, slot, place);
                self.b.def_var(*variable, total);
            }
        }
        true
    }

    fn call(&mut self, routine: Routine, arguments: &[ir::Value]) {
        let number = self.routines.len() as u32;
        self.routines.push(routine);
        let name = self.b.func.declare_imported_user_function(UserExternalName::new(0, number));
        let signature = self.b.func.import_signature(routine_signature());
        let function = ExtFuncData { name: ExternalName::user(name), signature, colocated: false, patchable: false };
        let function = self.b.func.import_function(function);
        self.b.ins().call(function, arguments);
    }

    /// Values side by side in memory.
    fn on_the_stack(&mut self, values: &[ir::Value], bytes: i32) -> (ir::Value, StackSlot) {
        let size = (values.len() as i32 * bytes) as u32;
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4));
        for (i, value) in values.iter().enumerate() {
            self.b.ins().stack_store(types::I64, *value, slot, i as i32 * bytes);
        }
        (self.b.ins().stack_addr(types::I64, slot, 0), slot)
    }

    /// Where a plane begins.
    fn address(&mut self, plane: Plane) -> ir::Value {
        match plane {
            Plane::Of(buffer) => self.plane(buffer),
            Plane::Tile => self.tile,
            Plane::Before(buffer, by) => {
                let (blocks, bytes) = self.feature(buffer);
                let (block, exists) = self.block_before(blocks, by);
                let first = self.b.ins().iconst(types::I64, 0);
                let block = self.b.ins().select(exists, block, first);
                let image = self.times(self.n, blocks as i64);
                let number = self.b.ins().iadd(image, block);
                let place = self.times(number, bytes);
                self.at(buffer, place)
            }
        }
    }

    /// The block so many before the current one, and whether a map of so many blocks has it.
    pub(super) fn block_before(&mut self, blocks: usize, by: isize) -> (ir::Value, ir::Value) {
        let block = self.b.ins().iadd_imm_s(self.block, -(by as i64));
        (block, self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, block, blocks as i64))
    }

    /// What all pixels share, quarter by quarter.
    fn shared(&mut self, shared: Shared, set: Set) -> [ir::Value; QUARTERS] {
        let same = match shared {
            Shared::Value(value) => return std::array::from_fn(|quarter| self.value(value, quarter)),
            Shared::Channels => {
                let (all, none) = (self.constant(f32::from_bits(u32::MAX)), self.constant(0.0));
                return std::array::from_fn(|quarter| self.in_channels(all, none, quarter));
            }
            Shared::Counters { odd } => return self.counters(set, odd),
            Shared::Bits(bits) => self.int_constant(bits),
            Shared::Exists(buffer, by) => self.existing(buffer, by),
            Shared::Advance => {
                let a_turn = DRAWN as i64 * self.counters_a_pixel();
                let advance = self.b.ins().iconst(types::I64, a_turn);
                self.b.ins().splat(types::I64X2, advance)
            }
            Shared::Step => self.spread(std::mem::offset_of!(StepContext, step)),
            Shared::Key { word, round } => {
                let seed = [std::mem::offset_of!(StepContext, seed_low), std::mem::offset_of!(StepContext, seed_high)];
                let seed = self.spread(seed[word]);
                let grown = self.int_constant(WEYL[word].wrapping_mul(round as u32));
                self.b.ins().iadd(seed, grown)
            }
        };
        [same; QUARTERS]
    }

    /// All bits where a feature map has the block so many before the current one.
    fn existing(&mut self, buffer: BufferId, by: isize) -> ir::Value {
        let (blocks, _) = self.feature(buffer);
        let (_, exists) = self.block_before(blocks, by);
        let (all, none) = (self.constant(f32::from_bits(u32::MAX)), self.constant(0.0));
        self.b.ins().select(exists, all, none)
    }

    /// The counters of the plane's first turn, two of 64 bits a quarter.
    fn counters(&mut self, set: Set, odd: bool) -> [ir::Value; QUARTERS] {
        let first = self.first_counter();
        let first = self.b.ins().splat(types::I64X2, first);
        let offsets = set.counters(self.counters_a_pixel() as u64, odd);
        std::array::from_fn(|quarter| {
            let bytes: Vec<u8> = offsets[2 * quarter..][..2].iter().flat_map(|offset| offset.to_le_bytes()).collect();
            let constant = self.b.func.dfg.constants.insert(bytes.into());
            let offset = self.b.ins().vconst(types::I64X2, constant);
            self.b.ins().iadd(first, offset)
        })
    }
}
