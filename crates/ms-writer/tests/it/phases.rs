use astrometry::SkyAt;
use ms_writer::vis_types::*;
use ms_writer::{Centre, MsOptions};

use crate::made::{self, Made};

/// Compares DATA with a source of 1 at `towards`, by the formula of the Measurement Set with the set's own UVW and centres.
pub(crate) fn assert_shows(made: &Made, header: &VisHeader, towards: Direction, tolerance: f32) {
    let fields = &made.summary.fields;
    let field_id: Vec<i32> = made.column("FIELD_ID");
    let correlations: Vec<i32> = made.subtable("POLARIZATION").read_cell("CORR_TYPE", 0).expect("a cell").1;
    let (data, uvw) = (made.data(), made.uvw());
    let freq: Vec<f64> = header.windows.iter().flat_map(|w| w.freq_hz.clone()).collect();
    for (r, row) in data.iter().enumerate() {
        let c = fields[field_id[r] as usize].direction;
        let (dra, d, d0) = (towards.lon_rad - c.lon_rad, towards.lat_rad, c.lat_rad);
        let l = d.cos() * dra.sin();
        let m = d.sin() * d0.cos() - d.cos() * d0.sin() * dra.cos();
        // n − 1 without cancellation.
        let n1 = -(l * l + m * m) / ((1.0 - l * l - m * m).sqrt() + 1.0);
        let delay_m = uvw[r][0] * l + uvw[r][1] * m + uvw[r][2] * n1;
        for (i, v) in row.iter().enumerate() {
            let (channel, correlation) = (i / correlations.len(), i % correlations.len());
            let phase = std::f64::consts::TAU * delay_m * freq[channel] / SPEED_OF_LIGHT_M_PER_S
                - f64::from(correlations[correlation]) / 10.0;
            let expected = Complex32::new(phase.cos() as f32, phase.sin() as f32);
            assert!((v - expected).norm() < tolerance, "row {r}, value {i}: {v} is not {expected}");
        }
    }
}

#[test]
fn a_source_at_the_centre_has_no_phase_whatever_the_files_phasing() {
    let mut header = made::header(3);
    let towards = made::source(&header);
    let centre = PhaseCentre { id: 0, name: "elsewhere".to_owned(), direction: Direction::icrs(1.9, 0.9) };
    for phasing in [
        FilePhasing::Unprojected,
        FilePhasing::Meridian { app_dec_rad: 0.953 },
        FilePhasing::Phased { centres: vec![centre], row_centre: Vec::new() },
    ] {
        header.phasing = phasing;
        let made = made::write(&header, &MsOptions { centre: Centre::At(towards), ..made::small_tiles() }, |_| {});
        for row in made.data() {
            for (i, v) in row.iter().enumerate() {
                // The phase that `made::block` gives a correlation, conjugated; nothing else is left.
                let phase = -[9.0_f32, 12.0][i % 2] / 10.0;
                assert!((v - Complex32::from_polar(1.0, phase)).norm() < 2e-6, "{v}");
            }
        }
    }
}

#[test]
fn a_source_off_the_centre_has_the_phase_of_the_formula() {
    // What the formula leaves out: the aberration differs over the field, by some 1e-4 of the offset.
    let header = made::header(4);
    let towards = made::source(&header);
    for centre in [Centre::MidTime, Centre::Meridian, Centre::AsInFile] {
        let made = made::write(&header, &MsOptions { centre, ..made::small_tiles() }, |_| {});
        assert_eq!(made.summary.fields.len(), if centre == Centre::MidTime { 1 } else { 4 });
        assert_shows(&made, &header, towards, 0.2);
    }
}

#[test]
fn uvw_lead_to_the_centre_in_the_sign_of_a_measurement_set() {
    let header = made::header(2);
    let made = made::write(&header, &made::small_tiles(), |_| {});
    let centre = made.summary.fields[0].direction;
    for (r, uvw) in made.uvw().into_iter().enumerate() {
        let row = header.rows.row(r);
        let sky: SkyAt = made::sky(row.time);
        let expected = sky.uvw_axes(centre).expect("ICRS").uvw(made::baseline_m(&header, row.baseline));
        for i in 0..3 {
            assert!((uvw[i] + expected[i]).abs() < 1e-9, "row {r}: {uvw:?} {expected:?}");
        }
    }
}

#[test]
fn all_four_correlations_come_out_in_casacores_order() {
    use Correlation::{XX, XY, YX, YY};
    for correlations in [vec![XX, XY, YX, YY], vec![XX, YY, XY, YX], vec![YY, XX]] {
        let header = VisHeader { correlations: correlations.clone(), ..made::header(1) };
        let towards = made::source(&header);
        let made = made::write(&header, &MsOptions { centre: Centre::At(towards), ..made::small_tiles() }, |_| {});
        assert_shows(&made, &header, towards, 2e-6);
    }
}
