//! The few calls of the HDF5 library that reading a subband file needs.
//!
//! The library is asked for structure only (types, shapes, layouts, where chunks are) and for small header values; the bulk
//! is read elsewhere with `pread`. It is not thread-safe: every call here runs inside [`hdf5_metno::sync::sync`], the
//! process-wide lock, which also keeps the library from printing its error stack.
//!
//! The typed interface of `hdf5-metno` is not used because it does not tell what must be known before raw bytes are
//! believed: byte order, links, external storage, fill values, virtual layouts.

mod dataset;
mod element;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::rc::Rc;

use hdf5_metno::globals::H5P_FILE_ACCESS;
use hdf5_metno::sync::sync;
use hdf5_metno_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_metno_sys::h5e::{H5E_DEFAULT, H5E_direction_t, H5E_error2_t, H5Eclear2, H5Ewalk2};
use hdf5_metno_sys::h5f::{H5F_ACC_RDONLY, H5F_close_degree_t, H5Fopen};
use hdf5_metno_sys::h5g::{H5G_info_t, H5Gget_info};
use hdf5_metno_sys::h5i::{H5I_type_t, H5Idec_ref, H5Iget_type, hid_t};
use hdf5_metno_sys::h5l::{H5L_info2_t, H5L_type_t, H5Lexists, H5Lget_info2, H5Lget_name_by_idx};
use hdf5_metno_sys::h5o::H5Oopen;
use hdf5_metno_sys::h5p::{H5P_DEFAULT, H5Pcreate, H5Pset_fclose_degree, H5Pset_file_locking};

pub(crate) use dataset::{Dataset, Filter, RawLayout};
pub(crate) use element::{Element, Part};

use crate::error::{Construct, Error, Hdf5Failure};

/// More entries than any header group has; a damaged group may claim any number.
const MAX_GROUP_ENTRIES: u64 = 10_000;

/// A handle of the library, given back on drop.
#[derive(Debug)]
struct Id(hid_t);

impl Drop for Id {
    fn drop(&mut self) {
        // SAFETY: the handle was returned by the library and is owned by this value alone.
        sync(|| unsafe { H5Idec_ref(self.0) });
    }
}

/// Gives the memory that walking chunk indices took back to the system: the library frees it in small pieces, which the
/// allocator would keep, and it grows with the files (6 MB for a full group, 12 MB for twice the integrations).
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: glibc's call has no precondition; it only releases pages that hold no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Runs a call that returns a handle.
fn id(call: impl FnOnce() -> hid_t) -> Result<Id, Hdf5Failure> {
    sync(|| {
        let id = call();
        if id < 0 { Err(failure()) } else { Ok(Id(id)) }
    })
}

/// Runs a call that returns a negative number when it fails.
fn check(call: impl FnOnce() -> c_int) -> Result<c_int, Hdf5Failure> {
    sync(|| {
        let status = call();
        if status < 0 { Err(failure()) } else { Ok(status) }
    })
}

unsafe extern "C" fn innermost(_: std::ffi::c_uint, frame: *const H5E_error2_t, message: *mut c_void) -> c_int {
    // SAFETY: `message` is the `String` that `failure` passed; the library passes a valid frame with a valid or null text.
    unsafe {
        let message = &mut *message.cast::<String>();
        let desc = (*frame).desc;
        if !desc.is_null() {
            let text = CStr::from_ptr(desc).to_string_lossy();
            if !text.is_empty() {
                if !message.is_empty() {
                    message.push_str(": ");
                }
                message.push_str(&text);
            }
        }
    }
    0
}

/// The library's error stack, outermost first, then cleared. Called under the lock, right after the failing call.
fn failure() -> Hdf5Failure {
    let mut message = String::new();
    // SAFETY: the callback only appends to the string that outlives the call.
    unsafe {
        H5Ewalk2(H5E_DEFAULT, H5E_direction_t::H5E_WALK_DOWNWARD, Some(innermost), (&raw mut message).cast());
        H5Eclear2(H5E_DEFAULT);
    }
    if message.is_empty() {
        message.push_str("no reason given");
    }
    Hdf5Failure(message)
}

fn c_name(name: &str) -> Option<CString> {
    CString::new(name).ok()
}

/// An open group, or the root of an open file.
#[derive(Debug)]
pub(crate) struct Group {
    id: Id,
    path: Rc<Path>,
    name: String,
}

/// Opens a file for reading and gives its root. The file closes when the last object of it is dropped.
pub(crate) fn open(path: &Path) -> Result<Group, Error> {
    let fail = |source| Error::Hdf5 { path: path.to_owned(), object: "/".to_owned(), source };
    let Some(c_path) = path.to_str().and_then(c_name) else {
        return Err(fail(Hdf5Failure("the path is not valid UTF-8".to_owned())));
    };
    sync(|| {
        // SAFETY: the property list handle is valid while `access` lives; the arguments are plain values.
        let access = id(|| unsafe { H5Pcreate(*H5P_FILE_ACCESS) }).map_err(fail)?;
        // SAFETY: as above. Locking is asked for, and left out on file systems that have none.
        check(|| unsafe { H5Pset_file_locking(access.0, 1, 1) }).map_err(fail)?;
        // SAFETY: as above. `WEAK`: the file stays open while objects of it are.
        check(|| unsafe { H5Pset_fclose_degree(access.0, H5F_close_degree_t::H5F_CLOSE_WEAK) }).map_err(fail)?;
        // SAFETY: the path is a C string and the property list is open.
        let file = id(|| unsafe { H5Fopen(c_path.as_ptr(), H5F_ACC_RDONLY, access.0) }).map_err(fail)?;
        // SAFETY: the file is open.
        let root = id(|| unsafe { H5Oopen(file.0, c"/".as_ptr(), H5P_DEFAULT) }).map_err(fail)?;
        Ok(Group { id: root, path: path.into(), name: String::new() })
    })
}

impl Group {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn full_name(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}/{name}", self.name) }
    }

    fn failed(&self, name: &str) -> impl Fn(Hdf5Failure) -> Error {
        let (path, object) = (self.path.to_path_buf(), self.full_name(name));
        move |source| Error::Hdf5 { path: path.clone(), object: object.clone(), source }
    }

    /// Opens the object under a hard link; `None` where there is no such link.
    fn object(&self, name: &str) -> Result<Option<(Id, H5I_type_t)>, Error> {
        let Some(c) = c_name(name) else { return Ok(None) };
        let failed = self.failed(name);
        sync(|| {
            let mut link = H5L_info2_t::default();
            // SAFETY: the group is open, the name is a C string, and `link` is a valid place for the answer.
            let known = check(|| unsafe { H5Lget_info2(self.id.0, c.as_ptr(), &raw mut link, H5P_DEFAULT) });
            if let Err(failure) = known {
                // SAFETY: as above.
                let exists = check(|| unsafe { H5Lexists(self.id.0, c.as_ptr(), H5P_DEFAULT) }).map_err(&failed)?;
                return if exists == 0 { Ok(None) } else { Err(failed(failure)) };
            }
            let construct = match link.type_ {
                H5L_type_t::H5L_TYPE_HARD => None,
                H5L_type_t::H5L_TYPE_SOFT => Some(Construct::SoftLink),
                _ => Some(Construct::ExternalLink),
            };
            if let Some(construct) = construct {
                return Err(Error::Refused { path: self.path.to_path_buf(), object: self.full_name(name), construct });
            }
            // SAFETY: the group is open and the name is a C string; the link is hard, so nothing outside the file is opened.
            let object = id(|| unsafe { H5Oopen(self.id.0, c.as_ptr(), H5P_DEFAULT) }).map_err(&failed)?;
            // SAFETY: the object is open.
            let kind = unsafe { H5Iget_type(object.0) };
            Ok(Some((object, kind)))
        })
    }

    /// The group `name` in this one, if there is one.
    pub(crate) fn group(&self, name: &str) -> Result<Option<Self>, Error> {
        Ok(match self.object(name)? {
            Some((id, H5I_type_t::H5I_GROUP)) => Some(Self { id, path: self.path.clone(), name: self.full_name(name) }),
            _ => None,
        })
    }

    /// The group `name`, which every UVH5 file has.
    pub(crate) fn required_group(&self, name: &str) -> Result<Self, Error> {
        self.group(name)?.ok_or_else(|| Error::Missing { path: self.path.to_path_buf(), dataset: self.full_name(name) })
    }

    /// The dataset `name`, if there is one.
    pub(crate) fn dataset(&self, name: &str) -> Result<Option<Dataset>, Error> {
        match self.object(name)? {
            Some((id, H5I_type_t::H5I_DATASET)) => Dataset::new(id, self.path.clone(), self.full_name(name)).map(Some),
            _ => Ok(None),
        }
    }

    /// The dataset `name`, which every UVH5 file has.
    pub(crate) fn required(&self, name: &str) -> Result<Dataset, Error> {
        self.dataset(name)?
            .ok_or_else(|| Error::Missing { path: self.path.to_path_buf(), dataset: self.full_name(name) })
    }

    /// Names of the entries, in the order of their names.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let failed = self.failed(".");
        sync(|| {
            let mut info = H5G_info_t::default();
            // SAFETY: the group is open and `info` is a valid place for the answer.
            check(|| unsafe { H5Gget_info(self.id.0, &raw mut info) }).map_err(&failed)?;
            let mut names = Vec::new();
            for i in 0..info.nlinks.min(MAX_GROUP_ENTRIES) {
                let mut buffer = [0_u8; 256];
                // SAFETY: the buffer is as long as said; the library ends what it writes with a zero byte.
                let length = sync(|| unsafe {
                    H5Lget_name_by_idx(
                        self.id.0,
                        c".".as_ptr(),
                        H5_index_t::H5_INDEX_NAME,
                        H5_iter_order_t::H5_ITER_INC,
                        i,
                        buffer.as_mut_ptr().cast::<c_char>(),
                        buffer.len(),
                        H5P_DEFAULT,
                    )
                });
                if length < 0 {
                    return Err(failed(failure()));
                }
                if let Ok(name) = CStr::from_bytes_until_nul(&buffer) {
                    names.push(name.to_string_lossy().into_owned());
                }
            }
            Ok(names)
        })
    }
}
