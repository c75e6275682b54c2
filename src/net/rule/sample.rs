//! Draws as numbers: the value that a word gives, and the index that an element's draw has (draw format 1).

use super::{Distribution, Level};
use crate::net::Shape;
use crate::num::draw;

/// Channels are numbered in rows of this many, so that 16 lanes of a kernel are four whole calls of the generator.
const CHANNEL_ROW: u64 = 16;

impl Distribution {
    /// The value of a random word.
    pub fn sample(self, word: u32) -> f32 {
        match self {
            Distribution::Bernoulli { p } => draw::bernoulli(word, draw::bernoulli_threshold(p)),
            Distribution::Uniform { lo, hi } => draw::uniform(word, lo as f32, (hi - lo) as f32),
        }
    }
}

impl Level {
    /// The index of the draw for element (n, c, h, w) of images of `shape`: 0 a batch, n an image, n C16 + c a channel,
    /// ((n H + h) W + w) C16 + c a pixel, where C16 is C rounded up to 16.
    pub fn index(self, shape: Shape, n: usize, c: usize, h: usize, w: usize) -> u64 {
        let [n, c, h, w] = [n, c, h, w].map(|i| i as u64);
        let row = (shape.channels as u64).next_multiple_of(CHANNEL_ROW);
        match self {
            Level::Batch => 0,
            Level::Image => n,
            Level::Channel => n * row + c,
            Level::Pixel => ((n * shape.height as u64 + h) * shape.width as u64 + w) * row + c,
        }
    }

    /// The indices that a batch of `images` uses, rising.
    pub fn indices(self, shape: Shape, images: usize) -> impl Iterator<Item = u64> {
        let (n, c, h, w) = match self {
            Level::Batch => (1, 1, 1, 1),
            Level::Image => (images, 1, 1, 1),
            Level::Channel => (images, shape.channels, 1, 1),
            Level::Pixel => (images, shape.channels, shape.height, shape.width),
        };
        (0..n).flat_map(move |n| {
            (0..h).flat_map(move |h| (0..w).flat_map(move |w| (0..c).map(move |c| self.index(shape, n, c, h, w))))
        })
    }
}
