//! One group in a process of its own: opened, checked, converted block by block within the memory budget.

use std::{
    io::{Read, Write},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ms_writer::{Centre, MsOptions, MsWriter, Provenance, SpectralWindows};
use subband_io::{MissingSubbands, OpenOptions, Scratch, SubbandGroup};
use vis_types::{Complex32, FilePhasing, VisBlock};

use crate::{
    args::{CentreArg, Column, Missing, Phasing, SetArgs, WeightSpectrum, Windows},
    budget::{BASE_BYTES, Demand, Fit},
    failure::{Class, Failure},
    isolate::{Limits, confine},
    output::errln,
    protocol::{Content, Cost, Job, Message, Outcome},
    size::Bytes,
    survey::of_input,
};

/// Takes a job from stdin and reports on stdout.
pub(crate) fn run() -> ExitCode {
    let mut text = String::new();
    let job = match std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())
        .and_then(|_| serde_json::from_str::<Job>(&text).map_err(|e| e.to_string()))
    {
        Ok(job) => job,
        Err(error) => {
            errln!("error: `contimg __convert` is started by `contimg convert`: {error}");
            return ExitCode::from(Class::Usage.exit_code());
        }
    };
    if let Err(error) =
        confine(job.parent, Limits { memory: Bytes(job.memory.saturating_mul(4) + (1 << 30)), cpu_s: None })
    {
        send(&Message::Failed(Failure::io(Class::Worker, "cannot limit the worker process", &error)));
        return ExitCode::FAILURE;
    }
    match convert(&job) {
        Ok(outcome) => {
            send(&Message::Done(Box::new(outcome)));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            send(&Message::Failed(failure));
            ExitCode::FAILURE
        }
    }
}

fn send(message: &Message) {
    let mut line = serde_json::to_string(message).expect("because messages hold nothing that JSON cannot");
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    // Without a reader there is nobody to tell; the parent's end ends us too.
    let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
}

fn of_output(error: &ms_writer::Error) -> Failure {
    use ms_writer::Error as E;
    match error {
        E::Table { .. } | E::File { .. } | E::Incomplete { .. } => Failure::of(Class::Output, error)
            .hint("check the space and the permissions there, or choose another place with --out"),
        E::NoDeclination | E::NotPhased | E::MixedFrames { .. } => {
            Failure::of(Class::Input, error).hint("give the phase centre with --centres RA,DEC")
        }
        E::ReadStations { .. } | E::Stations { .. } | E::MissingStations { .. } => Failure::of(Class::Input, error)
            .hint("look at the file given with --antenna-positions; `contimg convert --help` says what it holds"),
        _ => Failure::of(Class::Input, error),
    }
}

fn convert(job: &Job) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let pool = pool_of(job.threads)?;
    let how = open_options(job)?;
    let group = pool.install(|| SubbandGroup::open(&job.files, &how)).map_err(|e| of_input(&e))?;
    let mut options = ms_options(&job.set, job, &group)?;
    let fit = Fit::new(&demand(&group, job.parent_memory), job.memory, job.threads)?;
    options.rows_per_tile = Some(fit.rows);
    let pool = if fit.threads == job.threads { pool } else { pool_of(fit.threads)? };

    let writer = MsWriter::create(&job.target, group.header(), &options).map_err(|e| of_output(&e))?;
    writer.reserve().map_err(|e| of_output(&e))?;
    if !writer.earth_orientation_covers() {
        send(&Message::Warning(
            "the Earth-orientation data do not cover these times: directions and UVW may be off by tens of milliarcseconds; \
             give a newer finals2000A file with --earth-orientation"
                .to_owned(),
        ));
    }
    let rows = group.n_rows();
    send(&Message::Opened { rows: rows as u64 });
    let opened = started.elapsed();

    convert_blocks(&group, &writer, fit)?;
    let converted = started.elapsed();

    let summary = pool.install(|| writer.finish()).map_err(|e| of_output(&e))?;
    let header = group.header();
    let band = (
        header.windows.first().and_then(|w| w.low_edge()).map_or(0.0, |f| f.0),
        header.windows.last().and_then(|w| w.high_edge()).map_or(0.0, |f| f.0),
    );
    let times = header.rows.times();
    let content = Content {
        rows: summary.rows,
        channels: summary.channels.clone(),
        correlations: header.correlations.iter().map(ToString::to_string).collect(),
        integrations: times.len(),
        baselines: header.rows.grid_baselines().map_or(0, <[_]>::len),
        antennas: header.telescope.antennas.len(),
        fields: summary
            .fields
            .iter()
            .map(|f| (f.name.clone(), f.direction.lon_rad.to_degrees(), f.direction.lat_rad.to_degrees()))
            .collect(),
        band_hz: band,
        time_range_jd: (times.first().map_or(0.0, |t| t.0), times.last().map_or(0.0, |t| t.0)),
        visibilities: summary.visibilities,
        flagged: summary.flagged,
        repaired: summary.repaired,
        filled_subbands: header.windows.iter().filter(|w| !w.present).filter_map(|w| w.subband).map(|s| s.0).collect(),
        weight_spectrum: summary.weight_spectrum,
        bytes_read: group.input_bytes(),
        bytes_written: disk_bytes(&job.target),
    };
    let cost = Cost {
        seconds: [opened, converted - opened, started.elapsed() - converted].map(|d| d.as_secs_f64()),
        rows_per_block: fit.rows,
        threads: fit.threads,
        peak_memory: peak_memory(),
    };
    Ok(Outcome { content, cost })
}

/// Reads, turns and writes all rows. Each thread has one block; a block is worked on by one thread only, since a thread
/// that waits for others would begin another block and take its memory.
fn convert_blocks(group: &SubbandGroup, writer: &MsWriter, fit: Fit) -> Result<(), Failure> {
    let rows = group.n_rows();
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let progress = Progress::new();
    let work = || -> Result<(), Failure> {
        let mut block = VisBlock::default();
        let mut scratch = Scratch::default();
        while !failed.load(Ordering::Relaxed) {
            let start = next.fetch_add(fit.rows, Ordering::Relaxed);
            if start >= rows {
                break;
            }
            let range = start..rows.min(start + fit.rows);
            let n = range.len() as u64;
            let done = group
                .read_rows(range, &mut block, &mut scratch)
                .map_err(|e| of_input(&e))
                .and_then(|()| writer.write_block(&mut block).map_err(|e| of_output(&e)));
            if let Err(failure) = done {
                failed.store(true, Ordering::Relaxed);
                return Err(failure);
            }
            progress.add(n);
        }
        Ok(())
    };
    let pools = (0..fit.threads).map(|_| pool_of(1)).collect::<Result<Vec<_>, _>>()?;
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = pools.iter().map(|pool| scope.spawn(|| pool.install(work))).collect();
        threads.into_iter().try_for_each(|t| {
            t.join().unwrap_or_else(|_| {
                Err(Failure::new(Class::Worker, "a thread of the worker process ended unexpectedly"))
            })
        })
    })
}

/// What a set takes on the disk, bytes.
fn disk_bytes(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(m) if m.is_dir() => disk_bytes(&entry.path()),
            Ok(m) => m.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Counts rows and tells the parent at most ten times a second.
struct Progress {
    rows: AtomicU64,
    told: Mutex<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self { rows: AtomicU64::new(0), told: Mutex::new(Instant::now()) }
    }

    fn add(&self, rows: u64) {
        let done = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        if let Ok(mut told) = self.told.try_lock()
            && told.elapsed() > Duration::from_millis(100)
        {
            *told = Instant::now();
            send(&Message::Progress { rows: done });
        }
    }
}

fn pool_of(threads: usize) -> Result<rayon::ThreadPool, Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| Failure::of(Class::Worker, &e))
}

/// What a block of this group takes, beside `others` bytes of other processes.
fn demand(group: &SubbandGroup, others: u64) -> Demand<impl Fn(usize) -> u64> {
    let header = group.header();
    let widest = header.windows.iter().map(|w| w.len()).max().unwrap_or(1);
    Demand {
        unit: group.row_alignment(),
        row_bytes: widest * header.correlations.len() * size_of::<Complex32>(),
        fixed: others + BASE_BYTES + group.index_bytes() as u64,
        block_bytes: |rows| group.block_bytes(rows) as u64,
    }
}

fn open_options(job: &Job) -> Result<OpenOptions, Failure> {
    let missing = match job.missing {
        Missing::Refuse => MissingSubbands::Refuse,
        Missing::Flag => MissingSubbands::Flag,
        Missing::Split => MissingSubbands::Split,
    };
    let phasing = match job.set.phasing {
        Phasing::Auto => None,
        Phasing::Unprojected => Some(FilePhasing::Unprojected),
        Phasing::Meridian => match job.files.first() {
            Some(file) => {
                let summary = subband_io::summarise(file).map_err(|e| of_input(&e))?;
                let app_dec_rad = summary.pointing_dec_rad.ok_or_else(|| {
                    let text = format!("{}: no declination of the pointing (phase_center_app_dec)", file.display());
                    Failure::new(Class::Input, text)
                        .hint("--phasing meridian needs it; leave that out for files that are not fringe-stopped")
                })?;
                Some(FilePhasing::Meridian { app_dec_rad })
            }
            None => None,
        },
    };
    Ok(OpenOptions {
        missing,
        expected_subbands: job.expected_subbands,
        min_subbands: usize::from(job.min_subbands),
        phasing,
        ..OpenOptions::default()
    })
}

fn ms_options(set: &SetArgs, job: &Job, group: &SubbandGroup) -> Result<MsOptions, Failure> {
    let stations =
        set.antenna_positions.as_deref().map(ms_writer::read_stations).transpose().map_err(|e| of_output(&e))?;
    let earth_orientation = match &set.earth_orientation {
        None => ms_writer::EarthOrientation::bundled(),
        Some(path) => ms_writer::EarthOrientation::from_file(path).map_err(|e| Failure::of(Class::Input, &e))?,
    };
    Ok(MsOptions {
        windows: match set.windows {
            Windows::Whole => SpectralWindows::WholeBand,
            Windows::Subband => SpectralWindows::PerSubband,
        },
        centre: match set.centres {
            None | Some(CentreArg::Mid) => Centre::MidTime,
            Some(CentreArg::Meridian) => Centre::Meridian,
            Some(CentreArg::File) => Centre::AsInFile,
            Some(CentreArg::At(direction)) => Centre::At(direction),
        },
        telescope_name: set.telescope.clone(),
        stations,
        weight_spectrum: match set.weight_spectrum {
            WeightSpectrum::Auto => ms_writer::WeightSpectrum::WhenNeeded,
            WeightSpectrum::Always => ms_writer::WeightSpectrum::Always,
            WeightSpectrum::Never => ms_writer::WeightSpectrum::Never,
        },
        model_column: set.columns.contains(&Column::Model),
        corrected_column: set.columns.contains(&Column::Corrected),
        earth_orientation,
        provenance: Provenance {
            application: concat!("contimg ", env!("CARGO_PKG_VERSION")).to_owned(),
            command: vec![job.command_line.clone()],
            parameters: job
                .files
                .iter()
                .map(|f| format!("input={}", f.file_name().unwrap_or_default().display()))
                .collect(),
            message: format!("converted from {} UVH5 files", job.files.len()),
            time: Some(publish::product_time().map_err(|error| Failure::of(Class::Usage, &error))?),
        },
        input_chunk_rows: group.row_alignment(),
        ..MsOptions::default()
    })
}

/// Highest resident set of this process so far, bytes (`getrusage` would include what the parent had before exec).
pub(crate) fn peak_memory() -> u64 {
    memory_status("VmHWM:")
}

/// An entry of `/proc/self/status` that is given in kB, in bytes.
pub(crate) fn memory_status(entry: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(entry));
    line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}
