//! One zeroed mapping of memory.

use std::ops::Range;

use memmap2::MmapMut;

/// Floats that a step works on. The pages of what is never touched cost no memory.
///
/// Where the system has them it is laid on huge pages: a Winograd transform writes 36 streams or 81, each in a page of its own,
/// and ordinary pages would make most of its loads and stores wait for their addresses.
pub(super) struct Arena {
    map: MmapMut,
    len: usize,
}

impl Arena {
    /// So many floats, all zero.
    ///
    /// # Panics
    /// Where the system has no room for them.
    pub(super) fn new(len: usize) -> Self {
        let bytes = len.max(1).checked_mul(size_of::<f32>()).expect("an arena fits the address space");
        let map = MmapMut::map_anon(bytes)
            .unwrap_or_else(|reason| panic!("the system gives no {bytes} bytes of memory: {reason}"));
        #[cfg(target_os = "linux")]
        // Advice alone: a system without huge pages refuses it, and the step is only slower.
        let _ = map.advise(memmap2::Advice::HugePage);
        Arena { map, len }
    }

    /// Its first float.
    pub(super) fn start(&self) -> *mut f32 {
        self.map.as_ptr().cast_mut().cast()
    }

    /// Lets nobody touch these floats, which fill whole pages.
    pub(super) fn close(&mut self, fences: &[Range<usize>]) {
        for fence in fences {
            assert!(fence.end <= self.len);
            let bytes = fence.len() * size_of::<f32>();
            // SAFETY: the range lies inside the mapping, which is borrowed alone, and holds nothing.
            let closed = unsafe { region::protect(self.start().add(fence.start), bytes, region::Protection::NONE) };
            closed.unwrap_or_else(|reason| panic!("the system does not protect {bytes} bytes of memory: {reason}"));
        }
    }

    /// `len` floats from `offset`.
    pub(super) fn slice(&self, offset: usize, len: usize) -> &[f32] {
        assert!(offset + len <= self.len);
        // SAFETY: the range lies inside the mapping, and no kernel runs while the engine is borrowed here.
        unsafe { std::slice::from_raw_parts(self.start().add(offset), len) }
    }

    /// `len` floats from `offset`.
    pub(super) fn slice_mut(&mut self, offset: usize, len: usize) -> &mut [f32] {
        assert!(offset + len <= self.len);
        // SAFETY: the range lies inside the mapping, which is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start().add(offset), len) }
    }
}
