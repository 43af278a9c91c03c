//! Generations of columns, for the orchestrator.
//!
//! A worker asks the set itself. The head must live, and tables are opened with casacore: it asks through a process of its
//! own, which is started again when a damaged set has crashed it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::Mutex,
    time::Duration,
};

use ms_columns::{EditOptions, State};
use orchestrator::{Error, Observe};
use publish::Status;
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Class, Failure},
    isolate::{self, Limits},
    size::Bytes,
    survey::chain,
};

/// Asks the set, in this process.
#[derive(Debug)]
pub(super) struct Columns;

impl Observe for Columns {
    fn column(&self, set: &Path, column: &str) -> Result<Option<String>, Error> {
        of_column(set, column).map_err(|reason| cannot(set, column, reason))
    }

    fn adopt(&self, set: &Path, by: &str) -> Result<(), Error> {
        let options = EditOptions { wait: Duration::from_secs(10), ..EditOptions::new(by) };
        match ms_columns::adopt(set, &options) {
            Ok(_) => Ok(()),
            Err(error) => Err(cannot(set, "its columns", chain(&error))),
        }
    }
}

fn cannot(set: &Path, column: &str, reason: String) -> Error {
    Error::Observe { path: set.to_owned(), what: column.to_owned(), reason }
}

/// What changes when the column does. A set that was made anew begins at generation 0 again, so what it was made from is
/// part of it.
fn of_column(set: &Path, column: &str) -> Result<Option<String>, String> {
    if !set.join("table.dat").is_file() {
        return Ok(None);
    }
    let birth = match publish::inspect(set).map_err(|e| chain(&e))? {
        Status::Complete(manifest) | Status::Changed { manifest, .. } => {
            let made_from = serde_json::to_vec(&(&manifest.inputs, &manifest.options)).map_err(|e| e.to_string())?;
            short_hash(&made_from)
        }
        Status::Foreign => "foreign".to_owned(),
        Status::Damaged { .. } | Status::Temporary { .. } | Status::Absent => return Ok(None),
        _ => "unknown".to_owned(),
    };
    let generations = match ms_columns::generations(set, Some(&[column])) {
        Ok(generations) => generations,
        Err(ms_columns::Error::Table(casacore::Error::NoColumn { .. })) => return Ok(None),
        Err(error) => return Err(chain(&error)),
    };
    let Some(generation) = generations.first() else { return Ok(None) };
    let known = format!("set {birth}, generation {}", generation.number);
    Ok(Some(match generation.state {
        State::Unchanged => known,
        State::ChangedOutside => format!("{known}, changed outside {}", stamps(set).map_err(|e| e.to_string())?),
        State::Untracked => format!("{known}, files {}", stamps(set).map_err(|e| e.to_string())?),
    }))
}

/// A checksum of a few bytes, as text.
pub(super) fn short_hash(bytes: &[u8]) -> String {
    // The manifest's own checksum is of its whole text; this is of a part.
    let mut hash = 0xcbf2_9ce4_8422_2325_u128;
    for byte in bytes {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{hash:032x}")
}

/// Sizes and times of the files with the set's rows.
fn stamps(set: &Path) -> std::io::Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(set)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("table.f") {
            let metadata = entry.metadata()?;
            files.push((name, metadata.len(), metadata.mtime(), metadata.mtime_nsec()));
        }
    }
    files.sort();
    Ok(short_hash(format!("{files:?}").as_bytes()))
}

/// Asks through a process of its own.
#[derive(Debug, Default)]
pub(super) struct Isolated(Mutex<Option<Asked>>);

#[derive(Debug)]
struct Asked {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

#[derive(Serialize, Deserialize)]
struct Question {
    set: PathBuf,
    column: String,
}

/// The hidden command that answers.
pub(crate) const COMMAND: &str = "__observe";

impl Observe for Isolated {
    fn column(&self, set: &Path, column: &str) -> Result<Option<String>, Error> {
        let mut asked = self.0.lock().map_err(|_| cannot(set, column, "another look at a set failed".to_owned()))?;
        let question = Question { set: set.to_owned(), column: column.to_owned() };
        // A process that ended may have been ended by the set before: ask a new one.
        for _ in 0..2 {
            let mut process = match asked.take() {
                Some(process) => process,
                None => Asked::start().map_err(|e| cannot(set, column, e.to_string()))?,
            };
            match process.ask(&question) {
                Ok(answer) => {
                    *asked = Some(process);
                    return answer.map_err(|reason| cannot(set, column, reason));
                }
                Err(_) => process.end(),
            }
        }
        Err(cannot(set, column, "the set ends the process that looks at it: it is damaged".to_owned()))
    }

    fn processes(&self) -> BTreeSet<u32> {
        self.0.lock().ok().iter().filter_map(|asked| asked.as_ref().map(|process| process.child.id())).collect()
    }
}

impl Asked {
    fn start() -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([COMMAND, &std::process::id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What a terminal sends reaches the head only.
            .process_group(0)
            .spawn()?;
        let to = child.stdin.take().expect("because it is piped");
        let from = BufReader::new(child.stdout.take().expect("because it is piped"));
        Ok(Self { child, to, from })
    }

    fn ask(&mut self, question: &Question) -> std::io::Result<Result<Option<String>, String>> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        self.to.write_all(&line)?;
        let mut answer = String::new();
        if self.from.read_line(&mut answer)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    }

    fn end(mut self) {
        // Without a question it has nothing to do, if it lives.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        if let Some(process) = self.0.lock().ok().and_then(|mut asked| asked.take()) {
            process.end();
        }
    }
}

/// Answers questions from stdin on stdout until there is none.
pub(crate) fn answer(parent: u32) -> Result<ExitCode, Failure> {
    let limits = Limits { memory: Bytes(1 << 30), cpu_s: None };
    isolate::confine(parent, limits)
        .map_err(|e| Failure::io(Class::Worker, "cannot limit the process that looks at sets", &e))?;
    let failed = |e: &std::io::Error| Failure::io(Class::Worker, "cannot talk to the run that asks", e);
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| failed(&e))?;
        let question: Question = serde_json::from_str(&line).map_err(|e| failed(&e.into()))?;
        let mut text =
            serde_json::to_vec(&of_column(&question.set, &question.column)).map_err(|e| failed(&e.into()))?;
        text.push(b'\n');
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&text).and_then(|()| stdout.flush()).map_err(|e| failed(&e))?;
    }
    Ok(ExitCode::SUCCESS)
}
