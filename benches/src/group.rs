//! The groups of files that benchmarks read: made once, under the target folder, and kept for the next run.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fixtures::{FlagContent, GroupSpec, WeightContent};

use crate::Result;

/// How much data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// 60 kB a subband: to see that it works.
    Tiny,
    /// 10 MB a subband.
    #[default]
    Small,
    /// The instrument's: 145 MB a subband with two correlations, 2.3 GB in all.
    Full,
}

/// Which group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Kind {
    /// Size of the group.
    #[arg(long, value_enum, default_value = "small")]
    pub size: Size,
    /// Four correlations instead of two.
    #[arg(long)]
    pub four: bool,
    /// A tenth of the visibilities flagged and weights that differ, so that every page of every array is written. The
    /// instrument's files have no flag and one weight.
    #[arg(long)]
    pub varied: bool,
}

impl Kind {
    /// The kind that `CONTIMG_BENCH_SIZE` (`tiny`, `small` or `full`; `small` where it is not set) asks for, which
    /// `cargo xtask bench --size` sets.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_environment() -> Result<Self> {
        let size = match std::env::var("CONTIMG_BENCH_SIZE") {
            Err(_) => Size::default(),
            Ok(name) => <Size as clap::ValueEnum>::from_str(&name, false)
                .map_err(|_| format!("CONTIMG_BENCH_SIZE is `{name}`; tiny, small and full are possible"))?,
        };
        Ok(Self { size, four: false, varied: false })
    }

    /// What tells its data from others'.
    #[must_use]
    pub fn name(self) -> String {
        let size = match self.size {
            Size::Tiny => "tiny",
            Size::Small => "small",
            Size::Full => "full",
        };
        let correlations = if self.four { "-4pol" } else { "-2pol" };
        format!("{size}{correlations}{}", if self.varied { "-varied" } else { "" })
    }

    fn spec(self) -> GroupSpec {
        let spec = match self.size {
            Size::Tiny => GroupSpec::tiny(),
            Size::Small => GroupSpec::small(),
            Size::Full => GroupSpec::full(),
        };
        let spec = if self.four { spec.with_four_correlations() } else { spec };
        if self.varied {
            GroupSpec { flags: FlagContent::Random(0.1), weights: WeightContent::Varying, ..spec }
        } else {
            spec
        }
    }
}

/// A group of files on disk.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its folder.
    pub folder: PathBuf,
    /// Its files, by name.
    pub files: Vec<PathBuf>,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Group {
    /// The group of this kind, made now unless an earlier run left it, and read once, so that it is in the page cache.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn make(kind: Kind) -> Result<Self> {
        let spec = kind.spec();
        let wanted = format!("{spec:?}\n");
        let all = data_folder();
        let folder = all.join(kind.name());
        let is_there = || fs::read_to_string(folder.join("spec.txt")).is_ok_and(|found| found == wanted);
        if !is_there() {
            eprintln!("making {} …", folder.display());
            fs::create_dir_all(&all)?;
            // Under a name of its own until it is complete: it may be interrupted, and others may make the same.
            let new = tempfile::tempdir_in(&all)?;
            fixtures::write_group(new.path(), &spec)?;
            fs::write(new.path().join("spec.txt"), &wanted)?;
            // Made from another specification, by an older version.
            if folder.exists() && !is_there() {
                fs::remove_dir_all(&folder)?;
            }
            if let Err(error) = fs::rename(new.path(), &folder)
                && !is_there()
            {
                return Err(format!("cannot rename {} to {}: {error}", new.path().display(), folder.display()).into());
            }
        }
        Self::find(folder)
    }

    fn find(folder: PathBuf) -> Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "hdf5") {
                files.push(path);
            }
        }
        files.sort();
        let mut group = Self { folder, files, bytes: 0 };
        group.bytes = group.warm()?;
        Ok(group)
    }

    /// Reads every file once, so that it is in the page cache; the number of bytes.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn warm(&self) -> Result<u64> {
        Ok(self.files.iter().map(|file| read_through(file)).sum::<std::io::Result<u64>>()?)
    }
}

/// A folder for data and products of benchmarks, in cargo's target folder.
fn data_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("bench-data")
}

fn read_through(path: &Path) -> std::io::Result<u64> {
    let (mut file, mut buffer, mut bytes) = (File::open(path)?, vec![0; 4 << 20], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            n => bytes += n as u64,
        }
    }
}
