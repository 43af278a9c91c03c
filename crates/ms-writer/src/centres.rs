//! Phase centres: which fields there are, where each row's UVW axes point, and which w the files already took out.

use std::path::Path;

use astrometry::{Site, SkyAt, UvwAxes};
use vis_types::{Direction, FilePhasing, Frame, JulianDate, MjdSeconds, VisHeader};

use crate::{Centre, Error, MsOptions};

/// One row of FIELD and of SOURCE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) direction: Direction,
    pub(crate) time: MjdSeconds,
}

/// The w term that the visibilities of the files are without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OldW {
    /// None was taken out.
    None,
    /// That of one direction on the Earth (a unit vector, ITRF), whatever the time.
    Towards([f64; 3]),
    /// That of the files' UVW.
    File,
}

/// Where UVW come from.
#[derive(Clone, Debug)]
pub(crate) enum Uvw {
    /// The positions of the antennas, on these axes, one a time; the visibilities are turned from the old w to the new.
    Stations { axes: Vec<UvwAxes>, old: OldW },
    /// The files; the visibilities stay as they are.
    File,
}

/// The phasing of the set.
#[derive(Clone, Debug)]
pub(crate) struct Centres {
    pub(crate) fields: Vec<Field>,
    /// How rows find their field.
    pub(crate) field_of: FieldOf,
    pub(crate) uvw: Uvw,
    /// What the dishes look at (POINTING), one a time, where the files say so.
    pub(crate) pointing: Option<Vec<Direction>>,
}

/// How rows find their field.
#[derive(Clone, Debug)]
pub(crate) enum FieldOf {
    /// There is one.
    One,
    /// One for each time.
    Time,
    /// Listed row by row.
    Row(Vec<u16>),
}

impl Centres {
    /// The field of a row.
    pub(crate) fn field(&self, row: usize, time_index: usize) -> usize {
        match &self.field_of {
            FieldOf::One => 0,
            FieldOf::Time => time_index,
            FieldOf::Row(list) => usize::from(list[row]),
        }
    }

    pub(crate) fn new(path: &Path, header: &VisHeader, site: &Site, options: &MsOptions) -> Result<Self, Error> {
        let sky_error = |source| Error::Sky { path: path.to_owned(), source };
        let sky = |t: JulianDate| SkyAt::new(site, t, &options.earth_orientation).map_err(sky_error);
        let times = header.rows.times();
        let (first, last) = match times {
            [first, .., last] => (*first, *last),
            [only] => (*only, *only),
            [] => return Err(Error::Header { problem: "there are no times".to_owned() }),
        };
        let middle = JulianDate(first.0 + (last.0 - first.0) / 2.0);

        // What was observed: the declination on the meridian, and the w that went with it.
        let (declination, old) = match &header.phasing {
            FilePhasing::Unprojected => (header.pointing_dec_rad, OldW::None),
            FilePhasing::Meridian { app_dec_rad } => {
                let axes = UvwAxes::new(site.longitude_rad, 0.0, *app_dec_rad, 0.0);
                (Some(*app_dec_rad), OldW::Towards(axes.towards()))
            }
            FilePhasing::Phased { .. } => (None, OldW::File),
        };
        let kept = matches!(
            (options.centre, &header.phasing),
            (Centre::MidTime | Centre::AsInFile, FilePhasing::Phased { .. })
        );
        if kept {
            return Self::kept(header, middle);
        }
        let meridian_track =
            |dec: f64| times.iter().map(|&t| Ok(sky(t)?.meridian(dec))).collect::<Result<Vec<_>, Error>>();
        let pointing = declination.map(meridian_track).transpose()?;

        let per_time = match options.centre {
            Centre::MidTime | Centre::At(_) => false,
            Centre::Meridian => true,
            Centre::AsInFile => match header.phasing {
                FilePhasing::Meridian { .. } => true,
                _ => return Err(Error::NotPhased),
            },
        };
        if per_time {
            let track = pointing.clone().ok_or(Error::NoDeclination)?;
            let mut axes = Vec::with_capacity(times.len());
            let mut fields = Vec::with_capacity(times.len());
            for (i, (&time, &direction)) in times.iter().zip(&track).enumerate() {
                axes.push(sky(time)?.uvw_axes(direction).map_err(sky_error)?);
                fields.push(Field { name: format!("meridian_icrs_t{i}"), direction, time: time.into() });
            }
            return Ok(Self { fields, field_of: FieldOf::Time, uvw: Uvw::Stations { axes, old }, pointing });
        }
        let direction = match options.centre {
            Centre::At(direction) => direction,
            _ => sky(middle)?.meridian(declination.unwrap_or(site.latitude_rad)),
        };
        let axes =
            times.iter().map(|&t| sky(t)?.uvw_axes(direction).map_err(sky_error)).collect::<Result<_, Error>>()?;
        let fields = vec![Field { name: name_of(direction), direction, time: middle.into() }];
        Ok(Self { fields, field_of: FieldOf::One, uvw: Uvw::Stations { axes, old }, pointing })
    }

    /// The centres and UVW of the files.
    fn kept(header: &VisHeader, middle: JulianDate) -> Result<Self, Error> {
        let FilePhasing::Phased { centres, row_centre } = &header.phasing else { return Err(Error::NotPhased) };
        let fail = |problem: String| Error::Header { problem };
        let Some(first) = centres.first() else { return Err(fail("phased data without a phase centre".to_owned())) };
        if centres.iter().any(|c| c.direction.frame != first.direction.frame) {
            return Err(Error::MixedFrames { frames: centres.iter().map(|c| c.direction.frame).collect() });
        }
        let field_of = if row_centre.is_empty() {
            FieldOf::One
        } else {
            if row_centre.len() != header.rows.len() || row_centre.iter().any(|&c| usize::from(c) >= centres.len()) {
                return Err(fail(format!("{} rows name one of {} centres", row_centre.len(), centres.len())));
            }
            FieldOf::Row(row_centre.clone())
        };
        let fields = centres
            .iter()
            .map(|c| Field { name: c.name.clone(), direction: c.direction, time: middle.into() })
            .collect();
        Ok(Self { fields, field_of, uvw: Uvw::File, pointing: None })
    }
}

/// A name from the coordinates, as `J0726+5441`.
fn name_of(direction: Direction) -> String {
    let letter = match direction.frame {
        Frame::Fk4 => 'B',
        Frame::AltAz => 'A',
        _ => 'J',
    };
    let ra_minutes = (direction.lon_rad.to_degrees().rem_euclid(360.0) * 4.0).floor() as u32 % 1440;
    let dec_minutes = (direction.lat_rad.to_degrees().abs() * 60.0).floor() as u32;
    let sign = if direction.lat_rad < 0.0 { '-' } else { '+' };
    format!("{letter}{:02}{:02}{sign}{:02}{:02}", ra_minutes / 60, ra_minutes % 60, dec_minutes / 60, dec_minutes % 60)
}

/// casacore's name of a frame (`MDirection`).
pub(crate) fn casacore_name(frame: Frame) -> &'static str {
    match frame {
        Frame::Fk5 => "J2000",
        Frame::Fk4 => "B1950",
        Frame::Apparent => "APP",
        Frame::AltAz => "AZELGEO",
        _ => "ICRS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_coordinates() {
        let name = |ra: f64, dec: f64| name_of(Direction::icrs(ra.to_radians(), dec.to_radians()));
        assert_eq!(name(111.7256, 54.68), "J0726+5440");
        assert_eq!(name(-0.001, -0.5), "J2359-0030");
        assert_eq!(name(360.0, 89.999), "J0000+8959");
    }
}
