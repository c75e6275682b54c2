//! Contractions by the definition: every kernel size, stride, dilation and number of groups.
//!
//! A result is a grid of sites, each the sum over the taps of its window; sites that lie side by side are the rows of a
//! register tile. Forward there is one grid. To the input, pixels of equal remainder by the stride hold the same taps
//! of the kernel, so there is a grid for each remainder.

mod correlate;
mod weight;

pub(super) use correlate::Correlate;
pub(super) use weight::ToWeight;

use std::ops::Range;

use super::source::Frame;
use crate::kernel::{BLOCK, Sizes};

/// Sites whose windows hold the same taps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grid {
    rows: Line,
    columns: Line,
    /// Pixels of the source from site to site.
    stride: usize,
    taps: Vec<Tap>,
}

/// The sites of a grid along one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// The pixel of the result that the first site is.
    first: usize,
    /// Pixels of the result from site to site.
    step: usize,
    count: usize,
}

/// Where a tap reads, in the frame, for the first site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tap {
    row: usize,
    column: usize,
    /// Its number in the weight.
    tap: usize,
}

/// The frame of x, and the one grid of y.
fn forward(s: &Sizes) -> (Frame, Vec<Grid>) {
    let frame = Frame { before: s.pad, height: s.height + 2 * s.pad, width: s.width + 2 * s.pad };
    let taps = (0..s.taps())
        .map(|tap| Tap { row: tap / s.kernel * s.dilation, column: tap % s.kernel * s.dilation, tap })
        .collect();
    let line = |count| Line { first: 0, step: 1, count };
    let mut grid = Grid { rows: line(s.out_height), columns: line(s.out_width), stride: s.stride, taps };
    if (s.kernel, s.stride, s.pad) == (1, 1, 0) {
        // Without a window rows follow one another: one long row has no short ends.
        grid.rows.count = 1;
        grid.columns.count = s.out_pixels();
    }
    (frame, vec![grid])
}

/// The frame of the gradient to y, and the grids of the gradient to x.
///
/// `x[h]` is read by `y[o]` through tap t where h + pad = o stride + t dilation.
fn to_input(s: &Sizes) -> (Frame, Vec<Grid>) {
    if (s.kernel, s.stride, s.pad) == (1, 1, 0) {
        return forward(s);
    }
    let reach = s.dilation * (s.kernel - 1);
    // The least o that a tap asks for is at least -before, the largest at most (size - 1 + pad) / stride.
    let before = reach.saturating_sub(s.pad).div_ceil(s.stride);
    let side = |size: usize, out: usize| before + out.max((size - 1 + s.pad) / s.stride + 1);
    let frame = Frame { before, height: side(s.height, s.out_height), width: side(s.width, s.out_width) };
    // For sites h = first + i stride: the tap and where it reads for i = 0, in the frame.
    let taps = |first: usize| -> Vec<(usize, usize)> {
        (0..s.kernel)
            .filter_map(|t| {
                let shifted = first + s.pad + before * s.stride;
                let at = shifted.checked_sub(t * s.dilation)?;
                at.is_multiple_of(s.stride).then_some((t, at / s.stride))
            })
            .collect()
    };
    let line = |first: usize, size: usize| Line { first, step: s.stride, count: (size - first).div_ceil(s.stride) };
    let mut grids = Vec::new();
    for row in 0..s.stride.min(s.height) {
        for column in 0..s.stride.min(s.width) {
            let mut all = Vec::new();
            for &(i, row) in &taps(row) {
                for &(j, column) in &taps(column) {
                    all.push(Tap { row, column, tap: i * s.kernel + j });
                }
            }
            let (rows, columns) = (line(row, s.height), line(column, s.width));
            grids.push(Grid { rows, columns, stride: 1, taps: all });
        }
    }
    (frame, grids)
}

/// Floats that a band of sites reads, at the most: they stay in the second-level cache while all results read them.
const BAND_FLOATS: usize = 40 * 1024;
/// Sites of a band, at the least: the weight, or its gradient's sums, are read once a band, and those of wide layers come
/// from beyond the second-level cache. 192 in place of 48 take 8 % off a step of ResNeXt-29 8x64d.
const BAND_SITES: usize = 12 * BLOCK;

/// A part of a grid's sites.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Band {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// A grid in bands of whole rows, or of a part of its row where it has one alone; a site reads `floats`.
fn bands(rows: usize, columns: usize, floats: usize) -> Vec<Band> {
    let sites = (BAND_FLOATS / floats).max(BAND_SITES);
    let (down, right) = if rows == 1 { (1, sites) } else { ((sites / columns).max(1), columns) };
    let part = |from: usize, step: usize, end: usize| from..end.min(from + step);
    let all = (0..rows).step_by(down).flat_map(|row| {
        (0..columns)
            .step_by(right)
            .map(move |column| Band { rows: part(row, down, rows), columns: part(column, right, columns) })
    });
    all.collect()
}

/// Images of a task in a linear layer.
const LINEAR_IMAGES: usize = 24;

/// Whether an image is a single pixel and the kernel a single tap, as in a linear layer: several images are then taken
/// as one whose row they are.
fn is_linear(s: &Sizes) -> bool {
    s.kernel == 1 && s.pixels() == 1 && s.out_pixels() == 1
}

/// Images that are worked on together.
fn images_of_task(s: &Sizes) -> usize {
    if is_linear(s) { LINEAR_IMAGES } else { 1 }
}
