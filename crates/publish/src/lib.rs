//! Products that are complete and durable under their name, or absent.
//!
//! A product is a directory (a Measurement Set) or a file. While it is made it lives in a temporary sibling
//! `.NAME.tmp-<run>-<pid>/` on the same file system; [`Staged::commit`] writes a manifest of every file, forces all of it
//! to disk, and only then renames it. Whoever finds the name finds the whole product, also after a crash, a `kill -9` or
//! a power cut. What a dead run leaves behind never stops the next run: it is recognised by its owner record and removed.
//!
//! # The data's way
//!
//! [`Staged::create`] → build at [`Staged::path`], in this process or in a child → [`Staged::commit`] → [`inspect`] and
//! [`verify`] by whoever reads it. [`leftovers`] and [`remove_leftover`] clean up after dead runs.
//!
//! Later, [`Edit::begin`] → new files at [`Edit::path`] → [`Edit::commit`] replaces some of a directory's files together,
//! its manifest among them; [`recover`] finishes or undoes what a dead run left of that.
//!
//! # Cost
//!
//! One `syncfs`, which waits for the product's bytes to reach the disk (they have to), and one checksum per file, taken
//! while the disk is busy: files of up to 16 MiB whole, of larger ones 16 MiB in 256 evenly spaced blocks unless
//! [`Coverage::Full`] is asked for. Memory: 128 KiB a thread (4 MiB with
//! [`Coverage::Full`] of large files). [`inspect`] only looks at names and sizes.
//! Work runs in the caller's `rayon` pool.
//!
//! # What it refuses
//!
//! To overwrite anything unless told to, and then only what bears a manifest; to publish nothing, symbolic links, sockets
//! or names that are not UTF-8; to remove a temporary whose owner lives, or may live on another host. After a failed sync
//! the product is discarded and never tried again on the same pages, since the kernel may have dropped them.
//! Linux only: it rests on `renameat2`, `syncfs` and `/proc`.
//!
//! ```
//! use publish::{inspect, verify, Level, ManifestDraft, StageOptions, Staged, Status};
//!
//! # let work = tempfile::tempdir()?;
//! # let target = work.path().join("night.ms");
//! let staged = Staged::create(&target, &StageOptions::default())?;
//! std::fs::create_dir(staged.path())?;
//! std::fs::write(staged.path().join("table.dat"), b"rows")?;
//! assert_eq!(inspect(&target)?, Status::Absent);
//!
//! staged.commit(ManifestDraft::new("measurement-set", "example", "1.0"))?;
//! assert!(matches!(inspect(&target)?, Status::Complete(_)));
//! verify(&target, Level::Checksums)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod edit;
mod inspect;
mod leftover;
mod manifest;
mod recover;
mod sealed;
mod stage;

mod clock;
mod digest;
mod disk;
mod error;
mod kill_point;
mod owner;
mod tree;

pub use clock::product_time;
pub use digest::{Coverage, Digest};
pub use edit::{Edit, Edited};
pub use error::Error;
pub use inspect::{Difference, Level, Status, inspect, verify};
pub use leftover::{Holds, Leftover, leftovers, remove_leftover};
pub use manifest::{FileRecord, Input, InputRecord, MANIFEST_NAME, Manifest, ManifestDraft};
pub use owner::{Liveness, Owner};
pub use recover::{Recovery, recover};
pub use sealed::{read_sealed, write_sealed};
pub use serde_json::Value;
pub use stage::{Durability, Overwrite, StageOptions, Staged, Sweep};
