//! One zeroed allocation, aligned to a cache line.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// Floats that a step works on. The pages of what is never touched cost no memory.
pub(super) struct Arena {
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
        let start = unsafe { alloc_zeroed(layout) }.cast::<f32>();
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Arena { start, len }
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len.max(16) * 4, 64).expect("an arena fits the address space")
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
        unsafe { dealloc(self.start.cast(), Arena::layout(self.len)) };
    }
}
