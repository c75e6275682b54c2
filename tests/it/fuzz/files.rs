//! Files: checkpoints and data sets with bytes edited at random.

use std::fs;
use std::path::Path;

use sdc::device::Engine as _;
use sdc::disk::SystemDisk;
use sdc::net::Shape;
use sdc::net::recipe::Memory;
use sdc::train::{Checkpoint, Progress, Record, initialise, save, states};
use xxhash_rust::xxh3::xxh3_64;

use super::{Choices, rounds};
use crate::data::{small_cifar, write_cifar};
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
        _ => bytes.extend(std::iter::repeat_n(0, choices.below(64))),
    }
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
            match Checkpoint::read(&file, &network) {
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

#[test]
fn any_cifar10_folder_is_read_or_refused() {
    const RECORDS: usize = 2;
    let mut choices = Choices::of("fuzz.cifar10");
    let (mut read, mut refused) = (0, 0);
    for n in 0..rounds(600) {
        let folder = tempfile::tempdir().expect("a folder");
        write_cifar(folder.path(), RECORDS);
        let mut files: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().map(|e| e.path()).collect();
        files.sort();
        for _ in 0..1 + choices.below(2) {
            damage(&files.remove(choices.below(files.len())), &mut choices);
        }
        match small_cifar(RECORDS).read(folder.path()) {
            Ok(splits) => {
                assert_eq!((splits.train.len(), splits.test.len()), (5 * RECORDS, RECORDS), "round {n}");
                assert!(splits.train.labels.iter().chain(&splits.test.labels).all(|label| *label < 10), "round {n}");
                read += 1;
            }
            Err(failure) => {
                assert!(failure.message.contains(".bin") && !failure.help.is_empty(), "round {n}: {failure}");
                refused += 1;
            }
        }
    }
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}
