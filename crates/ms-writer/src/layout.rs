//! How the data lie in the Measurement Set: spectral windows, rows, the order of correlations, tiles.

use std::ops::Range;

use vis_types::{ChannelWindow, Correlation, VisHeader};

use crate::rotate::{Order, Rotator, Turn};
use crate::{Error, MsOptions, SpectralWindows};

/// A tile of the DATA column is about this long: some two hundred make a full buffer of 128 MiB, and a disk writes it in one go.
const TILE_BYTES: usize = 512 << 10;

/// One row of SPECTRAL_WINDOW.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    /// Its windows of the header.
    pub(crate) slabs: Range<usize>,
    pub(crate) name: String,
    pub(crate) freq_hz: Vec<f64>,
    pub(crate) width_hz: Vec<f64>,
}

/// Where the slabs of a block go.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) windows: Vec<Window>,
    /// For each window of the header its window of the set and its first channel there.
    pub(crate) places: Vec<(usize, usize)>,
    slab_channels: Vec<usize>,
    /// For each window of the header how its rows are turned.
    pub(crate) rotators: Vec<Rotator>,
    /// In the order of the set: ascending casacore codes.
    pub(crate) correlations: Vec<Correlation>,
    order: Order,
    order_swapped: Order,
    /// Whether baselines whose first antenna comes later in the list are turned round: only when both directions occur.
    pub(crate) swaps: bool,
    /// Rows of the header; the set has as many for each window.
    pub(crate) rows: usize,
    pub(crate) tile_channels: usize,
    pub(crate) tile_rows: usize,
}

impl Layout {
    pub(crate) fn new(header: &VisHeader, options: &MsOptions) -> Result<Self, Error> {
        check(header)?;
        let (correlations, order) = casa_order(&header.correlations)?;
        let (mut ascending, mut descending) = (false, false);
        for b in baselines(header) {
            ascending |= b.ant1 < b.ant2;
            descending |= b.ant1 > b.ant2;
        }
        let swaps = ascending && descending;
        let order_swapped = if swaps { swapped_order(&correlations, &header.correlations)? } else { order.clone() };
        let windows = spectral_windows(&header.windows, options.windows);
        let places = windows
            .iter()
            .enumerate()
            .flat_map(|(i, w)| {
                let mut first = 0;
                w.slabs.clone().map(move |slab| {
                    let place = (i, first);
                    first += header.windows[slab].len();
                    place
                })
            })
            .collect();
        let rotators =
            header.windows.iter().map(|w| Rotator::new(&w.freq_hz, order.clone(), order_swapped.clone())).collect();
        let tile_channels = header.windows.iter().map(ChannelWindow::len).fold(0, gcd);
        let rows = header.rows.len();
        let row_bytes = tile_channels * correlations.len() * 8;
        let tile_rows = options
            .rows_per_tile
            .unwrap_or_else(|| tile_rows(row_bytes, options.input_chunk_rows, (windows.len() > 1).then_some(rows)));
        // FLAG is stored as bits: eight rows begin on a whole byte whatever their length.
        let tile_rows = tile_rows.clamp(1, rows * windows.len()).next_multiple_of(8);
        let slab_channels = header.windows.iter().map(ChannelWindow::len).collect();
        Ok(Self {
            windows,
            places,
            slab_channels,
            rotators,
            correlations,
            order,
            order_swapped,
            swaps,
            rows,
            tile_channels,
            tile_rows,
        })
    }

    /// Rows of MAIN.
    pub(crate) fn ms_rows(&self) -> usize {
        self.rows * self.windows.len()
    }

    /// First row of MAIN that belongs to a window: all rows of a window follow one another.
    pub(crate) fn first_ms_row(&self, window: usize) -> usize {
        window * self.rows
    }

    /// Channels of a slab.
    pub(crate) fn slab_channels(&self, index: usize) -> usize {
        self.slab_channels[index]
    }

    /// How the correlations of a row are put in order.
    pub(crate) fn order_of(&self, turn: &Turn) -> &Order {
        if turn.swapped { &self.order_swapped } else { &self.order }
    }

    /// Whether the cells of all rows have one shape.
    pub(crate) fn is_uniform(&self) -> bool {
        self.windows.iter().all(|w| w.freq_hz.len() == self.windows[0].freq_hz.len())
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Rows of a tile: about [`TILE_BYTES`], in whole chunks of the input and in eights. Where the rows of several windows follow
/// each other, `divides` has their number: if it can be, tiles end where a window ends.
fn tile_rows(row_bytes: usize, input_chunk_rows: usize, divides: Option<usize>) -> usize {
    let chunk = input_chunk_rows.max(1);
    let wanted = (TILE_BYTES / row_bytes.max(1)).max(8);
    let unit = chunk / gcd(chunk, 8) * 8;
    let unit = if unit <= wanted * 3 / 2 { unit } else { 8 };
    let nearest = (wanted / unit).max(1);
    let fits = divides.and_then(|rows| {
        let good = (nearest / 2..=nearest * 3 / 2).filter(|&n| n > 0 && rows % (n * unit) == 0);
        good.min_by_key(|n| n.abs_diff(nearest))
    });
    fits.unwrap_or(nearest) * unit
}

/// The baselines that occur, once each when the rows are a grid.
pub(crate) fn baselines(header: &VisHeader) -> impl Iterator<Item = vis_types::Baseline> + '_ {
    let grid = header.rows.grid_baselines();
    let list = if grid.is_some() { 0 } else { header.rows.len() };
    grid.unwrap_or_default().iter().copied().chain((0..list).map(|r| header.rows.row(r).baseline))
}

fn check(header: &VisHeader) -> Result<(), Error> {
    let fail = |problem: String| Err(Error::Header { problem });
    if header.rows.is_empty() {
        return fail("there are no rows".to_owned());
    }
    if header.windows.is_empty() {
        return fail("there are no channels".to_owned());
    }
    let antennas = header.telescope.antennas.len();
    if let Some(b) = baselines(header).find(|b| b.ant1.max(b.ant2) as usize >= antennas) {
        return fail(format!("baseline {}-{} is beyond the list of {antennas} antennas", b.ant1, b.ant2));
    }
    let mut last = 0.0;
    for (i, w) in header.windows.iter().enumerate() {
        if w.is_empty() || w.width_hz.len() != w.freq_hz.len() {
            return fail(format!("window {i} has {} frequencies and {} widths", w.freq_hz.len(), w.width_hz.len()));
        }
        for (&f, &width) in w.freq_hz.iter().zip(&w.width_hz) {
            if !(f > last && f.is_finite() && width > 0.0 && width.is_finite()) {
                return fail(format!("window {i}: frequency {f} Hz (width {width} Hz) does not follow {last} Hz"));
            }
            last = f;
        }
    }
    if let Some(t) = header.rows.times().iter().find(|t| !t.0.is_finite()) {
        return fail(format!("time {} is not a Julian date", t.0));
    }
    Ok(())
}

/// The correlations in casacore's order, and where each is in the input.
fn casa_order(found: &[Correlation]) -> Result<(Vec<Correlation>, Order), Error> {
    let mut sorted = found.to_vec();
    sorted.sort_by_key(|c| c.casa());
    let kind = |c: &Correlation| (c.casa() - 1) / 4;
    let together = !sorted.is_empty()
        && sorted.iter().all(|c| kind(c) == kind(&sorted[0]))
        && sorted.windows(2).all(|w| w[0] != w[1]);
    if !together {
        return Err(Error::Correlations { found: found.to_vec() });
    }
    let places: Vec<usize> = sorted.iter().filter_map(|c| found.iter().position(|f| f == c)).collect();
    Ok((sorted, Order::new(&places)))
}

/// Where each correlation of a turned baseline is in the input: the one with its two receptors exchanged.
fn swapped_order(sorted: &[Correlation], found: &[Correlation]) -> Result<Order, Error> {
    use Correlation as C;
    let exchanged = |c: Correlation| match c {
        C::XY => C::YX,
        C::YX => C::XY,
        C::RL => C::LR,
        C::LR => C::RL,
        other => other,
    };
    let places = sorted
        .iter()
        .map(|&c| found.iter().position(|&f| f == exchanged(c)).ok_or(Error::Swap { missing: exchanged(c) }))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Order::new(&places))
}

/// Puts the subbands together into spectral windows; a gap in frequency, or another channel width, always begins a new one.
fn spectral_windows(subbands: &[ChannelWindow], how: SpectralWindows) -> Vec<Window> {
    /// The part of a channel by which the next one may lie elsewhere than its neighbour's spacing says.
    const TOLERANCE: f64 = 1e-3;
    let mut windows: Vec<Window> = Vec::new();
    for (i, subband) in subbands.iter().enumerate() {
        if how == SpectralWindows::WholeBand
            && let Some(window) = windows.last_mut()
            && let (Some(&last), Some(&width)) = (window.freq_hz.last(), window.width_hz.last())
        {
            let step = subband.freq_hz[0] - last;
            let regular =
                (step - width).abs() < TOLERANCE * width && (subband.width_hz[0] - width).abs() < TOLERANCE * width;
            if regular {
                window.slabs.end = i + 1;
                window.freq_hz.extend(&subband.freq_hz);
                window.width_hz.extend(&subband.width_hz);
                continue;
            }
        }
        windows.push(Window {
            slabs: i..i + 1,
            name: String::new(),
            freq_hz: subband.freq_hz.clone(),
            width_hz: subband.width_hz.clone(),
        });
    }
    for (i, window) in windows.iter_mut().enumerate() {
        let name = |slab: usize| subbands[slab].subband.map(|s| s.to_string());
        window.name = match (name(window.slabs.start), name(window.slabs.end - 1)) {
            (Some(first), Some(last)) if first == last => first,
            (Some(first), Some(last)) => format!("{first}-{last}"),
            _ => format!("SPW{i}"),
        };
    }
    windows
}

#[cfg(test)]
mod tests {
    use vis_types::SubbandIndex;

    use super::*;

    fn subband(index: u8, first_hz: f64, width_hz: f64, n: usize) -> ChannelWindow {
        ChannelWindow {
            subband: Some(SubbandIndex(index)),
            freq_hz: (0..n).map(|i| first_hz + i as f64 * width_hz).collect(),
            width_hz: vec![width_hz; n],
            present: true,
        }
    }

    #[test]
    fn a_gap_or_another_width_begins_a_window() {
        let mut subbands = vec![subband(3, 100.0, 1.0, 4), subband(2, 104.0, 1.0, 4), subband(0, 112.0, 1.0, 4)];
        let names = |s: &[ChannelWindow], how| {
            spectral_windows(s, how).into_iter().map(|w| (w.name, w.slabs)).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&subbands, SpectralWindows::WholeBand),
            [("sb03-sb02".to_owned(), 0..2), ("sb00".to_owned(), 2..3)]
        );
        assert_eq!(names(&subbands, SpectralWindows::PerSubband).len(), 3);
        subbands[2] = subband(1, 108.0, 1.0, 4);
        assert_eq!(names(&subbands, SpectralWindows::WholeBand), [("sb03-sb01".to_owned(), 0..3)]);
        subbands[1].width_hz.fill(0.5);
        assert_eq!(names(&subbands, SpectralWindows::WholeBand).len(), 3);
        for s in &mut subbands {
            s.subband = None;
        }
        assert_eq!(names(&subbands, SpectralWindows::WholeBand)[1].0, "SPW1");
    }

    #[test]
    fn tiles_are_whole_chunks_of_a_good_size() {
        // The real files: 48 channels, two or four correlations, chunks of 128 and 256 rows.
        assert_eq!(tile_rows(48 * 2 * 8, 128, None), 640);
        assert_eq!(tile_rows(48 * 2 * 8, 128, Some(111_744)), 384);
        assert_eq!(tile_rows(48 * 4 * 8, 256, None), 256);
        // A wide file of another telescope, and chunks of an odd or enormous number of rows.
        assert_eq!(tile_rows(1536 * 4 * 8, 1, None), 8);
        assert_eq!(tile_rows(48 * 2 * 8, 100, None) % 200, 0);
        assert_eq!(tile_rows(48 * 2 * 8, 1 << 20, None), 680);
    }

    #[test]
    fn correlations_follow_casacore() {
        use Correlation::{RR, XX, XY, YX, YY};
        let (sorted, order) = casa_order(&[XX, YY, XY, YX]).expect("linear ones");
        assert_eq!(sorted, [XX, XY, YX, YY]);
        assert_eq!(order, Order::new(&[0, 2, 3, 1]));
        assert_eq!(swapped_order(&sorted, &[XX, YY, XY, YX]).expect("all are there"), Order::new(&[0, 3, 2, 1]));
        assert!(matches!(swapped_order(&[XX, XY], &[XX, XY]), Err(Error::Swap { missing: YX })));
        for bad in [&[][..], &[XX, RR], &[XX, XX]] {
            assert!(matches!(casa_order(bad), Err(Error::Correlations { .. })), "{bad:?}");
        }
    }
}
