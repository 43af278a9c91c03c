//! `contimg db import`: what is there, entered in bulk.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::UNIX_EPOCH,
};

use fits_header_cache::{Area, FitsCache};
use ms_meta_cache::{MsMetaCache, MsMetadata, MsSet, StoreOptions};
use products_db::{Group, Image, MsRow, StoredPath, SubbandFile, Writer};
use rayon::prelude::*;
use serde_json::json;

use super::{args::ImportArgs, caltables, database, of_database};
use crate::{
    args::{Missing, Selection},
    cache,
    failure::Failure,
    output::{errln, outln},
    progress,
    survey::{self, Candidate, Survey},
};

/// Rows of one transaction.
pub(super) const BATCH: usize = 2000;
/// A Julian date at the beginning of the modified one.
const MJD_ZERO: f64 = 2_400_000.5;

/// Endings of images' names, the longest first, and what kind they are of.
const KINDS: &[(&str, &str)] = &[
    ("-MFS-image-pb.fits", "pbcor"),
    ("-image-pb.fits", "pbcor"),
    ("-MFS-image.fits", "image"),
    ("-image.fits", "image"),
    ("-MFS-beam-0.fits", "beam"),
    ("-beam-0.fits", "beam"),
    ("-residual.fits", "residual"),
    ("-dirty.fits", "dirty"),
    ("-model.fits", "model"),
    ("-psf.fits", "psf"),
    (".fits.gz", "image"),
    (".fits.fz", "image"),
    (".fits", "image"),
];

/// What was found, by kind.
#[derive(Default)]
struct Found {
    subbands: Vec<PathBuf>,
    sets: Vec<PathBuf>,
    tables: Vec<PathBuf>,
    images: Vec<PathBuf>,
}

/// What was entered, and what could not be.
#[derive(Default)]
struct Tally {
    subbands: usize,
    groups: usize,
    sets: usize,
    tables: usize,
    images: usize,
    unreadable: Vec<String>,
    /// Calibration tables of no set.
    unassigned: Vec<String>,
}

pub(super) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let path = database(&args.database);
    let mut writer = super::writer(&path)?;
    let mut tally = Tally::default();
    let mut found = Found::default();
    for input in &args.input {
        walk(input, &mut found, &mut tally);
    }
    let quiet = args.quiet || args.json;
    if !found.subbands.is_empty() {
        let groups = subbands(args, &found.subbands, quiet)?;
        enter_groups(&mut writer, &groups, args, &mut tally).map_err(|e| of_database(&e))?;
    }
    let stems = sets(&mut writer, &found.sets, args, quiet, &mut tally)?;
    let entered = caltables::enter(&mut writer, &found.tables, &stems, args, quiet)?;
    tally.tables = entered.tables;
    tally.unreadable.extend(entered.unreadable);
    tally.unassigned = entered.unassigned;
    images(&mut writer, &found.images, &stems, args, quiet, &mut tally)?;
    report(args, &path, &tally);
    Ok(if tally.unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Enters sets and images that are known to be there; what could not be read.
pub(crate) fn enter(
    writer: &mut Writer,
    known_sets: &[PathBuf],
    known_images: &[PathBuf],
) -> Result<Vec<String>, Failure> {
    let args = ImportArgs {
        database: writer.path().to_owned(),
        input: Vec::new(),
        valid_hours: 0.0,
        set: None,
        noise: false,
        subbands: 16,
        cache: None,
        no_cache: false,
        quiet: true,
        json: false,
        limits: crate::isolate::LimitArgs::default(),
    };
    let mut tally = Tally::default();
    let stems = sets(writer, known_sets, &args, true, &mut tally)?;
    images(writer, known_images, &stems, &args, true, &mut tally)?;
    Ok(tally.unreadable)
}

fn report(args: &ImportArgs, path: &Path, tally: &Tally) {
    const MOST: usize = 20;
    if args.json {
        outln!(
            "{:#}",
            json!({
                "database": path, "subbands": tally.subbands, "groups": tally.groups, "sets": tally.sets,
                "tables": tally.tables, "images": tally.images, "unreadable": tally.unreadable,
                "unassigned": tally.unassigned,
            })
        );
    } else {
        outln!(
            "{} subbands of {} groups, {} sets, {} calibration tables, {} images in {}",
            tally.subbands,
            tally.groups,
            tally.sets,
            tally.tables,
            tally.images,
            path.display()
        );
    }
    let tell = |what: &str, reasons: &[String]| {
        reasons.iter().take(MOST).for_each(|reason| errln!("{what}: {reason}"));
        if reasons.len() > MOST {
            errln!("and {} more; --json lists all", reasons.len() - MOST);
        }
    };
    tell("passed over", &tally.unreadable);
    tell("unassigned", &tally.unassigned);
    if !tally.unassigned.is_empty() {
        errln!("hint: name the tables that are applied together: `contimg db import DB TABLES… --set NAME`");
    }
}

/// A set is a folder with a `table.dat`; it is not entered. Links to folders are not followed, hidden names are passed over.
fn walk(path: &Path, found: &mut Found, tally: &mut Tally) {
    let is_dir = match path.metadata() {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => {
            tally.unreadable.push(format!("{}: {error}", path.display()));
            return;
        }
    };
    if !is_dir {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if [".hdf5", ".uvh5", ".h5"].iter().any(|ending| name.ends_with(ending)) {
            found.subbands.push(path.to_path_buf());
        } else if [".fits", ".fits.gz", ".fits.fz"].iter().any(|ending| name.ends_with(ending)) {
            found.images.push(path.to_path_buf());
        }
        return;
    }
    if path.join("table.dat").exists() {
        // casacore's images and other tables are folders like it.
        if path.join("ANTENNA").is_dir() && path.join("FIELD").is_dir() && path.join("DATA_DESCRIPTION").is_dir() {
            found.sets.push(path.to_path_buf());
        } else if caltables::is_one(path) {
            found.tables.push(path.to_path_buf());
        }
        return;
    }
    match std::fs::read_dir(path) {
        Err(error) => tally.unreadable.push(format!("{}: {error}", path.display())),
        Ok(entries) => {
            let mut inside: Vec<PathBuf> = entries
                .flatten()
                .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
                .filter(|e| e.file_type().is_ok_and(|kind| !kind.is_symlink() || e.path().is_file()))
                .map(|e| e.path())
                .collect();
            inside.sort();
            inside.iter().for_each(|entry| walk(entry, found, tally));
        }
    }
}

fn subbands(args: &ImportArgs, files: &[PathBuf], quiet: bool) -> Result<Survey, Failure> {
    let selection = Selection {
        input: files.to_vec(),
        tolerance: 30.0,
        subbands: args.subbands,
        missing: Missing::Refuse,
        min_subbands: 1,
        cache: args.cache.clone(),
        no_cache: args.no_cache,
    };
    survey::take(&selection, quiet)
}

fn enter_groups(writer: &mut Writer, survey: &Survey, args: &ImportArgs, tally: &mut Tally) -> products_db::Result<()> {
    let names: Vec<String> = survey.groups.iter().map(|g| g.name.clone()).collect();
    let known = writer.groups(&names)?;
    for chunk in survey.groups.chunks(BATCH / 16).zip(known.chunks(BATCH / 16)) {
        let mut files = Vec::new();
        let mut groups = Vec::new();
        for (candidate, known) in chunk.0.iter().zip(chunk.1) {
            for member in candidate.group.members.iter().chain(&candidate.group.duplicates) {
                files.push(subband(writer, candidate, member)?);
            }
            groups.push(group(candidate, known.as_ref(), args.subbands));
        }
        tally.subbands += files.len();
        tally.groups += groups.len();
        writer.transaction(|t| t.upsert(&files).and_then(|()| t.upsert(&groups)))?;
    }
    tally.unreadable.extend_from_slice(survey.all_notes());
    Ok(())
}

fn subband(writer: &Writer, candidate: &Candidate, member: &subband_io::Member) -> products_db::Result<SubbandFile> {
    let (file, summary) = (&member.file, &member.summary);
    Ok(SubbandFile {
        path: writer.folder().stored(&file.path)?,
        filename: file.path.file_name().map(|n| n.to_string_lossy().into_owned()),
        group_id: Some(candidate.name.clone()),
        subband_code: file.subband.map(|s| format!("sb{:02}", s.0)),
        subband_num: file.subband.map(|s| i64::from(s.0)),
        timestamp_iso: file.name_time.map(survey::iso),
        timestamp_mjd: Some(summary.first_time.0 - MJD_ZERO),
        end_mjd: Some(summary.last_time.0 - MJD_ZERO),
        file_size_bytes: i64::try_from(summary.bytes).ok(),
        modified_time: file.path.metadata().ok().map(|m| m.mtime() as f64),
        indexed_at: Some(now()),
        stored: Some(true),
        dec_deg: summary.pointing_dec_rad.map(f64::to_degrees),
        n_rows: i64::try_from(summary.n_rows).ok(),
        n_channels: i64::try_from(summary.n_channels).ok(),
        freq_low_hz: Some(summary.low_hz),
        freq_high_hz: Some(summary.high_hz),
        ..SubbandFile::default()
    })
}

fn group(candidate: &Candidate, known: Option<&Group>, expected: u8) -> Group {
    let members = &candidate.group.members;
    let complete = candidate.group.missing.is_empty() && candidate.group.duplicates.is_empty();
    // What has become of a group that is known already is for those to say who work on it.
    let waiting = known.and_then(|g| g.state.as_deref()).is_none_or(|s| matches!(s, "collecting" | "pending"));
    let last = members.iter().map(|m| m.summary.last_time.0).fold(f64::NEG_INFINITY, f64::max);
    Group {
        group_id: candidate.name.clone(),
        state: waiting.then(|| if complete { "pending" } else { "collecting" }.to_owned()),
        received_at: known.is_none().then(now),
        last_update: Some(now()),
        expected_subbands: Some(i64::from(expected)),
        present_subbands: i64::try_from(members.len()).ok(),
        start_mjd: Some(candidate.group.first_time.0 - MJD_ZERO),
        end_mjd: last.is_finite().then_some(last - MJD_ZERO),
        ..Group::default()
    }
}

/// Enters sets one by one as they are read, since one may end the process; their stems, for the images' sake.
fn sets(
    writer: &mut Writer,
    sets: &[PathBuf],
    args: &ImportArgs,
    quiet: bool,
    tally: &mut Tally,
) -> Result<HashMap<String, StoredPath>, Failure> {
    let metadata = match cache::folder(args.cache.as_deref()) {
        Ok(Some(folder)) if !args.no_cache => {
            MsMetaCache::default().with_store(folder, &StoreOptions::default()).unwrap_or_else(|e| {
                errln!("metadata are not remembered between runs: {e}");
                MsMetaCache::default()
            })
        }
        _ => MsMetaCache::default(),
    };
    let bar = progress::bar(sets.len() as u64, "reading sets", quiet);
    let mut stems = HashMap::new();
    let mut rows = Vec::new();
    for path in sets {
        let read = MsSet::new(path).and_then(|set| metadata.metadata(&set));
        match read {
            Err(error) => tally.unreadable.push(survey::chain(&error)),
            Ok(all) => {
                let stored = writer.folder().stored(path).map_err(|e| of_database(&e))?;
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                rows.push(set(stored.clone(), &stem, &all));
                stems.insert(stem, stored);
            }
        }
        bar.inc(1);
        if rows.len() >= 64 {
            tally.sets += rows.len();
            writer.upsert(&std::mem::take(&mut rows)).map_err(|e| of_database(&e))?;
        }
    }
    bar.finish_and_clear();
    tally.sets += rows.len();
    writer.upsert(&rows).map_err(|e| of_database(&e))?;
    Ok(stems)
}

fn set(path: StoredPath, stem: &str, all: &MsMetadata) -> MsRow {
    let times = all.rows.time_range().map(|range| range.map(|t| t.0 / 86_400.0));
    let field = all.subtables.fields.first();
    let centre = field.map(|f| f.phase.at(0.0));
    let channels: usize = all.subtables.windows.iter().map(vis_types::SpectralWindow::len).sum();
    MsRow {
        path,
        start_mjd: times.map(|t| t[0]),
        end_mjd: times.map(|t| t[1]),
        mid_mjd: times.map(|t| 0.5 * (t[0] + t[1])),
        field_name: field.map(|f| f.name.clone()),
        ra_deg: centre.map(|c| c[0].to_degrees().rem_euclid(360.0)),
        dec_deg: centre.map(|c| c[1].to_degrees()),
        group_id: Some(stem.to_owned()),
        created_at: Some(now()),
        n_rows: i64::try_from(all.rows.rows).ok(),
        n_channels: i64::try_from(channels).ok(),
        ..MsRow::default()
    }
}

fn images(
    writer: &mut Writer,
    files: &[PathBuf],
    stems: &HashMap<String, StoredPath>,
    args: &ImportArgs,
    quiet: bool,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let headers = crate::tiles::cache(args.cache.as_deref(), args.no_cache);
    let bar = progress::bar(files.len() as u64, "reading images", quiet);
    for chunk in files.chunks(BATCH) {
        let read: Vec<Result<Image, String>> = chunk
            .par_iter()
            .map(|path| {
                let image = image(path, &headers, args.noise).map_err(|e| survey::chain(&e));
                bar.inc(1);
                image
            })
            .collect();
        let mut rows = Vec::new();
        for (path, image) in chunk.iter().zip(read) {
            match image {
                Err(reason) => tally.unreadable.push(reason),
                Ok(image) => {
                    let (stem, kind) = kind_of(path);
                    rows.push(Image {
                        path: writer.folder().stored(path).map_err(|e| of_database(&e))?,
                        ms_path: stems.get(stem.as_str()).cloned(),
                        kind: Some(kind.to_owned()),
                        pbcor: Some(kind == "pbcor"),
                        ..image
                    });
                }
            }
        }
        tally.images += rows.len();
        writer.upsert(&rows).map_err(|e| of_database(&e))?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// What comes before the ending of an image's name, and its kind.
fn kind_of(path: &Path) -> (String, &'static str) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let found = KINDS.iter().find_map(|(ending, kind)| Some((name.strip_suffix(ending)?.to_owned(), *kind)));
    found.unwrap_or_else(|| (name.to_string(), "image"))
}

fn image(path: &Path, cache: &FitsCache, noise: bool) -> Result<Image, fits_header_cache::Error> {
    let file = cache.file(path)?;
    let hdu = file.image()?;
    let header = hdu.header();
    let arcsec = |keyword: &str| header.real(keyword).map(|value| value.map(|deg| deg * 3600.0));
    let (size, celestial) = (hdu.image(), hdu.celestial().ok());
    let centre = celestial.and_then(|c| c.centre());
    let statistics = if noise { Some(cache.statistics(path, &Area::All)?) } else { None };
    let (level, peak) = (statistics.as_ref().and_then(|s| s.noise()), statistics.as_ref().and_then(|s| s.peak()));
    let date = header.text("DATE-OBS")?;
    Ok(Image {
        format: Some("fits".to_owned()),
        created_at: path.metadata().ok().map(|m| m.mtime() as f64),
        beam_major_arcsec: arcsec("BMAJ")?,
        beam_minor_arcsec: arcsec("BMIN")?,
        beam_pa_deg: header.real("BPA")?,
        noise_jy: level,
        dynamic_range: level.zip(peak).filter(|(level, _)| *level > 0.0).map(|(level, peak)| peak / level),
        field_name: header.text("OBJECT")?.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()),
        center_ra_deg: centre.map(|c| c.lon_deg),
        center_dec_deg: centre.map(|c| c.lat_deg),
        imsize_x: size.and_then(|s| i64::try_from(s.width()).ok()),
        imsize_y: size.and_then(|s| i64::try_from(s.height()).ok()),
        cellsize_arcsec: celestial.map(|c| c.cell_deg()[0] * 3600.0),
        freq_ghz: tile_validate::frequency_hz(hdu)?.map(|hz| hz / 1e9),
        // WSClean dates images that belong to no time, such as its point-spread function, with the day that is zero.
        start_mjd: date.as_deref().and_then(tile_validate::mjd_of).filter(|mjd| *mjd != 0.0),
        ..Image::default()
    })
}

fn now() -> f64 {
    UNIX_EPOCH.elapsed().map_or(0.0, |t| t.as_secs_f64())
}
