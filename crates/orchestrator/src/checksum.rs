//! Signatures of plain files across machines, where times alone prove nothing: a checksum behind the stamp.
//!
//! Products and columns have checksums in their manifests. A plain file that a stage reads, such as a subband, has none: the
//! node that reads it takes one, and the head compares it when the file's stamp is not what it was.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::resource::{Resource, Signatures};

const MARK: &str = ", blake3 ";

/// The stamp, and the checksum if there is one.
fn parts(signature: &str) -> (&str, Option<&str>) {
    match signature.split_once(MARK) {
        Some((stamp, sum)) => (stamp, Some(sum)),
        None => (signature, None),
    }
}

/// `file 123 bytes` of a plain file's stamp.
fn length(signature: &str) -> Option<&str> {
    parts(signature).0.split_once(", mtime ").map(|(length, _)| length)
}

/// Whether two signatures are of the same content, as far as they tell.
pub(crate) fn agree(a: &str, b: &str) -> bool {
    let ((a, a_sum), (b, b_sum)) = (parts(a), parts(b));
    a == b || (a_sum.is_some() && a_sum == b_sum)
}

/// Whether what is at `path` and has the signature `now` is what was recorded. A stamp that differs is no proof: where a
/// checksum was recorded and the length is the same, the file is read.
pub(crate) fn is_unchanged(recorded: &str, now: &str, path: &Path) -> bool {
    if agree(recorded, now) {
        return true;
    }
    let (Some(sum), Some(before)) = (parts(recorded).1, length(recorded)) else { return false };
    // What cannot be read has changed, and the stage that reads it says why.
    length(now) == Some(before) && of_file(path).is_ok_and(|found| found == sum)
}

fn of_file(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

/// Adds checksums to the signatures of plain files, as this machine sees them.
pub(crate) fn add(signatures: &Signatures, work: &Path) -> io::Result<Signatures> {
    let with_sum = |(key, signature): (&String, &String)| {
        let Resource::Path(path) = Resource::parse(key) else { return Ok((key.clone(), signature.clone())) };
        let (stamp, sum) = parts(signature);
        if length(stamp).is_none() || sum.is_some() {
            return Ok((key.clone(), signature.clone()));
        }
        Ok((key.clone(), format!("{stamp}{MARK}{}", of_file(&work.join(path))?)))
    };
    signatures.iter().map(with_sum).collect()
}

/// The first plain file that is not here, or has another length than the head saw: with its name, what the head saw and what
/// is here.
pub(crate) fn first_foreign(signatures: &Signatures, work: &Path) -> Option<(String, String, String)> {
    signatures.iter().find_map(|(key, signature)| {
        let Resource::Path(path) = Resource::parse(key) else { return None };
        let expected = length(signature)?;
        let found = match std::fs::metadata(work.join(path)) {
            Ok(metadata) => format!("file {} bytes", metadata.len()),
            Err(error) => error.to_string(),
        };
        (found != expected).then(|| (key.clone(), expected.to_owned(), found))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::of_path;

    #[test]
    fn a_touched_file_is_the_same_and_a_changed_one_is_not() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a");
        std::fs::write(&path, "one").expect("write");
        let look = || of_path(&path).expect("look").expect("there");
        let plain = look();
        let all =
            Signatures::from([("a".to_owned(), plain.clone()), ("m.ms::DATA".to_owned(), "generation 1".to_owned())]);
        let summed = add(&all, dir.path()).expect("read");
        assert_eq!(summed["m.ms::DATA"], "generation 1");
        let recorded = &summed["a"];
        assert!(is_unchanged(recorded, &plain, &path) && agree(recorded, &plain));
        let touch = |seconds| {
            let file = File::options().append(true).open(&path).expect("open");
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).expect("touch");
        };
        touch(1_000);
        assert!(!agree(recorded, &look()) && is_unchanged(recorded, &look(), &path), "only its time changed");
        assert!(!is_unchanged(&plain, &look(), &path), "without a checksum, the stamp decides");
        std::fs::write(&path, "two").expect("write");
        touch(2_000);
        assert!(!is_unchanged(recorded, &look(), &path));
        assert_eq!(first_foreign(&summed, dir.path()), None, "of the same length");
        std::fs::write(&path, "longer").expect("write");
        assert_eq!(first_foreign(&summed, dir.path()).map(|found| found.2).as_deref(), Some("file 6 bytes"));
    }
}
