//! Files that are replaced: every system call of a save is let fail, in every way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sdc::disk::{Disk, DiskFile, SystemDisk, replace_text};
use sdc::net::{Network, Shape};
use sdc::train::{Checkpoint, Checkpoints, EpochMetrics, Metrics, Progress, Record, RunFolder, initialise};

use crate::hand;
use crate::train::Regression;

const DISK: &SystemDisk = &SystemDisk;

/// What happens to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is gone: this call and all after it do nothing.
    Kill,
    /// The power is gone: the same, and files that were not flushed lose half of their bytes.
    LostBytes,
    /// The same, and new names whose folder was not flushed are undone: renames, and folders with all in them.
    LostNames,
    /// No space is left.
    Full,
    /// An error of the device.
    Error,
    /// Only a part is written; the next call takes more.
    Short,
}

impl Fault {
    const ALL: [Fault; 6] = [Fault::Kill, Fault::LostBytes, Fault::LostNames, Fault::Full, Fault::Error, Fault::Short];

    /// Whether nothing is done after it.
    fn ends_all(self) -> bool {
        matches!(self, Fault::Kill | Fault::LostBytes | Fault::LostNames)
    }
}

/// A system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    Write,
    Seek,
    SetPermissions,
    Flush,
    Rename,
    Remove,
    FlushFolder,
    CreateFolder,
}

/// A disk on which one call meets a fault, or all from one on. It waits for no flush of the machine's own disk: what a
/// loss of power takes away is what was not asked to be flushed.
pub struct Faulty {
    fault: Fault,
    /// How many calls go well before.
    well: usize,
    /// Whether all after the first meet it as well.
    lasts: bool,
    calls: Cell<usize>,
    met: Cell<Option<Call>>,
    /// Files with bytes that were not flushed.
    unflushed: RefCell<BTreeSet<PathBuf>>,
    /// Renames whose folder was not flushed.
    renames: RefCell<Vec<Rename>>,
    /// New folders whose own folder was not flushed.
    folders: RefCell<Vec<PathBuf>>,
}

struct Rename {
    from: PathBuf,
    to: PathBuf,
    /// What had the new name.
    before: Option<Vec<u8>>,
}

impl Faulty {
    /// One call meets the fault, after so many that go well.
    pub fn new(fault: Fault, well: usize) -> Self {
        Faulty {
            fault,
            well,
            lasts: fault.ends_all(),
            calls: Cell::default(),
            met: Cell::default(),
            unflushed: RefCell::default(),
            renames: RefCell::default(),
            folders: RefCell::default(),
        }
    }

    /// That call and all after it meet the fault.
    pub fn for_good(fault: Fault, well: usize) -> Self {
        Faulty { lasts: true, ..Faulty::new(fault, well) }
    }

    /// No call meets a fault.
    pub fn healthy() -> Self {
        Faulty::new(Fault::Kill, usize::MAX)
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    /// The first call that met the fault.
    pub fn met(&self) -> Option<Call> {
        self.met.get()
    }

    fn lose_bytes(&self) {
        for path in self.unflushed.take() {
            let bytes = fs::read(&path).expect("the test's own disk works");
            fs::write(&path, &bytes[..bytes.len() / 2]).expect("the test's own disk works");
        }
    }

    fn lose_names(&self) {
        for Rename { from, to, before } in self.renames.take().into_iter().rev() {
            fs::rename(&to, from).expect("the test's own disk works");
            if let Some(bytes) = before {
                fs::write(to, bytes).expect("the test's own disk works");
            }
        }
        for folder in self.folders.take().into_iter().rev() {
            fs::remove_dir_all(folder).expect("the test's own disk works");
        }
    }

    /// Whether the call goes well; else its error. A short write is told apart by the caller.
    fn call(&self, call: Call) -> io::Result<bool> {
        let number = self.calls.replace(self.calls.get() + 1);
        if number < self.well || (number > self.well && !self.lasts) {
            return Ok(true);
        }
        if number == self.well {
            self.met.set(Some(call));
            if matches!(self.fault, Fault::LostBytes | Fault::LostNames) {
                self.lose_bytes();
            }
            if self.fault == Fault::LostNames {
                self.lose_names();
            }
        }
        match self.fault {
            Fault::Kill | Fault::LostBytes | Fault::LostNames => Err(ErrorKind::BrokenPipe.into()),
            Fault::Full => Err(ErrorKind::StorageFull.into()),
            Fault::Error => Err(io::Error::other("the device does not answer")),
            Fault::Short => Ok(false),
        }
    }
}

struct FaultyFile<'a> {
    disk: &'a Faulty,
    file: Box<dyn DiskFile + 'a>,
    path: PathBuf,
}

impl Write for FaultyFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = if self.disk.call(Call::Write)? { bytes.len() } else { bytes.len().div_ceil(2) };
        self.disk.unflushed.borrow_mut().insert(self.path.clone());
        self.file.write(&bytes[..part])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for FaultyFile<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.disk.call(Call::Seek)?;
        self.file.seek(to)
    }
}

impl DiskFile for FaultyFile<'_> {
    fn set_permissions(&mut self, permissions: fs::Permissions) -> io::Result<()> {
        self.disk.call(Call::SetPermissions)?;
        self.file.set_permissions(permissions)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.call(Call::Flush)?;
        self.disk.unflushed.borrow_mut().remove(&self.path);
        Ok(())
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile + '_>> {
        self.call(Call::Create)?;
        let file = DISK.create(path)?;
        Ok(Box::new(FaultyFile { disk: self, file, path: path.to_owned() }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.call(Call::CreateFolder)?;
        DISK.create_folder(path)?;
        self.folders.borrow_mut().push(path.to_owned());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename)?;
        let before = fs::read(to).ok();
        DISK.rename(from, to)?;
        let mut unflushed = self.unflushed.borrow_mut();
        unflushed.remove(to);
        if unflushed.remove(from) {
            unflushed.insert(to.to_owned());
        }
        self.renames.borrow_mut().push(Rename { from: from.to_owned(), to: to.to_owned(), before });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove)?;
        self.unflushed.borrow_mut().remove(path);
        DISK.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call(Call::FlushFolder)?;
        self.renames.borrow_mut().retain(|rename| rename.to.parent() != Some(folder));
        self.folders.borrow_mut().retain(|made| made.parent() != Some(folder));
        Ok(())
    }
}

/// The files of a folder whose names end so.
fn count(folder: &Path, end: &str) -> usize {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.to_string_lossy().ends_with(end)).count()
}

/// Lets every system call of `save` meet every fault, each in a new folder that `before` has filled. `after` looks at
/// what is left; it is told whether the save says that it is done, and the name of the case. At the end no call is left
/// that could fail: then power is lost behind the last one.
fn sweep<T, E: Debug>(
    before: impl Fn(&Path) -> T,
    save: impl Fn(&mut T, &Faulty) -> Result<(), E>,
    after: impl Fn(&mut T, &Path, bool, &str),
) {
    for fault in Fault::ALL {
        for calls in 0.. {
            let home = tempfile::tempdir().expect("a folder");
            let mut kept = before(home.path());
            let disk = Faulty::new(fault, calls);
            let saved = save(&mut kept, &disk);
            let Some(call) = disk.met() else {
                saved.expect("no call fails");
                disk.lose_bytes();
                disk.lose_names();
                after(&mut kept, home.path(), true, "power lost behind the last call");
                // Created, written, flushed, renamed, the folder flushed.
                assert!(calls >= 5, "{calls} calls");
                break;
            };
            let case = format!("{fault:?} at call {calls}, {call:?}");
            assert!(fault.ends_all() || count(home.path(), ".partial") == 0, "{case}: nothing is left over");
            assert!(fault != Fault::Short || saved.is_ok(), "{case}: the rest is written by the next call");
            after(&mut kept, home.path(), saved.is_ok(), &case);
        }
    }
}

/// A network, and an engine with its states.
fn engine() -> (Network, Regression) {
    let network = hand::network(Shape::new(3, 8, 8), 4, 1, 10);
    let mut engine = Regression::default();
    initialise(&mut engine, &network, 1);
    (network, engine)
}

fn record(step: u64) -> Record {
    let progress = Progress { step, ..Progress::default() };
    Record { program: String::new(), set: vec![], seed: 1, progress }
}

/// Old or new, never neither: whatever happens in whichever system call of a save.
#[test]
fn a_save_that_fails_anywhere_leaves_the_old_or_the_new() {
    let (network, engine) = engine();
    let save = |checkpoints: &mut Checkpoints, disk: &Faulty, step: u64| {
        checkpoints.save(disk, &engine, &network, &record(step))
    };
    sweep(
        |home| {
            let mut checkpoints = Checkpoints::of(home);
            for step in [1, 2] {
                save(&mut checkpoints, &Faulty::healthy(), step).expect("the disk is well");
            }
            checkpoints
        },
        |checkpoints, disk| save(checkpoints, disk, 3),
        |checkpoints, home, done, case| {
            let found = Checkpoints::of(home).newest(&network).expect(case);
            let step = found.checkpoint.record.progress.step;
            assert!(found.passed_over.is_empty() && (step == 2 || step == 3), "{case}: {step}");
            assert!(!done || step == 3, "{case}: a save that is said to be done is done");
            save(checkpoints, &Faulty::healthy(), 4).expect(case);
            assert_eq!(count(home, ".partial"), 0, "{case}: the next save clears what a kill has left");
        },
    );
}

#[test]
fn the_best_checkpoint_is_the_old_or_the_new() {
    let (network, engine) = engine();
    let save = |checkpoints: &Checkpoints, disk: &Faulty, step: u64| {
        checkpoints.save_best(disk, &engine, &network, &record(step))
    };
    sweep(
        |home| {
            let checkpoints = Checkpoints::of(home);
            save(&checkpoints, &Faulty::healthy(), 1).expect("the disk is well");
            checkpoints
        },
        |checkpoints, disk| save(checkpoints, disk, 2),
        |checkpoints, home, done, case| {
            let best = Checkpoint::read(&checkpoints.best(), &network).expect(case);
            let step = best.record.progress.step;
            assert!(step == 2 || (step == 1 && !done), "{case}: {step}");
            checkpoints.save(&Faulty::healthy(), &engine, &network, &record(3)).expect(case);
            assert_eq!(count(home, ".partial"), 0, "{case}: the next save clears what a kill has left");
        },
    );
}

#[test]
fn metrics_are_the_old_or_the_new() {
    let row = |epoch: usize| EpochMetrics {
        epoch,
        step: 10 * epoch as u64,
        rate: 0.1,
        train_loss: 1.5,
        test_loss: 2.5,
        test_accuracy: 0.5,
        validation_accuracy: None,
    };
    let metrics = |epochs: usize| Metrics((1..=epochs).map(row).collect());
    let write = |folder: &RunFolder, disk: &Faulty, epochs: usize| {
        replace_text(disk, &folder.metrics(), &metrics(epochs).to_string())
    };
    sweep(
        |home| {
            let folder = RunFolder::existing(home);
            write(&folder, &Faulty::healthy(), 1).expect("the disk is well");
            folder
        },
        |folder, disk| write(folder, disk, 2),
        |folder, home, done, case| {
            let found = folder.read_metrics().expect(case);
            assert!(found == metrics(2) || (found == metrics(1) && !done), "{case}: {found}");
            write(folder, &Faulty::healthy(), 3).expect(case);
            assert_eq!(count(home, ".partial"), 0, "{case}: the next ones take the place of what a kill has left");
        },
    );
}

/// A flush that failed says nothing of a second one on the same file: all is written anew.
#[test]
fn a_flush_that_fails_is_followed_by_a_new_file() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("text");
    // Created, written, then flushed.
    let disk = Faulty::new(Fault::Error, 2);
    replace_text(&disk, &path, "whole").expect("the second file is well");
    assert_eq!(disk.met(), Some(Call::Flush));
    assert_eq!(fs::read_to_string(&path).expect("it is written"), "whole");
    assert_eq!(count(home.path(), ".partial"), 0);
}
