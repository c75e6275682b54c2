//! Writing a checkpoint so that a crash at any instant leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::{CHECKSUM_AT, CHECKSUM_DIGITS, Entry, FORMAT, HEADER_START, LENGTH_BYTES, Record, states};
use crate::device::{Engine, State};
use crate::diag::Failure;
use crate::net::Network;
use crate::net::recipe::Memory;
use crate::num::draw::DRAW_FORMAT;
use crate::train::failure::{cannot_write, not_finite};

/// Writes the engine's states beside `path`, sees them on the disk, and only then gives them that name.
///
/// # Errors
/// A state that is not finite, or a disk that takes no more; what was at `path` is then still there.
pub fn save(path: &Path, engine: &dyn Engine, network: &Network, record: &Record) -> Result<(), Failure> {
    let temporary = path.with_extension("partial");
    let written = write(&temporary, engine, network, record).and_then(|()| {
        fs::rename(&temporary, path).map_err(|e| cannot_write(path, &e))?;
        sync_folder(path);
        Ok(())
    });
    if written.is_err() {
        // The failure itself is what counts; the remains may be unremovable for the same reason.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write(path: &Path, engine: &dyn Engine, network: &Network, record: &Record) -> Result<(), Failure> {
    let failed = |e: io::Error| cannot_write(path, &e);
    let entries = states(network, &kept(engine, network));
    let mut out = Hashing { file: BufWriter::new(File::create(path).map_err(failed)?), hash: Xxh3::new() };
    let header = header(&entries, record);
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
    out.write_all(header.as_bytes()).map_err(failed)?;
    for entry in &entries {
        let values = engine.read(&entry.state);
        debug_assert_eq!(values.len(), entry.elements());
        if values.iter().any(|v| !v.is_finite()) {
            return Err(not_finite(record.progress.step, &entry.name));
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        out.write_all(&bytes).map_err(failed)?;
    }
    let checksum = format!("{:0CHECKSUM_DIGITS$x}", out.hash.digest());
    let mut file = out.file;
    file.seek(SeekFrom::Start(CHECKSUM_AT as u64)).map_err(failed)?;
    file.write_all(checksum.as_bytes()).map_err(failed)?;
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)
}

/// What the engine keeps of parameters.
fn kept(engine: &dyn Engine, network: &Network) -> Vec<Memory> {
    let parameters = network.parameters();
    let keeps = |memory| parameters.iter().any(|p| engine.has(&State::Memory(memory, p.path.clone())));
    Memory::ALL.into_iter().filter(|memory| keeps(*memory)).collect()
}

/// The header with zeros for a checksum, padded so that the tensors are aligned.
fn header(entries: &[Entry], record: &Record) -> String {
    let metadata = json!({
        "checksum": "0".repeat(CHECKSUM_DIGITS),
        "format": FORMAT,
        "sdc": env!("CARGO_PKG_VERSION"),
        "draw_format": DRAW_FORMAT.to_string(),
        "seed": record.seed.to_string(),
        "step": record.progress.step.to_string(),
        "loss_sum": format!("{:?}", record.progress.loss_sum),
        "images": record.progress.images.to_string(),
        "program": record.program,
    });
    let mut header = Map::from_iter([("__metadata__".to_owned(), metadata)]);
    let mut start = 0;
    for entry in entries {
        let end = start + entry.bytes();
        header.insert(entry.name.clone(), json!({ "dtype": "F32", "shape": entry.dims, "data_offsets": [start, end] }));
        start = end;
    }
    let mut text = Value::Object(header).to_string();
    debug_assert!(text.starts_with(HEADER_START));
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(LENGTH_BYTES) - text.len()));
    text
}

/// Makes the renaming last, where folders can be opened (elsewhere the system sees to it).
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Hashes what passes.
struct Hashing {
    file: BufWriter<File>,
    hash: Xxh3,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
