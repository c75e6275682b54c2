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
    /// The learning rate.
    pub rate: f32,
    /// N again, as a float.
    pub batch_float: f32,
}

/// A compiled map: (context, task n, task block, tile, bytes from one row of the tile to the next).
///
/// The task of a map over features is (image, block of channels), over channels (0, block), over images (image, 0), over
/// a flat array (chunk, 0). Tile and row are read by prologues alone.
pub type MapFn = unsafe extern "C" fn(*const StepContext, u64, u64, *mut f32, u64);
