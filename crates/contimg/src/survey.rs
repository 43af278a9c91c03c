//! What is there: files found, headers read once and remembered, groups formed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use stamped_cache::{Cache, Key, LookUpError, Options, Store, StoreOptions};
use subband_io::{FileSummary, FindOptions, FoundFile, Group, GroupOptions, Grouping, form_groups};
use vis_types::JulianDate;

use crate::{
    args::{Missing, Selection},
    failure::{Class, Failure},
    headers::Readers,
    progress,
};

/// Raised when [`FileSummary`] changes its meaning.
const CACHE_VERSION: u32 = 2;

/// A group that could be converted.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Name of its Measurement Set, without `.ms`.
    pub name: String,
    pub group: Group,
    pub files: Vec<PathBuf>,
    /// Rows of its files.
    pub rows: u64,
    /// Bytes that its set will take, about.
    pub output_bytes: u64,
}

/// Everything that was found.
#[derive(Debug)]
pub(crate) struct Survey {
    pub groups: Vec<Candidate>,
    pub rest: Grouping,
    /// Headers that had to be read, and those that were remembered.
    pub headers_read: u64,
    pub headers_remembered: u64,
    notes: Vec<String>,
}

/// Finds and groups the files of `selection`, reading each header at most once.
pub(crate) fn take(selection: &Selection, quiet: bool) -> Result<Survey, Failure> {
    let mut found = Vec::new();
    for input in &selection.input {
        if input.is_dir() {
            found.extend(subband_io::find(input, &FindOptions::default()).map_err(|e| of_input(&e))?);
        } else {
            found.push(FoundFile::at(input).map_err(|e| of_input(&e))?);
        }
    }
    let surveyor = Surveyor::new(selection);
    let files = surveyor.summarise(found, quiet);
    let (groups, grouping) = group(&files, selection);
    drop(files);
    let Surveyor { cache, mut notes, .. } = surveyor;
    for ungrouped in &grouping.unreadable {
        notes.push(format!("passed over: {}", named(ungrouped)));
    }
    for ungrouped in &grouping.unfinished {
        notes.push(format!("unfinished: {}", named(ungrouped)));
    }
    let stats = cache.stats();
    Ok(Survey {
        groups,
        rest: grouping,
        headers_read: stats.reads,
        headers_remembered: stats.hits + stats.disk_hits,
        notes,
    })
}

/// Reads headers, each once while its file is unchanged.
pub(crate) struct Surveyor {
    cache: Cache<FileSummary>,
    notes: Vec<String>,
}

/// Files with their summaries, or why there is none.
pub(crate) type Summarised = Vec<(FoundFile, Result<FileSummary, String>)>;

impl Surveyor {
    pub(crate) fn new(selection: &Selection) -> Self {
        let mut notes = Vec::new();
        let cache = open_cache(selection, &mut notes);
        Self { cache, notes }
    }

    /// What a person should know.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn summarise(&self, found: Vec<FoundFile>, quiet: bool) -> Summarised {
        let bar = progress::bar(found.len() as u64, "reading headers", quiet);
        let readers = Readers::default();
        let folders = Folders::of(&found);
        let files = found
            .into_par_iter()
            .map(|file| {
                let read =
                    || folders.key(&file.path).and_then(|key| summarise(&self.cache, &key, &readers, &file.path));
                let summary = if file.is_subband() { read() } else { Err(String::new()) };
                bar.inc(1);
                (file, summary)
            })
            .collect();
        bar.finish_and_clear();
        files
    }
}

/// Groups with their names, oldest first, and what is in none.
pub(crate) fn group(files: &Summarised, selection: &Selection) -> (Vec<Candidate>, Grouping) {
    let options = GroupOptions { tolerance_s: selection.tolerance, expected_subbands: selection.subbands };
    let mut grouping = form_groups(files, &options);
    let mut taken: HashMap<String, u32> = HashMap::new();
    let groups = std::mem::take(&mut grouping.groups).into_iter().map(|group| candidate(group, &mut taken)).collect();
    (groups, grouping)
}

/// Why a file is in no group; most reasons name it already.
fn named(ungrouped: &subband_io::Ungrouped) -> String {
    let path = ungrouped.file.path.display().to_string();
    if ungrouped.reason.contains(&path) { ungrouped.reason.clone() } else { format!("{path}: {}", ungrouped.reason) }
}

impl Survey {
    /// What a person should know of files that are in no group: at most ten lines.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> + '_ {
        const MOST: usize = 10;
        let more = self.notes.len().saturating_sub(MOST);
        let last = (more > 0).then(|| format!("and {more} more; `contimg plan --all` lists them"));
        self.notes.iter().take(MOST).cloned().chain(last)
    }

    /// All of them.
    pub(crate) fn all_notes(&self) -> &[String] {
        &self.notes
    }
}

/// A failure of the input, with the reader's hint.
pub(crate) fn of_input(error: &subband_io::Error) -> Failure {
    let mut failure = Failure::of(Class::Input, error);
    failure.hint = error.hint().map(ToOwned::to_owned).or(failure.hint);
    failure
}

/// The canonical form of each folder, found once instead of once for every file in it.
struct Folders(HashMap<PathBuf, PathBuf>);

impl Folders {
    fn of(files: &[FoundFile]) -> Self {
        let mut folders = HashMap::new();
        for folder in files.iter().filter_map(|f| f.path.parent()) {
            if !folders.contains_key(folder) {
                let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                folders.insert(folder.to_owned(), here.canonicalize().unwrap_or_else(|_| here.to_owned()));
            }
        }
        Self(folders)
    }

    fn key(&self, file: &Path) -> Result<Key, String> {
        let place = file.parent().and_then(|folder| self.0.get(folder)).zip(file.file_name());
        match place {
            Some((folder, name)) => Key::canonical(folder.join(name)).map_err(|e| chain(&e)),
            None => Key::new(file).map_err(|e| chain(&e)),
        }
    }
}

fn summarise(cache: &Cache<FileSummary>, key: &Key, readers: &Readers, path: &Path) -> Result<FileSummary, String> {
    match cache.get_or_read(key, |files| readers.summarise(files.file(path))) {
        Ok(summary) => Ok((*summary).clone()),
        Err(LookUpError::Read(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect();
    parts.dedup();
    parts.join(": ")
}

fn open_cache(selection: &Selection, notes: &mut Vec<String>) -> Cache<FileSummary> {
    let cache = Cache::new(Options::default(), |s: &FileSummary| (size_of::<FileSummary>() + s.telescope.len()) as u64);
    if selection.no_cache {
        return cache;
    }
    let opened = match crate::cache::folder(selection.cache.as_deref()) {
        Ok(None) => return cache,
        Ok(Some(folder)) => {
            Store::open(&folder, "uvh5-summary", CACHE_VERSION, StoreOptions::default()).map_err(|e| chain(&e))
        }
        Err(reason) => Err(reason),
    };
    match opened {
        Ok(store) => cache.with_store(store),
        Err(reason) => {
            notes.push(format!("headers are not remembered between runs: {reason}"));
            cache
        }
    }
}

fn candidate(group: Group, taken: &mut HashMap<String, u32>) -> Candidate {
    let base = name_of(&group);
    let count = taken.entry(base.clone()).or_default();
    *count += 1;
    let name = if *count == 1 { base } else { format!("{base}-{count}") };
    let rows = group.members.iter().map(|m| m.summary.n_rows).max().unwrap_or(0);
    let channels: u64 = group.members.iter().map(|m| m.summary.n_channels).sum();
    let correlations = group.members.first().map_or(0, |m| m.summary.correlations.len() as u64);
    // DATA; UVW, times, antennas, weights and the other columns of a row; the subtables.
    let output_bytes = rows * (channels * correlations * 8 + 8 * correlations + 24 + 32) + (2 << 20);
    Candidate { name, files: group.paths(), rows, output_bytes, group }
}

/// The earliest time in the files' names as it is written there; a lone file's own name; else the data's first time.
fn name_of(group: &Group) -> String {
    let stem = |path: &Path| path.file_stem().and_then(|n| n.to_str()).map(ToOwned::to_owned);
    let named = group.members.iter().filter_map(|m| Some((m.file.name_time?.0, stem(&m.file.path)?)));
    if let Some((_, stem)) = named.min_by(|a, b| a.0.total_cmp(&b.0))
        && let Some((time, _)) = stem.rsplit_once("_sb")
    {
        return time.to_owned();
    }
    match group.members.as_slice() {
        [only] => stem(&only.file.path).unwrap_or_else(|| iso(group.first_time)),
        _ => iso(group.first_time),
    }
}

/// A Julian date as `2026-01-25T00:05:19`, UTC, as files' names have it.
pub(crate) fn iso(jd: JulianDate) -> String {
    utc(jd).map_or_else(|| format!("JD{:.5}", jd.0), |text| text.trim_end_matches('Z').to_owned())
}

/// A Julian date as `2026-01-25T00:05:19Z`, as other programs read it; nothing outside of the calendar.
pub(crate) fn utc(jd: JulianDate) -> Option<String> {
    let seconds = ((jd.0 - 2_440_587.5) * 86_400.0).round() as i64;
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

impl Candidate {
    /// Why `selection`'s policy does not convert this group, if so.
    pub(crate) fn refusal(&self, selection: &Selection) -> Option<Failure> {
        if !self.group.duplicates.is_empty() {
            let twice: Vec<_> = self.group.duplicates.iter().map(|d| d.file.path.display().to_string()).collect();
            return Some(
                Failure::new(Class::Input, format!("a subband is there more than once: {}", twice.join(", ")))
                    .hint("move one of each pair away, or name the files to convert one by one"),
            );
        }
        let present = self.group.members.len();
        if self.group.missing.is_empty() {
            return None;
        }
        let names: Vec<_> = self.group.missing.iter().map(ToString::to_string).collect();
        match selection.missing {
            Missing::Refuse => Some(
                Failure::new(
                    Class::Input,
                    format!("{present} of {} subbands are there, {} missing", selection.subbands, names.join(" ")),
                )
                .hint("--missing flag keeps the gap, flagged; --missing split makes a spectral window on each side"),
            ),
            _ if present < usize::from(selection.min_subbands) => Some(
                Failure::new(
                    Class::Input,
                    format!("{present} subbands are there and --min-subbands asks for {}", selection.min_subbands),
                )
                .hint("lower --min-subbands, or fetch the missing files"),
            ),
            _ => None,
        }
    }

    /// One character for each expected subband: `#` there, `.` missing, `2` there twice.
    pub(crate) fn pattern(&self, expected: u8) -> String {
        let has = |list: &[subband_io::Member], n: u8| list.iter().any(|m| m.file.subband.is_some_and(|s| s.0 == n));
        (0..expected)
            .map(|n| match (has(&self.group.members, n), has(&self.group.duplicates, n)) {
                (_, true) => '2',
                (true, _) => '#',
                _ => '.',
            })
            .collect()
    }
}
