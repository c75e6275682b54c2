//! Whether a plan fits into memory, asked before anything is compiled.

use super::{Footprint, Graphs, Plans, graphs_within, plans};
use crate::device::{Machine, Ready};
use crate::diag::{Failure, codes};
use crate::net::{Network, Recipe};

/// Plans for the recipe's batches, ready for a machine; refused where they need more than `room`, in bytes, where that is
/// known, with the ways out: the low footprint, where with it they fit, and the largest batch that does.
///
/// # Errors
/// Where they do not fit.
pub fn ready(
    (network, recipe, footprint): (&Network, &Recipe, Footprint),
    graphs: &Graphs,
    made: Plans,
    machine: &Machine,
    room: Option<u64>,
) -> Result<Ready, Failure> {
    let batch = recipe.batch;
    let ready = |plans: Plans| machine.ready(plans.train, plans.test);
    let made = ready(made);
    let (needed, Some(room)) = (made.bytes(), room) else { return Ok(made) };
    if needed <= room {
        return Ok(made);
    }
    let fits = |batch: usize| ready(plans(graphs, batch)).bytes() <= room;
    // The largest that fits, 0 if none does; `batch` does not.
    let (mut largest, mut too_large) = (0, batch);
    while too_large - largest > 1 {
        let middle = largest + (too_large - largest) / 2;
        if fits(middle) { largest = middle } else { too_large = middle }
    }
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let message =
        format!("a batch of {batch} takes {} MiB of memory, and {} MiB are free", mebibytes(needed), room >> 20);
    let low = (footprint == Footprint::Normal)
        .then(|| ready(plans(&graphs_within(network, Some(recipe), Footprint::Low), batch)).bytes());
    let smaller = format!("the largest batch that fits is {largest}: `--set train.batch={largest}`");
    let help = match (low.filter(|low| *low <= room), largest) {
        (Some(low), 0) => format!("`--memory low` takes {} MiB", mebibytes(low)),
        (Some(low), _) => format!("`--memory low` takes {} MiB, and some more time; else {smaller}", mebibytes(low)),
        (None, 0) => "even one image is too much: make the network smaller, or end other programs".to_owned(),
        (None, _) => smaller,
    };
    Err(Failure::new(codes::TOO_LITTLE_MEMORY, message, help))
}
