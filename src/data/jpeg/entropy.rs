//! The codes of a scan, symbol by symbol (T.81, annexes F and G): whether every block is there. Values are passed over.

use super::{Frame, Jpeg, Scan, Units};

impl Jpeg<'_> {
    /// Walks the codes of every block of every scan.
    pub(in crate::data) fn blocks(&self) -> Result<(), String> {
        // Of each component's blocks, which coefficients are not zero: what a refining scan has bits for.
        let mut known: Vec<Vec<u64>> = vec![Vec::new(); self.frame.components.len()];
        for (i, scan) in self.scans.iter().enumerate() {
            scan.blocks(&self.frame, &mut known).map_err(|what| format!("in scan {}, {what}", i + 1))?;
        }
        Ok(())
    }
}

/// What is wrong with a code.
enum Wrong {
    /// The bytes are over.
    Ended,
    /// No symbol has it.
    Unknown,
    /// It names a coefficient behind the last.
    Beyond,
}

impl Wrong {
    fn what(&self) -> &'static str {
        match self {
            Wrong::Ended => "the coded bytes end",
            Wrong::Unknown => "a code has no symbol",
            Wrong::Beyond => "a coefficient lies behind the last",
        }
    }
}

/// A scan with what its codes are read by.
struct Codes<'a> {
    scan: &'a Scan<'a>,
    is_progressive: bool,
    units: Units,
    /// Each component's, for first coefficients and for others.
    tables: Vec<(Option<Table>, Option<Table>)>,
}

impl Scan<'_> {
    /// Whether it holds the first bits of first coefficients: what an image cannot be without.
    pub(super) fn codes_first(&self) -> bool {
        self.from == 0 && !self.refines
    }

    fn blocks(&self, frame: &Frame, known: &mut [Vec<u64>]) -> Result<(), String> {
        let (units, is_progressive) = (frame.units(&self.components), frame.is_progressive);
        let count = units.count();
        let mut tables = Vec::new();
        for part in &self.components {
            let table = |lengths: Option<&[u8]>| lengths.map(Table::of);
            tables.push((table(part.dc), table(part.ac)));
            if is_progressive {
                known[part.component].resize(count.max(known[part.component].len()), 0);
            }
        }
        let (needs_dc, needs_ac) = (self.codes_first(), self.to > 0);
        if tables.iter().any(|(dc, ac)| (needs_dc && dc.is_none()) || (needs_ac && ac.is_none())) {
            return Err("it uses a table of codes that is not there".to_owned());
        }
        let row = units.row;
        let codes = Codes { scan: self, is_progressive, units, tables };
        let interval = if self.interval == 0 { count } else { self.interval };
        for (run, (start, bytes)) in self.runs.iter().enumerate() {
            let mut bits = Bits { bytes, at: 0, word: 0, count: 0 };
            // Blocks that have no more coefficients.
            let mut empty = 0;
            let end = count.min((run + 1) * interval);
            for unit in run * interval..end {
                codes.unit(unit, &mut bits, &mut empty, known).map_err(|wrong| {
                    format!("{} in unit {unit} of {count}, at byte {}", wrong.what(), start + bits.at)
                })?;
            }
            let place = start + bits.at;
            let goes_on = needs_dc && end == count && !bits.rest_is_filling();
            if goes_on && (end..end + row).all(|unit| codes.unit(unit, &mut bits, &mut empty, known).is_ok()) {
                return Err(format!("more is coded than the {count} units of its image, at byte {place}"));
            }
        }
        Ok(())
    }
}

impl Codes<'_> {
    /// Walks the blocks of a unit.
    fn unit(&self, unit: usize, bits: &mut Bits<'_>, empty: &mut u32, known: &mut [Vec<u64>]) -> Result<(), Wrong> {
        let scan = self.scan;
        for ((part, (dc, ac)), count) in scan.components.iter().zip(&self.tables).zip(&self.units.blocks) {
            for _ in 0..*count {
                match (self.is_progressive, dc, ac) {
                    (false, Some(dc), Some(ac)) => bits.whole_block(dc, ac)?,
                    (true, Some(dc), _) if scan.codes_first() => bits.first(dc)?,
                    (true, _, _) if scan.from == 0 => bits.take(1).map(|_| ())?,
                    (true, _, Some(ac)) => {
                        let block = known[part.component].get_mut(unit).ok_or(Wrong::Ended)?;
                        let band = scan.from..=scan.to;
                        match scan.refines {
                            false => bits.others(ac, band, empty, block)?,
                            true => bits.refined(ac, band, empty, block)?,
                        }
                    }
                    (_, _, _) => return Err(Wrong::Unknown),
                }
            }
        }
        Ok(())
    }
}

/// A table of codes: by the next 16 bits, a code's length above 8 bits of symbol; 0 where there is none.
struct Table(Vec<u16>);

impl Table {
    /// From how many codes there are of each length, and their symbols in the order of the codes.
    fn of(text: &[u8]) -> Self {
        let (lengths, symbols) = text.split_at(16);
        let mut table = Vec::with_capacity(1 << 16);
        let mut symbols = symbols.iter();
        for (length, count) in (1u16..).zip(lengths) {
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                table.extend(std::iter::repeat_n((length << 8) | u16::from(*symbol), 1 << (16 - length)));
            }
        }
        table.resize(1 << 16, 0);
        Table(table)
    }
}

/// Bits from the highest of the first byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    word: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56
            && let Some(&byte) = self.bytes.get(self.at)
        {
            // Behind 255 stands a zero that is no code.
            self.at += if byte == 0xff { 2 } else { 1 };
            self.word |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn take(&mut self, bits: u32) -> Result<u32, Wrong> {
        self.fill();
        if bits > self.count {
            return Err(Wrong::Ended);
        }
        let value = self.word.checked_shr(64 - bits).unwrap_or(0);
        self.word <<= bits;
        self.count -= bits;
        Ok(value as u32)
    }

    fn symbol(&mut self, table: &Table) -> Result<u8, Wrong> {
        self.fill();
        let entry = table.0[(self.word >> 48) as usize];
        let length = u32::from(entry >> 8);
        if length > self.count || (length == 0 && self.count < 16) {
            return Err(Wrong::Ended);
        }
        if length == 0 {
            return Err(Wrong::Unknown);
        }
        self.take(length).map(|_| entry as u8)
    }

    /// Whether nothing is left but bytes that are all the same, as some write to fill a place.
    fn rest_is_filling(&self) -> bool {
        // The last byte of a code is filled up with ones.
        let word = self.word << (self.count % 8);
        let taken = (0..self.count / 8).map(|i| (word >> (56 - 8 * i)) as u8);
        let mut rest = taken.chain(self.bytes.get(self.at..).into_iter().flatten().copied());
        let first = rest.next();
        rest.all(|byte| Some(byte) == first)
    }

    /// The first coefficient.
    fn first(&mut self, dc: &Table) -> Result<(), Wrong> {
        let bits = self.symbol(dc)?;
        if bits > 16 { Err(Wrong::Unknown) } else { self.take(bits.into()).map(|_| ()) }
    }

    /// All coefficients.
    fn whole_block(&mut self, dc: &Table, ac: &Table) -> Result<(), Wrong> {
        self.first(dc)?;
        let mut k = 1;
        while k < 64 {
            match self.run(ac)? {
                (15, 0) => k += 16,
                (_, 0) => break,
                (zeros, bits) => {
                    k += zeros + 1;
                    if k > 64 {
                        return Err(Wrong::Beyond);
                    }
                    self.take(bits)?;
                }
            }
        }
        Ok(())
    }

    /// A symbol as the zeros before a coefficient, and the bits of that.
    fn run(&mut self, ac: &Table) -> Result<(usize, u32), Wrong> {
        let symbol = self.symbol(ac)?;
        Ok((usize::from(symbol >> 4), u32::from(symbol & 15)))
    }

    /// The upper bits of a band of coefficients (figure G.3).
    fn others(
        &mut self,
        ac: &Table,
        band: std::ops::RangeInclusive<usize>,
        empty: &mut u32,
        known: &mut u64,
    ) -> Result<(), Wrong> {
        if *empty > 0 {
            *empty -= 1;
            return Ok(());
        }
        let mut k = *band.start();
        while k <= *band.end() {
            match self.run(ac)? {
                (15, 0) => k += 16,
                (bits, 0) => {
                    *empty = (1 << bits) - 1 + self.take(bits as u32)?;
                    break;
                }
                (zeros, bits) => {
                    k += zeros;
                    if k > *band.end() {
                        return Err(Wrong::Beyond);
                    }
                    self.take(bits)?;
                    *known |= 1 << k;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of a band of coefficients (figure G.7): of each that is not zero, and what becomes other than zero.
    fn refined(
        &mut self,
        ac: &Table,
        band: std::ops::RangeInclusive<usize>,
        empty: &mut u32,
        known: &mut u64,
    ) -> Result<(), Wrong> {
        let mut k = *band.start();
        let end = *band.end();
        while *empty == 0 && k <= end {
            let (mut zeros, bits) = self.run(ac)?;
            if bits > 1 {
                return Err(Wrong::Unknown);
            }
            if bits == 0 && zeros < 15 {
                *empty = (1 << zeros) + self.take(zeros as u32)?;
                break;
            }
            self.take(bits)?;
            // Over so many coefficients that stay zero.
            while k <= end {
                if *known >> k & 1 == 1 {
                    self.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if bits == 1 {
                if k > end {
                    return Err(Wrong::Beyond);
                }
                *known |= 1 << k;
            }
            k += 1;
        }
        if *empty > 0 {
            let rest = (k..=end).filter(|k| *known >> k & 1 == 1).count();
            for _ in 0..rest {
                self.take(1)?;
            }
            *empty -= 1;
        }
        Ok(())
    }
}
