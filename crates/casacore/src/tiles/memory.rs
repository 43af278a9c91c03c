//! The caller's memory: one buffer, or the rows of an array that lie apart.

use std::ops::Range;

/// Rows of bytes to fill.
pub(super) trait Target: Send + Sized {
    /// The first rows, and the others.
    fn split(self, rows: usize) -> (Self, Self);

    /// Bytes of one row.
    fn at(&mut self, row: usize, bytes: Range<usize>) -> &mut [u8];

    /// Whole rows, where they follow each other.
    fn whole(&mut self, rows: Range<usize>) -> Option<&mut [u8]>;
}

/// Rows of bytes to take.
pub(super) trait Source: Send + Sync + Copy {
    fn split(self, rows: usize) -> (Self, Self);

    fn at(&self, row: usize, bytes: Range<usize>) -> &[u8];

    fn whole(&self, rows: Range<usize>) -> Option<&[u8]>;
}

/// Rows of a length, one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flat<B> {
    pub(super) bytes: B,
    pub(super) row: usize,
}

impl Target for Flat<&mut [u8]> {
    fn split(self, rows: usize) -> (Self, Self) {
        let (head, tail) = self.bytes.split_at_mut(rows * self.row);
        (Self { bytes: head, row: self.row }, Self { bytes: tail, row: self.row })
    }

    fn at(&mut self, row: usize, bytes: Range<usize>) -> &mut [u8] {
        &mut self.bytes[row * self.row + bytes.start..row * self.row + bytes.end]
    }

    fn whole(&mut self, rows: Range<usize>) -> Option<&mut [u8]> {
        Some(&mut self.bytes[rows.start * self.row..rows.end * self.row])
    }
}

impl Source for Flat<&[u8]> {
    fn split(self, rows: usize) -> (Self, Self) {
        let (head, tail) = self.bytes.split_at(rows * self.row);
        (Self { bytes: head, row: self.row }, Self { bytes: tail, row: self.row })
    }

    fn at(&self, row: usize, bytes: Range<usize>) -> &[u8] {
        &self.bytes[row * self.row + bytes.start..row * self.row + bytes.end]
    }

    fn whole(&self, rows: Range<usize>) -> Option<&[u8]> {
        Some(&self.bytes[rows.start * self.row..rows.end * self.row])
    }
}

impl Target for &mut [&mut [u8]] {
    fn split(self, rows: usize) -> (Self, Self) {
        self.split_at_mut(rows)
    }

    fn at(&mut self, row: usize, bytes: Range<usize>) -> &mut [u8] {
        &mut self[row][bytes]
    }

    fn whole(&mut self, _: Range<usize>) -> Option<&mut [u8]> {
        None
    }
}

impl Source for &[&[u8]] {
    fn split(self, rows: usize) -> (Self, Self) {
        self.split_at(rows)
    }

    fn at(&self, row: usize, bytes: Range<usize>) -> &[u8] {
        &self[row][bytes]
    }

    fn whole(&self, _: Range<usize>) -> Option<&[u8]> {
        None
    }
}
