//! One dataset: shape, element type, layout, small values.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::rc::Rc;

use hdf5_metno::globals::{H5T_NATIVE_DOUBLE, H5T_NATIVE_INT64};
use hdf5_metno::sync::sync;
use hdf5_metno_sys::h5::{HADDR_UNDEF, haddr_t, hsize_t};
use hdf5_metno_sys::h5d::{
    H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS, H5D_fill_value_t, H5D_layout_t, H5Dchunk_iter, H5Dget_create_plist,
    H5Dget_offset, H5Dget_space, H5Dget_type, H5Dread,
};
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5p::{
    H5P_DEFAULT, H5Pfill_value_defined, H5Pget_chunk, H5Pget_chunk_opts, H5Pget_external_count, H5Pget_fill_value,
    H5Pget_filter2, H5Pget_layout, H5Pget_nfilters,
};
use hdf5_metno_sys::h5s::{
    H5S_ALL, H5S_class_t, H5S_seloper_t, H5Screate_simple, H5Sget_simple_extent_dims, H5Sget_simple_extent_ndims,
    H5Sget_simple_extent_type, H5Sselect_elements,
};
use hdf5_metno_sys::h5t::H5Treclaim;

use super::element::{Element, describe};
use super::{Id, check, failure, id};
use crate::error::{Construct, Error, Hdf5Failure};

/// Header values larger than this are no header values.
const MAX_VALUE_BYTES: u64 = 64 << 20;
/// The library allows 32 dimensions.
const MAX_RANK: usize = 32;

/// One step of a filter pipeline, in the order in which writing applied them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Registered number.
    pub(crate) id: i32,
    /// Its parameters.
    pub(crate) values: Vec<u32>,
}

/// Where a dataset's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum RawLayout {
    /// In the object's header; the bytes themselves.
    Compact(Vec<u8>),
    /// One run at this byte of the file; `None` when it was never written.
    Contiguous(Option<u64>),
    /// In chunks of this shape.
    Chunked { chunk: Vec<u64>, filters: Vec<Filter> },
}

/// An open dataset.
#[derive(Debug)]
pub(crate) struct Dataset {
    id: Id,
    space: Id,
    datatype: Id,
    /// Creation properties; `None` for one run of bytes in this file.
    create: Option<Id>,
    path: Rc<Path>,
    name: String,
    dims: Option<Vec<u64>>,
    element: Element,
}

impl Dataset {
    /// Inspects a dataset and refuses those whose bytes are not plainly in this file.
    pub(super) fn new(dataset: Id, path: Rc<Path>, name: String) -> Result<Self, Error> {
        let failed = |source| Error::Hdf5 { path: path.to_path_buf(), object: name.clone(), source };
        let refused = |construct| Error::Refused { path: path.to_path_buf(), object: name.clone(), construct };
        sync(|| {
            // A dataset with an address is one run of bytes in this file: external, virtual and chunked ones have none. Asking
            // for the creation properties takes most of the time of opening a small dataset, so it is avoided here.
            // SAFETY: the dataset is open.
            let plain = unsafe { H5Dget_offset(dataset.0) } != HADDR_UNDEF;
            let create = if plain {
                None
            } else {
                // SAFETY: the dataset is open.
                let create = id(|| unsafe { H5Dget_create_plist(dataset.0) }).map_err(failed)?;
                // SAFETY: the property list is open.
                if check(|| unsafe { H5Pget_external_count(create.0) }).map_err(failed)? > 0 {
                    return Err(refused(Construct::ExternalStorage));
                }
                // SAFETY: as above.
                if unsafe { H5Pget_layout(create.0) } == H5D_layout_t::H5D_VIRTUAL {
                    return Err(refused(Construct::VirtualDataset));
                }
                Some(create)
            };
            // SAFETY: the dataset is open.
            let datatype = id(|| unsafe { H5Dget_type(dataset.0) }).map_err(failed)?;
            // SAFETY: the dataset is open.
            let space = id(|| unsafe { H5Dget_space(dataset.0) }).map_err(failed)?;
            let element = describe(&datatype).map_err(failed)?;
            let dims = dims(&space).map_err(failed)?;
            Ok((space, datatype, create, dims, element))
        })
        .map(|(space, datatype, create, dims, element)| Self {
            id: dataset,
            space,
            datatype,
            create,
            path,
            name,
            dims,
            element,
        })
    }

    /// Its full name, `Header/time_array`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its dimensions: none for a scalar. A dataset with a null space has no values, like one of length 0.
    pub(crate) fn dims(&self) -> &[u64] {
        self.dims.as_deref().unwrap_or(&[0])
    }

    pub(crate) fn element(&self) -> &Element {
        &self.element
    }

    fn failed(&self, source: Hdf5Failure) -> Error {
        Error::Hdf5 { path: self.path.to_path_buf(), object: self.name.clone(), source }
    }

    pub(crate) fn wrong_type(&self, expected: &'static str) -> Error {
        Error::WrongType {
            path: self.path.to_path_buf(),
            dataset: self.name.clone(),
            found: self.element.to_string(),
            expected,
        }
    }

    pub(crate) fn wrong_shape(&self, expected: impl Into<String>) -> Error {
        Error::WrongShape {
            path: self.path.to_path_buf(),
            dataset: self.name.clone(),
            found: self.dims().to_vec(),
            expected: expected.into(),
        }
    }

    pub(crate) fn bad_value(&self, found: impl ToString, expected: impl Into<String>) -> Error {
        Error::BadValue {
            path: self.path.to_path_buf(),
            dataset: self.name.clone(),
            found: found.to_string(),
            expected: expected.into(),
        }
    }

    /// Number of elements, refused where they would take more than `bytes_each` allow for header values.
    fn count(&self, bytes_each: usize) -> Result<usize, Error> {
        let bytes = self.dims().iter().try_fold(bytes_each as u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX);
        if bytes > MAX_VALUE_BYTES {
            return Err(Error::TooLarge {
                path: self.path.to_path_buf(),
                dataset: self.name.clone(),
                bytes,
                limit: MAX_VALUE_BYTES,
            });
        }
        Ok(self.dims().iter().product::<u64>() as usize)
    }

    /// Reads all elements into `out`, converted to the memory type.
    ///
    /// # Safety
    /// `out` has room for every element of the dataset in the memory type, and any value of that type is a valid `T`.
    unsafe fn read_into<T>(&self, memory_type: hid_t, out: &mut [T]) -> Result<(), Error> {
        if out.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller made `out` large enough; the dataset is open.
        check(|| unsafe {
            H5Dread(self.id.0, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.as_mut_ptr().cast::<c_void>())
        })
        .map(drop)
        .map_err(|e| self.failed(e))
    }

    /// All values as `f64`, in row-major order.
    pub(crate) fn f64s(&self) -> Result<Vec<f64>, Error> {
        if !matches!(self.element, Element::Real(_)) {
            return Err(self.wrong_type("numbers"));
        }
        let mut out = vec![0.0_f64; self.count(8)?];
        // SAFETY: one double for each element.
        unsafe { self.read_into(*H5T_NATIVE_DOUBLE, &mut out) }?;
        Ok(out)
    }

    /// All values as `i64`, in row-major order.
    pub(crate) fn i64s(&self) -> Result<Vec<i64>, Error> {
        if !matches!(self.element, Element::Real(super::Part::Int { .. })) {
            return Err(self.wrong_type("integers"));
        }
        let mut out = vec![0_i64; self.count(8)?];
        // SAFETY: one 64-bit integer for each element.
        unsafe { self.read_into(*H5T_NATIVE_INT64, &mut out) }?;
        Ok(out)
    }

    /// All booleans.
    pub(crate) fn bools(&self) -> Result<Vec<bool>, Error> {
        if self.element != Element::Bool {
            return Err(self.wrong_type("booleans"));
        }
        let mut out = vec![0_u8; self.count(1)?];
        // SAFETY: the elements are single bytes, read as stored.
        unsafe { self.read_into(self.datatype.0, &mut out) }?;
        Ok(out.into_iter().map(|b| b != 0).collect())
    }

    /// The only value.
    pub(crate) fn f64(&self) -> Result<f64, Error> {
        match self.f64s()?[..] {
            [value] => Ok(value),
            _ => Err(self.wrong_shape("one value")),
        }
    }

    /// The only value.
    pub(crate) fn i64(&self) -> Result<i64, Error> {
        match self.i64s()?[..] {
            [value] => Ok(value),
            _ => Err(self.wrong_shape("one value")),
        }
    }

    /// The values of a one-dimensional dataset at some places, as `f64`.
    pub(crate) fn f64s_at(&self, places: &[u64]) -> Result<Vec<f64>, Error> {
        if !matches!(self.element, Element::Real(_)) {
            return Err(self.wrong_type("numbers"));
        }
        if self.dims().len() != 1 || places.iter().any(|&p| p >= self.dims()[0]) {
            return Err(self.wrong_shape("one dimension"));
        }
        let mut out = vec![0.0_f64; places.len()];
        sync(|| {
            // SAFETY: the space is open, and `places` holds one coordinate a point, all of them inside.
            check(|| unsafe {
                H5Sselect_elements(self.space.0, H5S_seloper_t::H5S_SELECT_SET, places.len(), places.as_ptr())
            })?;
            let n = places.len() as hsize_t;
            // SAFETY: one dimension, given by a valid pointer.
            let memory = id(|| unsafe { H5Screate_simple(1, &raw const n, std::ptr::null()) })?;
            let out = out.as_mut_ptr().cast::<c_void>();
            // SAFETY: `out` has room for as many doubles as points are selected; both spaces are open.
            check(|| unsafe { H5Dread(self.id.0, *H5T_NATIVE_DOUBLE, memory.0, self.space.0, H5P_DEFAULT, out) })
        })
        .map_err(|e| self.failed(e))?;
        Ok(out)
    }

    /// All strings, of either kind. Bytes that are no UTF-8 are replaced, zero bytes and spaces at the end removed.
    pub(crate) fn strings(&self) -> Result<Vec<String>, Error> {
        let clean = |bytes: &[u8]| {
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
        };
        match self.element {
            Element::FixedString(0) => Ok(vec![String::new(); self.count(1)?]),
            Element::FixedString(length) => {
                let n = self.count(length)?;
                let mut bytes = vec![0_u8; n * length];
                // SAFETY: `length` bytes for each element, which is the size of the type.
                unsafe { self.read_into(self.datatype.0, &mut bytes) }?;
                Ok(bytes.chunks_exact(length).map(clean).collect())
            }
            Element::VarString => {
                let mut pointers = vec![std::ptr::null_mut::<c_char>(); self.count(size_of::<usize>())?];
                sync(|| {
                    // SAFETY: an element of a variable string is one pointer in memory.
                    unsafe { self.read_into(self.datatype.0, &mut pointers) }?;
                    let strings = pointers
                        .iter()
                        .map(|&p| {
                            if p.is_null() {
                                return String::new();
                            }
                            // SAFETY: the library made each pointer a C string that lives until it is reclaimed below.
                            clean(unsafe { std::ffi::CStr::from_ptr(p) }.to_bytes())
                        })
                        .collect();
                    if !pointers.is_empty() {
                        // SAFETY: the pointers are those that H5Dread made for this type and space, freed once.
                        check(|| unsafe {
                            H5Treclaim(
                                self.datatype.0,
                                self.space.0,
                                H5P_DEFAULT,
                                pointers.as_mut_ptr().cast::<c_void>(),
                            )
                        })
                        .map_err(|e| self.failed(e))?;
                    }
                    Ok(strings)
                })
            }
            _ => Err(self.wrong_type("strings")),
        }
    }

    /// The only string.
    pub(crate) fn string(&self) -> Result<String, Error> {
        let mut all = self.strings()?;
        match all.pop() {
            Some(text) if all.is_empty() => Ok(text),
            _ => Err(self.wrong_shape("one string")),
        }
    }

    /// Where the bytes are.
    pub(crate) fn layout(&self, element_bytes: usize) -> Result<RawLayout, Error> {
        sync(|| {
            // SAFETY: the dataset is open.
            let at = unsafe { H5Dget_offset(self.id.0) };
            let Some(create) = &self.create else {
                return Ok(RawLayout::Contiguous((at != HADDR_UNDEF).then_some(at)));
            };
            // SAFETY: the property list is open.
            match unsafe { H5Pget_layout(create.0) } {
                H5D_layout_t::H5D_COMPACT => {
                    let mut bytes = vec![0_u8; self.count(element_bytes)? * element_bytes];
                    // SAFETY: callers pass the size of the type, so there are as many bytes as the elements have.
                    unsafe { self.read_into(self.datatype.0, &mut bytes) }?;
                    Ok(RawLayout::Compact(bytes))
                }
                H5D_layout_t::H5D_CONTIGUOUS => Ok(RawLayout::Contiguous((at != HADDR_UNDEF).then_some(at))),
                H5D_layout_t::H5D_CHUNKED => {
                    let mut chunk = [0 as hsize_t; MAX_RANK];
                    // SAFETY: the array has room for as many dimensions as said.
                    let rank = check(|| unsafe { H5Pget_chunk(create.0, MAX_RANK as c_int, chunk.as_mut_ptr()) })
                        .map_err(|e| self.failed(e))?;
                    Ok(RawLayout::Chunked {
                        chunk: chunk[..(rank as usize).min(MAX_RANK)].to_vec(),
                        filters: self.filters(create)?,
                    })
                }
                _ => Err(self.failed(Hdf5Failure("unknown layout".to_owned()))),
            }
        })
    }

    /// Whether its bytes go through filters.
    pub(crate) fn is_filtered(&self) -> Result<bool, Error> {
        let Some(create) = &self.create else { return Ok(false) };
        // SAFETY: the property list is open.
        check(|| unsafe { H5Pget_nfilters(create.0) }).map(|n| n > 0).map_err(|e| self.failed(e))
    }

    fn filters(&self, create: &Id) -> Result<Vec<Filter>, Error> {
        // SAFETY: the property list is open.
        let n = check(|| unsafe { H5Pget_nfilters(create.0) }).map_err(|e| self.failed(e))?;
        let mut filters = Vec::new();
        for i in 0..n {
            let (mut flags, mut config) = (0, 0);
            let mut values = [0 as c_uint; 32];
            let mut n_values = values.len();
            // SAFETY: all places are valid; no name is asked for.
            let filter = check(|| unsafe {
                H5Pget_filter2(
                    create.0,
                    i as c_uint,
                    &raw mut flags,
                    &raw mut n_values,
                    values.as_mut_ptr(),
                    0,
                    std::ptr::null_mut(),
                    &raw mut config,
                )
            })
            .map_err(|e| self.failed(e))?;
            filters.push(Filter { id: filter, values: values[..n_values.min(values.len())].to_vec() });
        }
        let mut options = 0;
        // SAFETY: the property list is open and the place valid.
        check(|| unsafe { H5Pget_chunk_opts(create.0, &raw mut options) }).map_err(|e| self.failed(e))?;
        if !filters.is_empty() && options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS != 0 {
            let construct = Construct::UnfilteredEdgeChunks;
            return Err(Error::Refused { path: self.path.to_path_buf(), object: self.name.clone(), construct });
        }
        Ok(filters)
    }

    /// The fill value of one element as stored, if the dataset defines one.
    pub(crate) fn fill(&self, element_bytes: usize) -> Result<Option<Vec<u8>>, Error> {
        let Some(create) = &self.create else { return Ok(None) };
        sync(|| {
            let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
            // SAFETY: the property list is open and the place valid.
            check(|| unsafe { H5Pfill_value_defined(create.0, &raw mut defined) }).map_err(|e| self.failed(e))?;
            if defined != H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED {
                return Ok(None);
            }
            let mut value = vec![0_u8; element_bytes];
            let place = value.as_mut_ptr().cast::<c_void>();
            // SAFETY: the buffer is one element of the dataset's own type.
            check(|| unsafe { H5Pget_fill_value(create.0, self.datatype.0, place) }).map_err(|e| self.failed(e))?;
            Ok(Some(value))
        })
    }

    /// Visits every chunk that was written: its first element's indices, filter mask, address and stored size.
    pub(crate) fn visit_chunks<F: FnMut(&[u64], u32, u64, u64)>(&self, visit: F) -> Result<(), Error> {
        struct Visitor<F> {
            rank: usize,
            visit: F,
        }
        unsafe extern "C" fn one<F: FnMut(&[u64], u32, u64, u64)>(
            at: *const hsize_t,
            mask: c_uint,
            address: haddr_t,
            size: hsize_t,
            data: *mut c_void,
        ) -> c_int {
            // SAFETY: `data` is the visitor below, alive during the iteration; `at` has as many entries as the dataset
            // dimensions. A panic must not unwind into C, so it ends the iteration as an error.
            let outcome = std::panic::catch_unwind(|| unsafe {
                let visitor = &mut *data.cast::<Visitor<F>>();
                (visitor.visit)(std::slice::from_raw_parts(at, visitor.rank), mask, address, size);
            });
            if outcome.is_ok() { 0 } else { -1 }
        }
        let mut visitor = Visitor { rank: self.dims().len(), visit };
        // SAFETY: the dataset is open and chunked; the visitor outlives the call.
        check(|| unsafe { H5Dchunk_iter(self.id.0, H5P_DEFAULT, Some(one::<F>), (&raw mut visitor).cast()) })
            .map(drop)
            .map_err(|e| self.failed(e))
    }
}

/// The dimensions of a space; `None` for a null space.
fn dims(space: &Id) -> Result<Option<Vec<u64>>, Hdf5Failure> {
    // SAFETY: the space is open.
    match unsafe { H5Sget_simple_extent_type(space.0) } {
        H5S_class_t::H5S_NULL => Ok(None),
        H5S_class_t::H5S_SCALAR => Ok(Some(Vec::new())),
        H5S_class_t::H5S_SIMPLE => {
            let mut dims = [0 as hsize_t; MAX_RANK];
            // SAFETY: the space is open.
            let rank = check(|| unsafe { H5Sget_simple_extent_ndims(space.0) })?;
            if rank as usize > MAX_RANK {
                return Err(Hdf5Failure(format!("{rank} dimensions")));
            }
            // SAFETY: the array has room for the rank just read.
            check(|| unsafe { H5Sget_simple_extent_dims(space.0, dims.as_mut_ptr(), std::ptr::null_mut()) })?;
            Ok(Some(dims[..rank as usize].to_vec()))
        }
        H5S_class_t::H5S_NO_CLASS => Err(failure()),
    }
}
