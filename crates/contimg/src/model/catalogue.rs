//! Sources of the catalogues in a products database.

use std::collections::BTreeSet;
use std::path::Path;

use products_db::{Cone, Near, SkySource, SourceQuery};
use vis_types::{Component, Direction, Position, Shape, Spectrum};

use super::args::SkyArgs;
use crate::failure::{Class, Failure};

/// The sources within `--radius` of any of the ICRS directions, each once, the brightest first.
pub(crate) fn sources(args: &SkyArgs, path: &Path, around: &[Direction]) -> Result<Vec<Component>, Failure> {
    if !(args.radius.is_finite() && args.radius > 0.0 && args.radius < 90.0) {
        return Err(Failure::new(Class::Usage, format!("--radius is {}, not degrees up to 90", args.radius)));
    }
    let cone = |d: &Direction| Cone {
        ra_deg: d.lon_rad.to_degrees(),
        dec_deg: d.lat_rad.to_degrees(),
        radius_deg: args.radius,
    };
    let cones: Vec<Cone> = around.iter().map(cone).collect();
    let query = SourceQuery { catalogue: args.catalogue.clone(), min_flux_jy: args.min_flux };
    let found = crate::db::reader(path).and_then(|db| db.sources(&cones, &query)).map_err(|error| {
        let mut failure = Failure::of(Class::Input, &error);
        failure.hint = error.hint().map(ToOwned::to_owned).or(failure.hint);
        failure
    })?;
    let mut seen = BTreeSet::new();
    let mut rows: Vec<SkySource> = found.into_iter().flatten().map(|Near { row, .. }| row).collect();
    rows.retain(|row| seen.insert((row.catalogue.clone(), row.name.clone())));
    rows.sort_by(|a, b| b.flux_jy.total_cmp(&a.flux_jy));
    if rows.is_empty() {
        let which = args.catalogue.as_ref().map_or("no catalogue".into(), |name| format!("no source of {name}"));
        let what = format!("{}: {which} has any within {}\u{b0} that is bright enough", path.display(), args.radius);
        return Err(Failure::new(Class::Input, what)
            .hint("choose other values of --catalogue, --radius, --min-flux or --around; `contimg db query` shows what there is"));
    }
    rows.iter().map(|row| component(row, path)).collect()
}

fn component(row: &SkySource, path: &Path) -> Result<Component, Failure> {
    let arcsec = |x: Option<f64>| (x.unwrap_or(0.0) / 3600.0).to_radians();
    let (major_rad, minor_rad) = (arcsec(row.major_arcsec), arcsec(row.minor_arcsec));
    let shape = if major_rad == 0.0 && minor_rad == 0.0 {
        Shape::Point
    } else {
        Shape::Gaussian { major_rad, minor_rad, angle_rad: row.pa_deg.unwrap_or(0.0).to_radians() }
    };
    let spectrum = match (row.spectral_index.filter(|index| *index != 0.0), row.freq_hz) {
        (None, _) => Spectrum::flat(row.flux_jy),
        (Some(index), Some(freq_hz)) => Spectrum::power_law(row.flux_jy, freq_hz, index),
        (Some(index), None) => {
            let what = format!(
                "{}: source {} of {} has the spectral index {index} and no frequency of its flux",
                path.display(),
                row.name,
                row.catalogue
            );
            return Err(Failure::new(Class::Input, what).hint("give the catalogue's rows their freq_hz"));
        }
    };
    let position = Position::Sky(Direction::icrs(row.ra_deg.to_radians(), row.dec_deg.to_radians()));
    Ok(Component { name: format!("{} of {}", row.name, row.catalogue), position, shape, spectrum })
}
