//! What can go wrong.

use std::path::PathBuf;

use vis_types::{Correlation, Frame};

/// Why a Measurement Set could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// casacore could not make or fill a table.
    #[error("{path}: cannot write {what}")]
    Table {
        /// The Measurement Set.
        path: PathBuf,
        /// The table or column.
        what: String,
        /// What casacore said.
        source: Box<casacore::Error>,
    },
    /// A file of the Measurement Set could not be made, written or measured.
    #[error("{path}: cannot write")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A place or a time could not be computed.
    #[error("{path}: no phase centre for these data")]
    Sky {
        /// The Measurement Set.
        path: PathBuf,
        /// Why.
        source: astrometry::Error,
    },
    /// The header does not describe data that a Measurement Set can hold.
    #[error("the data's header is inconsistent: {problem}")]
    Header {
        /// What is wrong.
        problem: String,
    },
    /// The correlations cannot be written together.
    #[error(
        "correlations {found:?} cannot be written together; linear, circular and Stokes ones are written apart, each at most once"
    )]
    Correlations {
        /// What the header has.
        found: Vec<Correlation>,
    },
    /// The baselines point both ways, so some must be turned round, and the cross-correlation that they turn into is absent.
    #[error(
        "some baselines have their antennas in descending order; turning them round needs the correlation {missing}"
    )]
    Swap {
        /// The correlation that is not in the data.
        missing: Correlation,
    },
    /// The centres asked for need a pointing declination that the files do not have.
    #[error(
        "centres on the meridian need the pointing's declination, which these files do not give; name a direction instead"
    )]
    NoDeclination,
    /// The centres of the files were asked for, and the files have none.
    #[error(
        "the files are not phased, so they have no phase centre to keep; ask for the mid time's or name a direction"
    )]
    NotPhased,
    /// The phase centres of the files are in more than one frame.
    #[error(
        "the files' phase centres are in the frames {frames:?}, and a Measurement Set wants one; name a direction to phase to"
    )]
    MixedFrames {
        /// The frames.
        frames: Vec<Frame>,
    },
    /// The data were phased, and the block lacks the UVW of its rows.
    #[error("rows {first}..{end}: {found} UVW came with the block of {expected} rows; phased data need one a row")]
    BlockUvw {
        /// First row.
        first: usize,
        /// Row after the last.
        end: usize,
        /// How many UVW there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A block that does not fit the header, or does not begin and end at the rows of tiles.
    #[error("rows {first}..{end}: {problem}; blocks are whole tiles of {tile_rows} rows, the last one excepted")]
    Block {
        /// First row.
        first: usize,
        /// Row after the last.
        end: usize,
        /// Rows of a tile.
        tile_rows: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Not every row was written before the end.
    #[error("{path}: {written} of {rows} rows were written; the set is incomplete and must not be used")]
    Incomplete {
        /// The Measurement Set.
        path: PathBuf,
        /// Rows written.
        written: u64,
        /// Rows of the header.
        rows: u64,
    },
    /// The file with antenna positions cannot be read.
    #[error("{path}: cannot read the antenna positions")]
    ReadStations {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file with antenna positions is not as described.
    #[error("{path}, line {line}: {problem}")]
    Stations {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Antennas that took part in the data have no position in the list given.
    #[error("the list of antenna positions lacks {}", names.join(", "))]
    MissingStations {
        /// Their names.
        names: Vec<String>,
    },
}
