//! Parts of a Measurement Set as people name them: fields, spectral windows, scans, rows.

use std::{path::Path, str::FromStr};

use ms_meta_cache::MsSubtables;

use crate::failure::{Class, Failure};

/// Fields that a message lists.
const LISTED: usize = 8;

/// Numbers and ranges of numbers as CASA writes them, both ends included: `0,3~5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.0.iter().any(|&(first, last)| (first..=last).contains(&number))
    }

    /// Whether any number of `first..end` is in it.
    pub(crate) fn touches(&self, first: u64, end: u64) -> bool {
        self.0.iter().any(|&(low, high)| low < end && first <= high)
    }

    /// The largest number.
    pub(crate) fn last(&self) -> u64 {
        self.0.iter().map(|range| range.1).max().unwrap_or(0)
    }
}

impl FromStr for Ranges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| range(part).ok_or_else(|| format!("`{part}` is no number or range; write 0,3~5"));
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }
}

/// `3` as (3, 3), `3~5` as (3, 5); `None` for anything else.
fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('~').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

/// For each field whether a list of numbers, ranges and names means it; all without a list.
pub(crate) fn fields(tables: &MsSubtables, wanted: Option<&str>, path: &Path) -> Result<Vec<bool>, Failure> {
    let n = tables.fields.len();
    let Some(wanted) = wanted else { return Ok(vec![true; n]) };
    let mut selected = vec![false; n];
    for part in wanted.split(',').map(str::trim) {
        let mut found = false;
        for (id, field) in tables.fields.iter().enumerate() {
            let is_meant = match range(part) {
                Some((first, last)) => (first..=last).contains(&(id as u64)) && last < n as u64,
                None => field.name == part,
            };
            selected[id] |= is_meant;
            found |= is_meant;
        }
        if !found {
            let names: Vec<String> =
                tables.fields.iter().take(LISTED).enumerate().map(|(id, f)| format!("{id} {}", f.name)).collect();
            let more = if n > LISTED { format!(" and {} more", n - LISTED) } else { String::new() };
            return Err(Failure::new(Class::Input, format!("{}: there is no field `{part}`", path.display()))
                .hint(format!("the set has the fields {}{more}", names.join(", "))));
        }
    }
    Ok(selected)
}

/// For each data description whether a list means its spectral window; all without a list.
pub(crate) fn descriptions(tables: &MsSubtables, wanted: Option<&Ranges>, path: &Path) -> Result<Vec<bool>, Failure> {
    let n = tables.windows.len() as u64;
    if let Some(last) = wanted.map(Ranges::last).filter(|&last| last >= n) {
        return Err(Failure::new(Class::Input, format!("{}: there is no spectral window {last}", path.display()))
            .hint(format!("the set has {n}, 0 to {}", n.saturating_sub(1))));
    }
    let is_meant = |window: usize| wanted.is_none_or(|wanted| wanted.contains(window as u64));
    Ok(tables.data_descriptions.iter().map(|description| is_meant(description.window)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_casa_writes_them() {
        let ranges: Ranges = "0,3~5".parse().expect("ranges");
        assert_eq!((0..7).filter(|&n| ranges.contains(n)).collect::<Vec<_>>(), [0, 3, 4, 5]);
        assert_eq!("0, 3 ~ 5".parse(), Ok(ranges.clone()));
        assert!(ranges.touches(1, 4) && !ranges.touches(1, 3) && ranges.last() == 5);
        for bad in ["", "a", "3~1", "1,,2", "1~", "-1", "99999999999999999999"] {
            assert!(bad.parse::<Ranges>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_window_is_not_the_number_of_its_description() {
        let description = |window| vis_types::DataDescription { window, polarization: 0, flagged: false };
        let window = |name: &str| vis_types::SpectralWindow {
            name: name.into(),
            freq_hz: vec![1.4e9],
            width_hz: vec![1e6],
            effective_bw_hz: None,
            resolution_hz: None,
            ref_freq_hz: 1.4e9,
            total_bandwidth_hz: 1e6,
            frame: None,
            flagged: false,
        };
        let tables = MsSubtables {
            windows: vec![window("a"), window("b")],
            data_descriptions: vec![description(1), description(0), description(1)],
            ..MsSubtables::default()
        };
        let of = |list: &str| descriptions(&tables, Some(&list.parse().expect("a list")), Path::new("a.ms"));
        assert_eq!(of("1").expect("windows"), [true, false, true]);
        assert!(of("0,2").expect_err("no such window").chain[0].contains("no spectral window 2"));
    }
}
