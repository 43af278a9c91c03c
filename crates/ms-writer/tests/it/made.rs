//! A made-up array that looks at one point source.

use std::path::PathBuf;
use std::sync::LazyLock;

use astrometry::{EarthOrientation, Site, SkyAt};
use casacore::{Element, Table};
use ms_writer::vis_types::*;
use ms_writer::{MsOptions, MsSummary, MsWriter};

pub(crate) const LATITUDE: f64 = 0.649_853;
pub(crate) const LONGITUDE: f64 = -2.064_427;
/// 2026-01-25T00:05:19 UTC.
pub(crate) const JD: f64 = 2_461_065.503_692_129_6;
pub(crate) const INTERVAL_S: f64 = 12.884_901_888;

pub(crate) fn site() -> Site {
    Site { latitude_rad: LATITUDE, longitude_rad: LONGITUDE, height_m: 1182.6 }
}

pub(crate) fn windows(subbands: &[u8], channels: usize) -> Vec<ChannelWindow> {
    let width = 244_140.625;
    subbands
        .iter()
        .map(|&s| ChannelWindow {
            subband: Some(SubbandIndex(s)),
            freq_hz: (0..channels)
                .map(|c| 1.311_387_329_1e9 + (f64::from(15 - s) * channels as f64 + c as f64) * width)
                .collect(),
            width_hz: vec![width; channels],
            present: true,
        })
        .collect()
}

/// Six antennas up to 2.6 km apart, all baselines with autocorrelations in the order of the real files.
pub(crate) fn header(times: usize) -> VisHeader {
    let site = site();
    let east_north_up = [
        [0.0, 0.0, 0.0],
        [400.0, 3.0, 1.0],
        [1100.0, 7.0, -2.0],
        [5.0, 250.0, 4.0],
        [-600.0, 900.0, 0.0],
        [900.0, -1600.0, 9.0],
    ];
    let (sin_lat, cos_lat) = site.latitude_rad.sin_cos();
    let (sin_lon, cos_lon) = site.longitude_rad.sin_cos();
    let antennas: Vec<Antenna> = east_north_up
        .iter()
        .enumerate()
        .map(|(i, &[e, n, u])| Antenna {
            name: (i + 1).to_string(),
            number: i as i64,
            position_m: [
                -sin_lon * e - sin_lat * cos_lon * n + cos_lat * cos_lon * u,
                cos_lon * e - sin_lat * sin_lon * n + cos_lat * sin_lon * u,
                cos_lat * n + sin_lat * u,
            ],
            diameter_m: Some(4.65),
        })
        .collect();
    let n = antennas.len() as u32;
    let baselines = (0..n).flat_map(|b| (0..=b).map(move |a| Baseline::new(a, b))).collect();
    VisHeader {
        telescope: Telescope {
            name: "OVRO_MMA".to_owned(),
            instrument: "DSA".to_owned(),
            latitude_rad: site.latitude_rad,
            longitude_rad: site.longitude_rad,
            height_m: site.height_m,
            location_itrf_m: site.itrf_m(),
            antennas,
            mounts: Vec::new(),
        },
        object_name: "search".to_owned(),
        rows: RowAxis::grid(times_from(JD, times), vec![INTERVAL_S; times], baselines),
        windows: windows(&[15, 14, 13], 16),
        correlations: vec![Correlation::XX, Correlation::YY],
        phasing: FilePhasing::Meridian { app_dec_rad: 0.953 },
        pointing_dec_rad: None,
        vis_units: "uncalib".to_owned(),
        history: "written by a test\nsecond line".to_owned(),
        extra: Vec::new(),
    }
}

pub(crate) fn times_from(jd: f64, n: usize) -> Vec<JulianDate> {
    (0..n).map(|i| JulianDate(jd + i as f64 * INTERVAL_S / 86_400.0)).collect()
}

pub(crate) fn sky(time: JulianDate) -> SkyAt {
    static ORIENTATION: LazyLock<EarthOrientation> = LazyLock::new(EarthOrientation::bundled);
    SkyAt::new(&site(), time, &ORIENTATION).expect("a time of this era")
}

pub(crate) fn at_middle(header: &VisHeader) -> SkyAt {
    let t = header.rows.times();
    sky(JulianDate((t[0].0 + t[t.len() - 1].0) / 2.0))
}

/// A direction not far from the meridian at the middle of the group.
pub(crate) fn source(header: &VisHeader) -> Direction {
    let centre = at_middle(header).meridian(0.953);
    Direction::icrs((centre.lon_rad + 0.02).rem_euclid(std::f64::consts::TAU), centre.lat_rad - 0.012)
}

/// Antenna 2 minus antenna 1, ITRF axes, metres.
pub(crate) fn baseline_m(header: &VisHeader, b: Baseline) -> [f64; 3] {
    let p = |a: u32| header.telescope.antennas[a as usize].position_m;
    std::array::from_fn(|i| p(b.ant2)[i] - p(b.ant1)[i])
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The visibilities of a source of 1 in every correlation (in correlation p its phase is p/10 more), as the files have them.
pub(crate) fn block(header: &VisHeader, rows: std::ops::Range<usize>, towards: Direction) -> VisBlock {
    let mut block = VisBlock { rows: rows.clone(), ..VisBlock::default() };
    let source: Vec<[f64; 3]> =
        header.rows.times().iter().map(|&t| sky(t).uvw_axes(towards).expect("ICRS").towards()).collect();
    if matches!(header.phasing, FilePhasing::Phased { .. }) {
        block.file_uvw_m = rows.clone().map(|r| file_uvw(header, r)).collect();
    }
    for window in &header.windows {
        let mut slab = Slab::default();
        slab.reset([rows.len(), window.len(), header.correlations.len()]);
        slab.set_uniform_weight(96.0);
        let mut values = slab.vis_slice_mut().iter_mut();
        for r in rows.clone() {
            let row = header.rows.row(r);
            let b = baseline_m(header, row.baseline);
            let old_w = match &header.phasing {
                FilePhasing::Unprojected => 0.0,
                FilePhasing::Meridian { app_dec_rad } => {
                    dot(b, astrometry::UvwAxes::new(LONGITUDE, 0.0, *app_dec_rad, 0.0).towards())
                }
                FilePhasing::Phased { .. } => file_uvw(header, r)[2],
            };
            let delay_m = dot(b, source[row.time_index]) - old_w;
            for f in &window.freq_hz {
                let phase = std::f64::consts::TAU * (delay_m * f / SPEED_OF_LIGHT_M_PER_S).fract();
                for c in &header.correlations {
                    let p = phase + f64::from(c.casa()) / 10.0;
                    *values.next().expect("one a place") = Complex32::new(p.cos() as f32, p.sin() as f32);
                }
            }
        }
        block.slabs.push(slab);
    }
    block
}

/// UVW of phased files: towards their first centre.
pub(crate) fn file_uvw(header: &VisHeader, row: usize) -> [f64; 3] {
    let FilePhasing::Phased { centres, row_centre } = &header.phasing else { panic!("phased") };
    let centre = centres[row_centre.get(row).map_or(0, |&c| usize::from(c))].direction;
    let row = header.rows.row(row);
    sky(row.time).uvw_axes(centre).expect("a known frame").uvw(baseline_m(header, row.baseline))
}

/// A finished set in its temporary folder.
pub(crate) struct Made {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) summary: MsSummary,
}

/// Writes a whole set; `change` may alter each block.
pub(crate) fn write(header: &VisHeader, options: &MsOptions, mut change: impl FnMut(&mut VisBlock)) -> Made {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.ms");
    let writer = MsWriter::create(&path, header, options).expect("a good header");
    let (rows, step) = (header.rows.len(), writer.rows_per_block());
    let towards = source(header);
    for first in (0..rows).step_by(step) {
        let mut block = block(header, first..rows.min(first + step), towards);
        change(&mut block);
        writer.write_block(&mut block).expect("a good block");
    }
    let summary = writer.finish().expect("all rows were written");
    Made { _folder: folder, path, summary }
}

impl Made {
    pub(crate) fn table(&self) -> Table {
        Table::open(&self.path).expect("a table")
    }

    pub(crate) fn subtable(&self, name: &str) -> Table {
        self.table().open_subtable(name).expect("a subtable")
    }

    /// A whole column of fixed shape or scalars.
    pub(crate) fn column<T: Element>(&self, name: &str) -> Vec<T> {
        let t = self.table();
        t.read_vec(name, 0..t.rows().expect("rows")).expect("a column")
    }

    /// DATA as `[row][channel × correlation]`.
    pub(crate) fn data(&self) -> Vec<Vec<Complex32>> {
        let t = self.table();
        (0..t.rows().expect("rows")).map(|r| t.read_cell("DATA", r).expect("a cell").1).collect()
    }

    pub(crate) fn uvw(&self) -> Vec<[f64; 3]> {
        self.column::<f64>("UVW").chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect()
    }
}

/// Small tiles, so that a small group has several.
pub(crate) fn small_tiles() -> MsOptions {
    MsOptions { rows_per_tile: Some(16), ..MsOptions::default() }
}
