//! Painting with smooth edges: tiny-skia behind plotters' interface, letters as the outlines of a font.

use std::convert::Infallible;

use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
};
use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// A picture that is being painted.
pub(super) struct Raster<'a> {
    pixels: &'a mut Pixmap,
    /// Units of the layout a pixel.
    units: f32,
    font: Face<'a>,
}

type Painted = Result<(), DrawingErrorKind<Infallible>>;

/// The PNG file of a picture of so many pixels, each of so many units of the layout; `font` is a whole font file.
pub(super) fn painted([width, height]: [u32; 2], units: u32, font: &[u8], paint: impl FnOnce(Raster<'_>)) -> Vec<u8> {
    let mut pixels = Pixmap::new(width, height).expect("a picture has pixels");
    let font = Face::parse(font, 0).expect("the font in the binary is whole");
    paint(Raster { pixels: &mut pixels, units: units as f32, font });
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Everything stands on a ground that lets nothing through.
    let rgb: Vec<u8> = pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rgb));
    written.expect("writing to memory does not fail");
    bytes
}

impl Raster<'_> {
    fn scaled(&self) -> Transform {
        Transform::from_scale(1.0 / self.units, 1.0 / self.units)
    }

    fn fill(&mut self, path: Option<Path>, colour: BackendColor) -> Painted {
        if let Some(path) = path {
            let transform = self.scaled();
            self.pixels.fill_path(&path, &paint(colour), FillRule::Winding, transform, None);
        }
        Ok(())
    }

    fn stroke<S: BackendStyle>(&mut self, path: Option<Path>, style: &S) -> Painted {
        if let Some(path) = path {
            let stroke = Stroke {
                width: style.stroke_width() as f32,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            let transform = self.scaled();
            self.pixels.stroke_path(&path, &paint(style.color()), &stroke, transform, None);
        }
        Ok(())
    }
}

fn paint(colour: BackendColor) -> Paint<'static> {
    let mut paint = Paint::default();
    let (r, g, b) = colour.rgb;
    paint.set_color_rgba8(r, g, b, (255.0 * colour.alpha).round() as u8);
    paint
}

/// The path through some points.
fn through(points: impl IntoIterator<Item = BackendCoord>, closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (number, (x, y)) in points.into_iter().enumerate() {
        if number == 0 { path.move_to(x as f32, y as f32) } else { path.line_to(x as f32, y as f32) }
    }
    if closed {
        path.close();
    }
    path.finish()
}

impl DrawingBackend for Raster<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let units = self.units as u32;
        (self.pixels.width() * units, self.pixels.height() * units)
    }

    fn ensure_prepared(&mut self) -> Painted {
        Ok(())
    }

    fn present(&mut self) -> Painted {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Painted {
        self.fill(through([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)], true), colour)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Painted {
        self.stroke(through([from, to], false), style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Painted {
        let path = through([a, (b.0, a.1), b, (a.0, b.1)], true);
        if fill { self.fill(path, style.color()) } else { self.stroke(path, style) }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Painted {
        self.stroke(through(path, false), style)
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, radius: u32, style: &S, fill: bool) -> Painted {
        let circle = PathBuilder::from_circle(x as f32, y as f32, radius as f32);
        if fill { self.fill(circle, style.color()) } else { self.stroke(circle, style) }
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Painted {
        self.fill(through(path, true), style.color())
    }

    /// Letters side by side, the middle of a capital's height, or its top or foot, where the style says.
    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Painted {
        let letters: Vec<GlyphId> = text.chars().map(|c| self.font.glyph_index(c).unwrap_or_default()).collect();
        // plotters counts a size from the lowest to the highest letter's end, and SVG is written with this share of it.
        let scale = style.size() as f32 / 1.24 / f32::from(self.font.units_per_em());
        let advance = |letter: GlyphId| f32::from(self.font.glyph_hor_advance(letter).unwrap_or(0)) * scale;
        let width: f32 = letters.iter().map(|letter| advance(*letter)).sum();
        let height = f32::from(self.font.capital_height().unwrap_or(self.font.ascender())) * scale;
        let mut left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let foot = match style.anchor().v_pos {
            VPos::Top => height,
            VPos::Center => height / 2.0,
            VPos::Bottom => 0.0,
        };
        let turn = match style.transform() {
            FontTransform::None => 0.0,
            FontTransform::Rotate90 => 90.0,
            FontTransform::Rotate180 => 180.0,
            FontTransform::Rotate270 => 270.0,
        };
        let place = Transform::from_translate(x as f32, y as f32).pre_rotate(turn);
        for letter in letters {
            let mut outline = Outline(PathBuilder::new());
            if self.font.outline_glyph(letter, &mut outline).is_some() {
                let here = place.pre_translate(left, foot).pre_scale(scale, -scale);
                let path = outline.0.finish().and_then(|path| path.transform(here));
                self.fill(path, style.color())?;
            }
            left += f32::from(self.font.glyph_hor_advance(letter).unwrap_or(0)) * scale;
        }
        Ok(())
    }
}

/// A letter's outline on its way from the font to the painter.
struct Outline(PathBuilder);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
