//! Reads of other points of a plane, tap by tap, rows first.

use super::value::{Values, place};
use super::writer::{Type, Writer};
use crate::kernel::{BufferId, Domain, Gather};
use crate::net::Window;

/// The lowest number of a maximum: the padding never wins.
const LOWEST: &str = "-3.4028234663852886e38f";

impl Values<'_> {
    /// Computes what a gather gives at the current point into a variable. `source` is the height and width of the buffer.
    pub(super) fn gather(
        &self,
        w: &mut Writer<'_>,
        name: &str,
        buffer: BufferId,
        source: (usize, usize),
        gather: &Gather,
    ) {
        let zero = "splat(0.0f)";
        let start = if matches!(gather, Gather::WindowMax(_)) { format!("splat({LOWEST})") } else { zero.to_owned() };
        w.variable(Type::F4, name, &start);
        let quarters = self.quarters(w);
        let read = |w: &mut Writer<'_>| {
            let place = place("n", &quarters, "cq", source.0 * source.1, &format!("(row * {}u + column)", source.1));
            w.load(buffer, &place)
        };
        let inside = format!("row < {}u && column < {}u", source.0, source.1);
        let add = |w: &mut Writer<'_>| {
            let found = read(w);
            w.assign(name, &format!("{name} + {found}"));
        };
        match *gather {
            Gather::Shift { down, right } => w.block("{", |w| {
                // Numbers without a sign wrap round: what lies before the first row is beyond the last.
                w.index("row", &format!("h - {}u", down as i32 as u32));
                w.index("column", &format!("w - {}u", right as i32 as u32));
                w.when(&inside, |w| add(w));
            }),
            Gather::Subsample { stride } => w.block("{", |w| {
                w.index("row", &format!("h * {stride}u"));
                w.index("column", &format!("w * {stride}u"));
                add(w);
            }),
            Gather::Spread { stride } => {
                back(w, Window { kernel: 1, stride, pad: 0 }, source, |w| add(w));
            }
            Gather::WindowSum(window) => front(w, window, &inside, |w| add(w)),
            Gather::WindowMax(window) => front(w, window, &inside, |w| {
                let found = read(w);
                w.assign(name, &format!("larger_v({name}, {found})"));
            }),
            Gather::WindowSumBack(window) => back(w, window, source, |w| add(w)),
            Gather::WindowMaxBack { window, x } => back(w, window, source, |w| {
                let gradient = read(w);
                self.largest_of_window(w, window, x);
                w.assign(name, &format!("{name} + pick_v(wins, {gradient}, splat(0.0f))"));
            }),
        }
    }

    /// Computes `wins`: 1 in the lanes in which this pixel of x is the first largest element of the window of which it is
    /// the tap (i, j).
    fn largest_of_window(&self, w: &mut Writer<'_>, window: Window, x: BufferId) {
        let Domain::Feature { height, width, .. } = self.map.domain else {
            unreachable!("a gather stands in a map over features")
        };
        let kernel = window.kernel;
        let here = w.load(x, "at");
        w.constant(Type::F4, "here", &here);
        w.variable(Type::F4, "wins", "splat(1.0f)");
        w.count(["k", "0u", &format!("{}u", kernel * kernel), "1u"], |w| {
            w.index("other_row", &format!("(h + k / {kernel}u) - i"));
            w.index("other_column", &format!("(w + k % {kernel}u) - j"));
            let differs = format!("k != i * {kernel}u + j");
            w.when(&format!("{differs} && other_row < {height}u && other_column < {width}u"), |w| {
                let quarters = self.quarters(w);
                let pixel = format!("(other_row * {width}u + other_column)");
                let other = w.load(x, &place("n", &quarters, "cq", height * width, &pixel));
                w.constant(Type::F4, "other", &other);
                // An earlier element must be smaller, a later one may be equal.
                w.when(&format!("k < i * {kernel}u + j"), |w| {
                    w.assign("wins", "pick_v(here - other, wins, splat(0.0f))");
                });
                w.when(&format!("k > i * {kernel}u + j"), |w| {
                    w.assign("wins", "pick_v(other - here, splat(0.0f), wins)");
                });
            });
        });
    }
}

/// Every place (i, j) in a window.
fn places(w: &mut Writer<'_>, kernel: usize, each: impl Fn(&mut Writer<'_>)) {
    let side = format!("{kernel}u");
    w.count(["i", "0u", &side, "1u"], |w| w.count(["j", "0u", &side, "1u"], |w| each(w)));
}

/// The elements of the window at (h, w), where they exist.
fn front(w: &mut Writer<'_>, Window { kernel, stride, pad }: Window, inside: &str, each: impl Fn(&mut Writer<'_>)) {
    places(w, kernel, |w| {
        w.index("row", &format!("(h * {stride}u + i) - {pad}u"));
        w.index("column", &format!("(w * {stride}u + j) - {pad}u"));
        w.when(inside, |w| each(w));
    });
}

/// The windows, of rows times columns as `counts` says, that hold (h, w): those with row s + i - p = h.
fn back(w: &mut Writer<'_>, window: Window, counts: (usize, usize), each: impl Fn(&mut Writer<'_>)) {
    let Window { kernel, stride, pad } = window;
    places(w, kernel, |w| {
        w.index("below", &format!("(h + {pad}u) - i"));
        w.index("right", &format!("(w + {pad}u) - j"));
        w.index("row", &format!("below / {stride}u"));
        w.index("column", &format!("right / {stride}u"));
        let divides = format!("below % {stride}u == 0u && right % {stride}u == 0u");
        w.when(&format!("{divides} && row < {}u && column < {}u", counts.0, counts.1), |w| each(w));
    });
}
