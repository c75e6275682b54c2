//! Where a branch behind a gate meets the rest: in a map that runs in every step, since its result matters in every step.
//!
//! While the gate is open the branch's last contraction does the map's work on each plane that it has finished, as any
//! epilogue; the map itself is left for the steps in which the gate is closed and the contraction does not run.

use crate::kernel::{Body, BufferId, Contraction, Draw, Expr, Kernel, Map, Place, When};

/// Gives each such map to the contraction before it, where nothing between them is in the way.
pub(super) fn rejoin(kernels: &mut [Kernel]) {
    for number in 0..kernels.len() {
        let Kernel { when: When::Always, body: Body::Map(map) } = &kernels[number] else { continue };
        let Some((host, gate)) = host(&kernels[..number], map) else { continue };
        let [open, closed] = [1.0, 0.0].map(|value| map.specialised(gate, value));
        if let Body::Contraction(contraction) = &mut kernels[host].body {
            contraction.epilogue = Some(open);
            kernels[number] = Kernel { when: When::Closed(vec![gate]), body: Body::Map(closed) };
        }
    }
}

/// The kernel before a map that may do its work, and the gate under which it does.
fn host(before: &[Kernel], map: &Map) -> Option<(usize, Draw)> {
    map.gated_reads().into_iter().find_map(|(buffer, gates)| {
        let [gate] = gates[..] else { return None };
        let host = before.iter().rposition(|kernel| kernel.writes().contains(&buffer))?;
        let Body::Contraction(contraction) = &before[host].body else { return None };
        let fits = before[host].when == When::Open(vec![gate])
            && takes(contraction, map, buffer)
            && is_free(&before[host..], &map.specialised(gate, 1.0), buffer);
        fits.then_some((host, gate))
    })
}

/// Whether a contraction's result is a buffer that a map reads point by point, and the map could be its epilogue.
fn takes(contraction: &Contraction, map: &Map, buffer: BufferId) -> bool {
    let at_its_point = |expr: &Expr| match expr {
        Expr::Load { at: Place::Point, .. } => true,
        expr => expr.reads().all(|id| id != buffer),
    };
    contraction.epilogue.is_none()
        && contraction.writes() == [buffer]
        && contraction.result_domain() == Some(map.domain)
        && map.exprs.iter().all(at_its_point)
}

/// Whether a map may run as early as the first of some kernels, which makes `result`: they make nothing else that it reads,
/// and nothing that it makes is in their way.
fn is_free(kernels: &[Kernel], map: &Map, result: BufferId) -> bool {
    let (first, between) = kernels.split_first().expect("the first is among them");
    let made = map.writes();
    let reads: Vec<BufferId> = map.reads().into_iter().filter(|id| *id != result).collect();
    let keeps = |ids: Vec<BufferId>, others: &[BufferId]| ids.iter().all(|id| !others.contains(id));
    keeps(first.reads(), &made)
        && between.iter().all(|kernel| {
            keeps(kernel.writes(), &reads) && keeps(kernel.writes(), &made) && keeps(kernel.reads(), &made)
        })
}
