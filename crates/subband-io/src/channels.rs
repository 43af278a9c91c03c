//! The channel axis of a group: each file's channels turned ascending, the files in order, gaps found.

use std::path::{Path, PathBuf};

use vis_types::{ChannelWindow, SubbandIndex};

use crate::error::Error;
use crate::group::MissingSubbands;
use crate::header::Channels;

/// The channels of one file, ascending.
#[derive(Clone, Debug)]
pub(crate) struct FileChannels {
    pub(crate) path: PathBuf,
    pub(crate) subband: Option<SubbandIndex>,
    freq_hz: Vec<f64>,
    width_hz: Vec<f64>,
    step_hz: f64,
    /// The file's own order is descending.
    pub(crate) descending: bool,
}

/// One window of a group and the file that it comes from; `None` is a gap.
#[derive(Clone, Debug)]
pub(crate) struct PlannedWindow {
    pub(crate) window: ChannelWindow,
    pub(crate) file: Option<usize>,
}

/// What the caller wants of the channel axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) missing: MissingSubbands,
    pub(crate) expected: u8,
    pub(crate) minimum: usize,
    /// In channel widths.
    pub(crate) tolerance: f64,
}

impl FileChannels {
    /// Checks that the channels are a regular axis and turns them ascending.
    pub(crate) fn new(
        path: &Path,
        subband: Option<SubbandIndex>,
        channels: Channels,
        tolerance: f64,
    ) -> Result<Self, Error> {
        let Channels { mut freq_hz, mut width_hz } = channels;
        let n = freq_hz.len();
        let step = if n > 1 { (freq_hz[n - 1] - freq_hz[0]) / (n - 1) as f64 } else { width_hz[0] };
        for (i, &found_hz) in freq_hz.iter().enumerate() {
            let expected_hz = freq_hz[0] + i as f64 * step;
            if step == 0.0 || (found_hz - expected_hz).abs() > tolerance * step.abs() {
                // Channels that are all at one place are off by a width.
                let expected_hz = if step == 0.0 && i > 0 { expected_hz + i as f64 * width_hz[0] } else { expected_hz };
                if expected_hz != found_hz {
                    return Err(Error::IrregularChannels { path: path.to_owned(), channel: i, found_hz, expected_hz });
                }
            }
        }
        let descending = step < 0.0;
        if descending {
            freq_hz.reverse();
            width_hz.reverse();
        }
        Ok(Self { path: path.to_owned(), subband, freq_hz, width_hz, step_hz: step.abs(), descending })
    }

    fn first(&self) -> f64 {
        self.freq_hz[0]
    }

    fn low_edge(&self) -> f64 {
        self.first() - self.step_hz / 2.0
    }

    fn high_edge(&self) -> f64 {
        self.freq_hz[self.freq_hz.len() - 1] + self.step_hz / 2.0
    }

    /// From one subband's first channel to that of the next, where they adjoin.
    fn extent(&self) -> f64 {
        self.step_hz * self.freq_hz.len() as f64
    }

    fn window(&self) -> ChannelWindow {
        ChannelWindow {
            subband: self.subband,
            freq_hz: self.freq_hz.clone(),
            width_hz: self.width_hz.clone(),
            present: true,
        }
    }

    /// The window of a missing subband whose channels begin at `first_hz`.
    fn gap(&self, subband: SubbandIndex, first_hz: f64) -> ChannelWindow {
        let freq_hz = (0..self.freq_hz.len()).map(|i| first_hz + i as f64 * self.step_hz).collect();
        ChannelWindow { subband: Some(subband), freq_hz, width_hz: self.width_hz.clone(), present: false }
    }
}

/// Puts the files into ascending frequency, checks that they adjoin, and applies the policy for missing subbands.
pub(crate) fn arrange(files: &[FileChannels], wanted: Wanted) -> Result<Vec<PlannedWindow>, Error> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by(|&a, &b| files[a].first().total_cmp(&files[b].first()));
    let sorted: Vec<&FileChannels> = order.iter().map(|&i| &files[i]).collect();
    let Some(&lowest) = sorted.first() else { return Err(Error::NoFiles) };
    if sorted.len() < wanted.minimum {
        return Err(Error::TooFewSubbands {
            group: lowest.path.clone(),
            present: sorted.len(),
            minimum: wanted.minimum,
        });
    }
    for file in &sorted[1..] {
        let differ =
            |what, difference| Error::Disagree { a: lowest.path.clone(), b: file.path.clone(), what, difference };
        if file.freq_hz.len() != lowest.freq_hz.len() {
            return Err(differ(
                "their number of channels",
                format!("{} and {}", lowest.freq_hz.len(), file.freq_hz.len()),
            ));
        }
        if (file.step_hz - lowest.step_hz).abs() * lowest.freq_hz.len() as f64 > wanted.tolerance * lowest.step_hz {
            return Err(differ("their channel step", format!("{} Hz and {} Hz", lowest.step_hz, file.step_hz)));
        }
    }
    let numbers: Option<Vec<SubbandIndex>> = sorted.iter().map(|f| f.subband).collect();
    if let Some(numbers) = &numbers {
        for (i, n) in numbers.iter().enumerate() {
            if let Some(k) = numbers[..i].iter().position(|m| m == n) {
                return Err(Error::SameSubband { a: sorted[k].path.clone(), b: sorted[i].path.clone(), subband: *n });
            }
        }
    }
    let tolerance_hz = wanted.tolerance * lowest.step_hz;
    for pair in sorted.windows(2) {
        if pair[1].low_edge() < pair[0].high_edge() - tolerance_hz {
            return Err(Error::Overlap {
                a: pair[0].path.clone(),
                b: pair[1].path.clone(),
                a_high_hz: pair[0].high_edge(),
                b_low_hz: pair[1].low_edge(),
            });
        }
    }
    let gap = |pair: &[&FileChannels]| Error::Gap {
        a: pair[0].path.clone(),
        b: pair[1].path.clone(),
        missing_hz: pair[1].low_edge() - pair[0].high_edge(),
    };
    let adjoin = |pair: &[&FileChannels]| pair[1].low_edge() - pair[0].high_edge() <= tolerance_hz;
    let mut windows: Vec<PlannedWindow> =
        order.iter().map(|&i| PlannedWindow { window: files[i].window(), file: Some(i) }).collect();
    let Some(numbers) = numbers else {
        // Without numbers a gap is all that shows that something is missing.
        return match sorted.windows(2).find(|pair| !adjoin(pair)) {
            Some(pair) if wanted.missing != MissingSubbands::Split => Err(gap(pair)),
            _ => Ok(windows),
        };
    };
    let extent = signed_extent(&sorted, &numbers, tolerance_hz)?;
    for (pair, n) in sorted.windows(2).zip(numbers.windows(2)) {
        if n[0].0.abs_diff(n[1].0) == 1 && !adjoin(pair) {
            return Err(gap(pair));
        }
    }
    let last = numbers.iter().map(|n| n.0).max().unwrap_or(0);
    let missing: Vec<SubbandIndex> =
        (0..wanted.expected.max(last.saturating_add(1))).map(SubbandIndex).filter(|s| !numbers.contains(s)).collect();
    if missing.is_empty() {
        return Ok(windows);
    }
    match wanted.missing {
        MissingSubbands::Refuse => {
            let expected = wanted.expected.max(last.saturating_add(1));
            Err(Error::MissingSubbands { group: lowest.path.clone(), expected, missing })
        }
        MissingSubbands::Split => Ok(windows),
        MissingSubbands::Flag => {
            for s in missing {
                // The nearest subband is the best ruler.
                let near = (0..numbers.len()).min_by_key(|&i| numbers[i].0.abs_diff(s.0)).unwrap_or(0);
                let first_hz = sorted[near].first() + (f64::from(s.0) - f64::from(numbers[near].0)) * extent;
                if first_hz <= 0.0 {
                    return Err(gap(&[sorted[near], sorted[near]]));
                }
                windows.push(PlannedWindow { window: sorted[near].gap(s, first_hz), file: None });
            }
            windows.sort_by(|a, b| a.window.freq_hz[0].total_cmp(&b.window.freq_hz[0]));
            Ok(windows)
        }
    }
}

/// By how much the first channel moves from one subband number to the next: plus or minus one subband.
///
/// Its sign comes from the files; one file alone leaves it open, and then it is DSA-110's, where sb00 is the highest.
/// A file that is not where its number says is an error.
fn signed_extent(sorted: &[&FileChannels], numbers: &[SubbandIndex], tolerance_hz: f64) -> Result<f64, Error> {
    let number = |i: usize| f64::from(numbers[i].0);
    let rises = numbers.windows(2).filter(|n| n[1] > n[0]).count();
    let extent = if 2 * rises > numbers.len().saturating_sub(1) { sorted[0].extent() } else { -sorted[0].extent() };
    // Where subband 0 would begin, by each file; the median is right as long as most files are.
    let mut zeros: Vec<f64> = (0..sorted.len()).map(|i| sorted[i].first() - number(i) * extent).collect();
    zeros.sort_by(f64::total_cmp);
    let zero = zeros[zeros.len() / 2];
    for (i, file) in sorted.iter().enumerate() {
        let expected_hz = zero + number(i) * extent;
        // Half a channel: steps that accumulate are allowed, other subbands are not.
        if (file.first() - expected_hz).abs() > tolerance_hz.max(file.step_hz / 2.0) {
            return Err(Error::WrongFrequencies {
                path: file.path.clone(),
                subband: numbers[i],
                found_hz: file.first(),
                expected_hz,
            });
        }
    }
    Ok(extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u8, first: f64, step: f64, n: usize) -> FileChannels {
        let channels =
            Channels { freq_hz: (0..n).map(|i| first + i as f64 * step).collect(), width_hz: vec![step.abs(); n] };
        FileChannels::new(Path::new(&format!("sb{number:02}")), Some(SubbandIndex(number)), channels, 1e-3)
            .expect("regular")
    }

    /// DSA-110's subband: 48 channels descending from 1498.643… MHz (original-pipeline.md 2.1).
    fn dsa(number: u8) -> FileChannels {
        file(number, 1_498_643_188.476_562_5 - f64::from(number) * 11_718_750.0, -244_140.625, 48)
    }

    fn wanted(missing: MissingSubbands) -> Wanted {
        Wanted { missing, expected: 16, minimum: 1, tolerance: 1e-3 }
    }

    #[test]
    fn sixteen_files_in_any_order_ascend() {
        let files: Vec<_> = [7, 3, 15, 0, 1, 2, 4, 5, 6, 8, 9, 14, 10, 12, 11, 13].map(dsa).into();
        let windows = arrange(&files, wanted(MissingSubbands::Refuse)).expect("complete");
        let all: Vec<f64> = windows.iter().flat_map(|w| w.window.freq_hz.clone()).collect();
        assert_eq!(all.len(), 768);
        assert_eq!((all[0], all[767]), (1_311_387_329.101_562_5, 1_498_643_188.476_562_5));
        assert!(all.windows(2).all(|f| f[1] - f[0] == 244_140.625));
        assert_eq!(windows[0].window.subband, Some(SubbandIndex(15)));
        assert_eq!(windows[0].file, Some(2));
    }

    #[test]
    fn a_gap_has_the_frequencies_that_the_missing_file_would_have() {
        for missing in 0..16 {
            let files: Vec<_> = (0..16).filter(|&s| s != missing).map(dsa).collect();
            assert!(matches!(
                arrange(&files, wanted(MissingSubbands::Refuse)),
                Err(Error::MissingSubbands { missing: m, .. }) if m == [SubbandIndex(missing)]
            ));
            let split = arrange(&files, wanted(MissingSubbands::Split)).expect("allowed");
            assert_eq!(split.len(), 15);
            let flag = arrange(&files, wanted(MissingSubbands::Flag)).expect("allowed");
            let gap = &flag[15 - usize::from(missing)];
            assert_eq!((gap.file, gap.window.present), (None, false));
            assert_eq!(gap.window.freq_hz, dsa(missing).freq_hz);
        }
        let only = arrange(&[dsa(3)], wanted(MissingSubbands::Flag)).expect("allowed");
        assert_eq!(only.len(), 16);
        assert!(only.iter().enumerate().all(|(i, w)| w.window.freq_hz == dsa(15 - i as u8).freq_hz));
    }

    #[test]
    fn numbers_that_ascend_with_frequency_are_fine() {
        let files: Vec<_> = (0..4).map(|s| file(s, 1e9 + f64::from(s) * 8e6, 1e6, 8)).collect();
        let w = Wanted { expected: 5, ..wanted(MissingSubbands::Flag) };
        let windows = arrange(&files, w).expect("allowed");
        assert_eq!(windows[4].window.freq_hz[0], 1e9 + 32e6);
    }

    #[test]
    fn wrong_axes_are_named() {
        let w = wanted(MissingSubbands::Split);
        assert!(matches!(arrange(&[], w), Err(Error::NoFiles)));
        assert!(matches!(arrange(&[dsa(1), dsa(1)], w), Err(Error::SameSubband { .. })));
        // A file renamed to another number, and one with the channels of another.
        let mut renamed: Vec<_> = (0..6).map(dsa).collect();
        renamed[2].subband = Some(SubbandIndex(9));
        assert!(matches!(arrange(&renamed, w), Err(Error::WrongFrequencies { subband: SubbandIndex(9), .. })));
        let overlapping = [dsa(0), file(1, 1_498_643_188.476_562_5 - 11_600_000.0, -244_140.625, 48)];
        assert!(matches!(arrange(&overlapping, w), Err(Error::Overlap { .. })));
        let apart = [dsa(0), file(1, 1_498_643_188.476_562_5 - 11_718_750.0 - 100_000.0, -244_140.625, 48)];
        assert!(matches!(arrange(&apart, w), Err(Error::Gap { .. })));
        assert!(matches!(
            arrange(&[dsa(0), file(1, 1_486_924_438.0, -244_140.625, 24)], w),
            Err(Error::Disagree { .. })
        ));
        assert!(matches!(arrange(&[dsa(0)], Wanted { minimum: 2, ..w }), Err(Error::TooFewSubbands { .. })));
    }

    #[test]
    fn irregular_channels_are_named() {
        let irregular = |freq_hz: &[f64]| {
            let channels = Channels { freq_hz: freq_hz.to_vec(), width_hz: vec![1e6; freq_hz.len()] };
            FileChannels::new(Path::new("x"), None, channels, 1e-3)
        };
        assert!(irregular(&[1e9, 1.001e9, 1.002e9]).is_ok());
        assert!(irregular(&[1e9]).is_ok());
        assert!(matches!(irregular(&[1e9, 1.0012e9, 1.002e9]), Err(Error::IrregularChannels { channel: 1, .. })));
        assert!(matches!(irregular(&[1e9, 1e9]), Err(Error::IrregularChannels { channel: 1, .. })));
        assert!(irregular(&[1e9, 1.001e9, 1e9]).is_err());
    }
}
