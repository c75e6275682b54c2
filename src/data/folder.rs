//! `folder("PATH")`: image files, a folder a class.
//!
//! `PATH/train` and `PATH/test` (or `PATH/val`) hold the classes' folders; where they do not exist, PATH itself does, and
//! every sixth image in the order of classes and names is for test. Classes are numbered in the order of their names. An
//! image lies anywhere below its class's folder and ends in `.jpg`, `.jpeg` or `.png`; other files are passed over.
//!
//! Every file is decoded once before the first batch; that all were whole is remembered in the user's cache under a hash
//! of their names, sizes and times, so that an unchanged set is not read again. A file that changes after that is refused
//! when its turn comes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::decode;
use super::files::cache;
use super::image_file::ImageFile;
use super::{Images, Pixels, Scale, Splits};
use crate::diag::{Failure, codes};
use crate::net::Shape;
use crate::num::stable_hash;

/// Mean and deviation of ImageNet's training images, as its recipes have them.
const SCALE: [Scale; 3] = [
    Scale { mean: 123.675, deviation: 58.395 },
    Scale { mean: 116.28, deviation: 57.12 },
    Scale { mean: 103.53, deviation: 57.375 },
];
/// The same of grey images.
const GREY: Scale = Scale { mean: 114.495, deviation: 57.63 };
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];
/// What the check looks at: another number, and what an older check took for whole is read again.
const CHECK: u32 = 2;
/// Every sixth image is for test where nothing else says so.
const TEST_EVERY: usize = 6;

/// Reads the names of all files and sees that each is whole.
pub(super) fn load(path: &str, shape: Shape, classes: usize) -> Result<Splits, Failure> {
    let root = Path::new(path);
    let splits = listed(root, shape, classes)?;
    let files: Vec<&ImageFile> = [&splits.train, &splits.test].into_iter().flat_map(|part| part.files()).collect();
    let hash = fingerprint(root, &files);
    let known = cache().map(|cache| cache.join("checked").join(format!("{hash:016x}")));
    if known.as_ref().is_none_or(|known| !known.exists()) {
        check(&files, shape.channels)?;
        if let Some(known) = known {
            // What cannot be remembered is checked again.
            let _ = known.parent().map(fs::create_dir_all);
            let _ = fs::write(known, "");
        }
    }
    Ok(splits)
}

/// None of its images, to show what they are like.
pub(super) fn none(shape: Shape, classes: usize) -> Images {
    let scale = if shape.channels == 3 { SCALE.to_vec() } else { vec![GREY; shape.channels] };
    Images { shape, classes, pixels: Pixels::Files(vec![]), labels: vec![], scale }
}

/// The names of the classes, as far as their folders are still there.
pub(super) fn names(path: &str, classes: usize) -> Vec<String> {
    let root = Path::new(path);
    let train = Some(root.join("train")).filter(|train| train.is_dir());
    let folders = class_folders(train.as_deref().unwrap_or(root), classes).unwrap_or_default();
    folders.iter().filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned())).collect()
}

fn refused(path: &Path, what: &str) -> Failure {
    let message = format!("the data folder {} cannot be used: {what}", path.display());
    let help = "a folder a class, in PATH or in PATH/train and PATH/test: PATH/train/cat/1.jpg";
    Failure::new(codes::DATA_DAMAGED, message, help)
}

fn listed(root: &Path, shape: Shape, classes: usize) -> Result<Splits, Failure> {
    let part = |name: &str| Some(root.join(name)).filter(|path| path.is_dir());
    let images = |files: Vec<(PathBuf, u32)>| -> Result<Images, Failure> {
        let (mut all, mut labels) = (Vec::new(), Vec::new());
        for (path, label) in files {
            all.push(ImageFile::at(&path).map_err(|e| refused(&path, &e.to_string()))?);
            labels.push(label);
        }
        Ok(Images { pixels: Pixels::Files(all), labels, ..none(shape, classes) })
    };
    let (train, test) = match (part("train"), part("test").or_else(|| part("val"))) {
        (Some(train), Some(test)) => {
            let (names, test_names) = (class_folders(&train, classes)?, class_folders(&test, classes)?);
            if names.iter().map(|n| n.file_name()).ne(test_names.iter().map(|n| n.file_name())) {
                return Err(refused(root, "its two parts have classes of different names"));
            }
            (of_classes(&names)?, of_classes(&test_names)?)
        }
        (Some(_), None) => return Err(refused(root, "it has a folder `train`, and no `test` or `val` beside it")),
        (None, _) => {
            let (mut train, mut test) = (Vec::new(), Vec::new());
            for (i, file) in of_classes(&class_folders(root, classes)?)?.into_iter().enumerate() {
                if i % TEST_EVERY == TEST_EVERY - 1 { test.push(file) } else { train.push(file) }
            }
            (train, test)
        }
    };
    if train.is_empty() || test.is_empty() {
        return Err(refused(root, "it has no image for training, or none for test"));
    }
    Ok(Splits { train: images(train)?, validation: None, test: images(test)? })
}

/// What a folder holds, in the order of names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e: std::io::Error| refused(folder, &e.to_string());
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        all.push(entry.map_err(failed)?.path());
    }
    all.sort();
    Ok(all)
}

fn class_folders(folder: &Path, classes: usize) -> Result<Vec<PathBuf>, Failure> {
    let folders: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    if folders.len() == classes {
        return Ok(folders);
    }
    let what = format!("it has {} folders, and the model has {classes} outputs", folders.len());
    Err(refused(folder, &what))
}

fn of_classes(folders: &[PathBuf]) -> Result<Vec<(PathBuf, u32)>, Failure> {
    let mut all = Vec::new();
    for (class, folder) in folders.iter().enumerate() {
        let before = all.len();
        let mut open = vec![folder.clone()];
        while let Some(folder) = open.pop() {
            for path in entries(&folder)? {
                let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
                // Links are not followed into folders, so that there is no way around in a circle.
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else if extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str())) {
                    all.push((path, class as u32));
                }
            }
        }
        if all.len() == before {
            return Err(refused(folder, "it holds no .jpg, .jpeg or .png file"));
        }
        all[before..].sort();
    }
    Ok(all)
}

/// A hash of all names below the root, sizes and times, and of what the check looks at.
fn fingerprint(root: &Path, files: &[&ImageFile]) -> u64 {
    let mut text = format!("{CHECK}\n");
    for file in files {
        let name = file.path().strip_prefix(root).unwrap_or(file.path());
        text += &format!("{}\t{}\n", name.display(), file.stamp());
    }
    stable_hash(&text)
}

/// Decodes every file, on all processors; the first in order that is damaged is told.
fn check(files: &[&ImageFile], channels: usize) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut worst: Option<(usize, Failure)> = None;
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(i) else { return worst };
            if let Err(failure) = decode::check(file, channels) {
                // Every other thread ends with the file that it has; those before this one are done or under way.
                next.fetch_max(files.len(), Ordering::Relaxed);
                worst = worst.or(Some((i, failure)));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut found: Vec<(usize, Failure)> = work().into_iter().collect();
        found.extend(helpers.into_iter().filter_map(|h| h.join().expect("decoding does not panic")));
        found
    });
    found.into_iter().min_by_key(|(i, _)| *i).map_or(Ok(()), |(_, failure)| Err(failure))
}
