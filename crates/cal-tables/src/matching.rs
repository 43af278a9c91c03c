//! Which solutions of a table belong to which antennas and windows of a set.

use vis_types::{MsAntenna, SpectralWindow};

use crate::error::{Error, Result};
use crate::table::{CalTable, Kind};

/// Antennas of one name further apart than this belong to different arrays, metres.
const MOVED_M: f64 = 10.0;

/// For each antenna of the set, its number in the table.
///
/// Antennas are matched by their names, or by their numbers where a set or a table has no names or the same name twice. Only
/// those with `needed` must be there.
pub(crate) fn antennas(table: &CalTable, name: &str, set: &[MsAntenna], needed: &[bool]) -> Result<Vec<Option<usize>>> {
    let named = unique(set) && unique(&table.antennas);
    let mut found = Vec::with_capacity(set.len());
    for (number, antenna) in set.iter().enumerate() {
        let place = if named {
            table.antennas.iter().position(|other| other.name == antenna.name)
        } else {
            (number < table.antennas.len()).then_some(number)
        };
        let is_needed = needed.get(number).copied().unwrap_or(false);
        match place.map(|place| (place, &table.antennas[place])) {
            None if is_needed => {
                let have = table.antennas.len();
                let found =
                    format!("antenna {number} `{}` is not among the {have} antennas of the table", antenna.name);
                return Err(Error::misfit(name, found));
            }
            Some((_, other)) if is_needed && apart(antenna, other) > MOVED_M => {
                let found = format!(
                    "antenna `{}` stands {:.0} m from where the table has it: another array",
                    antenna.name,
                    apart(antenna, other)
                );
                return Err(Error::misfit(name, found));
            }
            other => found.push(other.map(|(place, _)| place)),
        }
    }
    Ok(found)
}

fn unique(antennas: &[MsAntenna]) -> bool {
    let mut names: Vec<&str> = antennas.iter().map(|antenna| antenna.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1]) && names.first().is_some_and(|name| !name.is_empty())
}

/// Distance of two antennas; 0 where a table has no positions.
fn apart(a: &MsAntenna, b: &MsAntenna) -> f64 {
    let known = |antenna: &MsAntenna| antenna.position_m.iter().any(|x| *x != 0.0);
    if !known(a) || !known(b) {
        return 0.0;
    }
    (0..3).map(|k| (a.position_m[k] - b.position_m[k]).powi(2)).sum::<f64>().sqrt()
}

/// The window of the table whose solutions belong to window `number` of the set.
///
/// That of the same number where its frequencies fit, else another one that fits; and where the table of gains or delays has
/// solutions for one window only, that one for all.
pub(crate) fn window(table: &CalTable, name: &str, number: usize, window: &SpectralWindow) -> Result<usize> {
    let mut solved: Vec<usize> = table.rows.iter().filter_map(|row| usize::try_from(row.window).ok()).collect();
    solved.sort_unstable();
    solved.dedup();
    let fits = |&place: &usize| table.windows.get(place).is_some_and(|other| covers(other, window));
    if solved.contains(&number) && fits(&number) {
        return Ok(number);
    }
    if let Some(&place) = solved.iter().find(|place| fits(place)) {
        return Ok(place);
    }
    if let ([only], true) = (solved.as_slice(), table.kind != Kind::Bandpass) {
        return Ok(*only);
    }
    let mhz = |w: &SpectralWindow| match w.edges_hz() {
        Some((low, high)) => format!("{:.3} to {:.3} MHz", low / 1e6, high / 1e6),
        None => "no channels".into(),
    };
    let have: Vec<String> = solved.iter().filter_map(|&w| table.windows.get(w)).take(4).map(mhz).collect();
    let found = format!(
        "spectral window {number} ({}) is in none of the {} windows that the table has solutions for ({}{})",
        mhz(window),
        solved.len(),
        have.join(", "),
        if solved.len() > 4 { ", …" } else { "" }
    );
    Err(Error::misfit(name, found))
}

/// Whether all channel centres lie within the edges of a window, give or take half a channel.
fn covers(table: &SpectralWindow, set: &SpectralWindow) -> bool {
    let Some((low, high)) = table.edges_hz() else { return false };
    let slack = set.width_hz.iter().fold(0.0, |most, width| f64::max(most, width.abs())) / 2.0;
    set.freq_hz.iter().all(|freq| (low - slack..=high + slack).contains(freq))
}
