//! An array that observes: visibilities from known gains, for every baseline and integration.

use gain_solve::{Averages, Bands, Complex32, Complex64, Residuals, Reweight, Row, Shape, Solutions, Weights};

/// A generator of numbers (SplitMix64), so that a test says which ones it used.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard deviation 1 in each part.
    pub(crate) fn normal(&mut self) -> Complex64 {
        let amplitude = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        Complex64::from_polar(amplitude, std::f64::consts::TAU * self.uniform())
    }
}

pub(crate) struct Observation {
    pub(crate) antennas: usize,
    pub(crate) receptors: usize,
    pub(crate) channels: usize,
    pub(crate) bands: Bands,
    /// `[receptor, channel, antenna]`.
    pub(crate) gains: Vec<Complex64>,
    rows: Vec<Stored>,
}

struct Stored {
    antennas: [usize; 2],
    vis: Vec<Complex32>,
    model: Vec<Complex32>,
    flags: Vec<bool>,
    weights: Vec<f32>,
}

/// What is to be observed.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) antennas: usize,
    pub(crate) times: usize,
    pub(crate) channels: usize,
    /// Channels that share a gain.
    pub(crate) group: usize,
    /// Standard deviation of a part of the noise, for a model of 1.
    pub(crate) noise: f64,
    pub(crate) outliers: f64,
    /// Fraction of the visibilities that is flagged, and of the baselines that is missing.
    pub(crate) flagged: f64,
    pub(crate) missing: f64,
    pub(crate) seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            antennas: 8,
            times: 2,
            channels: 8,
            group: 1,
            noise: 0.05,
            outliers: 0.0,
            flagged: 0.0,
            missing: 0.0,
            seed: 1,
        }
    }
}

impl Observation {
    pub(crate) fn new(setup: &Setup) -> Self {
        let Setup { antennas, channels, group, .. } = *setup;
        let receptors = 2;
        let mut random = Random(setup.seed);
        let groups = channels.div_ceil(group);
        let per_group: Vec<Complex64> = (0..receptors * groups * antennas)
            .map(|_| Complex64::from_polar(0.6 + random.uniform(), 6.3 * random.uniform()))
            .collect();
        let gains = (0..receptors * channels * antennas)
            .map(|at| {
                let (receptor, rest) = (at / (channels * antennas), at % (channels * antennas));
                let (channel, antenna) = (rest / antennas, rest % antennas);
                per_group[(receptor * groups + channel / group) * antennas + antenna]
            })
            .collect::<Vec<_>>();
        let mut rows = Vec::new();
        let present: Vec<bool> = (0..antennas * antennas).map(|_| random.uniform() >= setup.missing).collect();
        for _ in 0..setup.times {
            for j in 0..antennas {
                for i in 0..=j {
                    if i != j && !present[i * antennas + j] {
                        continue;
                    }
                    // Every third row has its antennas the other way round.
                    let (a, b) = if (i + j) % 3 == 0 { (j, i) } else { (i, j) };
                    rows.push(Stored::new(setup, [a, b], &gains, &mut random));
                }
            }
        }
        let bands = Bands {
            correlations: 4,
            hands: vec![0, 3],
            groups: (0..groups).map(|g| g * group..((g + 1) * group).min(channels)).collect(),
            first_group: 0,
        };
        Self { antennas, receptors, channels, bands, gains, rows }
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape { antennas: self.antennas, receptors: self.receptors, groups: self.bands.groups.len() }
    }

    /// Averages of all rows, in parts of so many baselines.
    pub(crate) fn averages(&self, part: usize, robust: Option<(&Solutions, Reweight)>) -> Averages {
        let mut averages = Averages::new(self.shape());
        let solved = robust.map(|(solutions, _)| self.solved(solutions));
        for mut part in averages.parts(part) {
            for row in &self.rows {
                if !part.takes(row.antennas) {
                    continue;
                }
                let row = row.view(solved.as_ref());
                part.add(&row, &self.bands, robust.map(|(_, how)| how).as_ref());
            }
        }
        averages
    }

    pub(crate) fn residuals(&self, solutions: &Solutions) -> Residuals {
        let solved = self.solved(solutions);
        let mut residuals = Residuals::default();
        for row in &self.rows {
            residuals.add_row(&row.view(Some(&solved)), &self.bands, self.bands.groups.len());
        }
        residuals
    }

    /// `[antenna][receptor, group]`.
    fn solved(&self, solutions: &Solutions) -> Vec<Vec<Complex32>> {
        let groups = self.bands.groups.len();
        let of = |antenna| {
            let all = (0..self.receptors).flat_map(|r| (0..groups).map(move |g| [r, g, antenna]));
            all.map(|at| solutions.fit[at]).map(|g| Complex32::new(g.re as f32, g.im as f32)).collect()
        };
        (0..self.antennas).map(of).collect()
    }

    pub(crate) fn gain(&self, receptor: usize, channel: usize, antenna: usize) -> Complex64 {
        self.gains[(receptor * self.channels + channel) * self.antennas + antenna]
    }

    /// Flags everything that `which` says of (antennas, channel, correlation).
    pub(crate) fn flag(&mut self, which: impl Fn([usize; 2], usize, usize) -> bool) {
        for row in &mut self.rows {
            for (at, flag) in row.flags.iter_mut().enumerate() {
                *flag |= which(row.antennas, at / 4, at % 4);
            }
        }
    }

    pub(crate) fn set(&mut self, which: impl Fn([usize; 2], usize, usize) -> Option<Complex32>) {
        for row in &mut self.rows {
            for (at, value) in row.vis.iter_mut().enumerate() {
                if let Some(other) = which(row.antennas, at / 4, at % 4) {
                    *value = other;
                }
            }
        }
    }

    pub(crate) fn set_model(&mut self, value: Complex32) {
        self.rows.iter_mut().for_each(|row| row.model.fill(value));
    }

    /// The same rows with antennas of other numbers.
    pub(crate) fn renumbered(mut self, number: &[usize]) -> Self {
        for row in &mut self.rows {
            row.antennas = row.antennas.map(|antenna| number[antenna]);
        }
        self
    }

    /// Only some channels, as a window of their own.
    pub(crate) fn window(&self, channels: std::ops::Range<usize>) -> Self {
        let part = |values: &[Complex32]| values[channels.start * 4..channels.end * 4].to_vec();
        let rows = self.rows.iter().map(|row| Stored {
            antennas: row.antennas,
            vis: part(&row.vis),
            model: part(&row.model),
            flags: row.flags[channels.start * 4..channels.end * 4].to_vec(),
            weights: row.weights.clone(),
        });
        let inside = self.bands.groups.iter().filter(|group| channels.contains(&group.start));
        let groups = inside.map(|group| group.start - channels.start..group.end - channels.start).collect();
        Self {
            antennas: self.antennas,
            receptors: self.receptors,
            channels: channels.len(),
            bands: Bands { groups, ..self.bands.clone() },
            gains: Vec::new(),
            rows: rows.collect(),
        }
    }
}

impl Stored {
    fn new(setup: &Setup, antennas: [usize; 2], gains: &[Complex64], random: &mut Random) -> Self {
        let Setup { channels, antennas: all, .. } = *setup;
        let weights: Vec<f32> = (0..4).map(|_| 0.5 + random.uniform() as f32).collect();
        let phase = 6.3 * random.uniform();
        let (mut vis, mut model, mut flags) = (Vec::new(), Vec::new(), Vec::new());
        for channel in 0..channels {
            for (correlation, weight) in weights.iter().enumerate() {
                let (p, q) = (correlation / 2, correlation % 2);
                let gain = |receptor: usize, antenna: usize| gains[(receptor * channels + channel) * all + antenna];
                let m = if p == q { Complex64::from_polar(1.0 + 0.3 * p as f64, phase) } else { Complex64::ZERO };
                let mut v = gain(p, antennas[0]) * gain(q, antennas[1]).conj() * m;
                // Weights are inverse variances.
                v += random.normal() * (setup.noise / f64::from(*weight).sqrt());
                if random.uniform() < setup.outliers {
                    v += Complex64::from_polar(3.0 + 27.0 * random.uniform(), 6.3 * random.uniform());
                }
                let flagged = random.uniform() < setup.flagged;
                vis.push(if flagged { Complex32::new(1e9, -1e9) } else { Complex32::new(v.re as f32, v.im as f32) });
                model.push(Complex32::new(m.re as f32, m.im as f32));
                flags.push(flagged);
            }
        }
        Self { antennas, vis, model, flags, weights }
    }

    fn view<'a>(&'a self, solved: Option<&'a Vec<Vec<Complex32>>>) -> Row<'a> {
        Row {
            antennas: self.antennas,
            vis: &self.vis,
            model: &self.model,
            flags: &self.flags,
            weights: Weights::Correlation(&self.weights),
            known: None,
            solved: solved.map(|solved| self.antennas.map(|antenna| solved[antenna].as_slice())),
        }
    }
}
