//! What this process took of memory and processors.

use std::fs;

use crate::Result;

/// The highest resident set since a moment, above what it was then. C libraries allocate outside Rust's allocator, so the
/// kernel is asked.
#[derive(Clone, Copy, Debug)]
pub struct PeakMemory {
    before: u64,
}

impl PeakMemory {
    /// Forgets the peak so far and counts from now on.
    ///
    /// # Errors
    /// When the kernel does not keep such a count.
    pub fn start() -> Result<Self> {
        // Resets the peak to the present resident set: proc(5).
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { before: high_water()? })
    }

    /// Bytes of the peak above the start.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn bytes(self) -> Result<u64> {
        Ok(high_water()?.saturating_sub(self.before))
    }
}

/// Bytes of this process's highest resident set, program pages included.
///
/// # Errors
/// When the kernel does not tell.
pub fn high_water() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    Ok(kib.ok_or("/proc/self/status has no VmHWM in kB")? * 1024)
}

/// Processor time of all threads of this process so far, seconds, in steps of 10 ms. Where others work on the machine, it is
/// steadier than the time on the clock.
///
/// # Errors
/// When the kernel does not tell.
pub fn cpu_seconds() -> Result<f64> {
    /// `USER_HZ`, which is 100 on every common Linux.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses; 14 and 15 are user and system time: proc(5).
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
    Ok(ticks as f64 / TICKS)
}
