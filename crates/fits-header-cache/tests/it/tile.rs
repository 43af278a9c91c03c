//! FITS files for the tests, byte by byte.

use std::path::{Path, PathBuf};

/// A header of these cards, END added, padded to whole blocks.
pub(crate) fn header(cards: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    assert_eq!(bytes.len(), cards.len() * 80, "no card is longer than 80 bytes");
    bytes.extend(format!("{:<80}", "END").into_bytes());
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes
}

/// Data padded to whole blocks.
pub(crate) fn data(values: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut bytes: Vec<u8> = values.into_iter().flat_map(|value| value.as_ref().to_vec()).collect();
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

/// The cards of an image of 32-bit floating point.
pub(crate) fn cards_f32(axes: &[u64]) -> Vec<String> {
    let mut cards = vec!["SIMPLE  = T".to_owned(), "BITPIX  = -32".to_owned(), format!("NAXIS   = {}", axes.len())];
    cards.extend(axes.iter().enumerate().map(|(i, length)| format!("NAXIS{:<3}= {length}", i + 1)));
    cards
}

/// An image of 32-bit floating point with further cards.
pub(crate) fn image_f32(axes: &[u64], more: &[&str], values: &[f32]) -> Vec<u8> {
    let own = cards_f32(axes);
    let cards: Vec<&str> = own.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let mut bytes = header(&cards);
    bytes.extend(data(values.iter().map(|value| value.to_be_bytes())));
    bytes
}

/// A tile as WSClean writes them: four axes, celestial cards, a beam.
pub(crate) fn tile(width: u64, height: u64, values: &[f32]) -> Vec<u8> {
    let (x, y) = (format!("CRPIX1  = {}", width / 2 + 1), format!("CRPIX2  = {}", height / 2 + 1));
    let more = [
        "BSCALE  = 1.0",
        "BZERO   = 0.0",
        "BUNIT   = 'JY/BEAM '",
        "BMAJ    = 0.011",
        "BMIN    = 0.009",
        "BPA     = 33.5",
        "EQUINOX = 2000.0 / J2000",
        "CTYPE1  = 'RA---SIN'",
        &x,
        "CRVAL1  = 83.63 / degrees",
        "CDELT1  = -0.0005555555555",
        "CUNIT1  = 'deg     '",
        "CTYPE2  = 'DEC--SIN'",
        &y,
        "CRVAL2  = 22.01",
        "CDELT2  = 5.555555555D-04",
        "CUNIT2  = 'deg     '",
        "CTYPE3  = 'FREQ    '",
        "CRPIX3  = 1.0",
        "CRVAL3  = 1.405E9",
        "CDELT3  = 1.87E8",
        "CTYPE4  = 'STOKES  '",
        "CRPIX4  = 1.0",
        "CRVAL4  = 1.0",
        "CDELT4  = 1.0",
        "OBJECT  = 'O''Brien / 2 '",
        "HISTORY wsclean -size 64 64",
        "HISTORY second line",
    ];
    image_f32(&[width, height, 1, 1], &more, values)
}

/// Puts a file into a folder.
pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("because the folder is ours");
    path
}

/// A folder of its own.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("because a temporary folder can be made")
}

/// Normally distributed numbers, always the same.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f32> {
    use rand::{Rng, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (random.random(), random.random());
        ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    };
    (0..count).map(|_| normal()).collect()
}

/// A real file beside the workspace, or `None` with a message.
pub(crate) fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: ../shared/data/{name} is not there");
    None
}
