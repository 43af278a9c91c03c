//! The arrows between packages and the doors to C libraries, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use serde_json::Value;

use super::Findings;
use crate::levels::{COMPILES_NO_C, DOORS, LEVELS, LINKS_WITHOUT_C, Level, WITHIN_A_LEVEL, WITHOUT_C};
use crate::problem::Problem;
use crate::workspace::{self, cargo};

/// What `cargo metadata` says about the workspace and everything that it is built from.
pub(super) fn metadata() -> Result<Value, Problem> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = cargo(["metadata", "--format-version", "1", "--filter-platform", &platform]);
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| workspace::cannot_start(&command, &error))?;
    let hint = "cargo's message is above";
    if !output.status.success() {
        return Err(Problem::new("`cargo metadata` failed", hint));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Problem::new(format!("`cargo metadata`: {error}"), hint))
}

/// A package of the workspace or one that it is built from.
struct Package<'a> {
    name: &'a str,
    links: Option<&'a str>,
    features: Vec<&'a str>,
    /// Whether its build script can compile C or C++.
    has_compiler: bool,
    dependencies: Vec<Dependency<'a>>,
}

struct Dependency<'a> {
    id: &'a str,
    /// Needed by the package itself or its build script, not only by its tests.
    is_built_in: bool,
    is_for_tests: bool,
}

/// Checks all packages and returns how many of them are ours.
pub(super) fn check(metadata: &Value, findings: &mut Findings) -> Result<usize, Problem> {
    let unexpected = || Problem::new("`cargo metadata` has another form than expected", "is this cargo very new?");
    let packages = packages(metadata).ok_or_else(unexpected)?;
    let ours: BTreeSet<&str> = strings(&metadata["workspace_members"]).ok_or_else(unexpected)?;
    for id in &ours {
        let package = packages.get(id).ok_or_else(unexpected)?;
        let Some(level) = level_of(package.name) else {
            findings.faults.push(format!("package `{}` has no level: add it to xtask/src/levels.rs", package.name));
            continue;
        };
        check_arrows(package, level, &packages, &ours, findings);
        check_doors(id, package, level, &packages, &ours, findings);
    }
    for (name, _) in LEVELS {
        if !ours.iter().any(|id| packages.get(id).is_some_and(|package| package.name == *name)) {
            findings.remarks.push(format!("xtask/src/levels.rs has a package `{name}`, which is not there"));
        }
    }
    Ok(ours.len())
}

fn packages(metadata: &Value) -> Option<BTreeMap<&str, Package<'_>>> {
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array()? {
        let has_compiler = package["dependencies"].as_array()?.iter().any(|dependency| {
            dependency["kind"] == "build" && matches!(dependency["name"].as_str(), Some("cc" | "cmake" | "autotools"))
        });
        let entry = Package {
            name: package["name"].as_str()?,
            links: package["links"].as_str(),
            features: Vec::new(),
            has_compiler,
            dependencies: Vec::new(),
        };
        packages.insert(package["id"].as_str()?, entry);
    }
    for node in metadata["resolve"]["nodes"].as_array()? {
        let package = packages.get_mut(node["id"].as_str()?)?;
        package.features = strings(&node["features"])?.into_iter().collect();
        for dependency in node["deps"].as_array()? {
            let kinds = dependency["dep_kinds"].as_array()?;
            package.dependencies.push(Dependency {
                id: dependency["pkg"].as_str()?,
                is_built_in: kinds.iter().any(|kind| kind["kind"] != "dev"),
                is_for_tests: kinds.iter().any(|kind| kind["kind"] == "dev"),
            });
        }
    }
    Some(packages)
}

fn strings(value: &Value) -> Option<BTreeSet<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn level_of(name: &str) -> Option<Level> {
    LEVELS.iter().find(|(other, _)| *other == name).map(|(_, level)| *level)
}

fn check_arrows(
    package: &Package<'_>,
    level: Level,
    packages: &BTreeMap<&str, Package<'_>>,
    ours: &BTreeSet<&str>,
    findings: &mut Findings,
) {
    for dependency in package.dependencies.iter().filter(|dependency| ours.contains(dependency.id)) {
        let other = packages[dependency.id].name;
        let Some(other_level) = level_of(other) else { continue };
        let is_meant = WITHIN_A_LEVEL.contains(&(package.name, other));
        if dependency.is_built_in && other_level >= level && !is_meant {
            findings.faults.push(format!("{level:?} `{}` depends on {other_level:?} `{other}`", package.name));
        }
        // Tests may use test data, a neighbour, or the package itself with a feature; never what is built on top.
        if dependency.is_for_tests && other_level > level.max(Level::Fixtures) {
            findings.faults.push(format!("the tests of `{}` depend on {other_level:?} `{other}`", package.name));
        }
    }
}

/// Checks the C code that a package reaches without going through another of ours, and, for those that must have none,
/// all that it reaches.
fn check_doors(
    id: &str,
    package: &Package<'_>,
    level: Level,
    packages: &BTreeMap<&str, Package<'_>>,
    ours: &BTreeSet<&str>,
    findings: &mut Findings,
) {
    for reached in reached(id, packages, |other| ours.contains(other)) {
        let reached = &packages[reached];
        let Some(links) = reached.links.filter(|links| !LINKS_WITHOUT_C.contains(links)) else { continue };
        match DOORS.iter().find(|(name, _)| *name == links) {
            None => findings.faults.push(format!(
                "`{}` reaches the C library `{links}` (package {}), which has no door in xtask/src/levels.rs",
                package.name, reached.name
            )),
            Some((_, doors)) if !doors.contains(&package.name) && level != Level::Fixtures => {
                findings.faults.push(format!(
                    "`{}` reaches the C library `{links}` (package {}); its door is {}",
                    package.name,
                    reached.name,
                    doors.join(", ")
                ));
            }
            Some(_) => {}
        }
    }
    if WITHOUT_C.contains(&package.name) {
        for reached in reached(id, packages, |_| false).iter().map(|id| &packages[id]) {
            let is_spared =
                COMPILES_NO_C.iter().any(|(name, feature)| *name == reached.name && reached.features.contains(feature));
            let has_library = reached.links.is_some_and(|links| !LINKS_WITHOUT_C.contains(&links));
            if has_library || (reached.has_compiler && !is_spared) {
                findings.faults.push(format!("`{}` must reach no C, but needs `{}`", package.name, reached.name));
            }
        }
    }
}

/// All packages that are built into `id`, itself included; those that `is_closed` says are not entered.
fn reached<'a>(
    id: &'a str,
    packages: &BTreeMap<&'a str, Package<'a>>,
    is_closed: impl Fn(&str) -> bool,
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::from([id]);
    let mut waiting = vec![id];
    while let Some(next) = waiting.pop() {
        for dependency in packages[next].dependencies.iter().filter(|dependency| dependency.is_built_in) {
            if !is_closed(dependency.id) && found.insert(dependency.id) {
                waiting.push(dependency.id);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace of `ours`, with edges (from, to, kind); every name without a level is a package from outside.
    fn faults(edges: &[(&str, &str, Option<&str>)], links: &[(&str, &str)], compilers: &[&str]) -> Vec<String> {
        let mut names: BTreeSet<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
        names.extend(edges.iter().flat_map(|(from, to, _)| [*from, *to]));
        let packages: Vec<Value> = names
            .iter()
            .map(|name| {
                let links = links.iter().find(|(package, _)| package == name).map(|(_, links)| links);
                let dependencies =
                    if compilers.contains(name) { json!([{"name": "cc", "kind": "build"}]) } else { json!([]) };
                json!({"id": name, "name": name, "links": links, "dependencies": dependencies})
            })
            .collect();
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let dependencies: Vec<Value> = edges
                    .iter()
                    .filter(|(from, ..)| from == name)
                    .map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]}))
                    .collect();
                json!({"id": name, "features": [], "deps": dependencies})
            })
            .collect();
        let members: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).chain(["stranger"]).collect();
        let members: Vec<&str> = members.into_iter().filter(|name| names.contains(name)).collect();
        let metadata = json!({"packages": packages, "resolve": {"nodes": nodes}, "workspace_members": members});
        let mut findings = Findings::default();
        check(&metadata, &mut findings).unwrap_or_else(|problem| panic!("{problem}"));
        findings.faults
    }

    #[test]
    fn arrows_point_down() {
        assert_eq!(faults(&[("ms-writer", "casacore", None), ("casacore", "casacore-sys", None)], &[], &[]), [""; 0]);
        assert_eq!(
            faults(&[("casacore", "ms-writer", None)], &[], &[]),
            ["Door `casacore` depends on Work `ms-writer`"]
        );
        assert_eq!(
            faults(&[("vis-types", "publish", Some("build"))], &[], &[]),
            ["Vocabulary `vis-types` depends on Vocabulary `publish`"]
        );
        assert_eq!(faults(&[("ms-writer", "fixtures", Some("dev"))], &[], &[]), [""; 0], "tests may use test data");
        assert_eq!(
            faults(&[("ms-writer", "contimg", Some("dev"))], &[], &[]),
            ["the tests of `ms-writer` depend on Program `contimg`"]
        );
        assert_eq!(
            faults(&[("stranger", "vis-types", None)], &[], &[]),
            ["package `stranger` has no level: add it to xtask/src/levels.rs"]
        );
    }

    #[test]
    fn a_c_library_has_one_door() {
        let links = [("hdf5-metno-sys", "hdf5"), ("other-sys", "other")];
        let hdf5 = |from| faults(&[(from, "hdf5-metno", None), ("hdf5-metno", "hdf5-metno-sys", None)], &links, &[]);
        assert_eq!(hdf5("subband-io"), [""; 0]);
        assert_eq!(hdf5("fixtures"), [""; 0]);
        assert_eq!(
            hdf5("ms-writer"),
            ["`ms-writer` reaches the C library `hdf5` (package hdf5-metno-sys); its door is subband-io, benches"]
        );
        // Through a door it is not one's own.
        let through = [("contimg", "subband-io", None), ("subband-io", "hdf5-metno-sys", None)];
        assert_eq!(faults(&through, &links, &[]), [""; 0]);
        assert_eq!(faults(&[("contimg", "other-sys", None)], &links, &[]).len(), 1, "an unknown library");
    }

    #[test]
    fn the_vocabulary_reaches_no_c() {
        let edges = [("publish", "a", None), ("a", "b", None)];
        assert_eq!(faults(&edges, &[], &["b"]), ["`publish` must reach no C, but needs `b`"]);
        assert_eq!(faults(&[("publish", "a", Some("dev"))], &[], &["a"]), [""; 0], "tests may");
    }
}
