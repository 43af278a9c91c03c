//! Rewriting the store: the latest record of every key, within the bound, in as few segments as will do.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::store::record::{self, KeyHash};
use crate::store::segment::{self, FULL, TEMPORARY};
use crate::store::{Slot, State, Store, folder};

/// More segments than this are rewritten, as one that every process left behind costs each a file to open.
const MANY: u64 = 24;
/// A store with less superseded than this is left alone.
const LITTLE: u64 = 1 << 20;

impl Store {
    pub(super) fn wants_rewrite(&self, state: &State) -> bool {
        let dead = state.bytes.saturating_sub(state.live);
        state.segments.len() as u64 > MANY + state.bytes / (FULL / 2)
            || state.bytes > self.options.max_bytes
            || (dead > state.live && dead > LITTLE)
    }

    /// Rewrites the store unless another process does. A failure leaves everything as it was, and is counted.
    pub(super) fn rewrite_or_count(&self, state: &mut State) {
        if self.rewrite(state).is_err() {
            self.failures.add();
            // Whatever was renamed or removed by then, this is what there is.
            if self.load(state).is_err() {
                *state = State::default();
            }
        }
    }

    fn rewrite(&self, state: &mut State) -> io::Result<()> {
        let Some(_lock) = self.folder.rewriting()? else { return Ok(()) };
        for name in self.folder.names()? {
            if name.starts_with(TEMPORARY) {
                // Only the holder of the lock makes these, so it was left by a process that died.
                self.folder.remove(&name)?;
            }
        }
        // Our own segments lose their lock here, and what other processes added is read.
        state.writer = None;
        state.segments.clear();
        self.load(state)?;

        let mut old = Vec::new();
        let mut free = HashSet::new();
        for (number, held) in state.segments.iter().enumerate() {
            // A segment with a living writer stays. The lock is kept until the segment is removed.
            if folder::lock(&held.file)? {
                free.insert(number);
                old.push(held.name.clone());
            }
        }
        let staying: u64 = state.bytes - self.bytes_of(state, &free)?;
        let mut live: Vec<(KeyHash, Slot)> = state
            .index
            .iter()
            .map(|(hash, slot)| (*hash, *slot))
            .filter(|(_, slot)| free.contains(&slot.segment))
            // Once every segment is rewritten there is nothing left that a removal would have to hide.
            .filter(|(_, slot)| !slot.removed || free.len() < state.segments.len())
            .collect();
        live.sort_by_key(|(_, slot)| Reverse(slot.written));
        let total: u64 = staying + live.iter().map(|(_, slot)| u64::from(slot.place.length)).sum::<u64>();
        // Well below the bound, so that the next rewriting is not at once.
        let room = if total > self.options.max_bytes / 4 * 3 { self.options.max_bytes / 2 } else { u64::MAX };
        let mut kept = staying;
        live.retain(|(_, slot)| {
            kept += u64::from(slot.place.length);
            kept <= room
        });

        let written = self.copy(state, &live)?;
        for (temporary, name) in &written {
            self.folder.rename(temporary, name)?;
        }
        for name in &old {
            self.folder.remove(name)?;
        }
        self.load(state)
    }

    /// Writes the records to temporary segments. Gives their names, and the names that they are to have.
    fn copy(&self, state: &mut State, live: &[(KeyHash, Slot)]) -> io::Result<Vec<(String, String)>> {
        let mut names = Vec::new();
        let mut output: Option<File> = None;
        let mut buffer = Vec::new();
        let mut length = 0;
        for (_, slot) in live {
            let mut bytes = vec![0; slot.place.length as usize];
            let from = &state.segments[slot.segment].file;
            if from.read_exact_at(&mut bytes, slot.place.offset).is_err() || record::intact(&bytes).is_none() {
                self.damaged.add();
                continue;
            }
            if output.is_none() || length + bytes.len() as u64 > FULL {
                flush(&mut output, &mut buffer)?;
                let name = segment::fresh_name(state.next_time(), state.begun);
                state.begun += 1;
                let temporary = format!("{TEMPORARY}{name}");
                output = Some(self.folder.create(&temporary)?);
                names.push((temporary, name));
                buffer.extend(segment::GREETING);
                length = segment::GREETING.len() as u64;
            }
            length += bytes.len() as u64;
            buffer.extend(bytes);
            if buffer.len() > 1 << 20 {
                flush_some(&mut output, &mut buffer)?;
            }
        }
        flush(&mut output, &mut buffer)?;
        Ok(names)
    }

    fn bytes_of(&self, state: &State, segments: &HashSet<usize>) -> io::Result<u64> {
        segments.iter().map(|&number| Ok(state.segments[number].file.metadata()?.len())).sum()
    }
}

fn flush_some(output: &mut Option<File>, buffer: &mut Vec<u8>) -> io::Result<()> {
    if let Some(file) = output {
        file.write_all(buffer)?;
    }
    buffer.clear();
    Ok(())
}

fn flush(output: &mut Option<File>, buffer: &mut Vec<u8>) -> io::Result<()> {
    flush_some(output, buffer)?;
    *output = None;
    Ok(())
}
