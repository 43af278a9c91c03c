//! A small C interface over the casacore table system, for the crate `casacore`, which is the one to use.
//!
//! `shim/*.cc` are compiled against the casacore that `rubbl_casatables_impl` bundles (feature `bundled`, the default),
//! or against an installed one (feature `system-casacore`). No C++ exception leaves the shim: a function that can fail
//! returns a [`Error`] pointer, null for success. `shim/shim.h` says what each function does; the declarations here and
//! there are kept side by side.
//!
//! Nothing here locks. casacore hands every opener of one path in a process the same C++ object, so calls that touch one
//! table must not run at the same time; the crate `casacore` sees to it.
#![expect(unsafe_code, reason = "this crate is the declaration of a foreign interface")]

use core::ffi::c_char;

#[cfg(all(feature = "bundled", not(feature = "system-casacore")))]
extern crate rubbl_casatables_impl as _;

#[cfg(not(any(feature = "bundled", feature = "system-casacore")))]
compile_error!("casacore-sys needs one of its features `bundled` (the default) and `system-casacore`");

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name {
            _bytes: [u8; 0],
            _not_send_nor_sync: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// An error: class, row and message. Freed with [`cct_error_free`].
    Error;
    /// Bytes owned by C++. Freed with [`cct_buffer_free`].
    Buffer;
    /// An open table. Closed with [`cct_table_close`].
    Table;
}

/// Classes of errors, as `cct_class` in `shim/shim.h`.
pub mod class {
    /// Anything else; the message says what.
    pub const OTHER: i32 = 0;
    /// There is no table of that name.
    pub const NO_TABLE: i32 = 1;
    /// There is no column of that name.
    pub const NO_COLUMN: i32 = 2;
    /// The column or keyword holds another type.
    pub const TYPE: i32 = 3;
    /// A row is past the end.
    pub const ROW_RANGE: i32 = 4;
    /// Another process holds the lock.
    pub const LOCKED: i32 = 5;
    /// The operating system refused (disk full, too many open files).
    pub const IO: i32 = 6;
    /// A shape does not fit.
    pub const SHAPE: i32 = 7;
    /// A cell has no value.
    pub const UNDEFINED: i32 = 8;
    /// The table, column or keyword exists already.
    pub const EXISTS: i32 = 9;
    /// The table or column cannot be written.
    pub const READ_ONLY: i32 = 10;
    /// There is no keyword of that name.
    pub const NO_KEYWORD: i32 = 11;
    /// Memory ran out.
    pub const MEMORY: i32 = 12;
    /// The arguments passed to the shim do not fit together.
    pub const ARGUMENT: i32 = 13;
}

/// Lock modes, as casacore's `TableLock::LockOption`.
pub mod lock {
    /// No locks at all.
    pub const NONE: i32 = 0;
    /// Locks are taken when needed and given up when another process asks.
    pub const AUTO: i32 = 1;
    /// As `AUTO`, without locks for reading.
    pub const AUTO_NO_READ: i32 = 2;
    /// Locks are taken and given up by the caller.
    pub const USER: i32 = 3;
    /// As `USER`, without locks for reading.
    pub const USER_NO_READ: i32 = 4;
    /// One lock for as long as the table is open; an error when another process has it.
    pub const PERMANENT: i32 = 5;
    /// As `PERMANENT`, waiting for it.
    pub const PERMANENT_WAIT: i32 = 6;
}

/// Which rows: `count` consecutive ones from `first`, or the `count` ones of `list` when that is not null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The first row, when `list` is null.
    pub first: u64,
    /// How many rows.
    pub count: u64,
    /// The rows' numbers, or null.
    pub list: *const u64,
}

/// Which part of each cell, in casacore's order of axes (first axis fastest): all of it when `ndim` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// The number of axes.
    pub ndim: usize,
    /// First element along each axis.
    pub start: *const i64,
    /// Number of elements along each axis.
    pub length: *const i64,
    /// Step along each axis, 1 for consecutive elements.
    pub step: *const i64,
}

unsafe extern "C" {
    #![expect(missing_docs, reason = "shim/shim.h documents each of them")]

    pub fn cct_error_class(error: *const Error) -> i32;
    pub fn cct_error_row(error: *const Error) -> u64;
    pub fn cct_error_message(error: *const Error, length: *mut usize) -> *const c_char;
    pub fn cct_error_free(error: *mut Error);

    pub fn cct_buffer_data(buffer: *const Buffer, length: *mut usize) -> *const u8;
    pub fn cct_buffer_free(buffer: *mut Buffer);

    pub fn cct_table_open(
        path: *const c_char,
        path_len: usize,
        writable: i32,
        holes: i32,
        lock: i32,
        out: *mut *mut Table,
    ) -> *mut Error;
    pub fn cct_table_create(
        path: *const c_char,
        path_len: usize,
        layout: *const u8,
        layout_len: usize,
        rows: u64,
        little_endian: i32,
        holes: i32,
        lock: i32,
        out: *mut *mut Table,
    ) -> *mut Error;
    pub fn cct_table_close(table: *mut Table) -> *mut Error;
    pub fn cct_table_abandon(table: *mut Table);
    pub fn cct_table_flush(table: *mut Table, fsync: i32) -> *mut Error;
    pub fn cct_table_lock(table: *mut Table, write: i32, locked: *mut i32) -> *mut Error;
    pub fn cct_table_unlock(table: *mut Table) -> *mut Error;
    pub fn cct_table_has_lock(table: *mut Table, write: i32, locked: *mut i32) -> *mut Error;
    pub fn cct_table_resync(table: *mut Table) -> *mut Error;
    pub fn cct_table_rows(table: *mut Table, rows: *mut u64) -> *mut Error;
    pub fn cct_table_add_rows(table: *mut Table, count: u64) -> *mut Error;
    pub fn cct_table_remove_rows(table: *mut Table, rows: *const u64, count: usize) -> *mut Error;
    pub fn cct_table_add_columns(table: *mut Table, layout: *const u8, layout_len: usize) -> *mut Error;
    pub fn cct_table_remove_column(table: *mut Table, name: *const c_char, name_len: usize) -> *mut Error;
    pub fn cct_table_describe(table: *mut Table, out: *mut *mut Buffer) -> *mut Error;
    pub fn cct_column_describe(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        out: *mut *mut Buffer,
    ) -> *mut Error;
    pub fn cct_table_put_info(
        table: *mut Table,
        kind: *const c_char,
        kind_len: usize,
        subtype: *const c_char,
        subtype_len: usize,
        readme: *const c_char,
        readme_len: usize,
    ) -> *mut Error;

    pub fn cct_keywords_get(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        out: *mut *mut Buffer,
    ) -> *mut Error;
    pub fn cct_keyword_put(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        record: *const u8,
        record_len: usize,
    ) -> *mut Error;
    pub fn cct_keyword_remove(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        name: *const c_char,
        name_len: usize,
    ) -> *mut Error;

    pub fn cct_column_get(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        slice: *const Slice,
        kind: i32,
        values: *mut core::ffi::c_void,
        elements: usize,
    ) -> *mut Error;
    pub fn cct_column_put(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        slice: *const Slice,
        kind: i32,
        values: *const core::ffi::c_void,
        elements: usize,
    ) -> *mut Error;
    pub fn cct_column_get_strings(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        slice: *const Slice,
        out: *mut *mut Buffer,
    ) -> *mut Error;
    pub fn cct_column_get_records(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        out: *mut *mut Buffer,
    ) -> *mut Error;
    pub fn cct_column_put_strings(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        strings: *const u8,
        strings_len: usize,
        elements: usize,
    ) -> *mut Error;
    pub fn cct_column_shapes(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        out: *mut *mut Buffer,
    ) -> *mut Error;
    pub fn cct_column_get_ragged(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        kind: i32,
        values: *mut core::ffi::c_void,
        elements: usize,
    ) -> *mut Error;
    pub fn cct_column_put_ragged(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        shapes: *const i64,
        shapes_len: usize,
        kind: i32,
        values: *const core::ffi::c_void,
        elements: usize,
    ) -> *mut Error;
    pub fn cct_column_get_ragged_strings(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        out: *mut *mut Buffer,
    ) -> *mut Error;
    pub fn cct_column_put_ragged_strings(
        table: *mut Table,
        column: *const c_char,
        column_len: usize,
        rows: *const Rows,
        shapes: *const i64,
        shapes_len: usize,
        strings: *const u8,
        strings_len: usize,
    ) -> *mut Error;
}
