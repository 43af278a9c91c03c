//! The types of a column's values.

use std::fmt;

use num_complex::{Complex, Complex32, Complex64};

use crate::Endian;

/// The type of a column's or keyword's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `bool`; casacore's Bool.
    Bool,
    /// `u8`; casacore's uChar.
    U8,
    /// `i16`; casacore's Short.
    I16,
    /// `u16`; casacore's uShort. Only columns have it, not keywords.
    U16,
    /// `i32`; casacore's Int.
    I32,
    /// `u32`; casacore's uInt.
    U32,
    /// `i64`; casacore's Int64.
    I64,
    /// `f32`; casacore's Float.
    F32,
    /// `f64`; casacore's Double.
    F64,
    /// [`Complex32`]: two `f32`; casacore's Complex.
    Complex32,
    /// [`Complex64`]: two `f64`; casacore's DComplex.
    Complex64,
    /// `String`. Bytes that are not UTF-8 are read as Latin-1.
    String,
    /// A record in every cell, such as SOURCE_MODEL of old Measurement Sets; read, not created.
    Record,
    /// A type that this crate neither reads nor creates.
    Other,
}

impl DataType {
    const ALL: [(Self, i32, &'static str); 14] = [
        (Self::Bool, 0, "bool"),
        (Self::U8, 2, "u8"),
        (Self::I16, 3, "i16"),
        (Self::U16, 4, "u16"),
        (Self::I32, 5, "i32"),
        (Self::U32, 6, "u32"),
        (Self::I64, 29, "i64"),
        (Self::F32, 7, "f32"),
        (Self::F64, 8, "f64"),
        (Self::Complex32, 9, "complex32"),
        (Self::Complex64, 10, "complex64"),
        (Self::String, 11, "string"),
        (Self::Record, 25, "record"),
        (Self::Other, 26, "other"),
    ];

    /// casacore's number of the type (`DataType.h`: `TpBool`, …).
    pub(crate) fn code(self) -> i32 {
        Self::ALL.iter().find(|entry| entry.0 == self).map_or(-1, |entry| entry.1)
    }

    /// The type of a column.
    pub(crate) fn of_column(code: i32) -> Self {
        Self::ALL.iter().find(|entry| entry.1 == code).map_or(Self::Other, |entry| entry.0)
    }

    /// The type of a single value.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Some(Self::of_column(code)).filter(|kind| !matches!(kind, Self::Record | Self::Other))
    }

    /// casacore's number of an array of the type (`TpArrayBool`, …).
    pub(crate) fn array_code(self) -> i32 {
        match self {
            Self::I64 => 30,
            scalar => scalar.code() + 13,
        }
    }

    pub(crate) fn from_array_code(code: i32) -> Option<Self> {
        match code {
            30 => Some(Self::I64),
            13..=24 => Self::from_code(code - 13),
            _ => None,
        }
    }

    /// Bytes of one value in memory; none for strings and what is not read.
    #[must_use]
    pub fn size(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::F64 | Self::Complex32 => 8,
            Self::Complex64 => 16,
            Self::String | Self::Record | Self::Other => return None,
        })
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|entry| entry.0 == *self).map_or("", |entry| entry.2))
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A number or truth value that columns hold, laid out in Rust as in casacore.
///
/// Sealed: `bool`, `u8`, `i16`, `u16`, `i32`, `u32`, `i64`, `f32`, `f64`, [`Complex32`], [`Complex64`].
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The column type that holds it.
    const TYPE: DataType;
    /// Bytes of the parts whose order depends on the byte order: 4 for [`Complex32`].
    #[doc(hidden)]
    const WORD: usize;
    /// Reads as many values as `out` has from a file's bytes; truth values are bits and begin with bit `first_bit`, the
    /// lowest of a byte first. None where `bytes` are too few.
    #[doc(hidden)]
    fn decode(bytes: &[u8], first_bit: usize, endian: Endian, out: &mut [Self]) -> Option<()>;
    /// Whether the two are one to the last bit: NaN is itself, and 0.0 is not -0.0.
    #[doc(hidden)]
    fn is_same(self, other: Self) -> bool;
}

macro_rules! elements {
    ($($type:ty => $name:ident, $word:expr, $decode:expr, $same:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const TYPE: DataType = DataType::$name;
            const WORD: usize = $word;
            fn decode(bytes: &[u8], first_bit: usize, endian: Endian, out: &mut [Self]) -> Option<()> {
                $decode(bytes, first_bit, endian, out)
            }
            fn is_same(self, other: Self) -> bool {
                $same(self, other)
            }
        }
    )*};
}

/// The values of words of `N` bytes.
fn words<T, const N: usize>(
    bytes: &[u8],
    endian: Endian,
    out: &mut [T],
    little: fn([u8; N]) -> T,
    big: fn([u8; N]) -> T,
) -> Option<()> {
    let (words, _) = bytes.get(..out.len().checked_mul(N)?)?.as_chunks::<N>();
    match endian {
        Endian::Little => out.iter_mut().zip(words).for_each(|(value, word)| *value = little(*word)),
        Endian::Big => out.iter_mut().zip(words).for_each(|(value, word)| *value = big(*word)),
    }
    Some(())
}

fn bits(bytes: &[u8], first_bit: usize, _: Endian, out: &mut [bool]) -> Option<()> {
    let end = first_bit.checked_add(out.len())?;
    let bytes = bytes.get(..end.div_ceil(8))?;
    for (value, bit) in out.iter_mut().zip(first_bit..) {
        *value = bytes[bit / 8] >> (bit % 8) & 1 != 0;
    }
    Some(())
}

/// Both halves of complex numbers.
fn pair<const N: usize, const H: usize, F>(word: [u8; N], part: fn([u8; H]) -> F) -> Complex<F> {
    let half = |from: usize| part(std::array::from_fn(|byte| word[from + byte]));
    Complex::new(half(0), half(N / 2))
}

macro_rules! numbers {
    ($type:ty) => {
        |bytes: &[u8], _, endian, out: &mut [$type]| {
            words(bytes, endian, out, <$type>::from_le_bytes, <$type>::from_be_bytes)
        }
    };
}

macro_rules! complexes {
    ($type:ty, $size:literal) => {
        |bytes: &[u8], _, endian, out: &mut [Complex<$type>]| {
            let little = |word: [u8; $size]| pair(word, <$type>::from_le_bytes);
            words(bytes, endian, out, little, |word: [u8; $size]| pair(word, <$type>::from_be_bytes))
        }
    };
}

elements! {
    bool => Bool, 1, bits, |a, b| a == b;
    u8 => U8, 1, numbers!(u8), |a, b| a == b;
    i16 => I16, 2, numbers!(i16), |a, b| a == b;
    u16 => U16, 2, numbers!(u16), |a, b| a == b;
    i32 => I32, 4, numbers!(i32), |a, b| a == b;
    u32 => U32, 4, numbers!(u32), |a, b| a == b;
    i64 => I64, 8, numbers!(i64), |a, b| a == b;
    f32 => F32, 4, numbers!(f32), |a: f32, b: f32| a.to_bits() == b.to_bits();
    f64 => F64, 8, numbers!(f64), |a: f64, b: f64| a.to_bits() == b.to_bits();
    Complex32 => Complex32, 4, complexes!(f32, 8), |a: Complex32, b: Complex32| a.re.is_same(b.re) && a.im.is_same(b.im);
    Complex64 => Complex64, 8, complexes!(f64, 16), |a: Complex64, b: Complex64| a.re.is_same(b.re) && a.im.is_same(b.im);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_casacores() {
        for (kind, code, _) in DataType::ALL {
            assert_eq!(DataType::of_column(code), kind);
            if matches!(kind, DataType::Record | DataType::Other) {
                continue;
            }
            assert_eq!(DataType::from_array_code(kind.array_code()), Some(kind));
        }
        // DataType.h: TpArrayBool = 13, TpArrayString = 24.
        assert_eq!(DataType::Bool.array_code(), 13);
        assert_eq!(DataType::String.array_code(), 24);
    }
}
