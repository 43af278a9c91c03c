//! A segment: a file of records, one after another, appended to by one process and read by all.

use std::fs::File;
use std::io::{self, Read};

use crate::store::folder::Folder;
use crate::store::record::{self, HEADER, Header, LONGEST, MAGIC};

/// A segment is closed, and another begun, when it would grow beyond this.
pub(crate) const FULL: u64 = 8 << 20;
/// The first bytes of a segment.
pub(crate) const GREETING: &[u8; 16] = b"stamped-cache 1\n";
const SUFFIX: &str = ".seg";
/// How the names of segments begin that are not complete yet.
pub(crate) const TEMPORARY: &str = "temporary-";

/// Where a record lies in its segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// What a reading of a segment found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) records: Vec<(Header, Place)>,
    /// Stretches of bytes that are no record: torn by a killed writer, or damaged.
    pub(crate) damaged: u64,
}

/// The names of the folder's segments, in the order in which they were begun.
pub(crate) fn names(folder: &Folder) -> io::Result<Vec<String>> {
    let mut names = folder.names()?;
    names.retain(|name| name.ends_with(SUFFIX) && !name.starts_with(TEMPORARY));
    names.sort();
    Ok(names)
}

/// A name that no other segment has: the time, the process and a number.
pub(crate) fn fresh_name(now: u64, number: u64) -> String {
    format!("{now:016x}-{}-{number}{SUFFIX}", std::process::id())
}

/// Reads a whole segment. The bodies are left unchecked: they are checked when they are used.
pub(crate) fn load(file: &File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > FULL + LONGEST as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than any segment"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // The file may be growing; what comes later is the next reading's.
    let mut file = file;
    file.by_ref().take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Finds the records of a segment. After bytes that are no record it goes on with the next one.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan::default();
    let mut offset = GREETING.len().min(bytes.len());
    if bytes.get(..offset) != Some(&GREETING[..]) {
        // Records stand for themselves, so a damaged greeting costs none of them.
        scan.damaged += u64::from(!bytes.is_empty());
    }
    let mut astray = false;
    while offset < bytes.len() {
        let rest = &bytes[offset..];
        match record::header(rest).filter(|header| HEADER + header.body <= rest.len()) {
            Some(header) => {
                astray = false;
                let length = HEADER + header.body;
                let place = Place { offset: offset as u64, length: u32::try_from(length).unwrap_or(u32::MAX) };
                scan.records.push((header, place));
                offset += length;
            }
            None => {
                scan.damaged += u64::from(!astray);
                astray = true;
                let next = rest[1..].iter().position(|&byte| byte == MAGIC[0]);
                offset += next.map_or(rest.len(), |next| next + 1);
            }
        }
    }
    scan
}
