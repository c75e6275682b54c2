//! The curves of several runs in one picture: loss on the left, accuracy on the right, a colour a run.
//!
//! plotters lays the picture out, in whole numbers, so a pixel counts as several of them. [`svg`] leaves the text to
//! whoever shows it; [`png()`] paints it with the font inside the binary, so both need nothing of the system.
//! Absences: files, the command line.

mod raster;

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use self::raster::painted;
use crate::train::{EpochMetrics, Metrics};

/// A run with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is called in the picture.
    pub name: String,
    /// Its epochs; there is one at least.
    pub metrics: Metrics,
}

/// Units a pixel.
const UNITS: u32 = 8;
const WIDTH: u32 = 1080;
/// Of the two panels with their axes.
const PANELS: u32 = 400;
/// Of a run's line in the legend.
const LINE: u32 = 24;
/// Around everything.
const MARGIN: u32 = 16;
/// Pixels of a painted picture a pixel of the layout.
const DENSITY: u32 = 2;

/// Letters of Latin languages of Roboto Regular (Google, Apache License 2.0), without what only screens of few pixels
/// need.
const FONT: &[u8] = include_bytes!("roboto.ttf");
const FAMILY: &str = "sans-serif";

/// Colours that people with any sight can tell apart (Okabe and Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(64, 64, 64),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(228, 228, 228);

/// A line of a run in a panel.
struct Line {
    stroke: Stroke,
    of: fn(&EpochMetrics) -> Option<f64>,
}

#[derive(Clone, Copy)]
enum Stroke {
    Solid,
    /// Pixels of line and of gap.
    Dashed(u32, u32),
}

/// One of the two parts of the picture.
struct Panel {
    title: &'static str,
    lines: [Line; 2],
    label: fn(f64) -> String,
    /// What is shown above and below the curves at least.
    room: f64,
}

const LOSS: Panel = Panel {
    title: "loss: test solid, train dashed",
    lines: [
        Line { stroke: Stroke::Dashed(5, 4), of: |m| Some(m.train_loss) },
        Line { stroke: Stroke::Solid, of: |m| Some(m.test_loss) },
    ],
    label: short,
    room: 0.02,
};

const ACCURACY: Panel = Panel {
    title: "accuracy: test",
    lines: [
        Line { stroke: Stroke::Dashed(1, 3), of: |m| m.validation_accuracy.map(|a| 100.0 * a) },
        Line { stroke: Stroke::Solid, of: |m| Some(100.0 * m.test_accuracy) },
    ],
    label: |y| format!("{} %", short(y)),
    room: 1.0,
};

const ACCURACY_HELD: Panel = Panel { title: "accuracy: test solid, validation dotted", ..ACCURACY };

/// The picture as SVG.
pub fn svg(curves: &[Curve]) -> String {
    let (width, height) = size(curves);
    let mut text = String::new();
    let backend = SVGBackend::with_string(&mut text, (width * UNITS, height * UNITS));
    draw(backend, curves).expect("writing to memory does not fail");
    // The picture has its size in pixels, and its view box in units.
    let units = format!("width=\"{}\" height=\"{}\"", width * UNITS, height * UNITS);
    text.replacen(&units, &format!("width=\"{width}\" height=\"{height}\""), 1)
}

/// The picture as PNG, twice as many pixels a side.
pub fn png(curves: &[Curve]) -> Vec<u8> {
    let (width, height) = size(curves);
    painted([width * DENSITY, height * DENSITY], UNITS / DENSITY, FONT, |raster| {
        draw(raster, curves).expect("painting in memory does not fail");
    })
}

fn size(curves: &[Curve]) -> (u32, u32) {
    (WIDTH, PANELS + LINE * curves.len() as u32 + 2 * MARGIN)
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn draw<B: DrawingBackend>(backend: B, curves: &[Curve]) -> Drawn<B> {
    static FONT_KNOWN: Once = Once::new();
    FONT_KNOWN.call_once(|| drop(register_font(FAMILY, FontStyle::Normal, FONT)));
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let inner = root.margin(MARGIN * UNITS, MARGIN * UNITS, MARGIN * UNITS, MARGIN * UNITS);
    let (above, legend) = inner.split_vertically(PANELS * UNITS);
    let (left, right) = above.split_horizontally((WIDTH / 2 - MARGIN) * UNITS);
    let held = curves.iter().flat_map(|c| &c.metrics.0).any(|m| m.validation_accuracy.is_some());
    panel(&left, &LOSS, curves)?;
    panel(&right, if held { &ACCURACY_HELD } else { &ACCURACY }, curves)?;
    for (number, curve) in curves.iter().enumerate() {
        line_of_legend(&legend, number, curve)?;
    }
    root.present()
}

fn panel<B: DrawingBackend>(area: &DrawingArea<B, Shift>, panel: &Panel, curves: &[Curve]) -> Drawn<B> {
    let values = |curve: &Curve, line: &Line| -> Vec<(f64, f64)> {
        let point = |m: &EpochMetrics| Some((m.epoch as f64, (line.of)(m).filter(|y| y.is_finite())?));
        curve.metrics.0.iter().filter_map(point).collect()
    };
    let all = || curves.iter().flat_map(|curve| panel.lines.iter().flat_map(move |line| values(curve, line)));
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), (_, y)| (lo.min(y), hi.max(y)));
    let last = all().map(|(epoch, _)| epoch).fold(1.0, f64::max);
    let room = ((high - low) * 0.05).max(panel.room);
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, text(15, INK))
        .margin_right(12 * UNITS)
        .x_label_area_size(40 * UNITS)
        .y_label_area_size(58 * UNITS)
        .build_cartesian_2d(1.0..last.max(2.0), (low - room).max(0.0)..high + room)?;
    chart
        .configure_mesh()
        .axis_style(ShapeStyle::from(&FAINT).stroke_width(UNITS))
        .bold_line_style(ShapeStyle::from(&GRID).stroke_width(UNITS))
        .light_line_style(TRANSPARENT)
        .set_all_tick_mark_size(4 * UNITS)
        .label_style(text(12, FAINT))
        .axis_desc_style(text(13, FAINT))
        .x_desc("epoch")
        .x_labels(if last < 8.0 { last.max(2.0) as usize } else { 8 })
        .x_label_formatter(&|x| if x.fract() == 0.0 { format!("{x}") } else { String::new() })
        .y_labels(8)
        .y_label_formatter(&|y| (panel.label)(*y))
        .draw()?;
    for (number, curve) in curves.iter().enumerate() {
        for line in &panel.lines {
            let (points, style) = (values(curve, line), colour(number).stroke_width(2 * UNITS - UNITS / 4));
            // A line needs two ends.
            if let [only] = points[..] {
                chart.draw_series([Circle::new(only, 3 * UNITS, style.filled())])?;
            }
            match line.stroke {
                Stroke::Solid => {
                    chart.draw_series(LineSeries::new(points, style))?;
                }
                Stroke::Dashed(length, gap) => {
                    let (length, gap) = (length * UNITS, gap * UNITS);
                    chart.draw_series(DashedLineSeries::new(points, length, gap, style))?;
                }
            }
        }
    }
    Ok(())
}

/// A run's colour, name and best epoch.
fn line_of_legend<B: DrawingBackend>(area: &DrawingArea<B, Shift>, number: usize, curve: &Curve) -> Drawn<B> {
    let unit = UNITS as i32;
    let y = (LINE as i32 * number as i32 + 14) * unit;
    let at = |x: i32| (x * unit, y);
    let style = colour(number).stroke_width(3 * UNITS);
    area.draw(&PathElement::new([at(58), at(84)], style))?;
    let middle = Pos::new(HPos::Left, VPos::Center);
    area.draw(&Text::new(curve.name.clone(), at(94), text(13, INK).pos(middle)))?;
    let (Some(best), Some(last)) = (curve.metrics.best(), curve.metrics.last()) else { return Ok(()) };
    let figures = format!(
        "test accuracy {:.2} % best (epoch {}), {:.2} % last (epoch {})",
        100.0 * best.test_accuracy,
        best.epoch,
        100.0 * last.test_accuracy,
        last.epoch
    );
    area.draw(&Text::new(figures, at((WIDTH / 2 - MARGIN) as i32 + 58), text(13, FAINT).pos(middle)))
}

fn colour(number: usize) -> ShapeStyle {
    ShapeStyle::from(&COLOURS[number % COLOURS.len()])
}

fn text(pixels: u32, colour: RGBColor) -> TextStyle<'static> {
    (FAMILY, pixels * UNITS).into_font().color(&colour)
}

/// Up to four digits behind the point, without zeros at the end.
fn short(y: f64) -> String {
    let text = format!("{y:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
