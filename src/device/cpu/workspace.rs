//! What contractions work in beside the plan's buffers.
//!
//! Each worker has a room. What workers share has a room of its own where it is small, so that it stays in cache from kernel
//! to kernel; else it lies in the arena, in places that are free while the pass runs, and the plan's buffers make room.

use super::contraction::Ready;
use super::jit::without_code;
use super::join::{Offsets, join};
use crate::kernel::{Body, Plan, Room};

/// Floats that workers share up to which these have a room of their own.
const SMALL: usize = 1 << 20;

/// Where the passes of a plan work.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    /// Floats of a worker's room.
    pub(super) room: usize,
    /// Floats of the room that all workers share.
    pub(super) shared: usize,
    /// For each kernel where in the arena lies what its workers share; none where that is in their room.
    pub(super) places: Vec<Option<usize>>,
}

/// Who decides where the plan's buffers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// They are placed anew, with what passes share.
    Shared,
    /// They stay; what passes share lies behind them.
    Fixed,
}

impl Workspace {
    /// What the passes of a plan need on so many threads, which has its places in the plan's arena afterwards.
    pub(super) fn of(plan: &mut Plan, threads: usize, layout: Layout) -> Workspace {
        let ready: Vec<_> = (plan.kernels.iter())
            .map(|kernel| match &kernel.body {
                Body::Map(_) => None,
                Body::Contraction(contraction) => Some(Ready::new(contraction, plan, threads, &mut || without_code)),
            })
            .collect();
        let joined = join(plan, Offsets::Open, |_| without_code, |i| ready[i].as_ref());
        let mut all = Workspace { room: 0, shared: 0, places: vec![None; ready.len()] };
        let mut rooms = Vec::new();
        for (i, passes) in ready.iter().zip(&joined).enumerate() {
            let passes = [passes.0.as_ref(), passes.1.as_ref()].into_iter().flatten();
            let shared = passes.clone().map(Ready::shared).max().unwrap_or(0);
            all.room = passes.map(Ready::room).fold(all.room, usize::max);
            if shared > SMALL {
                // A pass may do the work of the kernel before it, or after it, as well.
                rooms.push((i, Room { from: i.saturating_sub(1), to: i + 1, len: shared }));
            } else {
                all.shared = all.shared.max(shared);
            }
        }
        let (kernels, rooms): (Vec<usize>, Vec<Room>) = rooms.into_iter().unzip();
        let places = match layout {
            Layout::Shared => plan.place(&rooms),
            Layout::Fixed => {
                let behind = plan.arena;
                plan.arena += rooms.iter().map(|room| room.len).max().unwrap_or(0);
                vec![behind; rooms.len()]
            }
        };
        debug_assert_eq!(plan.verify(), Ok(()));
        kernels.into_iter().zip(places).for_each(|(kernel, place)| all.places[kernel] = Some(place));
        all
    }
}
