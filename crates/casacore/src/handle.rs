//! The calls into casacore: one open table, its turn in the registry, errors as values.
#![expect(unsafe_code, reason = "the only module that calls the C interface")]

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::{OsString, c_void};
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use casacore_sys as sys;

use crate::registry::{self, Entry};
use crate::{Error, Result};

/// What a call is about, for its error.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    pub(crate) action: &'static str,
    pub(crate) column: &'a str,
    pub(crate) keyword: &'a str,
}

impl<'a> About<'a> {
    pub(crate) fn action(action: &'static str) -> Self {
        Self { action, ..Self::default() }
    }

    pub(crate) fn column(action: &'static str, column: &'a str) -> Self {
        Self { action, column, keyword: "" }
    }
}

/// An open casacore table. Its calls take turns with those of all handles of the same path.
#[derive(Debug)]
pub(crate) struct Handle {
    table: Option<NonNull<sys::Table>>,
    entry: Arc<Entry>,
    path: PathBuf,
    alone: bool,
    /// Opened or created with holes: tile files made through this handle hold nothing until it is closed. These were
    /// there before and are left alone.
    holes: Option<HashSet<OsString>>,
    // casacore's objects may be used by one thread at a time, whichever it is.
    _not_sync: PhantomData<Cell<()>>,
}

// SAFETY: casacore keeps no thread-local state; the object may move to another thread as long as two threads do not use
// it, or another object of the same table, at once. `PhantomData<Cell<()>>` keeps the handle from being shared and
// `Entry::turn` orders the calls of several handles.
unsafe impl Send for Handle {}

/// A function of the shim that gives what is in a column's rows as bytes.
type BufferOfRows = unsafe extern "C" fn(
    *mut sys::Table,
    *const std::ffi::c_char,
    usize,
    *const sys::Rows,
    *mut *mut sys::Buffer,
) -> *mut sys::Error;

/// Where to read or write: rows and the part of each cell, in casacore's order of axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) column: &'a str,
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) list: Option<&'a [u64]>,
    pub(crate) start: &'a [i64],
    pub(crate) length: &'a [i64],
    pub(crate) step: &'a [i64],
}

impl Place<'_> {
    fn rows(&self) -> sys::Rows {
        sys::Rows { first: self.first, count: self.count, list: self.list.map_or(ptr::null(), <[u64]>::as_ptr) }
    }

    fn slice(&self) -> sys::Slice {
        debug_assert!(self.start.len() == self.length.len() && self.start.len() == self.step.len());
        sys::Slice {
            ndim: self.start.len(),
            start: self.start.as_ptr(),
            length: self.length.as_ptr(),
            step: self.step.as_ptr(),
        }
    }
}

/// Passes a string as pointer and length.
macro_rules! text {
    ($text:expr) => {
        ($text.as_ptr().cast(), $text.len())
    };
}

impl Handle {
    /// Opens the table at `path`, which must be canonical.
    ///
    /// With `holes`, tiled columns that are added get no tiles written.
    pub(crate) fn open(path: &Path, writable: bool, holes: bool, lock: i32) -> Result<Self> {
        let alone = !registry::stands_alone(path);
        let old = if holes { Some(tile_files(path)?.into_iter().collect()) } else { None };
        Self::enter(path, alone, writable, "open the table", |name, out| {
            // SAFETY: `name` points to that many bytes and `out` to a place for one pointer, both for the call.
            unsafe { sys::cct_table_open(name.as_ptr().cast(), name.len(), writable.into(), holes.into(), lock, out) }
        })
        .map(|mut handle| {
            handle.holes = old;
            handle
        })
    }

    /// Creates a table at `path`, whose parent must be canonical; with `holes` without writing the tiles of its rows.
    pub(crate) fn create(
        path: &Path,
        layout: &[u8],
        rows: u64,
        little_endian: bool,
        holes: bool,
        lock: i32,
    ) -> Result<Self> {
        // The layout may name subtables, which casacore opens.
        Self::enter(path, true, true, "create the table", |name, out| {
            // SAFETY: `name` and `layout` point to that many bytes, `out` to a place for one pointer, for the call.
            unsafe {
                sys::cct_table_create(
                    name.as_ptr().cast(),
                    name.len(),
                    layout.as_ptr(),
                    layout.len(),
                    rows,
                    little_endian.into(),
                    holes.into(),
                    lock,
                    out,
                )
            }
        })
        .map(|mut handle| {
            handle.alone = false;
            handle.holes = holes.then(HashSet::new);
            handle
        })
    }

    fn enter(
        path: &Path,
        alone: bool,
        writable: bool,
        action: &'static str,
        call: impl FnOnce(&[u8], *mut *mut sys::Table) -> *mut sys::Error,
    ) -> Result<Self> {
        let entry = Entry::of(path);
        let mut turn = entry.usable_turn(alone)?;
        if writable && turn.state.tile_writers != 0 {
            return Err(Error::InUse { path: path.into(), by: "a writer of its tiles" });
        }
        let mut table = ptr::null_mut();
        let error = call(path.as_os_str().as_encoded_bytes(), &mut table);
        if let Some(error) = NonNull::new(error) {
            return Err(convert(error, path, About::action(action)).1);
        }
        turn.state.tables += 1;
        drop(turn);
        let table = NonNull::new(table);
        debug_assert!(table.is_some(), "the shim gives a table or an error");
        Ok(Self { table, entry, path: path.into(), alone, holes: None, _not_sync: PhantomData })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One call into casacore, in turn.
    fn call(&self, about: About<'_>, alone: bool, call: impl FnOnce(*mut sys::Table) -> *mut sys::Error) -> Result<()> {
        let mut turn = self.entry.usable_turn(self.alone || alone)?;
        let Some(table) = self.table else { return Err(Error::Broken { path: self.path.clone() }) };
        match NonNull::new(call(table.as_ptr())) {
            None => Ok(()),
            Some(error) => {
                let (class, error) = convert(error, &self.path, about);
                turn.state.broken |= class == sys::class::IO;
                Err(error)
            }
        }
    }

    /// A call that gives bytes, which `read` makes something of.
    fn call_for<R>(
        &self,
        about: About<'_>,
        call: impl FnOnce(*mut sys::Table, *mut *mut sys::Buffer) -> *mut sys::Error,
        read: impl FnOnce(&[u8]) -> Option<R>,
    ) -> Result<R> {
        let mut buffer = ptr::null_mut();
        self.call(about, false, |table| call(table, &mut buffer))?;
        let mut length = 0;
        // SAFETY: a call without error has set `buffer`; the bytes live until it is freed below, and a pointer of no
        // bytes may be anything, which the `if` leaves alone.
        let result = unsafe {
            let data = sys::cct_buffer_data(buffer, &mut length);
            let bytes = if length == 0 { &[][..] } else { slice::from_raw_parts(data, length) };
            let result = read(bytes);
            sys::cct_buffer_free(buffer);
            result
        };
        result.ok_or_else(|| Error::Casacore {
            path: self.path.clone(),
            action: about.action,
            message: "a value of a type that is not supported".into(),
        })
    }

    /// Flushes and closes the table.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Some(table) = self.table.take() else { return Ok(()) };
        let mut turn = self.entry.turn(self.alone);
        turn.state.tables = turn.state.tables.saturating_sub(1);
        if turn.state.broken {
            // SAFETY: `table` was open and is not used again.
            unsafe { sys::cct_table_abandon(table.as_ptr()) };
            return Err(Error::Broken { path: self.path.clone() });
        }
        // SAFETY: `table` was open and is not used again.
        match NonNull::new(unsafe { sys::cct_table_close(table.as_ptr()) }) {
            None => self.holes.as_ref().map_or(Ok(()), |old| empty_tile_files(&self.path, old)),
            Some(error) => {
                turn.state.broken = true;
                Err(convert(error, &self.path, About::action("write and close the table")).1)
            }
        }
    }

    pub(crate) fn flush(&self, fsync: bool) -> Result<()> {
        self.call(About::action("flush the table"), false, |table| {
            // SAFETY: `call` gives the open table.
            unsafe { sys::cct_table_flush(table, fsync.into()) }
        })
    }

    /// Tries once to lock the table.
    pub(crate) fn lock(&self, write: bool) -> Result<bool> {
        let mut locked = 0;
        self.call(About::action("lock the table"), false, |table| {
            // SAFETY: `call` gives the open table; `locked` outlives the call.
            unsafe { sys::cct_table_lock(table, write.into(), &mut locked) }
        })?;
        Ok(locked != 0)
    }

    pub(crate) fn has_lock(&self, write: bool) -> Result<bool> {
        let mut locked = 0;
        self.call(About::action("look at the table's lock"), false, |table| {
            // SAFETY: `call` gives the open table; `locked` outlives the call.
            unsafe { sys::cct_table_has_lock(table, write.into(), &mut locked) }
        })?;
        Ok(locked != 0)
    }

    pub(crate) fn unlock(&self) -> Result<()> {
        self.call(About::action("unlock the table"), false, |table| {
            // SAFETY: `call` gives the open table.
            unsafe { sys::cct_table_unlock(table) }
        })
    }

    pub(crate) fn resync(&self) -> Result<()> {
        self.call(About::action("look for changes of other processes"), false, |table| {
            // SAFETY: `call` gives the open table.
            unsafe { sys::cct_table_resync(table) }
        })
    }

    pub(crate) fn rows(&self) -> Result<u64> {
        let mut rows = 0;
        self.call(About::action("count the rows"), false, |table| {
            // SAFETY: `call` gives the open table; `rows` outlives the call.
            unsafe { sys::cct_table_rows(table, &mut rows) }
        })?;
        Ok(rows)
    }

    pub(crate) fn add_rows(&self, count: u64) -> Result<()> {
        self.call(About::action("add rows"), false, |table| {
            // SAFETY: `call` gives the open table.
            unsafe { sys::cct_table_add_rows(table, count) }
        })
    }

    pub(crate) fn remove_rows(&self, rows: &[u64]) -> Result<()> {
        self.call(About::action("remove rows"), false, |table| {
            // SAFETY: `call` gives the open table; `rows` points to that many numbers.
            unsafe { sys::cct_table_remove_rows(table, rows.as_ptr(), rows.len()) }
        })
    }

    pub(crate) fn add_columns(&self, layout: &[u8]) -> Result<()> {
        self.call(About::action("add columns"), true, |table| {
            // SAFETY: `call` gives the open table; `layout` points to that many bytes.
            unsafe { sys::cct_table_add_columns(table, layout.as_ptr(), layout.len()) }
        })
    }

    pub(crate) fn remove_column(&self, column: &str) -> Result<()> {
        let (name, length) = text!(column);
        self.call(About::column("remove the column", column), false, |table| {
            // SAFETY: `call` gives the open table; `name` points to that many bytes.
            unsafe { sys::cct_table_remove_column(table, name, length) }
        })
    }

    pub(crate) fn put_info(&self, kind: &str, subtype: &str, readme: &str) -> Result<()> {
        let ((kind, kind_len), (subtype, subtype_len), (readme, readme_len)) =
            (text!(kind), text!(subtype), text!(readme));
        self.call(About::action("write the table's type"), false, |table| {
            // SAFETY: `call` gives the open table; the strings point to that many bytes.
            unsafe { sys::cct_table_put_info(table, kind, kind_len, subtype, subtype_len, readme, readme_len) }
        })
    }

    pub(crate) fn describe<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Result<R> {
        self.call_for(
            About::action("describe the table"),
            |table, out| {
                // SAFETY: `call_for` gives the open table and a place for the buffer.
                unsafe { sys::cct_table_describe(table, out) }
            },
            read,
        )
    }

    pub(crate) fn describe_column<R>(&self, column: &str, read: impl FnOnce(&[u8]) -> Option<R>) -> Result<R> {
        let (name, length) = text!(column);
        self.call_for(
            About::column("describe the column", column),
            |table, out| {
                // SAFETY: as in `describe`; `name` points to that many bytes.
                unsafe { sys::cct_column_describe(table, name, length, out) }
            },
            read,
        )
    }

    /// Keywords of the table (`column` empty) or of a column.
    pub(crate) fn keywords<R>(&self, column: &str, read: impl FnOnce(&[u8]) -> Option<R>) -> Result<R> {
        let (name, length) = text!(column);
        self.call_for(
            About::column("read keywords", column),
            |table, out| {
                // SAFETY: as in `describe`; `name` points to that many bytes.
                unsafe { sys::cct_keywords_get(table, name, length, out) }
            },
            read,
        )
    }

    /// Adds or replaces keywords. `alone` when they name tables, which casacore opens.
    pub(crate) fn put_keywords(&self, about: About<'_>, record: &[u8], alone: bool) -> Result<()> {
        let (name, length) = text!(about.column);
        self.call(about, alone, |table| {
            // SAFETY: `call` gives the open table; `name` and `record` point to that many bytes.
            unsafe { sys::cct_keyword_put(table, name, length, record.as_ptr(), record.len()) }
        })
    }

    pub(crate) fn remove_keyword(&self, about: About<'_>) -> Result<()> {
        let ((column, column_len), (name, name_len)) = (text!(about.column), text!(about.keyword));
        self.call(about, false, |table| {
            // SAFETY: `call` gives the open table; the names point to that many bytes.
            unsafe { sys::cct_keyword_remove(table, column, column_len, name, name_len) }
        })
    }

    /// Reads values of the type with casacore's number `kind`.
    ///
    /// # Safety
    ///
    /// `values` must be writable for `elements` values of the type that `kind` names.
    pub(crate) unsafe fn get(
        &self,
        place: &Place<'_>,
        ragged: bool,
        kind: i32,
        values: *mut c_void,
        elements: usize,
    ) -> Result<()> {
        let (name, length) = text!(place.column);
        let (rows, slice) = (place.rows(), place.slice());
        self.call(About::column("read the column", place.column), false, |table| {
            // SAFETY: `call` gives the open table, `place` outlives the call, and the caller vouches for `values`.
            unsafe {
                if ragged {
                    sys::cct_column_get_ragged(table, name, length, &rows, kind, values, elements)
                } else {
                    sys::cct_column_get(table, name, length, &rows, &slice, kind, values, elements)
                }
            }
        })
    }

    /// Writes values of the type with casacore's number `kind`. With `shapes`, cells of differing shapes.
    ///
    /// # Safety
    ///
    /// `values` must be readable for `elements` values of the type that `kind` names.
    pub(crate) unsafe fn put(
        &self,
        place: &Place<'_>,
        shapes: Option<&[i64]>,
        kind: i32,
        values: *const c_void,
        elements: usize,
    ) -> Result<()> {
        let (name, length) = text!(place.column);
        let (rows, slice) = (place.rows(), place.slice());
        self.call(About::column("write the column", place.column), false, |table| {
            // SAFETY: `call` gives the open table, `place` and `shapes` outlive the call, and the caller vouches for
            // `values`.
            unsafe {
                match shapes {
                    None => sys::cct_column_put(table, name, length, &rows, &slice, kind, values, elements),
                    Some(shapes) => sys::cct_column_put_ragged(
                        table,
                        name,
                        length,
                        &rows,
                        shapes.as_ptr(),
                        shapes.len(),
                        kind,
                        values,
                        elements,
                    ),
                }
            }
        })
    }

    pub(crate) fn get_strings<R>(
        &self,
        place: &Place<'_>,
        ragged: bool,
        read: impl FnOnce(&[u8]) -> Option<R>,
    ) -> Result<R> {
        let (name, length) = text!(place.column);
        let (rows, slice) = (place.rows(), place.slice());
        self.call_for(
            About::column("read the column", place.column),
            |table, out| {
                // SAFETY: as in `describe`; `place` outlives the call.
                unsafe {
                    if ragged {
                        sys::cct_column_get_ragged_strings(table, name, length, &rows, out)
                    } else {
                        sys::cct_column_get_strings(table, name, length, &rows, &slice, out)
                    }
                }
            },
            read,
        )
    }

    pub(crate) fn get_records<R>(&self, place: &Place<'_>, read: impl FnOnce(&[u8]) -> Option<R>) -> Result<R> {
        self.buffer_of_rows("read the column", sys::cct_column_get_records, place, read)
    }

    /// Writes strings, each a length and its bytes.
    pub(crate) fn put_strings(
        &self,
        place: &Place<'_>,
        shapes: Option<&[i64]>,
        strings: &[u8],
        count: usize,
    ) -> Result<()> {
        let (name, length) = text!(place.column);
        let rows = place.rows();
        self.call(About::column("write the column", place.column), false, |table| {
            // SAFETY: `call` gives the open table; `place`, `shapes` and `strings` outlive the call.
            unsafe {
                match shapes {
                    None => {
                        sys::cct_column_put_strings(table, name, length, &rows, strings.as_ptr(), strings.len(), count)
                    }
                    Some(shapes) => sys::cct_column_put_ragged_strings(
                        table,
                        name,
                        length,
                        &rows,
                        shapes.as_ptr(),
                        shapes.len(),
                        strings.as_ptr(),
                        strings.len(),
                    ),
                }
            }
        })
    }

    pub(crate) fn shapes<R>(&self, place: &Place<'_>, read: impl FnOnce(&[u8]) -> Option<R>) -> Result<R> {
        self.buffer_of_rows("read the cells' shapes", sys::cct_column_shapes, place, read)
    }

    /// What one of the shim's functions of a column and rows gives; all of this form ask the same of their arguments.
    fn buffer_of_rows<R>(
        &self,
        action: &'static str,
        function: BufferOfRows,
        place: &Place<'_>,
        read: impl FnOnce(&[u8]) -> Option<R>,
    ) -> Result<R> {
        let (name, length) = text!(place.column);
        let rows = place.rows();
        self.call_for(
            About::column(action, place.column),
            |table, out| {
                // SAFETY: as in `describe`; `function` is one of the shim's, and `place` outlives the call.
                unsafe { function(table, name, length, &rows, out) }
            },
            read,
        )
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(path = %self.path.display(), %error, "a table was dropped and could not be closed");
        }
    }
}

/// The names of the table's tile files.
fn tile_files(table: &Path) -> Result<Vec<OsString>> {
    let io = |source| Error::io(table, "list the tiles", source);
    let mut names = Vec::new();
    for entry in fs::read_dir(table).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("table.f") && name.contains("_TSM")) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Makes every tile file, but the old ones, one hole of its length. casacore extends new ones by their last byte, and
/// what its buffer held before goes with it.
fn empty_tile_files(table: &Path, old: &HashSet<OsString>) -> Result<()> {
    let io = |source| Error::io(table, "empty the new tiles", source);
    for name in tile_files(table)?.into_iter().filter(|name| !old.contains(name)) {
        let file = fs::OpenOptions::new().write(true).open(table.join(name)).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        file.set_len(0).and_then(|()| file.set_len(length)).map_err(io)?;
    }
    Ok(())
}

/// Takes an error of the shim apart, frees it, and gives its class with ours.
fn convert(error: NonNull<sys::Error>, path: &Path, about: About<'_>) -> (i32, Error) {
    let mut length = 0;
    // SAFETY: the shim gave a non-null error, which is read and then freed once.
    let (class, row, message) = unsafe {
        let error = error.as_ptr();
        let text = sys::cct_error_message(error, &mut length);
        let message = crate::record::text(slice::from_raw_parts(text.cast(), length));
        let parts = (sys::cct_error_class(error), sys::cct_error_row(error), message);
        sys::cct_error_free(error);
        parts
    };
    let path = path.to_path_buf();
    let column = about.column.to_owned();
    let action = about.action;
    let row = Some(row).filter(|&row| row != u64::MAX);
    let found = match class {
        sys::class::NO_TABLE => Error::NoTable { path },
        sys::class::NO_COLUMN => Error::NoColumn { path, column },
        sys::class::TYPE if !column.is_empty() => Error::Type { path, column, found: message },
        sys::class::ROW_RANGE => Error::RowRange { path, column, row: row.unwrap_or(u64::MAX), found: message },
        sys::class::SHAPE => Error::Shape { path, column, row, found: message },
        sys::class::UNDEFINED => Error::Undefined { path, column, row: row.unwrap_or(u64::MAX) },
        sys::class::EXISTS => Error::Exists { path, what: message },
        sys::class::READ_ONLY => Error::ReadOnly { path, what: message },
        sys::class::NO_KEYWORD => Error::NoKeyword {
            path,
            column: Some(column).filter(|column| !column.is_empty()),
            keyword: about.keyword.to_owned(),
        },
        sys::class::IO => Error::Io { path, action, source: io::Error::other(message) },
        sys::class::MEMORY => Error::Io { path, action, source: io::ErrorKind::OutOfMemory.into() },
        _ => Error::Casacore { path, action, message },
    };
    (class, found)
}
