//! What one element of a dataset is.

use std::ffi::CStr;

use hdf5_metno::globals::{H5T_IEEE_F32BE, H5T_IEEE_F32LE, H5T_IEEE_F64BE, H5T_IEEE_F64LE};
use hdf5_metno_sys::h5::H5free_memory;
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5t::{
    H5T_class_t, H5T_order_t, H5T_sign_t, H5Tequal, H5Tget_class, H5Tget_member_name, H5Tget_member_offset,
    H5Tget_member_type, H5Tget_nmembers, H5Tget_order, H5Tget_precision, H5Tget_sign, H5Tget_size, H5Tget_super,
    H5Tis_variable_str,
};

use super::{Id, check, id};
use crate::error::Hdf5Failure;

/// A number of a dataset as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// IEEE 754, 4 or 8 bytes.
    Float { bytes: usize, big: bool },
    /// Two's complement or unsigned, 1, 2, 4 or 8 bytes.
    Int { bytes: usize, signed: bool, big: bool },
}

impl Part {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Float { bytes, .. } | Self::Int { bytes, .. } => bytes,
        }
    }
}

/// The type of a dataset's elements, as far as UVH5 files use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Real(Part),
    /// Real part, then imaginary part: a compound of two equal numbers (`r`, `i`) or HDF5 2's native complex.
    Complex(Part),
    /// An enumeration of one byte: how h5py stores booleans.
    Bool,
    /// A string of so many bytes.
    FixedString(usize),
    /// A string of any length, stored elsewhere in the file.
    VarString,
    /// Anything else, by its description.
    Other(String),
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Real(Part::Float { bytes, .. }) => write!(f, "{}-bit floats", bytes * 8),
            Self::Real(Part::Int { bytes, signed: true, .. }) => write!(f, "{}-bit integers", bytes * 8),
            Self::Real(Part::Int { bytes, .. }) => write!(f, "{}-bit unsigned integers", bytes * 8),
            Self::Complex(Part::Float { bytes, .. }) => write!(f, "complex numbers of {}-bit floats", bytes * 8),
            Self::Complex(Part::Int { bytes, .. }) => write!(f, "complex numbers of {}-bit integers", bytes * 8),
            Self::Bool => f.write_str("booleans"),
            Self::FixedString(_) | Self::VarString => f.write_str("strings"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn order_is_big(t: hid_t) -> Option<bool> {
    // SAFETY: the type is open.
    match unsafe { H5Tget_order(t) } {
        H5T_order_t::H5T_ORDER_LE => Some(false),
        H5T_order_t::H5T_ORDER_BE => Some(true),
        // One-byte numbers have no order.
        H5T_order_t::H5T_ORDER_NONE => Some(false),
        _ => None,
    }
}

fn number(t: hid_t) -> Option<Part> {
    // SAFETY: the type is open; these calls only inspect it. The class is always one that this library version defines.
    unsafe {
        match H5Tget_class(t) {
            H5T_class_t::H5T_INTEGER => {
                let bytes = H5Tget_size(t);
                let signed = H5Tget_sign(t) == H5T_sign_t::H5T_SGN_2;
                let whole = matches!(bytes, 1 | 2 | 4 | 8) && H5Tget_precision(t) == bytes * 8;
                whole.then_some(Part::Int { bytes, signed, big: order_is_big(t)? })
            }
            H5T_class_t::H5T_FLOAT => [
                (*H5T_IEEE_F32LE, 4, false),
                (*H5T_IEEE_F64LE, 8, false),
                (*H5T_IEEE_F32BE, 4, true),
                (*H5T_IEEE_F64BE, 8, true),
            ]
            .into_iter()
            .find(|&(known, ..)| H5Tequal(t, known) > 0)
            .map(|(_, bytes, big)| Part::Float { bytes, big }),
            _ => None,
        }
    }
}

fn member_name(t: hid_t, i: u32) -> String {
    // SAFETY: the type is open; the library gives a C string that is ours to free, or null.
    unsafe {
        let name = H5Tget_member_name(t, i);
        if name.is_null() {
            return String::new();
        }
        let text = CStr::from_ptr(name).to_string_lossy().into_owned();
        H5free_memory(name.cast());
        text
    }
}

/// A compound of two equal numbers, real then imaginary, without padding.
fn complex_compound(t: hid_t) -> Result<Option<Part>, Hdf5Failure> {
    // SAFETY: the type is open.
    if unsafe { H5Tget_nmembers(t) } != 2 {
        return Ok(None);
    }
    let named = |i, names: &[&str]| names.contains(&member_name(t, i).to_ascii_lowercase().as_str());
    if !(named(0, &["r", "re", "real"]) && named(1, &["i", "im", "imag"])) {
        return Ok(None);
    }
    // SAFETY: the type is open and has two members.
    let (re, im) = unsafe { (id(|| H5Tget_member_type(t, 0))?, id(|| H5Tget_member_type(t, 1))?) };
    let (Some(re), Some(im)) = (number(re.0), number(im.0)) else { return Ok(None) };
    // SAFETY: as above.
    let (at_re, at_im, size) = unsafe { (H5Tget_member_offset(t, 0), H5Tget_member_offset(t, 1), H5Tget_size(t)) };
    Ok((re == im && at_re == 0 && at_im == re.bytes() && size == 2 * re.bytes()).then_some(re))
}

/// Describes a type. Called under the lock.
pub(super) fn describe(t: &Id) -> Result<Element, Hdf5Failure> {
    let t = t.0;
    let mut class = H5T_class_t::H5T_NO_CLASS;
    check(|| {
        // SAFETY: the type is open.
        class = unsafe { H5Tget_class(t) };
        class as i32
    })?;
    // SAFETY: the type is open.
    let bytes = unsafe { H5Tget_size(t) };
    let other = || Element::Other(format!("elements of HDF5 class {} and {bytes} bytes", class as i32));
    Ok(match class {
        H5T_class_t::H5T_INTEGER | H5T_class_t::H5T_FLOAT => number(t).map_or_else(other, Element::Real),
        H5T_class_t::H5T_STRING => {
            // SAFETY: the type is open.
            if check(|| unsafe { H5Tis_variable_str(t) })? > 0 {
                Element::VarString
            } else {
                Element::FixedString(bytes)
            }
        }
        H5T_class_t::H5T_ENUM | H5T_class_t::H5T_BITFIELD if bytes == 1 => Element::Bool,
        H5T_class_t::H5T_COMPOUND => complex_compound(t)?.map_or_else(other, Element::Complex),
        H5T_class_t::H5T_COMPLEX => {
            // SAFETY: the type is open; the base of a complex type is its floating-point type.
            let base = id(|| unsafe { H5Tget_super(t) })?;
            number(base.0).map_or_else(other, Element::Complex)
        }
        _ => other(),
    })
}
