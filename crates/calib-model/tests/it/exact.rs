//! The fast way against the plain one.

use calib_model::{reference, Beam, Complex32, Component, Correlation, Direction, Field, Instructions, Mode, Options, Position, Predictor, Rows, Shape, SkyModel, Spectrum, Window};

#[test]
fn smoke() {
    let centre = Direction::icrs(0.001, 0.5);
    let comps: Vec<Component> = (0..23).map(|k| {
        let k = k as f64;
        Component { name: String::new(), position: Position::Sky(Direction::icrs(-0.08+0.007*k, 0.5+0.03*(k*1.7).sin())),
          shape: if k > 15.0 { Shape::Gaussian { major_rad: 1e-4, minor_rad: 3e-5, angle_rad: k } } else { Shape::Point },
          spectrum: if k > 8.0 { Spectrum::power_law(1.0+k, 1.4e9, -0.7) } else { Spectrum::Flat { stokes_jy: [1.0+k, 0.3, -0.2, 0.1*k] } } }
    }).collect();
    let total: f64 = comps.iter().map(|c| c.spectrum.at(1.3e9).map_or(0.0, |s| s[0])).sum();
    let model = SkyModel::new(comps).expect("valid");
    let uvw: Vec<[f64;3]> = (0..37).map(|r| { let r = r as f64; [2000.0*(r).sin(), 1500.0*(r*1.3).cos(), 1000.0*(r*0.7).sin()] }).collect();
    let mut freq: Vec<f64> = (0..500).map(|c| 1.3e9 + 244140.625*c as f64).collect();
    freq.extend((0..50).map(|c| 1.5e9 - 30e3 * c as f64));
    freq.extend((0..9).map(|c| 1.2e9 + 1e6 * (c * c) as f64));
    let corr = [Correlation::XX, Correlation::XY, Correlation::YX, Correlation::YY];
    let mut want = vec![Complex32::ZERO; uvw.len()*freq.len()*4];
    reference::predict(&model, &Beam::None, &[Field::new(centre)], &Rows::new(&uvw), &corr, &mut [Window { freq_hz: &freq, vis: &mut want }], Mode::Replace).expect("valid");
    for instructions in [Instructions::Avx512, Instructions::Avx2, Instructions::Scalar] {
        if !instructions.is_available() { continue; }
        let p = Predictor::new(model.clone(), Beam::None, Options { instructions, ..Options::default() }).expect("valid");
        let mut got = vec![Complex32::ZERO; uvw.len()*freq.len()*4];
        p.predict(&[Field::new(centre)], &Rows::new(&uvw), &corr, &mut [Window { freq_hz: &freq, vis: &mut got }], Mode::Replace).expect("valid");
        let err = got.iter().zip(&want).map(|(a,b)| (a-b).norm() as f64).fold(0.0, f64::max);
        println!("{instructions:?} {}", err/total);
        assert!(err/total < 2e-7);
    }
}
