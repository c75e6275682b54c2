//! Augmentation of images and batches: what each step does, and that its draws are the image's own.

use std::time::Instant;

use sdc::data::{Batch, Feed, Images, Pass, Pixels, Scale, load};
use sdc::net::recipe::{Augment, BatchAugment, Data, DataSet, Fill, Loss, Optimizer};
use sdc::net::{Recipe, Shape};
use sdc::num::draw::Stream;

use crate::support::processor_time;

const SEED: u64 = 5;

fn data(augment: Vec<Augment>, batch_augment: Vec<BatchAugment>) -> Data {
    Data { augment, batch_augment, shuffle: false, ..Data::plain(DataSet::Digits) }
}

/// `count` images of 2 channels of 6 x 8 pixels, each other bytes, normalised to half of themselves.
fn images(count: usize) -> Images {
    let shape = Shape::new(2, 6, 8);
    Images {
        shape,
        classes: 3,
        pixels: Pixels::Held((0..count * shape.elements()).map(|i| (1 + i * 7 % 250) as u8).collect()),
        labels: (0..count).map(|i| (i % 3) as u32).collect(),
        scale: vec![Scale { mean: 0.0, deviation: 2.0 }; 2],
    }
}

fn batch(images: &Images, data: &Data, epoch: u32, number: usize) -> Batch {
    let mut batch = Batch::default();
    Pass::training(images, data, 4, SEED, epoch).fill(number, &mut batch).expect("images in memory");
    batch
}

/// The first image of an epoch under some steps.
fn augmented(augment: &[Augment], epoch: u32) -> Vec<f32> {
    let images = images(4);
    batch(&images, &data(augment.to_vec(), vec![]), epoch, 0).images[..96].to_vec()
}

fn plain() -> Vec<f32> {
    augmented(&[], 1)
}

fn words(stream: &str, epoch: u32) -> [f64; 4] {
    Stream::of_path(stream).words(SEED, epoch, 0).map(|word| f64::from(word) / 4_294_967_296.0)
}

#[test]
fn a_mirrored_padding_shows_the_image_again() {
    let (old, pad) = (plain(), 3);
    let mirror = |at: isize, length: isize| {
        let at = at.abs();
        (if at >= length { 2 * (length - 1) - at } else { at }) as usize
    };
    for epoch in 1..=60 {
        let new = augmented(&[Augment::PadCrop { pad, fill: Fill::Reflect }], epoch);
        let word = Stream::of_path("data.pad_crop").word(SEED, epoch, 0);
        let place = ((u64::from(word) * 49) >> 32) as isize;
        let (down, right) = (place / 7 - 3, place % 7 - 3);
        for (i, pixel) in new.iter().enumerate() {
            let (c, h, w) = (i / 48, (i % 48 / 8) as isize, (i % 8) as isize);
            assert_eq!(*pixel, old[c * 48 + mirror(h + down, 6) * 8 + mirror(w + right, 8)], "epoch {epoch}");
        }
    }
}

#[test]
fn cutout_clears_a_square_around_the_drawn_pixel() {
    let old = plain();
    let mut sizes = std::collections::BTreeSet::new();
    for epoch in 1..=60 {
        let new = augmented(&[Augment::Cutout { size: 4 }], epoch);
        let [y, x, ..] = words("data.cutout", epoch);
        let (y, x) = ((y * 6.0) as isize, (x * 8.0) as isize);
        let mut cleared = 0;
        for (i, pixel) in new.iter().enumerate() {
            let (h, w) = ((i % 48 / 8) as isize, (i % 8) as isize);
            let inside = (y - 2..y + 2).contains(&h) && (x - 2..x + 2).contains(&w);
            assert_eq!(*pixel, if inside { 0.0 } else { old[i] });
            cleared += usize::from(inside);
        }
        sizes.insert(cleared);
    }
    assert!(sizes.contains(&32) && sizes.len() > 3, "whole squares, and squares cut at the border: {sizes:?}");
}

#[test]
fn erasing_clears_rectangles_of_the_areas_that_are_allowed() {
    let old = plain();
    let mut erased = 0;
    for epoch in 1..=400 {
        let new = augmented(&[Augment::RandomErasing { p: 0.5, min_area: 0.1, max_area: 0.5 }], epoch);
        let gone: Vec<usize> = (0..48).filter(|i| new[*i] != old[*i]).collect();
        assert!((0..48).all(|i| (new[i] == 0.0) == gone.contains(&i) && (new[i + 48] == 0.0) == gone.contains(&i)));
        assert_eq!(gone.is_empty(), words("data.random_erasing", epoch)[0] >= 0.5, "epoch {epoch}");
        let (Some(first), Some(last)) = (gone.first(), gone.last()) else { continue };
        let (rows, columns) = (first / 8..last / 8 + 1, first % 8..last % 8 + 1);
        assert_eq!(gone.len(), rows.len() * columns.len(), "a rectangle");
        // Sides are rounded: half a pixel each.
        let largest = (rows.len() as f64 - 0.5) * (columns.len() as f64 - 0.5);
        let smallest = (rows.len() as f64 + 0.5) * (columns.len() as f64 + 0.5);
        assert!(largest <= 24.0 && smallest >= 4.8, "{} x {}", rows.len(), columns.len());
        erased += 1;
    }
    assert!((140..=260).contains(&erased), "{erased} of 400");
}

#[test]
fn a_random_crop_is_a_part_scaled_to_the_whole() {
    let old = plain();
    let (low, high) = (old.iter().copied().fold(f32::MAX, f32::min), old.iter().copied().fold(f32::MIN, f32::max));
    let mut all = std::collections::BTreeSet::new();
    for epoch in 1..=40 {
        let new = augmented(&[Augment::RandomResizedCrop { min_area: 0.2 }], epoch);
        assert!(new.iter().all(|v| (low - 1e-3..=high + 1e-3).contains(v)));
        all.insert(new.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
    }
    assert!(all.len() > 20, "{} different crops", all.len());
    let whole = augmented(&[Augment::CentreCrop { share: 1.0 }], 1);
    assert!(whole.iter().zip(&old).all(|(a, b)| (a - b).abs() < 1e-3), "the whole is the image itself");
}

#[test]
fn jitter_of_0_changes_nothing_and_keeps_the_range() {
    let old = plain();
    let none = Augment::ColorJitter { brightness: 0.0, contrast: 0.0, saturation: 0.0 };
    let same = augmented(&[none], 1);
    assert!(same.iter().zip(&old).all(|(a, b)| (a - b).abs() < 1e-3));
    for epoch in 1..=20 {
        let bright = augmented(&[Augment::ColorJitter { brightness: 0.5, contrast: 0.0, saturation: 0.0 }], epoch);
        let factor = (0.5 + words("data.color_jitter", epoch)[0]) as f32;
        for (new, old) in bright.iter().zip(&old) {
            assert!((new - (old * factor).min(127.5)).abs() < 1e-2, "{new} for {old} times {factor}");
        }
        let grey = augmented(&[Augment::ColorJitter { brightness: 1.0, contrast: 1.0, saturation: 1.0 }], epoch);
        assert!(grey.iter().all(|v| (0.0..=127.5).contains(v)));
    }
}

/// Every step at once, so that none hangs on what another does.
fn everything() -> Data {
    let augment = vec![
        Augment::RandomResizedCrop { min_area: 0.3 },
        Augment::PadCrop { pad: 2, fill: Fill::Reflect },
        Augment::Hflip,
        Augment::ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4 },
        Augment::Cutout { size: 3 },
        Augment::RandomErasing { p: 0.5, min_area: 0.05, max_area: 0.3 },
        Augment::PadCrop { pad: 1, fill: Fill::Zeros },
    ];
    data(augment, vec![])
}

#[test]
fn an_image_draws_the_same_whatever_stands_beside_it() {
    let (all, data) = (images(10), everything());
    let one = |size: usize, n: usize| {
        let mut batch = Batch::default();
        Pass::training(&all, &data, size, SEED, 3).fill(n / size, &mut batch).expect("images in memory");
        batch.images[n % size * 96..][..96].to_vec()
    };
    for n in 0..10 {
        assert_eq!(one(1, n), one(4, n), "image {n}");
        assert_eq!(one(1, n), one(10, n), "image {n}");
    }
    assert_ne!(one(1, 0), batch(&all, &data, 4, 0).images[..96], "another epoch, other draws");
}

#[test]
fn mixup_blends_images_and_targets_alike() {
    let all = images(7);
    let (old, mixing) = (data(vec![], vec![]), data(vec![], vec![BatchAugment::Mixup { alpha: 1.0 }]));
    let mut lambdas = Vec::new();
    for number in [0, 1] {
        let (before, after) = (batch(&all, &old, 2, number), batch(&all, &mixing, 2, number));
        let count = before.labels.len();
        assert_eq!(after.labels, before.labels);
        // The pair of each image is the one whose blend it is; lambda is told by the first that is not its own.
        let row = |values: &[f32], n: usize, length: usize| values[n * length..(n + 1) * length].to_vec();
        let mut found = None;
        for n in 0..count {
            let (new, own) = (row(&after.images, n, 96), row(&before.images, n, 96));
            let pair = (0..count).find_map(|m| {
                let other = row(&before.images, m, 96);
                let place = (0..96).find(|i| own[*i] != other[*i])?;
                let lambda = (new[place] - other[place]) / (own[place] - other[place]);
                let blend = |i: usize| lambda * own[i] + (1.0 - lambda) * other[i];
                ((0.0..=1.0).contains(&lambda) && (0..96).all(|i| (new[i] - blend(i)).abs() < 0.05))
                    .then_some((m, lambda))
            });
            let Some((m, lambda)) = pair else {
                assert!(new.iter().zip(&own).all(|(a, b)| (a - b).abs() < 1e-3), "paired with itself");
                continue;
            };
            let known = *found.get_or_insert(lambda);
            assert!((known - lambda).abs() < 0.01, "one lambda a batch: {known} and {lambda}");
            let (own, other) = (row(&before.targets, n, 3), row(&before.targets, m, 3));
            let wanted = own.iter().zip(other).map(|(a, b)| lambda * a + (1.0 - lambda) * b);
            assert!(row(&after.targets, n, 3).iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.01));
        }
        lambdas.extend(found);
    }
    assert!(lambdas.len() == 2 && lambdas[0] != lambdas[1], "{lambdas:?}");
}

#[test]
fn cutmix_shares_targets_by_what_is_left_of_the_area() {
    let all = images(8);
    let (old, mixing) = (data(vec![], vec![]), data(vec![], vec![BatchAugment::Cutmix { alpha: 1.0 }]));
    let mut partial = 0;
    for epoch in 1..=40 {
        let (before, after) = (batch(&all, &old, epoch, 0), batch(&all, &mixing, epoch, 0));
        for n in 0..4 {
            let image = |batch: &Batch, n: usize| batch.images[n * 96..(n + 1) * 96].to_vec();
            let (new, own) = (image(&after, n), image(&before, n));
            let kept = (0..48).filter(|i| new[*i] == own[*i]).count() as f32 / 48.0;
            let changed: Vec<usize> = (0..96).filter(|i| new[*i] != own[*i]).collect();
            let from = (0..4).find(|m| changed.iter().all(|i| new[*i] == image(&before, *m)[*i]));
            let from = from.expect("what is new is one image's");
            let target = |class: usize| after.targets[n * 3 + class];
            assert!(((0..3).map(target).sum::<f32>() - 1.0).abs() < 1e-5);
            let (a, b) = (before.labels[n] as usize, before.labels[from] as usize);
            if a != b && !changed.is_empty() {
                assert!((target(a) - kept).abs() < 0.03 && (target(b) - (1.0 - kept)).abs() < 0.03, "epoch {epoch}");
                partial += 1;
            }
        }
    }
    assert!(partial > 20, "{partial}");
}

#[test]
fn of_several_mixtures_each_batch_draws_one() {
    let all = images(4);
    let both = data(vec![], vec![BatchAugment::Mixup { alpha: 1.0 }, BatchAugment::Cutmix { alpha: 1.0 }]);
    let only = |kind| data(vec![], vec![kind]);
    let (mixup, cutmix) = (only(BatchAugment::Mixup { alpha: 1.0 }), only(BatchAugment::Cutmix { alpha: 1.0 }));
    let mut kinds = [0, 0];
    for epoch in 1..=30 {
        let got = batch(&all, &both, epoch, 0);
        let first = Stream::of_path("data.batch_augment").word(SEED, epoch, 0) < 1 << 31;
        assert_eq!(got, batch(&all, if first { &mixup } else { &cutmix }, epoch, 0));
        kinds[usize::from(first)] += 1;
    }
    assert!(kinds.iter().all(|n| *n > 5), "{kinds:?}");
}

fn recipe(data: Data, epochs: usize, batch: usize) -> Recipe {
    Recipe {
        model: "M".into(),
        data,
        loss: Loss { smoothing: 0.0 },
        optimizer: Optimizer::sgd(0.1, 0.9),
        schedule: vec![],
        epochs,
        batch,
        seed: SEED,
    }
}

#[test]
fn any_number_of_workers_makes_the_same_batches() {
    let all = images(10);
    let mixing = vec![BatchAugment::Mixup { alpha: 0.4 }];
    let recipe = recipe(Data { shuffle: true, batch_augment: mixing, ..everything() }, 3, 4);
    // Step by step, without any thread: three batches an epoch, the last of two images.
    let wanted: Vec<Batch> = (0..9)
        .map(|step| {
            let mut batch = Batch::default();
            let pass = Pass::training(&all, &recipe.data, 4, SEED, 1 + step / 3);
            pass.fill(step as usize % 3, &mut batch).expect("images in memory");
            batch
        })
        .collect();
    for (workers, first) in [(1, 0), (2, 0), (3, 4), (7, 0), (16, 8)] {
        let got = std::thread::scope(|scope| {
            let mut feed = Feed::start(scope, &all, &recipe, first..9, workers);
            std::iter::from_fn(|| feed.take().expect("images in memory")).collect::<Vec<_>>()
        });
        assert!(got == wanted[first as usize..], "{workers} workers from step {first}");
    }
}

#[test]
fn a_feed_that_is_dropped_ends_its_workers() {
    let all = images(10);
    let recipe = recipe(everything(), 1_000_000, 4);
    let first = std::thread::scope(|scope| {
        let mut feed = Feed::start(scope, &all, &recipe, 0..3_000_000, 3);
        feed.take().expect("images in memory")
    });
    assert_eq!(first, Some(batch(&all, &recipe.data, 1, 0)));
}

#[test]
fn a_part_of_the_training_images_is_held_back() {
    let whole = load(&Data::plain(DataSet::Digits), 1).expect("in the binary");
    let held = |seed| load(&Data { validation: 300, ..Data::plain(DataSet::Digits) }, seed).expect("in the binary");
    let splits = held(1);
    let validation = splits.validation.as_ref().expect("it was asked for");
    assert_eq!((splits.train.len(), validation.len(), splits.test.len()), (1198, 300, 299));
    assert_eq!(splits.test, whole.test);
    // Together they are all of them, each once.
    let rows =
        |images: &Images| (0..images.len()).map(|i| (images.pixels(i).to_vec(), images.labels[i])).collect::<Vec<_>>();
    let mut both = [rows(&splits.train), rows(validation)].concat();
    let mut all = rows(&whole.train);
    both.sort();
    all.sort();
    assert_eq!(both, all);
    assert_eq!(splits, held(1));
    assert_ne!(splits.validation, held(2).validation);
    let failure = load(&Data { validation: 1498, ..Data::plain(DataSet::Digits) }, 1).expect_err("none is left");
    assert!(failure.message.contains("1498 of 1498"), "{failure}");
}

/// ResNet-20 takes about a millisecond of two cores for an image; `-- --nocapture` prints what all steps together take.
#[test]
fn all_steps_of_a_cifar_image_cost_little() {
    const COUNT: usize = 1024;
    let shape = Shape::new(3, 32, 32);
    let all = Images {
        shape,
        classes: 10,
        pixels: Pixels::Held((0..COUNT * shape.elements()).map(|i| (i * 7 % 251) as u8).collect()),
        labels: (0..COUNT).map(|i| (i % 10) as u32).collect(),
        scale: vec![Scale { mean: 125.0, deviation: 63.0 }; 3],
    };
    let mixing = vec![BatchAugment::Mixup { alpha: 1.0 }, BatchAugment::Cutmix { alpha: 1.0 }];
    let published = vec![Augment::PadCrop { pad: 4, fill: Fill::Zeros }, Augment::Hflip];
    let microseconds = |data: &Data| {
        let mut batch = Batch::default();
        let pass = Pass::training(&all, data, 128, SEED, 1);
        let start = processor_time(Instant::now());
        (0..pass.batches()).for_each(|number| pass.fill(number, &mut batch).expect("images in memory"));
        (processor_time(Instant::now()) - start).as_secs_f64() * 1e6 / COUNT as f64
    };
    let (few, most) =
        (microseconds(&data(published, vec![])), microseconds(&Data { batch_augment: mixing, ..everything() }));
    println!("{few:.1} us an image for pad_crop and hflip, {most:.1} us for every step with mixup or cutmix");
    assert!(few < 200.0 && most < 1000.0, "{few} and {most} us an image");
}
