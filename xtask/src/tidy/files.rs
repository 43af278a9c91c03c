//! The files of the checkout: names, contents, lengths.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Findings, packages};
use crate::levels::WITH_UNSAFE;
use crate::problem::Problem;
use crate::workspace::{self, root};

/// A module of such a name has no subject.
const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];
/// Over this many lines without its tests, a file usually hides a second noun.
const LONG: usize = 600;
/// Over this many lines, tests included, a file is split.
const TOO_LONG: usize = 900;
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// What names a site's own registry of packages, in a file that tools read.
const REGISTRY_WORDS: &[&str] = &["index-url", "[registries", "[source.", "replace-with", "trusted-host"];
/// A path that the real writer of subband files puts into their headers, and our test data too.
const IN_REAL_HEADERS: &str = "/home/ubuntu/data/";
/// This file holds the patterns themselves.
const SELF: &str = "xtask/src/tidy/files.rs";

/// Checks all files that git tracks or would add, and returns how many there are.
pub(super) fn check(findings: &mut Findings) -> Result<usize, Problem> {
    let files = list()?;
    let machine = machine_paths(root(), std::env::var_os("HOME").as_deref().map(Path::new));
    for file in &files {
        check_name(file, findings);
        // What is deleted but not yet committed is still listed; what is not text has no lines.
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        if file != SELF {
            check_paths(file, &text, &machine, findings);
            check_registry(file, &text, findings);
        }
        check_code(file, &text, findings);
        if file.ends_with("Cargo.toml") && file != "Cargo.toml" {
            packages::check(file, &text, &files, findings);
        }
    }
    Ok(files.len())
}

fn list() -> Result<Vec<String>, Problem> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = command.output().map_err(|error| workspace::cannot_start(&command, &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Problem::new(format!("git cannot list the files: {said}"), "run it in a git checkout"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn check_name(file: &str, findings: &mut Findings) {
    let has_forbidden = file.split('/').any(|part| {
        let stem = part.split('.').next().unwrap_or(part);
        FORBIDDEN_NAMES.contains(&stem)
    });
    if has_forbidden {
        findings.faults.push(format!("{file}: a file or folder named for no noun ({})", FORBIDDEN_NAMES.join(", ")));
    }
}

/// Beginnings of paths that mean something on one machine only.
fn machine_paths(root: &Path, home: Option<&Path>) -> Vec<String> {
    let mut paths: Vec<String> = ["/home/", "/root/", "/Users/"].map(str::to_owned).to_vec();
    for folder in [root.parent(), home].into_iter().flatten() {
        if folder.components().count() > 1 {
            paths.push(format!("{}/", folder.display()));
        }
    }
    paths
}

fn check_paths(file: &str, text: &str, machine: &[String], findings: &mut Findings) {
    for (number, line) in text.lines().enumerate() {
        let line = line.replace(IN_REAL_HEADERS, "");
        for path in machine {
            // `a/home/b` is a relative path, `https://host/home/` a web page.
            let is_absolute = line.match_indices(path.as_str()).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/'))
            });
            if is_absolute {
                findings.faults.push(format!("{file}:{}: a path of one machine ({path}…)", number + 1));
                break;
            }
        }
    }
}

fn check_registry(file: &str, text: &str, findings: &mut Findings) {
    let is_lock = file.ends_with("Cargo.lock");
    for (number, line) in text.lines().enumerate() {
        let is_foreign =
            is_lock && line.strip_prefix("source = ").is_some_and(|source| source.trim_matches('"') != CRATES_IO);
        let is_configured = REGISTRY_WORDS.iter().any(|word| line.contains(word));
        if is_foreign || is_configured {
            findings.faults.push(format!("{file}:{}: a package registry other than crates.io or PyPI", number + 1));
        }
    }
}

fn check_code(file: &str, text: &str, findings: &mut Findings) {
    let is_rust = file.ends_with(".rs");
    if !is_rust && ![".py", ".cc", ".h", ".sh"].iter().any(|ending| file.ends_with(ending)) {
        return;
    }
    let lines = text.lines().count();
    let code = text.find("#[cfg(test)]\nmod tests").map_or(lines, |at| text[..at].lines().count());
    if lines > TOO_LONG {
        findings.faults.push(format!("{file}: {lines} lines; split it ({TOO_LONG} is the limit)"));
    } else if code > LONG {
        findings.remarks.push(format!("{file}: {code} lines without its tests; does it hide a second noun?"));
    }
    let package = file.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or("");
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if is_rust && line.starts_with("#") && line.contains("expect(unsafe_code") && !WITH_UNSAFE.contains(&package) {
            findings.faults.push(format!("{file}:{}: unsafe code outside {}", number + 1, WITH_UNSAFE.join(", ")));
        }
        let module = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ");
        let name = module.map(|rest| rest.trim_end_matches([' ', '{', ';']));
        if is_rust && name.is_some_and(|name| FORBIDDEN_NAMES.contains(&name)) {
            findings.faults.push(format!("{file}:{}: a module named for no noun", number + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(check: impl Fn(&mut Findings)) -> Vec<String> {
        let mut findings = Findings::default();
        check(&mut findings);
        findings.faults
    }

    #[test]
    fn paths_of_one_machine_are_found_and_others_are_not() {
        let machine = machine_paths(Path::new("/srv/build/contimg"), Some(Path::new("/var/people/jo")));
        let found = |line: &str| faults(|findings| check_paths("f", line, &machine, findings)).len();
        for bad in ["open /home/jo/x", "\"/root/x\"", "cd /srv/build/contimg", "=/var/people/jo/x", "a\n/Users/x"] {
            assert_eq!(found(bad), 1, "{bad}");
        }
        for good in ["../home/jo", "https://example.org/home/", "/data/incoming", "{root}/root/x", "/srv/builder"] {
            assert_eq!(found(good), 0, "{good}");
        }
    }

    #[test]
    fn names_without_a_noun_are_found() {
        let found = |file: &str| faults(|findings| check_name(file, findings)).len();
        assert_eq!(found("crates/a/src/utils.rs"), 1);
        assert_eq!(found("crates/a/tests/common/mod.rs"), 1);
        assert_eq!(found("crates/a/src/commons.rs"), 0);
        assert_eq!(faults(|findings| check_code("a.rs", "pub(crate) mod helpers;\n", findings)).len(), 1);
    }

    #[test]
    fn long_files_and_stray_unsafe_are_found() {
        let long = "x\n".repeat(TOO_LONG + 1);
        assert_eq!(faults(|findings| check_code("a.rs", &long, findings)).len(), 1);
        let code = "#[expect(unsafe_code, reason = \"r\")]\n";
        assert_eq!(faults(|findings| check_code("crates/publish/src/a.rs", code, findings)).len(), 1);
        assert_eq!(faults(|findings| check_code("crates/casacore/src/a.rs", code, findings)).len(), 0);
    }

    #[test]
    fn other_registries_are_found() {
        let found = |file: &str, line: &str| faults(|findings| check_registry(file, line, findings)).len();
        assert_eq!(found("Cargo.lock", &format!("source = \"{CRATES_IO}\"")), 0);
        assert_eq!(found("Cargo.lock", "source = \"registry+https://example.org/index\""), 1);
        assert_eq!(found(".cargo/config.toml", "[source.crates-io]"), 1);
    }
}
