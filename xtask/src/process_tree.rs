//! The memory of a process and everything that it started, watched from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// What was seen while a process tree ran.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) status: ExitStatus,
    pub(crate) wall: Duration,
    /// Largest sum of PSS over the tree: a page that several processes share counts once.
    pub(crate) peak_pss_bytes: u64,
    /// Sum of every seen process's own largest resident size (`VmHWM`), which the kernel keeps between two looks. Shared
    /// pages count several times in it, and so do processes that never ran at the same time.
    pub(crate) sum_of_peaks_bytes: u64,
    /// How often the tree was looked at.
    pub(crate) samples: u32,
    /// Most processes seen at once.
    pub(crate) processes: usize,
}

/// Runs `command` to its end and looks at its tree every `interval`.
pub(crate) fn watch(command: &mut Command, interval: Duration) -> io::Result<Watched> {
    let started = Instant::now();
    let mut child = command.spawn()?;
    let mut tree = Tree { proc: PathBuf::from("/proc"), known: BTreeMap::new() };
    tree.known.insert(child.id(), 0);
    let (mut peak, mut samples, mut processes) = (0, 0, 1);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let (pss, alive) = tree.sample();
        peak = peak.max(pss);
        processes = processes.max(alive);
        samples += 1;
        thread::sleep(interval);
    };
    Ok(Watched {
        status,
        wall: started.elapsed(),
        peak_pss_bytes: peak,
        sum_of_peaks_bytes: tree.known.values().sum(),
        samples,
        processes,
    })
}

struct Tree {
    /// `/proc`, or a copy of some of it in tests.
    proc: PathBuf,
    /// Every process seen so far, also those whose parent has ended, with its largest resident size.
    known: BTreeMap<u32, u64>,
}

impl Tree {
    /// The sum of PSS now, and how many processes have any.
    fn sample(&mut self) -> (u64, usize) {
        self.discover();
        let (mut sum, mut alive) = (0, 0);
        for (pid, peak) in &mut self.known {
            let folder = self.proc.join(pid.to_string());
            // A process that has just ended has no memory any more.
            if let Some(pss) = field_bytes(&folder.join("smaps_rollup"), "Pss:") {
                sum += pss;
                alive += 1;
            }
            if let Some(high_water) = field_bytes(&folder.join("status"), "VmHWM:") {
                *peak = high_water.max(*peak);
            }
        }
        (sum, alive)
    }

    /// Adds the children of the known processes, and theirs.
    fn discover(&mut self) {
        let mut waiting: Vec<u32> = self.known.keys().copied().collect();
        while let Some(pid) = waiting.pop() {
            for child in children(&self.proc.join(pid.to_string())) {
                if self.known.insert(child, self.known.get(&child).copied().unwrap_or(0)).is_none() {
                    waiting.push(child);
                }
            }
        }
    }
}

/// The children that any thread of a process has started.
fn children(process: &Path) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(process.join("task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// The value of `name` in a file of lines such as `Pss:   123 kB`.
fn field_bytes(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that starts a grandchild which fills 64 MB; a shell itself has a few.
    #[test]
    fn memory_of_grandchildren_counts() {
        // The checksums keep it alive for some hundred looks.
        let fill = "import hashlib; x = bytearray(64_000_000); [hashlib.sha512(x) for _ in range(2)]";
        let mut command = Command::new("sh");
        command.args(["-c", &format!("python3 -c '{fill}'; true")]);
        let seen = watch(&mut command, Duration::from_millis(2)).expect("sh and python3 run");
        assert!(seen.status.success());
        assert!(seen.processes >= 2, "{seen:?}");
        assert!((64_000_000..200_000_000).contains(&seen.peak_pss_bytes), "{seen:?}");
        assert!(seen.sum_of_peaks_bytes >= 64_000_000, "{seen:?}");
    }

    #[test]
    fn the_tree_is_found_through_all_threads() {
        let folder = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        for (file, text) in [
            ("1/task/1/children", "2 "),
            ("1/task/9/children", "3"),
            ("2/task/2/children", ""),
            ("3/task/3/children", "4\n"),
            ("1/smaps_rollup", "00-ff ---p [rollup]\nRss: 9 kB\nPss:       10 kB\nPss_Anon: 1 kB\n"),
            ("4/smaps_rollup", "Pss: 5 kB\n"),
            ("4/status", "Name: x\nVmHWM:\t   77 kB\n"),
        ] {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().expect("folder")).expect("mkdir");
            fs::write(path, text).expect("write");
        }
        let mut tree = Tree { proc: folder.clone(), known: BTreeMap::from([(1, 0)]) };
        assert_eq!(tree.sample(), (15 * 1024, 2));
        assert_eq!(tree.known, BTreeMap::from([(1, 0), (2, 0), (3, 0), (4, 77 * 1024)]));
        fs::remove_dir_all(folder).expect("remove");
    }
}
