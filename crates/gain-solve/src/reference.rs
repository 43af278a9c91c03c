//! The antenna whose phase is zero.

use num_complex::Complex64;

use crate::solution::Solutions;

/// Turns the gains of each receptor and channel group so that the reference antenna's phase is zero.
///
/// `intervals` are in order of time. The reference is the first of `chain` that has a solution anywhere; after the chain come
/// the other antennas, those with the most solutions first. In a cell where it has none, the next antenna with one stands in
/// and keeps the phase that it last had, so that the phases of all go on (CASA's `refantmode='flex'`).
///
/// Gives the reference of each receptor; `None` where there is no solution at all.
pub fn refer(intervals: &mut [Solutions], chain: &[usize]) -> Vec<Option<usize>> {
    let Some((receptors, groups, antennas)) = intervals.first().map(|first| first.gains.dim()) else {
        return Vec::new();
    };
    (0..receptors)
        .map(|receptor| {
            let order = order(intervals, receptor, antennas, chain);
            let reference = *order.first()?;
            for group in 0..groups {
                let mut last: Vec<Option<f64>> = vec![None; antennas];
                for interval in intervals.iter_mut() {
                    let usable = |antenna: usize| interval.usable[[receptor, group, antenna]];
                    let known = order.iter().copied().find(|&a| usable(a) && (a == reference || last[a].is_some()));
                    let Some(pivot) = known.or_else(|| order.iter().copied().find(|&a| usable(a))) else { continue };
                    let wanted = if pivot == reference { 0.0 } else { last[pivot].unwrap_or(0.0) };
                    let turn = Complex64::cis(wanted - interval.gains[[receptor, group, pivot]].arg());
                    for (antenna, last) in last.iter_mut().enumerate() {
                        let at = [receptor, group, antenna];
                        interval.fit[at] *= turn;
                        if interval.usable[at] {
                            interval.gains[at] *= turn;
                            *last = Some(interval.gains[at].arg());
                        }
                    }
                    // Exactly real, not almost.
                    let at = [receptor, group, pivot];
                    if pivot == reference {
                        interval.gains[at] = Complex64::new(interval.gains[at].norm(), 0.0);
                    }
                    interval.cells[[receptor, group]].reference = Some(pivot);
                }
            }
            Some(reference)
        })
        .collect()
}

/// Antennas that have a solution: the chain, then the others by how many they have.
fn order(intervals: &[Solutions], receptor: usize, antennas: usize, chain: &[usize]) -> Vec<usize> {
    let mut solutions = vec![0_usize; antennas];
    for interval in intervals {
        let receptor = interval.usable.index_axis(ndarray::Axis(0), receptor);
        for row in receptor.rows() {
            row.iter().enumerate().filter(|(_, usable)| **usable).for_each(|(antenna, _)| solutions[antenna] += 1);
        }
    }
    let mut order: Vec<usize> = Vec::new();
    for &antenna in chain {
        if antenna < antennas && !order.contains(&antenna) {
            order.push(antenna);
        }
    }
    let mut others: Vec<usize> = (0..antennas).filter(|antenna| !order.contains(antenna)).collect();
    others.sort_by_key(|&antenna| std::cmp::Reverse(solutions[antenna]));
    order.extend(others);
    order.retain(|&antenna| solutions[antenna] > 0);
    order
}
