//! Data sets, augmentation, batches, and the words of draw format 1 that they take.

use std::fs;
use std::path::Path;

use sdc::data::cifar::{CIFAR10, Layout};
use sdc::data::{Batch, Images, Pass, Pixels, Scale, load};
use sdc::diag::codes;
use sdc::net::Shape;
use sdc::net::recipe::{Augment, Data, DataSet, Fill};
use sdc::num::draw::Stream;

fn data(augment: Vec<Augment>, shuffle: bool) -> Data {
    Data { augment, shuffle, ..Data::plain(DataSet::Digits) }
}

#[test]
fn digits_are_split_as_documented() {
    let digits = load(&Data::plain(DataSet::Digits), 0).expect("inside the binary");
    assert_eq!((digits.train.len(), digits.test.len()), (1498, 299));
    for images in [&digits.train, &digits.test] {
        let Pixels::Held(pixels) = &images.pixels else { panic!("digits are in memory") };
        assert_eq!(pixels.len(), images.len() * 64);
        assert!(pixels.iter().all(|&v| v <= 16) && images.labels.iter().all(|&label| label < 10));
    }
    // The table's first rows are the digits 0 to 5; row 5 is the first for test.
    assert_eq!(digits.train.labels[..6], [0, 1, 2, 3, 4, 6]);
    assert_eq!(digits.test.labels[0], 5);
    assert_eq!(digits.train.pixels(0)[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
}

#[test]
fn digits_are_normalised_by_their_own_mean_and_deviation() {
    let digits = load(&Data::plain(DataSet::Digits), 0).expect("inside the binary");
    let mut batch = Batch::default();
    Pass::plain(&digits.train, 1498).fill(0, &mut batch).expect("images in memory");
    let count = batch.images.len() as f64;
    let mean = batch.images.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = batch.images.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / count;
    assert!(mean.abs() < 0.01 && (square - 1.0).abs() < 0.01, "{mean} {square}");
}

#[test]
fn a_pass_sees_every_image_once_and_ends_in_a_partial_batch() {
    let digits = load(&Data::plain(DataSet::Digits), 0).expect("inside the binary");
    let data = data(vec![], true);
    let pass = Pass::training(&digits.train, &data, 64, 3, 1);
    assert_eq!(pass.batches(), 24);
    let mut order = pass.order().to_vec();
    order.sort_unstable();
    assert!(order.into_iter().eq(0..1498));
    let mut batch = Batch::default();
    pass.fill(0, &mut batch).expect("images in memory");
    assert_eq!((batch.labels.len(), batch.images.len(), batch.targets.len()), (64, 64 * 64, 64 * 10));
    pass.fill(23, &mut batch).expect("images in memory");
    assert_eq!((batch.labels.len(), batch.images.len(), batch.targets.len()), (26, 26 * 64, 26 * 10));
    for (row, &label) in batch.targets.chunks_exact(10).zip(&batch.labels) {
        assert!(row.iter().enumerate().all(|(i, &t)| t == if i == label as usize { 1.0 } else { 0.0 }));
    }
}

#[test]
fn an_epoch_has_an_order_of_its_own_given_by_seed_and_number() {
    let digits = load(&Data::plain(DataSet::Digits), 0).expect("inside the binary");
    let shuffling = data(vec![], true);
    let order = |seed, epoch| Pass::training(&digits.train, &shuffling, 64, seed, epoch).order().to_vec();
    assert_eq!(order(0, 1), order(0, 1));
    assert_ne!(order(0, 1), order(0, 2));
    assert_ne!(order(0, 1), order(1, 1));
    // The definition: sorted by the words of the stream, ties by number.
    let mut expected: Vec<u32> = (0..1498).collect();
    expected.sort_by_key(|&i| (Stream::of_path("data.shuffle").word(7, 2, i.into()), i));
    assert_eq!(order(7, 2), expected);
    let kept = data(vec![], false);
    assert!(Pass::training(&digits.train, &kept, 64, 0, 1).order().iter().copied().eq(0..1498));
}

/// One 2-channel image of 2 x 3 pixels, normalised to its own bytes.
fn small_image() -> Images {
    Images {
        shape: Shape::new(2, 2, 3),
        classes: 1,
        pixels: Pixels::Held(vec![1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]),
        labels: vec![0],
        scale: vec![Scale { mean: 0.0, deviation: 1.0 }; 2],
    }
}

fn augmented(augment: Vec<Augment>, epoch: u32) -> Vec<f32> {
    let (images, data) = (small_image(), data(augment, false));
    let mut batch = Batch::default();
    Pass::training(&images, &data, 1, 5, epoch).fill(0, &mut batch).expect("images in memory");
    batch.images
}

/// Pixel (h, w) of the first channel, zeros outside.
fn stored(h: isize, w: isize) -> f32 {
    let inside = (0..2).contains(&h) && (0..3).contains(&w);
    if inside { (1 + 3 * h + w) as f32 } else { 0.0 }
}

#[test]
fn images_are_mirrored_by_the_first_bit_of_their_word() {
    let (mut mirrored, mut plain) = (0, 0);
    for epoch in 1..=40 {
        let word = Stream::of_path("data.hflip").word(5, epoch, 0);
        let image = augmented(vec![Augment::Hflip], epoch);
        if word < 1 << 31 {
            assert_eq!(image, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 13.0, 12.0, 11.0, 16.0, 15.0, 14.0]);
            mirrored += 1;
        } else {
            assert_eq!(image, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0]);
            plain += 1;
        }
    }
    assert!(mirrored > 8 && plain > 8);
}

#[test]
fn crops_lie_at_every_place_within_the_padding() {
    let mut places = [0; 25];
    for epoch in 1..=400 {
        let word = Stream::of_path("data.pad_crop").word(5, epoch, 0);
        let place = ((u64::from(word) * 25) >> 32) as isize;
        let (row, column) = (place / 5 - 2, place % 5 - 2);
        let cropped = augmented(vec![Augment::PadCrop { pad: 2, fill: Fill::Zeros }], epoch);
        let flipped = Stream::of_path("data.hflip").word(5, epoch, 0) < 1 << 31;
        let flipped_after = augmented(vec![Augment::PadCrop { pad: 2, fill: Fill::Zeros }, Augment::Hflip], epoch);
        let flipped_before = augmented(vec![Augment::Hflip, Augment::PadCrop { pad: 2, fill: Fill::Zeros }], epoch);
        for h in 0..2 {
            for w in 0..3 {
                let at = (3 * h + w) as usize;
                assert_eq!(cropped[at], stored(h + row, w + column));
                let mirror = |w: isize| if flipped { 2 - w } else { w };
                assert_eq!(flipped_after[at], stored(h + row, mirror(w) + column));
                assert_eq!(flipped_before[at], stored(h + row, mirror(w + column)));
            }
        }
        places[place as usize] += 1;
    }
    assert!(places.iter().all(|&n| n > 0), "{places:?}");
}

/// The crop of rows of three pixels that begins (row, column) places further, zeros around it.
fn crop(image: &[f32], row: isize, column: isize) -> Vec<f32> {
    let pixel = |h: isize, w: isize| {
        let inside = (0..2).contains(&h) && (0..3).contains(&w);
        if inside { image[(3 * h + w) as usize] } else { 0.0 }
    };
    (0..6).map(|i| pixel(i / 3 + row, i % 3 + column)).collect()
}

#[test]
fn what_one_crop_cuts_off_no_later_crop_brings_back() {
    let offset = |stream: &str, epoch| {
        let place = ((u64::from(Stream::of_path(stream).word(5, epoch, 0)) * 9) >> 32) as isize;
        (place / 3 - 1, place % 3 - 1)
    };
    for epoch in 1..=200 {
        let (first, second) = (offset("data.pad_crop", epoch), offset("data.pad_crop[1]", epoch));
        let expected = crop(&crop(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], first.0, first.1), second.0, second.1);
        let twice = augmented(vec![Augment::PadCrop { pad: 1, fill: Fill::Zeros }; 2], epoch);
        assert_eq!(twice[..6], expected, "{first:?} then {second:?}");
    }
}

/// Six files of `records` records; the class of record i is i % 10, its pixels count on from it.
pub fn write_cifar(folder: &Path, records: usize) {
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        let record = |i: usize| (0..3073).map(move |j| if j == 0 { (i % 10) as u8 } else { (i + j) as u8 });
        let bytes: Vec<u8> = (0..records).flat_map(record).collect();
        fs::write(folder.join(format!("{name}.bin")), bytes).expect("a file is written");
    }
}

/// The layout of CIFAR-10 with smaller files.
pub fn small_cifar(records: usize) -> Layout {
    CIFAR10.of(records, records)
}

#[test]
fn cifar10_is_read_in_its_binary_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    write_cifar(folder.path(), 12);
    let splits = small_cifar(12).read(folder.path()).expect("whole files");
    assert_eq!((splits.train.len(), splits.test.len()), (60, 12));
    assert_eq!(splits.test.labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    let mut batch = Batch::default();
    Pass::plain(&splits.test, 5).fill(1, &mut batch).expect("images in memory");
    // Image 5, first green pixel: byte 1 + 1024 of its record.
    assert_eq!(batch.images[1024], ((5 + 1025) as u8 as f32 - 123.0) / 62.1);
}

#[test]
fn damaged_cifar10_files_are_refused_with_file_record_and_offset() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data_batch_3.bin");
    let refused = |damage: &dyn Fn(&mut Vec<u8>)| {
        write_cifar(folder.path(), 3);
        let mut bytes = fs::read(&file).expect("it was just written");
        damage(&mut bytes);
        fs::write(&file, bytes).expect("a file is written");
        let failure = small_cifar(3).read(folder.path()).expect_err("it is damaged");
        assert_eq!(failure.code, codes::DATA_DAMAGED);
        assert!(failure.message.contains("data_batch_3.bin"), "{failure}");
        assert!(failure.help.contains("sdc data get cifar10"), "{failure}");
        failure.message
    };
    assert!(refused(&|bytes| bytes.truncate(3073 + 100)).contains("ends in record 1, at byte 3173"));
    assert!(refused(&|bytes| bytes.truncate(0)).contains("ends in record 0, at byte 0"));
    assert!(refused(&|bytes| bytes.push(0)).contains("goes on after record 2, at byte 9219"));
    assert!(refused(&|bytes| bytes[3073 * 2] = 10).contains("record 2, at byte 6146, is of class 10"));
    fs::remove_file(&file).expect("it is there");
    let missing = small_cifar(3).read(folder.path()).expect_err("it is gone");
    assert!(missing.message.contains("data_batch_3.bin"));
}

#[test]
fn synthetic_images_follow_their_classes_and_the_seed() {
    let set = Data::plain(DataSet::Synthetic { shape: Shape::new(2, 4, 4), classes: 3, images: 30 });
    let splits = load(&set, 1).expect("nothing to read");
    assert_eq!((splits.train.len(), splits.test.len()), (30, 6));
    assert_eq!(splits, load(&set, 1).expect("nothing to read"));
    assert_ne!(splits, load(&set, 2).expect("nothing to read"));
    let distance =
        |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs()).sum::<f64>();
    let (mut same, mut other) = (0.0, 0.0);
    for i in 0..10 {
        same += distance(splits.train.pixels(3 * i), splits.train.pixels((3 * i + 3) % 30));
        other += distance(splits.train.pixels(3 * i), splits.train.pixels(3 * i + 1));
    }
    assert!(same < 0.85 * other, "{same} {other}");
}
