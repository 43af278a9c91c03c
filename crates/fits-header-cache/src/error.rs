//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// A file cannot be read, or does not say what was asked.
///
/// HDUs are counted from 0, the primary one, and cards from 1, as `fitsheader` and editors show them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused something.
    #[error("{path}: cannot {action} the file")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// The file does not begin as FITS files do.
    #[error("{path}: not a FITS file: it begins with {found}, not with `SIMPLE  =`")]
    NotFits {
        /// The file.
        path: PathBuf,
        /// Its first bytes, escaped.
        found: String,
    },

    /// The whole file is packed by a program other than gzip.
    #[error("{path}: packed by {program}; unpack it, or pack it with gzip or fpack")]
    Packed {
        /// The file.
        path: PathBuf,
        /// The program that packs so.
        program: &'static str,
    },

    /// A gzipped file unpacks to suspiciously much.
    #[error(
        "{path}: unpacks to more than {limit} bytes, over a hundred times its size; unpack it by hand if it is meant"
    )]
    Inflates {
        /// The file.
        path: PathBuf,
        /// How much was unpacked before giving up.
        limit: u64,
    },

    /// A header has no END card before the file ends.
    #[error("{path}: the header of HDU {hdu} has no END card in its {bytes} bytes: the file is cut short or damaged")]
    NoEnd {
        /// The file.
        path: PathBuf,
        /// Which header.
        hdu: usize,
        /// How long the header is, as far as it is there.
        bytes: u64,
    },

    /// A limit that keeps memory bounded on damaged files is reached.
    #[error("{path}: {what} of HDU {hdu} exceeds {limit}, which no sane file has")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },

    /// A card that is needed is not there, or has no value.
    #[error("{path}: HDU {hdu} has no card {keyword} with a value")]
    Missing {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// The keyword.
        keyword: String,
    },

    /// A card cannot be read, or holds something of another type.
    #[error("{path}: HDU {hdu}, card {card}: {keyword} {problem}: `{text}`")]
    Card {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// Which card of its header, from 1.
        card: usize,
        /// The keyword.
        keyword: String,
        /// What is wrong with it.
        problem: &'static str,
        /// The card as it is, escaped.
        text: String,
    },

    /// The HDU that was asked for is not there, or no HDU holds an image.
    #[error("{path}: {what}; it has {hdus} HDUs")]
    NoSuchHdu {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: String,
        /// How many there are.
        hdus: usize,
    },

    /// There are fewer bytes of pixels than the header announces.
    #[error("{path}: HDU {hdu} announces {expected} bytes of pixels and {found} are there: the file is cut short")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// How many bytes the header announces.
        expected: u64,
        /// How many there are.
        found: u64,
    },

    /// The image has no celestial axes, or they cannot be understood.
    #[error("{path}: HDU {hdu}: no celestial coordinates: {problem}")]
    Celestial {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// What is missing or wrong.
        problem: String,
    },

    /// A part of the image was asked for that lies outside of it.
    #[error("{path}: HDU {hdu}: the area {area} is empty or not within the image of {width} × {height} pixels")]
    Area {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// What was asked for.
        area: String,
        /// Pixels along the first axis.
        width: u64,
        /// Pixels along the second axis.
        height: u64,
    },

    /// An image in compressed tiles cannot be unpacked.
    #[error("{path}: HDU {hdu}: cannot unpack the compressed image")]
    Compressed {
        /// The file.
        path: PathBuf,
        /// Which HDU.
        hdu: usize,
        /// What the crate that unpacks it says.
        source: Box<fits_well::FitsError>,
    },

    /// The cache cannot name the file, or cannot open its on-disk part.
    #[error(transparent)]
    Cache(#[from] stamped_cache::Error),

    /// The file changed during every attempt to read it.
    #[error("{path}: changed while it was read, {attempts} times in a row; try again when its writer has finished")]
    Unsettled {
        /// The file.
        path: PathBuf,
        /// How often it was read.
        attempts: u32,
    },
}

/// Bytes as text that is safe to show: what is not printable ASCII is escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&b| b != b' ').map_or(0, |last| last + 1);
    bytes[..end].escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}
