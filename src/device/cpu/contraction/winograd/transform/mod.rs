//! Tiles to points and back.
//!
//! A tile of 4 x 4 results of a correlation is A^T [(G w G^T) ∘ (B^T d B)] A (Winograd 1980; Lavin and Gray 2016), d the
//! pixels that it reads; of stride 2 it is the sum of four such products, of odd and even pixels along both sides. Each
//! matrix is a [`Line`], applied along columns, then along rows; `one` has those of stride 1, `two` those of stride 2.
//!
//! One call works on as many channels as a vector has lanes; `pitch`es are floats between neighbours.

#![expect(clippy::needless_range_loop, reason = "round j of a loop fills column j of every row")]

mod one;
mod two;

use crate::device::cpu::simd::Vector;
use crate::kernel::BLOCK;

/// Results of a tile along a side.
pub(super) const TILE: usize = 4;
/// Taps along a side.
const TAPS: usize = 3;

/// The two algorithms, named by the strides of what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stride {
    One,
    Two,
}

/// What tiles are made of, or make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// x and y of stride 1, which are alike.
    One,
    /// x of stride 2.
    TwoX,
    /// y of stride 2.
    TwoY,
}

/// Which pixels of a tile are transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pixels {
    /// All that its results are made of, in frames with a border.
    Window,
    /// Its own, in frames of whole tiles.
    Own,
}

impl Stride {
    pub(super) fn x(self) -> Side {
        match self {
            Stride::One => Side::One,
            Stride::Two => Side::TwoX,
        }
    }

    pub(super) fn y(self) -> Side {
        match self {
            Stride::One => Side::One,
            Stride::Two => Side::TwoY,
        }
    }

    /// Points of a weight: those of x.
    pub(super) fn points(self) -> usize {
        self.x().points()
    }

    /// The point of y that a point of x belongs to.
    pub(super) fn point_of_y(self, x: usize) -> usize {
        let (of_x, of_y) = (self.x().line(), self.y().line());
        x / of_x % of_y * of_y + x % of_x % of_y
    }
}

impl Side {
    /// Points along a side of a tile.
    fn line(self) -> usize {
        match self {
            Side::One => one::POINTS,
            Side::TwoX => two::X_POINTS,
            Side::TwoY => two::Y_POINTS,
        }
    }

    /// Points of a tile.
    pub(super) fn points(self) -> usize {
        self.line() * self.line()
    }

    /// Pixels from tile to tile.
    pub(super) fn step(self) -> usize {
        match self {
            Side::One | Side::TwoY => TILE,
            Side::TwoX => 2 * TILE,
        }
    }

    /// Pixels of a window before those of its tile, and after them.
    pub(super) fn border(self) -> (usize, usize) {
        match self {
            Side::One => (1, 1),
            Side::TwoX => (1, 0),
            Side::TwoY => (0, 1),
        }
    }

    /// A tile's pixels, the first at `from`, to its points: point p goes to `to + p pitch`.
    ///
    /// # Safety
    /// The processor has the set; the pixels may be read, all points be written.
    #[inline(always)]
    pub(super) unsafe fn read<V: Vector>(
        self,
        pixels: Pixels,
        from: *const f32,
        row: usize,
        to: *mut f32,
        pitch: usize,
    ) {
        let (from, to) = ((from, row, BLOCK), (to, pitch));
        // SAFETY: as the caller promises.
        unsafe {
            match (self, pixels) {
                (Side::One, Pixels::Window) => to_points::<V, one::Window, _, _>(from, to),
                (Side::One, Pixels::Own) => to_points::<V, one::Own, _, _>(from, to),
                (Side::TwoX, Pixels::Window) => to_points::<V, two::XWindow, _, _>(from, to),
                (Side::TwoX, Pixels::Own) => to_points::<V, two::XOwn, _, _>(from, to),
                (Side::TwoY, Pixels::Window) => to_points::<V, two::YWindow, _, _>(from, to),
                (Side::TwoY, Pixels::Own) => to_points::<V, two::YOwn, _, _>(from, to),
            }
        }
    }

    /// A tile's points to its pixels.
    ///
    /// # Safety
    /// The processor has the set; all points may be read, the tile's pixels be written.
    #[inline(always)]
    pub(super) unsafe fn write<V: Vector>(self, from: *const f32, pitch: usize, to: *mut f32, row: usize) {
        let (from, to) = ((from, pitch), (to, row));
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Side::One => to_pixels::<V, one::Results, _, _>(from, to),
                Side::TwoX => to_pixels::<V, two::XResults, _, _>(from, to),
                Side::TwoY => to_pixels::<V, two::YResults, _, _>(from, to),
            }
        }
    }
}

impl Stride {
    /// 3 x 3 taps to their points; tap (i, j) lies at `from + (3 i + j) tap`.
    ///
    /// # Safety
    /// The processor has the set; the taps may be read, all points be written.
    #[inline(always)]
    pub(super) unsafe fn taps<V: Vector>(self, from: *const f32, tap: usize, to: *mut f32, pitch: usize) {
        let (from, to) = ((from, TAPS * tap, tap), (to, pitch));
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Stride::One => to_points::<V, one::Taps, _, _>(from, to),
                Stride::Two => to_points::<V, two::Taps, _, _>(from, to),
            }
        }
    }

    /// The gradient to points to that to the taps, turned by half a circle (see `weight`): tap (i, j) goes to
    /// `to + (8 - 3 i - j) tap`.
    ///
    /// # Safety
    /// The processor has the set; all points may be read, the taps be written.
    #[inline(always)]
    pub(super) unsafe fn gradient<V: Vector>(self, from: *const f32, pitch: usize, to: *mut f32, tap: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Stride::One => to_taps::<V, one::Gradient, _>((from, pitch), (to, tap)),
                Stride::Two => to_taps::<V, two::Gradient, _>((from, pitch), (to, tap)),
            }
        }
    }
}

/// A transform along one side of a tile.
trait Line<const FROM: usize, const TO: usize> {
    fn apply<V: Vector>(from: [V; FROM]) -> [V; TO];
}

/// Applies a line along columns, then along rows: what `load` says of (row, column) becomes what `store` is told.
#[inline(always)]
fn along_both<V: Vector, L: Line<FROM, TO>, const FROM: usize, const TO: usize>(
    load: impl Fn(usize, usize) -> V,
    store: impl Fn(usize, usize, V),
) {
    let mut columns = [[load(0, 0); FROM]; TO];
    for j in 0..FROM {
        let line = L::apply(std::array::from_fn(|i| load(i, j)));
        (0..TO).for_each(|i| columns[i][j] = line[i]);
    }
    for (i, row) in columns.into_iter().enumerate() {
        for (j, x) in L::apply(row).into_iter().enumerate() {
            store(i, j, x);
        }
    }
}

/// Pixels or taps at (start, from row to row, from column to column) to points.
///
/// # Safety
/// As for [`Side::read`].
#[inline(always)]
unsafe fn to_points<V: Vector, L: Line<FROM, TO>, const FROM: usize, const TO: usize>(
    (from, row, column): (*const f32, usize, usize),
    (to, pitch): (*mut f32, usize),
) {
    // SAFETY: as the caller promises.
    let load = |i: usize, j: usize| unsafe { V::load(from.add(i * row + j * column)) };
    // SAFETY: as the caller promises.
    let store = |i: usize, j: usize, point: V| unsafe { point.store(to.add((i * TO + j) * pitch)) };
    along_both::<V, L, FROM, TO>(load, store);
}

/// Points to pixels.
///
/// # Safety
/// As for [`Side::write`].
#[inline(always)]
unsafe fn to_pixels<V: Vector, L: Line<FROM, TO>, const FROM: usize, const TO: usize>(
    (from, pitch): (*const f32, usize),
    (to, row): (*mut f32, usize),
) {
    // SAFETY: as the caller promises.
    let load = |i: usize, j: usize| unsafe { V::load(from.add((i * FROM + j) * pitch)) };
    // SAFETY: as the caller promises.
    let store = |i: usize, j: usize, pixel: V| unsafe { pixel.store(to.add(i * row + j * BLOCK)) };
    along_both::<V, L, FROM, TO>(load, store);
}

/// Points to taps.
///
/// # Safety
/// As for [`Stride::gradient`].
#[inline(always)]
unsafe fn to_taps<V: Vector, L: Line<FROM, TAPS>, const FROM: usize>(
    (from, pitch): (*const f32, usize),
    (to, tap): (*mut f32, usize),
) {
    // SAFETY: as the caller promises.
    let load = |i: usize, j: usize| unsafe { V::load(from.add((i * FROM + j) * pitch)) };
    // SAFETY: as the caller promises.
    let store = |i: usize, j: usize, x: V| unsafe { x.store(to.add((TAPS * TAPS - 1 - i * TAPS - j) * tap)) };
    along_both::<V, L, FROM, TAPS>(load, store);
}
