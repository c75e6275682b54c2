//! Whether a plan fits into memory, asked before anything is compiled.

use super::{Graphs, Plans, plans};
use crate::device::Machine;
use crate::diag::{Failure, codes};

/// Refuses plans for batches of `batch` images that need more than a machine has room for, and names the largest batch
/// that fits.
///
/// # Errors
/// Where they do not fit.
pub fn check_memory(graphs: &Graphs, made: &Plans, batch: usize, machine: &Machine) -> Result<(), Failure> {
    let Some(room) = machine.room() else { return Ok(()) };
    let bytes = |plans: &Plans| machine.bytes(plans.train.as_ref(), &plans.test);
    let needed = bytes(made);
    if needed <= room {
        return Ok(());
    }
    let fits = |batch: usize| bytes(&plans(graphs, batch)) <= room;
    // The largest that fits, 0 if none does; `batch` does not.
    let (mut largest, mut too_large) = (0, batch);
    while too_large - largest > 1 {
        let middle = largest + (too_large - largest) / 2;
        if fits(middle) { largest = middle } else { too_large = middle }
    }
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let message =
        format!("a batch of {batch} takes {} MiB of memory, and {} MiB are free", mebibytes(needed), room >> 20);
    let help = match largest {
        0 => "even one image is too much: make the network smaller, or end other programs".to_owned(),
        _ => format!("the largest batch that fits is {largest}: `--set train.batch={largest}`"),
    };
    Err(Failure::new(codes::TOO_LITTLE_MEMORY, message, help))
}
