//! The rows of the tables. Table and column names are those of the original pipeline's last layout, so that its tools can
//! go on reading; where a row is written, `None` means "leave what is there".
//!
//! Times ending in `_mjd` are modified Julian dates (UTC, days); `_at` and `modified_time` are seconds since 1970.

use crate::{
    folder::StoredPath,
    record::{ByPath, record},
};

record! {
    /// A UVH5 subband file.
    SubbandFile in "hdf5_files" by ["path"] {
        /// The file.
        path: StoredPath = "path",
        /// Its name.
        filename: Option<String> = "filename",
        /// The group to which it belongs: [`Group::group_id`].
        group_id: Option<String> = "group_id",
        /// `sb00` to `sb15`.
        subband_code: Option<String> = "subband_code",
        /// 0 to 15.
        subband_num: Option<i64> = "subband_num",
        /// The time in the file's name, UTC.
        timestamp_iso: Option<String> = "timestamp_iso",
        /// Time of the first integration.
        timestamp_mjd: Option<f64> = "timestamp_mjd",
        /// Time of the last integration.
        end_mjd: Option<f64> = "end_mjd",
        /// Size, bytes.
        file_size_bytes: Option<i64> = "file_size_bytes",
        /// When the file was changed.
        modified_time: Option<f64> = "modified_time",
        /// When it was entered here.
        indexed_at: Option<f64> = "indexed_at",
        /// Whether the file is kept.
        stored: Option<bool> = "stored",
        /// Pointing, degrees.
        ra_deg: Option<f64> = "ra_deg",
        /// Pointing, degrees.
        dec_deg: Option<f64> = "dec_deg",
        /// Number of rows: times × baselines.
        n_rows: Option<i64> = "n_rows",
        /// Number of channels.
        n_channels: Option<i64> = "n_channels",
        /// Centre of the lowest channel, Hz.
        freq_low_hz: Option<f64> = "freq_low_hz",
        /// Centre of the highest channel, Hz.
        freq_high_hz: Option<f64> = "freq_high_hz",
    }
}

record! {
    /// A group of subbands that become one Measurement Set.
    Group in "processing_queue" by ["group_id"] {
        /// Its name: the time in the names of its files.
        group_id: String = "group_id",
        /// `collecting`, `pending`, `in_progress`, `completed` or `failed`.
        state: Option<String> = "state",
        /// When its first file came.
        received_at: Option<f64> = "received_at",
        /// When this row was changed.
        last_update: Option<f64> = "last_update",
        /// How many subbands a complete group has.
        expected_subbands: Option<i64> = "expected_subbands",
        /// How many are there.
        present_subbands: Option<i64> = "present_subbands",
        /// How often it was tried again.
        retry_count: Option<i64> = "retry_count",
        /// Why it failed.
        error: Option<String> = "error",
        /// The stage that it is in.
        processing_stage: Option<String> = "processing_stage",
        /// Time of the first integration.
        start_mjd: Option<f64> = "start_mjd",
        /// Time of the last integration.
        end_mjd: Option<f64> = "end_mjd",
        /// The set that was made of it.
        ms_path: Option<StoredPath> = "ms_path",
    }
}

record! {
    /// A Measurement Set.
    MsRow in "ms_index" by ["path"] {
        /// The set.
        path: StoredPath = "path",
        /// First time.
        start_mjd: Option<f64> = "start_mjd",
        /// Last time.
        end_mjd: Option<f64> = "end_mjd",
        /// Middle of its time range.
        mid_mjd: Option<f64> = "mid_mjd",
        /// When it was made.
        processed_at: Option<f64> = "processed_at",
        /// What became of it last.
        status: Option<String> = "status",
        /// The last stage that was done.
        stage: Option<String> = "stage",
        /// When.
        stage_updated_at: Option<f64> = "stage_updated_at",
        /// Whether calibration was applied.
        cal_applied: Option<bool> = "cal_applied",
        /// The image that was made of it.
        imagename: Option<String> = "imagename",
        /// Name of its field.
        field_name: Option<String> = "field_name",
        /// Pointing, degrees.
        pointing_ra_deg: Option<f64> = "pointing_ra_deg",
        /// Pointing, degrees.
        pointing_dec_deg: Option<f64> = "pointing_dec_deg",
        /// Phase centre, degrees.
        ra_deg: Option<f64> = "ra_deg",
        /// Phase centre, degrees.
        dec_deg: Option<f64> = "dec_deg",
        /// The group of which it was made.
        group_id: Option<String> = "group_id",
        /// When it was entered here.
        created_at: Option<f64> = "created_at",
        /// Number of rows of MAIN.
        n_rows: Option<i64> = "n_rows",
        /// Number of channels of all windows.
        n_channels: Option<i64> = "n_channels",
    }
}

record! {
    /// A calibration table and when it is valid.
    CalTable in "calibration_tables" by ["path"] {
        /// The table.
        path: StoredPath = "path",
        /// The tables of one solve share it.
        set_name: Option<String> = "set_name",
        /// `K`, `BP`, `GP`, `2G`, ….
        table_type: Option<String> = "table_type",
        /// Tables of a set are applied in this order.
        order_index: Option<i64> = "order_index",
        /// Field of the calibrator.
        cal_field: Option<String> = "cal_field",
        /// Reference antenna.
        refant: Option<String> = "refant",
        /// When it was registered.
        created_at: Option<f64> = "created_at",
        /// Valid from.
        valid_start_mjd: Option<f64> = "valid_start_mjd",
        /// Valid to, inclusive; for good when absent.
        valid_end_mjd: Option<f64> = "valid_end_mjd",
        /// `active`, or why not.
        status: Option<String> = "status",
        /// The set that it was solved from.
        source_ms_path: Option<StoredPath> = "source_ms_path",
        /// What made it.
        solver_command: Option<String> = "solver_command",
        /// Its version.
        solver_version: Option<String> = "solver_version",
        /// Its parameters, JSON.
        solver_params: Option<String> = "solver_params",
        /// How good it is, JSON.
        quality_metrics: Option<String> = "quality_metrics",
        /// Anything else.
        notes: Option<String> = "notes",
    }
}

record! {
    /// That a calibration table was applied to a set.
    CalibrationApplied in "calibration_applied" by ["ms_path", "caltable_path"] {
        /// The set.
        ms_path: StoredPath = "ms_path",
        /// The table.
        caltable_path: StoredPath = "caltable_path",
        /// When, last.
        applied_at: Option<f64> = "applied_at",
        /// Fraction of the data that was corrected.
        quality: Option<f64> = "quality",
        /// Whether it was.
        success: Option<bool> = "success",
        /// Why not.
        error_message: Option<String> = "error_message",
    }
}

record! {
    /// An image, or tile.
    Image in "images" by ["path"] {
        /// The file.
        path: StoredPath = "path",
        /// The set that it was made of.
        ms_path: Option<StoredPath> = "ms_path",
        /// When it was made.
        created_at: Option<f64> = "created_at",
        /// `image`, `pbcor`, `beam`, `residual`, ….
        kind: Option<String> = "type",
        /// `fits` or `casa`.
        format: Option<String> = "format",
        /// Restoring beam, full width at half maximum, arcseconds.
        beam_major_arcsec: Option<f64> = "beam_major_arcsec",
        /// Restoring beam, arcseconds.
        beam_minor_arcsec: Option<f64> = "beam_minor_arcsec",
        /// Position angle of the beam, degrees, north to east.
        beam_pa_deg: Option<f64> = "beam_pa_deg",
        /// Noise, Jy/beam.
        noise_jy: Option<f64> = "noise_jy",
        /// Peak over noise.
        dynamic_range: Option<f64> = "dynamic_range",
        /// Whether the primary beam was corrected for.
        pbcor: Option<bool> = "pbcor",
        /// Name of the field.
        field_name: Option<String> = "field_name",
        /// Centre, degrees.
        center_ra_deg: Option<f64> = "center_ra_deg",
        /// Centre, degrees.
        center_dec_deg: Option<f64> = "center_dec_deg",
        /// Pixels along x.
        imsize_x: Option<i64> = "imsize_x",
        /// Pixels along y.
        imsize_y: Option<i64> = "imsize_y",
        /// Pixel size, arcseconds.
        cellsize_arcsec: Option<f64> = "cellsize_arcsec",
        /// Frequency, GHz.
        freq_ghz: Option<f64> = "freq_ghz",
        /// Bandwidth, MHz.
        bandwidth_mhz: Option<f64> = "bandwidth_mhz",
        /// Integration time, s.
        integration_sec: Option<f64> = "integration_sec",
        /// First time.
        start_mjd: Option<f64> = "start_mjd",
        /// Last time.
        end_mjd: Option<f64> = "end_mjd",
    }
}

record! {
    /// A mosaic of images.
    Mosaic in "mosaics" by ["path"] {
        /// The file.
        path: StoredPath = "path",
        /// Its name.
        name: Option<String> = "name",
        /// When it was made.
        created_at: Option<f64> = "created_at",
        /// First time of its images.
        start_mjd: Option<f64> = "start_mjd",
        /// Last time of its images.
        end_mjd: Option<f64> = "end_mjd",
        /// Number of images.
        n_images: Option<i64> = "n_images",
        /// Centre, degrees.
        center_ra_deg: Option<f64> = "center_ra_deg",
        /// Centre, degrees.
        center_dec_deg: Option<f64> = "center_dec_deg",
        /// Noise, Jy/beam.
        noise_jy: Option<f64> = "noise_jy",
        /// Restoring beam, arcseconds.
        beam_major_arcsec: Option<f64> = "beam_major_arcsec",
        /// Restoring beam, arcseconds.
        beam_minor_arcsec: Option<f64> = "beam_minor_arcsec",
        /// Position angle of the beam, degrees.
        beam_pa_deg: Option<f64> = "beam_pa_deg",
        /// What became of it.
        status: Option<String> = "status",
        /// How it was made.
        method: Option<String> = "method",
        /// Its images, JSON.
        tiles: Option<String> = "tiles",
        /// What was found wrong with these, JSON.
        validation_issues: Option<String> = "validation_issues",
    }
}

record! {
    /// What a check found about a product: the last of each rule.
    QualityRecord in "quality_records" by ["subject", "rule"] {
        /// The product.
        subject: StoredPath = "subject",
        /// The check.
        rule: String = "rule",
        /// What was measured.
        value: Option<f64> = "value",
        /// What it was compared with.
        limit: Option<f64> = "limit_value",
        /// `pass`, `note`, `warning` or `error`.
        severity: Option<String> = "severity",
        /// In words.
        message: Option<String> = "message",
        /// When.
        recorded_at: Option<f64> = "recorded_at",
        /// By which run.
        run: Option<String> = "run",
    }
}

record! {
    /// A source of a sky catalogue.
    SkySource in "sky_sources" by ["catalogue", "name"] {
        /// The catalogue: `NVSS`, ….
        catalogue: String = "catalogue",
        /// The source's name in it.
        name: String = "name",
        /// Right ascension, ICRS, degrees.
        ra_deg: f64 = "ra_deg",
        /// Declination, ICRS, degrees.
        dec_deg: f64 = "dec_deg",
        /// Flux density of all of it, Stokes I, Jy.
        flux_jy: f64 = "flux_jy",
        /// The frequency of that, Hz.
        freq_hz: Option<f64> = "freq_hz",
        /// α of S ∝ ν^α.
        spectral_index: Option<f64> = "spectral_index",
        /// Full width at half maximum of a Gaussian, arcseconds; a point when absent or zero.
        major_arcsec: Option<f64> = "major_arcsec",
        /// Likewise.
        minor_arcsec: Option<f64> = "minor_arcsec",
        /// Position angle, degrees, north to east.
        pa_deg: Option<f64> = "pa_deg",
    }
}

impl ByPath for SubbandFile {}
impl ByPath for MsRow {}
impl ByPath for CalTable {}
impl ByPath for Image {}
impl ByPath for Mosaic {}
