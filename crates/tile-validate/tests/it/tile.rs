//! FITS tiles made by hand: a small SIN image with noise and sources, and its primary beam.

use std::path::{Path, PathBuf};

use tile_validate::{FitsCache, Input, Report, Rules, validate};

/// Pixels along each side.
pub(crate) const SIDE: usize = 64;
/// Degrees.
pub(crate) const CELL: f64 = 0.02;

/// How a tile is made. Cards are text, so that a test can leave any out or spoil it.
#[derive(Clone)]
pub(crate) struct Tile {
    pub name: String,
    pub ra: f64,
    pub dec: f64,
    pub side: [usize; 2],
    pub cards: Vec<(String, String)>,
    pub noise: f32,
    pub peak: f32,
    /// Where the sources are shifted to, pixels.
    pub shift: [f64; 2],
    pub seed: u64,
    /// The primary beam's side and value in the middle and at the edge.
    pub beam: Option<(usize, f32, f32)>,
    pub keep_bytes: Option<usize>,
    pub nan_rows: usize,
    pub trough: f32,
}

/// Offsets of the sources from the middle, pixels.
pub(crate) const SOURCES: [[f64; 2]; 5] = [[0.0, 0.0], [-20.0, 8.0], [14.0, -17.0], [21.0, 20.0], [-12.0, -22.0]];

impl Tile {
    pub(crate) fn new(index: usize) -> Self {
        let ra = (359.0 + index as f64 * 0.8).rem_euclid(360.0);
        let card = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        Self {
            name: format!("t{index:02}-image.fits"),
            ra,
            dec: 37.0,
            side: [SIDE, SIDE],
            cards: vec![
                card("CTYPE1", "'RA---SIN'"),
                card("CTYPE2", "'DEC--SIN'"),
                card("CTYPE3", "'FREQ'"),
                card("CRVAL3", "1.4E9"),
                card("CRPIX3", "1"),
                card("CDELT3", "1.9E8"),
                card("CTYPE4", "'STOKES'"),
                card("CRVAL4", "1"),
                card("CRPIX4", "1"),
                card("CDELT4", "1"),
                card("CDELT1", &format!("{:.12E}", -CELL)),
                card("CDELT2", &format!("{CELL:.12E}")),
                card("BMAJ", "0.06"),
                card("BMIN", "0.05"),
                card("BPA", "20."),
                card("BUNIT", "'JY/BEAM'"),
                card("RADESYS", "'ICRS'"),
                card("DATE-OBS", &format!("'2026-01-25T{:02}:{:02}:19.0'", index / 12, index % 12 * 5)),
            ],
            noise: 1e-3,
            peak: 0.2,
            shift: [0.0, 0.0],
            seed: 77 + index as u64,
            beam: Some((SIDE, 1.0, 0.3)),
            keep_bytes: None,
            nan_rows: 0,
            trough: 0.0,
        }
    }

    pub(crate) fn with(mut self, keyword: &str, value: &str) -> Self {
        self.cards.retain(|(k, _)| k != keyword);
        self.cards.push((keyword.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, keyword: &str) -> Self {
        self.cards.retain(|(k, _)| k != keyword);
        self
    }

    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(&self.name);
        let mut bytes = self.header(self.side);
        bytes.extend(self.pixels().iter().flat_map(|v| v.to_be_bytes()));
        let whole = bytes.len().div_ceil(2880) * 2880;
        bytes.resize(whole, 0);
        bytes.truncate(self.keep_bytes.unwrap_or(usize::MAX));
        std::fs::write(&path, bytes).expect("room");
        if let Some((side, middle, edge)) = self.beam {
            let mut bytes = self.header([side, side]);
            let half = side as f32 / 2.0;
            let value = |i: usize| {
                let (x, y) = ((i % side) as f32 - half, (i / side) as f32 - half);
                middle + (edge - middle) * ((x * x + y * y) / (2.0 * half * half))
            };
            bytes.extend((0..side * side).flat_map(|i| value(i).to_be_bytes()));
            let whole = bytes.len().div_ceil(2880) * 2880;
            bytes.resize(whole, 0);
            let name = self.name.replace("-image.fits", "-beam-0.fits");
            std::fs::write(folder.join(name), bytes).expect("room");
        }
        path
    }

    fn header(&self, side: [usize; 2]) -> Vec<u8> {
        let mut lines = vec![
            ("SIMPLE".to_owned(), "T".to_owned()),
            ("BITPIX".to_owned(), "-32".to_owned()),
            ("NAXIS".to_owned(), "4".to_owned()),
            ("NAXIS1".to_owned(), side[0].to_string()),
            ("NAXIS2".to_owned(), side[1].to_string()),
            ("NAXIS3".to_owned(), "1".to_owned()),
            ("NAXIS4".to_owned(), "1".to_owned()),
        ];
        // Where a test gives its own, these give way.
        for (keyword, value) in [
            ("CRVAL1", format!("{:.12}", self.ra)),
            ("CRVAL2", format!("{:.12}", self.dec)),
            ("CRPIX1", format!("{}", side[0] / 2 + 1)),
            ("CRPIX2", format!("{}", side[1] / 2 + 1)),
        ] {
            if !self.cards.iter().any(|(k, _)| k == keyword) {
                lines.push((keyword.to_owned(), value));
            }
        }
        lines.extend(self.cards.iter().cloned());
        let mut bytes: Vec<u8> =
            lines.iter().flat_map(|(k, v)| format!("{:<80}", format!("{k:<8}= {v}")).into_bytes()).collect();
        bytes.extend(format!("{:<80}", "END").into_bytes());
        let whole = bytes.len().div_ceil(2880) * 2880;
        bytes.resize(whole, b' ');
        bytes
    }

    fn pixels(&self) -> Vec<f32> {
        let mut state = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u32 << 24) as f32
        };
        let [width, height] = self.side;
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                // The sum of twelve uniform numbers is nearly normal.
                let normal: f32 = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
                let mut value = normal * self.noise;
                for [sx, sy] in SOURCES {
                    let dx = x as f64 - (width / 2) as f64 - sx - self.shift[0];
                    let dy = y as f64 - (height / 2) as f64 - sy - self.shift[1];
                    value += self.peak * (-(dx * dx + dy * dy) / (2.0 * 1.2 * 1.2)).exp() as f32;
                }
                if x == 5 && y == 50 {
                    value -= self.trough;
                }
                values.push(if y < self.nan_rows { f32::NAN } else { value });
            }
        }
        values
    }
}

/// Six clean tiles in a row across 0 h.
pub(crate) fn clean() -> Vec<Tile> {
    (0..6).map(Tile::new).collect()
}

/// Thresholds that suit them: 72″ pixels.
pub(crate) fn rules() -> Rules {
    Rules { max_beam_arcsec: 1000.0, source_box_arcsec: 300.0, max_offset_arcsec: 20.0, ..Rules::default() }
}

pub(crate) fn judge(folder: &Path, tiles: &[Tile], rules: &Rules) -> Report {
    let paths: Vec<PathBuf> = tiles.iter().map(|tile| tile.write(folder)).collect();
    validate(&Input::of(&paths), rules, &FitsCache::default(), &|_| {}).expect("a report")
}

/// `tile: rule`, each once.
pub(crate) fn found(report: &Report) -> Vec<String> {
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().replace("-image.fits", "");
    let mut found: Vec<String> = report.findings.iter().map(|f| format!("{}: {}", name(&f.tile), f.rule)).collect();
    found.dedup();
    found
}
