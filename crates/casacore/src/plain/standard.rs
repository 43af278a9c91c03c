//! The standard storage manager.
//!
//! Its file is a header and, from byte 512 on, equal buckets: of rows, in which each column has a place of its own; of
//! strings; and of the index, which tells the last row of each bucket of rows. Columns that were added later may have an
//! index of their own. Written after casacore 3.5: `SSMBase.cc` (`readHeader`, `readIndexBuckets`, `open64`), `SSMIndex.cc`
//! (`get`), `SSMColumn.cc` (`init`, `getString`), `SSMStringHandler.cc` (`getBucket`, `getData`).

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::file::TableFile;
use super::store::Run;
use crate::aipsio::Cursor;
use crate::{Endian, Result};

/// Where the buckets begin.
const FIRST: u64 = 512;
/// The words before a bucket's strings: a link, the bytes used, the bytes deleted, the next bucket. Always big endian.
const STRING_HEAD: usize = 16;
/// A longer header than any: the object with its eleven words.
const HEADER: usize = 128;

#[derive(Debug)]
pub(super) struct Standard {
    pub(super) file: TableFile,
    pub(super) name: String,
    pub(super) bucket_bytes: u64,
    /// For each column its place in a bucket and its index.
    columns: Vec<(u64, usize)>,
    indices: Vec<Index>,
}

/// Which rows each bucket holds.
#[derive(Debug)]
struct Index {
    last_rows: Vec<u64>,
    buckets: Vec<u64>,
}

impl Standard {
    pub(super) fn open(path: PathBuf, table: &Path, endian: Endian, note: &[u8]) -> Result<Self> {
        let dat = table.join("table.dat");
        let mut c = Cursor::new(&dat, note);
        c.magic()?;
        c.object("SSM")?;
        let name = c.string()?;
        let (offsets, maps) = (c.block()?, c.block()?);
        if offsets.len() != maps.len() {
            return c.damaged("a standard manager with fewer places than columns");
        }

        let file = TableFile::open(path)?;
        let mut scratch = Vec::new();
        let head = usize::try_from(file.length()).unwrap_or(HEADER).min(HEADER);
        let mut c = Cursor::new(file.path(), file.part(0, head, &mut scratch)?).ordered(endian);
        c.magic()?;
        // The object's length is that of the whole header, which is shorter than what was read.
        let (version, _) = c.object("StandardStMan")?;
        if version >= 3 && c.bool()? != (endian == Endian::Big) {
            return c.damaged("a byte order that is not the table's");
        }
        let bucket_bytes = u64::from(c.u32()?);
        for _ in 0..4 {
            c.u32()?; // buckets, cached buckets, free buckets, the first free bucket
        }
        let index_buckets = c.u32()?;
        let first = c.i32()?;
        let within = if version >= 2 { c.u32()? } else { 0 };
        c.i32()?; // the last bucket of strings
        let length = c.u32()? as usize;
        let count = c.u32()?;
        if bucket_bytes <= STRING_HEAD as u64 {
            return c.damaged(format!("buckets of {bucket_bytes} bytes"));
        }
        let buckets = file.length().saturating_sub(FIRST) / bucket_bytes;
        let bytes = Self::index(&file, bucket_bytes, index_buckets, first, within, length)?;
        let mut c = Cursor::new(file.path(), &bytes).ordered(endian);
        let indices = (0..count).map(|_| Index::read(&mut c, buckets)).collect::<Result<Vec<_>>>()?;
        let columns = offsets.into_iter().zip(maps).map(|(offset, index)| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            (offset, index)
        });
        let columns = columns.collect();
        drop(scratch);
        Ok(Self { file, name, bucket_bytes, columns, indices })
    }

    /// How many rows the index has.
    pub(super) fn rows(&self) -> Option<u64> {
        self.indices.first().map(|index| index.last_rows.last().map_or(0, |last| last + 1))
    }

    /// The bytes of the index: within one bucket, or over a chain of them.
    fn index(
        file: &TableFile,
        bucket_bytes: u64,
        count: u32,
        first: i32,
        within: u32,
        length: usize,
    ) -> Result<Vec<u8>> {
        const CHAIN: usize = 8;
        let place = |bucket: i32| match u64::try_from(bucket) {
            Ok(bucket) => Ok(FIRST + bucket * bucket_bytes),
            Err(_) => file.damaged(0, format!("an index that goes on in bucket {bucket}")),
        };
        let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
        if length as u64 > file.length() {
            return file.damaged(0, format!("an index of {length} bytes"));
        }
        if within > 0 {
            bytes.extend_from_slice(file.part(place(first)? + u64::from(within), length, &mut scratch)?);
            return Ok(bytes);
        }
        let most = bucket_bytes as usize - CHAIN;
        let mut bucket = first;
        for _ in 0..count {
            let at = place(bucket)?;
            let next = file.part(at + 4, 4, &mut scratch)?;
            bucket = Cursor::new(file.path(), next).i32()?;
            let part = most.min(length - bytes.len());
            bytes.extend_from_slice(file.part(at + CHAIN as u64, part, &mut scratch)?);
            if bytes.len() == length {
                break;
            }
        }
        if bytes.len() < length { file.damaged(0, "an index that ends early") } else { Ok(bytes) }
    }

    /// Calls `each` for the cells of one column, bucket by bucket.
    pub(super) fn visit(
        &self,
        number: usize,
        bits: u64,
        rows: Range<u64>,
        each: &mut dyn FnMut(Run<'_>) -> Result<()>,
    ) -> Result<()> {
        let place = self.columns.get(number).and_then(|&(offset, index)| Some((offset, self.indices.get(index)?)));
        let Some((offset, index)) = place else {
            return self.file.damaged(0, format!("no place for column {number} of the manager"));
        };
        let mut scratch = Vec::new();
        let mut row = rows.start;
        let mut entry = index.last_rows.partition_point(|&last| last < row);
        while row < rows.end {
            let (Some(&last), Some(&bucket)) = (index.last_rows.get(entry), index.buckets.get(entry)) else {
                return self.file.damaged(0, format!("no bucket holds row {row}"));
            };
            let first = if entry == 0 { 0 } else { index.last_rows[entry - 1] + 1 };
            let end = last.saturating_add(1).min(rows.end);
            let stop = (end - first).checked_mul(bits).map(|bits| bits.div_ceil(8));
            if stop.and_then(|stop| stop.checked_add(offset)).is_none_or(|stop| stop > self.bucket_bytes) {
                return self.file.damaged(0, format!("bucket {bucket} cannot hold rows {first} to {last}"));
            }
            let skipped = (row - first) * bits;
            let bit = (skipped % 8) as usize;
            let bytes = (bit as u64 + (end - row) * bits).div_ceil(8) as usize;
            let at = FIRST + bucket * self.bucket_bytes + offset + skipped / 8;
            let bytes = self.file.part(at, bytes, &mut scratch)?;
            each(Run { rows: row..end, bytes, bit, repeated: false, at })?;
            row = end;
            entry += 1;
        }
        Ok(())
    }

    /// So many bytes from the buckets of strings, beginning at `offset` in `bucket`.
    pub(super) fn text(&self, bucket: i32, offset: i32, length: i32) -> Result<Vec<u8>> {
        let wrong = |at| self.file.damaged(at, format!("a string of {length} bytes at {offset} in bucket {bucket}"));
        let Ok(length) = usize::try_from(length) else { return wrong(0) };
        if length as u64 > self.file.length() {
            return wrong(0);
        }
        let mut text = Vec::with_capacity(length);
        let mut scratch = Vec::new();
        let (mut bucket, mut offset) = (bucket, offset);
        let mut hops = self.file.length() / self.bucket_bytes;
        loop {
            let Ok(number) = u64::try_from(bucket) else { return wrong(0) };
            let at = FIRST + number * self.bucket_bytes;
            let mut head = Cursor::new(self.file.path(), self.file.part(at, STRING_HEAD, &mut scratch)?).starting(4);
            let (used, _, next) = (head.u32()?, head.u32()?, head.i32()?);
            if u64::from(used) + STRING_HEAD as u64 > self.bucket_bytes {
                return wrong(at);
            }
            let Some(there) = u32::try_from(offset).ok().and_then(|offset| used.checked_sub(offset)) else {
                return wrong(at);
            };
            let part = (there as usize).min(length - text.len());
            let start = at + STRING_HEAD as u64 + u64::from(offset.unsigned_abs());
            text.extend_from_slice(self.file.part(start, part, &mut scratch)?);
            if text.len() == length {
                return Ok(text);
            }
            let Some(left) = hops.checked_sub(1) else { return wrong(at) };
            (bucket, offset, hops) = (next, 0, left);
        }
    }
}

impl Index {
    /// Reads an index of a file of so many buckets.
    fn read(c: &mut Cursor<'_>, buckets: u64) -> Result<Self> {
        c.magic()?;
        c.object("SSMIndex")?;
        let used = c.u32()? as usize;
        c.u32()?; // rows in a bucket
        c.i32()?; // columns
        c.skip_object()?; // free space
        let (mut last_rows, mut numbers) = (c.block()?, c.block()?);
        if last_rows.len() < used || numbers.len() < used || used as u64 > buckets {
            return c.damaged(format!("an index of {used} buckets"));
        }
        last_rows.truncate(used);
        numbers.truncate(used);
        if numbers.iter().any(|&bucket| bucket >= buckets) {
            return c.damaged("an index that names a bucket past the end of the file");
        }
        if last_rows.windows(2).any(|pair| pair[0] >= pair[1]) || last_rows.last() == Some(&u64::MAX) {
            return c.damaged("an index whose rows do not ascend");
        }
        Ok(Self { last_rows, buckets: numbers })
    }
}
