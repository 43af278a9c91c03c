//! The tables as data: what is created, what a migration copies into, and the indexes that the look-ups use.

/// `cont`, in the file's header: the database is this crate's.
pub(crate) const APPLICATION_ID: i64 = 0x636f_6e74;

/// The layout's version. Raise it with a step in `migrate.rs`.
pub(crate) const VERSION: i64 = 1;

/// A table.
pub(crate) struct Table {
    pub name: &'static str,
    /// Name, and declaration.
    pub columns: &'static [(&'static str, &'static str)],
    /// The columns that name a row.
    pub key: &'static [&'static str],
    /// Further constraints.
    pub constraints: &'static str,
    /// Columns computed from others, for indexes. Those that a look-up takes from an index are stored: SQLite computes a
    /// virtual one from the row, even where an index has it.
    pub computed: &'static [(&'static str, &'static str)],
    /// Name and columns.
    pub indexes: &'static [(&'static str, &'static str)],
}

impl Table {
    /// The statement that creates it as `name`.
    pub(crate) fn create(&self, name: &str) -> String {
        let columns = self.columns.iter().chain(self.computed).map(|(column, kind)| format!("\"{column}\" {kind}"));
        let mut parts: Vec<String> = columns.collect();
        let key: Vec<String> = self.key.iter().map(|c| format!("\"{c}\"")).collect();
        parts.push(format!("UNIQUE ({})", key.join(", ")));
        if !self.constraints.is_empty() {
            parts.push(self.constraints.to_owned());
        }
        format!("CREATE TABLE \"{name}\" ({})", parts.join(", "))
    }

    /// The statements that create its indexes.
    pub(crate) fn create_indexes(&self) -> impl Iterator<Item = String> + '_ {
        self.indexes.iter().map(|(name, on)| format!("CREATE INDEX \"{name}\" ON \"{}\" ({on})", self.name))
    }
}

/// Right ascension within 0 to 360°, whatever turn it was stored with.
macro_rules! wrapped {
    ($ra:literal) => {
        concat!(
            "REAL GENERATED ALWAYS AS (CASE WHEN ",
            $ra,
            " < 0.0 THEN ",
            $ra,
            " + 360.0 WHEN ",
            $ra,
            " >= 360.0 THEN ",
            $ra,
            " - 360.0 ELSE ",
            $ra,
            " END) VIRTUAL"
        )
    };
}

/// Quarter degrees of declination above the south pole: positions are looked up zone by zone (Gray et al. 2006,
/// arXiv:cs/0701171). `position.rs` has the same number.
macro_rules! zone {
    ($dec:literal) => {
        concat!("INTEGER GENERATED ALWAYS AS (CAST((", $dec, " + 90.0) * 4.0 AS INTEGER)) VIRTUAL")
    };
}

const NONE: &[(&str, &str)] = &[];

/// Every table of the layout.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "hdf5_files",
        columns: &[
            ("path", "TEXT"),
            ("filename", "TEXT"),
            ("group_id", "TEXT"),
            ("subband_code", "TEXT"),
            ("subband_num", "INTEGER"),
            ("timestamp_iso", "TEXT"),
            ("timestamp_mjd", "REAL"),
            ("end_mjd", "REAL"),
            ("file_size_bytes", "INTEGER"),
            ("modified_time", "REAL"),
            ("indexed_at", "REAL"),
            ("stored", "INTEGER DEFAULT 1"),
            ("ra_deg", "REAL"),
            ("dec_deg", "REAL"),
            ("n_rows", "INTEGER"),
            ("n_channels", "INTEGER"),
            ("freq_low_hz", "REAL"),
            ("freq_high_hz", "REAL"),
        ],
        key: &["path"],
        constraints: "",
        computed: NONE,
        indexes: &[("hdf5_files_by_group", "group_id, subband_num"), ("hdf5_files_by_time", "timestamp_mjd")],
    },
    Table {
        name: "processing_queue",
        columns: &[
            ("group_id", "TEXT"),
            ("state", "TEXT"),
            ("received_at", "REAL"),
            ("last_update", "REAL"),
            ("expected_subbands", "INTEGER"),
            ("present_subbands", "INTEGER"),
            ("retry_count", "INTEGER DEFAULT 0"),
            ("error", "TEXT"),
            ("processing_stage", "TEXT"),
            ("start_mjd", "REAL"),
            ("end_mjd", "REAL"),
            ("ms_path", "TEXT"),
        ],
        key: &["group_id"],
        constraints: "",
        computed: NONE,
        indexes: &[("processing_queue_by_state", "state, group_id"), ("processing_queue_by_time", "start_mjd")],
    },
    Table {
        name: "ms_index",
        columns: &[
            ("path", "TEXT"),
            ("start_mjd", "REAL"),
            ("end_mjd", "REAL"),
            ("mid_mjd", "REAL"),
            ("processed_at", "REAL"),
            ("status", "TEXT"),
            ("stage", "TEXT"),
            ("stage_updated_at", "REAL"),
            ("cal_applied", "INTEGER DEFAULT 0"),
            ("imagename", "TEXT"),
            ("field_name", "TEXT"),
            ("pointing_ra_deg", "REAL"),
            ("pointing_dec_deg", "REAL"),
            ("ra_deg", "REAL"),
            ("dec_deg", "REAL"),
            ("group_id", "TEXT"),
            ("created_at", "REAL"),
            ("n_rows", "INTEGER"),
            ("n_channels", "INTEGER"),
        ],
        key: &["path"],
        constraints: "",
        computed: &[
            ("at_mjd", "REAL GENERATED ALWAYS AS (coalesce(mid_mjd, (start_mjd + end_mjd) / 2.0, start_mjd)) STORED"),
            ("at_zone", zone!("dec_deg")),
            ("at_ra_deg", wrapped!("ra_deg")),
        ],
        indexes: &[
            ("ms_index_by_time", "at_mjd"),
            ("ms_index_by_stage", "stage, path"),
            ("ms_index_by_status", "status"),
            ("ms_index_by_group", "group_id"),
            ("ms_index_by_position", "at_zone, at_ra_deg"),
            ("ms_index_for_tiles", "path, cal_applied, at_mjd"),
        ],
    },
    Table {
        name: "calibration_tables",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("set_name", "TEXT"),
            ("path", "TEXT"),
            ("table_type", "TEXT"),
            ("order_index", "INTEGER"),
            ("cal_field", "TEXT"),
            ("refant", "TEXT"),
            ("created_at", "REAL"),
            ("valid_start_mjd", "REAL"),
            ("valid_end_mjd", "REAL"),
            ("status", "TEXT DEFAULT 'active'"),
            ("source_ms_path", "TEXT"),
            ("solver_command", "TEXT"),
            ("solver_version", "TEXT"),
            ("solver_params", "TEXT"),
            ("quality_metrics", "TEXT"),
            ("notes", "TEXT"),
        ],
        key: &["path"],
        constraints: "",
        computed: NONE,
        indexes: &[
            ("calibration_tables_by_set", "set_name"),
            ("calibration_tables_by_validity", "status, valid_start_mjd, valid_end_mjd"),
            ("calibration_tables_by_source", "source_ms_path"),
        ],
    },
    Table {
        name: "calibration_applied",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("ms_path", "TEXT"),
            ("caltable_path", "TEXT"),
            ("applied_at", "REAL"),
            ("quality", "REAL"),
            ("success", "INTEGER DEFAULT 1"),
            ("error_message", "TEXT"),
        ],
        key: &["ms_path", "caltable_path"],
        constraints: "",
        computed: NONE,
        indexes: &[("calibration_applied_for_tiles", "ms_path, caltable_path, applied_at, success")],
    },
    Table {
        name: "images",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("path", "TEXT"),
            ("ms_path", "TEXT"),
            ("created_at", "REAL"),
            ("type", "TEXT"),
            ("format", "TEXT DEFAULT 'fits'"),
            ("beam_major_arcsec", "REAL"),
            ("beam_minor_arcsec", "REAL"),
            ("beam_pa_deg", "REAL"),
            ("noise_jy", "REAL"),
            ("dynamic_range", "REAL"),
            ("pbcor", "INTEGER DEFAULT 0"),
            ("field_name", "TEXT"),
            ("center_ra_deg", "REAL"),
            ("center_dec_deg", "REAL"),
            ("imsize_x", "INTEGER"),
            ("imsize_y", "INTEGER"),
            ("cellsize_arcsec", "REAL"),
            ("freq_ghz", "REAL"),
            ("bandwidth_mhz", "REAL"),
            ("integration_sec", "REAL"),
            ("start_mjd", "REAL"),
            ("end_mjd", "REAL"),
        ],
        key: &["path"],
        constraints: "",
        computed: &[
            ("at_mjd", "REAL GENERATED ALWAYS AS (coalesce((start_mjd + end_mjd) / 2.0, start_mjd)) STORED"),
            ("at_zone", zone!("center_dec_deg")),
            ("at_ra_deg", wrapped!("center_ra_deg")),
        ],
        indexes: &[
            ("images_by_set", "ms_path"),
            ("images_by_type", "type"),
            ("images_by_creation", "created_at"),
            ("images_by_time", "at_mjd"),
            ("images_by_position", "at_zone, at_ra_deg"),
            // All that the checks of tiles ask: they read a quarter of the pages that the rows themselves take.
            ("images_for_tiles", "path, ms_path, noise_jy, dynamic_range, pbcor, at_mjd"),
        ],
    },
    Table {
        name: "mosaics",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("path", "TEXT"),
            ("name", "TEXT"),
            ("created_at", "REAL"),
            ("start_mjd", "REAL"),
            ("end_mjd", "REAL"),
            ("n_images", "INTEGER"),
            ("center_ra_deg", "REAL"),
            ("center_dec_deg", "REAL"),
            ("noise_jy", "REAL"),
            ("beam_major_arcsec", "REAL"),
            ("beam_minor_arcsec", "REAL"),
            ("beam_pa_deg", "REAL"),
            ("status", "TEXT"),
            ("method", "TEXT"),
            ("tiles", "TEXT"),
            ("validation_issues", "TEXT"),
        ],
        key: &["path"],
        constraints: "",
        computed: &[
            ("at_mjd", "REAL GENERATED ALWAYS AS (coalesce((start_mjd + end_mjd) / 2.0, start_mjd)) STORED"),
            ("at_zone", zone!("center_dec_deg")),
            ("at_ra_deg", wrapped!("center_ra_deg")),
        ],
        indexes: &[
            ("mosaics_by_name", "name"),
            ("mosaics_by_time", "at_mjd"),
            ("mosaics_by_position", "at_zone, at_ra_deg"),
        ],
    },
    Table {
        name: "quality_records",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("subject", "TEXT NOT NULL"),
            ("rule", "TEXT NOT NULL"),
            ("value", "REAL"),
            ("limit_value", "REAL"),
            ("severity", "TEXT"),
            ("message", "TEXT"),
            ("recorded_at", "REAL"),
            ("run", "TEXT"),
        ],
        key: &["subject", "rule"],
        constraints: "",
        computed: NONE,
        indexes: NONE,
    },
    Table {
        name: "sky_sources",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("catalogue", "TEXT NOT NULL"),
            ("name", "TEXT NOT NULL"),
            ("ra_deg", "REAL NOT NULL"),
            ("dec_deg", "REAL NOT NULL"),
            ("flux_jy", "REAL NOT NULL"),
            ("freq_hz", "REAL"),
            ("spectral_index", "REAL"),
            ("major_arcsec", "REAL"),
            ("minor_arcsec", "REAL"),
            ("pa_deg", "REAL"),
        ],
        key: &["catalogue", "name"],
        constraints: "",
        computed: &[("at_zone", zone!("dec_deg")), ("at_ra_deg", wrapped!("ra_deg"))],
        indexes: &[("sky_sources_by_position", "at_zone, at_ra_deg, flux_jy")],
    },
    Table {
        name: "stage_jobs",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("subject", "TEXT NOT NULL"),
            ("stage", "TEXT NOT NULL"),
            ("state", "TEXT NOT NULL CHECK (state IN ('waiting', 'ready', 'running', 'done', 'failed', 'cancelled'))"),
            ("priority", "INTEGER NOT NULL DEFAULT 0"),
            ("not_before", "REAL NOT NULL DEFAULT 0"),
            ("attempts", "INTEGER NOT NULL DEFAULT 0"),
            ("lease_owner", "TEXT"),
            ("lease_until", "REAL"),
            ("spec", "TEXT"),
            ("result", "TEXT"),
            ("updated_at", "REAL NOT NULL"),
        ],
        key: &["subject", "stage"],
        constraints: "CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))",
        computed: NONE,
        indexes: &[("stage_jobs_by_state", "state, priority DESC, id"), ("stage_jobs_by_owner", "lease_owner")],
    },
    Table {
        name: "stage_attempts",
        columns: &[
            ("id", "INTEGER PRIMARY KEY"),
            ("job", "INTEGER NOT NULL REFERENCES stage_jobs (id) ON DELETE CASCADE"),
            ("number", "INTEGER NOT NULL"),
            ("owner", "TEXT NOT NULL"),
            ("started_at", "REAL NOT NULL"),
            ("ended_at", "REAL"),
            ("outcome", "TEXT NOT NULL"),
            ("details", "TEXT"),
        ],
        key: &["job", "number"],
        constraints: "",
        computed: NONE,
        indexes: NONE,
    },
    Table {
        name: "leases",
        columns: &[
            ("name", "TEXT NOT NULL"),
            ("owner", "TEXT NOT NULL"),
            ("acquired_at", "REAL NOT NULL"),
            ("until", "REAL NOT NULL"),
            ("details", "TEXT"),
        ],
        key: &["name"],
        constraints: "",
        computed: NONE,
        indexes: NONE,
    },
];

/// The table of that name.
pub(crate) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|t| t.name == name)
}
