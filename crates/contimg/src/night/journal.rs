//! One line for every event of every run in a work folder: what the report and the status are made from.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use orchestrator::{Event, Layout};
use serde::{Deserialize, Serialize};

use crate::failure::{Class, Failure};

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
    /// What was noted last of memory, when, and of how many attempts.
    used: Option<(Instant, u64, usize)>,
    /// A line was cut short, by a full disk or the end of its run: the next one begins on a line of its own.
    is_torn: bool,
}

/// Memory is noted when it changed by a tenth or other stages run, and otherwise so often.
const NOTED: Duration = Duration::from_secs(10);

impl Journal {
    pub(super) fn open(layout: &Layout, run: &str) -> Self {
        let file = File::options().create(true).read(true).append(true).open(layout.journal()).ok();
        let is_torn = file.as_ref().is_some_and(|mut file| {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).is_ok() && file.read_exact(&mut last).is_ok() && last != *b"\n"
        });
        Self { file, run: run.to_owned(), used: None, is_torn }
    }

    pub(super) fn note(&mut self, event: &Event) {
        if let Event::Usage { memory, running, .. } = event {
            let now = (Instant::now(), *memory, running.len());
            if let Some((then, before, attempts)) = self.used
                && now.0 - then < NOTED
                && memory.abs_diff(before) <= before / 10
                && attempts == now.2
            {
                return;
            }
            self.used = Some(now);
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let entry = Entry { at, run: self.run.clone(), event: event.clone() };
        if let (Some(file), Ok(line)) = (&mut self.file, serde_json::to_vec(&entry)) {
            let begin: &[u8] = if self.is_torn { b"\n" } else { b"" };
            self.is_torn = file.write_all(&[begin, &line, b"\n"].concat()).is_err();
        }
    }
}

/// All entries that can be understood; a line that was cut short is passed over.
pub(super) fn read(layout: &Layout) -> Result<Vec<Entry>, Failure> {
    let path = layout.journal();
    let failed = |e: &std::io::Error| Failure::io(Class::Input, format!("cannot read {}", path.display()), e);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut entries = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        entries.extend(serde_json::from_slice(&line.map_err(|e| failed(&e))?).ok());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_costs_no_other() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let layout = Layout::new(dir.path());
        let noted = |run: &str| Journal::open(&layout, run).note(&Event::Note { text: "–".to_owned() });
        let runs = || read(&layout).expect("read").into_iter().map(|entry| entry.run).collect::<Vec<_>>();
        std::fs::create_dir_all(layout.journal().parent().expect("a folder")).expect("mkdir");
        noted("a");
        // Cut in the middle of a character.
        let whole = std::fs::read(layout.journal()).expect("read");
        let dash = whole.iter().position(|byte| !byte.is_ascii()).expect("because it has one");
        std::fs::write(layout.journal(), [&whole[..], &whole[..=dash]].concat()).expect("write");
        assert_eq!(runs(), ["a"]);
        noted("b");
        assert_eq!(runs(), ["a", "b"]);
    }
}
