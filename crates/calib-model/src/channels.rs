//! The channel axis as the kernels want it: runs of equally spaced channels, and what is left.

/// A run is cut into blocks of this many channels, or half as many: multiples of twice the 3 and 6 pairs of channels that the
/// flat kernel holds in registers.
pub(crate) const WIDTHS: [usize; 2] = [24, 12];

/// Shorter runs are cheaper channel by channel.
const SHORTEST_RUN: usize = 6;

/// A frequency may be off its run by this fraction of itself: a phase of 10⁴ turns then errs by 6·10⁻⁹ rad.
const TOLERANCE: f64 = 1e-13;

/// Consecutive channels that are treated alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Segment {
    /// Equally spaced channels, in blocks.
    Run {
        /// First channel on the whole axis.
        first: usize,
        /// Number of channels.
        len: usize,
        /// Frequency of the first channel, hertz.
        first_hz: f64,
        /// Spacing, hertz; negative when descending.
        step_hz: f64,
        /// Where the accumulators of the first channel are.
        slot: usize,
        /// Channels in a block, one of [`WIDTHS`]; the last block may reach beyond the run.
        width: usize,
    },
    /// Channels without a common spacing.
    Scattered {
        /// First channel on the whole axis.
        first: usize,
        /// Number of channels.
        len: usize,
        /// Where the accumulators of the first channel are.
        slot: usize,
    },
}

/// How the channels of all windows, one after another, are worked on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) freq_hz: Vec<f64>,
    pub(crate) segments: Vec<Segment>,
    /// Which accumulator each channel has.
    pub(crate) slots: Vec<u32>,
    /// Number of accumulators, those of incomplete blocks included.
    pub(crate) n_slots: usize,
}

impl Plan {
    /// `freq_hz`: all channels, in any order, positive and finite.
    pub(crate) fn new(freq_hz: Vec<f64>) -> Self {
        let mut plan = Self { slots: Vec::with_capacity(freq_hz.len()), segments: Vec::new(), n_slots: 0, freq_hz };
        let mut first = 0;
        while first < plan.freq_hz.len() {
            let len = run_length(&plan.freq_hz[first..]);
            if len < SHORTEST_RUN {
                plan.push_scattered(first)
            } else {
                plan.push_run(first, len)
            }
            first += len.max(1) * usize::from(len >= SHORTEST_RUN) + usize::from(len < SHORTEST_RUN);
        }
        plan
    }

    fn push_run(&mut self, first: usize, len: usize) {
        let freq = &self.freq_hz[first..first + len];
        // Blocks cost their own start; accumulators beyond the run are computed in vain.
        let cost = |width: usize| len.div_ceil(width) * (2 * width + 6) + 2 * width;
        let width = if cost(WIDTHS[1]) < cost(WIDTHS[0]) { WIDTHS[1] } else { WIDTHS[0] };
        let step_hz = (freq[len - 1] - freq[0]) / (len - 1) as f64;
        self.segments.push(Segment::Run { first, len, first_hz: freq[0], step_hz, slot: self.n_slots, width });
        self.slots.extend((0..len).map(|c| (self.n_slots + c) as u32));
        self.n_slots += len.div_ceil(width) * width;
    }

    fn push_scattered(&mut self, channel: usize) {
        self.slots.push(self.n_slots as u32);
        match self.segments.last_mut() {
            Some(Segment::Scattered { len, .. }) => *len += 1,
            _ => self.segments.push(Segment::Scattered { first: channel, len: 1, slot: self.n_slots }),
        }
        self.n_slots += 1;
    }
}

/// How many channels from the first on are equally spaced and within an octave (which keeps the recurrence of a Gaussian's
/// envelope away from overflow).
fn run_length(freq_hz: &[f64]) -> usize {
    let [f0, f1, ..] = *freq_hz else { return freq_hz.len() };
    let tolerance = TOLERANCE * f0;
    let alike = |w: &[f64]| ((w[1] - w[0]) - (f1 - f0)).abs() <= 4.0 * tolerance;
    let mut len = 1 + freq_hz.windows(2).take_while(|w| alike(w)).count();
    while len > 2 {
        let step = (freq_hz[len - 1] - f0) / (len - 1) as f64;
        let even = freq_hz[..len].iter().enumerate().all(|(c, f)| (f - (f0 + c as f64 * step)).abs() <= tolerance);
        if even && freq_hz[len - 1] <= 2.0 * f0 && f0 <= 2.0 * freq_hz[len - 1] {
            return len;
        }
        len = len.div_ceil(2);
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(freq: &[f64]) -> Vec<(bool, usize)> {
        let plan = Plan::new(freq.to_vec());
        assert_eq!(plan.slots.len(), freq.len());
        plan.segments
            .iter()
            .map(|s| match *s {
                Segment::Run { len, .. } => (true, len),
                Segment::Scattered { len, .. } => (false, len),
            })
            .collect()
    }

    #[test]
    fn runs_end_at_gaps_and_jitter_is_scattered() {
        let run = |f0: f64, step: f64, n: usize| (0..n).map(move |c| f0 + step * c as f64);
        let band: Vec<f64> = run(1.28e9, 244_140.625, 768).collect();
        assert_eq!(lengths(&band), [(true, 768)]);
        let gap: Vec<f64> = run(1.28e9, 244_140.625, 48).chain(run(1.4e9, 244_140.625, 48)).collect();
        assert_eq!(lengths(&gap), [(true, 48), (true, 48)]);
        let down: Vec<f64> = run(1.5e9, -30_517.578_125, 100).collect();
        assert_eq!(lengths(&down), [(true, 100)]);
        let jitter: Vec<f64> = (0..50).map(|c| 1e9 + 1e5 * c as f64 + 1e3 * (c * c % 7) as f64).collect();
        assert!(lengths(&jitter).iter().all(|(run, len)| !run || *len < 7));
        assert_eq!(lengths(&jitter).iter().map(|l| l.1).sum::<usize>(), 50);
        assert_eq!(lengths(&[1e9]), [(false, 1)]);
        assert_eq!(lengths(&[]), []);
        let octaves: Vec<f64> = run(1e8, 1e6, 1000).collect();
        assert!(lengths(&octaves).len() >= 3 && lengths(&octaves).iter().map(|l| l.1).sum::<usize>() == 1000);
    }
}
