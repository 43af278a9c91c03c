//! What a set holds, kept beside it, and how answers are compared with it.

use std::collections::BTreeMap;
use std::path::Path;

use casacore::{Bucket, ColumnDesc, DataType, Manager, Table};
use flag_stats::FlagStats;
use ms_meta_cache::{MsRows, MsSubtables};

use crate::set::{self, Shape};

/// Channels and correlations of FLAG.
pub(crate) const CELL: [usize; 2] = [4, 2];
/// The antennas of the rows.
const ANTENNAS: i32 = 5;

const SHAPE: Shape = Shape { windows: 2, channels: CELL[0], fields: 3, antennas: 6, rows: 6 };

/// How FLAG is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    Tiles,
    ShapedTiles,
    Standard,
}

/// What MAIN holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Main {
    pub(crate) storage: Storage,
    pub(crate) scans: Vec<i32>,
    pub(crate) antennas: Vec<[i32; 2]>,
    pub(crate) descriptions: Vec<i32>,
    pub(crate) row_flags: Vec<bool>,
    /// `[row][channel * correlations + correlation]`.
    pub(crate) flags: Vec<[bool; CELL[0] * CELL[1]]>,
}

/// What a set holds, as far as answers are compared with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// Names and phase centres.
    pub(crate) fields: Vec<(String, [f64; 2])>,
    pub(crate) antennas: Vec<String>,
    pub(crate) ref_freq_hz: Vec<f64>,
    pub(crate) telescope: String,
    /// The window of each data description.
    pub(crate) windows: Vec<i32>,
    pub(crate) main: Main,
}

impl Model {
    /// Makes a set at `path`.
    pub(crate) fn make(path: &Path, storage: Storage) -> casacore::Result<Self> {
        set::make(path, &SHAPE)?;
        let mut main = Table::open_rw(path)?;
        let rows = main.rows()?;
        let numbers = ["ANTENNA1", "ANTENNA2"];
        main.add_columns(
            &numbers.map(|name| ColumnDesc::scalar(name, DataType::I32)),
            Manager::standard("Antennas", Bucket::Default),
        )?;
        let (flag, manager) = match storage {
            Storage::Tiles => (true, Manager::tiled_column("Flags", [8, CELL[0], CELL[1]])),
            Storage::ShapedTiles => (false, Manager::tiled_shape("Flags", [8, CELL[0], CELL[1]])),
            Storage::Standard => (false, Manager::standard("Flags", Bucket::Default)),
        };
        let flag = if flag {
            ColumnDesc::fixed("FLAG", DataType::Bool, CELL)
        } else {
            ColumnDesc::variable("FLAG", DataType::Bool, Some(2))
        };
        main.add_columns(&[flag], manager)?;
        let antennas: Vec<[i32; 2]> =
            (0..rows as i32).map(|row| [row % ANTENNAS, (row + row / ANTENNAS) % ANTENNAS]).collect();
        for (i, name) in numbers.into_iter().enumerate() {
            main.write(name, 0..rows, &antennas.iter().map(|pair| pair[i]).collect::<Vec<_>>())?;
        }
        for row in 0..rows {
            main.write_cell("FLAG", row, &CELL, &[false; CELL[0] * CELL[1]])?;
        }
        let scans = main.read_vec("SCAN_NUMBER", 0..rows)?;
        let descriptions = main.read_vec("DATA_DESC_ID", 0..rows)?;
        main.close()?;
        let rows = rows as usize;
        let row_flags = vec![false; rows];
        let flags = vec![[false; CELL[0] * CELL[1]]; rows];
        Ok(Self {
            fields: (0..SHAPE.fields)
                .map(|i| (format!("meridian_icrs_t{i}"), [1.95 + 9.4e-4 * i as f64, 0.9543]))
                .collect(),
            antennas: (1..=SHAPE.antennas).map(|i| i.to_string()).collect(),
            ref_freq_hz: (0..SHAPE.windows).map(|w| set::freq(&SHAPE, w, 0)).collect(),
            telescope: "OVRO_MMA".into(),
            windows: (0..SHAPE.windows as i32).collect(),
            main: Main { storage, scans, antennas, descriptions, row_flags, flags },
        })
    }

    /// What differs from the subtables.
    pub(crate) fn subtables(&self, found: &MsSubtables) -> Option<String> {
        let fields: Vec<_> = found.fields.iter().map(|f| (f.name.clone(), f.phase.terms[0])).collect();
        let antennas: Vec<_> = found.antennas.iter().map(|a| a.name.clone()).collect();
        let freqs: Vec<_> = found.windows.iter().map(|w| w.ref_freq_hz).collect();
        let telescopes: Vec<_> = found.observations.iter().map(|o| o.telescope.as_str()).collect();
        let windows: Vec<_> = found.data_descriptions.iter().map(|d| d.window as i32).collect();
        differs("fields", &fields, &self.fields)
            .or_else(|| differs("antennas", &antennas, &self.antennas))
            .or_else(|| differs("reference frequencies", &freqs, &self.ref_freq_hz))
            .or_else(|| differs("telescope", &telescopes, &vec![self.telescope.as_str()]))
            .or_else(|| differs("data descriptions", &windows, &self.windows))
    }

    /// What differs from MAIN's rows.
    pub(crate) fn rows(&self, found: &MsRows) -> Option<String> {
        let mut scans = BTreeMap::<i32, u64>::new();
        self.main.scans.iter().for_each(|&scan| *scans.entry(scan).or_default() += 1);
        let mut theirs = BTreeMap::<i32, u64>::new();
        found.groups.iter().for_each(|group| *theirs.entry(group.scan).or_default() += group.rows);
        differs("rows", &found.rows, &(self.main.scans.len() as u64))
            .or_else(|| differs("rows by scan", &theirs, &scans))
    }

    /// What differs from the flag statistics.
    pub(crate) fn flags(&self, found: &FlagStats) -> Option<String> {
        let main = &self.main;
        // Total, FLAG, FLAG or FLAG_ROW.
        let mut total = [0_u64; 3];
        let mut antennas = BTreeMap::<i32, [u64; 3]>::new();
        let mut channels = BTreeMap::<(i32, usize), [u64; 3]>::new();
        let mut names = BTreeMap::new();
        for row in 0..main.scans.len() {
            let window = self.windows[main.descriptions[row] as usize];
            for (cell, &flag) in main.flags[row].iter().enumerate() {
                let count = [1, u64::from(flag), u64::from(flag || main.row_flags[row])];
                let add = |to: &mut [u64; 3]| to.iter_mut().zip(count).for_each(|(to, n)| *to += n);
                add(&mut total);
                add(channels.entry((window, cell / CELL[1])).or_default());
                let [first, second] = main.antennas[row];
                add(antennas.entry(first).or_default());
                if first != second {
                    add(antennas.entry(second).or_default());
                }
            }
            main.antennas[row].iter().for_each(|&a| drop(names.insert(a, self.antennas.get(a as usize).cloned())));
        }
        let three = |count: flag_stats::Count| [count.total, count.flag, count.flag_or_row];
        let theirs: BTreeMap<_, _> = found.antennas.iter().map(|a| (a.antenna, three(a.flags.all()))).collect();
        let their_names: BTreeMap<_, _> = found.antennas.iter().map(|a| (a.antenna, a.name.clone())).collect();
        let their_channels: BTreeMap<_, _> = found
            .windows
            .iter()
            .flat_map(|w| w.channels.iter().enumerate().map(|(c, flags)| ((w.window, c), three(flags.all()))))
            .collect();
        differs("flags", &three(found.total.all()), &total)
            .or_else(|| differs("flags by antenna", &theirs, &antennas))
            .or_else(|| differs("antennas' names", &their_names, &names))
            .or_else(|| differs("flags by channel", &their_channels, &channels))
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{what}: {found:?} instead of {expected:?}"))
}
