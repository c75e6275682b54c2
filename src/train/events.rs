//! TensorBoard's event files: what TensorBoard draws of a run.
//!
//! A file is a row of records, each its length (8 bytes), a checksum of the length, an `Event` message, a checksum of the
//! message; numbers are little-endian, checksums are CRC-32C (Castagnoli), masked: rotated right by 15 and moved by a
//! constant. Of the messages (tensorflow's `event.proto`, `summary.proto`) only the fields that a curve needs are written.
//!
//! Absences: reading; the host's name (its place in the file's name takes a constant); the clock, which the caller tells.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::diag::Failure;

/// What stands where TensorFlow puts the host's name.
const HOST: &str = "sdc";

/// The event file of one session of a run.
#[derive(Debug)]
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Begins a file in a run's folder, the next in their order. What files before it hold of steps after `step` does
    /// not count any more: the run goes on from there.
    ///
    /// # Errors
    /// Where the folder takes no file.
    pub fn begin(folder: &Path, step: u64, wall_time: f64) -> Result<Self, Failure> {
        let mut number = 1u64;
        let (file, path) = loop {
            let path = folder.join(format!("events.out.tfevents.{number:010}.{HOST}"));
            match File::create_new(&path) {
                Ok(file) => break (file, path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(Failure::unwritten(&path, &e)),
            }
        };
        let mut events = Events { file, path };
        let version = [double(1, wall_time), bytes(3, b"brain.Event:2")].concat();
        // SessionLog { status: START } makes TensorBoard drop what other files have from this step on.
        let start = [double(1, wall_time), varint(2, step + 1), bytes(7, &varint(1, 1))].concat();
        events.write(&[version, start])?;
        Ok(events)
    }

    /// Adds a point to each of some curves, and hands them to the system.
    ///
    /// # Errors
    /// Where the disk takes no more.
    pub fn add(&mut self, step: u64, wall_time: f64, points: &[(&str, f64)]) -> Result<(), Failure> {
        let summary = points.iter().flat_map(|(tag, value)| {
            let value = [bytes(1, tag.as_bytes()), float(2, *value as f32)].concat();
            bytes(1, &value)
        });
        let event = [double(1, wall_time), varint(2, step), bytes(5, &summary.collect::<Vec<u8>>())].concat();
        self.write(&[event])
    }

    fn write(&mut self, events: &[Vec<u8>]) -> Result<(), Failure> {
        let records: Vec<u8> = events.iter().flat_map(|event| record(event)).collect();
        self.file.write_all(&records).map_err(|e| Failure::unwritten(&self.path, &e))
    }
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked_crc32c(&length).to_le_bytes(), event, &masked_crc32c(event).to_le_bytes()].concat()
}

fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, bits reversed, a bit at a time: a run writes a few kilobytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(!0, byte)
}

/// A field of a message: its number and how its value is written.
fn key(field: u64, wire: u64) -> Vec<u8> {
    number(field << 3 | wire)
}

/// Seven bits a byte, the lowest first.
fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn varint(field: u64, value: u64) -> Vec<u8> {
    [key(field, 0), number(value)].concat()
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [&key(field, 1)[..], &value.to_le_bytes()].concat()
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [&key(field, 5)[..], &value.to_le_bytes()].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [&key(field, 2)[..], &number(value.len() as u64), value].concat()
}

#[cfg(test)]
mod tests {
    use super::{crc32c, masked_crc32c, record};

    /// The vectors of RFC 3720, B.4.
    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_frames_its_event() {
        let bytes = record(b"abc");
        assert_eq!(bytes[..8], [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[8..12], masked_crc32c(&bytes[..8]).to_le_bytes());
        assert_eq!(bytes[12..15], *b"abc");
        assert_eq!(bytes[15..], masked_crc32c(b"abc").to_le_bytes());
    }
}
