//! Contractions as kernels: tiles of products in shared memory (implicit GEMM), with the prologue where a tile is loaded
//! and the epilogue where it is finished.
//!
//! A pass to y or to x is a product of rows (pixels of the result, image by image) and columns (its channels), summed over
//! taps and the channels that are read ([`correlate`]); to a weight it is one of channels and channels for each tap,
//! summed over pixels ([`weight`]). The products of a tile are a thread's own, or in CUDA a warp's on tensor cores
//! ([`tensor`]). Groups whose channels do not fill blocks of sixteen take the plain sum instead of
//! tiles ([`plain`]). Everything is cut by shape alone and summed in a fixed order.

mod correlate;
mod operand;
mod plain;
mod tensor;
mod weight;

use super::Shape;
use super::value::Values;
use super::writer::Writer;
use crate::kernel::{BLOCK, Body, Contraction, Kernel, Map, Pass, Sizes};
use crate::num::Precision;

/// Writes a contraction as a kernel for at most `batch` images, with the maps over channels that it does after itself.
pub(super) fn kernel(w: &mut Writer<'_>, k: &Contraction, batch: usize, after: &[&Map]) -> Shape {
    match &k.pass {
        Pass::Forward { .. } | Pass::ToInput { .. } => correlate::kernel(w, k, batch, after),
        Pass::ToWeight { x, dy, dweight } if tiled(&k.sizes) => {
            weight::Layout::new(&k.sizes, batch, w.precision()).kernel(w, [x, dy], *dweight)
        }
        Pass::ToWeight { x, dy, dweight } => plain::weight(w, &k.sizes, [x, dy], *dweight),
    }
}

/// Whether a kernel is a gradient to a weight that is made in parts.
pub(super) fn has_parts(kernel: &Kernel, batch: usize) -> bool {
    // How many parts there are does not depend on the precision.
    match &kernel.body {
        Body::Contraction(k) if matches!(k.pass, Pass::ToWeight { .. }) && tiled(&k.sizes) => {
            weight::Layout::new(&k.sizes, batch, Precision::Fp32).splits > 1
        }
        Body::Contraction(_) | Body::Map(_) => false,
    }
}

/// Writes the kernel that adds the parts of a gradient to a weight.
pub(super) fn sum_of_parts(w: &mut Writer<'_>, k: &Contraction, batch: usize) -> Shape {
    let Pass::ToWeight { dweight, .. } = k.pass else { unreachable!("only gradients to weights have parts") };
    weight::Layout::new(&k.sizes, batch, w.precision()).sum(w, dweight)
}

/// Whether an epilogue sums over the pixels of planes, so that a block of threads takes an image.
pub(super) fn sums_planes(epilogue: &Map) -> bool {
    !Values::new(epilogue, "e").sums().is_empty()
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
