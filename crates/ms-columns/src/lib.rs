//! Columns of a Measurement Set, replaced whole or not at all; named versions of its flags.
//!
//! A column of an existing set is replaced, never overwritten: its new values go to files inside the set's folder, and
//! all of them get their places in one step that survives `kill -9`, a power cut and a full disk. DATA and SIGMA, what was
//! measured, are never written. It works on any set, of our own making or not.
//!
//! # The data's way
//!
//! [`ColumnEdit::begin`] locks the set (casacore's own lock) and names the columns, existing or new ([`Target`]) →
//! [`ColumnEdit::blocks`] gives ranges of rows that suit their tiles → threads read what they need ([`Input`],
//! [`Output::old`]) and [`write`](Output::write) → [`ColumnEdit::commit`]. Rows that are not written keep their values.
//! [`recover`] finishes or undoes what a dead process left: every command calls it when it opens a set.
//!
//! Each column has a [`Generation`] that counts our changes and shows those of other programs. Flags have named versions
//! ([`ColumnEdit::save_flags`], [`flag_versions`], [`restore_flags`]). With [`EditOptions::command`], the command that changed
//! them gets a row in the set's HISTORY, in the same step.
//!
//! # Cost
//!
//! A column with tiles of its own is written by all threads with one `pwrite` a tile; memory is a tile a thread. Who writes all
//! rows takes the room for them first ([`Output::reserve`]), which halves the time on ext4. Tiles that
//! are not written are copied. A column that shares its files with others, or whose cells differ in shape, goes through
//! casacore, one thread at a time, in a copy of its files (reflinked where the file system can). The disk holds the old and
//! the new files until the commit.
//!
//! # What it refuses
//!
//! A set that another process has locked (it is named), to write DATA or SIGMA, tables that are selections of others.
//! A program that has the set open without its lock while a column is replaced goes on seeing the old one; what it writes
//! there afterwards is lost.
//!
//! # Example
//!
//! ```
//! use casacore::{ColumnDesc, Complex32, DataType, Layout, Manager};
//! use ms_columns::{ColumnEdit, EditOptions, Input, Target, generations};
//! use rayon::prelude::*;
//!
//! # let folder = tempfile::tempdir()?;
//! # let set = folder.path().join("tiny.ms");
//! # let mut table = Layout::new()
//! #     .column(ColumnDesc::fixed("DATA", DataType::Complex32, [4, 2]))
//! #     .manager(Manager::tiled_column("TiledData", [8, 4, 2]).holding(["DATA"]))
//! #     .create(&set, 100)?;
//! # table.write("DATA", 0..100, &vec![Complex32::new(2.0, 0.0); 800])?;
//! # table.close()?;
//! let edit = ColumnEdit::begin(&set, &EditOptions::new("example"), &[Target::corrected()])?;
//! let (data, corrected) = (Input::<Complex32>::open(edit.set(), "DATA")?, edit.column::<Complex32>("CORRECTED_DATA")?);
//! edit.blocks(1 << 20).into_par_iter().try_for_each_init(Vec::new, |values, rows| {
//!     data.read_into(rows.clone(), values)?;
//!     values.iter_mut().for_each(|value| *value *= 0.5);
//!     corrected.write(rows, values)
//! })?;
//! drop((data, corrected));
//! edit.commit()?;
//!
//! let written = Input::<Complex32>::open(&set, "CORRECTED_DATA")?;
//! let mut row = [Complex32::default(); 8];
//! written.read(99..100, &mut row)?;
//! assert_eq!(row[7], Complex32::new(1.0, 0.0));
//! assert_eq!(generations(&set, Some(&["CORRECTED_DATA"]))?[0].number, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column;
mod edit;
mod flags;
mod generation;
mod history;
mod prepare;
mod target;

mod error;
mod lock;
mod shadow;
mod shapes;

pub use casacore;
pub use column::{Input, Output};
pub use edit::{ColumnEdit, Committed, EditOptions};
pub use error::{Error, Holder, Result};
pub use flags::{
    BEFORE_RESTORE, FlagVersion, delete_flags, flag_versions, free_version_name, restore_flags, save_flags,
};
pub use generation::{Generation, State, adopt, generations};
pub use lock::recover;
pub use publish::Recovery;
pub use target::{Fill, NewColumn, Target};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
