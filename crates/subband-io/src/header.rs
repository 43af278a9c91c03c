//! The `Header` group of one file.
//!
//! UVH5 (pyuvdata memo "UVH5 File Format") with what older writers and the DSA-110 writer leave out: scalars may be
//! zero-dimensional or of length 1, strings fixed or variable, `freq_array` `(n)` or `(1, n)`, `channel_width` one or many.

use astrometry::Site;
use vis_types::{Antenna, Correlation, FilePhasing, Telescope};

use crate::error::Error;
use crate::hdf5::{Dataset, Element, Group};
use crate::phasing;

/// What the header of one file says, without the columns that have an entry for each row.
#[derive(Debug)]
pub(crate) struct FileHeader {
    pub(crate) telescope: Telescope,
    pub(crate) object_name: String,
    /// In the file's order.
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) channels: Channels,
    pub(crate) phasing: FilePhasing,
    /// Declination of the pointing where the file has one for all rows, radians.
    pub(crate) pointing_dec_rad: Option<f64>,
    pub(crate) vis_units: String,
    pub(crate) history: String,
    pub(crate) extra: Vec<(String, String)>,
}

/// The channels of one file in the file's order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Channels {
    /// Centres, hertz.
    pub(crate) freq_hz: Vec<f64>,
    /// Widths, hertz, positive.
    pub(crate) width_hz: Vec<f64>,
}

impl FileHeader {
    /// Reads the header of a file with `n_rows` rows.
    pub(crate) fn read(header: &Group, n_rows: usize) -> Result<Self, Error> {
        let extra_group = header.group("extra_keywords")?;
        let pointing_dec_rad = pointing_dec(header, extra_group.as_ref())?;
        let phasing = phasing::read(header, extra_group.as_ref(), pointing_dec_rad, n_rows)?;
        let vis_units = text(header, "vis_units")?;
        Ok(Self {
            telescope: telescope(header)?,
            object_name: object_name(header, &phasing)?,
            correlations: correlations(header)?,
            channels: Channels::read(header)?,
            phasing,
            pointing_dec_rad,
            // Old files shout; pyuvdata reads both alike.
            vis_units: if vis_units.is_empty() || vis_units == "UNCALIB" { "uncalib".to_owned() } else { vis_units },
            history: text(header, "history")?,
            extra: match &extra_group {
                Some(group) => extra(group)?,
                None => Vec::new(),
            },
        })
    }
}

/// An optional string; empty where the header does not have it.
fn text(header: &Group, name: &str) -> Result<String, Error> {
    header.dataset(name)?.map_or(Ok(String::new()), |d| d.string())
}

fn object_name(header: &Group, phasing: &FilePhasing) -> Result<String, Error> {
    let name = text(header, "object_name")?;
    Ok(match phasing {
        FilePhasing::Phased { centres, .. } if name.is_empty() => centres[0].name.clone(),
        _ if name.is_empty() => phasing::unprojected_name(header)?.unwrap_or_default(),
        _ => name,
    })
}

/// The correlations by their codes, in the file's order.
pub(crate) fn correlations(header: &Group) -> Result<Vec<Correlation>, Error> {
    let dataset = header.required("polarization_array")?;
    let codes = dataset.i64s()?;
    let mut found = Vec::new();
    for code in codes {
        let c = Correlation::from_aips(code)
            .ok_or_else(|| dataset.bad_value(code, "a polarisation code of -8 to -1 or 1 to 4"))?;
        if found.contains(&c) {
            return Err(dataset.bad_value(format!("{code} twice"), "distinct"));
        }
        found.push(c);
    }
    if found.is_empty() { Err(dataset.wrong_shape("at least one polarisation")) } else { Ok(found) }
}

/// For each correlation in the order in which a Measurement Set lists them (XX, XY, YX, YY), its place in `file_order`.
pub(crate) fn output_order(file_order: &[Correlation]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..file_order.len()).collect();
    order.sort_by_key(|&i| file_order[i].casa());
    order
}

impl Channels {
    pub(crate) fn read(header: &Group) -> Result<Self, Error> {
        if let Some(spws) = header.dataset("Nspws")? {
            let n = spws.i64()?;
            if n != 1 {
                return Err(spws.bad_value(n, "1: one spectral window a file"));
            }
        }
        let freqs = header.required("freq_array")?;
        let freq_hz = match freqs.dims() {
            [_] | [1, _] => freqs.f64s()?,
            _ => return Err(freqs.wrong_shape("(channels) or (1, channels)")),
        };
        if freq_hz.is_empty() {
            return Err(freqs.wrong_shape("at least one channel"));
        }
        if let Some(bad) = freq_hz.iter().find(|f| !f.is_finite() || **f <= 0.0) {
            return Err(freqs.bad_value(bad, "a positive frequency"));
        }
        let widths = header.required("channel_width")?;
        let mut width_hz = widths.f64s()?;
        if width_hz.len() == 1 {
            width_hz = vec![width_hz[0]; freq_hz.len()];
        }
        if width_hz.len() != freq_hz.len() {
            return Err(widths.wrong_shape(format!("one width or {}", freq_hz.len())));
        }
        for w in &mut width_hz {
            // Writers of descending channels have stored negative widths.
            *w = w.abs();
            if !w.is_finite() || *w == 0.0 {
                return Err(widths.bad_value(w, "a width other than zero"));
            }
        }
        Ok(Self { freq_hz, width_hz })
    }
}

/// The pointing declination: `phase_center_app_dec` where it is one value, else the DSA-110 writer's extra keyword.
pub(crate) fn pointing_dec(header: &Group, extra: Option<&Group>) -> Result<Option<f64>, Error> {
    let one = |d: Option<Dataset>| -> Result<Option<f64>, Error> {
        match d {
            Some(d) if d.dims().iter().product::<u64>() == 1 && matches!(d.element(), Element::Real(_)) => {
                let dec = d.f64()?;
                if !dec.is_finite() || dec.abs() > std::f64::consts::FRAC_PI_2 + 1e-6 {
                    return Err(d.bad_value(dec, "a declination in radians"));
                }
                Ok(Some(dec))
            }
            _ => Ok(None),
        }
    };
    if let Some(dec) = one(header.dataset("phase_center_app_dec")?)? {
        return Ok(Some(dec));
    }
    extra.map_or(Ok(None), |e| one(e.dataset("phase_center_dec")?))
}

fn telescope(header: &Group) -> Result<Telescope, Error> {
    if let Some(frame) = header.dataset("telescope_frame")? {
        let name = frame.string()?;
        if !name.eq_ignore_ascii_case("itrs") {
            return Err(frame.bad_value(name, "itrs: only telescopes on Earth are supported"));
        }
    }
    let number = |name: &str, limit: f64| -> Result<f64, Error> {
        let d = header.required(name)?;
        let value = d.f64()?;
        if value.is_finite() && value.abs() <= limit {
            Ok(value)
        } else {
            Err(d.bad_value(value, format!("within ±{limit}")))
        }
    };
    let latitude_rad = number("latitude", 90.0)?.to_radians();
    let longitude_rad = number("longitude", 360.0)?.to_radians();
    let height_m = number("altitude", 1e7)?;

    let names = header.required("antenna_names")?.strings()?;
    let n = names.len();
    let numbers = header.required("antenna_numbers")?;
    let number_list = numbers.i64s()?;
    if number_list.len() != n {
        return Err(numbers.wrong_shape(format!("({n}), as antenna_names")));
    }
    let positions = header.required("antenna_positions")?;
    if positions.dims() != [n as u64, 3] {
        return Err(positions.wrong_shape(format!("({n}, 3)")));
    }
    let position_list = positions.f64s()?;
    if let Some(bad) = position_list.iter().find(|p| !p.is_finite()) {
        return Err(positions.bad_value(bad, "finite"));
    }
    let diameters = match header.dataset("antenna_diameters")? {
        None => Vec::new(),
        Some(d) => match d.f64s()? {
            one if one.len() == 1 => vec![one[0]; n],
            each if each.len() == n => each,
            _ => return Err(d.wrong_shape(format!("({n})"))),
        },
    };
    let mounts = match header.dataset("mount_type")? {
        None => Vec::new(),
        Some(d) => {
            let mounts = d.strings()?;
            if mounts.len() != n {
                return Err(d.wrong_shape(format!("({n})")));
            }
            mounts
        }
    };
    let antennas = names
        .into_iter()
        .enumerate()
        .map(|(i, name)| Antenna {
            name,
            number: number_list[i],
            position_m: std::array::from_fn(|k| position_list[3 * i + k]),
            diameter_m: diameters.get(i).copied().filter(|d| d.is_finite() && *d > 0.0),
        })
        .collect();
    Ok(Telescope {
        name: text(header, "telescope_name")?,
        instrument: text(header, "instrument")?,
        latitude_rad,
        longitude_rad,
        height_m,
        location_itrf_m: Site { latitude_rad, longitude_rad, height_m }.itrf_m(),
        antennas,
        mounts,
    })
}

/// The extra keywords as text.
fn extra(group: &Group) -> Result<Vec<(String, String)>, Error> {
    let mut all = Vec::new();
    for name in group.names()? {
        // A group or a named type among the keywords has no text.
        let Some(d) = group.dataset(&name)? else { continue };
        let values: Vec<String> = match d.element() {
            Element::FixedString(_) | Element::VarString => d.strings()?,
            Element::Real(crate::hdf5::Part::Int { .. }) => d.i64s()?.iter().map(ToString::to_string).collect(),
            Element::Real(_) => d.f64s()?.iter().map(ToString::to_string).collect(),
            Element::Bool => d.bools()?.iter().map(ToString::to_string).collect(),
            Element::Complex(_) | Element::Other(_) => vec![format!("({})", d.element())],
        };
        all.push((name, values.join(" ")));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_come_in_the_order_of_a_measurement_set() {
        use Correlation::{XX, XY, YX, YY};
        assert_eq!(output_order(&[XX, YY, XY, YX]), [0, 2, 3, 1]);
        assert_eq!(output_order(&[XX, XY, YX, YY]), [0, 1, 2, 3]);
        assert_eq!(output_order(&[YY, XX]), [1, 0]);
    }
}
