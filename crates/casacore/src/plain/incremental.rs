//! The incremental storage manager: a value is stored where it differs from that of the row before.
//!
//! Its file is a header, from byte 512 on equal buckets, and after them the index with the first row of each bucket. A
//! bucket is the place of its own index, the values, and the index: for each column how many values, the rows (from the
//! bucket's first on) from which they hold, and their places. Written after casacore 3.5: `ISMBase.cc` (`readIndex`,
//! `open64`), `ISMIndex.cc` (`get`, `getIndex`), `ISMBucket.cc` (`read`, `getInterval`), `ISMColumn.cc` (`init`).

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::file::TableFile;
use super::store::Run;
use crate::aipsio::Cursor;
use crate::{Endian, Result};

/// Where the buckets begin.
const FIRST: u64 = 512;
/// A longer header than any.
const HEADER: usize = 128;
/// The longest index that is read: 8 million buckets.
const LONGEST: u64 = 128 << 20;

#[derive(Debug)]
pub(super) struct Incremental {
    pub(super) file: TableFile,
    pub(super) name: String,
    pub(super) bucket_bytes: u64,
    /// Whether arrays of variable shape are in one file a column, as in old versions.
    pub(super) file_a_column: bool,
    endian: Endian,
    /// The first row of each bucket, and the row after the last.
    starts: Vec<u64>,
    buckets: Vec<u64>,
}

impl Incremental {
    pub(super) fn open(path: PathBuf, table: &Path, endian: Endian, note: &[u8]) -> Result<Self> {
        let dat = table.join("table.dat");
        let mut c = Cursor::new(&dat, note);
        c.magic()?;
        let (mut version, _) = c.object("ISM")?;
        let name = c.string()?;

        let file = TableFile::open(path)?;
        let mut scratch = Vec::new();
        let head = usize::try_from(file.length()).unwrap_or(HEADER).min(HEADER);
        let mut c = Cursor::new(file.path(), file.part(0, head, &mut scratch)?).ordered(endian);
        c.magic()?;
        let (header, _) = c.object("IncrementalStMan")?;
        // Sets of Westerbork from a week of casacore's youth have the versions in each other's place.
        if header == 3 {
            version = 3;
        }
        if header >= 5 && c.bool()? != (endian == Endian::Big) {
            return c.damaged("a byte order that is not the table's");
        }
        let bucket_bytes = u64::from(c.u32()?);
        let count = u64::from(c.u32()?);
        let at = FIRST + count.saturating_mul(bucket_bytes);
        let Some(length) = file.length().checked_sub(at).filter(|_| bucket_bytes > 4) else {
            return c.damaged(format!("{count} buckets of {bucket_bytes} bytes in a file of {}", file.length()));
        };
        let index = file.part(at, usize::try_from(length.min(LONGEST)).unwrap_or(0), &mut scratch)?;
        let mut c = Cursor::new(file.path(), index).ordered(endian);
        c.magic()?;
        c.object("ISMIndex")?;
        let used = c.u32()? as usize;
        let (mut starts, mut buckets) = (c.block()?, c.block()?);
        if used == 0 || starts.len() <= used || buckets.len() < used {
            return c.damaged(format!("an index of {used} buckets"));
        }
        starts.truncate(used + 1);
        buckets.truncate(used);
        if buckets.iter().any(|&bucket| bucket >= count) {
            return c.damaged("an index that names a bucket past the end of the file");
        }
        if starts[0] != 0 || starts.windows(2).any(|pair| pair[0] > pair[1]) {
            return c.damaged("an index whose rows do not ascend");
        }
        Ok(Self { file, name, bucket_bytes, file_a_column: version < 3, endian, starts, buckets })
    }

    /// How many rows the index has.
    pub(super) fn rows(&self) -> Option<u64> {
        self.starts.last().copied()
    }

    /// Calls `each` for the values of one column, each with the rows that have it.
    pub(super) fn visit(
        &self,
        number: usize,
        rows: Range<u64>,
        each: &mut dyn FnMut(Run<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut scratch = Vec::new();
        let mut row = rows.start;
        let mut entry = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        let mut intervals = Vec::new();
        while row < rows.end {
            let (Some(&start), Some(&stop), Some(&bucket)) =
                (self.starts.get(entry), self.starts.get(entry + 1), self.buckets.get(entry))
            else {
                return self.file.damaged(0, format!("no bucket holds row {row}"));
            };
            let at = FIRST + bucket * self.bucket_bytes;
            let bytes = self.file.part(at, self.bucket_bytes as usize, &mut scratch)?;
            let end = stop.min(rows.end);
            let length = self.intervals(at, bytes, number, &mut intervals)?;
            let mut next = intervals.partition_point(|&(from, _)| from <= row - start).saturating_sub(1);
            while row < end {
                let (_, place) = intervals[next];
                let until = intervals.get(next + 1).map_or(end, |&(from, _)| start.saturating_add(from).min(end));
                // Values are before the bucket's own index.
                let Some(value) = bytes.get(4..length).and_then(|data| data.get(place as usize..)) else {
                    return self.file.damaged(at, format!("a value at {place} of a bucket's {length} bytes"));
                };
                if until > row {
                    let at = at + 4 + u64::from(place);
                    each(Run { rows: row..until, bytes: value, bit: 0, repeated: true, at })?;
                }
                row = until.max(row);
                next += 1;
                if next == intervals.len() && row < end {
                    return self.file.damaged(at, "a bucket whose rows do not ascend");
                }
            }
            entry += 1;
        }
        Ok(())
    }

    /// The rows from which a bucket's values of one column hold, with the places of the values; gives the end of the values.
    fn intervals(&self, at: u64, bytes: &[u8], number: usize, found: &mut Vec<(u64, u32)>) -> Result<usize> {
        let mut c = Cursor::new(self.file.path(), bytes).ordered(self.endian);
        let word = c.u32()?;
        let wide = word & 0xf000_0000 != 0;
        let index = (word & 0x0fff_ffff) as usize;
        let mut c = c.starting(index);
        let width = if wide { 8 } else { 4 };
        for _ in 0..number {
            let used = c.u32()? as usize;
            c.take(used.saturating_mul(width + 4))?;
        }
        let used = c.u32()? as usize;
        if used == 0 || used.saturating_mul(width + 4) > c.left() {
            return self.file.damaged(at, format!("a bucket with {used} values of a column"));
        }
        found.clear();
        for _ in 0..used {
            found.push((c.count(wide)?, 0));
        }
        for interval in found.iter_mut() {
            interval.1 = c.u32()?;
        }
        if found[0].0 != 0 || found.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return self.file.damaged(at, "a bucket whose rows do not ascend");
        }
        Ok(index)
    }
}
