//! How the memory that a conversion may use becomes rows and threads.

use crate::{
    failure::{Class, Failure},
    size::Bytes,
};

/// Memory of the process tree before the first block: the program's pages, which both processes share, casacore's and HDF5's
/// tables in the worker, stacks. 17 to 20 MiB as measured by `cargo xtask memory`, and some room; what the parent holds of its
/// own (it may have planned thousands of groups) comes on top.
pub(crate) const BASE_BYTES: u64 = 24 << 20;

/// What a block is made of.
pub(crate) struct Demand<F> {
    /// Rows of one input chunk.
    pub unit: usize,
    /// Bytes of a row's visibilities in the widest subband.
    pub row_bytes: usize,
    /// Bytes that are needed whatever the block: the base and the chunk index.
    pub fixed: u64,
    /// Bytes of a block of so many rows.
    pub block_bytes: F,
}

/// How many rows a block has, which are also those of a tile, and how many threads hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    pub rows: usize,
    pub threads: usize,
    /// Bytes that this takes at the most.
    pub bytes: u64,
}

impl Fit {
    /// The most threads, then the longest blocks of up to half a megabyte a subband, that `memory` allows.
    pub(crate) fn new(demand: &Demand<impl Fn(usize) -> u64>, memory: u64, threads: usize) -> Result<Self, Failure> {
        let unit = demand.unit.max(1).next_multiple_of(8);
        let budget = memory.saturating_sub(demand.fixed);
        // Half a megabyte: long enough for a disk, short enough for a second-level cache.
        let wanted = ((512 << 10) / demand.row_bytes.max(1)).max(1).next_multiple_of(unit);
        let need = |rows: usize, threads: usize| (demand.block_bytes)(rows) * threads as u64;
        let threads = (1..=threads).rev().find(|&t| need(unit, t) <= budget).ok_or_else(|| {
            // The processes' own pages differ a little from run to run.
            let least = Bytes((demand.fixed + need(unit, 1) + (1 << 20)).next_multiple_of(1 << 20));
            Failure::new(Class::Usage, format!("a memory budget of {} is not enough for this group", Bytes(memory)))
                .hint(format!("it needs at least {least}: one block of {unit} rows on one thread"))
        })?;
        let rows = (1..=wanted / unit).rev().map(|k| k * unit).find(|&r| need(r, threads) <= budget).unwrap_or(unit);
        Ok(Self { rows, threads, bytes: demand.fixed + need(rows, threads) })
    }
}

/// Bytes that programs can take without the system giving up others' memory.
pub(crate) fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok());
    kib.map_or(4 << 30, |kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand() -> Demand<impl Fn(usize) -> u64> {
        // 1 MiB for each 128 rows.
        Demand { unit: 128, row_bytes: 768, fixed: 10 << 20, block_bytes: |rows| (rows as u64) << 13 }
    }

    #[test]
    fn memory_limits_threads_first_and_rows_then() {
        let fit =
            |mib: u64, threads| Fit::new(&demand(), mib << 20, threads).map(|f| (f.rows, f.threads, f.bytes >> 20));
        assert_eq!(fit(1000, 2).ok(), Some((768, 2, 22)));
        assert_eq!(fit(16, 2).ok(), Some((384, 2, 16)));
        assert_eq!(fit(12, 8).ok(), Some((128, 2, 12)));
        let failure = fit(10, 1).expect_err("ten are taken already");
        assert!(failure.hint.is_some_and(|h| h.contains("12.0 MiB")));
    }
}
