//! Damaged headers: an error or an answer, never a panic, and bounded memory.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use fits_header_cache::{Area, FitsFile, Pixels, Sky};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::tile::{folder, noise, put, real, tile};

const CHILD: &str = "FITS_HEADER_CACHE_MUTATED";
/// How much memory the whole child may hold, KiB.
const MOST_KIB: u64 = 64 << 10;

/// 10,000 damaged files are read in a process of their own; the parent looks at its end, at its memory and at the folder.
#[test]
fn ten_thousand_damaged_headers_do_no_harm() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let exe = std::env::current_exe().expect("because tests run from a file");
    let output = Command::new(exe)
        .args(["--exact", "mutated::ten_thousand_damaged_headers_do_no_harm", "--nocapture"])
        .env(CHILD, "10000")
        .output()
        .expect("because the test can start itself");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let figure = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.split_once(name)).expect("because the child says it");
        line.1.trim().parse().expect("because it is a number")
    };
    assert_eq!(figure("files read:"), 10_000);
    // Neither is all damage noticed, nor does all of it matter.
    assert!(figure("errors:") > 1000 && figure("errors:") < 9000, "{text}");
    assert!(figure("peak KiB:") < MOST_KIB, "{text}");
}

fn child() {
    let folder = folder();
    let mut originals = vec![("x.fits", tile(40, 30, &noise(1200, 1)))];
    if let Some(path) = real("astropy/io/fits/tests/data/comp.fits") {
        originals.push(("x.fits.fz", std::fs::read(path).expect("because it is there")));
    }
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let (mut errors, mut read) = (0_u64, 0_u64);
    for round in 0..10_000_u32 {
        // Of the compressed one fewer: unpacking takes longer.
        let which = if round % 20 == 0 { originals.len() - 1 } else { 0 };
        let (name, mut bytes) = originals[which].clone();
        damage(&mut bytes, &mut random);
        let name = if round % 20 == 1 {
            // Damage below a sound wrapping.
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(&bytes).expect("because it goes to memory");
            bytes = packer.finish().expect("because it goes to memory");
            if round % 40 == 1 {
                damage(&mut bytes, &mut random);
            }
            "x.fits.gz"
        } else {
            name
        };
        let path = put(folder.path(), name, &bytes);
        errors += u64::from(use_all(&path).is_err());
        read += 1;
        std::fs::remove_file(&path).expect("because it was just made");
        assert_eq!(std::fs::read_dir(folder.path()).expect("because it is ours").count(), 0, "a file was made");
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("because this is Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("because Linux says it");
    println!("files read: {read}\nerrors: {errors}\npeak KiB: {}", peak.trim().trim_end_matches(" kB"));
}

/// Everything that can be asked of a file.
fn use_all(path: &Path) -> Result<(), fits_header_cache::Error> {
    let file = FitsFile::read(path)?;
    for hdu in file.hdus() {
        for card in hdu.header().cards() {
            let (_, _, _) = (card.keyword(), card.value(), card.comment());
        }
        if let Ok(celestial) = hdu.celestial() {
            let _ = (celestial.corners(), celestial.centre(), celestial.cell_deg(), celestial.outline(3));
            let _ = celestial.pixel(Sky { lon_deg: 83.6, lat_deg: 22.0 });
        }
    }
    let pixels = Pixels::of(&file, file.image()?)?;
    pixels.preview(16)?;
    pixels.statistics(&Area::All)?;
    file.image()?.celestial().map(drop)
}

/// Changes some bytes, a number, or the length.
fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let header = bytes.len().min(2880 * 2);
    match random.random_range(0..10) {
        0..4 => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..header);
                bytes[at] = random.random();
            }
        }
        4..6 => {
            let at = random.random_range(0..header);
            bytes[at] = b"0123456789-+.EDTF'/ =&()"[random.random_range(0..24)];
        }
        6..8 => {
            // The value of a card becomes one of those that hurt.
            let card = random.random_range(0..header / 80) * 80;
            let values = [
                "-1",
                "0",
                "9223372036854775807",
                "99999999999",
                "1E308",
                "-1D-308",
                "'x",
                "'&'",
                "T",
                "",
                "1000",
                "4000000000",
                "(1,2",
                "nan",
            ];
            let value = format!("{:<70}", values[random.random_range(0..values.len())]);
            if bytes.len() >= card + 80 {
                bytes[card + 8..card + 10].copy_from_slice(b"= ");
                bytes[card + 10..card + 80].copy_from_slice(value.as_bytes());
            }
        }
        8 => {
            let length = random.random_range(0..bytes.len());
            bytes.truncate(length);
        }
        _ => {
            // A card moves over another.
            let cards = header / 80;
            let (from, to) = (random.random_range(0..cards) * 80, random.random_range(0..cards) * 80);
            if bytes.len() >= from.max(to) + 80 {
                bytes.copy_within(from..from + 80, to);
            }
        }
    }
}
