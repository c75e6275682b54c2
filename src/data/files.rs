//! Where data files lie, and reading one whole: never mapped, so that a file that shrinks under a run is an error and no
//! crash, and never further than it may be long.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::diag::{Failure, codes};

/// What a data set's files are called in problems, and how one comes by them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// As people call the data set.
    pub title: &'static str,
    /// As the language does.
    pub name: &'static str,
    /// The name of the folder under `sdc` in the user's cache.
    pub folder: &'static str,
}

impl Source {
    /// The folder that the text names, else the one in the user's cache.
    pub(super) fn place(self, path: Option<&str>) -> Result<PathBuf, Failure> {
        if let Some(path) = path {
            return Ok(PathBuf::from(path));
        }
        cache().map(|cache| cache.join(self.folder)).ok_or_else(|| {
            let message = format!("this user has no home folder, so there is no cache to find {} in", self.title);
            let help = format!("write the folder into the text: `data {}(path: \"…\")`", self.name);
            Failure::new(codes::DATA_DAMAGED, message, help)
        })
    }

    /// What is wrong with a file.
    pub(super) fn damaged(self, file: &Path, what: &str) -> Failure {
        let Source { title, name, .. } = self;
        let folder = file.parent().unwrap_or(Path::new(".")).display();
        let help = format!(
            "`sdc data get {name}` fetches the files into the user's cache, `--to {folder}` to where they were looked for; \
             or name another folder in the text: `data {name}(path: \"…\")`"
        );
        Failure::new(codes::DATA_DAMAGED, format!("{title} cannot be read from {}: {what}", file.display()), help)
    }

    /// A file's bytes, up to one more than `expected`: it is longer then.
    pub(super) fn read(self, file: &Path, expected: usize) -> Result<Vec<u8>, Failure> {
        let failed = |e: std::io::Error| self.damaged(file, &e.to_string());
        let open = File::open(file).map_err(failed)?;
        let mut bytes = Vec::new();
        open.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

/// The folder `sdc` in the user's cache, if there is a user.
pub fn cache() -> Option<PathBuf> {
    BaseDirs::new().map(|bases| bases.cache_dir().join("sdc"))
}

/// Refuses bytes that are not `records` records of `record` bytes behind a header of `header`.
pub(super) fn whole(bytes: &[u8], header: usize, record: usize, records: usize) -> Result<(), String> {
    let (size, expected) = (bytes.len(), header + records * record);
    if size == expected {
        return Ok(());
    }
    if size < header {
        return Err(format!("it ends in its header, at byte {size}"));
    }
    Err(if size < expected {
        let number = (size - header) / record;
        format!("it ends in record {number}, at byte {size}, where {records} records take {expected} bytes")
    } else {
        format!("it goes on after record {}, at byte {expected}, where {records} records end", records - 1)
    })
}
