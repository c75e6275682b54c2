//! Reading the files that `use "…"` names, confined to the program's own folder.

use std::path::{Component, Path, PathBuf};

/// The largest source text, in bytes.
pub const MAX_SOURCE_BYTES: usize = 1 << 20;
/// The most files one program may consist of.
pub const MAX_FILES: usize = 64;

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is no such file.
    Missing,
    /// The path is absolute, climbs out of the folder, or leads out of it through a link.
    Outside,
    /// It is a folder, a device or a pipe.
    NotAFile,
    /// It is larger than [`MAX_SOURCE_BYTES`].
    TooLarge,
    /// It is not UTF-8.
    NotText,
    /// The operating system refused; its words.
    Io(String),
}

/// Where `use "…"` finds its files.
pub trait Loader {
    /// The text of the file at `path`, relative to the program's folder.
    ///
    /// # Errors
    /// One of [`LoadError`].
    fn load(&self, path: &str) -> Result<String, LoadError>;
}

/// For programs that are not files: every `use "…"` is [`LoadError::Missing`].
pub struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _: &str) -> Result<String, LoadError> {
        Err(LoadError::Missing)
    }
}

/// Reads regular files under one folder and nothing else.
pub struct DiskLoader {
    folder: PathBuf,
}

impl DiskLoader {
    /// Reads under `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        DiskLoader { folder: folder.into() }
    }

    /// Reads one file that the user named on the command line, wherever it is.
    ///
    /// # Errors
    /// One of [`LoadError`], never [`LoadError::Outside`].
    pub fn read(path: &Path) -> Result<String, LoadError> {
        let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => LoadError::Missing,
            _ => LoadError::Io(e.to_string()),
        })?;
        if !meta.is_file() {
            return Err(LoadError::NotAFile);
        }
        if meta.len() > MAX_SOURCE_BYTES as u64 {
            return Err(LoadError::TooLarge);
        }
        let bytes = std::fs::read(path).map_err(|e| LoadError::Io(e.to_string()))?;
        String::from_utf8(bytes).map_err(|_| LoadError::NotText)
    }
}

impl Loader for DiskLoader {
    fn load(&self, path: &str) -> Result<String, LoadError> {
        let relative = Path::new(path);
        if !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Err(LoadError::Outside);
        }
        let inside = |p: &Path| p.canonicalize().map_err(|_| LoadError::Missing);
        let (folder, file) = (inside(&self.folder)?, inside(&self.folder.join(relative))?);
        if !file.starts_with(folder) {
            return Err(LoadError::Outside);
        }
        DiskLoader::read(&file)
    }
}
