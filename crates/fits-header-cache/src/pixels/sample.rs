//! The two kinds of numbers that statistics are taken of, and how stored ones become them.

use std::cmp::Ordering;

use super::kernel::{Block, Instructions, Work};
use crate::hdu::{Bitpix, Image};

/// How pixels are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Encoding {
    /// Big-endian floating point that is the pixel itself.
    F32,
    /// The same, 64 bits.
    F64,
    /// Numbers of this kind, to be scaled.
    Scaled { bitpix: Bitpix, scale: f64, zero: f64, blank: Option<i64> },
}

impl Encoding {
    pub(crate) fn of(image: &Image) -> Self {
        let plain = image.scale == 1.0 && image.zero == 0.0;
        match image.bitpix {
            Bitpix::F32 if plain => Self::F32,
            Bitpix::F64 if plain => Self::F64,
            bitpix => Self::Scaled { bitpix, scale: image.scale, zero: image.zero, blank: image.blank },
        }
    }
}

impl Encoding {
    /// Bytes of one stored number.
    #[inline(always)]
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Scaled { bitpix, .. } => bitpix.bytes() as usize,
        }
    }
}

/// A kind of number.
pub(crate) trait Sample: Copy + PartialOrd + Send + Sync + 'static {
    const NAN: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    const MIN: Self;
    const MAX: Self;
    /// 16-bit digits of a key.
    const DIGITS: u32;
    fn wide(self) -> f64;
    fn finite(self) -> bool;
    /// A whole number that orders as the numbers do.
    fn key(self) -> u64;
    fn from_key(key: u64) -> Self;
    /// The order of the keys.
    fn order(one: &Self, two: &Self) -> Ordering;
    /// The nearest number of this kind.
    fn narrow(wide: f64) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// The mean of two, rounded as numpy rounds it.
    fn middle(self, other: Self) -> Self;
    /// |self − other|, rounded as numpy rounds it.
    fn distance(self, other: Self) -> Self;
    /// Fills `values` from so many stored ones.
    fn decode(encoding: Encoding, bytes: &[u8], values: &mut [Self]);
    /// Does the work on a block.
    fn block(work: Work<'_, Self>, instructions: Instructions) -> Block<Self>;
}

impl Sample for f32 {
    const NAN: Self = Self::NAN;
    const INFINITY: Self = Self::INFINITY;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    const DIGITS: u32 = 2;

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn finite(self) -> bool {
        self.abs() <= Self::MAX
    }

    #[inline(always)]
    fn key(self) -> u64 {
        let bits = self.to_bits();
        u64::from(bits ^ (((bits as i32) >> 31) as u32 | 0x8000_0000))
    }

    fn from_key(key: u64) -> Self {
        let key = key as u32;
        Self::from_bits(if key >> 31 == 1 { key ^ 0x8000_0000 } else { !key })
    }

    #[inline(always)]
    fn order(one: &Self, two: &Self) -> Ordering {
        one.total_cmp(two)
    }

    fn narrow(wide: f64) -> Self {
        wide as Self
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn block(work: Work<'_, Self>, instructions: Instructions) -> Block<Self> {
        work.single(instructions)
    }

    fn middle(self, other: Self) -> Self {
        (self + other) / 2.0
    }

    #[inline(always)]
    fn distance(self, other: Self) -> Self {
        (self - other).abs()
    }

    #[inline(always)]
    fn decode(_: Encoding, bytes: &[u8], values: &mut [Self]) {
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = Self::from_bits(u32::from_be_bytes(*bytes));
        }
    }
}

impl Sample for f64 {
    const NAN: Self = Self::NAN;
    const INFINITY: Self = Self::INFINITY;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    const DIGITS: u32 = 4;

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn finite(self) -> bool {
        self.abs() <= Self::MAX
    }

    #[inline(always)]
    fn key(self) -> u64 {
        let bits = self.to_bits();
        bits ^ (((bits as i64) >> 63) as u64 | 1 << 63)
    }

    fn from_key(key: u64) -> Self {
        Self::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
    }

    #[inline(always)]
    fn order(one: &Self, two: &Self) -> Ordering {
        one.total_cmp(two)
    }

    fn narrow(wide: f64) -> Self {
        wide
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn block(work: Work<'_, Self>, _: Instructions) -> Block<Self> {
        work.plain()
    }

    fn middle(self, other: Self) -> Self {
        (self + other) / 2.0
    }

    #[inline(always)]
    fn distance(self, other: Self) -> Self {
        (self - other).abs()
    }

    #[inline(always)]
    fn decode(encoding: Encoding, bytes: &[u8], values: &mut [Self]) {
        let (bitpix, scale, zero, blank) = match encoding {
            Encoding::F32 => (Bitpix::F32, 1.0, 0.0, None),
            Encoding::F64 => {
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = Self::from_bits(u64::from_be_bytes(*bytes));
                }
                return;
            }
            Encoding::Scaled { bitpix, scale, zero, blank } => (bitpix, scale, zero, blank),
        };
        // The product is rounded before the sum, as numpy does it.
        let whole = |stored: i64| if Some(stored) == blank { Self::NAN } else { stored as Self * scale + zero };
        let float = |stored: Self| stored * scale + zero;
        match bitpix {
            Bitpix::U8 => fill(values, bytes, |b: &[u8; 1]| whole(b[0].into())),
            Bitpix::I16 => fill(values, bytes, |b| whole(i16::from_be_bytes(*b).into())),
            Bitpix::I32 => fill(values, bytes, |b| whole(i32::from_be_bytes(*b).into())),
            Bitpix::I64 => fill(values, bytes, |b| whole(i64::from_be_bytes(*b))),
            Bitpix::F32 => fill(values, bytes, |b| float(f32::from_be_bytes(*b).into())),
            Bitpix::F64 => fill(values, bytes, |b| float(Self::from_be_bytes(*b))),
        }
    }
}

#[inline(always)]
fn fill<const N: usize>(values: &mut [f64], bytes: &[u8], number: impl Fn(&[u8; N]) -> f64) {
    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
        *value = number(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_numbers_do_and_come_back() {
        let numbers = [f64::NEG_INFINITY, -1e300, -1.5, -1e-310, -0.0, 0.0, 1e-310, 1.5, 1e300, f64::INFINITY];
        assert!(numbers.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert!(numbers.iter().all(|&x| f64::from_key(x.key()).to_bits() == x.to_bits()));
        let numbers = numbers.map(|x| x as f32);
        assert!(numbers.windows(2).all(|pair| pair[0].key() <= pair[1].key()));
        assert!(numbers.iter().all(|&x| f32::from_key(x.key()).to_bits() == x.to_bits()));
    }
}
