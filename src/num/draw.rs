//! Draw format 1: which word of which counter a random number is. Never changed without a new number.
//!
//! The key is the 64-bit seed, the counter `(index / 4, step, site low, site high)`; the four words of a call are the
//! indices `4k` to `4k + 3`. A step number is therefore all that a resume needs.

use super::{philox4x32, stable_hash};

/// The number of the format that this module implements; stands in checkpoints.
pub const DRAW_FORMAT: u32 = 1;

/// A stream of draws: a 64-bit hash of `PATH#DRAW` for a rule, of a weight's path, or of `data.NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream(pub u64);

impl Stream {
    /// The stream of draw number `draw` (in the order of the rule's text) of the rule at `path`.
    pub fn of_rule(path: &str, draw: usize) -> Self {
        Stream(stable_hash(&format!("{path}#{draw}")))
    }

    /// The stream of a weight's initial values, or of a step of the data (`data.NAME`).
    pub fn of_path(path: &str) -> Self {
        Stream(stable_hash(path))
    }

    /// The four words of indices `4 * block` to `4 * block + 3`.
    pub fn words(self, seed: u64, step: u32, block: u32) -> [u32; 4] {
        philox4x32([block, step, self.0 as u32, (self.0 >> 32) as u32], [seed as u32, (seed >> 32) as u32])
    }

    /// The word of one index.
    pub fn word(self, seed: u64, step: u32, index: u64) -> u32 {
        debug_assert!(index >> 34 == 0, "an index has 34 bits");
        self.words(seed, step, (index / 4) as u32)[(index % 4) as usize]
    }

    /// The words of indices 0, 1, 2, …
    pub fn all_words(self, seed: u64, step: u32) -> impl Iterator<Item = u32> {
        (0..=u32::MAX).flat_map(move |block| self.words(seed, step, block))
    }

    /// Standard normal draws for indices 0, 1, 2, …: those of 2k and 2k + 1 are the [`normal_pair`] of the words of 2k
    /// and 2k + 1.
    pub fn all_normals(self, seed: u64, step: u32) -> impl Iterator<Item = f64> {
        (0..=u32::MAX).flat_map(move |block| {
            let [a, b, c, d] = self.words(seed, step, block);
            normal_pair(a, b).into_iter().chain(normal_pair(c, d))
        })
    }
}

/// `Bernoulli(p)` is 1 where the word lies below this; 0 and 1 are exact. `p` lies in [0, 1].
pub fn bernoulli_threshold(p: f64) -> u64 {
    (p * 4_294_967_296.0) as u64
}

/// How often a word lies below a threshold.
pub fn bernoulli_probability(threshold: u64) -> f64 {
    threshold as f64 / 4_294_967_296.0
}

/// A Bernoulli draw as 0 or 1.
pub fn bernoulli(word: u32, threshold: u64) -> f32 {
    if u64::from(word) < threshold { 1.0 } else { 0.0 }
}

/// A uniform draw in [lo, lo + width): the top 24 bits times 2^-24, then `lo + width * u` without a fused multiply-add.
pub fn uniform(word: u32, lo: f32, width: f32) -> f32 {
    let unit = (word >> 8) as f32 * (1.0 / 16_777_216.0);
    lo + width * unit
}

/// Two independent standard normal draws from two words (Box and Muller 1958).
pub fn normal_pair(a: u32, b: u32) -> [f64; 2] {
    // The first word is moved off 0, so that the logarithm is finite.
    let radius = (-2.0 * libm::log((f64::from(a) + 1.0) / 4_294_967_296.0)).sqrt();
    let angle = 2.0 * std::f64::consts::PI * f64::from(b) / 4_294_967_296.0;
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}
