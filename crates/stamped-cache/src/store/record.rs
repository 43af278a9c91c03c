//! One entry as bytes.
//!
//! A record is a header of [`HEADER`] bytes and a body. All numbers are little endian.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | [`MAGIC`] |
//! | 4 | 1: an entry; 2: the entry of this key was removed |
//! | 4 | length of the body |
//! | 16 | hash of the key |
//! | 8 | when it was written, nanoseconds since 1970: of two records of a key the later counts |
//! | 8 | BLAKE3 of the 36 bytes before, cut |
//! | 16 | BLAKE3 of the 44 bytes before and the body, cut |
//! | … | the body: boot, part, path, files with their stamps, value |

use std::ffi::CString;

use crate::key::Key;
use crate::stamp::{Devices, FileTime, Identity, Stamp};
use crate::tracker::{Dependency, Files};

pub(crate) const MAGIC: [u8; 4] = *b"\xF5SC1";
/// Bytes of a record's header.
pub(crate) const HEADER: usize = 60;
/// No record is longer, so that a damaged length cannot ask for more memory than that.
pub(crate) const LONGEST: usize = 64 << 20;

const ENTRY: u32 = 1;
const REMOVED: u32 = 2;

/// A key's hash: 128 bits of BLAKE3, so that no two keys of one store share it. The key is compared besides.
pub(crate) type KeyHash = [u8; 16];

pub(crate) fn hash_of(key: &Key) -> KeyHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.c_path().as_bytes_with_nul());
    hasher.update(key.part_name().as_bytes());
    cut(&hasher.finalize())
}

fn cut<const N: usize>(hash: &blake3::Hash) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&hash.as_bytes()[..N]);
    out
}

/// What a header tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) removed: bool,
    pub(crate) body: usize,
    pub(crate) key: KeyHash,
    pub(crate) written: u64,
}

/// What a record tells, once it has been checked.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) files: Files,
    pub(crate) devices: Devices,
    pub(crate) value: Vec<u8>,
}

/// A whole record. `None` when it would be longer than [`LONGEST`].
pub(crate) fn encode(
    key: &Key,
    hash: KeyHash,
    files: &[Dependency],
    value: &[u8],
    boot: u64,
    written: u64,
) -> Option<Vec<u8>> {
    let mut out = vec![0; HEADER];
    put_key(&mut out, key, boot)?;
    out.extend(u32::try_from(files.len()).ok()?.to_le_bytes());
    for file in files {
        // Most values come from the file that is their key: its path is not repeated.
        let same = file.path == *key.c_path();
        put_bytes(&mut out, if same { &[] } else { file.path.as_bytes() })?;
        match file.stamp {
            Stamp::Absent => out.push(0),
            Stamp::Present(id) => {
                out.push(1);
                for number in [id.device, id.inode, id.size] {
                    out.extend(number.to_le_bytes());
                }
                for time in [id.mtime, id.ctime] {
                    out.extend(time.seconds.to_le_bytes());
                    out.extend(time.nanoseconds.to_le_bytes());
                }
            }
            Stamp::Unreadable(_) => return None,
        }
    }
    out.extend(value);
    seal(out, ENTRY, hash, written)
}

/// The record that hides the earlier ones of `key`.
pub(crate) fn encode_removal(key: &Key, hash: KeyHash, written: u64) -> Option<Vec<u8>> {
    let mut out = vec![0; HEADER];
    put_key(&mut out, key, 0)?;
    seal(out, REMOVED, hash, written)
}

fn put_key(out: &mut Vec<u8>, key: &Key, boot: u64) -> Option<()> {
    out.extend(boot.to_le_bytes());
    put_bytes(out, key.part_name().as_bytes())?;
    put_bytes(out, key.c_path().as_bytes())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
    out.extend(bytes);
    Some(())
}

fn seal(mut out: Vec<u8>, kind: u32, hash: KeyHash, written: u64) -> Option<Vec<u8>> {
    let body = out.len() - HEADER;
    if out.len() > LONGEST {
        return None;
    }
    out[0..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&kind.to_le_bytes());
    out[8..12].copy_from_slice(&u32::try_from(body).ok()?.to_le_bytes());
    out[12..28].copy_from_slice(&hash);
    out[28..36].copy_from_slice(&written.to_le_bytes());
    let check = header_check(&out);
    out[36..44].copy_from_slice(&check);
    let check = body_check(&out);
    out[44..60].copy_from_slice(&check);
    Some(out)
}

fn header_check(record: &[u8]) -> [u8; 8] {
    cut(&blake3::hash(&record[..36]))
}

fn body_check(record: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&record[..44]);
    hasher.update(&record[HEADER..]);
    cut(&hasher.finalize())
}

/// The header at the start of `bytes`, if there is a whole and undamaged one.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let bytes = bytes.get(..HEADER)?;
    if bytes[0..4] != MAGIC || bytes[36..44] != header_check(bytes) {
        return None;
    }
    fields(bytes)
}

/// The header's numbers, if they make sense. Its checksum is left to the caller.
fn fields(bytes: &[u8]) -> Option<Header> {
    let mut at = Cursor(bytes.get(4..36)?);
    let kind = at.u32()?;
    let body = usize::try_from(at.u32()?).ok()?;
    let key = at.array()?;
    let written = at.u64()?;
    (matches!(kind, ENTRY | REMOVED) && HEADER + body <= LONGEST).then_some(Header {
        removed: kind == REMOVED,
        body,
        key,
        written,
    })
}

/// The header of `record`, if that and its body are as they were written.
pub(crate) fn intact(record: &[u8]) -> Option<Header> {
    // The body's checksum covers the header and the header's checksum too.
    (record.len() >= HEADER && record[0..4] == MAGIC && record[44..60] == body_check(record))
        .then(|| fields(record))
        .flatten()
        .filter(|header| header.body == record.len() - HEADER)
}

/// The content of an intact record of `key`.
pub(crate) fn decode(record: &[u8], key: &Key, boot: u64) -> Option<Record> {
    if intact(record)?.removed {
        return None;
    }
    let mut at = Cursor(&record[HEADER..]);
    let devices = if at.u64()? == boot { Devices::Compared } else { Devices::Ignored };
    if at.bytes()? != key.part_name().as_bytes() || at.bytes()? != key.c_path().as_bytes() {
        return None;
    }
    let count = at.u32()?;
    let mut files = Vec::new();
    for _ in 0..count {
        let path = match at.bytes()? {
            [] => key.c_path().clone(),
            path => CString::new(path).ok()?,
        };
        let stamp = match at.array::<1>()? {
            [0] => Stamp::Absent,
            [1] => Stamp::Present(Identity {
                device: at.u64()?,
                inode: at.u64()?,
                size: at.u64()?,
                mtime: at.time()?,
                ctime: at.time()?,
            }),
            _ => return None,
        };
        files.push(Dependency { path, stamp });
    }
    Some(Record { files: Files::new(files), devices, value: at.0.to_vec() })
}

/// Takes numbers from the front of bytes, never past their end.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<FileTime> {
        let seconds = self.array().map(i64::from_le_bytes)?;
        Some(FileTime { seconds, nanoseconds: self.u32()? })
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }
}
