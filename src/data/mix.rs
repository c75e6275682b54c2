//! `mixup` and `cutmix`: what is done to a whole training batch.
//!
//! All draws are of draw format 1, the counter's step being the epoch. Which of several kinds a batch gets is the word of
//! its number in `data.batch_augment`. lambda is made of the words from block 256 n on of `data.mixup.lambda`, n being the
//! batch's number; images are paired by the order of the words of their places in the epoch in `data.mixup.pair`; the box's
//! middle are the first two of the four words of block n in `data.cutmix.box`, row and column. `cutmix` takes
//! `data.cutmix.lambda` and `data.cutmix.pair`.

use super::batch::Batch;
use crate::net::Shape;
use crate::net::recipe::BatchAugment;
use crate::num::draw::{Stream, normal_pair};
use crate::num::float;

/// Blocks of words that a lambda may take; nobody ever sees the last.
const LAMBDA_BLOCKS: u32 = 256;

/// Where a batch stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub seed: u64,
    pub epoch: u32,
    /// The batch's number in the epoch, from 0.
    pub number: usize,
    /// The place of its first image in the epoch.
    pub first: usize,
}

/// Mixes a batch, where something is to be done.
pub(super) fn mix(kinds: &[BatchAugment], place: Place, shape: Shape, batch: &mut Batch) {
    let images = batch.labels.len();
    let word = Stream::of_path("data.batch_augment").word(place.seed, place.epoch, place.number as u64);
    let Some(kind) = kinds.get(((u64::from(word) * kinds.len() as u64) >> 32) as usize) else { return };
    match *kind {
        BatchAugment::Mixup { alpha } => {
            let lambda = beta(Stream::of_path("data.mixup.lambda"), place, alpha) as f32;
            let pair = pairs(Stream::of_path("data.mixup.pair"), place, images);
            for values in [&mut batch.images, &mut batch.targets] {
                blend(values, &pair, lambda);
            }
        }
        BatchAugment::Cutmix { alpha } => {
            let lambda = beta(Stream::of_path("data.cutmix.lambda"), place, alpha);
            let pair = pairs(Stream::of_path("data.cutmix.pair"), place, images);
            let [rows, columns] = cut_box(place, shape, lambda);
            let old = batch.images.clone();
            let elements = shape.elements();
            for (n, image) in batch.images.chunks_exact_mut(elements).enumerate() {
                let other = &old[pair[n] * elements..][..elements];
                for (plane, other) in image.chunks_exact_mut(shape.pixels()).zip(other.chunks_exact(shape.pixels())) {
                    for row in rows.clone() {
                        let span = row * shape.width + columns.start..row * shape.width + columns.end;
                        plane[span.clone()].copy_from_slice(&other[span]);
                    }
                }
            }
            let kept = 1.0 - (rows.len() * columns.len()) as f64 / shape.pixels() as f64;
            blend(&mut batch.targets, &pair, kept as f32);
        }
    }
}

/// Each row becomes lambda times itself and 1 - lambda times its pair's.
fn blend(values: &mut [f32], pair: &[usize], lambda: f32) {
    let (old, length) = (values.to_vec(), values.len() / pair.len());
    for (row, other) in values.chunks_exact_mut(length).zip(pair) {
        let other = &old[other * length..][..length];
        row.iter_mut().zip(other).for_each(|(a, b)| *a = lambda * *a + (1.0 - lambda) * b);
    }
}

/// A permutation of the batch.
fn pairs(stream: Stream, place: Place, images: usize) -> Vec<usize> {
    let word = |i: usize| stream.word(place.seed, place.epoch, (place.first + i) as u64);
    let mut keyed: Vec<(u32, usize)> = (0..images).map(|i| (word(i), i)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// Rows and columns of the box, whose area is 1 - lambda of the image's before it is cut at the borders.
fn cut_box(place: Place, shape: Shape, lambda: f64) -> [std::ops::Range<usize>; 2] {
    let words = Stream::of_path("data.cutmix.box").words(place.seed, place.epoch, place.number as u32);
    let share = (1.0 - lambda).sqrt();
    let span = |word: u32, side: usize| {
        let (middle, length) = ((u64::from(word) * side as u64) >> 32, (side as f64 * share) as usize);
        let first = middle as isize - (length / 2) as isize;
        first.max(0) as usize..((first + length as isize).clamp(0, side as isize)) as usize
    };
    [span(words[0], shape.height), span(words[1], shape.width)]
}

/// A draw from Beta(alpha, alpha): x / (x + y) of two draws from Gamma(alpha).
fn beta(stream: Stream, place: Place, alpha: f64) -> f64 {
    let first = (place.number as u32).wrapping_mul(LAMBDA_BLOCKS);
    let mut blocks = (first..).map(|block| stream.words(place.seed, place.epoch, block));
    let mut next = || gamma(alpha, &mut || blocks.next().expect("blocks never end"));
    let (x, y) = (next(), next());
    // Both are 0 where alpha is so small that the draw is one of the ends.
    if x + y > 0.0 { x / (x + y) } else { 0.0 }
}

/// A draw from Gamma(alpha) (Marsaglia and Tsang 2000; for alpha below 1 their section 6), four words an attempt.
fn gamma(alpha: f64, words: &mut impl FnMut() -> [u32; 4]) -> f64 {
    let unit = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    if alpha < 1.0 {
        let power = float::pow(unit(words()[0]), 1.0 / alpha);
        return gamma(alpha + 1.0, words) * power;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let [a, b, u, _] = words();
        let [x, _] = normal_pair(a, b);
        let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        if v > 0.0 && float::ln(unit(u)) < 0.5 * x * x + d - d * v + d * float::ln(v) {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, beta, pairs};
    use crate::num::draw::Stream;

    fn place(number: usize) -> Place {
        Place { seed: 3, epoch: 1, number, first: 8 * number }
    }

    /// Mean 1/2 and variance 1 / (4 (2 alpha + 1)), each within six standard errors.
    #[test]
    fn lambdas_are_of_the_beta_distribution() {
        for alpha in [0.2, 1.0, 3.0] {
            let count = 4000;
            let draws: Vec<f64> =
                (0..count).map(|n| beta(Stream::of_path("data.mixup.lambda"), place(n), alpha)).collect();
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
            let variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            let mean = draws.iter().sum::<f64>() / count as f64;
            let second = draws.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>() / count as f64;
            assert!((mean - 0.5).abs() < 6.0 * (variance / count as f64).sqrt(), "{alpha}: {mean}");
            // (x - 1/2)^2 lies in 0 to 1/4, so its deviation is at most 1/8.
            assert!((second - variance).abs() < 6.0 * 0.125 / (count as f64).sqrt(), "{alpha}: {second}");
        }
    }

    #[test]
    fn pairs_are_permutations_of_their_own_batch() {
        let of = |n| pairs(Stream::of_path("data.mixup.pair"), place(n), 8);
        assert_ne!(of(0), of(1));
        for n in 0..4 {
            let mut all = of(n);
            all.sort_unstable();
            assert!(all.into_iter().eq(0..8));
        }
    }
}
