//! Which kernels are done in one pass with the one after them: what the first leaves in cache the second finds there.

use std::ops::Range;

use super::contraction::Ready;
use super::jit::MapFn;
use crate::kernel::{Body, BufferId, Contraction, Domain, Expr, Kernel, Map, Operand, Pass, Place, Plan, When};

/// Whether the buffers of a plan lie where they will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offsets {
    /// They may be placed anew: whatever could be one pass is.
    Open,
    /// What lies in one another's way is done apart.
    Final,
}

/// For each kernel the pass that does its work and that of the one after it, where there is one: a layer's gradients to its
/// input and to its weight, or a map and the layer that reads what it makes. `code` and `ready` are those of kernels.
pub(super) fn join<'a>(
    plan: &Plan,
    offsets: Offsets,
    code: impl Fn(usize) -> MapFn,
    ready: impl Fn(usize) -> Option<&'a Ready>,
) -> Vec<Option<Ready>> {
    let free = |kernel: &Kernel, other: &Kernel| offsets == Offsets::Open || leaves_alone(plan, kernel, other);
    let joined = |i: usize| {
        let (first, second) = (plan.kernels.get(i)?, plan.kernels.get(i + 1)?);
        let Body::Contraction(contraction) = &second.body else { return None };
        match &first.body {
            Body::Contraction(to_input) => {
                let apart = second.reads().iter().all(|buffer| !first.writes().contains(buffer));
                let fits =
                    share_gradient(to_input, contraction) && first.when == second.when && apart && free(second, first);
                fits.then(|| ready(i)?.joined(ready(i + 1)?))?
            }
            Body::Map(map) => {
                let runs = first.when == When::Always || first.when == second.when;
                let fits = makes(map, contraction) && runs && free(second, first);
                fits.then(|| ready(i + 1)?.made_by(code(i), map, plan))?
            }
        }
    };
    (0..plan.kernels.len()).map(joined).collect()
}

/// Whether two contractions are a layer's gradients to its input and to its weight, from the same gradient.
fn share_gradient(first: &Contraction, second: &Contraction) -> bool {
    match (&first.pass, &second.pass) {
        (Pass::ToInput { dy, .. }, Pass::ToWeight { dy: same, .. }) => {
            dy.computes_the_same(same) && first.sizes == second.sizes
        }
        _ => false,
    }
}

/// Whether a map makes what a layer reads, each plane from its own task alone.
fn makes(map: &Map, layer: &Contraction) -> bool {
    let Pass::Forward { x, .. } = &layer.pass else { return false };
    let sizes = &layer.sizes;
    let planes = Domain::Feature { channels: sizes.inputs, height: sizes.height, width: sizes.width };
    let made = map.writes();
    let is_made = |id: &BufferId| made.contains(id);
    let own = |expr: &Expr| matches!(expr, Expr::Load { at: Place::Point, .. }) || !expr.reads().any(|id| is_made(&id));
    let only_own = match x {
        Operand::Stored(_) => true,
        Operand::Computed(prologue) => prologue.exprs.iter().all(own),
    };
    let after = layer.epilogue.iter().any(|epilogue| epilogue.reads().iter().any(is_made));
    map.domain == planes && x.reads().iter().any(is_made) && only_own && !after
}

/// Whether nothing that a kernel writes lies where another reads or writes, whatever the time.
fn leaves_alone(plan: &Plan, kernel: &Kernel, other: &Kernel) -> bool {
    let floats = |id: BufferId| plan.floats(id);
    let others: Vec<Range<usize>> = other.reads().into_iter().chain(other.writes()).map(floats).collect();
    kernel.writes().into_iter().map(floats).all(|own| others.iter().all(|o| own.end <= o.start || o.end <= own.start))
}
