//! A table's solutions at any time, on the channels of a set: what CASA's `applycal` does.

use std::f64::consts::{PI, TAU};

use num_complex::{Complex32, Complex64};
use vis_types::{MsAntenna, SpectralWindow};

use crate::error::{Error, Result};
use crate::matching;
use crate::table::{CalTable, Kind, Values};

/// How solutions are interpolated in time. Before the first and after the last the nearest holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InTime {
    /// The nearest solution that is not flagged.
    Nearest,
    /// Linear in amplitude and in phase (the short way round) between the two around.
    #[default]
    Linear,
}

/// What becomes of channels whose solution is flagged while others of the window have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlaggedChannels {
    /// They are interpolated from their neighbours: CASA's `linear`.
    #[default]
    Interpolate,
    /// They have no solution, and the data there are flagged: CASA's `linearflag`.
    Flag,
}

/// Choices of [`Interpolator::new`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InterpolateOptions {
    /// In time.
    pub time: InTime,
    /// In frequency.
    pub flagged_channels: FlaggedChannels,
    /// The table is refused for data further than this from its first or last solution, seconds.
    pub reach_s: f64,
}

impl Default for InterpolateOptions {
    fn default() -> Self {
        // A bandpass holds for half a day in this array's pipeline.
        Self { time: InTime::default(), flagged_channels: FlaggedChannels::default(), reach_s: 43_200.0 }
    }
}

/// What is to be corrected.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The set's antennas.
    pub antennas: &'a [MsAntenna],
    /// Which of them have data: those the table must know.
    pub with_data: &'a [bool],
    /// The number of the spectral window.
    pub number: usize,
    /// The spectral window.
    pub window: &'a SpectralWindow,
    /// Receptors: 1 or 2.
    pub receptors: usize,
    /// First and last time of the data, MJD seconds.
    pub time_range: (f64, f64),
}

/// A table's solutions for one spectral window of a set.
#[derive(Clone, Debug)]
pub struct Interpolator {
    kind: Kind,
    options: InterpolateOptions,
    antennas: usize,
    receptors: usize,
    channels: usize,
    /// Channel centres against the table's reference frequency, hertz; for delays.
    offset_hz: Vec<f64>,
    /// By antenna and receptor: usable solutions in order of time.
    tracks: Vec<Vec<Solution>>,
}

#[derive(Clone, Debug)]
struct Solution {
    time_s: f64,
    /// On the set's channels, 0 where there is none; one value where it is the same for all.
    gains: Vec<Complex64>,
    /// Delay, seconds.
    delay_s: f64,
    /// Mean of |g|² over the channels that have a solution of their own.
    power: f64,
}

impl Interpolator {
    /// The solutions of `table`, called `name` in errors, for a window of a set.
    ///
    /// # Errors
    ///
    /// [`Error::DoesNotFit`] where antennas, frequencies, receptors or times do not fit.
    pub fn new(table: &CalTable, name: &str, target: &Target<'_>, options: InterpolateOptions) -> Result<Self> {
        let number = matching::window(table, name, target.number, target.window)?;
        let places = matching::antennas(table, name, target.antennas, target.with_data)?;
        check_times(table, name, target.time_range, options.reach_s)?;
        let window = &table.windows[number];
        let channels = target.window.len();
        let mut tracks = vec![Vec::new(); target.antennas.len() * target.receptors];
        for row in table.rows.iter().filter(|row| usize::try_from(row.window) == Ok(number)) {
            if row.receptors < target.receptors && table.kind != Kind::Common {
                let found = format!("{} receptors in the table, {} in the data", row.receptors, target.receptors);
                return Err(Error::misfit(name, found));
            }
            let of_row = usize::try_from(row.antenna).ok();
            for (antenna, _) in places.iter().enumerate().filter(|(_, place)| **place == of_row) {
                for receptor in 0..target.receptors {
                    let column = receptor.min(row.receptors - 1);
                    let at = |channel: usize| channel * row.receptors + column;
                    let usable = |channel: &usize| !row.flags[at(*channel)];
                    let solution = match &row.values {
                        Values::Delays(delays) => (usable(&0) && delays[column].is_finite()).then(|| Solution {
                            time_s: row.time_s,
                            gains: Vec::new(),
                            delay_s: f64::from(delays[column]) * 1e-9,
                            power: 1.0,
                        }),
                        Values::Gains(gains) => {
                            let points: Vec<(f64, Complex64)> = (0..row.channels)
                                .filter(usable)
                                .map(|channel| (window.freq_hz[channel], to_f64(gains[at(channel)])))
                                .filter(|(_, gain)| gain.norm_sqr() > 0.0 && gain.is_finite())
                                .collect();
                            let whole = table.kind != Kind::Bandpass;
                            Solution::of_gains(row.time_s, points, whole, window, target.window, options)
                        }
                    };
                    tracks[antenna * target.receptors + receptor].extend(solution);
                }
            }
        }
        for track in &mut tracks {
            track.sort_by(|a: &Solution, b: &Solution| a.time_s.total_cmp(&b.time_s));
        }
        let zero_hz = window.freq_hz.first().copied().unwrap_or(window.ref_freq_hz);
        Ok(Self {
            kind: table.kind,
            options,
            antennas: target.antennas.len(),
            receptors: target.receptors,
            channels,
            offset_hz: target.window.freq_hz.iter().map(|freq| freq - zero_hz).collect(),
            tracks,
        })
    }

    /// Multiplies `gains`, `[antenna, receptor, channel]`, by the gains at a time, and `powers`, `[antenna, receptor]`, by the
    /// mean of |g|², by which weights change. Where there is no solution the gain becomes 0 and the power stays.
    ///
    /// # Panics
    ///
    /// When `gains` or `powers` are of other lengths.
    pub fn multiply(&self, time_s: f64, gains: &mut [Complex32], powers: &mut [f32]) {
        assert_eq!(gains.len(), self.antennas * self.receptors * self.channels);
        assert_eq!(powers.len(), self.antennas * self.receptors);
        let mut now = Vec::new();
        let rows = gains.chunks_exact_mut(self.channels.max(1)).zip(powers).zip(&self.tracks);
        for ((gains, power), track) in rows {
            match self.at(track, time_s, &mut now) {
                None => gains.fill(Complex32::ZERO),
                Some(factor) => {
                    *power *= factor as f32;
                    match now.as_slice() {
                        [one] => gains.iter_mut().for_each(|gain| *gain *= to_f32(*one)),
                        all => gains.iter_mut().zip(all).for_each(|(gain, now)| *gain *= to_f32(*now)),
                    }
                }
            }
        }
    }

    /// The gains of one antenna's receptor at a time into `now`, and the mean of |g|².
    fn at(&self, track: &[Solution], time_s: f64, now: &mut Vec<Complex64>) -> Option<f64> {
        now.clear();
        let after = track.partition_point(|solution| solution.time_s < time_s);
        let (before, after) = (after.checked_sub(1).map(|k| &track[k]), track.get(after));
        let (one, other, part) = match (before, after) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => (one, one, 0.0),
            (Some(one), Some(other)) => {
                let part = (time_s - one.time_s) / (other.time_s - one.time_s).max(f64::MIN_POSITIVE);
                match self.options.time {
                    InTime::Linear => (one, other, part),
                    InTime::Nearest if part <= 0.5 => (one, one, 0.0),
                    InTime::Nearest => (other, other, 0.0),
                }
            }
        };
        if self.kind == Kind::Delay {
            let delay = one.delay_s + part * (other.delay_s - one.delay_s);
            now.extend(self.offset_hz.iter().map(|offset| Complex64::cis(TAU * delay * offset)));
            return Some(1.0);
        }
        if part == 0.0 {
            now.extend_from_slice(&one.gains);
            return Some(one.power);
        }
        now.extend(one.gains.iter().zip(&other.gains).map(|(a, b)| between(*a, *b, part)));
        match now.as_slice() {
            [gain] => Some(gain.norm_sqr()),
            _ => Some(one.power + part * (other.power - one.power)),
        }
    }
}

impl Solution {
    /// Gains at `points` (frequency, gain) on the channels of `set`; `None` without points.
    fn of_gains(
        time_s: f64,
        mut points: Vec<(f64, Complex64)>,
        whole: bool,
        table: &SpectralWindow,
        set: &SpectralWindow,
        options: InterpolateOptions,
    ) -> Option<Self> {
        let power = points.iter().map(|(_, gain)| gain.norm_sqr()).sum::<f64>() / points.len().max(1) as f64;
        let first = points.first()?.1;
        if whole {
            return Some(Self { time_s, gains: vec![first], delay_s: 0.0, power });
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let spacing = table.width_hz.iter().fold(0.0, |most, width| f64::max(most, width.abs()));
        let gains = set.freq_hz.iter().map(|&freq| {
            let gain = on_line(&points, freq);
            let near = points.partition_point(|point| point.0 < freq - 0.75 * spacing);
            let has_own = points.get(near).is_some_and(|point| point.0 <= freq + 0.75 * spacing);
            match options.flagged_channels {
                FlaggedChannels::Flag if !has_own => Complex64::ZERO,
                _ => gain,
            }
        });
        Some(Self { time_s, gains: gains.collect(), delay_s: 0.0, power })
    }
}

/// Linear in amplitude and phase between the points around a frequency; the first or last point outside of them.
fn on_line(points: &[(f64, Complex64)], freq_hz: f64) -> Complex64 {
    let after = points.partition_point(|point| point.0 < freq_hz);
    match (after.checked_sub(1).map(|k| points[k]), points.get(after)) {
        (_, Some(b)) if b.0 == freq_hz => b.1,
        (Some(a), Some(b)) => between(a.1, b.1, (freq_hz - a.0) / (b.0 - a.0)),
        (Some(a), None) => a.1,
        (None, Some(b)) => b.1,
        (None, None) => Complex64::ZERO,
    }
}

/// Part of the way from one gain to another, in amplitude and, the short way round, in phase; where one is missing, the other.
fn between(a: Complex64, b: Complex64, part: f64) -> Complex64 {
    let ((ra, pa), (rb, pb)) = (a.to_polar(), b.to_polar());
    if ra == 0.0 || rb == 0.0 {
        return if ra == 0.0 { b } else { a };
    }
    let mut turn = pb - pa;
    if turn > PI {
        turn -= TAU;
    } else if turn < -PI {
        turn += TAU;
    }
    Complex64::from_polar(ra + part * (rb - ra), pa + part * turn)
}

fn check_times(table: &CalTable, name: &str, (first, last): (f64, f64), reach_s: f64) -> Result<()> {
    let Some((from, to)) = table.time_range() else { return Err(Error::misfit(name, "it has no solutions")) };
    let gap = (from - last).max(first - to);
    if gap <= reach_s {
        return Ok(());
    }
    let found = format!(
        "its solutions are {:.1} h {} the data; at most {:.1} h are allowed",
        gap / 3600.0,
        if from > last { "after" } else { "before" },
        reach_s / 3600.0
    );
    Err(Error::misfit(name, found))
}

fn to_f64(gain: Complex32) -> Complex64 {
    Complex64::new(gain.re.into(), gain.im.into())
}

fn to_f32(gain: Complex64) -> Complex32 {
    Complex32::new(gain.re as f32, gain.im as f32)
}
