//! The file of arrays of variable shape, `table.fNi`.
//!
//! A word with the version, the length of the file, and arrays at multiples of 8 bytes: in version 1 a count of references,
//! then the number of axes, their lengths and the values, in the table's byte order; truth values as bits, strings as the
//! places of a length and the text. Written after casacore 3.5: `StArrayFile.cc`, `StIndArray.cc`.

use std::path::PathBuf;

use super::file::TableFile;
use super::store::Budget;
use crate::record::text;
use crate::{DataType, Element, Endian, Result};

/// More axes than any array has.
const MOST_AXES: u32 = 64;

#[derive(Debug)]
pub(super) struct ArrayFile {
    file: TableFile,
    endian: Endian,
    counted: bool,
}

/// An array: its shape, last axis fastest, and the place of its values.
pub(super) struct Place {
    pub(super) shape: Vec<usize>,
    pub(super) values: usize,
    at: u64,
}

impl ArrayFile {
    pub(super) fn open(path: PathBuf, endian: Endian) -> Result<Self> {
        let file = TableFile::open(path)?;
        let mut file = Self { file, endian, counted: false };
        let version = file.word(0)?;
        if version > 1 {
            return file.file.damaged(0, format!("an unknown version of a file of arrays: {version}"));
        }
        file.counted = version > 0;
        Ok(file)
    }

    fn word(&self, at: u64) -> Result<u32> {
        let mut scratch = Vec::new();
        let bytes = self.file.part(at, 4, &mut scratch)?;
        let mut word = [0_u32];
        match u32::decode(bytes, 0, self.endian, &mut word) {
            Some(()) => Ok(word[0]),
            None => self.file.damaged(at, "it ends early"),
        }
    }

    /// The array at `offset`.
    pub(super) fn place(&self, offset: i64) -> Result<Place> {
        let Ok(mut at) = u64::try_from(offset) else {
            return self.file.damaged(0, format!("an array at {offset}"));
        };
        if self.counted {
            at = at.saturating_add(4);
        }
        let axes = self.word(at)?;
        if axes > MOST_AXES {
            return self.file.damaged(at, format!("an array of {axes} axes"));
        }
        let mut shape = Vec::with_capacity(axes as usize);
        for _ in 0..axes {
            at += 4;
            match usize::try_from(self.word(at)?.cast_signed()) {
                Ok(length) => shape.push(length),
                Err(_) => return self.file.damaged(at, "a negative length in a shape"),
            }
        }
        shape.reverse();
        let values = match shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length)) {
            Some(_) if shape.is_empty() => 0,
            Some(values) => values,
            None => return self.file.damaged(at, format!("an array of impossible shape {shape:?}")),
        };
        Ok(Place { shape, values, at: at + 4 })
    }

    /// Reads an array's values into `out`, as many as there are.
    pub(super) fn values<T: Element>(&self, place: &Place, scratch: &mut Vec<u8>, out: &mut [T]) -> Result<()> {
        let bits = if T::TYPE == DataType::Bool { 1 } else { 8 * size_of::<T>() };
        let bytes = out.len().checked_mul(bits).map_or(usize::MAX, |bits| bits.div_ceil(8));
        let bytes = self.file.part(place.at, bytes, scratch)?;
        match T::decode(bytes, 0, self.endian, out) {
            Some(()) => Ok(()),
            None => self.file.damaged(place.at, "it ends early"),
        }
    }

    /// Whether the file is long enough for an array's values, before memory is asked for.
    pub(super) fn holds<T: Element>(&self, place: &Place) -> Result<()> {
        let bits = if T::TYPE == DataType::Bool { 1 } else { 8 * size_of::<T>() as u64 };
        let end = (place.values as u64).checked_mul(bits).and_then(|bits| place.at.checked_add(bits.div_ceil(8)));
        if end.is_some_and(|end| end <= self.file.length()) {
            return Ok(());
        }
        self.file.damaged(place.at, format!("an array of shape {:?} that the file is too short for", place.shape))
    }

    /// Appends an array's strings to `out`.
    pub(super) fn strings(&self, place: &Place, budget: &mut Budget, out: &mut Vec<String>) -> Result<()> {
        self.holds::<u32>(place)?;
        let mut scratch = Vec::new();
        for i in 0..place.values {
            let at = u64::from(self.word(place.at + 4 * i as u64)?);
            if at == 0 {
                out.push(String::new());
                continue;
            }
            let length = self.word(at)? as usize;
            budget.spend(length.saturating_add(size_of::<String>()))?;
            out.push(text(self.file.part(at + 4, length, &mut scratch)?));
        }
        Ok(())
    }
}
