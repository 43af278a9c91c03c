//! Tables that are known already, on the channels of the set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cal_tables::{CalTable, Complex32, InTime, InterpolateOptions, Interpolator, Kind, Target, Values};

use crate::calibrate::set::View;
use crate::failure::{Class, Failure};

/// A table in memory.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// Its name in messages.
    pub name: String,
    /// Where it lies, if it does already.
    pub path: Option<PathBuf>,
    pub table: Arc<CalTable>,
}

impl Loaded {
    /// Reads a table.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            return Err(Failure::new(Class::Input, format!("{}: no calibration table is there", path.display())).hint(
                "`contimg solve` prints where it put tables; `contimg db query DB tables` lists those of a database",
            ));
        }
        let table = CalTable::read(path).map_err(|error| failure(&error))?;
        Ok(Self { name: path.display().to_string(), path: Some(path.to_path_buf()), table: Arc::new(table) })
    }
}

/// A failure of a calibration table as the program reports it.
pub(crate) fn failure(error: &cal_tables::Error) -> Failure {
    let failure = Failure::of(Class::Input, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// How tables are interpolated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// For all tables, else each kind has its own.
    pub time: Option<InTime>,
    pub options: InterpolateOptions,
}

/// The product of the gains of all tables at one time.
#[derive(Debug)]
pub(crate) struct Gains {
    /// `[antenna of the set, receptor, channel]`; 0 where a table has no solution.
    pub gains: Vec<Complex32>,
    /// `[antenna of the set, receptor]`: mean of |g|².
    pub powers: Vec<f32>,
}

/// The tables, prepared for every data description of a set.
#[derive(Debug)]
pub(crate) struct Known {
    antennas: usize,
    /// By data description: channels, receptors, one interpolator a table. Empty for those without rows.
    of: Vec<Option<(usize, usize, Vec<Interpolator>)>>,
    times: Vec<f64>,
}

impl Known {
    /// Prepares `tables` for a set; those that do not fit are refused.
    pub(crate) fn new(view: &View, tables: &[Loaded], how: How) -> Result<Self, Failure> {
        let mut of = Vec::new();
        for (description, has_rows) in view.descriptions.iter().zip(view.has_rows()) {
            if !has_rows {
                of.push(None);
                continue;
            }
            let receptors = description.receptors.iter().flatten().max().map_or(1, |most| most + 1);
            let second_alone = description.receptors.iter().all(|pair| *pair == [1, 1]);
            let target = Target {
                antennas: &view.subtables.antennas,
                with_data: &view.with_data,
                number: description.window,
                window: &view.subtables.windows[description.window],
                receptors,
                time_range: view.time_range(),
            };
            let prepared: Result<Vec<_>, _> = tables
                .iter()
                .map(|loaded| {
                    let natural = match loaded.table.kind {
                        Kind::Bandpass | Kind::Delay => InTime::Nearest,
                        Kind::Gain | Kind::Common => InTime::Linear,
                    };
                    let options = InterpolateOptions { time: how.time.unwrap_or(natural), ..how.options };
                    match second_alone && is_of_one_hand(&loaded.table) {
                        true => Interpolator::new(&exchanged(&loaded.table), &loaded.name, &target, options),
                        false => Interpolator::new(&loaded.table, &loaded.name, &target, options),
                    }
                })
                .collect();
            of.push(Some((description.channels, receptors, prepared.map_err(|error| failure(&error))?)));
        }
        Ok(Self { antennas: view.subtables.antennas.len(), of, times: view.times.clone() })
    }

    /// Bytes of [`Gains`] of all data descriptions at one time.
    pub(crate) fn bytes(&self) -> usize {
        let values = self.of.iter().flatten().map(|(channels, receptors, _)| channels * receptors).sum::<usize>();
        values * self.antennas * size_of::<Complex32>()
    }

    /// The gains of all antennas for rows of a data description at time number `time`.
    pub(crate) fn at(&self, description: usize, time: usize) -> Gains {
        let (channels, receptors, tables) =
            self.of[description].as_ref().expect("because only descriptions with rows are asked for");
        let mut gains = Gains {
            gains: vec![Complex32::new(1.0, 0.0); self.antennas * receptors * channels],
            powers: vec![1.0; self.antennas * receptors],
        };
        for table in tables {
            table.multiply(self.times[time], &mut gains.gains, &mut gains.powers);
        }
        gains
    }
}

/// Whether a table was solved from one hand, which comes first whatever it is called: the second receptor has no solution.
fn is_of_one_hand(table: &CalTable) -> bool {
    table.rows.iter().all(|row| row.receptors == 2 && row.flags.chunks(2).all(|flags| flags[1]))
}

/// A table of two receptors, each in the other's place.
fn exchanged(table: &CalTable) -> CalTable {
    let mut table = table.clone();
    for row in &mut table.rows {
        row.flags.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        match &mut row.values {
            Values::Gains(gains) => gains.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1)),
            Values::Delays(delays) => delays.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1)),
        }
    }
    table
}
