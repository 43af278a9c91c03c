//! Which direction a pixel is.
//!
//! The transformations of Greisen and Calabretta (2002) and Calabretta and Greisen (2002) are those of the crate `fits-well`.
//! What it does not know is brought into its form here: the celestial pair among any number of axes in any order, units,
//! the older matrices (`PC001001`, CROTA), and the AIPS projections NCP and GLS.

use std::fmt;

use fits_well::header::Header as PlainHeader;
use fits_well::wcs::Wcs;

use crate::Error;
use crate::hdu::Image;
use crate::header::Header;

/// A direction in the image's own frame, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sky {
    /// Right ascension, or another longitude; 0 to 360.
    pub lon_deg: f64,
    /// Declination, or another latitude.
    pub lat_deg: f64,
}

impl Sky {
    /// The angle between two directions, degrees (Vincenty's formula, good at every distance).
    pub fn separation_deg(&self, other: &Self) -> f64 {
        let (s1, c1) = self.lat_deg.to_radians().sin_cos();
        let (s2, c2) = other.lat_deg.to_radians().sin_cos();
        let (sd, cd) = (other.lon_deg - self.lon_deg).to_radians().sin_cos();
        let across = (c2 * sd).hypot(c1 * s2 - s1 * c2 * cd);
        across.atan2(s1 * s2 + c1 * c2 * cd).to_degrees()
    }
}

/// The frame of the celestial coordinates, as the header names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Right ascension and declination: RADESYS, or what its absence means, and EQUINOX in years where it matters.
    Equatorial(String, Option<f64>),
    /// Galactic longitude and latitude.
    Galactic,
    /// Another pair, by the first letter of its axes' names: `E` ecliptic, `H` helioecliptic, `S` supergalactic and so on.
    Other(String),
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equatorial(system, Some(equinox)) if system != "ICRS" => write!(f, "{system} {equinox}"),
            Self::Equatorial(system, _) => f.write_str(system),
            Self::Galactic => f.write_str("galactic"),
            Self::Other(letter) => write!(f, "{letter}LON/{letter}LAT"),
        }
    }
}

/// Celestial coordinates of an image.
///
/// Pixels are counted from 0, their centres at whole numbers, `x` along the first celestial axis of the file and `y` along
/// the second, whichever of them is the longitude: `x` is numpy's last index of the two. All other axes are taken at their
/// first pixel.
#[derive(Clone)]
pub struct Celestial {
    wcs: Wcs,
    /// Which of x and y is the longitude: 0 or 1.
    longitude: usize,
    axes: [usize; 2],
    size: [u64; 2],
    matrix: [[f64; 2]; 2],
    projection: String,
    frame: Frame,
}

impl Celestial {
    pub(crate) fn of(header: &Header, image: &Image) -> Result<Self, Error> {
        let wrong =
            |problem: String| Error::Celestial { path: header.path().to_path_buf(), hdu: header.hdu(), problem };
        let [first, second] = pair(header, image)?.ok_or_else(|| {
            wrong("no two axes have a CTYPE of longitude and latitude, such as RA---SIN and DEC--SIN".into())
        })?;
        let axes = [first.axis, second.axis];
        let size = axes.map(|axis| image.axes.get(axis).copied().unwrap_or(1));
        let (lon, lat) = if first.longitude { (&first, &second) } else { (&second, &first) };
        let longitude = usize::from(!first.longitude);
        if lon.code != lat.code {
            return Err(wrong(format!("its axes have the projections {} and {}", lon.code, lat.code)));
        }
        let linear = Linear::of(header, axes, [lon.axis, lat.axis], image.axes.len().max(axes[1] + 1))?;

        let mut plain = PlainHeader::new();
        let mut set = |keyword: String, value: fits_well::header::Value| {
            plain.set(keyword.as_str(), value).map(drop).map_err(|source| wrong(format!("{keyword}: {source}")))
        };
        set("NAXIS".into(), 2.into())?;
        set("WCSAXES".into(), 2.into())?;
        let (code, parameters) = projection(header, &lon.code, lon.axis, lat.axis, linear.crval_deg[1 - longitude])?;
        for (place, axis) in [&first, &second].into_iter().enumerate() {
            let n = place + 1;
            let name = if axis.longitude { "RA--" } else { "DEC-" };
            // The frame's name changes nothing in the geometry.
            set(format!("CTYPE{n}"), format!("{name}-{code}{}", axis.suffix).into())?;
            set(format!("CUNIT{n}"), "deg".into())?;
            set(format!("CRVAL{n}"), linear.crval_deg[place].into())?;
            set(format!("CRPIX{n}"), linear.crpix[place].into())?;
            for column in 0..2 {
                set(format!("CD{n}_{}", column + 1), linear.matrix[place][column].into())?;
            }
        }
        for (on_longitude, m, value) in parameters {
            let place = if on_longitude { longitude } else { 1 - longitude };
            set(format!("PV{}_{m}", place + 1), value.into())?;
        }
        for keyword in ["LONPOLE", "LATPOLE"] {
            if let Some(value) = header.real(keyword)? {
                set(keyword.into(), value.into())?;
            }
        }
        if lon.suffix == "-SIP" {
            if axes != [0, 1] {
                return Err(wrong("SIP distortions are defined on the first two axes alone".into()));
            }
            for (keyword, value) in distortion(header)? {
                set(keyword, value)?;
            }
        } else if !lon.suffix.is_empty() {
            return Err(wrong(format!("the distortion `{}` is not known", lon.suffix)));
        }
        let wcs = Wcs::from_header(&plain, None).map_err(|source| wrong(source.to_string()))?;
        let description = wcs.description();
        if description.celestial_projection.is_none() || !description.unsupported_axes.is_empty() {
            return Err(wrong(format!("the projection `{code}` is not known")));
        }
        if code == "TPV" {
            return Err(wrong("the distorted projection TPV is not supported; convert it to SIP or TAN".into()));
        }
        let frame = frame(header, &lon.name)?;
        Ok(Self { wcs, longitude, axes, size, matrix: linear.matrix, projection: lon.code.clone(), frame })
    }

    /// The direction of a place in the image; `None` where the projection has no sky there, or two skies.
    pub fn sky(&self, x: f64, y: f64) -> Option<Sky> {
        let mut world = [0.0; 2];
        self.wcs.pixel_to_world(&[x + 1.0, y + 1.0], &mut world).ok()?;
        let (lon_deg, lat_deg) = (world[self.longitude].rem_euclid(360.0), world[1 - self.longitude]);
        // The remainder of a tiny negative number rounds to the divisor itself.
        let lon_deg = if lon_deg >= 360.0 { 0.0 } else { lon_deg };
        (lon_deg.is_finite() && lat_deg.is_finite()).then_some(Sky { lon_deg, lat_deg })
    }

    /// The place of a direction in the image's plane, perhaps outside of the image; `None` where the projection has none.
    pub fn pixel(&self, sky: Sky) -> Option<(f64, f64)> {
        let mut world = [0.0; 2];
        world[self.longitude] = sky.lon_deg;
        world[1 - self.longitude] = sky.lat_deg;
        let mut pixel = [0.0; 2];
        self.wcs.world_to_pixel(&world, &mut pixel).ok()?;
        pixel.iter().all(|value| value.is_finite()).then(|| (pixel[0] - 1.0, pixel[1] - 1.0))
    }

    /// The direction of the image's middle.
    pub fn centre(&self) -> Option<Sky> {
        let [x, y] = self.size.map(|pixels| (pixels as f64 - 1.0) / 2.0);
        self.sky(x, y)
    }

    /// The directions of the centres of the four corner pixels, going round: (0, 0), (w, 0), (w, h), (0, h). Those that
    /// lie beyond the projection's edge are `None`.
    pub fn corners(&self) -> [Option<Sky>; 4] {
        let [w, h] = self.size.map(|pixels| pixels as f64 - 1.0);
        [self.sky(0.0, 0.0), self.sky(w, 0.0), self.sky(w, h), self.sky(0.0, h)]
    }

    /// The outline of the image on the sky, `per_side` points for each side, going round from pixel (0, 0), without those
    /// that lie beyond the projection's edge.
    pub fn outline(&self, per_side: usize) -> Vec<Sky> {
        let [w, h] = self.size.map(|pixels| pixels as f64 - 1.0);
        let step = |i: usize| i as f64 / per_side as f64;
        let sides = (0..4 * per_side).map(|i| match (i / per_side.max(1), step(i % per_side.max(1))) {
            (0, t) => (w * t, 0.0),
            (1, t) => (w, h * t),
            (2, t) => (w * (1.0 - t), h),
            (_, t) => (0.0, h * (1.0 - t)),
        });
        sides.filter_map(|(x, y)| self.sky(x, y)).collect()
    }

    /// Pixels along x and y.
    pub fn size(&self) -> [u64; 2] {
        self.size
    }

    /// Which axes of the file x and y are, counted from 0.
    pub fn axes(&self) -> [usize; 2] {
        self.axes
    }

    /// Whether x is the longitude, as in nearly every file.
    pub fn x_is_longitude(&self) -> bool {
        self.longitude == 0
    }

    /// The size of a pixel at the reference point along x and y, degrees, positive.
    pub fn cell_deg(&self) -> [f64; 2] {
        [0, 1].map(|column| self.matrix[0][column].hypot(self.matrix[1][column]))
    }

    /// The matrix from pixels to intermediate world coordinates, degrees: `[row of x's or y's axis][column of x or y]`.
    pub fn matrix_deg(&self) -> [[f64; 2]; 2] {
        self.matrix
    }

    /// The code of the projection as the header has it, such as `SIN`.
    pub fn projection(&self) -> &str {
        &self.projection
    }

    /// The frame of the directions.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl fmt::Debug for Celestial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Celestial")
            .field("projection", &self.projection)
            .field("frame", &self.frame)
            .field("axes", &self.axes)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// One celestial axis.
struct Axis {
    axis: usize,
    longitude: bool,
    /// `RA`, `DEC`, `GLON` and so on.
    name: String,
    /// `SIN`.
    code: String,
    /// `-SIP`, or nothing.
    suffix: String,
}

/// The celestial axes in the order of the file.
fn pair(header: &Header, image: &Image) -> Result<Option<[Axis; 2]>, Error> {
    let declared = header.integer("WCSAXES")?.unwrap_or(0).clamp(0, 99) as usize;
    let mut found: Vec<Axis> = Vec::new();
    for axis in 0..declared.max(image.axes.len()).min(99) {
        let Some(ctype) = header.text(&format!("CTYPE{}", axis + 1))? else { continue };
        let ctype = ctype.trim().to_ascii_uppercase();
        let mut parts = ctype.splitn(2, '-');
        let name = parts.next().unwrap_or_default().to_owned();
        let rest = parts.next().unwrap_or_default().trim_start_matches('-');
        let longitude = match name.as_str() {
            "RA" => true,
            "DEC" => false,
            other if other.len() == 4 && other.ends_with("LON") => true,
            other if other.len() == 4 && other.ends_with("LAT") => false,
            _ => continue,
        };
        let (code, suffix) = rest.split_at_checked(3).unwrap_or((rest, ""));
        if code.is_empty() {
            // Axes without a projection are linear and no celestial pair.
            continue;
        }
        found.push(Axis { axis, longitude, name, code: code.to_owned(), suffix: suffix.to_owned() });
    }
    let lon = found.iter().position(|axis| axis.longitude);
    let lat = found.iter().position(|axis| !axis.longitude);
    let (Some(lon), Some(lat)) = (lon, lat) else { return Ok(None) };
    let (first, second) = (lon.min(lat), lon.max(lat));
    let second = found.swap_remove(second);
    let first = found.swap_remove(first);
    Ok(Some([first, second]))
}

/// The linear part for the two celestial axes, in degrees.
struct Linear {
    crpix: [f64; 2],
    crval_deg: [f64; 2],
    matrix: [[f64; 2]; 2],
}

impl Linear {
    /// `axes`: x and y. `[lon, lat]`: the same two by their meaning. `count`: axes of the image.
    fn of(header: &Header, axes: [usize; 2], [lon, lat]: [usize; 2], count: usize) -> Result<Self, Error> {
        let number = |name: &str, axis: usize, default: f64| {
            header.real(&format!("{name}{}", axis + 1)).map(|value| value.unwrap_or(default))
        };
        let element = |form: Form, row: usize, column: usize| match form {
            Form::Cd => header.real(&format!("CD{}_{}", row + 1, column + 1)),
            Form::Pc => header.real(&format!("PC{}_{}", row + 1, column + 1)),
            Form::OldPc => header.real(&format!("PC{:03}{:03}", row + 1, column + 1)),
            Form::Crota => Ok(None),
        };
        let present = |form: Form| -> Result<bool, Error> {
            for row in 0..count.min(9) {
                for column in 0..count.min(9) {
                    if element(form, row, column)?.is_some() {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        };
        let mut form = Form::Crota;
        for other in [Form::Cd, Form::Pc, Form::OldPc] {
            if present(other)? {
                form = other;
                break;
            }
        }
        let cdelt = [number("CDELT", axes[0], 1.0)?, number("CDELT", axes[1], 1.0)?];
        // Of the rotation, only that of the latitude's axis counts (Calabretta and Greisen 2002, section 6.1).
        let turn = number("CROTA", lat, 0.0)?.to_radians();
        let mut matrix = [[0.0; 2]; 2];
        let mut offset = [0.0; 2];
        for (place, &row) in axes.iter().enumerate() {
            for column in 0..count {
                let diagonal = f64::from(u8::from(row == column));
                let value = match form {
                    // Elements that are absent are 0 where any is present.
                    Form::Cd => element(form, row, column)?.unwrap_or(0.0),
                    Form::Pc | Form::OldPc => element(form, row, column)?.unwrap_or(diagonal) * cdelt[place],
                    Form::Crota => match axes.iter().position(|&axis| axis == column) {
                        Some(other) if row == column => cdelt[other] * turn.cos(),
                        Some(other) if row == lon => -cdelt[other] * turn.sin(),
                        Some(other) => cdelt[other] * turn.sin(),
                        None => 0.0,
                    },
                };
                match axes.iter().position(|&axis| axis == column) {
                    Some(other) => matrix[place][other] = value,
                    None if value != 0.0 => offset[place] += value * (1.0 - number("CRPIX", column, 0.0)?),
                    None => {}
                }
            }
        }
        let mut crpix = [number("CRPIX", axes[0], 0.0)?, number("CRPIX", axes[1], 0.0)?];
        let mut crval_deg = [number("CRVAL", axes[0], 0.0)?, number("CRVAL", axes[1], 0.0)?];
        for place in 0..2 {
            let unit = degrees_in_unit(header, axes[place])?;
            crval_deg[place] *= unit;
            matrix[place] = matrix[place].map(|value| value * unit);
            offset[place] *= unit;
        }
        if offset != [0.0; 2] {
            // Other axes that are coupled shift the reference point of their first pixel.
            let determinant = matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0];
            crpix[0] -= (matrix[1][1] * offset[0] - matrix[0][1] * offset[1]) / determinant;
            crpix[1] -= (matrix[0][0] * offset[1] - matrix[1][0] * offset[0]) / determinant;
        }
        Ok(Self { crpix, crval_deg, matrix })
    }
}

/// How the matrix is written.
#[derive(Clone, Copy)]
enum Form {
    Cd,
    Pc,
    /// `PC001002`, of drafts of the standard; CASA wrote it.
    OldPc,
    Crota,
}

fn degrees_in_unit(header: &Header, axis: usize) -> Result<f64, Error> {
    let keyword = format!("CUNIT{}", axis + 1);
    let unit = header.text(&keyword)?.unwrap_or_default();
    Ok(match unit.trim().to_ascii_lowercase().as_str() {
        "" | "deg" | "degree" | "degrees" => 1.0,
        "arcmin" => 1.0 / 60.0,
        "arcsec" => 1.0 / 3600.0,
        "mas" => 1.0 / 3_600_000.0,
        "rad" | "radian" | "radians" => 1.0_f64.to_degrees(),
        _ => return Err(header.unfit(&keyword, "is no unit of angle that is known (deg, arcmin, arcsec, mas, rad)")),
    })
}

/// A parameter of a projection: whether it belongs to the longitude's axis, its number, its value.
type Parameter = (bool, u32, f64);

/// The projection in today's form, with its parameters.
fn projection<'a>(
    header: &Header,
    code: &'a str,
    lon: usize,
    lat: usize,
    crval_lat_deg: f64,
) -> Result<(&'a str, Vec<Parameter>), Error> {
    match code {
        // AIPS memo 27; Calabretta and Greisen (2002), section 6.1.2: an orthographic one, slanted.
        "NCP" => {
            let (s, c) = crval_lat_deg.to_radians().sin_cos();
            return Ok(("SIN", vec![(false, 1, 0.0), (false, 2, c / s)]));
        }
        // Section 6.1.4: like SFL, with its reference point moved along the meridian instead of being turned there.
        "GLS" => return Ok(("SFL", vec![(true, 0, 1.0), (true, 1, 0.0), (true, 2, crval_lat_deg)])),
        _ => {}
    }
    let mut parameters = Vec::new();
    for (on_longitude, axis, most) in [(true, lon, 4), (false, lat, 30)] {
        for m in 0..=most {
            if let Some(value) = header.real(&format!("PV{}_{m}", axis + 1))? {
                parameters.push((on_longitude, m, value));
            }
        }
    }
    Ok((code, parameters))
}

/// The cards of a SIP distortion.
fn distortion(header: &Header) -> Result<Vec<(String, fits_well::header::Value)>, Error> {
    let mut cards = Vec::new();
    for name in ["A", "B", "AP", "BP"] {
        let order = format!("{name}_ORDER");
        let Some(most) = header.integer(&order)? else { continue };
        if !(0..=9).contains(&most) {
            return Err(header.unfit(&order, "is not within 0 to 9"));
        }
        cards.push((order, most.into()));
        for p in 0..=most {
            for q in 0..=most - p {
                let keyword = format!("{name}_{p}_{q}");
                if let Some(value) = header.real(&keyword)? {
                    cards.push((keyword, value.into()));
                }
            }
        }
    }
    Ok(cards)
}

fn frame(header: &Header, longitude: &str) -> Result<Frame, Error> {
    match longitude {
        "RA" => {}
        "GLON" => return Ok(Frame::Galactic),
        other => return Ok(Frame::Other(other.trim_end_matches("LON").to_owned())),
    }
    let equinox = match header.real("EQUINOX")? {
        None => header.value("EPOCH")?.and_then(|value| match value {
            crate::Value::Integer(year) => Some(year as f64),
            crate::Value::Real(year) => Some(year),
            _ => None,
        }),
        some => some,
    };
    let stated = match header.text("RADESYS")? {
        None => header.text("RADECSYS")?,
        some => some,
    };
    let system = match (stated.map(|text| text.trim().to_ascii_uppercase()), equinox) {
        (Some(system), _) if !system.is_empty() => system,
        // Section 8.3 of the standard: what the absence of RADESYS means.
        (_, Some(year)) if year < 1984.0 => "FK4".to_owned(),
        (_, Some(_)) => "FK5".to_owned(),
        (_, None) => "ICRS".to_owned(),
    };
    Ok(Frame::Equatorial(system, equinox))
}
