//! Speed by shape, so that a cliff is seen: for each batch a table of widths and sizes, GFLOP/s of the 3x3 convolution in
//! its three passes, each beside its ratio to the mean of its neighbours in the table; the lowest ratios last.

use std::io::Write as _;

use sdc::kernel::{Kernel, Pass};

use super::{Ready, is_convolution};

const WIDTHS: [usize; 18] = [16, 17, 24, 32, 33, 48, 63, 64, 65, 80, 96, 127, 128, 160, 192, 200, 255, 256];
const SIZES: [usize; 9] = [4, 7, 8, 14, 16, 28, 32, 33, 56];
const BATCHES: [usize; 4] = [1, 8, 32, 128];
/// Multiply-adds of a pass beyond which a shape is left out.
const MOST: u64 = 40_000_000_000;
/// The fastest of so many steps counts.
const STEPS: usize = 4;
/// A ratio below this is listed.
const LOW: f64 = 0.7;

/// Gradients of one pass that makes both count as one to the input, with the work of both.
const PASSES: [&str; 3] = ["forward", "to input", "to weight"];

pub(super) fn run() {
    let mut low: Vec<(f64, String)> = Vec::new();
    for batch in BATCHES {
        let fits = |width: usize, size: usize| (9 * width * width * size * size * batch) as u64 <= MOST;
        let row = |width: usize| SIZES.map(|size| fits(width, size).then(|| speeds(width, size, batch)));
        let speeds: Vec<[Option<[f64; 3]>; SIZES.len()]> = WIDTHS
            .iter()
            .map(|width| {
                let row = row(*width);
                eprintln!("batch {batch}, {width} channels");
                row
            })
            .collect();
        for (pass, name) in PASSES.into_iter().enumerate() {
            let at = |w: usize, s: usize| speeds.get(w)?.get(s).copied().flatten().map(|speeds| speeds[pass]);
            let mut text =
                format!("\n{name}, batch {batch}: GFLOP/s, and the ratio to the neighbours' mean\n{:>8}", "");
            SIZES.iter().for_each(|size| text += &format!("{:>14}", format!("{size}x{size}")));
            for (w, width) in WIDTHS.iter().enumerate() {
                text += &format!("\n{:>8}", format!("C{width}"));
                for (s, size) in SIZES.iter().enumerate() {
                    let Some(speed) = at(w, s) else {
                        text += &format!("{:>14}", "");
                        continue;
                    };
                    let around = [(w.wrapping_sub(1), s), (w + 1, s), (w, s.wrapping_sub(1)), (w, s + 1)];
                    let near: Vec<f64> = around.into_iter().filter_map(|(w, s)| at(w, s)).collect();
                    let ratio = speed * near.len() as f64 / near.iter().sum::<f64>();
                    text += &format!("{speed:>9.0} {ratio:.2}");
                    if ratio < LOW {
                        low.push((ratio, format!("{name} of C{width} {size}x{size}, batch {batch}: {speed:.0}")));
                    }
                }
            }
            print(&text);
        }
    }
    low.sort_by(|a, b| a.0.total_cmp(&b.0));
    print(&format!("\n{} shapes below {LOW} of their neighbours", low.len()));
    low.into_iter().for_each(|(ratio, what)| print(&format!("{ratio:.2} {what}")));
}

/// A reader that has had enough is no failure.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// GFLOP/s of the passes; where the engine makes both gradients in one, both have its speed.
fn speeds(width: usize, size: usize, batch: usize) -> [f64; 3] {
    let mut ready = Ready::new((width, size, 1, 1), batch);
    let which: [fn(&Kernel) -> bool; 3] = [
        |kernel| is_convolution(kernel, |pass| matches!(pass, Pass::Forward { .. })),
        |kernel| is_convolution(kernel, |pass| matches!(pass, Pass::ToInput { .. })),
        |kernel| is_convolution(kernel, |pass| matches!(pass, Pass::ToWeight { .. })),
    ];
    let [forward, to_input, to_weight] = which.map(|which| ready.chosen(which));
    let number = to_input.0.iter().position(|chosen| *chosen).expect("the gradient to the input is some kernel");
    let joined = ready.engine.pass(number).len() > 1;
    ready.time(1, &forward.0);
    let mut speed = |chosen: &[bool], flops: u64| {
        let fastest = (0..STEPS).map(|_| ready.time(1, chosen)).min().expect("there are steps");
        flops as f64 / fastest.as_secs_f64() / 1e9
    };
    let first = speed(&forward.0, forward.1.flops);
    if joined {
        let both = speed(&to_input.0, to_input.1.flops + to_weight.1.flops);
        return [first, both, both];
    }
    [first, speed(&to_input.0, to_input.1.flops), speed(&to_weight.0, to_weight.1.flops)]
}
