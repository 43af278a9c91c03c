//! The files of a folder, every one of them with what its name says.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vis_types::{JulianDate, SubbandIndex};

use crate::error::Error;

/// What a name says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A UVH5 file by its extension: `.hdf5`, `.h5` or `.uvh5`.
    Subband,
    /// A UVH5 file that is not finished by its name: the writer's `_incomplete`, or a copy in progress (`.part`, `.tmp`,
    /// rsync's hidden names).
    Unfinished,
    /// A file with another extension.
    Other,
    /// A folder that was not entered.
    Folder,
    /// Neither a file nor a folder, or one that cannot be examined: a broken link, a socket …
    Inaccessible,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Where it is.
    pub path: PathBuf,
    /// What its name says it is.
    pub kind: FileKind,
    /// The time in its name, as DSA-110 names files: `2026-01-25T00:05:19_sb00.hdf5`. It is the clock of the host that wrote
    /// the file, at the moment of opening it; the sixteen of a group differ by seconds.
    pub name_time: Option<JulianDate>,
    /// The number after the last `_sb` in its name.
    pub subband: Option<SubbandIndex>,
    /// Its length.
    pub bytes: u64,
}

/// How a folder is searched.
#[derive(Clone, Copy, Debug, Default)]
pub struct FindOptions {
    /// Enter folders inside the folder. Symbolic links to folders are never followed.
    pub recursive: bool,
}

/// Lists all entries of a folder in the order of their paths. Nothing is left out: what is no subband file says so in
/// its [`FoundFile::kind`].
///
/// # Errors
/// When the folder, or one inside it that is entered, cannot be listed.
pub fn find(dir: &Path, options: &FindOptions) -> Result<Vec<FoundFile>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let io = |source| Error::Io { path: folder.clone(), doing: "listing", source };
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let path = entry.path();
            let is_link = entry.file_type().is_ok_and(|t| t.is_symlink());
            match fs::metadata(&path) {
                Ok(m) if m.is_dir() && options.recursive && !is_link => folders.push(path),
                Ok(m) if m.is_dir() => found.push(FoundFile::new(path, FileKind::Folder, 0)),
                Ok(m) if m.is_file() => {
                    let kind = kind_of_name(&path);
                    found.push(FoundFile::new(path, kind, m.len()));
                }
                _ => found.push(FoundFile::new(path, FileKind::Inaccessible, 0)),
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

impl FoundFile {
    /// What the name of one file says, for files that a caller names instead of a folder.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let metadata =
            fs::metadata(path).map_err(|source| Error::Io { path: path.to_owned(), doing: "finding it", source })?;
        let kind = if metadata.is_dir() { FileKind::Folder } else { kind_of_name(path) };
        Ok(Self::new(path.to_owned(), kind, metadata.len()))
    }

    fn new(path: PathBuf, kind: FileKind, bytes: u64) -> Self {
        Self { name_time: time_of_name(&path), subband: subband_of_name(&path), path, kind, bytes }
    }

    /// Whether it is worth opening.
    #[must_use]
    pub fn is_subband(&self) -> bool {
        self.kind == FileKind::Subband
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or("")
}

const EXTENSIONS: [&str; 3] = ["hdf5", "h5", "uvh5"];

fn kind_of_name(path: &Path) -> FileKind {
    let name = name_of(path);
    let mut parts = name.rsplit('.');
    let last = parts.next().unwrap_or("").to_ascii_lowercase();
    let before = parts.next().unwrap_or("").to_ascii_lowercase();
    let hidden = name.starts_with('.');
    if EXTENSIONS.contains(&last.as_str()) {
        let stem = &name[..name.len() - last.len() - 1];
        if hidden || stem.ends_with("_incomplete") { FileKind::Unfinished } else { FileKind::Subband }
    } else if EXTENSIONS.contains(&before.as_str())
        && (hidden || ["part", "partial", "tmp", "incomplete"].contains(&last.as_str()))
    {
        FileKind::Unfinished
    } else {
        FileKind::Other
    }
}

/// The digits after the last `_sb`.
pub(crate) fn subband_of_name(path: &Path) -> Option<SubbandIndex> {
    let (_, tail) = name_of(path).rsplit_once("_sb")?;
    let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    tail[..digits].parse().ok().map(SubbandIndex)
}

/// `YYYY-MM-DDTHH:MM:SS` at the beginning of the name, UTC, with or without decimals.
fn time_of_name(path: &Path) -> Option<JulianDate> {
    let name = name_of(path).trim_start_matches('.');
    let (date, rest) = name.split_at_checked(10)?;
    let field = |text: &str, low: u32, high: u32| -> Option<u32> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|n| (low..=high).contains(n))
    };
    let mut ymd = date.split('-');
    let (year, month, day) = (field(ymd.next()?, 1858, 2200)?, field(ymd.next()?, 1, 12)?, field(ymd.next()?, 1, 31)?);
    let clock = rest.strip_prefix('T')?;
    let end = clock.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(clock.len());
    let mut hms = clock[..end].splitn(3, ':');
    let (hour, minute) = (field(hms.next()?, 0, 23)?, field(hms.next()?, 0, 59)?);
    let second_text = hms.next()?.trim_end_matches('.');
    let second: f64 = second_text.parse().ok().filter(|s| (0.0..61.0).contains(s))?;
    let seconds = f64::from(hour * 3600 + minute * 60) + second;
    Some(JulianDate(julian_day(year, month, day) as f64 - 0.5 + seconds / 86_400.0))
}

/// Julian day number at noon of a Gregorian date (Fliegel & Van Flandern 1968, Communications of the ACM 11, 657).
fn julian_day(year: u32, month: u32, day: u32) -> i64 {
    let (y, m, d) = (i64::from(year), i64::from(month), i64::from(day));
    let a = (m - 14) / 12;
    d - 32_075 + 1461 * (y + 4800 + a) / 4 + 367 * (m - 2 - a * 12) / 12 - 3 * ((y + 4900 + a) / 100) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        let f = |name: &str| FoundFile::new(PathBuf::from("/d").join(name), kind_of_name(Path::new(name)), 0);
        let file = f("2026-01-25T00:05:19_sb07.hdf5");
        assert_eq!((file.kind, file.subband), (FileKind::Subband, Some(SubbandIndex(7))));
        // 2026-01-25T00:00 is JD 2461065.5 (2000-01-01T12:00 is 2451545.0, and 9520.5 days lie between).
        assert_eq!(file.name_time, Some(JulianDate(2_461_065.5 + 319.0 / 86_400.0)));
        let half = f("2026-01-25T00:05:19_sb07_incomplete.hdf5");
        assert_eq!((half.kind, half.subband), (FileKind::Unfinished, Some(SubbandIndex(7))));
        for name in [".2026-01-25T00:05:19_sb00.hdf5.Ab12Cd", "x_sb01.hdf5.part", "x.uvh5.tmp"] {
            assert_eq!(f(name).kind, FileKind::Unfinished, "{name}");
        }
        assert_eq!(f("notes.txt").kind, FileKind::Other);
        assert_eq!(
            f("zen.2458661.23480.HH.uvh5"),
            FoundFile { kind: FileKind::Subband, ..f("zen.2458661.23480.HH.uvh5") }
        );
        assert_eq!(f("zen.2458661.23480.HH.uvh5").name_time, None);
        assert_eq!(f("a_sb_sb12_tail.h5").subband, Some(SubbandIndex(12)));
        assert_eq!(f("a_sb300.h5").subband, None);
        assert_eq!(f("a_sb.h5").subband, None);
        for name in [
            "2026-13-25T00:05:19",
            "2026-01-25T24:05:19",
            "2026-01-25 00:05:19",
            "2026-01-25T00:05",
            "é026-01-25T00:05:19",
        ] {
            assert_eq!(f(name).name_time, None, "{name}");
        }
        assert!(f("2026-01-25T00:05:19.5_sb00.hdf5").name_time > file.name_time);
    }

    #[test]
    fn known_julian_days() {
        // Meeus, Astronomical Algorithms, chapter 7.
        assert_eq!(julian_day(2000, 1, 1), 2_451_545);
        assert_eq!(julian_day(1987, 6, 19), 2_446_966);
        assert_eq!(julian_day(1900, 1, 1), 2_415_021);
        assert_eq!(julian_day(2024, 2, 29), 2_460_370);
    }
}
