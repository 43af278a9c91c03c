//! How well data and model agree: sums over unflagged cross-correlations.

use calib_model::Complex32;
use serde_json::{Value, json};

type Sum = num_complex::Complex64;

/// Where the largest residual is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Worst {
    pub amplitude: f64,
    pub row: u64,
    pub channel: usize,
    pub correlation: usize,
    pub antennas: [i32; 2],
}

/// Sums over visibilities.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    count: u64,
    flagged: u64,
    not_finite: u64,
    data: f64,
    model: f64,
    residual: f64,
    /// Σ D − M.
    offset: Sum,
    /// Σ D·M*.
    product: Sum,
    worst: Option<Worst>,
}

/// One row of a block.
pub(crate) struct Row<'a> {
    pub row: u64,
    pub antennas: [i32; 2],
    pub flag_row: bool,
    /// `[channel, correlation]`, as the others.
    pub data: &'a [Complex32],
    pub model: &'a [Complex32],
    pub flag: &'a [bool],
    pub correlations: usize,
}

impl Tally {
    /// Adds a row. Autocorrelations are left out: they hold the receivers' noise power.
    pub(crate) fn add(&mut self, row: &Row<'_>) {
        if row.antennas[0] == row.antennas[1] {
            return;
        }
        if row.flag_row {
            self.flagged += row.data.len() as u64;
            return;
        }
        for (at, ((d, m), flag)) in row.data.iter().zip(row.model).zip(row.flag).enumerate() {
            if *flag {
                self.flagged += 1;
                continue;
            }
            if !(d.is_finite() && m.is_finite()) {
                self.not_finite += 1;
                continue;
            }
            let (d, m) = (Sum::new(d.re.into(), d.im.into()), Sum::new(m.re.into(), m.im.into()));
            let residual = d - m;
            self.count += 1;
            self.data += d.norm_sqr();
            self.model += m.norm_sqr();
            self.residual += residual.norm_sqr();
            self.offset += residual;
            self.product += d * m.conj();
            let amplitude = residual.norm();
            if self.worst.is_none_or(|worst| amplitude > worst.amplitude) {
                let (channel, correlation) = (at / row.correlations, at % row.correlations);
                self.worst = Some(Worst { amplitude, row: row.row, channel, correlation, antennas: row.antennas });
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.flagged += other.flagged;
        self.not_finite += other.not_finite;
        self.data += other.data;
        self.model += other.model;
        self.residual += other.residual;
        self.offset += other.offset;
        self.product += other.product;
        if other.worst.is_some_and(|b| self.worst.is_none_or(|a| b.amplitude > a.amplitude)) {
            self.worst = other.worst;
        }
    }

    fn rms(&self, sum: f64) -> Option<f64> {
        (self.count > 0).then(|| (sum / self.count as f64).sqrt())
    }

    /// The complex factor g for which Σ |D − g·M|² is least; `None` for a dark model.
    fn factor(&self) -> Option<Sum> {
        (self.model > 0.0).then(|| self.product / self.model)
    }

    pub(crate) fn document(&self) -> Value {
        let factor = self.factor();
        let coherence =
            (self.data > 0.0 && self.model > 0.0).then(|| self.product.norm() / (self.data * self.model).sqrt());
        let mean = (self.count > 0).then(|| self.offset / self.count as f64);
        json!({
            "visibilities": self.count,
            "flagged": self.flagged,
            "not_finite": self.not_finite,
            "data_rms": self.rms(self.data),
            "model_rms": self.rms(self.model),
            "residual_rms": self.rms(self.residual),
            "residual_mean": mean.map(|m| [m.re, m.im]),
            "factor_amplitude": factor.map(|g| g.norm()),
            "factor_phase_deg": factor.map(|g| g.arg().to_degrees()),
            "coherence": coherence,
            "worst": self.worst.map(|w| json!({
                "amplitude": w.amplitude, "row": w.row, "channel": w.channel,
                "correlation": w.correlation, "antennas": w.antennas,
            })),
        })
    }

    /// A line for people: the columns of [`Self::HEAD`].
    pub(crate) fn line(&self) -> String {
        let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.5}"));
        let factor = self.factor();
        format!(
            "{:>14} {:>12} {:>12} {:>12} {:>10} {:>10}",
            self.count,
            number(self.rms(self.data)),
            number(self.rms(self.model)),
            number(self.rms(self.residual)),
            number(factor.map(|g| g.norm())),
            factor.map_or("-".to_owned(), |g| format!("{:.2}°", g.arg().to_degrees())),
        )
    }

    pub(crate) const HEAD: &str = "  visibilities     data rms    model rms residual rms   DATA/MODEL     phase";

    pub(crate) fn worst(&self) -> Option<Worst> {
        self.worst
    }

    pub(crate) fn not_finite(&self) -> u64 {
        self.not_finite
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flagged_and_broken_values_and_autocorrelations_do_not_count() {
        let mut tally = Tally::default();
        let model = [Complex32::new(2.0, 0.0); 4];
        let data = [(2.0, 2.0), (1e30, 0.0), (f32::NAN, 0.0), (2.0, -1.0)].map(|(re, im)| Complex32::new(re, im));
        let row = |antennas, flag_row| Row {
            row: 7,
            antennas,
            flag_row,
            data: &data,
            model: &model,
            flag: &[false, true, false, false],
            correlations: 2,
        };
        tally.add(&row([1, 1], false));
        assert!(tally.is_empty());
        tally.add(&row([0, 1], false));
        let mut other = Tally::default();
        other.add(&row([0, 2], true));
        tally.merge(&other);
        let found = tally.document();
        assert_eq!((found["visibilities"].as_u64(), found["flagged"].as_u64()), (Some(2), Some(5)));
        assert_eq!(found["residual_mean"], json!([0.0, 0.5]));
        // (2 + 2i + 2 − i)·2/8 = 1 + i/4.
        assert!((found["factor_phase_deg"].as_f64().expect("a number") - 0.25_f64.atan().to_degrees()).abs() < 1e-12);
        assert_eq!((found["worst"]["channel"].as_u64(), found["worst"]["correlation"].as_u64()), (Some(0), Some(0)));
        assert_eq!(found["not_finite"], json!(1));
    }
}
