//! `contimg model`: a sky model into MODEL_DATA, or out of CORRECTED_DATA, and how well data and model agree.
//!
//! Files, catalogues and the command line become one [`sky`]; each set is opened ([`set`]) and gone through in one
//! [`pass`] whose threads fill tiles; [`residual`] sums up what is compared on the way. `ms-columns` sees to it that the
//! column is the old one until all of the new one is on the disk.

mod args;
mod catalogue;
mod component_list;
mod pass;
mod residual;
mod set;
mod sky;

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use calib_model::{Caching, Complex32, Counts, Mode};
use casacore::Table;
use ms_columns::{ColumnEdit, Committed, Input, Target};
use ms_meta_cache::MsMetaCache;
use serde_json::{Value, json};

pub(crate) use args::ModelArgs;

use self::pass::{Comparison, Destination, Pass, Passed};
use self::residual::Tally;
use self::set::{Set, of_table};
use self::sky::Sky;
use crate::failure::{Class, Failure};
use crate::notation::count;
use crate::opening::edit_options;
use crate::output::{errln, outln};
use crate::size::Bytes;
use crate::supervise::Stop;

/// The program's own pages, casacore's tables, stacks, and the small columns' buckets: as `cargo xtask memory` found, and
/// some room.
const BASE_BYTES: u64 = 40 << 20;
/// A thread's block of one column is no longer: more would not be faster.
const BLOCK_BYTES: u64 = 1 << 20;

pub(crate) fn run(args: &ModelArgs) -> Result<ExitCode, Failure> {
    if !(args.wait.is_finite() && (0.0..1e9).contains(&args.wait)) {
        return Err(Failure::new(Class::Usage, format!("--wait is {}, not a number of seconds", args.wait)));
    }
    let room = args.memory.0.checked_sub(BASE_BYTES).filter(|room| *room >= 8 << 20).ok_or_else(|| {
        Failure::new(Class::Usage, format!("--memory {} is too little", args.memory))
            .hint(format!("{} is the least", Bytes(BASE_BYTES + (8 << 20))))
    })?;
    let caching = if args.no_cache { Caching::Off } else { Caching::Bytes(room / 2) };
    let given = args.sky.is_given();
    if !given && !args.check {
        return Err(Failure::new(Class::Usage, "there is no sky to predict").hint(
            "give --sky FILE, --source RA,DEC,JY or --db FILE; --check alone compares DATA with MODEL_DATA as it is",
        ));
    }
    if !given && args.add {
        return Err(Failure::new(Class::Usage, "--add without a sky").hint("give --sky FILE or --source RA,DEC,JY"));
    }
    let shared = given && !args.sky.is_of_each_set();
    let mut sky = if shared { Some(Sky::read(&args.sky, caching, &[])?) } else { None };
    let stop = Stop::listen().map_err(|e| Failure::io(Class::Worker, "cannot listen for signals", &e))?;
    let cache = MsMetaCache::default();
    let (mut documents, mut worst) = (Vec::new(), None);
    for path in &args.sets {
        let mut work = Work { args, path, room, caching, cache: &cache, stop: &stop };
        match work.run(sky.as_mut()) {
            Ok(report) if args.json => documents.push(report.document(path)),
            Ok(report) => report.print(path),
            Err(failure) => {
                let interrupted = failure.class == Class::Interrupted;
                if args.json {
                    documents.push(json!({ "path": path, "failure": failure }));
                }
                // One set's failure does not keep the others from their model. The last one is the program's own end.
                if let Some(earlier) = worst.replace(failure) {
                    errln!("{earlier}");
                }
                if interrupted {
                    break;
                }
            }
        }
    }
    if args.json {
        let peak = crate::worker::peak_memory();
        let origins = sky.as_ref().map_or(&[][..], |sky| &sky.origins[..]);
        let components = sky.as_ref().map_or(0, Sky::len);
        outln!(
            "{:#}",
            json!({ "sky": { "components": components, "from": origins }, "sets": documents, "peak_memory": peak })
        );
    }
    worst.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// One set's turn.
struct Work<'a> {
    args: &'a ModelArgs,
    path: &'a Path,
    /// Bytes for blocks and for what the predictor keeps.
    room: u64,
    caching: Caching,
    cache: &'a MsMetaCache,
    stop: &'a Stop,
}

impl Work<'_> {
    fn run(&mut self, sky: Option<&mut Sky>) -> Result<Report, Failure> {
        let started = Instant::now();
        ms_columns::recover(self.path).map_err(|e| Failure::of_columns(&e))?;
        let set = Set::open(self.cache, self.path, self.args)?;
        let mut own = None;
        let sky = match sky {
            None if self.args.sky.is_given() => {
                Some(own.insert(Sky::read(&self.args.sky, self.caching, &set.centres()?)?))
            }
            shared => shared,
        };
        let mut report = match sky {
            Some(sky) => self.write(&set, sky)?,
            None => self.check(&set)?,
        };
        report.seconds = started.elapsed() - report.committed.as_ref().map_or(Duration::ZERO, |c| c.sync);
        report.fields = report.passed.fields.iter().filter(|f| **f).count();
        Ok(report)
    }

    /// Fills the column, and compares on the way.
    fn write(&self, set: &Set, sky: &mut Sky) -> Result<Report, Failure> {
        let args = self.args;
        let (target, mode, verb) = match (args.add, args.subtract) {
            (true, _) => (Target::model(), Mode::Add, "added to"),
            (_, true) => (Target::corrected(), Mode::Subtract, "subtracted from"),
            _ => (Target::model(), Mode::Replace, "written to"),
        };
        let predictor = sky.predictor(set.frame)?;
        let before = predictor.counts();
        let column = target.column().to_owned();
        let options = edit_options("model", args.wait);
        let edit = ColumnEdit::begin(self.path, &options, &[target]).map_err(|e| Failure::of_columns(&e))?;
        set.check_rows(self.path, edit.rows())?;
        let output = edit.column::<Complex32>(&column).map_err(|e| Failure::of_columns(&e))?;
        let created = !output.existed();
        let open = |column: &str| Input::<Complex32>::open(edit.set(), column).map_err(|e| Failure::of_columns(&e));
        let instead = if args.from_data { Some(open("DATA")?) } else { None };
        let comparison = if args.check { Some(self.comparison(edit.set(), false)?) } else { None };
        let uvw = Input::<f64>::open(edit.set(), "UVW").map_err(|e| Failure::of_columns(&e))?;
        if set.is_wanted_whole() {
            output.reserve().map_err(|e| Failure::of_columns(&e))?;
        }
        let columns = 1 + u64::from(args.check) + u64::from(args.from_data);
        let (threads, block_bytes) = self.fit(columns);
        let blocks = edit.blocks(block_bytes);
        let pass = Pass {
            set,
            table: Mutex::new(Table::open(edit.set()).map_err(|e| of_table(&e))?),
            destination: Some(Destination { predictor, mode, uvw, output, instead }),
            comparison,
            progress: self.progress(edit.rows()),
            stop: self.stop,
        };
        let passed = pass.run(&blocks, threads)?;
        pass.progress.finish_and_clear();
        // Its open tables would keep the set's lock.
        drop(pass);
        let total = edit.rows();
        if passed.rows == 0 {
            return Err(self.nothing_selected(total));
        }
        let committed = edit.commit().map_err(|e| Failure::of_columns(&e))?;
        let counts = since(before, predictor.counts());
        Ok(Report {
            column,
            verb,
            created,
            total,
            passed,
            counts: Some(counts),
            committed: Some(committed),
            origins: sky.origins.clone(),
            components: sky.len(),
            threads,
            antennas: set.antennas.clone(),
            ..Report::default()
        })
    }

    /// Compares DATA with MODEL_DATA as it is.
    fn check(&self, set: &Set) -> Result<Report, Failure> {
        let table = Table::open(self.path).map_err(|e| of_table(&e))?;
        let total = table.rows().map_err(|e| of_table(&e))?;
        set.check_rows(self.path, total)?;
        let comparison = self.comparison(self.path, true)?;
        let (threads, block_bytes) = self.fit(2);
        let blocks = blocks(&comparison, set, total, block_bytes)?;
        let progress = self.progress(total);
        let pass = Pass {
            set,
            table: Mutex::new(table),
            destination: None,
            comparison: Some(comparison),
            progress,
            stop: self.stop,
        };
        let passed = pass.run(&blocks, threads)?;
        pass.progress.finish_and_clear();
        if passed.rows == 0 {
            return Err(self.nothing_selected(total));
        }
        let antennas = set.antennas.clone();
        Ok(Report {
            column: "MODEL_DATA".into(),
            verb: "read from",
            total,
            passed,
            threads,
            antennas,
            ..Report::default()
        })
    }

    fn comparison(&self, path: &Path, model: bool) -> Result<Comparison, Failure> {
        let open = |column: &str| Input::<Complex32>::open(path, column).map_err(|e| Failure::of_columns(&e));
        Ok(Comparison {
            data: open("DATA")?,
            flag: Input::<bool>::open(path, "FLAG").map_err(|e| Failure::of_columns(&e))?,
            model: if model { Some(open("MODEL_DATA")?) } else { None },
        })
    }

    /// Threads, and bytes of one column in a block.
    fn fit(&self, columns: u64) -> (usize, usize) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = self.args.threads.map_or(cores, usize::from) as u64;
        // What the predictor keeps has the other half. Shorter blocks than a quarter megabyte wait for the disk.
        let room = self.room / 2;
        let threads = wanted.min(room / (columns * (256 << 10))).max(1);
        let bytes = (room / (threads * columns)).min(BLOCK_BYTES);
        (threads as usize, usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn progress(&self, rows: u64) -> indicatif::ProgressBar {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        crate::progress::bar(rows, name, self.args.quiet)
    }

    fn nothing_selected(&self, total: u64) -> Failure {
        Failure::new(Class::Input, format!("{}: none of {total} rows is selected", self.path.display()))
            .hint("choose other values of --field, --window and --rows; `contimg meta` shows what there is")
    }
}

/// Blocks of rows in which cells have one shape.
fn blocks(comparison: &Comparison, set: &Set, rows: u64, bytes: usize) -> Result<Vec<Range<u64>>, Failure> {
    let longest = set.descriptions.iter().map(|d| 8 * d.freq_hz.len() * d.codes.len()).max().unwrap_or(1).max(1);
    let tile = comparison.data.tile_rows().max(1);
    let step = ((bytes / longest) as u64).max(tile) / tile * tile;
    let mut cuts: Vec<u64> = (0..rows).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect();
    cuts.extend(comparison.data.shape_changes());
    cuts.extend(comparison.flag.shape_changes());
    cuts.extend(comparison.model.iter().flat_map(Input::shape_changes));
    cuts.push(rows);
    cuts.sort_unstable();
    cuts.dedup();
    let all: Vec<Range<u64>> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
    Ok(all.into_iter().filter(|block| comparison.data.cell(block).is_ok()).collect())
}

fn since(before: Counts, after: Counts) -> Counts {
    Counts {
        directions: after.directions - before.directions,
        fluxes: after.fluxes - before.fluxes,
        beams: after.beams - before.beams,
        delays: after.delays - before.delays,
        visibilities: after.visibilities - before.visibilities,
        hits: after.hits - before.hits,
        misses: after.misses - before.misses,
    }
}

/// What was done to a set.
#[derive(Debug, Default)]
struct Report {
    column: String,
    verb: &'static str,
    created: bool,
    total: u64,
    passed: Passed,
    counts: Option<Counts>,
    committed: Option<Committed>,
    origins: Vec<String>,
    components: usize,
    fields: usize,
    threads: usize,
    antennas: Vec<String>,
    seconds: Duration,
}

impl Report {
    fn total_tally(&self) -> Tally {
        let mut total = Tally::default();
        self.passed.tallies.iter().for_each(|(_, tally)| total.merge(tally));
        total
    }

    fn document(&self, path: &Path) -> Value {
        let check = (!self.passed.tallies.is_empty()).then(|| {
            let windows = self.passed.tallies.iter().map(|(window, tally)| {
                let mut document = tally.document();
                document["window"] = json!(window);
                document
            });
            json!({ "all": self.total_tally().document(), "windows": windows.collect::<Vec<_>>() })
        });
        json!({
            "path": path,
            "column": self.column,
            "done": self.verb,
            "created": self.created,
            "rows": { "selected": self.passed.rows, "total": self.total },
            "visibilities": self.passed.visibilities,
            "fields": self.fields,
            "components": self.components,
            "generation": self.committed.as_ref().and_then(|c| c.generations.first()).map(|(_, number)| number),
            "bytes": self.committed.as_ref().map(|c| c.bytes),
            "computed": self.counts.map(|c| json!({
                "directions": c.directions, "fluxes": c.fluxes, "beams": c.beams, "delays": c.delays,
                "visibilities": c.visibilities, "hits": c.hits, "misses": c.misses,
            })),
            "threads": self.threads,
            "seconds": self.seconds.as_secs_f64(),
            "sync_seconds": self.committed.as_ref().map(|c| c.sync.as_secs_f64()),
            "swap_seconds": self.committed.as_ref().map(|c| c.swap.as_secs_f64()),
            "check": check,
        })
    }

    fn print(&self, path: &Path) {
        outln!("{}", path.display());
        if let Some(committed) = &self.committed {
            outln!("  sky          {}", self.origins.join(", "));
            outln!(
                "  model        {} {} {}: {} of {} rows, {:.1} million visibilities, {} field{}",
                count(self.components, "component"),
                self.verb,
                self.column,
                self.passed.rows,
                self.total,
                self.passed.visibilities as f64 * 1e-6,
                self.fields,
                if self.fields == 1 { "" } else { "s" },
            );
            if let Some((_, number)) = committed.generations.first() {
                outln!("  column       {} generation {number}", if self.created { "created," } else { "replaced," });
            }
            let s = self.seconds.as_secs_f64();
            outln!(
                "  time         {s:.2} s on {} thread{} ({}/s), and {:.2} s to force it to the disk",
                self.threads,
                if self.threads == 1 { "" } else { "s" },
                Bytes((committed.bytes as f64 / s.max(1e-9)) as u64),
                committed.sync.as_secs_f64(),
            );
        }
        if self.passed.tallies.is_empty() {
            return;
        }
        outln!("  DATA less MODEL_DATA, unflagged cross-correlations of {} rows", self.passed.rows);
        outln!("    window {}", Tally::HEAD);
        for (window, tally) in &self.passed.tallies {
            outln!("    {window:>6} {}", tally.line());
        }
        let total = self.total_tally();
        if self.passed.tallies.len() > 1 {
            outln!("    {:>6} {}", "all", total.line());
        }
        if total.is_empty() {
            outln!("    nothing is left to compare: all selected rows are flagged, or autocorrelations");
        }
        if total.not_finite() > 0 {
            outln!("    {} unflagged visibilities are not finite and not counted", total.not_finite());
        }
        if let Some(worst) = total.worst() {
            let name =
                |id: i32| usize::try_from(id).ok().and_then(|i| self.antennas.get(i)).map_or("?", String::as_str);
            let [a, b] = worst.antennas;
            outln!(
                "    largest residual {:.5}: row {}, antennas {} and {}, channel {}, correlation {}",
                worst.amplitude,
                worst.row,
                name(a),
                name(b),
                worst.channel,
                worst.correlation,
            );
        }
    }
}
