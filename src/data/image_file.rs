//! An image file as it was when it was listed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 28;

/// Names a file and one state of it: what is checked before the first batch is what the last epoch reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFile {
    path: PathBuf,
    bytes: u64,
    /// Nanoseconds since 1970; 0 where the system does not say.
    changed: u128,
}

impl ImageFile {
    /// As it is now.
    ///
    /// # Errors
    /// Where it is not there or the system does not tell of it.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let (bytes, changed) = state(&std::fs::metadata(path)?);
        Ok(ImageFile { path: path.to_owned(), bytes, changed })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size and time, which tell a state from another without reading it.
    pub(super) fn stamp(&self) -> String {
        format!("{}\t{}", self.bytes, self.changed)
    }

    /// Its content.
    ///
    /// # Errors
    /// Where it cannot be read, is not as it was, or is too large: why.
    pub(super) fn read(&self) -> Result<Vec<u8>, String> {
        let file = File::open(&self.path).map_err(|e| e.to_string())?;
        if state(&file.metadata().map_err(|e| e.to_string())?) != (self.bytes, self.changed) {
            return Err("it has changed since the files were listed".to_owned());
        }
        if self.bytes > MAX_BYTES {
            return Err("it is larger than 256 MiB".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

/// How many bytes a file has, and when it was changed last.
fn state(metadata: &Metadata) -> (u64, u128) {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    (metadata.len(), changed.map_or(0, |time| time.as_nanos()))
}
