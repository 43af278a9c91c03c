//! The sums of one receptor and channel group as matrices over the antennas that can be solved for.

use num_complex::Complex64;

use crate::averages::Cells;

/// Σ w V M* and Σ w |M|² as full Hermitian and symmetric matrices, row by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Normal {
    /// The antennas that take part, by their number among all.
    pub(crate) antennas: Vec<usize>,
    /// Re and Im of Σ w V M* of antennas (i, j), `[i, j]`: V = gᵢ gⱼ* M.
    pub(crate) re: Vec<f64>,
    pub(crate) im: Vec<f64>,
    /// Σ w |M|², `[i, j]`.
    pub(crate) mm: Vec<f64>,
    /// Σ w |V|² and visibilities of all baselines that take part.
    pub(crate) vv: f64,
    pub(crate) n: f64,
    /// Baselines that take part.
    pub(crate) baselines: usize,
    /// Baselines with data, whether they take part or not.
    pub(crate) links: usize,
}

impl Normal {
    /// Takes the sums of a cell: of antennas with at least `least` baselines to others of them, in one connected part with as
    /// many antennas as possible. The memory of the cell before is used again.
    pub(crate) fn take(&mut self, cells: &Cells, least: usize) {
        let all = cells.antennas;
        let mut links = vec![false; all * all];
        for i in 0..all {
            for j in 0..i {
                let link = cells.get(j, i).mm > 0.0;
                (links[i * all + j], links[j * all + i]) = (link, link);
            }
        }
        let mut antennas: Vec<usize> = (0..all).collect();
        loop {
            antennas = largest_part(&antennas, |i, j| links[i * all + j]);
            let before = antennas.len();
            let kept = |&i: &usize| antennas.iter().filter(|&&j| links[i * all + j]).count() >= least.max(1);
            let next: Vec<usize> = antennas.iter().copied().filter(kept).collect();
            antennas = next;
            if antennas.len() == before {
                break;
            }
        }
        let count = antennas.len();
        for values in [&mut self.re, &mut self.im, &mut self.mm] {
            values.clear();
            values.resize(count * count, 0.0);
        }
        self.links = links.iter().filter(|&&link| link).count() / 2;
        (self.vv, self.n, self.baselines) = (0.0, 0.0, 0);
        for (a, &i) in antennas.iter().enumerate() {
            for (b, &j) in antennas.iter().enumerate().skip(a + 1) {
                let cell = cells.get(i, j);
                if cell.mm <= 0.0 {
                    continue;
                }
                let (upper, lower) = (a * count + b, b * count + a);
                (self.re[upper], self.im[upper]) = (cell.re.into(), cell.im.into());
                (self.re[lower], self.im[lower]) = (cell.re.into(), f64::from(-cell.im));
                (self.mm[upper], self.mm[lower]) = (cell.mm.into(), cell.mm.into());
                self.vv += f64::from(cell.vv);
                self.n += f64::from(cell.n);
                self.baselines += 1;
            }
        }
        self.antennas = antennas;
    }

    /// Whether amplitudes are determined: somewhere there is a loop of an odd number of baselines. Without one (two antennas, a
    /// chain, a star) half of the gains can grow while the others shrink.
    pub(crate) fn determines_amplitudes(&self) -> bool {
        let count = self.antennas.len();
        let mut colour = vec![0_i8; count];
        let mut todo: Vec<usize> = (0..count.min(1)).collect();
        if let Some(first) = colour.first_mut() {
            *first = 1;
        }
        while let Some(i) = todo.pop() {
            for j in 0..count {
                if self.mm[i * count + j] <= 0.0 {
                    continue;
                }
                if colour[j] == colour[i] {
                    return true;
                }
                if colour[j] == 0 {
                    colour[j] = -colour[i];
                    todo.push(j);
                }
            }
        }
        false
    }

    /// Σ w |V − gᵢ gⱼ* M|² over all visibilities.
    pub(crate) fn chi_squared(&self, gains: &[Complex64]) -> f64 {
        let count = self.antennas.len();
        let mut sum = self.vv;
        for i in 0..count {
            for j in i + 1..count {
                let at = i * count + j;
                let g = gains[i] * gains[j].conj();
                sum += self.mm[at] * g.norm_sqr() - 2.0 * (g.re * self.re[at] + g.im * self.im[at]);
            }
        }
        // Rounding of sums in `f32` may leave less than nothing.
        sum.max(0.0)
    }
}

/// The largest connected part of `antennas`; of equal ones that with the lowest number.
fn largest_part(antennas: &[usize], linked: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut left: Vec<usize> = antennas.to_vec();
    let mut best: Vec<usize> = Vec::new();
    while let Some(&start) = left.first() {
        let mut part = vec![start];
        left.retain(|&i| i != start);
        let mut next = 0;
        while let Some(&i) = part.get(next) {
            let (reached, rest): (Vec<usize>, Vec<usize>) = left.iter().partition(|&&j| linked(i, j));
            part.extend(reached);
            left = rest;
            next += 1;
        }
        if part.len() > best.len() {
            best = part;
        }
    }
    best.sort_unstable();
    best
}
