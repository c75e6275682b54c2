//! Writing files so that a crash at any instant leaves the old one or the new one.
//!
//! [`replace`] writes beside the file, sees the bytes on the disk, gives them the file's name, and sees that on the disk
//! as well; [`folders`] makes folders that outlast a loss of power. What they ask of the operating system goes through a
//! [`Disk`], one method a system call, so that a test can let each of them fail. Absence: reading; whoever reads a file
//! checks it.

mod folders;
mod replace;

pub use folders::{folder, folders};
pub use replace::{PARTIAL, replace, replace_text};

use std::fs::{self, File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// What a file is asked.
pub trait DiskFile: Write + Seek {
    /// Sets who may read and write it.
    ///
    /// # Errors
    /// As the system says.
    fn set_permissions(&mut self, permissions: Permissions) -> io::Result<()>;

    /// Waits until everything that was written is on the disk. After an error nothing is known of the file: the system
    /// may have dropped what it could not write, so asking again would say that all is well.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// What the file system is asked.
pub trait Disk {
    /// An empty file, open for writing; what was there is gone.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile + '_>>;

    /// Makes a folder in one that is there.
    ///
    /// # Errors
    /// As the system says.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, at once; what had that name is gone.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Waits until the names in a folder are on the disk.
    ///
    /// # Errors
    /// As the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile + '_>> {
        Ok(Box::new(SystemFile(File::create(path)?)))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere folders cannot be opened, and the system sees to it.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

struct SystemFile(File);

impl Write for SystemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for SystemFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl DiskFile for SystemFile {
    fn set_permissions(&mut self, permissions: Permissions) -> io::Result<()> {
        self.0.set_permissions(permissions)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}
