//! JPEG and PNG files to pixels, strictly: a file that breaks off or does not follow its format is refused, and sizes are
//! checked before memory is asked for. What a file is says its content, not its name.
//!
//! A PNG has checksums. Of a JPEG, which has none, [`jpeg`](super::jpeg) tells what can be told.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::image_file::ImageFile;
use super::jpeg::Jpeg;
use super::resample::Raster;
use crate::diag::{Failure, codes};

/// The largest side of an image, and its most pixels.
const MAX_SIDE: usize = 1 << 15;
const MAX_PIXELS: usize = 1 << 28;

/// How files begin.
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads an image as 1 or 3 channels.
///
/// # Errors
/// A file that cannot be read, has changed, is damaged, or is no JPEG or PNG.
pub(super) fn decode(file: &ImageFile, channels: usize) -> Result<Raster, Failure> {
    read(file, channels, false)
}

/// The same, and of a JPEG also sees that every block is there, which takes about as long again.
///
/// # Errors
/// As [`decode`].
pub(super) fn check(file: &ImageFile, channels: usize) -> Result<Raster, Failure> {
    read(file, channels, true)
}

/// What is wrong with an image file.
pub(super) fn refused(file: &Path, what: &str) -> Failure {
    let message = format!("the image {} cannot be read: {what}", file.display());
    Failure::new(codes::DATA_DAMAGED, message, "put a whole JPEG or PNG file there, or take this one away")
}

fn read(file: &ImageFile, channels: usize, every_block: bool) -> Result<Raster, Failure> {
    let refused = |what: String| refused(file.path(), &what);
    let bytes = file.read().map_err(refused)?;
    let image = if bytes.starts_with(JPEG) {
        jpeg(&bytes, every_block)
    } else if bytes.starts_with(PNG) {
        png(&bytes)
    } else {
        Err("it begins as neither JPEG nor PNG, at byte 0".to_owned())
    };
    image.map(|image| with_channels(image, channels)).map_err(refused)
}

fn jpeg(bytes: &[u8], every_block: bool) -> Result<Raster, String> {
    let parts = Jpeg::read(bytes)?;
    fits(parts.size())?;
    if every_block {
        parts.blocks()?;
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|e| format!("{e:?}"))?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    whole(Raster { width, height, channels: 3, bytes: pixels })
}

/// Bytes that are read, and the place up to which.
struct Placed<'a> {
    cursor: Cursor<&'a [u8]>,
    place: &'a Cell<u64>,
}

impl Read for Placed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.cursor.read(into);
        self.place.set(self.cursor.position());
        read
    }
}

impl BufRead for Placed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.cursor.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.cursor.consume(bytes);
        self.place.set(self.cursor.position());
    }
}

impl Seek for Placed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.cursor.seek(to)
    }
}

fn png(bytes: &[u8]) -> Result<Raster, String> {
    let place = Cell::new(0);
    let read = Placed { cursor: Cursor::new(bytes), place: &place };
    let damaged = |e: png::DecodingError| format!("{e}, at byte {}", place.get());
    let mut decoder = png::Decoder::new_with_limits(read, png::Limits { bytes: 4 * MAX_PIXELS });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    fits([width, height])?;
    let size = reader.output_buffer_size().ok_or("its size does not fit memory")?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    pixels.truncate(frame.buffer_size());
    let channels = match frame.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err("its palette was not looked up".to_owned()),
    };
    whole(Raster { width, height, channels, bytes: pixels })
}

/// Refuses an image of more pixels than memory is asked for.
fn fits([width, height]: [usize; 2]) -> Result<(), String> {
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(format!("it has {width} x {height} pixels, more than an image may have"));
    }
    Ok(())
}

fn whole(image: Raster) -> Result<Raster, String> {
    let expected = image.width * image.height * image.channels;
    if image.width > 0 && image.height > 0 && image.bytes.len() == expected {
        return Ok(image);
    }
    Err(format!("it holds {} bytes of pixels, not {expected}", image.bytes.len()))
}

/// As 1 or 3 channels: grey is repeated, colours make grey (ITU-R BT.601, in thousandths), what is transparent is opaque.
fn with_channels(image: Raster, channels: usize) -> Raster {
    if image.channels == channels {
        return image;
    }
    let pixel = |pixel: &[u8]| -> [u8; 3] {
        match *pixel {
            [grey] | [grey, _] => [grey; 3],
            [r, g, b, ..] => [r, g, b],
            [] => unreachable!("a pixel has a channel"),
        }
    };
    let grey = |[r, g, b]: [u8; 3]| {
        let sum = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
        ((sum + 500) / 1000) as u8
    };
    let pixels = image.bytes.chunks_exact(image.channels).map(pixel);
    let bytes = if channels == 1 { pixels.map(grey).collect() } else { pixels.flatten().collect() };
    Raster { channels, bytes, ..image }
}
