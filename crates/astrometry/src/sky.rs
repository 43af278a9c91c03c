//! The sky above a site at one instant.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use sofars::astro::{IauAstrom, apco13, atciq, aticq, atioq, atoiq};
use sofars::consts::DJ00;
use sofars::coords::{ae2hd, hd2ae};
use sofars::erst::gst06a;
use sofars::pnp::{bp00, sp00};
use sofars::star::{fk45z, fk54z};
use sofars::ts::{taitt, utctai, utcut1};
use sofars::vm::{anp, c2s, rx, rxp, ry, rz, s2c, trxp};
use vis_types::{Direction, Frame, JulianDate};

use crate::{EarthOrientation, Error, Site, UvwAxes};

/// 1972-01-01, the first day of UTC with whole leap seconds.
const FIRST_JD: f64 = 2_441_317.5;
/// 2100-01-01, where the Earth's ephemeris of SOFA (`epv00`) ends.
const END_JD: f64 = 2_488_069.5;

/// The sky above a site at one instant: sidereal time, and directions between ICRS and what is overhead.
///
/// The models are IAU 2006/2000A with the orbit of the Earth, light deflection by the Sun, annual and diurnal aberration,
/// polar motion and UT1, without refraction: those of SOFA's `atco13` and `atoc13`, which pyuvdata and astropy use as well.
/// Sources are taken to be at infinity and without proper motion. Making one costs some 0.2 ms, a direction microseconds.
#[derive(Clone, Debug)]
pub struct SkyAt {
    site: Site,
    astrom: IauAstrom,
    /// Right ascension from the equinox minus that from the intermediate origin, sign as SOFA's `eors`.
    equation_of_origins_rad: f64,
    last_rad: f64,
}

impl SkyAt {
    /// The sky of `site` at `time` (UTC; on a day with a leap second, SOFA's quasi-Julian date, as in astropy).
    ///
    /// # Errors
    /// [`Error::Time`] when the time is before 1972 or after 2099 or is not a number.
    pub fn new(site: &Site, time: JulianDate, orientation: &EarthOrientation) -> Result<Self, Error> {
        if !(FIRST_JD..END_JD).contains(&time.0) {
            return Err(Error::Time { jd: time.0 });
        }
        let fail = |_| Error::Time { jd: time.0 };
        let now = orientation.at(time);
        // Two parts keep the resolution of the single number in the arithmetic that follows.
        let day = time.0.round();
        let (utc1, utc2) = (day, time.0 - day);
        let mut astrom = IauAstrom::default();
        let mut eo = 0.0;
        apco13(
            utc1,
            utc2,
            now.ut1_utc_s,
            site.longitude_rad,
            site.latitude_rad,
            site.height_m,
            now.pole_x_rad,
            now.pole_y_rad,
            0.0, // No atmosphere, hence no refraction: pressure, temperature, humidity, wavelength.
            0.0,
            0.0,
            0.0,
            &mut astrom,
            &mut eo,
        )
        .map_err(fail)?;
        let (tai1, tai2) = utctai(utc1, utc2).map_err(fail)?;
        let (tt1, tt2) = taitt(tai1, tai2).map_err(fail)?;
        let (ut11, ut12) = utcut1(utc1, utc2, now.ut1_utc_s).map_err(fail)?;
        let last_rad = anp(gst06a(ut11, ut12, tt1, tt2) + sp00(tt1, tt2) + site.longitude_rad);
        Ok(Self { site: *site, astrom, equation_of_origins_rad: eo, last_rad })
    }

    /// Local apparent sidereal time, radians, 0 to 2π.
    #[must_use]
    pub fn last_rad(&self) -> f64 {
        self.last_rad
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// A direction of any frame as apparent, topocentric right ascension (from the equinox of date) and declination.
    ///
    /// # Errors
    /// [`Error::Frame`] for a frame that `vis-types` may gain later.
    pub fn to_apparent(&self, direction: Direction) -> Result<Direction, Error> {
        let icrs = match direction.frame {
            Frame::Apparent => return Ok(direction),
            Frame::AltAz => {
                let [ha, dec] = ae2hd(direction.lon_rad, direction.lat_rad, self.site.latitude_rad);
                return Ok(apparent(self.last_rad - ha, dec));
            }
            Frame::Icrs => direction,
            Frame::Fk5 => fk5_to_icrs(direction),
            Frame::Fk4 => {
                let (ra, dec) = fk45z(direction.lon_rad, direction.lat_rad, 1950.0);
                fk5_to_icrs(Direction { lon_rad: ra, lat_rad: dec, frame: Frame::Fk5 })
            }
            frame => return Err(Error::Frame { frame }),
        };
        // The functions of SOFA take the parameters by `&mut` and leave them alone.
        let mut astrom = self.astrom;
        let (ri, di) = atciq(icrs.lon_rad, icrs.lat_rad, 0.0, 0.0, 0.0, 0.0, &mut astrom);
        let (_, _, _, dec, ra_from_cio) = atioq(ri, di, &astrom);
        Ok(apparent(ra_from_cio - self.equation_of_origins_rad, dec))
    }

    /// A direction of any frame in ICRS.
    ///
    /// # Errors
    /// As [`to_apparent`](Self::to_apparent).
    pub fn to_icrs(&self, direction: Direction) -> Result<Direction, Error> {
        if direction.frame == Frame::Icrs {
            return Ok(direction);
        }
        let app = self.to_apparent(direction)?;
        let mut astrom = self.astrom;
        let (ri, di) = atoiq("R", app.lon_rad + self.equation_of_origins_rad, app.lat_rad, &astrom);
        let (ra, dec) = aticq(ri, di, &mut astrom);
        Ok(Direction::icrs(anp(ra), dec))
    }

    /// Azimuth (from north through east) and elevation of a direction.
    ///
    /// # Errors
    /// As [`to_apparent`](Self::to_apparent).
    pub fn to_altaz(&self, direction: Direction) -> Result<Direction, Error> {
        if direction.frame == Frame::AltAz {
            return Ok(direction);
        }
        let app = self.to_apparent(direction)?;
        let [azimuth, elevation] = hd2ae(self.last_rad - app.lon_rad, app.lat_rad, self.site.latitude_rad);
        Ok(Direction { lon_rad: anp(azimuth), lat_rad: elevation, frame: Frame::AltAz })
    }

    /// The point on the meridian at an apparent declination, in ICRS: where a transit instrument looks.
    #[must_use]
    pub fn meridian(&self, app_dec_rad: f64) -> Direction {
        self.to_icrs(apparent(self.last_rad, app_dec_rad)).expect("because an apparent direction has a transformation")
    }

    /// Hour angle of a direction, radians, −π to π.
    ///
    /// # Errors
    /// As [`to_apparent`](Self::to_apparent).
    pub fn hour_angle(&self, direction: Direction) -> Result<f64, Error> {
        let app = self.to_apparent(direction)?;
        Ok((self.last_rad - app.lon_rad + PI).rem_euclid(TAU) - PI)
    }

    /// The angle by which the north of `frame` differs from the apparent north at an apparent direction, radians; add it to
    /// apparent position angles. It is taken between two points 0.5° north and south, as pyuvdata does; 0 for [`Frame::Apparent`]
    /// and [`Frame::AltAz`].
    ///
    /// # Errors
    /// [`Error::Frame`] as [`to_apparent`](Self::to_apparent).
    pub fn frame_position_angle(&self, app: Direction, frame: Frame) -> Result<f64, Error> {
        const HALF_DEGREE: f64 = PI / 360.0;
        let from_icrs: fn(Direction) -> Direction = match frame {
            Frame::Apparent | Frame::AltAz => return Ok(0.0),
            Frame::Icrs => |d| d,
            Frame::Fk5 => icrs_to_fk5,
            Frame::Fk4 => |d| {
                let fk5 = icrs_to_fk5(d);
                let (ra, dec, _, _) = fk54z(fk5.lon_rad, fk5.lat_rad, 1950.0);
                Direction { lon_rad: ra, lat_rad: dec, frame: Frame::Fk4 }
            },
            frame => return Err(Error::Frame { frame }),
        };
        let in_frame = |offset: f64| -> Result<Direction, Error> {
            let (mut ra, mut dec) = (app.lon_rad, app.lat_rad + offset);
            if dec.abs() > FRAC_PI_2 {
                ra += PI;
                dec = dec.signum() * PI - dec;
            }
            Ok(from_icrs(self.to_icrs(apparent(ra, dec))?))
        };
        Ok(-position_angle(in_frame(-HALF_DEGREE)?, in_frame(HALF_DEGREE)?))
    }

    /// The axes u, v, w of a phase centre; v points to the north of the direction's frame.
    ///
    /// # Errors
    /// As [`to_apparent`](Self::to_apparent).
    pub fn uvw_axes(&self, direction: Direction) -> Result<UvwAxes, Error> {
        let app = self.to_apparent(direction)?;
        let pa = self.frame_position_angle(app, direction.frame)?;
        Ok(UvwAxes::new(self.site.longitude_rad, self.last_rad - app.lon_rad, app.lat_rad, pa))
    }
}

/// A direction of a source list or a Measurement Set in another celestial frame: ICRS, J2000 ([`Frame::Fk5`]) or B1950
/// ([`Frame::Fk4`]), whose directions do not depend on time and place.
///
/// J2000 is here what casacore, and with it CASA and DP3, means by it: the mean equator and equinox of that epoch, which
/// differs from ICRS by the frame bias of IAU 2000 (17 mas; SOFA's `bp00`). The catalogue FK5 that [`SkyAt`] shares with
/// astropy is turned by another 20 mas, which is 0.01 rad of phase on a baseline of 10⁴ wavelengths.
///
/// # Errors
/// [`Error::Frame`] for the other frames: [`SkyAt`] has those.
pub fn convert(direction: Direction, to: Frame) -> Result<Direction, Error> {
    if direction.frame == to {
        return Ok(direction);
    }
    let (bias, _, _) = bp00(DJ00, 0.0);
    let vector = s2c(direction.lon_rad, direction.lat_rad);
    let mut icrs = [0.0; 3];
    match direction.frame {
        Frame::Icrs => icrs = vector,
        Frame::Fk5 => trxp(&bias, &vector, &mut icrs),
        Frame::Fk4 => {
            let (ra, dec) = fk45z(direction.lon_rad, direction.lat_rad, 1950.0);
            trxp(&bias, &s2c(ra, dec), &mut icrs);
        }
        frame => return Err(Error::Frame { frame }),
    }
    let mut j2000 = [0.0; 3];
    rxp(&bias, &icrs, &mut j2000);
    let (lon, lat) = match to {
        Frame::Icrs => c2s(&icrs),
        Frame::Fk5 => c2s(&j2000),
        Frame::Fk4 => {
            let (lon, lat) = c2s(&j2000);
            let (ra, dec, _, _) = fk54z(lon, lat, 1950.0);
            (ra, dec)
        }
        frame => return Err(Error::Frame { frame }),
    };
    Ok(Direction { lon_rad: anp(lon), lat_rad: lat, frame: to })
}

fn apparent(ra_rad: f64, dec_rad: f64) -> Direction {
    Direction { lon_rad: anp(ra_rad), lat_rad: dec_rad, frame: Frame::Apparent }
}

/// Position angle of `b` seen from `a`, radians: SOFA's `pas`.
fn position_angle(a: Direction, b: Direction) -> f64 {
    let dl = b.lon_rad - a.lon_rad;
    let y = dl.sin() * b.lat_rad.cos();
    let x = b.lat_rad.sin() * a.lat_rad.cos() - b.lat_rad.cos() * a.lat_rad.sin() * dl.cos();
    if x != 0.0 || y != 0.0 { y.atan2(x) } else { 0.0 }
}

/// The rotation from ICRS to FK5 J2000: the pole and origin offsets of USNO Circular 179, section 3.5, eq. 3.8, as in astropy.
fn fk5_rotation() -> [[f64; 3]; 3] {
    const MAS: f64 = PI / (180.0 * 3600.0 * 1000.0);
    let mut r = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    rz(-22.9 * MAS, &mut r);
    ry(9.1 * MAS, &mut r);
    rx(19.9 * MAS, &mut r);
    r
}

fn icrs_to_fk5(icrs: Direction) -> Direction {
    let mut turned = [0.0; 3];
    rxp(&fk5_rotation(), &s2c(icrs.lon_rad, icrs.lat_rad), &mut turned);
    let (lon, lat) = c2s(&turned);
    Direction { lon_rad: anp(lon), lat_rad: lat, frame: Frame::Fk5 }
}

fn fk5_to_icrs(fk5: Direction) -> Direction {
    let mut turned = [0.0; 3];
    trxp(&fk5_rotation(), &s2c(fk5.lon_rad, fk5.lat_rad), &mut turned);
    let (lon, lat) = c2s(&turned);
    Direction::icrs(anp(lon), lat)
}
