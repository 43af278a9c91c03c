//! Angles as people and programs write them.

use std::f64::consts::{FRAC_PI_2, TAU};

use vis_types::Direction;

/// Why a text is no angle, or no direction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is {problem}")]
pub struct AngleError {
    /// The text.
    pub found: String,
    /// Why it is none.
    pub problem: &'static str,
    /// How it is written.
    pub hint: &'static str,
}

/// What an angle with colons, as `05:42:36.1`, is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colons {
    /// Hours, minutes and seconds of time.
    Hours,
    /// Degrees, minutes and seconds of arc.
    Degrees,
    /// Nothing: some programs would take hours, others degrees.
    Refused,
}

/// What an angle that is only a number is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Degrees.
    Degrees,
    /// Nothing: the unit must be there.
    Refused,
}

/// A direction from two texts, in ICRS.
///
/// Numbers are degrees; `05:42:36.1` and `5h42m36.1s` are hours of right ascension, `+49:51:07`, `49.51.07` and `49d51m07s`
/// degrees of declination. Units may be given: `85.65deg`, `0.87rad`.
///
/// # Errors
/// [`AngleError`] where one of them is of another form or beyond its range (right ascension 0 to 360°, or down to −180°;
/// declination ±90°).
pub fn direction(ra: &str, dec: &str) -> Result<Direction, AngleError> {
    let refuse = |found: &str, (problem, hint)| AngleError { found: crate::error::shortened(found), problem, hint };
    let ra_rad = parse(ra, Colons::Hours, Bare::Degrees).and_then(right_ascension).map_err(|why| refuse(ra, why))?;
    let dec_rad = parse(dec, Colons::Degrees, Bare::Degrees).and_then(declination).map_err(|why| refuse(dec, why))?;
    Ok(Direction::icrs(ra_rad, dec_rad))
}

/// A right ascension within its range, as it was given.
pub(crate) fn right_ascension(rad: f64) -> Result<f64, (&'static str, &'static str)> {
    // A whole turn survives being converted from degrees or hours.
    if (-0.5 * TAU..=TAU * (1.0 + f64::EPSILON)).contains(&rad) {
        Ok(rad)
    } else {
        Err(("beyond the circle", "right ascension is 0 to 360 degrees, 0 to 24 hours"))
    }
}

/// A declination within its range.
pub(crate) fn declination(rad: f64) -> Result<f64, (&'static str, &'static str)> {
    if rad.abs() <= FRAC_PI_2 * (1.0 + f64::EPSILON) {
        Ok(rad.clamp(-FRAC_PI_2, FRAC_PI_2))
    } else {
        Err(("beyond the pole", "declination is −90 to 90 degrees"))
    }
}

/// Radians; or what is wrong, and what to do.
pub(crate) fn parse(text: &str, colons: Colons, bare: Bare) -> Result<f64, (&'static str, &'static str)> {
    const FORM: (&str, &str) = (
        "not an angle",
        "write 05:42:36.1 or 5h42m36.1s, 49.51.07.2 or 49d51m07.2s, or a number and its unit: 85.65deg",
    );
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(FORM);
    }
    if digits.contains(':') {
        let unit_rad = match colons {
            Colons::Hours => TAU / 24.0,
            Colons::Degrees => TAU / 360.0,
            Colons::Refused => {
                return Err((
                    "an angle with colons, which is hours to some programs and degrees to others",
                    "write the declination with dots, 49.51.07.2, or as 49d51m07.2s",
                ));
            }
        };
        let parts: Vec<&str> = digits.split(':').collect();
        return Ok(sign * unit_rad * sexagesimal(&parts)?);
    }
    let lower = digits.to_ascii_lowercase();
    let is_whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let letters = lower.split_once(['h', 'd']).filter(|(whole, rest)| is_whole(whole) && !rest.starts_with("eg"));
    if let Some((whole, rest)) = letters {
        let unit_rad = if lower.contains('h') { TAU / 24.0 } else { TAU / 360.0 };
        let (minutes, seconds) = match rest.split_once('m') {
            Some((minutes, seconds)) => (minutes, seconds.strip_suffix('s').unwrap_or(seconds)),
            None if rest.is_empty() => ("0", "0"),
            None => return Err(FORM),
        };
        let seconds = if seconds.is_empty() { "0" } else { seconds };
        return Ok(sign * unit_rad * sexagesimal(&[whole, minutes, seconds])?);
    }
    if lower.matches('.').count() >= 2 {
        let mut parts = lower.splitn(3, '.');
        let parts: [&str; 3] = std::array::from_fn(|_| parts.next().unwrap_or(""));
        return Ok(sign * TAU / 360.0 * sexagesimal(&parts)?);
    }
    let units = [
        ("deg", TAU / 360.0),
        ("arcmin", TAU / 21_600.0),
        ("arcsec", TAU / 1_296_000.0),
        ("asec", TAU / 1_296_000.0),
        ("rad", 1.0),
    ];
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite()).ok_or(FORM);
    for (unit, rad) in units {
        if let Some(value) = lower.strip_suffix(unit) {
            return Ok(sign * rad * number(value)?);
        }
    }
    let value = number(&lower)?;
    match bare {
        Bare::Degrees => Ok(sign * TAU / 360.0 * value),
        Bare::Refused => Err(("an angle without a unit", "write 85.65deg or 1.4949rad, 05:42:36.1 or 49.51.07.2")),
    }
}

/// Whole units, minutes and seconds as units.
fn sexagesimal(parts: &[&str]) -> Result<f64, (&'static str, &'static str)> {
    const FORM: (&str, &str) = ("not a sexagesimal angle", "minutes and seconds are 0 to 59.999…, as in 05:42:36.1");
    let [whole, minutes, seconds] = *parts else { return Err(FORM) };
    let count = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<f64>().ok().filter(|_| digits).ok_or(FORM)
    };
    let (whole, minutes) = (count(whole)?, count(minutes)?);
    let plain = seconds.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds: f64 = seconds.parse().ok().filter(|_| plain).ok_or(FORM)?;
    if minutes >= 60.0 || seconds >= 60.0 {
        return Err(FORM);
    }
    Ok(whole + minutes / 60.0 + seconds / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(text: &str, colons: Colons) -> Result<f64, &'static str> {
        parse(text, colons, Bare::Refused).map(f64::to_degrees).map_err(|why| why.0)
    }

    #[test]
    fn every_usual_form_is_read() {
        let near = |found: Result<f64, &str>, wanted: f64| {
            assert!(found.is_ok_and(|x| (x - wanted).abs() < 1e-11), "{found:?} is not {wanted}");
        };
        // 5 h 42 m 36.1 s is 85.65041666… degrees.
        for text in ["05:42:36.1", "5h42m36.1s", "5H42M36.1", "85.650416666666667deg", "1.49488177653836rad"] {
            near(degrees(text, Colons::Hours), 85.650_416_666_666_67);
        }
        for text in ["-00.30.36.0", "-0:30:36", "-00d30m36s", "-0.51 deg", "-30.6arcmin", "-1836arcsec"] {
            near(degrees(text, Colons::Degrees), -0.51);
        }
        near(degrees("49.51.07.23", Colons::Refused), 49.852_008_333_333_33);
        near(degrees("12d", Colons::Refused), 12.0);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "abc",
            "5:60:00",
            "5:00:60",
            "5:0",
            "1:2:3:4",
            "5h",
            "nan",
            "inf",
            "1e",
            "--3deg",
            "5 : a : 1",
            "12.x.4",
        ] {
            assert!(degrees(text, Colons::Hours).is_err() || text == "5h", "{text} was taken");
        }
        assert_eq!(degrees("49:51:07", Colons::Refused).map_err(|e| e.contains("colons")), Err(true));
        assert_eq!(degrees("83.6", Colons::Hours), Err("an angle without a unit"));
        assert!(direction("83.6", "90.1").is_err_and(|e| e.problem == "beyond the pole"));
        assert!(direction("25:00:00", "1").is_err_and(|e| e.problem == "beyond the circle"));
        assert!(direction("359.9", "-90").is_ok() && direction("24:00:00", "90").is_ok());
    }
}
