//! Times and directions as astronomers write them, and numbers of things.

use vis_types::MjdSeconds;

/// The modified Julian date of the Unix epoch.
const UNIX_MJD: f64 = 40_587.0;

/// `2026-01-25T00:05:19.250`, UTC.
pub(crate) fn utc(time: MjdSeconds) -> String {
    let milliseconds = ((time.0 - UNIX_MJD * 86_400.0) * 1e3).round();
    jiff::Timestamp::from_millisecond(milliseconds as i64)
        .map_or_else(|_| format!("MJD {} s", time.0), |t| t.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string())
}

/// The modified Julian date of `2026-01-25`, `2026-01-25T00:05:19`, both UTC, or of a number that is one.
pub(crate) fn mjd(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|mjd| mjd.is_finite());
    number
        .or_else(|| tile_validate::mjd_of(text))
        .ok_or_else(|| format!("`{text}` is no time; write UTC like 2026-01-25T00:05:19, or a modified Julian date"))
}

/// `00:30:37.85`: a longitude in degrees as hours of right ascension.
pub(crate) fn hours(lon_deg: f64) -> String {
    split("", lon_deg.rem_euclid(360.0) / 15.0, 100.0, 24)
}

/// `349:30:00.0`: a longitude in degrees.
pub(crate) fn degrees(lon_deg: f64) -> String {
    split("", lon_deg.rem_euclid(360.0), 10.0, 360)
}

/// `+54:27:06.7`: a latitude in degrees.
pub(crate) fn latitude(lat_deg: f64) -> String {
    split(if lat_deg < 0.0 { "-" } else { "+" }, lat_deg.abs(), 10.0, u64::MAX)
}

/// Units, minutes and seconds, the latter in `parts` (10 or 100), rounded as a whole so that no 60 appears.
fn split(sign: &str, value: f64, parts: f64, turn: u64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let total = (value * 3600.0 * parts).round() as u64;
    let digits = if parts > 10.0 { 2 } else { 1 };
    let (seconds, minutes) = (total % (60 * parts as u64), total / (60 * parts as u64));
    let width = digits + 3;
    format!("{sign}{:02}:{:02}:{:0width$.digits$}", (minutes / 60) % turn, minutes % 60, seconds as f64 / parts)
}

/// `1 scan`, `2 scans`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_rounded_as_a_whole() {
        assert_eq!((hours(85.65), latitude(-0.5)), ("05:42:36.00".to_owned(), "-00:30:00.0".to_owned()));
        assert_eq!(
            (hours(359.999_999_99), latitude(54.999_999_9)),
            ("00:00:00.00".to_owned(), "+55:00:00.0".to_owned())
        );
        assert_eq!((degrees(-10.5), latitude(f64::NAN)), ("349:30:00.0".to_owned(), "?".to_owned()));
    }

    #[test]
    fn times_in_iso() {
        // MJD 51544.5 is 2000-01-01T12:00.
        assert_eq!(utc(MjdSeconds(51_544.5 * 86_400.0 + 0.25)), "2000-01-01T12:00:00.250");
        for same in ["2000-01-01T12:00:00", "2000-01-01T12:00", "2000-01-01T12:00:00Z", "51544.5"] {
            assert_eq!(mjd(same), Ok(51_544.5), "{same}");
        }
        assert_eq!(mjd("2000-01-01"), Ok(51_544.0));
        for wrong in ["", "yesterday", "NaN", "2000-13-01"] {
            assert!(mjd(wrong).is_err(), "{wrong}");
        }
    }
}
