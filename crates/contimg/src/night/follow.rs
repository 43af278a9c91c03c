//! `contimg run --follow`: groups taken as they become complete, oldest first.
//!
//! The folder is listed again and again. Notices of changes (inotify) tell only what this machine itself writes: on the file
//! servers and cluster file systems that incoming data usually lie on, they never come. A listing of ten thousand files takes
//! some ten milliseconds, a group comes every five minutes, and it has to settle anyway.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use clap::Args;
use orchestrator::{Budget, Event, Feed, Layout, Seconds};
use stamped_cache::Identity;
use subband_io::{FileSummary, FindOptions, FoundFile};

use super::request::{Request, data_set};
use crate::{
    args::Selection,
    failure::Failure,
    size::Bytes,
    survey::{self, Candidate, Surveyor},
};

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FollowArgs {
    /// Take groups as they become complete, oldest first, until SIGTERM, Ctrl-C or --idle-exit. Files that are there already
    /// count, too; what is done stays done.
    #[arg(long)]
    follow: bool,
    /// With --follow: a complete group is taken when its files did not change for so long [default: 10s].
    #[arg(long, value_name = "DURATION", requires = "follow")]
    settle: Option<Seconds>,
    /// With --follow: an incomplete group that did not change for so long is taken as --missing says, or reported, and taken
    /// should it become complete later [default: 30min].
    #[arg(long, value_name = "DURATION", requires = "follow")]
    wait: Option<Seconds>,
    /// With --follow: end when everything is done and nothing changed for so long [default: never].
    #[arg(long, value_name = "DURATION", requires = "follow")]
    idle_exit: Option<Seconds>,
    /// With --follow: look into the folder so often [default: 2s].
    #[arg(long, value_name = "DURATION", requires = "follow")]
    look: Option<Seconds>,
}

impl FollowArgs {
    pub(super) fn is_asked_for(&self) -> bool {
        self.follow
    }
}

/// How long ago a file was changed, as far as two machines' clocks can tell.
fn age(file: &Identity) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(u64::try_from(file.mtime.seconds).unwrap_or(0)))
}

/// A file as it was seen last.
struct Seen {
    stamp: Option<Identity>,
    file: FoundFile,
    summary: Result<FileSummary, String>,
    /// Since when it is as it is.
    since: Instant,
    reported: bool,
}

/// What a run follows.
pub(super) struct Follow<'a> {
    request: &'a Request,
    layout: &'a Layout,
    budget: Budget,
    selection: Selection,
    surveyor: Surveyor,
    quiet: bool,
    settle: Duration,
    wait: Duration,
    every: Duration,
    idle_exit: Option<Duration>,
    seen: BTreeMap<PathBuf, Seen>,
    looked: Option<Instant>,
    changed: Instant,
    /// First times (Julian dates) of groups that were handed over, with their names and subbands.
    taken: Vec<(f64, String, usize)>,
    /// Groups that were handed over and are not done, with the disk that they will take.
    open: BTreeMap<String, u64>,
    told: BTreeSet<String>,
    /// Why the next group waits for room on the disk.
    held: Option<String>,
    taken_disk: (Option<Instant>, u64),
}

/// A set grows to this multiple of its DATA: MODEL_DATA and CORRECTED_DATA, images and tables.
const GROWTH: u64 = 4;
const DISK: Duration = Duration::from_secs(10);

impl<'a> Follow<'a> {
    pub(super) fn new(
        args: &FollowArgs,
        request: &'a Request,
        layout: &'a Layout,
        budget: &Budget,
        quiet: bool,
    ) -> Result<Self, Failure> {
        let selection = request.followed(layout)?;
        let surveyor = Surveyor::new(&selection);
        let duration = |asked: Option<Seconds>, usual: f64| Duration::from_secs_f64(asked.map_or(usual, |s| s.0));
        Ok(Self {
            request,
            layout,
            budget: *budget,
            selection,
            surveyor,
            quiet,
            settle: duration(args.settle, 10.0),
            wait: duration(args.wait, 1800.0),
            every: duration(args.look, 2.0),
            idle_exit: args.idle_exit.map(|s| Duration::from_secs_f64(s.0)),
            seen: BTreeMap::new(),
            looked: None,
            changed: Instant::now(),
            taken: Vec::new(),
            open: BTreeMap::new(),
            told: BTreeSet::new(),
            held: None,
            taken_disk: (None, 0),
        })
    }

    /// Hears what became of groups.
    pub(super) fn note(&mut self, event: &Event) {
        if let Event::SetDone { set } | Event::SetStopped { set, .. } = event {
            self.open.remove(set);
            self.changed = Instant::now();
        }
    }

    /// What is ready now.
    pub(super) fn look(&mut self) -> Result<Feed, Failure> {
        let mut feed = Feed { more: true, ..Feed::default() };
        if self.looked.is_some_and(|looked| looked.elapsed() < self.every) {
            return Ok(feed);
        }
        if self.looked.is_none() {
            feed.notes.extend(self.surveyor.notes().iter().cloned());
        }
        match self.list() {
            Ok(found) => self.remember(found),
            // At the first look it is a mistake; later, a file server that is away for a moment.
            Err(failure) if self.looked.is_none() => return Err(failure),
            Err(failure) => self.tell_once(&mut feed, format!("{}; trying again", failure.chain.join(": "))),
        }
        self.looked = Some(Instant::now());
        let files = self.seen.values().map(|seen| (seen.file.clone(), seen.summary.clone())).collect();
        let was_held = self.held.take().is_some();
        let (groups, _) = survey::group(&files, &self.selection);
        drop(files);
        let mut is_settling = false;
        for group in groups {
            if self.request.wants(&group.name) {
                is_settling |= self.consider(&group, &mut feed);
            }
            if self.held.is_some() {
                // Oldest first: none overtakes the one that waits.
                break;
            }
        }
        feed.notes.extend(self.held.clone().filter(|_| !was_held));
        self.report_files(&mut feed);
        if !feed.sets.is_empty() {
            self.changed = Instant::now();
        }
        let is_idle = self.idle_exit.is_some_and(|idle| self.changed.elapsed() >= idle);
        if is_idle && !is_settling && self.open.is_empty() {
            feed.more = false;
            feed.notes.push("nothing new came: the run ends".to_owned());
        }
        Ok(feed)
    }

    fn tell_once(&mut self, feed: &mut Feed, text: String) {
        if self.told.insert(text.clone()) {
            feed.notes.push(text);
        }
    }

    fn list(&self) -> Result<Vec<FoundFile>, Failure> {
        let mut found = Vec::new();
        for folder in &self.selection.input {
            found.extend(subband_io::find(folder, &FindOptions::default()).map_err(|e| survey::of_input(&e))?);
        }
        Ok(found)
    }

    /// Reads the headers of files that are new or changed, and of those that could not be read.
    fn remember(&mut self, found: Vec<FoundFile>) {
        let mut seen = std::mem::take(&mut self.seen);
        let mut new = Vec::new();
        for mut file in found {
            let stamp = fs::metadata(&file.path).ok().map(|metadata| Identity::from(&metadata));
            file.bytes = stamp.map_or(file.bytes, |stamp| stamp.size);
            match seen.remove(&file.path) {
                Some(before) if before.stamp == stamp && (before.summary.is_ok() || !file.is_subband()) => {
                    self.seen.insert(file.path, before);
                }
                Some(before) if before.stamp == stamp => new.push((file, stamp, Some((before.since, before.reported)))),
                _ => {
                    self.changed = Instant::now();
                    new.push((file, stamp, None));
                }
            }
        }
        if !seen.is_empty() {
            // Files went away.
            self.changed = Instant::now();
        }
        let (files, rest): (Vec<FoundFile>, Vec<_>) =
            new.into_iter().map(|(file, stamp, before)| (file, (stamp, before))).unzip();
        // Few at a time, and often: a bar for each look would only flicker.
        let summarised = self.surveyor.summarise(files, self.quiet || self.looked.is_some());
        for ((file, summary), (stamp, before)) in summarised.into_iter().zip(rest) {
            let (since, reported) = before.unwrap_or((Instant::now(), false));
            self.seen.insert(file.path.clone(), Seen { stamp, file, summary, since, reported });
        }
    }

    /// Hands a group over if it is ready; whether it is complete and only waits.
    fn consider(&mut self, group: &Candidate, feed: &mut Feed) -> bool {
        let first = group.group.first_time.0;
        let same = |taken: &&(f64, String, usize)| (taken.0 - first).abs() * 86_400.0 <= self.selection.tolerance;
        if let Some((_, name, files)) = self.taken.iter().find(same).cloned() {
            if group.files.len() > files {
                self.tell_once(
                    feed,
                    format!("{name}: more of its files came after it was taken; `contimg run` without --follow takes them in"),
                );
            }
            return false;
        }
        let members: Vec<&Seen> = group.files.iter().filter_map(|path| self.seen.get(path)).collect();
        let unchanged = members.iter().map(|seen| seen.since.elapsed()).min().unwrap_or_default();
        let age = members.iter().filter_map(|seen| seen.stamp.as_ref()).map(age).min().unwrap_or_default();
        if group.group.is_complete() {
            if unchanged < self.settle {
                return true;
            }
        } else {
            if unchanged < self.settle || unchanged.max(age) < self.wait {
                return false;
            }
            if let Some(refusal) = group.refusal(&self.selection) {
                let text =
                    format!("{}: {}; it is taken should it become complete", group.name, refusal.chain.join(": "));
                self.tell_once(feed, text);
                return false;
            }
        }
        if let Some(lack) = self.lack_of_disk(group) {
            self.held = Some(format!("{} waits: {lack}", group.name));
            return true;
        }
        self.taken.push((first, group.name.clone(), group.files.len()));
        self.open.insert(group.name.clone(), group.output_bytes * GROWTH);
        feed.sets.push(data_set(group));
        false
    }

    /// What of the disk is missing for a group, beside what those that are under way will take.
    fn lack_of_disk(&mut self, group: &Candidate) -> Option<String> {
        let need = group.output_bytes * GROWTH + self.open.values().sum::<u64>();
        let free = orchestrator::free_disk(self.layout.work());
        if free < need.saturating_add(self.budget.reserve) {
            return Some(format!(
                "sets under way and this one need about {}, and {} is free; `contimg clean` and `contimg retire` may free some",
                Bytes(need),
                Bytes(free)
            ));
        }
        let limit = self.budget.disk?;
        if self.taken_disk.0.is_none_or(|at| at.elapsed() > DISK) {
            self.taken_disk = (Some(Instant::now()), orchestrator::disk_bytes(self.layout.work()));
        }
        let taken = self.taken_disk.1;
        (taken.saturating_add(need) > limit).then(|| {
            format!(
                "sets under way and this one need about {}, and {} of the disk budget of {} is taken; `contimg clean` and `contimg retire` may free some",
                Bytes(need),
                Bytes(taken),
                Bytes(limit)
            )
        })
    }

    /// Tells of files that stay unreadable or unfinished.
    fn report_files(&mut self, feed: &mut Feed) {
        const MOST: usize = 10;
        for (path, seen) in &mut self.seen {
            let reason = match &seen.summary {
                _ if !seen.file.is_subband() => continue,
                Err(reason) => reason.clone(),
                Ok(summary) if summary.unfinished.is_empty() => continue,
                Ok(summary) => summary.unfinished.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            };
            let age = seen.stamp.as_ref().map_or(Duration::ZERO, age);
            if !seen.reported && seen.since.elapsed().max(age) >= self.wait && feed.notes.len() < MOST {
                seen.reported = true;
                // Errors of whole files name them.
                let path = path.display().to_string();
                feed.notes.push(if reason.starts_with(&path) { reason } else { format!("{path}: {reason}") });
            }
        }
    }
}
