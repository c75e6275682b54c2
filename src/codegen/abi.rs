//! How compiled maps are called on the CPU: what a step passes, and where its parts lie.

/// What every map of a step sees.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct StepContext {
    /// The arena's first float; aligned to 64 bytes.
    pub arena: *mut f32,
    /// N.
    pub batch: u64,
    /// The low half of the seed.
    pub seed_low: u32,
    /// The high half of the seed.
    pub seed_high: u32,
    /// The step, from 0.
    pub step: u32,
    /// The value of each of the plan's numbers (`kernel::Param`), in the order in which the maps were compiled for them.
    pub numbers: *const f32,
}
