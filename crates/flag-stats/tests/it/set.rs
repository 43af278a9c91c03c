// Small Measurement Sets with known flags. The doctest of the crate includes this file.

use std::path::Path;

use casacore::{Bucket, ColumnDesc, DataType, Endian, Layout, Manager, Ragged, Result, Table};

/// How FLAG is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// One set of tiles of so many rows, channels and correlations.
    TiledColumn([usize; 3]),
    /// Tiles by shape.
    TiledShape([usize; 3]),
    /// Each cell its own tiles.
    TiledCell,
    /// No tiles.
    Standard,
}

/// In which order rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Time, window, baseline, as correlators write.
    Time,
    /// Window, time, baseline, as concatenation makes.
    Window,
    /// Baseline, window, time: every row in another context than the one before.
    Baseline,
}

/// What a set is made of.
#[derive(Clone, Debug)]
pub struct Set {
    pub antennas: i32,
    pub times: i32,
    /// Channels and correlations of each data description, which is also a window.
    pub windows: Vec<[usize; 2]>,
    pub storage: Storage,
    pub order: Order,
    pub endian: Endian,
    /// Of 256 flags, so many are set at random.
    pub density: u64,
    /// This antenna is flagged, and FLAG_ROW of its rows is set in each second time.
    pub dead: Option<i32>,
    /// In rows of this number and its multiples FLAG has no value.
    pub undefined: Option<usize>,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            antennas: 5,
            times: 4,
            windows: vec![[6, 2], [6, 2]],
            storage: Storage::TiledColumn([16, 6, 2]),
            order: Order::Time,
            endian: Endian::Little,
            density: 20,
            dead: None,
            undefined: None,
        }
    }
}

/// A row as it was written.
#[derive(Clone, Debug)]
pub struct Row {
    pub antennas: [i32; 2],
    pub window: i32,
    pub field: i32,
    pub scan: i32,
    pub time_s: f64,
    pub row_flag: bool,
    /// `[channel, correlation]`; none without a value.
    pub flags: Option<Vec<bool>>,
}

impl Set {
    /// The rows in order.
    pub fn rows(&self) -> Vec<Row> {
        let mut keys = Vec::new();
        for time in 0..self.times {
            for window in 0..self.windows.len() as i32 {
                for first in 0..self.antennas {
                    keys.extend((first..self.antennas).map(|second| (time, window, [first, second])));
                }
            }
        }
        match self.order {
            Order::Time => {}
            Order::Window => keys.sort_by_key(|&(time, window, antennas)| (window, time, antennas)),
            Order::Baseline => keys.sort_by_key(|&(time, window, antennas)| (antennas, window, time)),
        }
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) & 255
        };
        keys.into_iter()
            .enumerate()
            .map(|(number, (time, window, antennas))| {
                let dead = self.dead.is_some_and(|dead| antennas.contains(&dead));
                let [channels, correlations] = self.windows[window as usize];
                let flags = (0..channels * correlations).map(|_| dead || random() < self.density).collect();
                Row {
                    antennas,
                    window,
                    field: time / 2,
                    scan: 10 + time,
                    time_s: 5e9 + 12.9 * f64::from(time),
                    row_flag: (dead && time % 2 == 0) || random() == 3,
                    flags: self.undefined.is_none_or(|each| number % each != 0).then_some(flags),
                }
            })
            .collect()
    }

    /// Makes the set at `path` and gives its rows.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Vec<Row>> {
        let path = path.as_ref();
        let rows = self.rows();
        let manager = match self.storage {
            Storage::TiledColumn(tile) => Manager::tiled_column("Flags", tile),
            Storage::TiledShape(tile) => Manager::tiled_shape("Flags", tile),
            Storage::TiledCell => Manager::tiled_cell("Flags", [4, 2]),
            Storage::Standard => Manager::standard("Flags", Bucket::Default),
        };
        let flag = match self.storage {
            Storage::TiledColumn(_) => ColumnDesc::fixed("FLAG", DataType::Bool, self.windows[0]),
            _ => ColumnDesc::variable("FLAG", DataType::Bool, Some(2)),
        };
        // casacore fills incremental columns in a time that grows with the square of the number of values.
        let slow = match self.times {
            0..1000 => Manager::incremental("Slow", 4096),
            _ => Manager::standard("Slow", Bucket::Rows(1024)),
        };
        const INTEGERS: [&str; 5] = ["ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER"];
        let mut layout = Layout::new().column(flag).endian(self.endian);
        for name in INTEGERS {
            layout = layout.column(ColumnDesc::scalar(name, DataType::I32));
        }
        let mut table = layout
            .column(ColumnDesc::scalar("TIME", DataType::F64))
            .column(ColumnDesc::scalar("FLAG_ROW", DataType::Bool))
            .manager(manager.holding(["FLAG"]))
            .manager(Manager::standard("Rows", Bucket::Rows(64)).holding(["ANTENNA1", "ANTENNA2", "FLAG_ROW"]))
            .manager(slow.holding(["DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME"]))
            .create(path, rows.len() as u64)?;
        let all = 0..rows.len() as u64;
        let of: [fn(&Row) -> i32; 5] = [|r| r.antennas[0], |r| r.antennas[1], |r| r.window, |r| r.field, |r| r.scan];
        for (name, of) in INTEGERS.into_iter().zip(of) {
            table.write(name, all.clone(), &rows.iter().map(of).collect::<Vec<_>>())?;
        }
        table.write("TIME", all.clone(), &rows.iter().map(|row| row.time_s).collect::<Vec<_>>())?;
        table.write("FLAG_ROW", all.clone(), &rows.iter().map(|row| row.row_flag).collect::<Vec<_>>())?;
        let shapes = rows.iter().map(|row| row.flags.as_ref().map(|_| self.windows[row.window as usize].to_vec()));
        let values: Vec<bool> = rows.iter().flat_map(|row| row.flags.clone().unwrap_or_default()).collect();
        match self.storage {
            Storage::TiledColumn(_) => table.write("FLAG", all, &values)?,
            _ => table.write_ragged("FLAG", all, &Ragged { shapes: shapes.collect(), values })?,
        }
        self.subtables(path, &mut table)?;
        table.close()?;
        Ok(rows)
    }

    fn subtables(&self, path: &Path, table: &mut Table) -> Result<()> {
        for (name, count) in [("ANTENNA", self.antennas), ("FIELD", (self.times + 1) / 2)] {
            let names: Vec<String> = (0..count).map(|i| format!("{name}-{i}")).collect();
            let layout = Layout::new().column(ColumnDesc::scalar("NAME", DataType::String));
            let mut subtable = layout.create(path.join(name), count as u64)?;
            subtable.write_strings("NAME", 0..count as u64, &names)?;
            subtable.close()?;
            table.put_subtable(name, path.join(name))?;
        }
        let windows = self.windows.len() as u64;
        let numbers: Vec<i32> = (0..windows as i32).collect();
        let mut description = Layout::new()
            .column(ColumnDesc::scalar("SPECTRAL_WINDOW_ID", DataType::I32))
            .column(ColumnDesc::scalar("POLARIZATION_ID", DataType::I32))
            .create(path.join("DATA_DESCRIPTION"), windows)?;
        description.write("SPECTRAL_WINDOW_ID", 0..windows, &numbers)?;
        description.write("POLARIZATION_ID", 0..windows, &numbers)?;
        description.close()?;
        table.put_subtable("DATA_DESCRIPTION", path.join("DATA_DESCRIPTION"))?;
        let types = ColumnDesc::variable("CORR_TYPE", DataType::I32, Some(1));
        let mut polarization = Layout::new().column(types).create(path.join("POLARIZATION"), windows)?;
        for (row, &[_, correlations]) in self.windows.iter().enumerate() {
            let codes: &[i32] = if correlations == 2 { &[9, 12] } else { &[9, 10, 11, 12] };
            polarization.write_cell("CORR_TYPE", row as u64, &[correlations], &codes[..correlations])?;
        }
        polarization.close()?;
        table.put_subtable("POLARIZATION", path.join("POLARIZATION"))
    }
}
