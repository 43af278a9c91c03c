//! Counting what is done to tables, so that tests can assert it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter shared by every table and tiled column that was opened with it.
///
/// Cloning gives another handle of the same counter.
///
/// ```
/// use casacore::{ColumnDesc, DataType, Layout, OpenOptions, Operations};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("small.tab");
/// let layout = Layout::new().column(ColumnDesc::scalar("N", DataType::I32));
/// layout.create(&path, 3)?.close()?;
///
/// let operations = Operations::new();
/// let table = OpenOptions::new().operations(&operations).open(&path)?;
/// table.read("N", 0..3, &mut [0_i32; 3])?;
/// let counts = operations.counts();
/// assert_eq!((counts.opens, counts.reads, counts.bytes_read), (1, 1, 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Operations {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    opens: AtomicU64,
    plain_opens: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

/// What was counted. Bytes are those of values handed over, and for tiles those that went to or came from the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tables opened or created, and tiled columns opened.
    pub opens: u64,
    /// How many of those were tables opened without casacore ([`PlainTable`](crate::PlainTable)).
    pub plain_opens: u64,
    /// Calls that read values or keywords, and reads of tile files.
    pub reads: u64,
    /// Calls that wrote values, keywords or structure, and writes to tile files.
    pub writes: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

impl Operations {
    /// A counter at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            opens: get(&self.inner.opens),
            plain_opens: get(&self.inner.plain_opens),
            reads: get(&self.inner.reads),
            writes: get(&self.inner.writes),
            bytes_read: get(&self.inner.bytes_read),
            bytes_written: get(&self.inner.bytes_written),
        }
    }

    pub(crate) fn opened(&self) {
        self.inner.opens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn opened_plain(&self) {
        self.opened();
        self.inner.plain_opens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.inner.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.inner.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
