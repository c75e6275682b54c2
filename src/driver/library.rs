//! Texts of the standard library as files, for editors: they are inside the binary, and an editor shows files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::data;
use crate::disk::{SystemDisk, replace_text};

/// The file in which an editor finds a text of the library, `std/resnet.sd`: the same for every call of this version of
/// sdc, in the user's cache (of temporary files where there is none), not to be written. It is made where it is not
/// there; where it cannot be made, the editor says so.
pub fn library_file(name: &str, text: &str) -> PathBuf {
    let path = library_folder().join(name);
    if !fs::read_to_string(&path).is_ok_and(|there| there == text) {
        // Nothing else can be done for an editor than to name the file.
        let _ = write(&path, text);
    }
    path
}

/// Whether a file is one of those that show the library.
pub fn is_library_file(path: &Path) -> bool {
    path.starts_with(library_folder())
}

fn library_folder() -> PathBuf {
    let cache = data::cache().unwrap_or_else(|| std::env::temp_dir().join("sdc"));
    cache.join(concat!("library-", env!("CARGO_PKG_VERSION")))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    replace_text(&SystemDisk, path, text)?;
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}
