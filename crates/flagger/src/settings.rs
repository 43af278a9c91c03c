//! What is flagged, and from where on.

use crate::Error;

/// What is flagged. The defaults suit a set before its calibration: they find interference well above the noise and the
/// sky, and leave clean data alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Flag visibilities that are exactly zero: no correlator gives that.
    pub zeros: bool,
    /// Flag visibilities that are not finite. Where they stay unflagged they are left out of all statistics.
    pub not_finite: bool,
    /// Flag autocorrelations.
    pub autocorrelations: bool,
    /// Flag amplitudes above this, in the data's unit.
    pub clip_above: Option<f32>,
    /// Flag amplitudes below this, in the data's unit.
    pub clip_below: Option<f32>,
    /// Look for interference that all baselines see: in the mean over baselines of the amplitudes relative to their
    /// median. None: do not.
    pub array: Option<Search>,
    /// Look for outliers in each baseline by itself. None: do not.
    pub baseline: Option<Search>,
    /// Flag all correlations where one of them is flagged by a search.
    pub all_correlations: bool,
    /// Flag so many integrations of the same baseline before and after each sample that a search flagged.
    pub extend_times: usize,
    /// Flag so many channels on both sides of each sample that a search flagged.
    pub extend_channels: usize,
    /// Flag the rest of a channel, or of an integration, of which the searches flagged more than this fraction. 1: never.
    pub fill: f32,
    /// An antenna of which more than this fraction is flagged is dead: all of it is flagged. 1: never.
    pub dead_antenna: f32,
}

/// How a search works: see [`search`](crate::search).
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// How far above its surroundings a sample, or the mean of neighbouring samples, stands out, in robust standard
    /// deviations of such means (1.4826 times the median absolute deviation).
    pub sigmas: f32,
    /// The least standard deviation that is believed, as a fraction of the median amplitude: what is nearly constant has
    /// no outliers.
    pub floor: f32,
    /// The longest run of neighbours, in channels or integrations, that is looked at as one; a power of two.
    pub longest: usize,
    /// How often background and outliers are found anew, each without what the round before found.
    pub rounds: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            zeros: true,
            not_finite: true,
            autocorrelations: true,
            clip_above: None,
            clip_below: None,
            array: Some(Search { sigmas: 6.0, floor: 0.02, longest: 32, rounds: 3 }),
            baseline: Some(Search { sigmas: 6.0, floor: 0.05, longest: 8, rounds: 2 }),
            all_correlations: true,
            extend_times: 0,
            extend_channels: 0,
            fill: 0.75,
            dead_antenna: 0.95,
        }
    }
}

impl Settings {
    /// Nothing is flagged: to switch on what is wanted.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            zeros: false,
            not_finite: false,
            autocorrelations: false,
            array: None,
            baseline: None,
            all_correlations: false,
            fill: 1.0,
            dead_antenna: 1.0,
            ..Self::default()
        }
    }

    /// Refuses what cannot be meant.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`], with its name and value.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |name: &'static str, value: f32| Err(Error::Setting { name, value: f64::from(value) });
        for (name, fraction) in [("fill", self.fill), ("dead_antenna", self.dead_antenna)] {
            if !(0.0..=1.0).contains(&fraction) {
                return refuse(name, fraction);
            }
        }
        for (name, clip) in [("clip_above", self.clip_above), ("clip_below", self.clip_below)] {
            if let Some(clip) = clip.filter(|clip| clip.is_nan() || *clip < 0.0) {
                return refuse(name, clip);
            }
        }
        for search in self.array.iter().chain(&self.baseline) {
            if search.sigmas.is_nan() || search.sigmas <= 0.0 {
                return refuse("sigmas", search.sigmas);
            }
            if search.floor.is_nan() || search.floor < 0.0 {
                return refuse("floor", search.floor);
            }
            if !search.longest.is_power_of_two() {
                return refuse("longest", search.longest as f32);
            }
        }
        Ok(())
    }
}
