//! The order of the workspace's packages and the doors to C libraries: the one place to add a crate to.

/// Where a package stands. A package may depend on packages of lower levels only; the exceptions are below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The nouns that crates exchange, and what needs nothing else.
    Vocabulary,
    /// The one way to a C library.
    Door,
    /// One task each; two of them never depend on each other.
    Work,
    /// What composes the work of many data sets.
    Composition,
    /// Test data; never published. May open several C libraries.
    Fixtures,
    /// The program.
    Program,
    /// Development: depends on anything, nothing depends on it.
    Development,
}

/// Every package of the workspace.
pub(crate) const LEVELS: &[(&str, Level)] = &[
    ("vis-types", Level::Vocabulary),
    ("stamped-cache", Level::Vocabulary),
    ("publish", Level::Vocabulary),
    ("astrometry", Level::Vocabulary),
    ("casacore-sys", Level::Door),
    ("casacore", Level::Door),
    ("subband-io", Level::Door),
    ("products-db", Level::Door),
    ("fits-header-cache", Level::Door),
    ("ms-writer", Level::Work),
    ("ms-columns", Level::Work),
    ("sky-model", Level::Work),
    ("gain-solve", Level::Work),
    ("cal-tables", Level::Work),
    ("flagger", Level::Work),
    ("tile-validate", Level::Work),
    ("report", Level::Work),
    ("ms-meta-cache", Level::Work),
    ("calib-model", Level::Work),
    ("flag-stats", Level::Work),
    ("orchestrator", Level::Composition),
    ("fixtures", Level::Fixtures),
    ("contimg", Level::Program),
    ("benches", Level::Development),
    ("xtask", Level::Development),
];

/// Dependencies within a level that are meant, as (from, to).
pub(crate) const WITHIN_A_LEVEL: &[(&str, &str)] = &[
    // What it computes with are the vocabulary's directions, stations and times.
    ("astrometry", "vis-types"),
    // The two halves of one door.
    ("casacore", "casacore-sys"),
];

/// Packages that reach no C or C++ code at all, so that they build and test with nothing installed.
pub(crate) const WITHOUT_C: &[&str] = &[
    "vis-types",
    "stamped-cache",
    "publish",
    "astrometry",
    "calib-model",
    "sky-model",
    "gain-solve",
    "flagger",
    "fits-header-cache",
    "report",
    "xtask",
];

/// Those of [`WITHOUT_C`] that the job `pure` of `.github/workflows/ci.yml` leaves out.
#[cfg(test)]
pub(crate) const NOT_IN_THE_PURE_JOB: &[&str] = &[
    // Its tests compare it with CFITSIO.
    "fits-header-cache",
    // Its tests are about the whole checkout.
    "xtask",
];

/// The packages that may reach a C library without going through another package of ours, by the library's `links` name.
/// [`Level::Fixtures`] may reach any; `benches` reaches HDF5 for the plain ways that ours are compared with.
pub(crate) const DOORS: &[(&str, &[&str])] = &[
    ("casa", &["casacore-sys"]),
    ("contimg_casacore_shim", &["casacore-sys"]),
    ("hdf5", &["subband-io", "benches"]),
    ("hdf5src", &["subband-io", "benches"]),
    ("sqlite3", &["products-db", "benches"]),
    // To compare with: no part of the product uses it.
    ("cfitsio", &["fits-header-cache"]),
    ("libdeflate", &["subband-io"]),
    ("lzf", &["subband-io", "benches"]),
    // HDF5's.
    ("z", &["subband-io", "benches"]),
];

/// `links` names that stand for no C library: cargo's way to forbid two versions of a crate.
pub(crate) const LINKS_WITHOUT_C: &[&str] = &["rayon-core", "prettyplease02"];

/// Packages whose build script may compile C, but does not as we use them: (package, feature that sees to it).
pub(crate) const COMPILES_NO_C: &[(&str, &str)] = &[("blake3", "pure")];

/// Packages with `unsafe` code of ours.
pub(crate) const WITH_UNSAFE: &[&str] = &["casacore-sys", "casacore", "subband-io"];
