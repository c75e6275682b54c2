//! What a map does at every pixel of a plane, in the widest vectors of an x86-64 processor.
//!
//! Cranelift's vectors have 128 bits, a quarter of a block of channels. It makes the map's function all the same: gates,
//! addresses, and what the pixels of a plane share. Only the loop over the pixels is made here, as a [`Routine`] that this
//! function calls: a straight line of arithmetic ([`Pixels`]) that needs no more than vector instructions and a loop.
//! Operations are the same, in the same order, each rounded on its own: the bits are those of Cranelift's loop, which
//! stays in use where a map needs more (windows, exponentials) or the processor has less.

mod pixels;
mod registers;
mod words;
mod x86;

pub use pixels::{DRAWN, Draws, Operand, Pixels, Plane, Shared, Step};
pub use x86::Set;

use crate::kernel::{Axes, Map, Store, Value};

/// A loop over the pixels of a plane with its machine code.
#[derive(Clone, Debug, PartialEq)]
pub struct Routine {
    /// What it does.
    pub pixels: Pixels,
    /// Called as (addresses, lanes): the address of each of [`Pixels::planes`] and, where one is the tile, by how many
    /// bytes its rows are longer than the plane's; sixteen lanes of each of [`Pixels::shared`], behind them of each sum so
    /// far.
    pub code: Vec<u8>,
}

impl Routine {
    /// The loop of a map over features, whose values vary along `axes`: these stores at each pixel, these values summed.
    /// None where it is more than a straight line, or needs more registers than the set has.
    pub fn of(map: &Map, axes: &[Axes], stores: &[Store], sums: &[Value], set: Set) -> Option<Self> {
        let pixels = Pixels::of(map, axes, stores, sums)?;
        let code = x86::code(&pixels, set)?;
        Some(Routine { pixels, code })
    }
}
