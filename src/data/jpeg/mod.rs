//! Whether a JPEG file is whole (ITU-T T.81): what it is made of, walked from its first mark to its last.
//!
//! | damage | told by |
//! | --- | --- |
//! | a file that breaks off, in a segment or in a scan | no end follows |
//! | a segment of a wrong length, tables and frames that contradict themselves | [`Jpeg::read`] |
//! | a restart mark that is missing, too many or out of turn | [`Jpeg::read`] |
//! | a scan that has lost bytes, or has a code that its table has not | [`Jpeg::blocks`] |
//! | a frame that is lower or narrower than what is coded, by a row of blocks or more | [`Jpeg::blocks`] |
//!
//! What cannot be told is a wrong bit that leaves a sound code, or a height within the last row of blocks: the format has no
//! checksum, and after such a bit the codes fall back into step within a few symbols. The file is then one that another
//! image could have. What follows a scan's last block and is no further row, and what follows the image's end, is passed
//! over, since cameras write such bytes. Absence: pixels.

mod entropy;
#[cfg(test)]
mod tests;

/// Most components of an image.
const MAX_COMPONENTS: usize = 4;
/// Bytes that may stand before a mark without belonging to anything, as decoders take it.
const MAX_STRAY: usize = 3;

/// A JPEG file in its parts.
pub(super) struct Jpeg<'a> {
    frame: Frame,
    scans: Vec<Scan<'a>>,
}

/// What the image is like.
struct Frame {
    is_progressive: bool,
    width: usize,
    height: usize,
    components: Vec<Component>,
}

/// A colour: its number, and how many blocks wide and high it is in a unit that holds all colours.
struct Component {
    id: u8,
    h: usize,
    v: usize,
}

/// Coded blocks of some components.
struct Scan<'a> {
    components: Vec<Part<'a>>,
    /// The first and last coefficient that it codes.
    from: usize,
    to: usize,
    /// Whether it adds a bit to coefficients that were coded before.
    refines: bool,
    /// Units between two restart marks; 0 where there are none.
    interval: usize,
    /// The bytes between restart marks, with the place of their first.
    runs: Vec<(usize, &'a [u8])>,
}

/// A component in a scan, and the tables of its codes.
struct Part<'a> {
    component: usize,
    dc: Option<&'a [u8]>,
    ac: Option<&'a [u8]>,
}

/// What a scan of some components goes by: smallest pieces with all of them.
struct Units {
    /// How many lie side by side.
    row: usize,
    rows: usize,
    /// How many blocks of each component one has.
    blocks: Vec<usize>,
}

impl Units {
    fn count(&self) -> usize {
        self.row * self.rows
    }
}

impl Frame {
    fn units(&self, parts: &[Part<'_>]) -> Units {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).max().unwrap_or(1);
        let (h, v) = (most(|c| c.h), most(|c| c.v));
        if let [part] = parts {
            // One component alone goes block by block, without those beyond its edge.
            let own = &self.components[part.component];
            let (width, height) = ((self.width * own.h).div_ceil(h), (self.height * own.v).div_ceil(v));
            return Units { row: width.div_ceil(8), rows: height.div_ceil(8), blocks: vec![1] };
        }
        let blocks = |part: &Part<'_>| self.components[part.component].h * self.components[part.component].v;
        let (row, rows) = (self.width.div_ceil(8 * h), self.height.div_ceil(8 * v));
        Units { row, rows, blocks: parts.iter().map(blocks).collect() }
    }
}

impl<'a> Jpeg<'a> {
    /// Walks a file's marks to the image's end.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut walk = Walk { bytes, at: 2, frame: None, scans: vec![], tables: [[None; 4]; 2], interval: 0 };
        while walk.segment()? {}
        let Walk { frame, scans, .. } = walk;
        Ok(Jpeg { frame: frame.ok_or("it ends and has no image")?, scans })
    }

    /// Width and height as the frame announces them.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.frame.width, self.frame.height]
    }
}

/// The place that is read, and what was read.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    frame: Option<Frame>,
    scans: Vec<Scan<'a>>,
    /// The tables of codes as they are at this place: for first coefficients, and for others.
    tables: [[Option<&'a [u8]>; 4]; 2],
    interval: usize,
}

impl<'a> Walk<'a> {
    /// Reads a mark and what belongs to it; whether the image goes on.
    fn segment(&mut self) -> Result<bool, String> {
        let mark = self.mark()?;
        let start = self.at;
        match mark {
            0xd9 => return self.end().map(|()| false),
            0xd8 => return Err(format!("an image begins within the image, at byte {}", start - 2)),
            0x01 | 0xd0..=0xd7 => return Err(format!("a restart mark stands outside a scan, at byte {}", start - 2)),
            _ => {}
        }
        let [high, low, ..] = self.bytes[start..] else { return Err(self.broken()) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(format!("the segment at byte {start} has a length of {length}"));
        }
        let body = self.bytes.get(start + 2..start + length).ok_or_else(|| self.broken())?;
        self.at += length;
        let wrong = |what: &str| format!("{what}, in the segment at byte {start}");
        match mark {
            0xc0..=0xc2 => self.frame(body, mark == 0xc2).map_err(wrong)?,
            0xc4 => self.codes(body).map_err(wrong)?,
            0xdb => factors(body).map_err(wrong)?,
            0xdd => {
                let [high, low] = *body else { return Err(wrong("no distance of restart marks")) };
                self.interval = usize::from(u16::from_be_bytes([high, low]));
            }
            0xda => {
                let scan = self.scan(body).map_err(wrong)?;
                self.scans.push(scan);
                self.coded()?;
            }
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Err(wrong("lossless, hierarchical or arithmetic coding, which is not read here"));
            }
            _ => {}
        }
        Ok(true)
    }

    fn broken(&self) -> String {
        format!("it ends before its image does, at byte {}", self.bytes.len())
    }

    /// The next mark; its first byte may be repeated.
    fn mark(&mut self) -> Result<u8, String> {
        let start = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            if *byte == 0xff {
                let filled = self.bytes[self.at..].iter().position(|b| *b != 0xff);
                let place = self.at + filled.ok_or_else(|| self.broken())?;
                self.at = place + 1;
                if self.bytes[place] != 0 {
                    return Ok(self.bytes[place]);
                }
            } else {
                self.at += 1;
            }
            if self.at - start > MAX_STRAY {
                return Err(format!("no mark where a segment ends, at byte {start}"));
            }
        }
        Err(self.broken())
    }

    fn end(&self) -> Result<(), String> {
        let components = self.frame.iter().flat_map(|frame| 0..frame.components.len());
        let coded =
            |c: &usize| self.scans.iter().any(|s| s.codes_first() && s.components.iter().any(|p| p.component == *c));
        let missing = components.into_iter().find(|c| !coded(c));
        match missing {
            Some(component) => {
                Err(format!("it ends without component {component} of its image, at byte {}", self.at - 2))
            }
            None => Ok(()),
        }
    }

    fn frame(&mut self, body: &[u8], is_progressive: bool) -> Result<(), &'static str> {
        let [_precision, h0, h1, w0, w1, count, rest @ ..] = body else { return Err("the frame breaks off") };
        if self.frame.is_some() {
            return Err("a second frame");
        }
        let components: Vec<Component> = rest
            .chunks(3)
            .filter_map(|c| match c {
                [id, sampling, _] => Some(Component { id: *id, h: (sampling >> 4).into(), v: (sampling & 15).into() }),
                _ => None,
            })
            .collect();
        let (width, height) = (u16::from_be_bytes([*w0, *w1]).into(), u16::from_be_bytes([*h0, *h1]).into());
        let count = usize::from(*count);
        if width == 0 || height == 0 {
            return Err("an image without width or height");
        }
        if !(1..=MAX_COMPONENTS).contains(&count) || rest.len() != 3 * count {
            return Err("a frame of another length than its components have");
        }
        if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v)) {
            return Err("a component that is sampled more than four times or never");
        }
        self.frame = Some(Frame { is_progressive, width, height, components });
        Ok(())
    }

    /// Tables of codes: how many there are of each length, then their symbols.
    fn codes(&mut self, mut body: &'a [u8]) -> Result<(), &'static str> {
        while let [place, rest @ ..] = body {
            let (class, slot) = (usize::from(place >> 4), usize::from(place & 15));
            let lengths = rest.get(..16).ok_or("a table of codes breaks off")?;
            let symbols = lengths.iter().map(|n| usize::from(*n)).sum::<usize>();
            // Each length has twice the codes of the one before it, less those that are taken.
            let room = lengths.iter().try_fold(1usize, |room, n| (2 * room).checked_sub(usize::from(*n)));
            if room.is_none() || symbols > 256 {
                return Err("a table of more codes than there are");
            }
            let table = rest.get(..16 + symbols).ok_or("a table of codes breaks off")?;
            let slot = self.tables.get_mut(class).and_then(|tables| tables.get_mut(slot));
            *slot.ok_or("a table of codes without a place")? = Some(table);
            body = &rest[16 + symbols..];
        }
        Ok(())
    }

    fn scan(&self, body: &[u8]) -> Result<Scan<'a>, &'static str> {
        let frame = self.frame.as_ref().ok_or("a scan before the frame")?;
        let [count, rest @ ..] = body else { return Err("the scan's head breaks off") };
        let count = usize::from(*count);
        if !(1..=frame.components.len()).contains(&count) || rest.len() != 2 * count + 3 {
            return Err("a scan's head of another length than its components have");
        }
        let (chosen, spectrum) = rest.split_at(2 * count);
        let mut components: Vec<Part<'a>> = Vec::new();
        for pair in chosen.chunks_exact(2) {
            let component = frame.components.iter().position(|c| c.id == pair[0]);
            let component = component.ok_or("a component that the frame has not")?;
            if components.iter().any(|part| part.component == component) {
                return Err("a component that stands twice in a scan");
            }
            let table = |class: usize, slot: u8| self.tables[class].get(usize::from(slot)).copied().flatten();
            components.push(Part { component, dc: table(0, pair[1] >> 4), ac: table(1, pair[1] & 15) });
        }
        let (from, to, high) = match frame.is_progressive {
            true => (usize::from(spectrum[0]), usize::from(spectrum[1]), spectrum[2] >> 4),
            // What others write there means nothing.
            false => (0, 63, 0),
        };
        let alone = count == 1 && to < 64 && from <= to;
        if frame.is_progressive && !(alone && from > 0 || from == 0 && to == 0) {
            return Err("a scan of coefficients that do not go together");
        }
        Ok(Scan { components, from, to, refines: high > 0, interval: self.interval, runs: vec![] })
    }

    /// Finds the end of the last scan's coded bytes, and its restart marks.
    fn coded(&mut self) -> Result<(), String> {
        let number = self.scans.len();
        let (Some(frame), Some(scan)) = (&self.frame, self.scans.last_mut()) else { return Ok(()) };
        let mut start = self.at;
        let end = loop {
            let ended = || format!("it ends in scan {number}, at byte {}", self.bytes.len());
            let found = self.bytes[self.at..].iter().position(|b| *b == 0xff).ok_or_else(ended)?;
            let place = self.at + found;
            match self.bytes.get(place + 1).ok_or_else(ended)? {
                0 => self.at = place + 2,
                0xff => self.at = place + 1,
                mark @ 0xd0..=0xd7 => {
                    let due = scan.runs.len() % 8;
                    if scan.interval == 0 || usize::from(mark - 0xd0) != due {
                        let told = format!("restart mark {} stands", mark - 0xd0);
                        let why =
                            if scan.interval == 0 { "none is said to".into() } else { format!("mark {due} is due") };
                        return Err(format!("{told} where {why}, in scan {number} at byte {place}"));
                    }
                    scan.runs.push((start, &self.bytes[start..place]));
                    (self.at, start) = (place + 2, place + 2);
                }
                _ => break place,
            }
        };
        self.at = end;
        scan.runs.push((start, &self.bytes[start..end]));
        let units = frame.units(&scan.components).count();
        let (runs, due) = (scan.runs.len(), if scan.interval == 0 { 1 } else { units.div_ceil(scan.interval) });
        // Some write a mark behind the last run as well.
        let surplus = runs == due + 1 && scan.runs.last().is_some_and(|(_, bytes)| bytes.is_empty());
        if runs != due && !surplus {
            return Err(format!("scan {number} has {} restart marks, not {}, at byte {end}", runs - 1, due - 1));
        }
        Ok(())
    }
}

/// Tables of the factors by which coefficients are multiplied: 64 each, of one byte or of two.
fn factors(mut body: &[u8]) -> Result<(), &'static str> {
    while let [place, rest @ ..] = body {
        let size = match place >> 4 {
            0 => 64,
            1 => 128,
            _ => return Err("a table of factors of no known kind"),
        };
        body = rest.get(size..).ok_or("a table of factors breaks off")?;
    }
    Ok(())
}
