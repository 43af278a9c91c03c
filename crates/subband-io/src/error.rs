//! What can go wrong with files from outside, each with its place and what to do about it.

use std::io;
use std::path::PathBuf;

use vis_types::SubbandIndex;

/// A message of the HDF5 library, as it gave it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("HDF5: {0}")]
pub struct Hdf5Failure(pub(crate) String);

/// A construct that a subband file has no honest use for: it reaches outside the file or hides where the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Construct {
    /// A soft link instead of the object.
    SoftLink,
    /// A link to another file, or a user-defined link.
    ExternalLink,
    /// The dataset's bytes are in another file.
    ExternalStorage,
    /// The dataset is composed of other datasets.
    VirtualDataset,
    /// The HDF5 data do not begin at the file's first byte.
    UserBlock,
    /// Chunks at the edge are left out of the filters.
    UnfilteredEdgeChunks,
}

impl std::fmt::Display for Construct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SoftLink => "a soft link",
            Self::ExternalLink => "a link out of the file",
            Self::ExternalStorage => "external storage",
            Self::VirtualDataset => "a virtual dataset",
            Self::UserBlock => "a user block before the HDF5 data",
            Self::UnfilteredEdgeChunks => "unfiltered chunks at the edge of a filtered dataset",
        })
    }
}

/// Why subband files could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {doing} failed")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done, `opening` …
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not start as HDF5 files do.
    #[error("{path}: not an HDF5 file ({found})")]
    NotHdf5 {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// The file is shorter than its own superblock says.
    #[error("{path}: truncated: {found} bytes of {declared}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the superblock declares.
        declared: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Another process has the file open for writing.
    #[error("{path}: still being written")]
    StillBeingWritten {
        /// The file.
        path: PathBuf,
    },
    /// The file uses something that is refused for safety.
    #[error("{path}: `{object}` is {construct}, which is refused")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The link or dataset.
        object: String,
        /// What it is.
        construct: Construct,
    },
    /// The HDF5 library could not read something.
    #[error("{path}: cannot read `{object}`")]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// The object, or `/` for the file itself.
        object: String,
        /// The library's message.
        source: Hdf5Failure,
    },
    /// A group or dataset that every UVH5 file has is absent.
    #[error("{path}: `{dataset}` is missing")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The absent object.
        dataset: String,
    },
    /// A dataset has a type that its meaning does not allow.
    #[error("{path}: `{dataset}` holds {found}, not {expected}")]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// The type that was found.
        found: String,
        /// The types that are read.
        expected: &'static str,
    },
    /// A dataset has another shape than the rest of the file says.
    #[error("{path}: `{dataset}` has the shape {found:?}, not {expected}")]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// Its dimensions.
        found: Vec<u64>,
        /// What it should be.
        expected: String,
    },
    /// A dataset has a value that its meaning does not allow.
    #[error("{path}: `{dataset}` is {found}, not {expected}")]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// The value.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A dataset declares more bytes than are accepted.
    #[error("{path}: `{dataset}` declares {bytes} bytes at once, more than the limit of {limit}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// What is declared.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A dataset is stored with a filter that this crate does not decode.
    #[error("{path}: `{dataset}` is stored with HDF5 filter {id}, which is not supported")]
    UnsupportedFilter {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// The filter's registered number, 32008 is bitshuffle.
        id: i32,
    },
    /// Parts of a dataset were never written.
    #[error("{path}: unfinished: {missing} of {of} chunks of `{dataset}` were never written")]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// Chunks without data.
        missing: u64,
        /// All its chunks.
        of: u64,
    },
    /// The index of a dataset points outside the file or contradicts itself.
    #[error("{path}: the chunk index of `{dataset}` is damaged: {found}")]
    DamagedIndex {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// What is wrong.
        found: String,
    },
    /// A stored chunk could not be decoded.
    #[error("{path}: a chunk of `{dataset}` at byte {address} cannot be decoded: {found}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// Where the chunk is in the file.
        address: u64,
        /// What is wrong with it.
        found: String,
    },
    /// The file's phase centres are of a kind that this crate does not read.
    #[error("{path}: the phase centre is {found}, which is not supported")]
    UnsupportedPhasing {
        /// The file.
        path: PathBuf,
        /// The kind of phase centre.
        found: String,
    },
    /// Files of one group describe different observations.
    #[error("{a} and {b} differ in {what}: {difference}")]
    Disagree {
        /// The file that the others are compared to.
        a: PathBuf,
        /// The file that differs.
        b: PathBuf,
        /// In what they differ.
        what: &'static str,
        /// The first difference.
        difference: String,
    },
    /// Two files claim to be the same subband.
    #[error("{a} and {b} are both {subband}")]
    SameSubband {
        /// One file.
        a: PathBuf,
        /// The other.
        b: PathBuf,
        /// The subband of both.
        subband: SubbandIndex,
    },
    /// Two files hold overlapping channels.
    #[error("{a} and {b} overlap in frequency: {a_high_hz} Hz is not below {b_low_hz} Hz")]
    Overlap {
        /// The file with the lower first channel.
        a: PathBuf,
        /// The other.
        b: PathBuf,
        /// Upper edge of `a`.
        a_high_hz: f64,
        /// Lower edge of `b`.
        b_low_hz: f64,
    },
    /// Files that should adjoin leave a gap between their channels.
    #[error("{missing_hz} Hz are missing between {a} and {b}")]
    Gap {
        /// The file below the gap.
        a: PathBuf,
        /// The file above the gap.
        b: PathBuf,
        /// Width of the gap.
        missing_hz: f64,
    },
    /// The channels of one file are not a regular axis.
    #[error("{path}: the channels are not regular: channel {channel} is at {found_hz} Hz, expected {expected_hz} Hz")]
    IrregularChannels {
        /// The file.
        path: PathBuf,
        /// The first channel off the axis, in the file's order.
        channel: usize,
        /// Where it is.
        found_hz: f64,
        /// Where it should be.
        expected_hz: f64,
    },
    /// A file's frequencies do not belong to the subband in its name.
    #[error("{path}: {subband} should begin at {expected_hz} Hz by the other files, but begins at {found_hz} Hz")]
    WrongFrequencies {
        /// The file.
        path: PathBuf,
        /// The subband in its name.
        subband: SubbandIndex,
        /// Its lowest channel.
        found_hz: f64,
        /// Where the other subbands put it.
        expected_hz: f64,
    },
    /// Subbands are missing and the policy refuses that.
    #[error("{group}: {} of {expected} subbands are missing: {}", missing.len(), list(missing))]
    MissingSubbands {
        /// One file of the group.
        group: PathBuf,
        /// How many there should be.
        expected: u8,
        /// The missing ones.
        missing: Vec<SubbandIndex>,
    },
    /// Fewer subbands than the caller asks for at least.
    #[error("{group}: only {present} subbands, {minimum} are required")]
    TooFewSubbands {
        /// One file of the group.
        group: PathBuf,
        /// Subbands that are there.
        present: usize,
        /// Subbands that are asked for.
        minimum: usize,
    },
    /// No file was given.
    #[error("a group of no files")]
    NoFiles,
    /// Rows outside the group were asked for.
    #[error("rows {start}..{end} were asked for; the group has {rows}")]
    RowsOutside {
        /// First row asked for.
        start: usize,
        /// End of the rows asked for.
        end: usize,
        /// Rows of the group.
        rows: usize,
    },
}

fn list(subbands: &[SubbandIndex]) -> String {
    subbands.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// What a person can do about it, one sentence, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Truncated { .. } => "copy the file again from its origin; the copy stopped early",
            Self::StillBeingWritten { .. } => "wait until the writer closes the file, then try again",
            Self::Unfinished { .. } => {
                "the writer stopped early or the file is a partial copy: fetch it again, or leave it out with --missing"
            }
            Self::NotHdf5 { .. } => "move the file out of the folder, or copy it again if it should be a subband",
            Self::Missing { .. } => "this is not a complete UVH5 file: fetch it again, or move it out of the folder",
            Self::Refused { .. } => "rewrite the file so that it holds its own data (h5repack, or pyuvdata)",
            Self::UnsupportedFilter { .. } => "rewrite it with h5repack using gzip, lzf, or no filter",
            Self::TooLarge { .. }
            | Self::DamagedIndex { .. }
            | Self::Decode { .. }
            | Self::Hdf5 { .. }
            | Self::BadValue { .. }
            | Self::WrongType { .. }
            | Self::WrongShape { .. } => {
                "the file is damaged or not what it claims to be: copy it again from its origin"
            }
            Self::UnsupportedPhasing { .. } => "re-phase it with pyuvdata to a fixed ICRS direction, or unproject it",
            Self::Disagree { .. } => "the files are not one observation: group them by time, or remove the odd one",
            Self::SameSubband { .. } => "keep one of the two files",
            Self::Overlap { .. } | Self::WrongFrequencies { .. } => {
                "one of the files is misnamed or from another observation"
            }
            Self::Gap { .. } => "use the policy `split` to keep the parts apart",
            Self::MissingSubbands { .. } => {
                "use --missing flag to keep the gap flagged, or --missing split for a window on each side"
            }
            Self::TooFewSubbands { .. } => "lower --min-subbands, or leave the group out",
            _ => return None,
        })
    }
}
