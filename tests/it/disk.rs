//! Files that are replaced: every system call of a save is let fail, in every way.

use std::cell::Cell;
use std::fs;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use sdc::disk::{Disk, DiskFile, SystemDisk, replace_text};
use sdc::net::Shape;
use sdc::train::{Checkpoints, Progress, Record, initialise};

use crate::hand;
use crate::train::Regression;

const DISK: &SystemDisk = &SystemDisk;

/// What happens to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The process is gone: this call and all after it do nothing.
    Kill,
    /// No space is left.
    Full,
    /// An error of the device.
    Error,
    /// Only a part is written; the next call takes more.
    Short,
}

/// A disk on which one call meets a fault; what was not flushed before a kill is lost by half.
struct Faulty {
    fault: Fault,
    /// How many calls go well before.
    left: Cell<usize>,
    killed: Cell<bool>,
    met: Cell<bool>,
}

impl Faulty {
    fn new(fault: Fault, calls: usize) -> Self {
        Faulty { fault, left: Cell::new(calls), killed: Cell::new(false), met: Cell::new(false) }
    }

    /// Whether the call goes well; else its error. A short write is told apart by the caller.
    fn call(&self) -> io::Result<bool> {
        if self.killed.get() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.met.get() || self.left.get() > 0 {
            self.left.set(self.left.get().saturating_sub(1));
            return Ok(true);
        }
        self.met.set(true);
        match self.fault {
            Fault::Kill => {
                self.killed.set(true);
                Err(ErrorKind::BrokenPipe.into())
            }
            Fault::Full => Err(ErrorKind::StorageFull.into()),
            Fault::Error => Err(io::Error::other("the device does not answer")),
            Fault::Short => Ok(false),
        }
    }
}

struct FaultyFile<'a> {
    disk: &'a Faulty,
    file: Box<dyn DiskFile + 'a>,
    path: std::path::PathBuf,
    flushed: bool,
}

impl Write for FaultyFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = if self.disk.call()? { bytes.len() } else { bytes.len().div_ceil(2) };
        self.file.write(&bytes[..part])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for FaultyFile<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.disk.call()?;
        self.file.seek(to)
    }
}

impl DiskFile for FaultyFile<'_> {
    fn set_permissions(&mut self, permissions: fs::Permissions) -> io::Result<()> {
        self.disk.call()?;
        self.file.set_permissions(permissions)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.call()?;
        self.flushed = true;
        self.file.sync()
    }
}

impl Drop for FaultyFile<'_> {
    fn drop(&mut self) {
        if self.disk.killed.get() && !self.flushed {
            let bytes = fs::read(&self.path).unwrap_or_default();
            fs::write(&self.path, &bytes[..bytes.len() / 2]).expect("the test's own disk works");
        }
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile + '_>> {
        self.call()?;
        let file = DISK.create(path)?;
        Ok(Box::new(FaultyFile { disk: self, file, path: path.to_owned(), flushed: false }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        SystemDisk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call()?;
        SystemDisk.sync_folder(folder)
    }
}

/// The files of a folder whose names end so.
fn count(folder: &Path, end: &str) -> usize {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.to_string_lossy().ends_with(end)).count()
}

/// Old or new, never neither: whatever happens in whichever system call of a save.
#[test]
fn a_save_that_fails_anywhere_leaves_the_old_or_the_new() {
    let network = hand::network(Shape::new(3, 8, 8), 4, 1, 10);
    let mut engine = Regression::default();
    initialise(&mut engine, &network, 1);
    let record = |step: u64| {
        let progress = Progress { step, ..Progress::default() };
        Record { program: String::new(), set: vec![], seed: 1, progress }
    };
    let mut cases = 0;
    for fault in [Fault::Kill, Fault::Full, Fault::Error, Fault::Short] {
        for calls in 0.. {
            let home = tempfile::tempdir().expect("a folder");
            let mut checkpoints = Checkpoints::of(home.path());
            for step in [1, 2] {
                checkpoints.save(&SystemDisk, &engine, &network, &record(step)).expect("the disk is well");
            }
            let disk = Faulty::new(fault, calls);
            let saved = checkpoints.save(&disk, &engine, &network, &record(3));
            if !disk.met.get() {
                saved.expect("no call fails");
                break;
            }
            cases += 1;
            let case = format!("{fault:?} at call {calls}");
            let found = Checkpoints::of(home.path()).newest(&network).expect(&case);
            let step = found.checkpoint.record.progress.step;
            assert!(found.passed_over.is_empty() && (step == 2 || step == 3), "{case}: {step}");
            assert!(saved.is_err() || step == 3, "{case}: a save that is said to be done is done");
            assert!(fault == Fault::Kill || count(home.path(), ".partial") == 0, "{case}: nothing is left over");
            assert!(fault != Fault::Short || saved.is_ok(), "{case}: the rest is written by the next call");
            checkpoints.save(&SystemDisk, &engine, &network, &record(4)).expect(&case);
            assert_eq!(count(home.path(), ".partial"), 0, "{case}: the next save clears what a kill has left");
        }
    }
    assert!(cases >= 4 * 5, "{cases}");
}

/// A flush that failed says nothing of a second one on the same file: all is written anew.
#[test]
fn a_flush_that_fails_is_followed_by_a_new_file() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("text");
    // Created, written, then flushed.
    let disk = Faulty::new(Fault::Error, 2);
    replace_text(&disk, &path, "whole").expect("the second file is well");
    assert!(disk.met.get());
    assert_eq!(fs::read_to_string(&path).expect("it is written"), "whole");
    assert_eq!(count(home.path(), ".partial"), 0);
}
