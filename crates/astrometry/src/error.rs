//! What can go wrong.

use std::path::PathBuf;

use vis_types::Frame;

/// Why a value could not be computed or a file not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The Earth-orientation file cannot be read.
    #[error("{path}: cannot read the Earth-orientation file")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the Earth-orientation file is not as the format says.
    #[error(
        "{path}, line {line}: {problem}; the file must be IERS finals2000A.all or finals2000A.data (column format)"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// UTC with leap seconds begins in 1972, and the model of the Earth's orbit ends in 2100.
    #[error("Julian date {jd} is outside 1972 to 2099; is the time of the data in UTC days?")]
    Time {
        /// The Julian date.
        jd: f64,
    },
    /// A geocentric position that is not on the Earth's surface.
    #[error("({0}, {1}, {2}) m is not a place near the Earth's surface; geocentric ITRF metres are expected", position_m[0], position_m[1], position_m[2])]
    Position {
        /// The position.
        position_m: [f64; 3],
    },
    /// A direction in a frame that has no transformation here.
    #[error("no transformation from the frame {frame:?}; give the direction in ICRS")]
    Frame {
        /// The frame.
        frame: Frame,
    },
}
