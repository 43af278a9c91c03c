//! Databases in the original pipeline's two layouts, made with plain SQL. Tables and columns are those of
//! reference/original-pipeline.md, section 2.7; values are made up.

use std::path::Path;

use rusqlite::{Connection, params};

/// The first layout's `products.sqlite3`: no index on `images.path`, which is not unique either.
pub(crate) const C1_PRODUCTS: &str = "
    CREATE TABLE ms_index (path TEXT PRIMARY KEY, start_mjd REAL, end_mjd REAL, mid_mjd REAL, processed_at REAL, status TEXT,
        stage TEXT, stage_updated_at REAL, cal_applied INTEGER DEFAULT 0, imagename TEXT);
    CREATE INDEX idx_ms_index_stage_path ON ms_index(stage, path);
    CREATE INDEX idx_ms_index_status ON ms_index(status);
    CREATE TABLE images (id INTEGER PRIMARY KEY, path TEXT NOT NULL, ms_path TEXT NOT NULL, created_at REAL NOT NULL,
        type TEXT NOT NULL, beam_major_arcsec REAL, noise_jy REAL, pbcor INTEGER DEFAULT 0);
    CREATE INDEX idx_images_ms_path ON images(ms_path);
    CREATE TABLE photometry (id INTEGER PRIMARY KEY, image_path TEXT NOT NULL, ra_deg REAL NOT NULL, dec_deg REAL NOT NULL,
        nvss_flux_mjy REAL, peak_jyb REAL NOT NULL, peak_err_jyb REAL, measured_at REAL NOT NULL);
    CREATE INDEX idx_photometry_image ON photometry(image_path);
    CREATE TABLE storage_locations (id INTEGER PRIMARY KEY AUTOINCREMENT, location_type TEXT NOT NULL, base_path TEXT NOT NULL,
        description TEXT, registered_at REAL NOT NULL, status TEXT DEFAULT 'active', notes TEXT,
        UNIQUE(location_type, base_path));
    CREATE TABLE mosaics (id INTEGER PRIMARY KEY, name TEXT, created_at REAL, status TEXT, method TEXT, tiles TEXT,
        output_path TEXT, validation_issues TEXT);";

const C1_HDF5: &str = "
    CREATE TABLE hdf5_file_index (path TEXT PRIMARY KEY, filename TEXT, group_id TEXT, subband_code TEXT, subband_num INTEGER,
        timestamp_iso TEXT, timestamp_mjd REAL, file_size_bytes INTEGER, modified_time REAL, indexed_at REAL,
        stored INTEGER DEFAULT 1, ra_deg REAL, dec_deg REAL, obs_date TEXT, obs_time TEXT);
    CREATE INDEX idx_hdf5_group ON hdf5_file_index(group_id);
    CREATE TABLE storage_locations (id INTEGER PRIMARY KEY, note TEXT);";

const C1_REGISTRY: &str = "
    CREATE TABLE caltables (id INTEGER PRIMARY KEY, set_name TEXT NOT NULL, path TEXT NOT NULL UNIQUE,
        table_type TEXT NOT NULL, order_index INTEGER NOT NULL, cal_field TEXT, refant TEXT, created_at REAL NOT NULL,
        valid_start_mjd REAL, valid_end_mjd REAL, status TEXT NOT NULL, notes TEXT, source_ms_path TEXT,
        solver_command TEXT, solver_version TEXT, solver_params TEXT, quality_metrics TEXT);";

const C1_INGEST: &str = "
    CREATE TABLE ingest_queue (group_id TEXT PRIMARY KEY, state TEXT NOT NULL, received_at REAL NOT NULL,
        last_update REAL NOT NULL, expected_subbands INTEGER, retry_count INTEGER NOT NULL DEFAULT 0, error TEXT,
        checkpoint_path TEXT, processing_stage TEXT DEFAULT 'collecting', chunk_minutes REAL);
    CREATE TABLE subband_files (group_id TEXT NOT NULL, subband_idx INTEGER NOT NULL, path TEXT NOT NULL,
        PRIMARY KEY (group_id, subband_idx), UNIQUE (path));
    CREATE TABLE performance_metrics (group_id TEXT PRIMARY KEY, load_time REAL, phase_time REAL, write_time REAL,
        total_time REAL, writer_type TEXT, recorded_at REAL NOT NULL);";

/// The last layout's `pipeline.sqlite3`, those of its tables that the migration touches or that refer to these.
const UNIFIED: &str = "
    CREATE TABLE ms_index (path TEXT PRIMARY KEY, start_mjd REAL, end_mjd REAL, mid_mjd REAL, processed_at REAL, status TEXT,
        stage TEXT, stage_updated_at REAL, cal_applied INTEGER DEFAULT 0, imagename TEXT, field_name TEXT,
        pointing_ra_deg REAL, pointing_dec_deg REAL, ra_deg REAL, dec_deg REAL, group_id TEXT,
        created_at REAL NOT NULL DEFAULT (strftime('%s', 'now')));
    CREATE INDEX idx_ms_index_mid_mjd ON ms_index(mid_mjd);
    CREATE TABLE images (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, ms_path TEXT NOT NULL,
        created_at REAL NOT NULL, type TEXT NOT NULL, format TEXT DEFAULT 'fits', beam_major_arcsec REAL,
        beam_minor_arcsec REAL, beam_pa_deg REAL, noise_jy REAL, dynamic_range REAL, pbcor INTEGER DEFAULT 0,
        field_name TEXT, center_ra_deg REAL, center_dec_deg REAL, imsize_x INTEGER, imsize_y INTEGER, cellsize_arcsec REAL,
        freq_ghz REAL, bandwidth_mhz REAL, integration_sec REAL,
        FOREIGN KEY (ms_path) REFERENCES ms_index(path) ON DELETE CASCADE);
    CREATE INDEX idx_images_created_at ON images(created_at);
    CREATE TABLE photometry (id INTEGER PRIMARY KEY AUTOINCREMENT, image_path TEXT NOT NULL, source_id TEXT NOT NULL,
        ra_deg REAL NOT NULL, dec_deg REAL NOT NULL, flux_jy REAL NOT NULL, measured_at REAL NOT NULL,
        FOREIGN KEY (image_path) REFERENCES images(path));
    CREATE TABLE calibration_tables (id INTEGER PRIMARY KEY AUTOINCREMENT, set_name TEXT NOT NULL, path TEXT NOT NULL UNIQUE,
        table_type TEXT NOT NULL, order_index INTEGER NOT NULL, cal_field TEXT, refant TEXT, created_at REAL NOT NULL,
        valid_start_mjd REAL, valid_end_mjd REAL, status TEXT NOT NULL DEFAULT 'active', source_ms_path TEXT,
        solver_command TEXT, solver_version TEXT, solver_params TEXT, quality_metrics TEXT, notes TEXT);
    CREATE TABLE calibration_applied (id INTEGER PRIMARY KEY AUTOINCREMENT, ms_path TEXT NOT NULL, caltable_path TEXT NOT NULL,
        applied_at REAL NOT NULL, quality REAL, success INTEGER DEFAULT 1, error_message TEXT,
        FOREIGN KEY (ms_path) REFERENCES ms_index(path), FOREIGN KEY (caltable_path) REFERENCES calibration_tables(path));
    CREATE TABLE hdf5_files (path TEXT PRIMARY KEY, filename TEXT NOT NULL, group_id TEXT NOT NULL, subband_code TEXT NOT NULL,
        subband_num INTEGER, timestamp_iso TEXT, timestamp_mjd REAL, file_size_bytes INTEGER, modified_time REAL,
        indexed_at REAL NOT NULL, stored INTEGER DEFAULT 1, ra_deg REAL, dec_deg REAL, obs_date TEXT, obs_time TEXT);
    CREATE TABLE processing_queue (group_id TEXT PRIMARY KEY, state TEXT NOT NULL, received_at REAL NOT NULL,
        last_update REAL NOT NULL, expected_subbands INTEGER, retry_count INTEGER NOT NULL DEFAULT 0, error TEXT,
        error_message TEXT, checkpoint_path TEXT, processing_stage TEXT DEFAULT 'collecting', chunk_minutes REAL,
        has_calibrator INTEGER DEFAULT NULL, calibrators TEXT);
    CREATE TABLE subband_files (group_id TEXT NOT NULL, subband_idx INTEGER NOT NULL, path TEXT NOT NULL UNIQUE,
        PRIMARY KEY (group_id, subband_idx), FOREIGN KEY (group_id) REFERENCES processing_queue(group_id));
    CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'pending',
        ms_path TEXT NOT NULL, params TEXT, logs TEXT, artifacts TEXT, created_at REAL NOT NULL, started_at REAL,
        finished_at REAL);
    CREATE TABLE image_qa (id INTEGER PRIMARY KEY AUTOINCREMENT, ms_path TEXT NOT NULL, job_id INTEGER NOT NULL,
        image_path TEXT NOT NULL, rms_noise REAL, timestamp REAL NOT NULL, FOREIGN KEY (job_id) REFERENCES jobs(id));
    CREATE TABLE mosaics (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        created_at REAL NOT NULL, start_mjd REAL NOT NULL, end_mjd REAL NOT NULL, integration_sec REAL, n_images INTEGER,
        center_ra_deg REAL, center_dec_deg REAL, dec_min_deg REAL, dec_max_deg REAL, noise_jy REAL, beam_major_arcsec REAL,
        beam_minor_arcsec REAL, beam_pa_deg REAL, n_sources INTEGER, thumbnail_path TEXT, status TEXT, method TEXT,
        tiles TEXT, output_path TEXT, validation_issues TEXT, metrics_path TEXT);";

fn open(path: &Path, schema: &str) -> Connection {
    let connection = Connection::open(path).expect("a new file");
    connection.execute_batch(schema).expect("a schema");
    connection.pragma_update(None, "foreign_keys", false).expect("as Python's sqlite3 has it");
    connection
}

/// 60 rows of 40 images: every second one registered again, newer and without its noise.
pub(crate) fn c1_products(path: &Path, folder: &str) {
    let connection = open(path, C1_PRODUCTS);
    for i in 0..40 {
        let ms = format!("{folder}/ms/{i:03}.ms");
        let mid = 61_000.0 + f64::from(i) / 100.0;
        connection
            .execute(
                "INSERT INTO ms_index (path, start_mjd, end_mjd, mid_mjd, processed_at, status, stage, cal_applied)
                 VALUES (?1, ?2, ?3, ?4, 1.7e9, 'done', 'imaged', ?5)",
                params![ms, mid - 0.001, mid + 0.001, mid, i % 3],
            )
            .expect("a row");
        let image = format!("{folder}/images/{i:03}-image.fits");
        let insert = "INSERT INTO images (path, ms_path, created_at, type, beam_major_arcsec, noise_jy, pbcor)
                      VALUES (?1, ?2, ?3, 'image', 12.5, ?4, 0)";
        let created = 1.7e9 + f64::from(i);
        connection.execute(insert, params![image, ms, created, Some(1e-4)]).expect("a row");
        if i % 2 == 0 {
            connection.execute(insert, params![image, ms, created + 1000.0, None::<f64>]).expect("a row");
        }
        connection
            .execute(
                "INSERT INTO photometry (image_path, ra_deg, dec_deg, peak_jyb, measured_at) VALUES (?1, 1.0, 2.0, 3.0, 4.0)",
                [&image],
            )
            .expect("a row");
    }
    connection
        .execute_batch(
            "INSERT INTO storage_locations (location_type, base_path, registered_at) VALUES ('images', '/stage/images', 1.0);
             INSERT INTO mosaics (name, created_at, status, output_path) VALUES ('m1', 5.0, 'done', '/stage/m1.fits'),
                 ('m2', 6.0, 'planned', NULL), ('m3', 7.0, 'planned', NULL);
             CREATE TABLE my_notes (text TEXT, \"odd \"\" name\" BLOB);
             INSERT INTO my_notes VALUES ('keep me', x'00ff');",
        )
        .expect("rows");
}

pub(crate) fn c1_hdf5(path: &Path) {
    open(path, C1_HDF5)
        .execute_batch(
            "INSERT INTO hdf5_file_index (path, filename, group_id, subband_code, subband_num, timestamp_mjd, obs_date)
                 VALUES ('/data/incoming/a_sb00.hdf5', 'a_sb00.hdf5', 'a', 'sb00', 0, 61000.5, '2026-01-25'),
                        ('/data/incoming/a_sb01.hdf5', 'a_sb01.hdf5', 'a', 'sb01', 1, 61000.5, '2026-01-25');
             INSERT INTO storage_locations (note) VALUES ('of another table with this name');",
        )
        .expect("rows");
}

pub(crate) fn c1_registry(path: &Path) {
    open(path, C1_REGISTRY)
        .execute_batch(
            "INSERT INTO caltables (set_name, path, table_type, order_index, created_at, valid_start_mjd, valid_end_mjd, status)
                 VALUES ('cal_a', '/stage/a_gpcal', 'GP', 50, 1.0, 61000.0, 61001.0, 'active'),
                        ('cal_a', '/stage/a_bpcal', 'BP', 30, 1.0, 61000.0, 61001.0, 'active');",
        )
        .expect("rows");
}

pub(crate) fn c1_ingest(path: &Path) {
    open(path, C1_INGEST)
        .execute_batch(
            "INSERT INTO ingest_queue (group_id, state, received_at, last_update, expected_subbands, chunk_minutes)
                 VALUES ('a', 'completed', 1.0, 2.0, 16, 5.0);
             INSERT INTO subband_files VALUES ('a', 0, '/data/incoming/a_sb00.hdf5');
             INSERT INTO performance_metrics VALUES ('a', 1.0, 2.0, 3.0, 6.0, 'direct', 7.0);",
        )
        .expect("rows");
}

pub(crate) fn unified(path: &Path, folder: &str) {
    let connection = open(path, UNIFIED);
    for i in 0..30 {
        let ms = format!("{folder}/ms/{i:03}.ms");
        connection
            .execute(
                "INSERT INTO ms_index (path, mid_mjd, status, stage, cal_applied, ra_deg, dec_deg) VALUES (?1, ?2, 'done',
                 'imaged', 1, ?3, 37.0)",
                params![ms, 61_000.0 + f64::from(i), (350 + i) % 360],
            )
            .expect("a row");
        connection
            .execute(
                "INSERT INTO images (path, ms_path, created_at, type, noise_jy, dynamic_range, center_ra_deg, center_dec_deg)
                 VALUES (?1, ?2, ?3, 'image', 2e-4, 150.0, ?4, 37.0)",
                params![format!("{folder}/images/{i:03}.fits"), ms, 1.7e9 + f64::from(i), (350 + i) % 360],
            )
            .expect("a row");
        connection
            .execute(
                "INSERT INTO calibration_applied (ms_path, caltable_path, applied_at) VALUES (?1, '/stage/a_bpcal', ?2)",
                params![ms, f64::from(i)],
            )
            .expect("a row");
    }
    connection
        .execute_batch(
            "INSERT INTO calibration_applied (ms_path, caltable_path, applied_at) SELECT ms_path, caltable_path, 99.0
                 FROM calibration_applied WHERE id = 1;
             INSERT INTO calibration_tables (set_name, path, table_type, order_index, created_at, valid_start_mjd)
                 VALUES ('cal_a', '/stage/a_bpcal', 'BP', 30, 1.0, 60999.0);
             INSERT INTO hdf5_files (path, filename, group_id, subband_code, subband_num, indexed_at)
                 VALUES ('/in/a_sb00.hdf5', 'a_sb00.hdf5', 'a', 'sb00', 0, 1.0);
             INSERT INTO processing_queue (group_id, state, received_at, last_update, calibrators) VALUES ('a', 'failed', 1.0, 2.0, '[]');
             INSERT INTO subband_files VALUES ('a', 0, '/in/a_sb00.hdf5');
             INSERT INTO jobs (type, ms_path, created_at) VALUES ('imaging', 'x', 1.0);
             INSERT INTO image_qa (ms_path, job_id, image_path, timestamp) VALUES ('x', 1, 'y', 2.0);
             INSERT INTO photometry (image_path, source_id, ra_deg, dec_deg, flux_jy, measured_at)
                 SELECT path, 's', 1.0, 2.0, 3.0, 4.0 FROM images;
             INSERT INTO mosaics (path, name, created_at, start_mjd, end_mjd, n_sources) VALUES ('/stage/m.fits', 'm', 1.0, 2.0, 3.0, 4);
             ALTER TABLE images ADD COLUMN added_by_hand TEXT;
             UPDATE images SET added_by_hand = 'note ' || id;",
        )
        .expect("rows");
}
