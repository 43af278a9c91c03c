//! One line for every event of every run in a work folder: what the report and the status are made from.

use std::{
    fs::{self, File},
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use orchestrator::{Event, Layout};
use serde::{Deserialize, Serialize};

/// An event and when it happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Seconds since 1970-01-01 UTC.
    pub at: f64,
    /// The run. Events have a field `run` of their own.
    #[serde(rename = "of")]
    pub run: String,
    #[serde(flatten)]
    pub event: Event,
}

/// Appends to the journal. What cannot be written is left out: the records are the truth, and the journal a view.
pub(super) struct Journal {
    file: Option<File>,
    run: String,
    used: (f64, u64),
}

impl Journal {
    pub(super) fn open(layout: &Layout, run: &str) -> Self {
        let file = File::options().create(true).append(true).open(layout.journal()).ok();
        Self { file, run: run.to_owned(), used: (0.0, 0) }
    }

    pub(super) fn note(&mut self, event: &Event) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        // Usage comes often: a line a second, or when it changed by a tenth.
        if let Event::Usage { memory, .. } = event {
            let (then, before) = self.used;
            if at - then < 1.0 && memory.abs_diff(before) < before / 10 {
                return;
            }
            self.used = (at, *memory);
        }
        let entry = Entry { at, run: self.run.clone(), event: event.clone() };
        if let (Some(file), Ok(mut line)) = (&mut self.file, serde_json::to_vec(&entry)) {
            line.push(b'\n');
            let _ = file.write_all(&line);
        }
    }
}

/// All entries that can be understood; a line that a kill cut short is passed over.
pub(super) fn read(layout: &Layout) -> Vec<Entry> {
    let text = fs::read_to_string(layout.journal()).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
