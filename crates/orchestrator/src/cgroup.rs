//! Memory limits that the kernel keeps, where this process may make control groups (version 1 of the memory controller).
//!
//! The watch looks every 40 ms, and a program can take much in that time; a control group lets it have no page too many.
//! Where there is none, the watch alone ends what takes too much. Version 2 asks that a group with processes has no groups
//! below it, so that a program can only use it after somebody else arranged that; it is not used.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The group of a run, which holds one for each attempt.
#[derive(Debug)]
pub(crate) struct RunGroup {
    folder: PathBuf,
}

const PREFIX: &str = "contimg-";

impl RunGroup {
    /// A group below this process's own, with a limit for all attempts together. `None` where that cannot be.
    pub(crate) fn make(limit: u64) -> Option<Self> {
        let own = own_folder()?;
        sweep(&own);
        let folder = own.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder };
        set_limit(&group.folder, limit).ok()?;
        Some(group)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for RunGroup {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// The group of one attempt.
#[derive(Debug)]
pub(crate) struct AttemptGroup {
    folder: PathBuf,
    members: BTreeSet<u32>,
}

impl AttemptGroup {
    /// A group in the run's.
    pub(crate) fn make(run: &Path, limit: u64) -> io::Result<Self> {
        let folder = run.join(std::process::id().to_string());
        fs::create_dir(&folder)?;
        let group = Self { folder, members: BTreeSet::new() };
        set_limit(&group.folder, limit)?;
        Ok(group)
    }

    /// Takes processes in; what they start from then on is in it, too. What they took before is not counted, but watched.
    pub(crate) fn take_in(&mut self, pids: &BTreeSet<u32>) {
        for pid in pids {
            if self.members.insert(*pid) {
                // It may have ended.
                let _ = fs::write(self.folder.join("cgroup.procs"), pid.to_string());
            }
        }
    }

    /// How many processes the kernel has ended in it for want of memory.
    pub(crate) fn ended(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("memory.oom_control")).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for AttemptGroup {
    fn drop(&mut self) {
        // The head removes what is left.
        let _ = fs::remove_dir(&self.folder);
    }
}

fn set_limit(folder: &Path, limit: u64) -> io::Result<()> {
    fs::write(folder.join("memory.limit_in_bytes"), limit.to_string())?;
    // Pages that are only moved out are not free. Not every kernel can count them.
    let _ = fs::write(folder.join("memory.swappiness"), "0");
    Ok(())
}

/// This process's group of the memory controller.
fn own_folder() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        controllers.split(',').any(|name| name == "memory").then_some(path)
    })?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounted = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let is_memory = *fields.get(2)? == "cgroup" && fields.get(3)?.split(',').any(|option| option == "memory");
        is_memory.then(|| fields.get(1).map(PathBuf::from)).flatten()
    })?;
    let folder = mounted.join(path.trim_start_matches('/'));
    folder.join("cgroup.procs").is_file().then_some(folder)
}

/// Removes groups of runs that have ended. One that still has processes stays.
fn sweep(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pid) = name.strip_prefix(PREFIX)
            && !Path::new("/proc").join(pid).exists()
        {
            remove(&entry.path());
        }
    }
}

/// Removes a run's group and those below it, as far as they are empty.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = fs::remove_dir(entry.path());
    }
    let _ = fs::remove_dir(folder);
}
