//! The manifests of the packages: what each must have, and what it does not need.

use std::fs;

use toml::{Table, Value};

use super::Findings;
use crate::workspace::root;

/// What a registry's users look for in a package. The licences' texts are links to those of the workspace.
const FILES: &[&str] = &["README.md", "LICENSE-MIT", "LICENSE-APACHE"];
const DEPENDENCIES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks the package of the manifest `file`; `files` are all of the checkout.
pub(super) fn check(file: &str, text: &str, files: &[String], findings: &mut Findings) {
    if !text.contains("[lints]\nworkspace = true") {
        findings.faults.push(format!("{file}: does not take the workspace's lints"));
    }
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => {
            findings.faults.push(format!("{file}: {error}"));
            return;
        }
    };
    let folder = file.trim_end_matches("Cargo.toml");
    let is_published = manifest["package"].get("publish") != Some(&Value::Boolean(false));
    let needed = FILES.iter().take(if is_published { FILES.len() } else { 1 });
    for name in needed.filter(|_| folder.starts_with("crates/")) {
        if !files.contains(&format!("{folder}{name}")) {
            findings.faults.push(format!("{folder}: has no {name}"));
        }
    }
    let of_package =
        |name: &&String| name.starts_with(folder) && (name.ends_with(".rs") || name.ends_with("README.md"));
    let code: Vec<String> = files.iter().filter(of_package).flat_map(|f| fs::read_to_string(root().join(f))).collect();
    for name in unused(&manifest, &code) {
        findings.faults.push(format!("{file}: `{name}` is named nowhere in the package; take it out"));
    }
}

/// Dependencies whose names are not in the code. Those that are there for a feature of theirs may be in none.
fn unused<'a>(manifest: &'a Table, code: &[String]) -> Vec<&'a str> {
    let all = DEPENDENCIES.iter().filter_map(|kind| manifest.get(*kind)?.as_table()).flatten();
    let plain = all.filter(|(_, value)| value.get("features").is_none());
    let is_named = |name: &str| {
        let name = name.replace('-', "_");
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        code.iter().any(|text| {
            text.match_indices(&name)
                .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
        })
    };
    plain.map(|(name, _)| name.as_str()).filter(|name| !is_named(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_that_are_named_nowhere_are_found() {
        let manifest = "[dependencies]\nnum-complex.workspace = true\nrayon = \"1\"\n\
            png = { version = \"0\", features = [\"x\"] }\n[dev-dependencies]\ntoml = \"0\"\n";
        let manifest: Table = manifest.parse().expect("a manifest");
        assert_eq!(unused(&manifest, &[]), ["num-complex", "rayon", "toml"]);
        let code = ["use num_complex::Complex32; // crayons".to_owned(), "toml::Table".to_owned()];
        assert_eq!(unused(&manifest, &code), ["rayon"]);
    }

    #[test]
    fn a_package_without_its_licences_is_found() {
        let faults = |publish: &str| {
            let mut findings = Findings::default();
            let text = format!("[package]\nname = \"a\"\n{publish}\n[lints]\nworkspace = true\n");
            check("crates/a/Cargo.toml", &text, &["crates/a/README.md".to_owned()], &mut findings);
            findings.faults.len()
        };
        assert_eq!((faults(""), faults("publish = false")), (2, 0));
    }
}
