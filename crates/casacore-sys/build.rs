//! Compiles the shim against the bundled casacore, or against an installed one with the feature `system-casacore`.

use std::env;
use std::path::PathBuf;

const SOURCES: [&str; 5] = ["error.cc", "memory.cc", "record.cc", "table.cc", "column.cc"];

fn main() {
    let system = env::var_os("CARGO_FEATURE_SYSTEM_CASACORE").is_some();
    let shim = PathBuf::from("shim");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++14").opt_level(2).warnings(false).flag_if_supported("-Wno-deprecated-declarations");
    for source in SOURCES {
        build.file(shim.join(source));
    }
    if system {
        // CASACORE_INCLUDE and CASACORE_LIB name an installation that the compiler does not find by itself.
        println!("cargo:rerun-if-env-changed=CASACORE_INCLUDE");
        println!("cargo:rerun-if-env-changed=CASACORE_LIB");
        if let Some(include) = env::var_os("CASACORE_INCLUDE") {
            build.include(include);
        }
        if let Some(lib) = env::var_os("CASACORE_LIB") {
            println!("cargo:rustc-link-search=native={}", PathBuf::from(lib).display());
        }
    } else {
        // Set by rubbl_casatables_impl, whose `links` is `casa`: without the feature `bundled` it is not there.
        let Some(include) = env::var_os("DEP_CASA_INCLUDE") else {
            println!(
                "cargo::error=casacore-sys needs one of its features `bundled` (the default) and `system-casacore`"
            );
            return;
        };
        // The bundle is compiled with its namespace renamed and with threads; the shim has to agree in both.
        build.include(include).define("casacore", "rubbl_casacore").define("USE_THREADS", "1");
    }
    build.compile("contimg_casacore_shim");
    if system {
        println!("cargo:rustc-link-lib=casa_tables");
        println!("cargo:rustc-link-lib=casa_casa");
    }
    println!("cargo:rerun-if-changed=shim");
}
