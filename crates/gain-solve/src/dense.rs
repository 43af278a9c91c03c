//! The same gains by Gauss–Newton with dense normal equations: slow, independent of [`StEFCal`](crate::solve), obviously
//! right. For tests and for measuring.

use num_complex::Complex64;

use crate::averages::{Averages, Cell, Cells};

/// Gains of all antennas for one receptor and channel group, the phase of `reference` zero; `None` where the equations have no
/// solution. Every antenna must have baselines.
///
/// Minimises Σ w |V − gᵢ gⱼ* M|² over the real and imaginary parts of all gains with the imaginary part of the reference's
/// held at 0, from gains of 1 with the phases of its own baselines. Each step solves JᵀJ δ = Jᵀr by Gaussian elimination and is
/// halved until the sum of squares falls.
#[must_use]
pub fn gauss_newton(averages: &Averages, receptor: usize, group: usize, reference: usize) -> Option<Vec<Complex64>> {
    let mut tables = Vec::new();
    averages.cells(receptor, group..group + 1, &mut tables);
    let cells = tables.first()?;
    let count = cells.antennas;
    let mut gains: Vec<Complex64> = (0..count)
        .map(|i| {
            if i == reference {
                return Complex64::ONE;
            }
            let vm = vm(&cells.get(i.min(reference), i.max(reference)));
            let vm = if i < reference { vm } else { vm.conj() };
            if vm.norm() > 0.0 { vm / vm.norm() } else { Complex64::ONE }
        })
        .collect();
    let mut cost = cost_of(cells, &gains);
    for _ in 0..200 {
        let step = step(cells, reference, &gains)?;
        let mut scale = 1.0;
        loop {
            let next: Vec<Complex64> = gains.iter().zip(&step).map(|(g, d)| g + d * scale).collect();
            let now = cost_of(cells, &next);
            if now <= cost || scale < 1e-6 {
                gains = next;
                cost = now;
                break;
            }
            scale *= 0.5;
        }
        let change: f64 = step.iter().map(Complex64::norm_sqr).sum();
        if change.sqrt() * scale < 1e-12 {
            break;
        }
    }
    // The reference's gain is real; it shall be positive too.
    let turn = if gains[reference].re < 0.0 { -1.0 } else { 1.0 };
    Some(gains.into_iter().map(|g| g * turn).collect())
}

/// Σ w V M*.
fn vm(cell: &Cell) -> Complex64 {
    Complex64::new(cell.re.into(), cell.im.into())
}

/// Without the constant Σ w |V|².
fn cost_of(cells: &Cells, gains: &[Complex64]) -> f64 {
    let mut sum = 0.0;
    for j in 0..gains.len() {
        for i in 0..j {
            let cell = cells.get(i, j);
            let g = gains[i] * gains[j].conj();
            sum += f64::from(cell.mm) * g.norm_sqr() - 2.0 * (g.conj() * vm(&cell)).re;
        }
    }
    sum
}

/// One Gauss–Newton step.
fn step(cells: &Cells, reference: usize, gains: &[Complex64]) -> Option<Vec<Complex64>> {
    let size = 2 * gains.len();
    let mut matrix = vec![vec![0.0; size + 1]; size];
    for j in 0..gains.len() {
        for i in 0..j {
            let cell = cells.get(i, j);
            if cell.mm <= 0.0 {
                continue;
            }
            // Residual and derivatives of √(Σ w |M|²) (q − gᵢ gⱼ*), where q = Σ w V M* / Σ w |M|².
            let mm = f64::from(cell.mm);
            let q = vm(&cell) / mm;
            let residual = q - gains[i] * gains[j].conj();
            let imaginary = Complex64::I;
            let derivatives = [
                (2 * i, gains[j].conj()),
                (2 * i + 1, imaginary * gains[j].conj()),
                (2 * j, gains[i]),
                (2 * j + 1, -imaginary * gains[i]),
            ];
            for &(a, da) in &derivatives {
                for &(b, db) in &derivatives {
                    matrix[a][b] += mm * (da.conj() * db).re;
                }
                matrix[a][size] += mm * (da.conj() * residual).re;
            }
        }
    }
    // The reference's imaginary part stays.
    let fixed = 2 * reference + 1;
    for row in &mut matrix {
        row[fixed] = 0.0;
    }
    matrix[fixed].fill(0.0);
    matrix[fixed][fixed] = 1.0;
    let solved = eliminate(matrix)?;
    Some(solved.chunks(2).map(|part| Complex64::new(part[0], part[1])).collect())
}

/// Gaussian elimination with pivots; the right side is the last column.
fn eliminate(mut matrix: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = matrix.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        let head = matrix[column][column];
        if head.abs() < 1e-30 {
            return None;
        }
        let pivot_row = matrix[column].clone();
        for row in matrix.iter_mut().skip(column + 1) {
            let factor = row[column] / head;
            if factor != 0.0 {
                row.iter_mut().zip(&pivot_row).skip(column).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev() {
        let rest: f64 = (row + 1..size).map(|k| matrix[row][k] * solution[k]).sum();
        solution[row] = (matrix[row][size] - rest) / matrix[row][row];
    }
    Some(solution)
}
