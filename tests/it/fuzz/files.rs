//! Files: checkpoints, data sets and images with bytes edited at random.

use std::fs;
use std::iter::repeat_n;
use std::path::Path;
use std::slice;

use flate2::Crc;
use png::{BitDepth, ColorType, Encoder};
use sdc::data::cifar::CIFAR100;
use sdc::data::{Batch, Pass, Splits, load, mnist, pictures};
use sdc::device::Engine as _;
use sdc::diag::Failure;
use sdc::disk::SystemDisk;
use sdc::net::Shape;
use sdc::net::recipe::{Data, DataSet, Memory};
use sdc::train::{Checkpoint, Progress, Record, initialise, save, states};
use xxhash_rust::xxh3::xxh3_64;

use super::{Choices, SOON, rounds, timed};
use crate::data::{small_cifar, write_cifar};
use crate::data_files::packed;
use crate::hand;
use crate::support::on_small_stack;
use crate::train::Regression;

/// Bytes at one place become others.
fn edit(bytes: &mut Vec<u8>, near: usize, choices: &mut Choices) {
    let at = choices.below(bytes.len().min(near) + 1);
    let end = (at + choices.below(16)).min(bytes.len());
    match choices.below(7) {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.truncate(at),
        2 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        3 => bytes[at..end].fill(choices.below(256) as u8),
        4 => bytes[at..end].iter_mut().for_each(|b| *b = b.wrapping_add(1)),
        5 => {
            let word =
                choices.one(&["0", "-1", "18446744073709551615", "4e9", "[", "}", "\"", "null", "F64", "\\u0000", ","]);
            bytes.splice(at..end, word.bytes());
        }
        _ => bytes.extend(repeat_n(0, choices.below(64))),
    }
}

/// What comes of a round's input, and soon.
fn soon<T>(round: usize, work: impl FnOnce() -> T) -> T {
    let (answer, time) = timed(work);
    assert!(time < SOON, "round {round} takes {time:?}");
    answer
}

/// Where the digits of a checkpoint's checksum stand.
fn checksum_at(bytes: &[u8]) -> Option<usize> {
    let key = b"\"checksum\":\"";
    bytes.windows(key.len()).position(|window| window == key).map(|at| at + key.len())
}

/// Makes the checksum hold again, so that what is behind it is read.
fn seal(bytes: &mut [u8]) {
    let Some(at) = checksum_at(bytes).filter(|at| at + 16 <= bytes.len()) else { return };
    bytes[at..at + 16].fill(b'0');
    let digits = format!("{:016x}", xxh3_64(bytes));
    bytes[at..at + 16].copy_from_slice(digits.as_bytes());
}

#[test]
fn any_checkpoint_is_read_or_refused() {
    let network = hand::network(Shape::new(3, 8, 8), 4, 1, 10);
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("weights.safetensors");
    let mut engine = Regression::default();
    initialise(&mut engine, &network, 1);
    for entry in states(&network, &[Memory::Momentum]) {
        engine.write(&entry.state, &vec![0.5; entry.elements()]);
    }
    let record = Record { program: "model M { }\n".to_owned(), set: vec![], seed: 1, progress: Progress::default() };
    save(&SystemDisk, &file, &engine, &network, &record).expect("a whole checkpoint");
    let whole = fs::read(&file).expect("it was just written");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let mut sealed = whole.clone();
    seal(&mut sealed);
    assert_eq!(sealed, whole, "the checksum is taken as the format says");
    let mut choices = Choices::of("fuzz.checkpoint");
    on_small_stack(|| {
        let (mut read, mut refused) = (0, 0);
        for n in 0..rounds(3_000) {
            let mut bytes = whole.clone();
            for _ in 0..1 + choices.below(3) {
                let near = if choices.once_in(4) { usize::MAX } else { header };
                edit(&mut bytes, near, &mut choices);
            }
            // The header's length is that of the header, mostly.
            if !choices.once_in(4) && bytes.len() > header {
                let longer = bytes.len() as i64 - whole.len() as i64;
                bytes[..8].copy_from_slice(&(header as i64 - 8 + longer).max(0).to_le_bytes());
            }
            let broken = choices.once_in(8);
            if !broken {
                seal(&mut bytes);
            }
            fs::write(&file, &bytes).expect("a file is written");
            match soon(n, || Checkpoint::read(&file, &network)) {
                Ok(checkpoint) => {
                    assert!(!broken || bytes == whole, "round {n}: damage is not seen");
                    // What is read is all that the network needs.
                    let mut other = Regression::default();
                    checkpoint.restore(&mut other);
                    for entry in states(&network, &[Memory::Momentum]) {
                        assert_eq!(other.read(&entry.state).len(), entry.elements(), "round {n}: {}", entry.name);
                    }
                    read += 1;
                }
                Err(failure) => {
                    assert!(failure.message.contains("weights.safetensors") && !failure.help.is_empty(), "{failure}");
                    refused += 1;
                }
            }
        }
        assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    });
}

/// Edits a file, or takes it away, or puts a folder in its place.
fn damage(file: &Path, choices: &mut Choices) {
    let mut bytes = fs::read(file).expect("it was just written");
    match choices.below(8) {
        0 => fs::remove_file(file).expect("it is there"),
        1 => {
            fs::remove_file(file).expect("it is there");
            fs::create_dir(file).expect("a folder is made");
        }
        _ => {
            edit(&mut bytes, usize::MAX, choices);
            fs::write(file, bytes).expect("a file is written");
        }
    }
}

/// Damages one or two of the files that `write` makes, time after time: they are read as if they were whole, or refused by
/// the name of a damaged one.
fn read_or_refused(target: &str, write: impl Fn(&Path) + Send, read: impl Fn(&Path) -> Result<Splits, Failure> + Send) {
    let mut choices = Choices::of(target);
    on_small_stack(move || {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path());
        let whole = read(folder.path()).expect("whole files");
        let (mut taken, mut refused) = (0, 0);
        for n in 0..rounds(600) {
            let folder = tempfile::tempdir().expect("a folder");
            write(folder.path());
            let mut files: Vec<_> =
                fs::read_dir(folder.path()).expect("a folder").flatten().map(|e| e.path()).collect();
            files.sort();
            let mut damaged = Vec::new();
            for _ in 0..1 + choices.below(2) {
                damaged.push(files.remove(choices.below(files.len())));
            }
            damaged.iter().for_each(|file| damage(file, &mut choices));
            match soon(n, || read(folder.path())) {
                Ok(splits) => {
                    for (part, whole) in [(splits.train, &whole.train), (splits.test, &whole.test)] {
                        assert_eq!(part.len(), whole.len(), "round {n}");
                        assert!(part.labels.iter().all(|label| (*label as usize) < part.classes), "round {n}");
                    }
                    taken += 1;
                }
                Err(failure) => {
                    let named = |file: &Path| failure.message.contains(&file.display().to_string());
                    let fits = damaged.iter().any(|file| named(file)) && !failure.help.is_empty();
                    assert!(fits, "round {n}, {damaged:?}: {failure}");
                    refused += 1;
                }
            }
        }
        assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    });
}

#[test]
fn any_cifar10_folder_is_read_or_refused() {
    const RECORDS: usize = 2;
    read_or_refused("fuzz.cifar10", |folder| write_cifar(folder, RECORDS), |folder| small_cifar(RECORDS).read(folder));
}

/// Records behind a header of numbers, each the class so many times and pixels that count on from it.
fn records(header: &[u32], count: usize, labels: usize, pixels: usize) -> Vec<u8> {
    let record = |i: usize| repeat_n((i % 10) as u8, labels).chain((0..pixels).map(move |j| (i + j) as u8));
    header.iter().flat_map(|number| number.to_be_bytes()).chain((0..count).flat_map(record)).collect()
}

#[test]
fn any_cifar100_folder_is_read_or_refused() {
    const RECORDS: usize = 3;
    let write = |folder: &Path| {
        for (name, count) in [("train.bin", 2 * RECORDS), ("test.bin", RECORDS)] {
            fs::write(folder.join(name), records(&[], count, 2, 3072)).expect("a file is written");
        }
    };
    read_or_refused("fuzz.cifar100", write, |folder| CIFAR100.of(2 * RECORDS, RECORDS).read(folder));
}

#[test]
fn any_mnist_folder_is_read_or_refused_packed_or_not() {
    let files = || {
        [("train", 6), ("t10k", 3)].into_iter().flat_map(|(part, count)| {
            let images = records(&[2051, count, 28, 28], count as usize, 0, 784);
            let labels = records(&[2049, count], count as usize, 1, 0);
            [(format!("{part}-images-idx3-ubyte"), images), (format!("{part}-labels-idx1-ubyte"), labels)]
        })
    };
    let plain: Vec<(String, Vec<u8>)> = files().collect();
    let packed: Vec<_> = files().map(|(name, bytes)| (format!("{name}.gz"), packed(&bytes))).collect();
    for (target, files) in [("fuzz.mnist", plain), ("fuzz.mnist.gz", packed)] {
        let write = move |folder: &Path| {
            for (name, bytes) in &files {
                fs::write(folder.join(name), bytes).expect("a file is written");
            }
        };
        read_or_refused(target, write, |folder| mnist::read(folder, [6, 3]));
    }
}

/// A PNG of 20 x 15 pixels of so many bits each.
fn png(color: ColorType, depth: BitDepth, bits: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 20, 15);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0_u8, 80, 160, 240, 80, 160, 240, 0, 160, 240, 0, 80]);
    }
    let mut writer = encoder.write_header().expect("memory takes it");
    let pixels: Vec<u8> = (0..15 * 20 * bits / 8).map(|i| (i * 7) as u8).collect();
    writer.write_image_data(&pixels).expect("memory takes it");
    writer.finish().expect("memory takes it");
    out
}

/// Makes the checksum of each part of a PNG hold again, as far as its parts can be told.
fn seal_parts(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        if end + 4 > bytes.len() {
            return;
        }
        let mut sum = Crc::new();
        sum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
}

#[test]
fn any_image_of_a_folder_is_read_or_refused() {
    let jpeg = |name: &str| ("jpg", fs::read(format!("tests/golden/images/{name}.jpg")).expect("it is there"));
    let whole = [
        jpeg("baseline"),
        jpeg("progressive"),
        jpeg("grey"),
        jpeg("restarts"),
        ("png", png(ColorType::Rgb, BitDepth::Eight, 24)),
        ("png", png(ColorType::GrayscaleAlpha, BitDepth::Sixteen, 32)),
        ("png", png(ColorType::Indexed, BitDepth::Two, 2)),
    ];
    let home = tempfile::tempdir().expect("a folder");
    for class in ["train/a", "train/b", "test/a", "test/b"] {
        let class = home.path().join(class);
        fs::create_dir_all(&class).expect("folders are made");
        fs::write(class.join("whole.jpg"), &whole[0].1).expect("a file is written");
    }
    let path = home.path().display().to_string();
    let data = Data::plain(DataSet::Folder { path, shape: Shape::new(3, 8, 8), classes: 2 });
    let mut choices = Choices::of("fuzz.images");
    on_small_stack(|| {
        let (mut taken, mut refused) = ([0; 7], 0);
        for n in 0..rounds(1_400) {
            let (kind, bytes) = &whole[n % whole.len()];
            let mut bytes = bytes.clone();
            for _ in 0..1 + choices.below(3) {
                let near = if choices.once_in(2) { usize::MAX } else { 64 };
                edit(&mut bytes, near, &mut choices);
            }
            if *kind == "png" && !choices.once_in(4) {
                seal_parts(&mut bytes);
            }
            let file = home.path().join("train/b").join(format!("{n}.{kind}"));
            fs::write(&file, bytes).expect("a file is written");
            let failures = soon(n, || {
                let found = pictures(&data.set, slice::from_ref(&file));
                if found.failures.is_empty() {
                    let mut batch = Batch::default();
                    Pass::plain(&found.images, 1).fill(0, &mut batch).expect("it was read before");
                    assert!(batch.images.iter().all(|v| v.is_finite()), "round {n}");
                }
                found.failures
            });
            match &failures[..] {
                [] => taken[n % whole.len()] += 1,
                [failure] => {
                    let named = failure.message.contains(&file.display().to_string());
                    assert!(named && !failure.help.is_empty(), "round {n}: {failure}");
                    // What the whole folder says of it too, which is asked seldom: it starts threads.
                    if choices.once_in(8) {
                        assert_eq!(load(&data, 0).expect_err("a file is damaged"), *failure, "round {n}");
                    }
                    refused += 1;
                }
                more => panic!("round {n}: {more:?} of one file"),
            }
            fs::remove_file(&file).expect("it was just written");
        }
        assert!(taken.iter().all(|count| *count > 0) && refused > 0, "{taken:?} taken, {refused} refused");
    });
}
