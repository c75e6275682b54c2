//! Folders whose names are on the disk before anything is written into them.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::Disk;

/// Makes a folder and those around it, as far as they are not there.
///
/// # Errors
/// As the disk says; `NotADirectory` where something else is in the way.
pub fn folders(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    folders(disk, around(path))?;
    match folder(disk, path) {
        // Another process may have made it just now.
        Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotADirectory.into()),
        made => made,
    }
}

/// Makes one folder, for one process alone of those that ask for it at once.
///
/// # Errors
/// As the disk says; `AlreadyExists` where something is there.
pub fn folder(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.create_folder(path)?;
    disk.sync_folder(around(path))
}

/// The folder that holds a file or folder.
pub(super) fn around(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
