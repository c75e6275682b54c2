//! Contractions as kernels: tiles of products in shared memory (implicit GEMM), with the prologue where a tile is loaded
//! and the epilogue where it is finished.
//!
//! A pass to y or to x is a product of rows (pixels of the result, image by image) and columns (its channels), summed over
//! taps and the channels that are read ([`correlate`]); to a weight it is one of channels and channels for each tap,
//! summed over pixels ([`weight`]). Groups whose channels do not fill blocks of sixteen take the plain sum instead of
//! tiles ([`plain`]). Everything is cut by shape alone and summed in a fixed order.

mod correlate;
mod operand;
mod plain;
mod weight;

use super::Shape;
use super::writer::Writer;
use crate::kernel::{BLOCK, Contraction, Pass, Sizes};

/// Writes a contraction's kernels for at most `batch` images.
pub(super) fn kernels<'a>(k: &Contraction, batch: usize, writer: &dyn Fn() -> Writer<'a>) -> Vec<(Writer<'a>, Shape)> {
    match &k.pass {
        Pass::Forward { .. } | Pass::ToInput { .. } => {
            let mut w = writer();
            let shape = correlate::kernel(&mut w, k, batch);
            vec![(w, shape)]
        }
        Pass::ToWeight { x, dy, dweight } if tiled(&k.sizes) => {
            weight::kernels(&k.sizes, [x, dy], *dweight, batch, writer)
        }
        Pass::ToWeight { x, dy, dweight } => {
            let mut w = writer();
            let shape = plain::weight(&mut w, &k.sizes, [x, dy], *dweight);
            vec![(w, shape)]
        }
    }
}

/// Whether each group's channels fill whole blocks, so that tiles of one group are read without regard to the others.
fn tiled(sizes: &Sizes) -> bool {
    let whole = |channels: usize| channels.is_multiple_of(BLOCK);
    sizes.groups == 1 || (whole(sizes.group_inputs()) && whole(sizes.group_outputs()))
}

/// Quarters of channels that a tile takes: a block, two or four.
fn tile_quarters(channels: usize) -> usize {
    match channels {
        0..=16 => 4,
        17..=32 => 8,
        _ => 16,
    }
}
