//! The columns of a calibration table and its subtables, as CASA 6.7 makes them.

use casacore::DataType::{Bool, Complex32, F32, F64, I32, String as Text};
use casacore::{ColumnDesc, Record, Value};

use crate::table::Kind;

/// MAIN.
pub(crate) fn main(kind: Kind) -> Vec<ColumnDesc> {
    let parameters = match kind {
        Kind::Delay => ColumnDesc::variable("FPARAM", F32, None),
        _ => ColumnDesc::variable("CPARAM", Complex32, None),
    };
    vec![
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC"),
        ColumnDesc::scalar("FIELD_ID", I32),
        ColumnDesc::scalar("SPECTRAL_WINDOW_ID", I32),
        ColumnDesc::scalar("ANTENNA1", I32),
        ColumnDesc::scalar("ANTENNA2", I32),
        ColumnDesc::scalar("INTERVAL", F64).unit("s"),
        ColumnDesc::scalar("SCAN_NUMBER", I32),
        ColumnDesc::scalar("OBSERVATION_ID", I32),
        parameters,
        ColumnDesc::variable("PARAMERR", F32, None),
        ColumnDesc::variable("FLAG", Bool, None),
        ColumnDesc::variable("SNR", F32, None),
        ColumnDesc::variable("WEIGHT", F32, None),
    ]
}

pub(crate) fn antenna(reference: &str) -> Vec<ColumnDesc> {
    let position = |name: &str| ColumnDesc::fixed(name, F64, [3]).units(["m"; 3]).measure("position", reference);
    vec![
        position("OFFSET").comment("Axes offset of mount to FEED REFERENCE point"),
        position("POSITION").comment("Antenna X,Y,Z phase reference position"),
        ColumnDesc::scalar("TYPE", Text).comment("Antenna type (e.g. SPACE-BASED)"),
        ColumnDesc::scalar("DISH_DIAMETER", F64).unit("m").comment("Physical diameter of dish"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Flag for this row"),
        ColumnDesc::scalar("MOUNT", Text).comment("Mount type e.g. alt-az, equatorial, etc."),
        ColumnDesc::scalar("NAME", Text).comment("Antenna name, e.g. VLA22, CA03"),
        ColumnDesc::scalar("STATION", Text).comment("Station (antenna pad) name"),
    ]
}

pub(crate) fn field(frame: &str) -> Vec<ColumnDesc> {
    let direction = |name: &str| ColumnDesc::variable(name, F64, Some(2)).units(["rad"; 2]).measure("direction", frame);
    vec![
        direction("DELAY_DIR").comment("Direction of delay center (e.g. RA, DEC)as polynomial in time."),
        direction("PHASE_DIR").comment("Direction of phase center (e.g. RA, DEC)."),
        direction("REFERENCE_DIR").comment("Direction of REFERENCE center (e.g. RA, DEC).as polynomial in time."),
        ColumnDesc::scalar("CODE", Text).comment("Special characteristics of field, e.g. Bandpass calibrator"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row Flag"),
        ColumnDesc::scalar("NAME", Text).comment("Name of this field"),
        ColumnDesc::scalar("NUM_POLY", I32).comment("Polynomial order of _DIR columns"),
        ColumnDesc::scalar("SOURCE_ID", I32).comment("Source id"),
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC").comment("Time origin for direction and rate"),
    ]
}

pub(crate) fn observation() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::fixed("TIME_RANGE", F64, [2])
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Start and end of observation"),
        ColumnDesc::variable("LOG", Text, Some(1)).comment("Observing log"),
        ColumnDesc::variable("SCHEDULE", Text, Some(1)).comment("Observing schedule"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::scalar("OBSERVER", Text).comment("Name of observer(s)"),
        ColumnDesc::scalar("PROJECT", Text).comment("Project identification string"),
        ColumnDesc::scalar("RELEASE_DATE", F64)
            .unit("s")
            .measure("epoch", "UTC")
            .comment("Release date when data becomes public"),
        ColumnDesc::scalar("SCHEDULE_TYPE", Text).comment("Observing schedule type"),
        ColumnDesc::scalar("TELESCOPE_NAME", Text).comment("Telescope Name (e.g. WSRT, VLBA)"),
    ]
}

/// A column of OBSERVATION that CASA does not have: pyuvdata reads the array's position from it, and asks the network for the
/// telescope's where it is absent.
pub(crate) fn telescope_location() -> ColumnDesc {
    ColumnDesc::fixed("TELESCOPE_LOCATION", F64, [3]).comment("Position of the array's centre, ITRF, m")
}

/// Codes of frequency frames (casacore's `MFrequency::Types`), in the order of their numbers 0 to 8, then 64.
pub(crate) const FREQUENCY_FRAMES: [&str; 10] =
    ["REST", "LSRK", "LSRD", "BARY", "GEO", "TOPO", "GALACTO", "LGROUP", "CMB", "Undefined"];

pub(crate) fn spectral_window() -> Vec<ColumnDesc> {
    let frequency = || {
        let codes: Vec<u32> = (0..9).chain([64]).collect();
        Record::new()
            .with("type", "frequency")
            .with("VarRefCol", "MEAS_FREQ_REF")
            .with("TabRefTypes", FREQUENCY_FRAMES.to_vec())
            .with("TabRefCodes", codes)
    };
    let hertz = |name: &str| ColumnDesc::variable(name, F64, Some(1)).unit("Hz");
    vec![
        ColumnDesc::scalar("MEAS_FREQ_REF", I32).comment("Frequency Measure reference"),
        hertz("CHAN_FREQ")
            .keyword("MEASINFO", Value::Record(frequency()))
            .comment("Center frequencies for each channel in the data matrix"),
        ColumnDesc::scalar("REF_FREQUENCY", F64)
            .unit("Hz")
            .keyword("MEASINFO", Value::Record(frequency()))
            .comment("The reference frequency"),
        hertz("CHAN_WIDTH").comment("Channel width for each channel"),
        hertz("EFFECTIVE_BW").comment("Effective noise bandwidth of each channel"),
        hertz("RESOLUTION").comment("The effective noise bandwidth for each channel"),
        ColumnDesc::scalar("FLAG_ROW", Bool).comment("Row flag"),
        ColumnDesc::scalar("FREQ_GROUP", I32).comment("Frequency group"),
        ColumnDesc::scalar("FREQ_GROUP_NAME", Text).comment("Frequency group name"),
        ColumnDesc::scalar("IF_CONV_CHAIN", I32).comment("The IF conversion chain number"),
        ColumnDesc::scalar("NAME", Text).comment("Spectral window name"),
        ColumnDesc::scalar("NET_SIDEBAND", I32).comment("Net sideband"),
        ColumnDesc::scalar("NUM_CHAN", I32).comment("Number of spectral channels"),
        ColumnDesc::scalar("TOTAL_BANDWIDTH", F64).unit("Hz").comment("The total bandwidth for this window"),
    ]
}

pub(crate) fn history() -> Vec<ColumnDesc> {
    vec![
        ColumnDesc::variable("APP_PARAMS", Text, Some(1)).comment("Application parameters"),
        ColumnDesc::variable("CLI_COMMAND", Text, Some(1)).comment("CLI command sequence"),
        ColumnDesc::scalar("APPLICATION", Text).comment("Application name"),
        ColumnDesc::scalar("MESSAGE", Text).comment("Log message"),
        ColumnDesc::scalar("OBJECT_ID", I32).comment("Originating ObjectID"),
        ColumnDesc::scalar("OBSERVATION_ID", I32).comment("Observation id (index in OBSERVATION table)"),
        ColumnDesc::scalar("ORIGIN", Text).comment("(Source code) origin from which message originated"),
        ColumnDesc::scalar("PRIORITY", Text).comment("Message priority"),
        ColumnDesc::scalar("TIME", F64).unit("s").measure("epoch", "UTC").comment("Timestamp of message"),
    ]
}
