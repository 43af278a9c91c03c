//! Files that belong together, by the times in them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vis_types::{JulianDate, SubbandIndex};

use crate::find::{FileKind, FoundFile};
use crate::summary::FileSummary;

/// How files are put together.
#[derive(Clone, Copy, Debug)]
pub struct GroupOptions {
    /// Files belong to a group when their first times are at most so many seconds after the group's earliest. DSA-110's
    /// groups are 309 s long and the files of one have equal times, so anything well below that is safe.
    pub tolerance_s: f64,
    /// How many subbands a complete group has, numbered from 0.
    pub expected_subbands: u8,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { tolerance_s: 30.0, expected_subbands: 16 }
    }
}

/// A file of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// What its name and its folder say.
    pub file: FoundFile,
    /// What its header says.
    pub summary: FileSummary,
}

/// Files of one observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// One file for each subband, ascending in subband number, then those without a number. Of duplicates, the first by path.
    pub members: Vec<Member>,
    /// Files whose subband another member has, too.
    pub duplicates: Vec<Member>,
    /// Subbands that are missing.
    pub missing: Vec<SubbandIndex>,
    /// First time of the earliest file.
    pub first_time: JulianDate,
    /// Last time of the latest file.
    pub last_time: JulianDate,
    /// Seconds from the end of the group before to the beginning of this one; negative when they overlap.
    pub gap_before_s: Option<f64>,
    /// Seconds between the earliest and the latest time in the members' names.
    pub name_skew_s: f64,
    /// Seconds between the earliest and the latest first time in the members; they should be equal.
    pub time_skew_s: f64,
}

impl Group {
    /// The members' paths.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.members.iter().map(|m| m.file.path.clone()).collect()
    }

    /// Whether no subband is missing, none twice, and no member shows signs of being unfinished.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.duplicates.is_empty()
            && self.members.iter().all(|m| m.summary.unfinished.is_empty())
    }

    /// Bytes of the members.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.members.iter().map(|m| m.file.bytes).sum()
    }
}

/// A file that belongs to no group, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ungrouped {
    /// The file.
    pub file: FoundFile,
    /// Why, in one line.
    pub reason: String,
}

/// All files of a survey, each in exactly one of the lists or in a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grouping {
    /// The groups, by time.
    pub groups: Vec<Group>,
    /// Files that are not finished, by their names or their headers. Later they may belong to a group.
    pub unfinished: Vec<Ungrouped>,
    /// Subband files that cannot be read.
    pub unreadable: Vec<Ungrouped>,
    /// Entries that are no subband files.
    pub others: Vec<FoundFile>,
}

/// Puts files together whose times agree. Names do not matter for it, except for the subband number.
///
/// `files` are those of [`find`](crate::find()) with their summaries; the summary of a file that is no subband file is not
/// looked at. Takes O(n log n) time.
#[must_use]
pub fn form_groups<E: Display>(files: &[(FoundFile, Result<FileSummary, E>)], options: &GroupOptions) -> Grouping {
    let mut grouping = Grouping::default();
    let mut good: Vec<(&FoundFile, &FileSummary)> = Vec::new();
    for (file, summary) in files {
        let ungrouped = |reason: String| Ungrouped { file: file.clone(), reason };
        match (file.kind, summary) {
            (FileKind::Other | FileKind::Folder, _) => grouping.others.push(file.clone()),
            (FileKind::Inaccessible, _) => {
                grouping.unreadable.push(ungrouped("a broken link, or not a file".to_owned()))
            }
            (FileKind::Unfinished, _) => grouping.unfinished.push(ungrouped("unfinished by its name".to_owned())),
            (FileKind::Subband, Err(e)) => grouping.unreadable.push(ungrouped(e.to_string())),
            (FileKind::Subband, Ok(s)) if s.unfinished.is_empty() => good.push((file, s)),
            (FileKind::Subband, Ok(s)) => {
                let signs: Vec<String> = s.unfinished.iter().map(ToString::to_string).collect();
                grouping.unfinished.push(ungrouped(signs.join("; ")));
            }
        }
    }
    good.sort_by(|a, b| a.1.first_time.0.total_cmp(&b.1.first_time.0).then_with(|| a.0.path.cmp(&b.0.path)));
    let mut rest = &good[..];
    let mut end_before: Option<f64> = None;
    while let Some((_, first)) = rest.first() {
        // Measured from the earliest file, so that groups cannot chain into one another.
        let limit = first.first_time.0 + options.tolerance_s / 86_400.0;
        let n = rest.partition_point(|(_, s)| s.first_time.0 <= limit);
        let (cluster, later) = rest.split_at(n);
        rest = later;
        let mut group = group_of(cluster, options);
        let interval_days = first.interval_s / 86_400.0;
        let begin = group.first_time.0 - interval_days / 2.0;
        group.gap_before_s = end_before.map(|end| (begin - end) * 86_400.0);
        end_before = Some(group.last_time.0 + interval_days / 2.0);
        grouping.groups.push(group);
    }
    grouping
}

fn group_of(cluster: &[(&FoundFile, &FileSummary)], options: &GroupOptions) -> Group {
    let mut numbered: BTreeMap<SubbandIndex, Vec<Member>> = BTreeMap::new();
    let (mut unnumbered, mut duplicates) = (Vec::new(), Vec::new());
    for &(file, summary) in cluster {
        let member = Member { file: file.clone(), summary: summary.clone() };
        match file.subband {
            Some(s) => numbered.entry(s).or_default().push(member),
            None => unnumbered.push(member),
        }
    }
    let missing = if numbered.is_empty() {
        Vec::new()
    } else {
        (0..options.expected_subbands).map(SubbandIndex).filter(|s| !numbered.contains_key(s)).collect()
    };
    let mut members = Vec::new();
    for (_, mut same) in numbered {
        same.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        let mut same = same.into_iter();
        members.extend(same.next());
        duplicates.extend(same);
    }
    members.extend(unnumbered);
    let span = |times: &mut dyn Iterator<Item = f64>| {
        let (low, high) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), t| (l.min(t), h.max(t)));
        if low.is_finite() { (high - low) * 86_400.0 } else { 0.0 }
    };
    let last = members.iter().map(|m| m.summary.last_time.0).fold(f64::NEG_INFINITY, f64::max);
    Group {
        missing,
        duplicates,
        first_time: cluster[0].1.first_time,
        last_time: JulianDate(last),
        gap_before_s: None,
        name_skew_s: span(&mut members.iter().filter_map(|m| m.file.name_time).map(|t| t.0)),
        time_skew_s: span(&mut members.iter().map(|m| m.summary.first_time.0)),
        members,
    }
}
