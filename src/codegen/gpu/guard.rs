//! Whether a step's loss and gradients are finite, found on the device: the kernels that change weights and what is kept of
//! them store nothing where the verdict says no, so nothing need be read back before they run.
//!
//! A kernel a region of gradients leaves the finding of each of its blocks in the room for parts; one more joins them and
//! the loss.

use std::mem::discriminant;

use super::Shape;
use super::nest::{THREADS, tree};
use super::writer::{Type, Writer, zeros};
use crate::kernel::{BufferId, Plan, ReduceOp, Slot};

/// The most blocks of threads that look at a region.
const MAX_GROUPS: usize = 256;

/// Writes the kernels; each with its name. None where the plan has no loss.
pub(super) fn kernels<'a>(plan: &Plan, writer: &dyn Fn() -> Writer<'a>) -> Vec<(&'static str, Writer<'a>, Shape)> {
    let Some(loss) = plan.slot(&Slot::Loss) else { return vec![] };
    let regions: Vec<(BufferId, usize)> =
        regions(plan).into_iter().map(|id| (id, plan.buffer(id).size.len(plan.batch) / 4)).collect();
    let groups = |vectors: usize| vectors.div_ceil(THREADS).clamp(1, MAX_GROUPS);
    let parts = regions.iter().map(|(_, vectors)| groups(*vectors)).sum();
    let mut all = Vec::new();
    let mut first = 0;
    for (region, vectors) in regions {
        let mut w = writer();
        let groups = groups(vectors);
        look(&mut w, region, vectors, groups, [first, parts]);
        all.push(("finite/gradients", w, Shape { groups: [groups, 1], threads: THREADS }));
        first += groups;
    }
    let mut w = writer();
    join(&mut w, loss, parts);
    all.push(("finite", w, Shape { groups: [1, 1], threads: THREADS }));
    all
}

/// The regions that hold all gradients: of each gradient the widest buffer that it lies in.
fn regions(plan: &Plan) -> Vec<BufferId> {
    let place = |id: BufferId| plan.floats(id);
    let mut found: Vec<BufferId> = Vec::new();
    for (_, &gradient) in plan.slots.iter().filter(|(slot, _)| matches!(slot, Slot::Gradient(_))) {
        let own = place(gradient);
        let holds = |id: BufferId| place(id).start <= own.start && own.end <= place(id).end;
        if found.iter().any(|known| holds(*known)) {
            continue;
        }
        let like = discriminant(&plan.buffer(gradient).lifetime);
        let views = (0..plan.buffers.len() as u32).map(BufferId);
        let views = views.filter(|id| discriminant(&plan.buffer(*id).lifetime) == like);
        found.extend(views.filter(|id| holds(*id)).max_by_key(|id| place(*id).len()));
    }
    found
}

/// Each thread looks at every so many vectors, and a block keeps what it found.
fn look(w: &mut Writer<'_>, region: BufferId, vectors: usize, groups: usize, [first, parts]: [usize; 2]) {
    let end = w.uint("vectors", vectors);
    let stride = w.uint("stride", groups * THREADS);
    let first = w.uint("first part", first);
    zeros(w, "bad");
    w.count(["e", &format!("group * {THREADS}u + thread"), &end, &stride], |w| {
        let value = w.load(region, "e");
        w.constant(Type::F4, "value", &value);
        unless_finite(w, "value", &["x", "y", "z", "w"]);
    });
    tree(w, "bad", ReduceOp::Max, THREADS, 1);
    w.when("thread == 0u", |w| {
        let part = w.scratch(parts, &format!("{first} + group"));
        w.assign(&part, "bad");
    });
}

/// One block joins what all blocks found, and looks at the loss.
fn join(w: &mut Writer<'_>, loss: BufferId, parts: usize) {
    let end = w.uint("parts", parts);
    zeros(w, "bad");
    w.count(["i", "thread", &end, &format!("{THREADS}u")], |w| {
        let part = w.scratch(parts, "i");
        w.assign("bad", &format!("larger_v(bad, {part})"));
    });
    let value = w.load(loss, "0u");
    w.constant(Type::F4, "value", &value);
    unless_finite(w, "value", &["x"]);
    tree(w, "bad", ReduceOp::Max, THREADS, 1);
    w.when("thread == 0u", |w| {
        let verdict = w.verdict();
        w.assign(&verdict, "bad");
    });
}

/// Sets `bad` to 1 where a lane is not finite: its exponent is all ones.
fn unless_finite(w: &mut Writer<'_>, value: &str, lanes: &[&str]) {
    w.index("ones", "0x7f800000u");
    let bad: Vec<String> = lanes.iter().map(|lane| format!("(bits_of({value}.{lane}) & ones) == ones")).collect();
    w.when(&bad.join(" || "), |w| w.assign("bad", "splat(1.0f)"));
}
