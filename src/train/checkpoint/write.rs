//! Writing a checkpoint so that a crash at any instant leaves the old one or the new one.

use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::{CHECKSUM_AT, CHECKSUM_DIGITS, Entry, FORMAT, HEADER_START, LENGTH_BYTES, Record, states};
use crate::device::{Engine, State};
use crate::diag::Failure;
use crate::disk::{Disk, DiskFile, replace};
use crate::net::Network;
use crate::net::recipe::Memory;
use crate::num::draw::DRAW_FORMAT;
use crate::train::failure::not_finite;

/// Large writes are few system calls.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes the engine's states beside `path`, sees them on the disk, and only then gives them that name.
///
/// # Errors
/// A state that is not finite, or a disk that takes no more; what was at `path` is then still there.
pub fn save(
    disk: &dyn Disk,
    path: &Path,
    engine: &dyn Engine,
    network: &Network,
    record: &Record,
) -> Result<(), Failure> {
    let entries = states(network, &kept(engine, network));
    let header = header(&entries, record);
    replace(disk, path, |file| write(file, engine, &entries, &header)).map_err(|unwritten| match unwritten {
        Unwritten::Disk(error) => Failure::unwritten(path, &error),
        Unwritten::NotFinite(name) => not_finite(record.progress.step, &name),
    })
}

/// Why a checkpoint was not written.
enum Unwritten {
    Disk(io::Error),
    /// The name of a state that is not finite.
    NotFinite(String),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Unwritten::Disk(error)
    }
}

fn write(file: &mut dyn DiskFile, engine: &dyn Engine, entries: &[Entry], header: &str) -> Result<(), Unwritten> {
    let mut out = Hashing { file: BufWriter::with_capacity(BUFFER_BYTES, file), hash: Xxh3::new() };
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for entry in entries {
        let values = engine.read(&entry.state);
        debug_assert_eq!(values.len(), entry.elements());
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Unwritten::NotFinite(entry.name.clone()));
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        out.write_all(&bytes)?;
    }
    let checksum = format!("{:0CHECKSUM_DIGITS$x}", out.hash.digest());
    let mut file = out.file;
    file.seek(SeekFrom::Start(CHECKSUM_AT as u64))?;
    file.write_all(checksum.as_bytes())?;
    Ok(file.flush()?)
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
        "set": record.set.join("\n"),
        "metrics": record.progress.metrics.to_string(),
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

/// Hashes what passes.
struct Hashing<'a> {
    file: BufWriter<&'a mut dyn DiskFile>,
    hash: Xxh3,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
