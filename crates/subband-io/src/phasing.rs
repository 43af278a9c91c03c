//! How the visibilities of a file are phased. What is equal to pyuvdata's reading, and what is refused, is in the crate's
//! documentation.

use vis_types::{Direction, FilePhasing, Frame, PhaseCentre};

use crate::error::Error;
use crate::hdf5::Group;

fn unsupported(header: &Group, found: impl Into<String>) -> Error {
    Error::UnsupportedPhasing { path: header.path().to_owned(), found: found.into() }
}

/// One entry of the catalogue.
enum Entry {
    Unprojected,
    Centre(PhaseCentre),
    /// Only an error where a row uses it.
    Unsupported(String),
}

pub(crate) fn read(
    header: &Group,
    extra: Option<&Group>,
    pointing_dec_rad: Option<f64>,
    n_rows: usize,
) -> Result<FilePhasing, Error> {
    let phasing = match header.group("phase_center_catalog")? {
        Some(catalogue) => from_catalogue(header, &catalogue, n_rows)?,
        None => from_phase_type(header)?,
    };
    match (phasing, extra) {
        (FilePhasing::Unprojected, Some(extra)) => meridian(header, extra, pointing_dec_rad),
        (phasing, _) => Ok(phasing),
    }
}

/// The name of the catalogue's first entry, where there is a catalogue.
pub(crate) fn unprojected_name(header: &Group) -> Result<Option<String>, Error> {
    let Some(catalogue) = header.group("phase_center_catalog")? else { return Ok(None) };
    let Some(first) = catalogue.names()?.into_iter().next() else { return Ok(None) };
    let Some(entry) = catalogue.group(&first)? else { return Ok(None) };
    entry.dataset("cat_name")?.map(|d| d.string()).transpose()
}

/// The DSA-110 writer's extra keywords.
fn meridian(header: &Group, extra: &Group, pointing_dec_rad: Option<f64>) -> Result<FilePhasing, Error> {
    let Some(epoch) = extra.dataset("phase_center_epoch")? else { return Ok(FilePhasing::Unprojected) };
    // Other writers store a year here.
    if !matches!(epoch.element(), crate::hdf5::Element::FixedString(_) | crate::hdf5::Element::VarString) {
        return Ok(FilePhasing::Unprojected);
    }
    if !epoch.string()?.eq_ignore_ascii_case("HADEC") {
        return Ok(FilePhasing::Unprojected);
    }
    let hour_angle = extra.required("ha_phase_center")?.f64()?;
    if hour_angle != 0.0 {
        return Err(unsupported(header, format!("at hour angle {hour_angle} rad (fringe-stopped off the meridian)")));
    }
    let app_dec_rad =
        pointing_dec_rad.ok_or_else(|| unsupported(header, "on the meridian, but without `phase_center_app_dec`"))?;
    Ok(FilePhasing::Meridian { app_dec_rad })
}

fn from_phase_type(header: &Group) -> Result<FilePhasing, Error> {
    let kind = header.dataset("phase_type")?.map_or(Ok(String::new()), |d| d.string())?;
    if kind != "phased" {
        return Ok(FilePhasing::Unprojected);
    }
    let angle = |name: &str| -> Result<f64, Error> {
        let d = header.required(name)?;
        let value = d.f64()?;
        if value.is_finite() { Ok(value) } else { Err(d.bad_value(value, "an angle in radians")) }
    };
    let frame = header.dataset("phase_center_frame")?.map_or(Ok("icrs".to_owned()), |d| d.string())?;
    let epoch = header.dataset("phase_center_epoch")?.map(|d| d.f64()).transpose()?;
    let direction = Direction {
        lon_rad: angle("phase_center_ra")?,
        lat_rad: angle("phase_center_dec")?,
        frame: frame_of(&frame, epoch).map_err(|found| unsupported(header, found))?,
    };
    let name = header.dataset("object_name")?.map_or(Ok("unknown".to_owned()), |d| d.string())?;
    Ok(FilePhasing::Phased { centres: vec![PhaseCentre { id: 0, name, direction }], row_centre: Vec::new() })
}

fn frame_of(name: &str, epoch: Option<f64>) -> Result<Frame, String> {
    let year = |wanted: f64| epoch.is_none_or(|e| e == wanted);
    match name.to_ascii_lowercase().as_str() {
        "icrs" => Ok(Frame::Icrs),
        "fk5" if year(2000.0) => Ok(Frame::Fk5),
        "fk4" if year(1950.0) => Ok(Frame::Fk4),
        "fk4" | "fk5" => Err(format!("in the frame {name} at equinox {}", epoch.unwrap_or_default())),
        _ => Err(format!("in the frame {name}")),
    }
}

fn from_catalogue(header: &Group, catalogue: &Group, n_rows: usize) -> Result<FilePhasing, Error> {
    let mut entries = Vec::new();
    for key in catalogue.names()? {
        let Some(entry) = catalogue.group(&key)? else {
            return Err(unsupported(
                header,
                "in a catalogue of JSON texts, as pyuvdata 2.1 development versions wrote it",
            ));
        };
        let id: i64 = key.parse().map_err(|_| unsupported(header, format!("numbered `{key}`")))?;
        entries.push((id, read_entry(&entry, id)?));
    }
    entries.sort_by_key(|e| e.0);
    if entries.is_empty() {
        return Err(unsupported(header, "in an empty catalogue"));
    }
    let used = if entries.len() == 1 {
        Vec::new()
    } else {
        let ids = header.required("phase_center_id_array")?;
        let list = ids.i64s()?;
        if list.len() != n_rows {
            return Err(ids.wrong_shape(format!("({n_rows})")));
        }
        list.iter()
            .map(|id| {
                entries
                    .binary_search_by_key(id, |e| e.0)
                    .map_err(|_| ids.bad_value(id, "an entry of phase_center_catalog"))
            })
            .collect::<Result<Vec<usize>, _>>()?
    };
    let mut is_used = vec![used.is_empty(); entries.len()];
    for &i in &used {
        is_used[i] = true;
    }
    // Entries that no row uses are left out, as far as they could not be kept.
    let (mut centres, mut place, mut unprojected, mut projected) =
        (Vec::new(), vec![0_u16; entries.len()], false, false);
    for (i, (_, entry)) in entries.into_iter().enumerate() {
        match entry {
            Entry::Centre(centre) => {
                place[i] = u16::try_from(centres.len()).map_err(|_| unsupported(header, "one of more than 65536"))?;
                centres.push(centre);
                projected |= is_used[i];
            }
            Entry::Unprojected => unprojected |= is_used[i],
            Entry::Unsupported(found) if is_used[i] => return Err(unsupported(header, found)),
            Entry::Unsupported(_) => {}
        }
    }
    if unprojected {
        return if projected {
            Err(unsupported(header, "for some rows only (others are unprojected)"))
        } else {
            Ok(FilePhasing::Unprojected)
        };
    }
    let row_centre = if centres.len() > 1 { used.iter().map(|&i| place[i]).collect() } else { Vec::new() };
    Ok(FilePhasing::Phased { centres, row_centre })
}

fn read_entry(entry: &Group, id: i64) -> Result<Entry, Error> {
    let text = |name: &str| entry.dataset(name)?.map_or(Ok(String::new()), |d| d.string());
    // A null dataset, which has no value, stands for an absent one.
    let numbers = |name: &str| entry.dataset(name)?.map_or(Ok(Vec::new()), |d| d.f64s());
    let kind = text("cat_type")?;
    if kind == "unprojected" {
        return Ok(Entry::Unprojected);
    }
    let name = text("cat_name")?;
    let frame = match kind.as_str() {
        "sidereal" => frame_of(&text("cat_frame")?, numbers("cat_epoch")?.first().copied()),
        "driftscan" => Ok(Frame::AltAz),
        other => Err(format!("`{name}` of the type {other}")),
    };
    let frame = match frame {
        Ok(frame) => frame,
        Err(found) => return Ok(Entry::Unsupported(found)),
    };
    for motion in ["cat_pm_ra", "cat_pm_dec"] {
        if numbers(motion)?.iter().any(|&m| m != 0.0) {
            return Ok(Entry::Unsupported(format!("`{name}` with a proper motion")));
        }
    }
    let (lon, lat) = (numbers("cat_lon")?, numbers("cat_lat")?);
    match (&lon[..], &lat[..]) {
        (&[lon_rad], &[lat_rad]) if lon_rad.is_finite() && lat_rad.is_finite() => {
            Ok(Entry::Centre(PhaseCentre { id, name, direction: Direction { lon_rad, lat_rad, frame } }))
        }
        _ => Ok(Entry::Unsupported(format!("`{name}` with {} longitudes", lon.len()))),
    }
}
