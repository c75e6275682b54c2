//! Scaling a part of an image to another size: each new pixel is a mean of the old ones around its place, weighted by a
//! triangle that is as wide as a new pixel, or as an old one where that is wider. First along rows, then along columns.

use crate::net::Shape;

/// An image as a decoder leaves it: rows of pixels, the channels of each side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Raster {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    pub bytes: Vec<u8>,
}

impl Raster {
    /// An image whose channels are stored one after the other.
    pub(super) fn of_planes(planes: &[u8], shape: Shape) -> Self {
        let Shape { channels, height, width } = shape;
        let pixels = shape.pixels();
        let bytes = (0..pixels).flat_map(|i| (0..channels).map(move |c| planes[c * pixels + i])).collect();
        Raster { width, height, channels, bytes }
    }
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub top: f64,
    pub left: f64,
    pub height: f64,
    pub width: f64,
}

/// Which old pixels make a new one: the first, and the weight of each.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// The taps of `new` pixels that cover `length` old ones from `from` on, of `all` old ones.
fn taps(from: f64, length: f64, all: usize, new: usize) -> Vec<Taps> {
    let scale = length / new as f64;
    let reach = scale.max(1.0);
    let of = |i: usize| {
        let centre = from + (i as f64 + 0.5) * scale;
        let first = (centre - reach).floor().max(0.0) as usize;
        let end = ((centre + reach).ceil() as usize).clamp(first + 1, all.max(first + 1)).min(all);
        let first = first.min(end - 1);
        let weight = |x: usize| (1.0 - ((x as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let raw: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = raw.iter().sum();
        Taps { first, weights: raw.iter().map(|w| (w / sum) as f32).collect() }
    };
    (0..new).map(of).collect()
}

/// Fills `out`, channels x height x width, with the part of the image, in bytes' numbers.
pub(super) fn resample(image: &Raster, part: Part, [height, width]: [usize; 2], out: &mut [f32]) {
    let Raster { channels, .. } = *image;
    let columns = taps(part.left, part.width, image.width, width);
    let rows = taps(part.top, part.height, image.height, height);
    let used = rows.iter().map(|t| t.first).min().unwrap_or(0)
        ..rows.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0);
    // Row by row of the old image, new columns, channels side by side.
    let mut narrow = vec![0.0f32; used.len() * width * channels];
    for (row, y) in narrow.chunks_exact_mut(width * channels).zip(used.clone()) {
        let old = &image.bytes[y * image.width * channels..][..image.width * channels];
        for (pixel, tap) in row.chunks_exact_mut(channels).zip(&columns) {
            for (i, weight) in tap.weights.iter().enumerate() {
                let old = &old[(tap.first + i) * channels..][..channels];
                pixel.iter_mut().zip(old).for_each(|(sum, byte)| *sum += weight * f32::from(*byte));
            }
        }
    }
    for (y, tap) in rows.iter().enumerate() {
        for c in 0..channels {
            let row = &mut out[(c * height + y) * width..][..width];
            row.fill(0.0);
            for (i, weight) in tap.weights.iter().enumerate() {
                let old = &narrow[(tap.first - used.start + i) * width * channels..][..width * channels];
                row.iter_mut().enumerate().for_each(|(x, sum)| *sum += weight * old[x * channels + c]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Raster, resample};

    fn scaled(bytes: &[u8], width: usize, part: Part, size: [usize; 2]) -> Vec<f32> {
        let image = Raster { width, height: bytes.len() / width, channels: 1, bytes: bytes.to_vec() };
        let mut out = vec![0.0; size[0] * size[1]];
        resample(&image, part, size, &mut out);
        out
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let bytes = [0, 10, 20, 255, 7, 3];
        let part = Part { top: 0.0, left: 0.0, height: 2.0, width: 3.0 };
        assert_eq!(scaled(&bytes, 3, part, [2, 3]), bytes.map(f32::from));
        let part = Part { top: 1.0, left: 1.0, height: 1.0, width: 2.0 };
        assert_eq!(scaled(&bytes, 3, part, [1, 2]), [7.0, 3.0]);
    }

    /// Half the size: a triangle over two old pixels to each side of the centre, 1/8, 3/8, 3/8, 1/8 where all are there.
    #[test]
    fn halving_weighs_four_pixels() {
        let bytes = [8, 16, 24, 32, 40, 48];
        let part = Part { top: 0.0, left: 0.0, height: 1.0, width: 6.0 };
        let out = scaled(&bytes, 6, part, [1, 3]);
        assert!((out[1] - 28.0).abs() < 1e-4, "{out:?}");
        assert!((out[0] - (3.0 * 8.0 + 3.0 * 16.0 + 24.0) / 7.0).abs() < 1e-4, "{out:?}");
    }

    #[test]
    fn one_colour_stays_itself() {
        for (size, part) in [
            ([5, 9], Part { top: 0.3, left: 1.7, height: 3.1, width: 2.2 }),
            ([1, 1], Part { top: 0.0, left: 0.0, height: 4.0, width: 4.0 }),
        ] {
            let out = scaled(&[77; 16], 4, part, size);
            assert!(out.iter().all(|v| (v - 77.0).abs() < 1e-3), "{out:?}");
        }
    }
}
