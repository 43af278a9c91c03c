//! A flag version's file: chunks of bits, then what they are as JSON, its BLAKE3, its length, and a magic word.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bits::{pack, unpack};
use super::*;

const MAGIC: &[u8; 8] = b"msflags1";
/// The trailer's checksum, its length, and the magic word.
const END_BYTES: u64 = 32 + 8 + 8;
const MAX_TRAILER_BYTES: u64 = 64 << 20;
/// Rows of FLAG_ROW that are read or written at a time.
const ROWS: u64 = 1 << 20;

/// What the trailer tells.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    version: FlagVersion,
    flag: Vec<Chunk>,
    flag_row: Vec<Chunk>,
}

/// Consecutive rows with cells of one shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Chunk {
    first: u64,
    end: u64,
    cell: [usize; 2],
    /// Where its bits are; none when no value is set.
    bits: Option<Bits>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bits {
    offset: u64,
    bytes: u64,
    blake3: String,
}

impl Chunk {
    fn values(&self) -> Option<usize> {
        let rows = usize::try_from(self.end.checked_sub(self.first)?).ok()?;
        rows.checked_mul(self.cell[0].checked_mul(self.cell[1])?)
    }
}

/// A version's file, open.
#[derive(Debug)]
pub(super) struct VersionFile {
    path: PathBuf,
    file: File,
    trailer: Trailer,
    pub(super) version: FlagVersion,
}

/// Writes the flags of the set at `set` to a new file at `path`.
pub(super) fn save(set: &Path, path: &Path, name: &str, by: &str) -> Result<FlagVersion> {
    let failed = |source| Error::io(path, "write the flag version", source);
    let file = File::create(path).map_err(failed)?;
    let table = Table::open(set)?;
    let rows = table.rows()?;
    let has_row_flags = table.columns()?.iter().any(|column| column.name == "FLAG_ROW");
    drop(table);
    let end = AtomicU64::new(0);
    let put = |chunk: &mut Chunk, values: &[bool], bytes: &mut Vec<u8>| -> Result<u64> {
        let set = pack(values, bytes);
        if set != 0 {
            let offset = end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            file.write_all_at(bytes, offset).map_err(failed)?;
            let blake3 = blake3::hash(bytes).to_hex().to_string();
            chunk.bits = Some(Bits { offset, bytes: bytes.len() as u64, blake3 });
        }
        Ok(set)
    };
    let flag = Input::<bool>::open(set, "FLAG")?;
    let mut flags: Vec<Chunk> = chunks(&flag, rows)
        .into_iter()
        .map(|(rows, cell)| Chunk { first: rows.start, end: rows.end, cell, bits: None })
        .collect();
    let values = flags.iter().filter_map(Chunk::values).map(|count| count as u64).sum();
    let flagged = flags
        .par_iter_mut()
        .map_init(Default::default, |(values, bytes): &mut (Vec<bool>, Vec<u8>), chunk| {
            flag.read_into(chunk.first..chunk.end, values)?;
            put(chunk, values, bytes)
        })
        .sum::<Result<u64>>()?;
    drop(flag);
    let mut row_flags = Vec::new();
    let mut flagged_rows = None;
    if has_row_flags {
        let column = Input::<bool>::open(set, "FLAG_ROW")?;
        let (mut values, mut bytes, mut first, mut count) = (Vec::new(), Vec::new(), 0, 0);
        while first < rows {
            let end = rows.min(first + ROWS);
            let mut chunk = Chunk { first, end, cell: [1, 1], bits: None };
            column.read_into(first..end, &mut values)?;
            count += put(&mut chunk, &values, &mut bytes)?;
            row_flags.push(chunk);
            first = end;
        }
        flagged_rows = Some(count);
    }
    let at_unix_s = publish::product_time()?.as_secs();
    let version =
        FlagVersion { name: name.to_owned(), by: by.to_owned(), at_unix_s, rows, values, flagged, flagged_rows };
    let trailer = Trailer { version: version.clone(), flag: flags, flag_row: row_flags };
    let text = serde_json::to_vec(&trailer).map_err(|source| failed(source.into()))?;
    let mut last = text.clone();
    last.extend_from_slice(blake3::hash(&text).as_bytes());
    last.extend_from_slice(&(text.len() as u64).to_le_bytes());
    last.extend_from_slice(MAGIC);
    file.write_all_at(&last, end.into_inner()).map_err(failed)?;
    Ok(version)
}

/// Opens a version's file and checks its trailer.
pub(super) fn read(path: &Path) -> Result<VersionFile> {
    let bad = |reason: &str| Error::BadVersion { path: path.to_owned(), reason: reason.to_owned() };
    let failed = |source| Error::io(path, "read the flag version", source);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let at = length.checked_sub(END_BYTES).ok_or_else(|| bad("it is too short"))?;
    let mut end = [0; END_BYTES as usize];
    file.read_exact_at(&mut end, at).map_err(failed)?;
    let (hash, rest) = end.split_at(32);
    let (size, magic) = rest.split_at(8);
    if magic != MAGIC {
        return Err(bad("it does not end as one"));
    }
    let mut number = [0; 8];
    number.copy_from_slice(size);
    let size = u64::from_le_bytes(number);
    let start = at.checked_sub(size).filter(|_| size <= MAX_TRAILER_BYTES).ok_or_else(|| bad("its length is wrong"))?;
    let mut text = vec![0; size as usize];
    file.read_exact_at(&mut text, start).map_err(failed)?;
    if blake3::hash(&text).as_bytes() != hash {
        return Err(bad("its checksum does not hold"));
    }
    let trailer: Trailer =
        serde_json::from_slice(&text).map_err(|error| bad(&format!("its content is not understood ({error})")))?;
    for chunk in trailer.flag.iter().chain(&trailer.flag_row) {
        let values = chunk.values().ok_or_else(|| bad("a chunk is too large"))?;
        if chunk.bits.as_ref().is_some_and(|bits| bits.bytes != values.div_ceil(8) as u64) {
            return Err(bad("a chunk has not as many bits as values"));
        }
    }
    Ok(VersionFile { path: path.to_owned(), file, version: trailer.version.clone(), trailer })
}

impl VersionFile {
    /// Writes the version's flags to the columns FLAG and FLAG_ROW of an edit.
    pub(super) fn restore(&self, edit: &ColumnEdit) -> Result<()> {
        let misfit = |found: String| Error::VersionMisfit {
            path: edit.set().to_owned(),
            name: self.version.name.clone(),
            found,
        };
        if self.version.rows != edit.rows() {
            return Err(misfit(format!("it has {} rows, the set has {}", self.version.rows, edit.rows())));
        }
        for (name, chunks) in [("FLAG", &self.trailer.flag), ("FLAG_ROW", &self.trailer.flag_row)] {
            if chunks.is_empty() {
                continue;
            }
            let column = edit.column::<bool>(name)?;
            chunks.par_iter().try_for_each_init(
                Default::default,
                |(bytes, values): &mut (Vec<u8>, Vec<bool>), chunk| {
                    let rows = chunk.first..chunk.end;
                    let found = column.cell(&rows).map_err(|_| {
                        misfit(format!("the cells of rows {} to {} changed their shapes", rows.start, rows.end))
                    })?;
                    if found != chunk.cell {
                        return Err(misfit(format!(
                            "the cells of rows {} to {} have the shape {found:?}, the version has {:?}",
                            rows.start, rows.end, chunk.cell
                        )));
                    }
                    self.values(chunk, bytes, values)?;
                    column.write(rows, values)
                },
            )?;
        }
        Ok(())
    }

    fn values(&self, chunk: &Chunk, bytes: &mut Vec<u8>, values: &mut Vec<bool>) -> Result<()> {
        let count = chunk.values().expect("because `read` has checked it");
        values.clear();
        values.resize(count, false);
        if let Some(bits) = &chunk.bits {
            bytes.resize(count.div_ceil(8), 0);
            self.file
                .read_exact_at(bytes, bits.offset)
                .map_err(|source| Error::io(&self.path, "read the flag version", source))?;
            if blake3::hash(bytes).to_hex().as_str() != bits.blake3 {
                let reason = format!("the flags of rows {} to {} are damaged", chunk.first, chunk.end);
                return Err(Error::BadVersion { path: self.path.clone(), reason });
            }
            unpack(bytes, values);
        }
        Ok(())
    }
}
