//! The columns of a Measurement Set's tables, with their units, frames and comments.
//!
//! They are those of the Measurement Set definition, version 2.0 (Kemball & Wieringa 2000, casacore note 229), as casacore 3.8
//! gives them for a new set; SOURCE is without the columns that only spectral lines, pulsars and planets need.

use casacore::DataType::{Bool, Complex32, F64, I32, String as Text};
use casacore::{ColumnDesc, Record};

/// `MAIN` without its columns of visibilities and flags.
pub(crate) fn main() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("ANTENNA1", I32).comment("ID of first antenna in interferometer"),
        ColumnDesc::scalar("ANTENNA2", I32).comment("ID of second antenna in interferometer"),
        ColumnDesc::scalar("ARRAY_ID", I32).comment("ID of array or subarray"),
        ColumnDesc::scalar("DATA_DESC_ID", I32).comment("The data description table index"),
        ColumnDesc::scalar("EXPOSURE", F64).unit("s").comment("The effective integration time"),
        ColumnDesc::scalar("FEED1", I32).comment("The feed index for ANTENNA1"),
        ColumnDesc::scalar("FEED2", I32).comment("The feed index for ANTENNA2"),
        ColumnDesc::scalar("FIELD_ID", I32).comment("Unique id for this pointing"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag - flag all data in this row if True"),
        ColumnDesc::scalar("INTERVAL", F64).unit("s").comment("The sampling interval"),
        ColumnDesc::scalar("OBSERVATION_ID", I32).comment("ID for this observation, index in OBSERVATION table"),
        ColumnDesc::scalar("PROCESSOR_ID", I32).comment("Id for backend processor, index in PROCESSOR table"),
        ColumnDesc::scalar("SCAN_NUMBER", I32).comment("Sequential scan number from on-line system"),
        ColumnDesc::scalar("STATE_ID", I32).comment("ID for this observing state"),
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC").comment("Modified Julian Day"),
        ColumnDesc::scalar("TIME_CENTROID", F64).unit("s").measure("epoch", "UTC").comment("Modified Julian Day"),
        ColumnDesc::fixed("UVW", F64, [3])
            .units(["m"; 3])
            .measure("uvw", "ITRF")
            .comment("Vector with uvw coordinates (in meters)"),
    ]
}

/// `ANTENNA`.
pub(crate) fn antenna() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("DISH_DIAMETER", F64).unit("m").comment("Physical diameter of dish"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Flag for this row"),
        ColumnDesc::scalar("MOUNT", Text).comment("Mount type e.g. alt-az, equatorial, etc."),
        ColumnDesc::scalar("NAME", Text).comment("Antenna name, e.g. VLA22, CA03"),
        ColumnDesc::fixed("OFFSET", F64, [3])
            .units(["m"; 3])
            .measure("position", "ITRF")
            .comment("Axes offset of mount to FEED REFERENCE point"),
        ColumnDesc::fixed("POSITION", F64, [3])
            .units(["m"; 3])
            .measure("position", "ITRF")
            .comment("Antenna X,Y,Z phase reference position"),
        ColumnDesc::scalar("STATION", Text).comment("Station (antenna pad) name"),
        ColumnDesc::scalar("TYPE", Text).comment("Antenna type (e.g. SPACE-BASED)"),
    ]
}

/// `DATA_DESCRIPTION`.
pub(crate) fn data_description() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Flag this row"),
        ColumnDesc::scalar("POLARIZATION_ID", I32).comment("Pointer to polarization table"),
        ColumnDesc::scalar("SPECTRAL_WINDOW_ID", I32).comment("Pointer to spectralwindow table"),
    ]
}

/// `FEED`.
pub(crate) fn feed() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("ANTENNA_ID", I32).comment("ID of antenna in this array"),
        ColumnDesc::scalar("BEAM_ID", I32).comment("Id for BEAM model"),
        ColumnDesc::variable("BEAM_OFFSET", F64, Some(2))
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("Beam position offset (on sky but in antenna reference frame)"),
        ColumnDesc::scalar("FEED_ID", I32).comment("Feed id"),
        ColumnDesc::scalar("INTERVAL", F64).unit("s").comment("Interval for which this set of parameters is accurate"),
        ColumnDesc::scalar("NUM_RECEPTORS", I32).comment("Number of receptors on this feed (probably 1 or 2)"),
        ColumnDesc::variable("POLARIZATION_TYPE", Text, Some(1))
            .comment("Type of polarization to which a given RECEPTOR responds"),
        ColumnDesc::variable("POL_RESPONSE", Complex32, Some(2)).comment("D-matrix i.e. leakage between two receptors"),
        ColumnDesc::fixed("POSITION", F64, [3])
            .units(["m"; 3])
            .measure("position", "ITRF")
            .comment("Position of feed relative to feed reference position"),
        ColumnDesc::variable("RECEPTOR_ANGLE", F64, Some(1))
            .unit("rad")
            .comment("The reference angle for polarization"),
        ColumnDesc::scalar("SPECTRAL_WINDOW_ID", I32).comment("ID for this spectral window setup"),
        ColumnDesc::scalar("TIME", F64)
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Midpoint of time for which this set of parameters is accurate"),
    ]
}

/// `FIELD`.
pub(crate) fn field() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("CODE", Text).comment("Special characteristics of field, e.g. Bandpass calibrator"),
        ColumnDesc::variable("DELAY_DIR", F64, Some(2))
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("Direction of delay center (e.g. RA, DEC) as polynomial in time."),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row Flag"),
        ColumnDesc::scalar("NAME", Text).comment("Name of this field"),
        ColumnDesc::scalar("NUM_POLY", I32).comment("Polynomial order of _DIR columns"),
        ColumnDesc::variable("PHASE_DIR", F64, Some(2))
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("Direction of phase center (e.g. RA, DEC)."),
        ColumnDesc::variable("REFERENCE_DIR", F64, Some(2))
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("Direction of REFERENCE center (e.g. RA, DEC) as polynomial in time."),
        ColumnDesc::scalar("SOURCE_ID", I32).comment("Source id"),
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC").comment("Time origin for direction and rate"),
    ]
}

/// `FLAG_CMD`.
pub(crate) fn flag_cmd() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("APPLIED", Bool).comment("True if flag has been applied to main table"),
        ColumnDesc::scalar("COMMAND", Text).comment("Flagging command"),
        ColumnDesc::scalar("INTERVAL", F64).unit("s").comment("Time interval for which this flag is valid"),
        ColumnDesc::scalar("LEVEL", I32).comment("Flag level - revision level"),
        ColumnDesc::scalar("REASON", Text).comment("Flag reason"),
        ColumnDesc::scalar("SEVERITY", I32).comment("Severity code (0-10)"),
        ColumnDesc::scalar("TIME", F64)
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Midpoint of interval for which this flag is valid"),
        ColumnDesc::scalar("TYPE", Text).comment("Type of flag (FLAG or UNFLAG)"),
    ]
}

/// `HISTORY`.
pub(crate) fn history() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("APPLICATION", Text).comment("Application name"),
        ColumnDesc::variable("APP_PARAMS", Text, Some(1)).comment("Application parameters"),
        ColumnDesc::variable("CLI_COMMAND", Text, Some(1)).comment("CLI command sequence"),
        ColumnDesc::scalar("MESSAGE", Text).comment("Log message"),
        ColumnDesc::scalar("OBJECT_ID", I32).comment("Originating ObjectID"),
        ColumnDesc::scalar("OBSERVATION_ID", I32).comment("Observation id (index in OBSERVATION table)"),
        ColumnDesc::scalar("ORIGIN", Text).comment("(Source code) origin from which message originated"),
        ColumnDesc::scalar("PRIORITY", Text).comment("Message priority"),
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC").comment("Timestamp of message"),
    ]
}

/// `OBSERVATION`.
pub(crate) fn observation() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::variable("LOG", Text, Some(1)).comment("Observing log"),
        ColumnDesc::scalar("OBSERVER", Text).comment("Name of observer(s)"),
        ColumnDesc::scalar("PROJECT", Text).comment("Project identification string"),
        ColumnDesc::scalar("RELEASE_DATE", F64)
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Release date when data becomes public"),
        ColumnDesc::variable("SCHEDULE", Text, Some(1)).comment("Observing schedule"),
        ColumnDesc::scalar("SCHEDULE_TYPE", Text).comment("Observing schedule type"),
        ColumnDesc::scalar("TELESCOPE_NAME", Text).comment("Telescope Name (e.g. WSRT, VLBA)"),
        ColumnDesc::fixed("TIME_RANGE", F64, [2])
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Start and end of observation"),
    ]
}

/// `POINTING`.
pub(crate) fn pointing() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("ANTENNA_ID", I32).comment("Antenna Id"),
        ColumnDesc::variable("DIRECTION", F64, Some(2))
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("Antenna pointing direction as polynomial in time"),
        ColumnDesc::scalar("INTERVAL", F64).unit("s").comment("Time interval"),
        ColumnDesc::scalar("NAME", Text).comment("Pointing position name"),
        ColumnDesc::scalar("NUM_POLY", I32).comment("Series order"),
        ColumnDesc::variable("TARGET", F64, None)
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("target direction as polynomial in time"),
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC").comment("Time interval midpoint"),
        ColumnDesc::scalar("TIME_ORIGIN", F64).unit("s").measure("epoch", "UTC").comment("Time origin for direction"),
        ColumnDesc::scalar("TRACKING", Bool).comment("Tracking flag - True if on position"),
    ]
}

/// `POLARIZATION`.
pub(crate) fn polarization() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::variable("CORR_PRODUCT", I32, Some(2))
            .comment("Indices describing receptors of feed going into correlation"),
        ColumnDesc::variable("CORR_TYPE", I32, Some(1))
            .comment("The polarization type for each correlation product, as a Stokes enum."),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::scalar("NUM_CORR", I32).comment("Number of correlation products"),
    ]
}

/// `PROCESSOR`.
pub(crate) fn processor() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::scalar("MODE_ID", I32).comment("Processor mode id"),
        ColumnDesc::scalar("SUB_TYPE", Text).comment("Processor sub type"),
        ColumnDesc::scalar("TYPE", Text).comment("Processor type"),
        ColumnDesc::scalar("TYPE_ID", I32).comment("Processor type id"),
    ]
}

/// `SOURCE`.
pub(crate) fn source() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("CALIBRATION_GROUP", I32).comment("Number of grouping for calibration purpose."),
        ColumnDesc::scalar("CODE", Text).comment("Special characteristics of source, e.g. Bandpass calibrator"),
        ColumnDesc::fixed("DIRECTION", F64, [2])
            .units(["rad"; 2])
            .measure("direction", "J2000")
            .comment("Direction (e.g. RA, DEC)."),
        ColumnDesc::scalar("INTERVAL", F64)
            .unit("s")
            .comment("Interval of time for which this set of parameters is accurate"),
        ColumnDesc::scalar("NAME", Text).comment("Name of source as given during observations"),
        ColumnDesc::scalar("NUM_LINES", I32).comment("Number of spectral lines"),
        ColumnDesc::fixed("PROPER_MOTION", F64, [2]).unit("rad/s").comment("Proper motion"),
        ColumnDesc::scalar("SOURCE_ID", I32).comment("Source id"),
        ColumnDesc::scalar("SPECTRAL_WINDOW_ID", I32).comment("ID for this spectral window setup"),
        ColumnDesc::scalar("TIME", F64)
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Midpoint of time for which this set of parameters is accurate."),
    ]
}

/// `SPECTRAL_WINDOW`.
pub(crate) fn spectral_window() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::variable("CHAN_FREQ", F64, Some(1))
            .unit("Hz")
            .keyword("MEASINFO", frequency_by_row())
            .comment("Center frequencies for each channel in the data matrix"),
        ColumnDesc::variable("CHAN_WIDTH", F64, Some(1)).unit("Hz").comment("Channel width for each channel"),
        ColumnDesc::variable("EFFECTIVE_BW", F64, Some(1))
            .unit("Hz")
            .comment("Effective noise bandwidth of each channel"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::scalar("FREQ_GROUP", I32).comment("Frequency group"),
        ColumnDesc::scalar("FREQ_GROUP_NAME", Text).comment("Frequency group name"),
        ColumnDesc::scalar("IF_CONV_CHAIN", I32).comment("The IF conversion chain number"),
        ColumnDesc::scalar("MEAS_FREQ_REF", I32).comment("Frequency Measure reference"),
        ColumnDesc::scalar("NAME", Text).comment("Spectral window name"),
        ColumnDesc::scalar("NET_SIDEBAND", I32).comment("Net sideband"),
        ColumnDesc::scalar("NUM_CHAN", I32).comment("Number of spectral channels"),
        ColumnDesc::scalar("REF_FREQUENCY", F64)
            .unit("Hz")
            .keyword("MEASINFO", frequency_by_row())
            .comment("The reference frequency"),
        ColumnDesc::variable("RESOLUTION", F64, Some(1))
            .unit("Hz")
            .comment("The effective noise bandwidth for each channel"),
        ColumnDesc::scalar("TOTAL_BANDWIDTH", F64).unit("Hz").comment("The total bandwidth for this window"),
    ]
}

/// `STATE`.
pub(crate) fn state() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::scalar("CAL", F64).unit("K").comment("Noise calibration temperature"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::scalar("LOAD", F64).unit("K").comment("Load temperature"),
        ColumnDesc::scalar("OBS_MODE", Text).comment("Observing mode, e.g., OFF_SPECTRUM"),
        ColumnDesc::scalar("REF", Bool).comment("True for a reference observation"),
        ColumnDesc::scalar("SIG", Bool).comment("True for a source observation"),
        ColumnDesc::scalar("SUB_SCAN", I32).comment("Sub scan number, relative to scan number"),
    ]
}

/// Frequencies whose frame is in each row's MEAS_FREQ_REF.
fn frequency_by_row() -> Record {
    let codes = [0_u32, 1, 2, 3, 4, 5, 6, 7, 8, 64];
    let names = ["REST", "LSRK", "LSRD", "BARY", "GEO", "TOPO", "GALACTO", "LGROUP", "CMB", "Undefined"];
    Record::new()
        .with("type", "frequency")
        .with("VarRefCol", "MEAS_FREQ_REF")
        .with("TabRefTypes", names.to_vec())
        .with("TabRefCodes", codes.to_vec())
}
