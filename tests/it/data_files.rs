//! Data sets in files: their layouts, and damage of every kind refused with file, record and offset.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sdc::data::cifar::{CIFAR100, Layout};
use sdc::data::fetch::{ALL, Fetched};
use sdc::data::{Batch, Pass, Pixels, Splits, load, mnist};
use sdc::diag::{Failure, codes};
use sdc::net::Shape;
use sdc::net::recipe::{Data, DataSet};
use sdc::num::draw::Stream;

use crate::data::{small_cifar, write_cifar};

/// Numbers that repeat.
struct Drawn {
    stream: Stream,
    taken: u64,
}

impl Drawn {
    fn of(name: &str) -> Self {
        Drawn { stream: Stream::of_path(name), taken: 0 }
    }

    fn below(&mut self, end: usize) -> usize {
        self.taken += 1;
        ((u64::from(self.stream.word(1, 0, self.taken)) * end as u64) >> 32) as usize
    }
}

fn small_cifar100(records: usize) -> Layout {
    CIFAR100.of(2 * records, records)
}

/// Record i is of superclass i % 20 and class i % 100; its pixels count on from it.
fn write_cifar100(folder: &Path, records: usize) {
    for (name, count) in [("train.bin", 2 * records), ("test.bin", records)] {
        let record = |i: usize| {
            (0..3074).map(move |j| match j {
                0 => (i % 20) as u8,
                1 => (i % 100) as u8,
                _ => (i + j) as u8,
            })
        };
        fs::write(folder.join(name), (0..count).flat_map(record).collect::<Vec<u8>>()).expect("a file is written");
    }
}

#[test]
fn cifar100_is_learnt_by_its_fine_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    write_cifar100(folder.path(), 60);
    let splits = small_cifar100(60).read(folder.path()).expect("whole files");
    assert_eq!((splits.train.len(), splits.test.len(), splits.train.classes), (120, 60, 100));
    assert_eq!(splits.train.labels[98..102], [98, 99, 0, 1]);
    let mut batch = Batch::default();
    Pass::plain(&splits.test, 5).fill(1, &mut batch).expect("images in memory");
    // Image 5, first green pixel: byte 2 + 1024 of its record.
    assert_eq!(batch.images[1024], (f32::from((5 + 1026) as u8) - 124.1) / 65.4);
    let set = DataSet::Cifar100 { path: Some(folder.path().display().to_string()) };
    let refused = load(&Data::plain(set), 0).expect_err("the true set has 50,000 records");
    assert!(refused.message.contains("ends in record 120, at byte 368880"), "{refused}");
}

const MNIST: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

fn idx(magic: u32, dims: &[u32], body: impl Iterator<Item = u8>) -> Vec<u8> {
    let header = [magic].into_iter().chain(dims.iter().copied());
    header.flat_map(u32::to_be_bytes).chain(body).collect()
}

fn mnist_file(name: &str) -> Vec<u8> {
    let count = if name.starts_with("train") { 6 } else { 3 };
    if name.contains("images") {
        idx(2051, &[count, 28, 28], (0..count * 784).map(|i| (i / 784 + i % 199) as u8))
    } else {
        idx(2049, &[count], (0..count).map(|i| (i % 10) as u8))
    }
}

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("memory takes it");
    out.finish().expect("memory takes it")
}

/// Writes the four files; of each two one in gzip.
fn write_mnist(folder: &Path) {
    for (i, name) in MNIST.into_iter().enumerate() {
        let bytes = mnist_file(name);
        let (name, bytes) = if i % 2 == 0 { (format!("{name}.gz"), packed(&bytes)) } else { (name.to_owned(), bytes) };
        fs::write(folder.join(name), bytes).expect("a file is written");
    }
}

#[test]
fn mnist_is_read_as_it_is_and_in_gzip() {
    let folder = tempfile::tempdir().expect("a folder");
    write_mnist(folder.path());
    let splits = mnist::read(folder.path(), [6, 3]).expect("whole files");
    assert_eq!((splits.train.len(), splits.test.len()), (6, 3));
    assert_eq!((splits.train.shape, splits.train.labels.as_slice()), (Shape::new(1, 28, 28), &[0, 1, 2, 3, 4, 5][..]));
    assert_eq!(splits.train.pixels(2)[..3], [(2 + 1568 % 199) as u8, (2 + 1569 % 199) as u8, (2 + 1570 % 199) as u8]);
}

#[test]
fn damage_to_mnist_is_told_by_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |name: &str, damage: &dyn Fn(&mut Vec<u8>)| {
        for name in MNIST {
            fs::write(folder.path().join(name), mnist_file(name)).expect("a file is written");
        }
        let mut bytes = mnist_file(name);
        damage(&mut bytes);
        fs::write(folder.path().join(name), bytes).expect("a file is written");
        let failure = mnist::read(folder.path(), [6, 3]).expect_err("it is damaged");
        assert_eq!(failure.code, codes::DATA_DAMAGED);
        assert!(failure.message.contains(name) && failure.help.contains("sdc data get mnist"), "{failure}");
        failure.message
    };
    assert!(refused(MNIST[0], &|b| b[3] = 1).contains("its magic, at byte 0, is 2049, not 2051"));
    assert!(refused(MNIST[0], &|b| b[11] = 29).contains("its rows, at byte 8, is 29, not 28"));
    assert!(refused(MNIST[0], &|b| b.truncate(16 + 784 + 9)).contains("ends in record 1, at byte 809"));
    assert!(refused(MNIST[2], &|b| b.truncate(7)).contains("ends in its header, at byte 7"));
    assert!(refused(MNIST[1], &|b| b.push(0)).contains("goes on after record 5, at byte 14"));
    assert!(refused(MNIST[3], &|b| b[8 + 2] = 10).contains("record 2, at byte 10, is of class 10"));
    let whole = packed(&mnist_file(MNIST[0]));
    let cut = refused(MNIST[0], &|b| *b = whole[..whole.len() - 10].to_vec());
    assert!(cut.contains("its gzip breaks off"), "{cut}");
}

/// Damage that a layout can show, of a size, a header or a class, and the words that name its place. That a pixel has
/// another value, or a class another that there is, nobody can tell: these formats have no checksum.
fn damage(bytes: &mut Vec<u8>, record: usize, labels: usize, header: usize, drawn: &mut Drawn) -> String {
    let whole = bytes.len();
    let records = (whole - header) / record;
    match drawn.below(if header > 0 { 4 } else { 3 }) {
        0 => {
            let at = drawn.below(whole);
            bytes.truncate(at);
            match at.checked_sub(header) {
                None => format!("ends in its header, at byte {at}"),
                Some(read) => format!("ends in record {}, at byte {at}, where", read / record),
            }
        }
        1 => {
            bytes.extend(std::iter::repeat_n(7, 1 + drawn.below(5000)));
            format!("goes on after record {}, at byte {whole}, where", records - 1)
        }
        2 if labels > 0 => {
            let number = drawn.below(records);
            let at = header + number * record + drawn.below(labels);
            bytes[at] = 100 + drawn.below(156) as u8;
            format!("record {number}, at byte {at}, is of ")
        }
        _ => {
            let at = drawn.below(header);
            bytes[at] = bytes[at].wrapping_add(1 + drawn.below(255) as u8);
            format!("its {}, at byte {}, is ", ["magic", "count", "rows", "columns"][at / 4], at / 4 * 4)
        }
    }
}

#[test]
fn five_hundred_damaged_files_are_refused_with_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut drawn = Drawn::of("damaged data");
    let mut refused =
        |name: &str, whole: &[u8], layout: (usize, usize, usize), read: &dyn Fn() -> Result<Splits, Failure>| {
            let mut bytes = whole.to_vec();
            let place = damage(&mut bytes, layout.0, layout.1, layout.2, &mut drawn);
            fs::write(folder.path().join(name), &bytes).expect("a file is written");
            let failure = read().expect_err("it is damaged");
            assert_eq!(failure.code, codes::DATA_DAMAGED);
            assert!(failure.message.contains(name) && !failure.help.is_empty(), "{failure}");
            assert!(failure.message.contains(&place), "{place}: {failure}");
            fs::write(folder.path().join(name), whole).expect("a file is written");
        };
    write_cifar(folder.path(), 4);
    write_cifar100(folder.path(), 4);
    for name in MNIST {
        fs::write(folder.path().join(name), mnist_file(name)).expect("a file is written");
    }
    let file = |name: &str| fs::read(folder.path().join(name)).expect("it was written");
    let (cifar, fine) = (file("data_batch_2.bin"), file("train.bin"));
    for round in 0..500 {
        match round % 4 {
            0 => refused("data_batch_2.bin", &cifar, (3073, 1, 0), &|| small_cifar(4).read(folder.path())),
            1 => refused("train.bin", &fine, (3074, 2, 0), &|| small_cifar100(4).read(folder.path())),
            2 => refused(MNIST[1], &mnist_file(MNIST[1]), (1, 1, 8), &|| mnist::read(folder.path(), [6, 3])),
            _ => refused(MNIST[2], &mnist_file(MNIST[2]), (784, 0, 16), &|| mnist::read(folder.path(), [6, 3])),
        }
    }
    small_cifar(4).read(folder.path()).expect("all is whole again");
}

/// 40 x 30, red above and blue below; the second in scans of growing detail.
const JPEG: &[u8] = include_bytes!("../golden/images/baseline.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../golden/images/progressive.jpg");
/// 20 x 26, black above and white below.
const GREY: &[u8] = include_bytes!("../golden/images/grey.jpg");

/// What the first two hold.
fn colours() -> Vec<u8> {
    (0..30).flat_map(|h| [(255 - h * 255 / 29) as u8, 0, (h * 255 / 29) as u8].repeat(40)).collect()
}

/// The colours as a PNG.
fn png() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 40, 30);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("memory takes it");
    writer.write_image_data(&colours()).expect("memory takes it");
    writer.finish().expect("memory takes it");
    out
}

/// `PART/CLASS/NAME` below a folder.
fn write_images(folder: &Path, files: &[(&str, &[u8])]) -> PathBuf {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("folders are made");
        fs::write(path, bytes).expect("a file is written");
    }
    folder.to_owned()
}

fn images(folder: &Path, shape: Shape) -> Result<Splits, Failure> {
    let path = folder.display().to_string();
    load(&Data::plain(DataSet::Folder { path, shape, classes: 2 }), 0)
}

#[test]
fn image_files_are_scaled_to_the_input() {
    let home = tempfile::tempdir().expect("a folder");
    let all: [(&str, &[u8]); 6] = [
        ("train/a/1.jpg", JPEG),
        ("train/a/deep/2.JPEG", PROGRESSIVE),
        ("train/b/3.png", &png()),
        ("train/b/note.txt", b"no image"),
        ("test/a/4.jpg", JPEG),
        ("test/b/5.jpg", GREY),
    ];
    let folder = write_images(home.path(), &all);
    let splits = images(&folder, Shape::new(3, 16, 16)).expect("whole files");
    assert_eq!((splits.train.labels.as_slice(), splits.test.labels.as_slice()), (&[0, 0, 1][..], &[0, 1][..]));
    let Pixels::Files(files) = &splits.train.pixels else { panic!("files stay files") };
    assert!(files[0].path().ends_with("train/a/1.jpg"));
    let mut batch = Batch::default();
    let order = Data { shuffle: false, ..Data::plain(DataSet::Digits) };
    Pass::training(&splits.train, &order, 3, 0, 1).fill(0, &mut batch).expect("whole files");
    let byte = |image: usize, c: usize, h: usize| {
        let [mean, deviation] = [[123.675, 58.395], [116.28, 57.12], [103.53, 57.375]][c];
        batch.images[image * 768 + c * 256 + h * 16 + 7] * deviation + mean
    };
    for image in 0..3 {
        // Row 0 of 16 is about row 0.5 of 30, of which blue is h / 29 and red the rest.
        assert!(byte(image, 0, 0) > 240.0 && byte(image, 2, 0) < 20.0, "red above in image {image}");
        assert!(byte(image, 0, 15) < 20.0 && byte(image, 2, 15) > 240.0, "blue below in image {image}");
        assert!((byte(image, 0, 8) - 120.0).abs() < 10.0 && byte(image, 1, 8).abs() < 10.0);
    }
    let grey = images(&folder, Shape::new(1, 8, 8)).expect("whole files");
    Pass::plain(&grey.test, 2).fill(0, &mut batch).expect("whole files");
    assert!(batch.images[64..72].iter().all(|v| *v < -1.0) && batch.images[120..].iter().all(|v| *v > 1.0));
}

#[test]
fn without_parts_every_sixth_image_is_for_test() {
    let home = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = (0..12).map(|i| format!("{}/{i:02}.png", if i < 7 { "a" } else { "b" })).collect();
    let png = png();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &png[..])).collect();
    let splits = images(&write_images(home.path(), &files), Shape::new(3, 8, 8)).expect("whole files");
    assert_eq!((splits.train.len(), splits.test.labels.as_slice()), (10, &[0, 1][..]));
}

#[test]
fn a_folder_that_does_not_fit_says_why() {
    let refused = |files: &[(&str, &[u8])]| {
        let home = tempfile::tempdir().expect("a folder");
        let failure = images(&write_images(home.path(), files), Shape::new(3, 8, 8)).expect_err("it does not fit");
        assert_eq!(failure.code, codes::DATA_DAMAGED);
        failure.message
    };
    let png = png();
    let png = &png[..];
    assert!(refused(&[("a/1.png", png)]).contains("has 1 folders, and the model has 2 outputs"));
    assert!(refused(&[("train/a/1.png", png)]).contains("no `test` or `val` beside it"));
    assert!(refused(&[("a/1.png", png), ("b/x.txt", b"")]).contains("holds no .jpg, .jpeg or .png file"));
    let parts = [("train/a/1.png", png), ("train/b/1.png", png), ("test/a/1.png", png), ("test/c/1.png", png)];
    assert!(refused(&parts).contains("classes of different names"));
}

#[test]
fn damaged_image_files_are_refused_before_the_first_batch() {
    let mut drawn = Drawn::of("damaged images");
    let sound = png();
    for (name, whole) in [("1.jpg", JPEG.to_vec()), ("1.jpg", PROGRESSIVE.to_vec()), ("1.png", png())] {
        for round in 0..20 {
            let mut bytes = whole.to_vec();
            match round % 3 {
                0 => bytes.truncate(drawn.below(whole.len() - 2)),
                1 => bytes[..2].copy_from_slice(b"XX"),
                // A checksum holds over each part of a PNG; of a JPEG its marks alone can be looked at.
                _ if name == "1.png" => bytes[30 + drawn.below(whole.len() - 50)] ^= 0x55,
                _ => bytes.truncate(4 + drawn.below(40)),
            }
            let home = tempfile::tempdir().expect("a folder");
            let path = format!("train/b/{name}");
            let files: [(&str, &[u8]); 4] = [
                ("train/a/0.png", &sound),
                (path.as_str(), &bytes),
                ("test/a/2.png", &sound),
                ("test/b/3.png", &sound),
            ];
            let failure = images(&write_images(home.path(), &files), Shape::new(3, 8, 8)).expect_err("it is damaged");
            assert_eq!(failure.code, codes::DATA_DAMAGED);
            assert!(failure.message.contains(&path.replace('/', std::path::MAIN_SEPARATOR_STR)), "{failure}");
            let (_, byte) = failure.message.rsplit_once(", at byte ").unwrap_or_else(|| panic!("no place: {failure}"));
            let byte: usize = byte.parse().expect("a number");
            // What begins as a JPEG ends too early. A PNG's decoder finds out at the end of a part.
            match bytes.starts_with(&sound[..8]) {
                true => assert!((8..=bytes.len()).contains(&byte), "{failure}"),
                false => assert_eq!(byte, if bytes.starts_with(&JPEG[..3]) { bytes.len() } else { 0 }, "{failure}"),
            }
        }
    }
}

/// What was whole before the first batch and is not any more: a decoder might fill up what is missing, and say nothing.
#[test]
fn an_image_file_that_changes_during_a_run_is_refused() {
    let home = tempfile::tempdir().expect("a folder");
    let sound = png();
    let files: [(&str, &[u8]); 4] =
        [("train/a/0.jpg", JPEG), ("train/b/1.png", &sound), ("test/a/2.png", &sound), ("test/b/3.png", &sound)];
    let folder = write_images(home.path(), &files);
    let splits = images(&folder, Shape::new(3, 8, 8)).expect("whole files");
    let (mut batch, pass) = (Batch::default(), Pass::plain(&splits.train, 2));
    pass.fill(0, &mut batch).expect("whole files");
    let other = [&JPEG[..JPEG.len() - 60], &[0x55; 56], &[0xff, 0xd9]].concat();
    fs::write(folder.join("train/a/0.jpg"), other).expect("a file is written");
    let failure = pass.fill(0, &mut batch).expect_err("it has changed");
    assert!(failure.message.contains("0.jpg") && failure.message.contains("has changed"), "{failure}");
}

#[test]
fn what_is_fetched_must_have_the_published_sum() {
    let (home, place) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let from = format!("file://{}", home.path().display());
    let get = |name: &str| {
        let set = Fetched::named(name).expect("it can be fetched");
        set.get(&from, place.path(), &mut |_, _, _| {})
    };
    for set in ALL {
        let missing = get(set.name).expect_err("nothing is there");
        assert_eq!(missing.code, codes::CANNOT_READ, "{missing}");
        assert!(missing.help.contains("--from"), "{missing}");
    }
    fs::write(home.path().join("cifar-10-binary.tar.gz"), packed(b"no archive")).expect("a file is written");
    let other = get("cifar10").expect_err("another file");
    assert_eq!(other.code, codes::DATA_DAMAGED);
    assert!(other.message.contains("not c32a1d4ab5d03f1284b67883e8d87530"), "{other}");
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0, "nothing is left of it");
    assert!(Fetched::named("imagenet").is_none());
}
