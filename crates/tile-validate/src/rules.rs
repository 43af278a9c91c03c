//! The thresholds of all rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Rule, Severity};

/// Every threshold. The defaults are those of the original pipeline where it had a rule that could work, and suit its tiles:
/// 3.5° across, 2″ to 6″ pixels, a 4.65 m dish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// `finite`: at least this fraction of the pixels.
    pub min_finite_fraction: f64,
    /// `noise`: at most this, Jy/beam.
    pub max_noise_jy: f64,
    /// `dynamic-range`: the brightest pixel over the noise is at least this.
    pub min_dynamic_range: f64,
    /// `trough`: the brightest over the deepest pixel is at least this.
    pub min_peak_to_trough: f64,
    /// `beam`: its minor axis has at least as many pixels as this.
    pub min_beam_pixels: f64,
    /// `beam`: its major axis is at most this, arcseconds.
    pub max_beam_arcsec: f64,
    /// `primary-beam`: whether each tile needs a file with its primary beam.
    pub primary_beam: bool,
    /// The used region: the middle of a tile, this fraction of each side.
    pub used_fraction: f64,
    /// `primary-beam-range`: at least this in the used region.
    pub min_primary_beam: f64,
    /// `primary-beam-range`: at most this anywhere.
    pub max_primary_beam: f64,
    /// `calibrated`, `calibration-set`, `calibration-validity`: whether the database is asked about calibration.
    pub calibration: bool,
    /// `pixel-scale`: relative difference from the median, at most.
    pub max_scale_difference: f64,
    /// `noise-outlier`: at most so many times the median, and at least the median over this.
    pub max_noise_ratio: f64,
    /// `beam-outlier`: relative difference of either axis from the median, at most.
    pub max_beam_difference: f64,
    /// `primary-beam-outlier`: the least value in the used region is at least so many times the median of all tiles.
    pub min_primary_beam_ratio: f64,
    /// `primary-beam-outlier`: the greatest value is at most so many times the median of all tiles.
    pub max_primary_beam_ratio: f64,
    /// `frequency-spread`: difference from the median, at most half of this, MHz.
    pub max_frequency_spread_mhz: f64,
    /// `order`: whether the tiles must be given in the order of their times.
    pub check_order: bool,
    /// `gap`: whether the tiles must be connected by overlaps.
    pub check_gaps: bool,
    /// `astrometry`: sources of at least this flux density count, Jy.
    pub min_source_jy: f64,
    /// `astrometry`: sources whose peak is at least so many times the noise count.
    pub min_source_snr: f64,
    /// `astrometry`: at least so many sources must be found for a verdict.
    pub min_sources: usize,
    /// `astrometry`: sources are searched within this, arcseconds.
    pub source_box_arcsec: f64,
    /// `astrometry`: the median offset is at most this, arcseconds.
    pub max_offset_arcsec: f64,
    /// Other severities than the rules' own; `off` does without a rule.
    pub severity: BTreeMap<Rule, Severity>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            min_finite_fraction: 0.5,
            max_noise_jy: 0.1,
            min_dynamic_range: 5.0,
            min_peak_to_trough: 1.2,
            min_beam_pixels: 2.0,
            max_beam_arcsec: 300.0,
            primary_beam: true,
            used_fraction: 0.5,
            min_primary_beam: 0.1,
            max_primary_beam: 1.05,
            calibration: true,
            max_scale_difference: 1e-9,
            max_noise_ratio: 5.0,
            max_beam_difference: 0.2,
            min_primary_beam_ratio: 0.5,
            max_primary_beam_ratio: 1.5,
            max_frequency_spread_mhz: 50.0,
            check_order: false,
            check_gaps: true,
            min_source_jy: 0.01,
            min_source_snr: 5.0,
            min_sources: 3,
            source_box_arcsec: 30.0,
            max_offset_arcsec: 2.0,
            severity: BTreeMap::new(),
        }
    }
}

impl Rules {
    /// How bad the findings of `rule` are.
    #[must_use]
    pub fn severity_of(&self, rule: Rule) -> Severity {
        self.severity.get(&rule).copied().unwrap_or(rule.severity())
    }

    /// That every threshold is a number that makes sense.
    ///
    /// # Errors
    /// [`Error::Rules`] for the first that does not.
    pub fn check(&self) -> Result<(), Error> {
        let fractions = [
            ("min_finite_fraction", self.min_finite_fraction),
            ("used_fraction", self.used_fraction),
            ("min_primary_beam", self.min_primary_beam),
        ];
        for (name, value) in fractions {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Rules { name, value, expected: "between 0 and 1" });
            }
        }
        let positive = [
            ("used_fraction", self.used_fraction),
            ("max_noise_jy", self.max_noise_jy),
            ("max_beam_arcsec", self.max_beam_arcsec),
            ("max_primary_beam", self.max_primary_beam),
            ("max_beam_difference", self.max_beam_difference),
            ("max_frequency_spread_mhz", self.max_frequency_spread_mhz),
            ("source_box_arcsec", self.source_box_arcsec),
            ("max_offset_arcsec", self.max_offset_arcsec),
        ];
        for (name, value) in positive {
            if value.is_nan() || value <= 0.0 {
                return Err(Error::Rules { name, value, expected: "above 0" });
            }
        }
        let others = [
            ("min_dynamic_range", self.min_dynamic_range),
            ("min_peak_to_trough", self.min_peak_to_trough),
            ("min_beam_pixels", self.min_beam_pixels),
            ("max_scale_difference", self.max_scale_difference),
            ("min_primary_beam_ratio", self.min_primary_beam_ratio),
            ("max_primary_beam_ratio", self.max_primary_beam_ratio),
            ("min_source_jy", self.min_source_jy),
            ("min_source_snr", self.min_source_snr),
        ];
        for (name, value) in others {
            if value.is_nan() || value < 0.0 {
                return Err(Error::Rules { name, value, expected: "a number from 0 on" });
            }
        }
        if self.max_noise_ratio.is_nan() || self.max_noise_ratio < 1.0 {
            return Err(Error::Rules { name: "max_noise_ratio", value: self.max_noise_ratio, expected: "1 or more" });
        }
        Ok(())
    }
}
