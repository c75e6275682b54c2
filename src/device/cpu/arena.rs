//! One zeroed allocation, aligned to a cache line.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// Floats of a cache line.
const LINE: usize = 16;

/// Floats that a step works on. The pages of what is never touched cost no memory: the system hands them out as zeros,
/// which holds for the ordinary alignment alone, so the line's is made by hand.
pub(super) struct Arena {
    allocation: *mut f32,
    /// The first whole line in it.
    start: *mut f32,
    len: usize,
}

// SAFETY: an arena owns its allocation; who writes where is decided by the plan.
unsafe impl Send for Arena {}
// SAFETY: sharing an arena gives out its address alone.
unsafe impl Sync for Arena {}

impl Arena {
    /// So many floats, all zero.
    pub(super) fn new(len: usize) -> Self {
        let layout = Arena::layout(len);
        // SAFETY: the layout has a size above zero.
        let allocation = unsafe { alloc_zeroed(layout) }.cast::<f32>();
        if allocation.is_null() {
            handle_alloc_error(layout);
        }
        let start = allocation.wrapping_add(allocation.align_offset(4 * LINE));
        Arena { allocation, start, len }
    }

    fn layout(len: usize) -> Layout {
        Layout::array::<f32>(len + LINE).expect("an arena fits the address space")
    }

    /// Its first float.
    pub(super) fn start(&self) -> *mut f32 {
        self.start
    }

    /// `len` floats from `offset`.
    pub(super) fn slice(&self, offset: usize, len: usize) -> &[f32] {
        assert!(offset + len <= self.len);
        // SAFETY: the range lies inside the allocation, and no kernel runs while the engine is borrowed here.
        unsafe { std::slice::from_raw_parts(self.start.add(offset), len) }
    }

    /// `len` floats from `offset`.
    pub(super) fn slice_mut(&mut self, offset: usize, len: usize) -> &mut [f32] {
        assert!(offset + len <= self.len);
        // SAFETY: the range lies inside the allocation, which is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), len) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout.
        unsafe { dealloc(self.allocation.cast(), Arena::layout(self.len)) };
    }
}
