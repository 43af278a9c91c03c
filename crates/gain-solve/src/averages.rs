//! Visibilities averaged over a solution interval while they stream by.

use std::ops::Range;
use std::sync::Arc;

use crate::robust::Reweight;
use crate::row::{Bands, Groups, LANES, Piece, Planes, Row, WIDTH};

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
    /// Where a baseline's sums lie among all.
    places: Arc<[u32]>,
    sums: Vec<f32>,
}

/// The sums of some baselines, for one thread.
#[derive(Debug)]
pub struct Part<'a> {
    shape: Shape,
    /// As in [`Averages`].
    places: Arc<[u32]>,
    first: usize,
    sums: &'a mut [f32],
}

/// In which order the sums of baselines lie in memory: best that in which their rows come, so that a [`Part`] takes
/// neighbouring rows.
#[derive(Clone, Debug)]
pub struct Order(Arc<[u32]>);

impl Order {
    /// Baselines in the order in which rows of these antennas come; those that never come are last.
    ///
    /// # Panics
    ///
    /// When an antenna's number is not below `antennas`.
    #[must_use]
    pub fn of_rows(antennas: usize, rows: impl IntoIterator<Item = [usize; 2]>) -> Self {
        let shape = Shape { antennas, receptors: 0, groups: 0 };
        let mut places = vec![u32::MAX; shape.baselines()];
        let mut next = 0;
        let mut come = |place: &mut u32| {
            if *place == u32::MAX {
                *place = next;
                next += 1;
            }
        };
        for [i, j] in rows {
            if i != j {
                come(&mut places[Shape::baseline(i.min(j), i.max(j))]);
            }
        }
        places.iter_mut().for_each(come);
        Self(places.into())
    }

    /// The place of a baseline; none for autocorrelations.
    #[must_use]
    pub fn place(&self, [i, j]: [usize; 2]) -> Option<usize> {
        (i != j).then(|| self.0[Shape::baseline(i.min(j), i.max(j))] as usize)
    }
}

impl Averages {
    /// Sums of nothing, baselines in the order (0, 1), (0, 2), (1, 2), (0, 3), …
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let pairs = (0..shape.antennas).flat_map(|j| (0..j).map(move |i| [i, j]));
        Self::ordered(shape, &Order::of_rows(shape.antennas, pairs))
    }

    /// Sums of nothing, baselines in the order given, which is of as many antennas.
    #[must_use]
    pub fn ordered(shape: Shape, order: &Order) -> Self {
        debug_assert_eq!(order.0.len(), shape.baselines(), "an order of other antennas");
        Self { shape, places: order.0.clone(), sums: vec![0.0; shape.bytes() / size_of::<f32>()] }
    }

    /// Makes all sums zero again: memory that was written once is cheaper than new.
    pub fn clear(&mut self) {
        self.sums.fill(0.0);
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The sums in parts of so many baselines (or all there are), for as many threads: [`Part::takes`] says which rows are a part's.
    pub fn parts(&mut self, baselines: usize) -> impl Iterator<Item = Part<'_>> {
        let (shape, places) = (self.shape, &self.places);
        let baselines = baselines.clamp(1, shape.baselines().max(1));
        let length = shape.receptors * shape.groups * FIELDS;
        self.sums.chunks_mut((baselines * length).max(1)).enumerate().map(move |(number, sums)| Part {
            shape,
            places: places.clone(),
            first: number * baselines,
            sums,
        })
    }

    /// The sums of the baseline at a place and of one receptor: five slices of one value a group.
    fn fields(&self, place: usize, receptor: usize) -> [&[f32]; FIELDS] {
        let groups = self.shape.groups;
        let start = (place * self.shape.receptors + receptor) * FIELDS * groups;
        std::array::from_fn(|field| &self.sums[start + field * groups..start + (field + 1) * groups])
    }

    /// Gives the sums of some neighbouring groups of a receptor, one table a group, in `tables`. Together they cost little more than one: groups
    /// lie beside each other.
    pub(crate) fn cells(&self, receptor: usize, groups: Range<usize>, tables: &mut Vec<Cells>) {
        tables.resize_with(groups.len(), Cells::default);
        for table in tables.iter_mut() {
            table.antennas = self.shape.antennas;
            table.of.resize(self.shape.baselines(), Cell::default());
        }
        for (baseline, &place) in self.places.iter().enumerate() {
            let [re, im, mm, vv, n] = self.fields(place as usize, receptor).map(|field| &field[groups.clone()]);
            for (group, table) in tables.iter_mut().enumerate() {
                table.of[baseline] = Cell { re: re[group], im: im[group], mm: mm[group], vv: vv[group], n: n[group] };
            }
        }
    }

    /// Number of visibilities with weight in the sums, and of those whose model is not zero.
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
        Self { shape, places: self.places.clone(), sums }
    }
}

/// The sums of one baseline, receptor and group: Re and Im of Σ w V M*, Σ w |M|², Σ w |V|², number of visibilities.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) re: f32,
    pub(crate) im: f32,
    pub(crate) mm: f32,
    pub(crate) vv: f32,
    pub(crate) n: f32,
}

/// The sums of all baselines of one receptor and group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    pub(crate) antennas: usize,
    of: Vec<Cell>,
}

impl Cells {
    /// Of the baseline of antennas `i` < `j`.
    pub(crate) fn get(&self, i: usize, j: usize) -> Cell {
        self.of[Shape::baseline(i, j)]
    }
}

impl Part<'_> {
    /// Whether rows of these antennas belong to this part. Autocorrelations belong to none.
    #[must_use]
    pub fn takes(&self, antennas: [usize; 2]) -> bool {
        self.place(antennas).is_some()
    }

    /// The place of the sums of a baseline among this part's.
    fn place(&self, [i, j]: [usize; 2]) -> Option<usize> {
        if i == j {
            return None;
        }
        let place = (self.places[Shape::baseline(i.min(j), i.max(j))] as usize).checked_sub(self.first)?;
        let length = self.shape.receptors * self.shape.groups * FIELDS;
        (place * length < self.sums.len()).then_some(place)
    }

    /// Adds a row that this part [takes](Self::takes); others are left out.
    ///
    /// Visibilities, models and weights that are not finite, or whose weighted square is nearly not, count as flagged.
    ///
    /// # Panics
    ///
    /// When a slice of `row` is shorter than `bands` says.
    pub fn add(&mut self, row: &Row<'_>, bands: &Bands, reweight: Option<&Reweight>) {
        if let Some(place) = self.place(row.antennas) {
            // The processor's widest vectors.
            pulp::Arch::new().dispatch(Add { part: self, place, row, bands, reweight });
        }
    }
}

/// One row to be added.
struct Add<'a, 'b> {
    part: &'a mut Part<'b>,
    place: usize,
    row: &'a Row<'a>,
    bands: &'a Bands,
    reweight: Option<&'a Reweight>,
}

impl pulp::WithSimd for Add<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { part, place, row, bands, reweight } = self;
        let Shape { receptors, groups, .. } = part.shape;
        let sign = if row.antennas[0] > row.antennas[1] { -1.0 } else { 1.0 };
        let one_each = bands.one_each();
        let mut planes = Planes::new();
        for receptor in 0..bands.hands.len() {
            let start = (place * receptors + receptor) * FIELDS * groups;
            let sums = &mut part.sums[start..start + FIELDS * groups];
            bands.pieces(one_each, |piece| {
                planes.load(row, bands, receptor, &piece);
                if let (Some(solved), Some(how)) = (row.solved, reweight) {
                    planes.lower(&piece, solved.map(|g| &g[receptor * groups..(receptor + 1) * groups]), how);
                }
                planes.add_to(sums, groups, &piece, sign);
            });
        }
    }
}

impl Planes {
    /// Adds the weighted products to the sums of one baseline and receptor.
    #[inline(always)]
    fn add_to(&self, sums: &mut [f32], groups: usize, piece: &Piece, sign: f32) {
        let (re, rest) = sums.split_at_mut(groups);
        let (im, rest) = rest.split_at_mut(groups);
        let (mm, rest) = rest.split_at_mut(groups);
        let (vv, n) = rest.split_at_mut(groups);
        let Self { vr, vi, mr, mi, w, .. } = self;
        let length = piece.channels.len().min(WIDTH);
        match piece.groups {
            Groups::Each(first) => {
                let own = first..first + length;
                let (re, im, mm) = (&mut re[own.clone()], &mut im[own.clone()], &mut mm[own.clone()]);
                let (vv, n) = (&mut vv[own.clone()], &mut n[own]);
                for c in 0..length {
                    re[c] += w[c] * (vr[c] * mr[c] + vi[c] * mi[c]);
                    im[c] += sign * w[c] * (vi[c] * mr[c] - vr[c] * mi[c]);
                    mm[c] += w[c] * (mr[c] * mr[c] + mi[c] * mi[c]);
                    vv[c] += w[c] * (vr[c] * vr[c] + vi[c] * vi[c]);
                    n[c] += if w[c] > 0.0 { 1.0 } else { 0.0 };
                }
            }
            Groups::Shared(group) => {
                // Each so short a sum that `f32` keeps its digits.
                let mut lanes = [[0_f32; LANES]; FIELDS];
                let chunks = [vr, vi, mr, mi, w].map(|plane| &plane.as_chunks::<LANES>().0[..length.div_ceil(LANES)]);
                for chunk in 0..chunks[0].len() {
                    add_lanes(&mut lanes, chunks.map(|plane| &plane[chunk]));
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
}

/// Adds the products of the channels of one vector.
#[inline(always)]
fn add_lanes(lanes: &mut [[f32; LANES]; FIELDS], [vr, vi, mr, mi, w]: [&[f32; LANES]; FIELDS]) {
    let [re, im, mm, vv, n] = lanes;
    for k in 0..LANES {
        re[k] += w[k] * (vr[k] * mr[k] + vi[k] * mi[k]);
        im[k] += w[k] * (vi[k] * mr[k] - vr[k] * mi[k]);
        mm[k] += w[k] * (mr[k] * mr[k] + mi[k] * mi[k]);
        vv[k] += w[k] * (vr[k] * vr[k] + vi[k] * vi[k]);
        n[k] += if w[k] > 0.0 { 1.0 } else { 0.0 };
    }
}
