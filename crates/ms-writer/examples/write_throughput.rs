//! Writes a full group of made-up visibilities: `write_throughput OUT.ms [CORRELATIONS [TIMES [MISSING]]]`, MISSING the number
//! of a subband that is not there. Prints seconds and rates of each step.

use std::path::PathBuf;
use std::time::Instant;

use ms_writer::vis_types::*;
use ms_writer::{MsOptions, MsWriter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let out = PathBuf::from(args.next().ok_or("usage: write_throughput OUT.ms [CORRELATIONS [TIMES [MISSING]]]")?);
    let correlations: usize = args.next().map_or(Ok(2), |a| a.parse())?;
    let times: usize = args.next().map_or(Ok(24), |a| a.parse())?;
    let missing: Option<u8> = args.next().map(|a| a.parse()).transpose()?;
    let site = astrometry::Site { latitude_rad: 0.65, longitude_rad: -2.06, height_m: 1222.0 };
    let antennas = (0..96_u32).map(|i| Antenna {
        name: (i + 1).to_string(),
        number: i.into(),
        position_m: [f64::from(i * 7 % 90), f64::from(i) * 20.0, f64::from(i * 13 % 80)],
        diameter_m: Some(4.65),
    });
    let jd = |t: usize| JulianDate(2_461_065.5 + t as f64 * 12.884_901_888 / 86_400.0);
    let header = VisHeader {
        telescope: Telescope {
            name: "OVRO_MMA".into(),
            instrument: "DSA".into(),
            latitude_rad: site.latitude_rad,
            longitude_rad: site.longitude_rad,
            height_m: site.height_m,
            location_itrf_m: site.itrf_m(),
            antennas: antennas.collect(),
            mounts: Vec::new(),
        },
        object_name: "search".into(),
        rows: RowAxis::grid(
            (0..times).map(jd).collect(),
            vec![12.884_901_888; times],
            (0..96).flat_map(|b| (0..=b).map(move |a| Baseline::new(a, b))).collect(),
        ),
        windows: (0..16_u8)
            .filter(|i| Some(15 - i) != missing)
            .map(|i| ChannelWindow {
                subband: Some(SubbandIndex(15 - i)),
                freq_hz: (0..48).map(|c| 1.311e9 + (f64::from(i) * 48.0 + f64::from(c)) * 244_140.625).collect(),
                width_hz: vec![244_140.625; 48],
                present: true,
            })
            .collect(),
        correlations: [Correlation::XX, Correlation::XY, Correlation::YX, Correlation::YY][..correlations].to_vec(),
        phasing: FilePhasing::Meridian { app_dec_rad: 0.953 },
        pointing_dec_rad: None,
        vis_units: String::new(),
        history: String::new(),
        extra: Vec::new(),
    };
    let start = Instant::now();
    let options = MsOptions { input_chunk_rows: 128 * correlations / 2, ..MsOptions::default() };
    let writer = MsWriter::create(&out, &header, &options)?;
    let created = start.elapsed();
    let (rows, step) = (header.rows.len(), writer.rows_per_block());
    let mut block = VisBlock::default();
    block.slabs.resize_with(header.windows.len(), Slab::default);
    for first in (0..rows).step_by(step) {
        block.rows = first..rows.min(first + step);
        for slab in &mut block.slabs {
            slab.reset([block.rows.len(), 48, correlations]);
        }
        writer.write_block(&mut block)?;
    }
    let written = start.elapsed() - created;
    let summary = writer.finish()?;
    let finished = start.elapsed() - created - written;
    let bytes = summary.visibilities as f64 * 8.0;
    println!(
        "create {created:.2?}, blocks {written:.2?} ({:.2} GB/s, {step} rows), finish {finished:.2?}",
        bytes / written.as_secs_f64() / 1e9
    );
    Ok(())
}
