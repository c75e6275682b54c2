//! Whether a plan fits into memory, asked before anything is compiled.

use super::{Graphs, Plans, plans};
use crate::device::{Machine, Ready};
use crate::diag::{Failure, codes};

/// Plans for batches of `batch` images, ready for a machine; refused where they need more than it has room for, with the
/// largest batch that fits.
///
/// # Errors
/// Where they do not fit.
pub fn ready(graphs: &Graphs, made: Plans, batch: usize, machine: &Machine) -> Result<Ready, Failure> {
    let ready = |plans: Plans| machine.ready(plans.train, plans.test);
    let made = ready(made);
    let (needed, Some(room)) = (made.bytes(), machine.room()) else { return Ok(made) };
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
    let help = match largest {
        0 => "even one image is too much: make the network smaller, or end other programs".to_owned(),
        _ => format!("the largest batch that fits is {largest}: `--set train.batch={largest}`"),
    };
    Err(Failure::new(codes::TOO_LITTLE_MEMORY, message, help))
}
