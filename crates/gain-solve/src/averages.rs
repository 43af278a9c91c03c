//! Visibilities averaged over a solution interval while they stream by.

use crate::robust::Reweight;
use crate::row::{Bands, Row, Scratch};

/// The sizes of a solution interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Antennas, those with data only: memory grows with their square.
    pub antennas: usize,
    /// Receptors that are solved for: 1 or 2.
    pub receptors: usize,
    /// Groups of channels, each with a solution of its own.
    pub groups: usize,
}

impl Shape {
    /// Pairs of different antennas.
    #[must_use]
    pub const fn baselines(&self) -> usize {
        self.antennas * self.antennas.saturating_sub(1) / 2
    }

    /// Bytes that [`Averages`] of this shape hold.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.baselines() * self.receptors * self.groups * FIELDS * size_of::<f32>()
    }

    /// The number of the baseline of antennas `i` < `j`.
    pub(crate) const fn baseline(i: usize, j: usize) -> usize {
        j * (j - 1) / 2 + i
    }
}

/// Sums of each cell: Re and Im of Σ w V M*, Σ w |M|², Σ w |V|², number of visibilities.
pub(crate) const FIELDS: usize = 5;

/// Sums over the visibilities of one solution interval: all that a solver needs of them.
///
/// For baseline (i, j), receptor p and channel group: Σ w V M*, Σ w |M|², Σ w |V|² and the number of visibilities, where V is
/// the visibility, M its model and w its weight. Held as `[baseline, receptor, field, group]` in `f32`:
/// [`Shape::bytes`].
#[derive(Clone, Debug)]
pub struct Averages {
    shape: Shape,
    sums: Vec<f32>,
}

/// The sums of some baselines, for one thread.
#[derive(Debug)]
pub struct Part<'a> {
    shape: Shape,
    first: usize,
    sums: &'a mut [f32],
    scratch: Scratch,
}

impl Averages {
    /// Sums of nothing.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, sums: vec![0.0; shape.bytes() / size_of::<f32>()] }
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The sums in parts of so many baselines, for as many threads: [`Part::takes`] says which rows are a part's.
    pub fn parts(&mut self, baselines: usize) -> impl Iterator<Item = Part<'_>> {
        let shape = self.shape;
        let baselines = baselines.max(1);
        let length = shape.receptors * shape.groups * FIELDS;
        self.sums.chunks_mut((baselines * length).max(1)).enumerate().map(move |(number, sums)| Part {
            shape,
            first: number * baselines,
            sums,
            scratch: Scratch::default(),
        })
    }

    /// The sums of one receptor and baseline: five slices of one value a group.
    fn fields(&self, baseline: usize, receptor: usize) -> [&[f32]; FIELDS] {
        let groups = self.shape.groups;
        let start = (baseline * self.shape.receptors + receptor) * FIELDS * groups;
        std::array::from_fn(|field| &self.sums[start + field * groups..start + (field + 1) * groups])
    }

    /// The sums of baseline (`i` < `j`) as (Σ w V M*, Σ w |M|², Σ w |V|², n).
    pub(crate) fn cell(&self, i: usize, j: usize, receptor: usize, group: usize) -> Cell {
        let [re, im, mm, vv, n] = self.fields(Shape::baseline(i, j), receptor);
        Cell {
            vm: num_complex::Complex64::new(re[group].into(), im[group].into()),
            mm: mm[group].into(),
            vv: vv[group].into(),
            n: n[group].into(),
        }
    }

    /// Number of visibilities in the sums (with re-weighting: of their weights against 1), and of those whose model is not
    /// zero.
    #[must_use]
    pub fn visibilities(&self) -> (f64, f64) {
        let (mut all, mut modelled) = (0.0, 0.0);
        for baseline in 0..self.shape.baselines() {
            for receptor in 0..self.shape.receptors {
                let [_, _, mm, _, n] = self.fields(baseline, receptor);
                for (&mm, &n) in mm.iter().zip(n) {
                    all += f64::from(n);
                    modelled += if mm > 0.0 { f64::from(n) } else { 0.0 };
                }
            }
        }
        (all, modelled)
    }

    /// The sums over all groups, as one group.
    #[must_use]
    pub fn collapsed(&self) -> Self {
        let shape = Shape { groups: 1, ..self.shape };
        let groups = self.shape.groups.max(1);
        let sums =
            self.sums.chunks(groups).map(|sums| sums.iter().map(|&v| f64::from(v)).sum::<f64>() as f32).collect();
        Self { shape, sums }
    }
}

/// The sums of one baseline, receptor and group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) vm: num_complex::Complex64,
    pub(crate) mm: f64,
    pub(crate) vv: f64,
    pub(crate) n: f64,
}

impl Part<'_> {
    /// Whether rows of these antennas belong to this part. Autocorrelations belong to none.
    #[must_use]
    pub fn takes(&self, antennas: [usize; 2]) -> bool {
        let [i, j] = antennas;
        if i == j {
            return false;
        }
        let baseline = Shape::baseline(i.min(j), i.max(j));
        let length = self.shape.receptors * self.shape.groups * FIELDS;
        baseline >= self.first && (baseline - self.first) * length < self.sums.len()
    }

    /// Adds a row that this part [takes](Self::takes).
    ///
    /// Visibilities, models and weights that are not finite, or whose square is not, count as flagged.
    ///
    /// # Panics
    ///
    /// When a slice of `row` is shorter than `bands` says, or the row is not this part's.
    pub fn add(&mut self, row: &Row<'_>, bands: &Bands, reweight: Option<&Reweight>) {
        let [i, j] = row.antennas;
        let swapped = i > j;
        let baseline = Shape::baseline(i.min(j), i.max(j)) - self.first;
        let groups = self.shape.groups;
        for receptor in 0..bands.hands.len() {
            self.scratch.load(row, bands, receptor, groups, reweight);
            let start = (baseline * self.shape.receptors + receptor) * FIELDS * groups;
            let sums = &mut self.sums[start..start + FIELDS * groups];
            self.scratch.add_to(sums, groups, bands, swapped);
        }
    }
}

impl Scratch {
    /// Adds the weighted products to the sums of one baseline and receptor.
    fn add_to(&self, sums: &mut [f32], groups: usize, bands: &Bands, swapped: bool) {
        let sign = if swapped { -1.0 } else { 1.0 };
        let one_each = bands.groups.iter().enumerate().all(|(k, group)| *group == (k..k + 1));
        let (re, rest) = sums.split_at_mut(groups);
        let (im, rest) = rest.split_at_mut(groups);
        let (mm, rest) = rest.split_at_mut(groups);
        let (vv, n) = rest.split_at_mut(groups);
        let Self { vr, vi, mr, mi, w, .. } = self;
        if one_each {
            let own = bands.first_group..bands.first_group + vr.len();
            let (re, im, mm) = (&mut re[own.clone()], &mut im[own.clone()], &mut mm[own.clone()]);
            let (vv, n) = (&mut vv[own.clone()], &mut n[own]);
            for c in 0..vr.len() {
                re[c] += w[c] * (vr[c] * mr[c] + vi[c] * mi[c]);
                im[c] += sign * w[c] * (vi[c] * mr[c] - vr[c] * mi[c]);
                mm[c] += w[c] * (mr[c] * mr[c] + mi[c] * mi[c]);
                vv[c] += w[c] * (vr[c] * vr[c] + vi[c] * vi[c]);
                n[c] += if w[c] > 0.0 { 1.0 } else { 0.0 };
            }
            return;
        }
        for (number, channels) in bands.groups.iter().enumerate() {
            let group = bands.first_group + number;
            let mut lanes = [[0_f32; LANES]; FIELDS];
            for start in channels.clone().step_by(LANES) {
                let end = (start + LANES).min(channels.end);
                for (lane, c) in (start..end).enumerate() {
                    lanes[0][lane] += w[c] * (vr[c] * mr[c] + vi[c] * mi[c]);
                    lanes[1][lane] += w[c] * (vi[c] * mr[c] - vr[c] * mi[c]);
                    lanes[2][lane] += w[c] * (mr[c] * mr[c] + mi[c] * mi[c]);
                    lanes[3][lane] += w[c] * (vr[c] * vr[c] + vi[c] * vi[c]);
                    lanes[4][lane] += if w[c] > 0.0 { 1.0 } else { 0.0 };
                }
            }
            let sum = |field: usize| lanes[field].iter().sum::<f32>();
            re[group] += sum(0);
            im[group] += sign * sum(1);
            mm[group] += sum(2);
            vv[group] += sum(3);
            n[group] += sum(4);
        }
    }
}

/// Partial sums of a group: wide enough for vectors, and each so short that `f32` keeps its digits.
const LANES: usize = 8;
