//! What a contraction reads, vector by vector: from a buffer, or computed by a prologue at the point.

use super::super::value::{Values, place};
use super::super::writer::Writer;
use crate::kernel::{Axis, BufferId, Operand, Target, Value};

/// An operand in a kernel.
pub(super) enum Source<'m> {
    Stored { buffer: BufferId, pixels: usize },
    Computed { values: Values<'m>, result: Value },
}

impl<'m> Source<'m> {
    /// An operand whose planes have so many pixels; names of its values start with `letter`.
    pub(super) fn new(operand: &'m Operand, pixels: usize, letter: &'static str) -> Self {
        match operand {
            Operand::Stored(buffer) => Source::Stored { buffer: *buffer, pixels },
            Operand::Computed(map) => {
                let store = map.stores.iter().find(|s| s.target == Target::Tile);
                let result = store.expect("a prologue fills a tile").value;
                Source::Computed { values: Values::new(map, letter), result }
            }
        }
    }

    /// Quarters of the channels that are read, as an argument.
    pub(super) fn quarters(&self, w: &mut Writer<'_>) -> String {
        match self {
            Source::Stored { buffer, .. } => w.quarters(*buffer),
            Source::Computed { values, .. } => values.quarters(w),
        }
    }

    /// Computes what depends on channels alone for the quarter `cq`, to the end of the scope.
    pub(super) fn hoist(&mut self, w: &mut Writer<'_>) {
        if let Source::Computed { values, .. } = self {
            values.hoist(w, &[Axis::Batch, Axis::Pixels]);
        }
    }

    /// What is computed inside is forgotten after it.
    pub(super) fn scope(&mut self, inside: impl FnOnce(&mut Self)) {
        let known = match self {
            Source::Stored { .. } => None,
            Source::Computed { values, .. } => Some(values.known()),
        };
        inside(self);
        if let (Source::Computed { values, .. }, Some(known)) = (self, known) {
            values.set_known(known);
        }
    }

    /// The vector at image `n`, quarter `cq`, pixel `p`.
    pub(super) fn at_point(&mut self, w: &mut Writer<'_>) -> String {
        match self {
            Source::Stored { buffer, pixels } => {
                let quarters = w.quarters(*buffer);
                w.load(*buffer, &place("n", &quarters, "cq", *pixels, "p"))
            }
            Source::Computed { values, result } => {
                values.go_to_pixel(w);
                values.define(w, &[*result]);
                values.vector(*result)
            }
        }
    }

    /// Sets a variable to the vector at image `n`, quarter `cq`, row and column `row` and `column`, if that lies inside a
    /// plane of `height` times `width`.
    pub(super) fn inside(&mut self, w: &mut Writer<'_>, name: &str, [height, width]: [usize; 2]) {
        w.when(&format!("row < {height}u && column < {width}u"), |w| {
            self.scope(|source| {
                w.index("p", &format!("row * {width}u + column"));
                let found = source.at_point(w);
                w.assign(name, &found);
            });
        });
    }
}

/// Names row and column of x that the output pixel `q` of a plane `width` wide meets at tap (`tap_y`, `tap_x`). Numbers
/// without a sign wrap round: what lies before the first row is beyond the last.
pub(super) fn under_tap(w: &mut Writer<'_>, sizes: &crate::kernel::Sizes) {
    let crate::kernel::Sizes { out_width, stride, pad, dilation, .. } = *sizes;
    w.index("row", &format!("((q / {out_width}u) * {stride}u + tap_y * {dilation}u) - {pad}u"));
    w.index("column", &format!("((q % {out_width}u) * {stride}u + tap_x * {dilation}u) - {pad}u"));
}

/// Names row and column of y whose tap (`tap_y`, `tap_x`) lies on the pixel `q` of x; beyond the last where there is none.
pub(super) fn over_tap(w: &mut Writer<'_>, sizes: &crate::kernel::Sizes) {
    let crate::kernel::Sizes { width, stride, pad, dilation, .. } = *sizes;
    for (name, line, tap) in [("row", format!("q / {width}u"), "tap_y"), ("column", format!("q % {width}u"), "tap_x")] {
        let far = format!("{name}_far");
        w.index(&far, &format!("(({line}) + {pad}u) - {tap} * {dilation}u"));
        if stride == 1 {
            w.index(name, &far);
        } else {
            let value = w.choose(&format!("{far} % {stride}u == 0u"), &format!("{far} / {stride}u"), "4294967295u");
            w.index(name, &value);
        }
    }
}
