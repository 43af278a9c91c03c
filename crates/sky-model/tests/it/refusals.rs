//! What is refused says where, what was found and what to do.

use std::path::Path;

use proptest::prelude::*;
use sky_model::{Error, Format, Options, parse};

const BBS: &str = "Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency, MajorAxis, MinorAxis, Orientation\n";
const CSV: &str = "name,ra_deg,dec_deg,i_jy,spectral_index,reference_mhz,major_arcsec,minor_arcsec\n";

fn refused(text: &str) -> String {
    let error = parse(text, Path::new("night/sky.txt"), &Options::default()).expect_err("must be refused");
    assert!(error.hint().is_some(), "{error}");
    error.to_string()
}

#[test]
fn values_of_a_source_list() {
    for (line, message) in [
        ("a, POINT, 1:2:3, 4.5.6, NaN", "`I` is `NaN`, not a finite number"),
        ("a, POINT, 1:2:3, 4.5.6, 1.5Jy", "`I` is `1.5Jy`, not a finite number"),
        ("a, POINT, 1:2:3, 4.5.6,", "`I` is ``, which is no flux"),
        ("a, POINT, 1:2:3, 4.5.6, inf", "`I` is `inf`, not a finite number"),
        ("a, POINT, 1:2:3, 4:5:6, 1", "`Dec` is `4:5:6`, an angle with colons"),
        ("a, POINT, 1:2:3, 95.5.6, 1", "`Dec` is `95.5.6`, beyond the pole"),
        ("a, POINT, 85.6, 4.5.6, 1", "`Ra` is `85.6`, an angle without a unit"),
        ("a, POINT, 1:72:3, 4.5.6, 1", "`Ra` is `1:72:3`, not a sexagesimal angle"),
        ("a, DISK, 1:2:3, 4.5.6, 1", "`Type` is `DISK`, a type that is not predicted"),
        ("a, GAUSSIAN, 1:2:3, 4.5.6, 1", "`MajorAxis` is ``, which is no width"),
        ("a, GAUSSIAN, 1:2:3, 4.5.6, 1, [], true, , -3, 1, 0", "`MajorAxis` is `-3`, a negative width"),
        ("a, POINT, 1:2:3, 4.5.6, 1, [-0.7], true", "`ReferenceFrequency` is ``, not a frequency"),
        ("a, POINT, 1:2:3, 4.5.6, 1, [-0.7, x], true, 1e9", "`SpectralIndex` is ` x`, not a finite number"),
        ("a, POINT, 1:2:3, 4.5.6, 1, [-0.7], maybe, 1e9", "`LogarithmicSI` is `maybe`, neither true nor false"),
    ] {
        let found = refused(&format!("{BBS}ok, POINT, 1:2:3, 4.5.6, 1\n{line}\n"));
        assert!(found.starts_with(&format!("night/sky.txt, line 3: {message}")), "{line}: {found}");
    }
    for (line, message) in [
        (", POINT, 1:2:3, 4.5.6, 1", "neither a source's nor a patch's name"),
        ("a, POINT, 1:2:3, 4.5.6, 1, [-0.7, true, 1e9", "a bracket is not closed"),
        ("'a, POINT, 1:2:3, 4.5.6, 1", "a quote is not closed"),
        ("a, POINT, 1:2:3, 4.5.6, 1, [], true, 1e9, 1, 1, 0, 17", "more values than columns: `17`"),
        (BBS.trim(), "a second format line (the first is line 1)"),
    ] {
        let found = refused(&format!("{BBS}{line}\n"));
        assert!(found.starts_with("night/sky.txt, line 2: ") && found.contains(message), "{line}: {found}");
    }
}

#[test]
fn columns_of_a_source_list() {
    for (format, message) in [
        ("Name, Ra, Dec, I, SpectralIndx", "column `SpectralIndx` is not known"),
        ("Name, Ra, Dec", "column `I` is missing"),
        ("Name, Ra, Dec, I, i", "column `i` stands twice"),
        ("Name, rah, ram, Dec, I", "column `rah` is of an old form"),
        ("Name, Ra, Dec, I, ReferenceFrequency=1e9", "does not begin with a quote"),
        ("Name, Ra, Dec, I, ReferenceFrequency='1e9", "has no closing quote"),
    ] {
        let found = refused(&format!("\nFormat = {format}\na, 1:2:3, 4.5.6, 1\n"));
        assert!(found.starts_with("night/sky.txt, line 2: ") && found.contains(message), "{format}: {found}");
    }
    let measured = "Format = Name, Ra, Dec, I, RotationMeasure\na, 1:2:3, 4.5.6, 1, 20.5\n";
    assert!(refused(measured).contains("`RotationMeasure` is `20.5`, which cannot be honoured"));
}

#[test]
fn tables() {
    for (line, message) in [
        ("a,1,2,nan,,,,", "`i_jy` is `nan`, not a finite number"),
        ("a,1,2,,,,,", "`i_jy` is ``, which is no flux"),
        ("a,1,200,1,,,,", "`dec_deg` is `200`, beyond the pole"),
        ("a,1deg,2,1,,,,", "`ra_deg` is `1deg`, not a finite number"),
        ("a,1,2,1,-0.7,,,", "`reference_mhz` is ``, not a frequency"),
        ("a,1,2,1,,,10,", "`minor_arcsec` is ``, which is no width"),
        ("a,1,2,1,,,-10,3", "`major_arcsec` is `-10`, a negative width"),
        ("a,1,2,1", "4 values under 8 column names"),
    ] {
        let found = refused(&format!("{CSV}ok,1,2,3,,,,\n{line}\n"));
        assert!(found.starts_with(&format!("night/sky.txt, line 3: {message}")), "{line}: {found}");
    }
    for (header, message) in [
        ("ra_deg,dec_deg,i_MJy", "column `i_MJy` has an unknown unit"),
        ("ra_deg,dec_deg,i", "column `i` has no unit"),
        ("ra_furlong,dec_deg,i_jy", "column `ra_furlong` has an unknown unit"),
        ("ra_deg,dec_deg,i_jy,spectralindex", "column `spectralindex` is not known"),
        ("ra_deg,dec_deg,name", "column `i_jy` is missing"),
        ("ra_deg,dec_deg,i_jy,flux_mjy", "column `flux_mjy` stands for what another"),
        ("ra_deg,dec_deg,i_jy@1.4parsec", "column `i_jy@1.4parsec` has an unknown frequency"),
        ("ra_deg,dec_deg,i_jy@1.4GHz,alpha", "column `alpha` stands beside fluxes"),
        ("ra_deg,dec_deg,i_jy,major_jy", "column `major_jy` has an unknown unit"),
    ] {
        let found = refused(&format!("{header}\n1,2,3,4\n"));
        assert!(found.starts_with("night/sky.txt, line 1: ") && found.contains(message), "{header}: {found}");
    }
}

#[test]
fn texts_that_are_no_list() {
    assert!(refused("\n# x\nhello world\n").contains("line 3 is `hello world`: neither"));
    assert!(refused("").contains("no source"));
    assert!(refused(BBS).contains("no source"));
    assert!(refused(CSV).contains("no source"));
    let forced = Options { format: Some(Format::Bbs), ..Options::default() };
    assert!(matches!(parse(CSV, Path::new("a"), &forced), Err(Error::Line { line: 1, .. })));
    let long = refused(&format!("{}\n", "x\u{7}".repeat(1000)));
    assert!(long.len() < 300 && !long.contains('\u{7}'));
}

proptest! {
    /// Whatever the text, there is an answer.
    #[test]
    fn no_text_panics(
        format in "(Format = |# \\(|)[A-Za-z, ='\"\\[\\]]{0,40}(\\) = format|)",
        lines in prop::collection::vec("[-+A-Za-z0-9:.,;' \"\\[\\]#éßµ]{0,60}", 0..6),
        prefix in prop::sample::select(vec!["", BBS, CSV]),
    ) {
        let text = format!("{prefix}{format}\n{}", lines.join("\n"));
        for format in [None, Some(Format::Bbs), Some(Format::Csv)] {
            let _ = parse(&text, Path::new("a"), &Options { format, ..Options::default() });
        }
    }
}
