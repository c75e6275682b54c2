//! One file in place of another: write, flush, rename, flush the folder.

use std::io;
use std::path::{Path, PathBuf};

use super::folders::around;
use super::{Disk, DiskFile};

/// How the names of files end that are not yet in their place; a process that is killed may leave one.
pub const PARTIAL: &str = "partial";

/// Puts what `write` writes in the place of the file at `path`, or makes it. `write` may be called twice: after a flush
/// that failed everything is written once more, into a new file.
///
/// # Errors
/// What `write` says, or the disk. What was at `path` is then still there; only where the very last step fails, the
/// flush of the folder, the new file may be there already.
pub fn replace<E: From<io::Error>>(
    disk: &dyn Disk,
    path: &Path,
    mut write: impl FnMut(&mut dyn DiskFile) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = beside(path);
    let written = grow(disk, &temporary, &mut write).and_then(|()| disk.rename(&temporary, path).map_err(E::from));
    if written.is_err() {
        // The failure itself is what counts; the remains may be unremovable for the same reason.
        let _ = disk.remove(&temporary);
        return written;
    }
    disk.sync_folder(around(path)).map_err(E::from)
}

/// Puts a text in the place of the file at `path`, or makes it.
///
/// # Errors
/// As [`replace`].
pub fn replace_text(disk: &dyn Disk, path: &Path, text: &str) -> io::Result<()> {
    replace(disk, path, |file| file.write_all(text.as_bytes()))
}

/// The file at `path`, written and flushed. Where the flush fails, its file is given up for a new one, once.
fn grow<E: From<io::Error>>(
    disk: &dyn Disk,
    path: &Path,
    write: &mut impl FnMut(&mut dyn DiskFile) -> Result<(), E>,
) -> Result<(), E> {
    let mut once = || {
        let mut file = disk.create(path)?;
        write(&mut *file)?;
        Ok::<_, E>(file.sync())
    };
    if once()?.is_err() {
        disk.remove(path)?;
        once()??;
    }
    Ok(())
}

/// Where the new file grows: in the same folder, so that renaming moves no bytes.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{PARTIAL}"));
    PathBuf::from(name)
}
