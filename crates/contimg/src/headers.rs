//! Headers of files, read in processes of their own: a damaged file that crashes the HDF5 library costs itself only, and
//! the library's one lock does not keep the other cores waiting.
//!
//! A request is a path and an answer is a summary or a reason, each as MessagePack behind its length (`u32`, little endian).

use std::{
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::Mutex,
};

use serde::{Serialize, de::DeserializeOwned};
use subband_io::FileSummary;

use crate::{
    isolate::{self, Limits},
    output::errln,
    size::Bytes,
    survey::chain,
};

/// Memory that a reading process may allocate. Headers take a few megabytes; a damaged file may ask for anything.
const LIMITS: Limits = Limits { memory: Bytes(1 << 30), cpu_s: None };
/// Longer messages are not ours.
const LONGEST: u32 = 1 << 24;

/// Processes that read headers: as many as threads ask at once, ended when this is dropped.
#[derive(Default)]
pub(crate) struct Readers(Mutex<Vec<Reader>>);

struct Reader {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Readers {
    /// The summary of a file, or in one line why there is none. When the process that reads it ends, another one tries:
    /// it may have been killed for another reason than the file.
    pub(crate) fn summarise(&self, path: &Path) -> Result<FileSummary, String> {
        let mut ended = String::new();
        for _ in 0..2 {
            let idle = self.0.lock().expect("because no holder panics").pop();
            let mut reader = match idle {
                Some(reader) => reader,
                None => Reader::start()
                    .map_err(|e| format!("{}: cannot start a process to read it: {e}", path.display()))?,
            };
            match reader.ask(path) {
                Ok(answer) => {
                    self.0.lock().expect("because no holder panics").push(reader);
                    return answer;
                }
                Err(_) => ended = reader.end(),
            }
        }
        Err(format!("{}: its header ends the process that reads it: {ended}", path.display()))
    }
}

impl Reader {
    fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("__headers")
            .arg(std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let to = BufWriter::new(child.stdin.take().expect("because stdin is piped"));
        let from = BufReader::new(child.stdout.take().expect("because stdout is piped"));
        Ok(Self { child, to, from })
    }

    fn ask(&mut self, path: &Path) -> io::Result<Result<FileSummary, String>> {
        write_message(&mut self.to, &path.as_os_str().as_bytes())?;
        read_message(&mut self.from)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// How the process ended.
    fn end(mut self) -> String {
        // Without a request it has nothing to do, if it lives.
        let _ = self.child.kill();
        self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for reader in self.0.lock().expect("because no holder panics").drain(..) {
            reader.end();
        }
    }
}

/// Answers requests from stdin on stdout until there is none.
pub(crate) fn run(parent: u32) -> ExitCode {
    match isolate::confine(parent, LIMITS).and_then(|()| answer(&mut io::stdin().lock(), &mut io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: `contimg __headers` is started by `contimg`: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    use std::os::unix::ffi::OsStringExt;
    while let Some(bytes) = read_message::<Vec<u8>>(from)? {
        let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
        write_message(to, &subband_io::summarise(&path).map_err(|e| chain(&e)))?;
    }
    Ok(())
}

fn write_message(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = rmp_serde::to_vec_named(message).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|&n| n <= LONGEST).ok_or(io::ErrorKind::InvalidData)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// `None` when the other side has ended.
fn read_message<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    rmp_serde::from_slice(&bytes).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_sent() {
        let mut wire = Vec::new();
        write_message(&mut wire, &"a path".as_bytes()).expect("a vector takes all");
        write_message(&mut wire, &Err::<f64, _>("a reason")).expect("a vector takes all");
        write_message(&mut wire, &Ok::<_, String>(0.1_f64 + 0.2)).expect("a vector takes all");
        let mut from = wire.as_slice();
        assert_eq!(read_message::<Vec<u8>>(&mut from).expect("whole"), Some(b"a path".to_vec()));
        assert_eq!(read_message::<Result<f64, String>>(&mut from).expect("whole"), Some(Err("a reason".to_owned())));
        assert_eq!(read_message::<Result<f64, String>>(&mut from).expect("whole"), Some(Ok(0.1 + 0.2)));
        assert_eq!(read_message::<Vec<u8>>(&mut from).expect("the end"), None);
        assert!(read_message::<Vec<u8>>(&mut [255; 8].as_slice()).is_err());
        assert!(read_message::<Vec<u8>>(&mut [9, 0, 0, 0, 1].as_slice()).is_err());
    }

    #[test]
    fn a_path_that_is_no_file_gets_a_reason() {
        let mut requests = Vec::new();
        write_message(&mut requests, &b"/nowhere/x.hdf5".as_slice()).expect("a vector takes all");
        let mut answers = Vec::new();
        answer(&mut requests.as_slice(), &mut answers).expect("answered");
        let answer: Option<Result<FileSummary, String>> = read_message(&mut answers.as_slice()).expect("whole");
        assert!(answer.expect("one answer").expect_err("no such file").contains("/nowhere/x.hdf5"));
    }
}
