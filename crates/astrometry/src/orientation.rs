//! Earth orientation: polar motion and UT1−UTC by date.

use std::path::Path;

use vis_types::JulianDate;

use crate::Error;

const ARCSEC: f64 = std::f64::consts::PI / (180.0 * 3600.0);

/// The Earth's orientation at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orientation {
    /// Polar motion x, radians.
    pub pole_x_rad: f64,
    /// Polar motion y, radians.
    pub pole_y_rad: f64,
    /// UT1 − UTC, seconds.
    pub ut1_utc_s: f64,
}

/// Polar motion and UT1−UTC for every day of a span: a bundled snapshot, or the IERS's file that you give.
///
/// Between days the values are interpolated linearly and leap seconds are taken out of the difference, as astropy does.
/// *Outside the span the first or last value stays.* Ask [`covers`](Self::covers) and warn: UT1−UTC drifts by up to some 2 ms
/// a day, 30 mas on the sky, and a wrong UT1 turns the whole sky about the pole.
#[derive(Clone, Debug, PartialEq)]
pub struct EarthOrientation {
    first_mjd: i32,
    first_predicted_mjd: i32,
    /// Pole x and y in arcseconds, UT1−UTC in seconds, one a day; never empty.
    days: Vec<[f64; 3]>,
}

impl EarthOrientation {
    /// The snapshot that this crate carries: 2005 to a year after its making. Its head states its source.
    #[must_use]
    pub fn bundled() -> Self {
        Self::parse_snapshot(include_str!("../data/earth-orientation.txt"))
            .expect("because a test reads the bundled snapshot")
    }

    /// From the IERS's `finals2000A.all` or `finals2000A.data`, as their data centre offers them. Final values (Bulletin B)
    /// are used where the file has them, rapid and predicted ones (Bulletin A) elsewhere, as in astropy's `IERS_A`.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read, [`Error::Format`] when it is something else.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse_finals(&bytes).map_err(|(line, problem)| Error::Format { path: path.to_owned(), line, problem })
    }

    /// The orientation at a time.
    #[must_use]
    pub fn at(&self, time: JulianDate) -> Orientation {
        let mjd = time.mjd_days();
        let day = mjd.floor();
        let last = self.days.len() - 1;
        let index = day - f64::from(self.first_mjd);
        let [x, y, dut] = if index < 0.0 {
            self.days[0]
        } else if index >= last as f64 {
            self.days[last]
        } else {
            let i = index as usize;
            let (a, b, part) = (self.days[i], self.days[i + 1], mjd - day);
            let mut step = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
            // A leap second is a jump of UTC, not of UT1, and comes only at 0 h: take it out of the difference.
            step[2] -= step[2].round();
            [a[0] + part * step[0], a[1] + part * step[1], a[2] + part * step[2]]
        };
        Orientation { pole_x_rad: x * ARCSEC, pole_y_rad: y * ARCSEC, ut1_utc_s: dut }
    }

    /// Whether the time is inside the span of the data.
    #[must_use]
    pub fn covers(&self, time: JulianDate) -> bool {
        let (first, last) = self.span();
        (first.0..last.0).contains(&time.0)
    }

    /// First and last day of the data, 0 h UTC.
    #[must_use]
    pub fn span(&self) -> (JulianDate, JulianDate) {
        let day = |mjd: f64| JulianDate(mjd + JulianDate::MJD_ZERO);
        (day(f64::from(self.first_mjd)), day(f64::from(self.first_mjd) + (self.days.len() - 1) as f64))
    }

    /// From this day on the values are predictions: good to 10 ms of UT1 (0.15″) after some ninety days.
    #[must_use]
    pub fn first_prediction(&self) -> JulianDate {
        JulianDate(f64::from(self.first_predicted_mjd) + JulianDate::MJD_ZERO)
    }

    /// The format of `data/earth-orientation.txt`, which its first lines describe.
    fn parse_snapshot(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|l| !l.starts_with('#'));
        let mut head = |key: &str| lines.next()?.strip_prefix(key)?.trim().parse::<i32>().ok();
        let (first_mjd, first_predicted_mjd) = (head("first-mjd")?, head("first-predicted-mjd")?);
        let days = lines
            .map(|line| {
                let mut numbers = line.split(' ').map(|n| n.parse::<i32>().ok().map(f64::from));
                Some([numbers.next()?? / 1e6, numbers.next()?? / 1e6, numbers.next()?? / 1e7])
            })
            .collect::<Option<Vec<_>>>()?;
        (days.len() >= 2).then_some(Self { first_mjd, first_predicted_mjd, days })
    }

    /// The column format of `finals2000A`, as `readme.finals2000A` of the IERS describes it. An error has the line and what is wrong.
    fn parse_finals(bytes: &[u8]) -> Result<Self, (usize, &'static str)> {
        let mut first_mjd = 0;
        let mut first_predicted_mjd = None;
        let mut days: Vec<[f64; 3]> = Vec::new();
        let mut lines_read = 0;
        for (line_index, line) in bytes.split(|&b| b == b'\n').enumerate() {
            lines_read = line_index + 1;
            let fail = |problem| (line_index + 1, problem);
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            // Columns are counted from 1 in the description.
            let field = |from: usize, to: usize| -> Option<f64> {
                let text = std::str::from_utf8(line.get(from - 1..to.min(line.len()))?).ok()?.trim();
                text.parse::<f64>().ok().filter(|v| v.is_finite())
            };
            let flag = |column: usize| line.get(column - 1).copied();
            let mjd = field(8, 15).ok_or(fail("no modified Julian date in columns 8 to 15"))?;
            if mjd.fract() != 0.0 || !(30_000.0..200_000.0).contains(&mjd) {
                return Err(fail("the modified Julian date is not a whole day of this era"));
            }
            let (Some(x), Some(y), Some(dut)) = (field(19, 27), field(38, 46), field(59, 68)) else {
                // The file ends with days that have a date and nothing else yet.
                if days.is_empty() {
                    return Err(fail("no pole or UT1-UTC in columns 19-27, 38-46 and 59-68"));
                }
                continue;
            };
            let mjd = mjd as i32;
            if days.is_empty() {
                first_mjd = mjd;
            } else if mjd != first_mjd + days.len() as i32 {
                return Err(fail("the day does not follow the line before"));
            }
            if first_predicted_mjd.is_none() && (flag(17) == Some(b'P') || flag(58) == Some(b'P')) {
                first_predicted_mjd = Some(mjd);
            }
            let pole = match (field(135, 144), field(145, 154)) {
                (Some(x), Some(y)) => [x, y],
                _ => [x, y],
            };
            days.push([pole[0], pole[1], field(155, 165).unwrap_or(dut)]);
        }
        if days.len() < 2 {
            return Err((lines_read, "fewer than two days of data"));
        }
        let end = first_mjd + days.len() as i32;
        Ok(Self { first_mjd, first_predicted_mjd: first_predicted_mjd.unwrap_or(end), days })
    }
}
