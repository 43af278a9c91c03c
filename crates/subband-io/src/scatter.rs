//! From the chunks of a band to rows: the inner loops.
//!
//! A chunk holds some channels and some correlations of many rows; a slab holds all of both for one row after another,
//! channels ascending. Each destination row is written once, front to back, from as many streams as there are chunks
//! across; the chunks of a band fit into the second-level cache.

use crate::hdf5::{Element, Part};
use bytemuck::Pod;
use num_complex::Complex32;

/// How the channels and correlations of a dataset are laid out across its chunks, and in which order they are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Across {
    /// Number of channels and correlations.
    pub(crate) n: [usize; 2],
    /// Of these, in one chunk.
    pub(crate) chunk: [usize; 2],
    /// Chunks along both.
    pub(crate) grid: [usize; 2],
    /// The file's channels descend in frequency.
    pub(crate) descending: bool,
    /// For each wanted correlation, which one of the file it is.
    pub(crate) order: Vec<usize>,
}

impl Across {
    fn in_order(&self) -> bool {
        self.order.iter().enumerate().all(|(i, &o)| i == o)
    }

    /// Writes `rows` rows from `pieces` to `out`, where a row begins every `stride` values and holds
    /// `[channel, correlation]`, channels ascending and correlations as wanted.
    ///
    /// A piece is `[row, channel, correlation]` with the chunk's extents; pieces are ordered by channel chunk, then
    /// correlation chunk.
    pub(crate) fn scatter<S: Copy, D>(
        &self,
        pieces: &[&[S]],
        rows: usize,
        out: &mut [D],
        stride: usize,
        convert: impl Fn(S) -> D + Copy,
    ) {
        let corr_in_chunk = self.chunk[1];
        if corr_in_chunk == 1 {
            match self.n[1] {
                1 => return self.planar::<S, D, 1>(pieces, rows, out, stride, convert),
                2 => return self.planar::<S, D, 2>(pieces, rows, out, stride, convert),
                4 => return self.planar::<S, D, 4>(pieces, rows, out, stride, convert),
                _ => {}
            }
        }
        if corr_in_chunk == self.n[1] && self.in_order() {
            return self.interleaved(pieces, rows, out, stride, convert);
        }
        self.general(pieces, rows, out, stride, convert);
    }

    /// Chunks in ascending frequency with the number of real channels in each.
    fn channel_chunks(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (last, n, size) = (self.grid[0] - 1, self.n[0], self.chunk[0]);
        (0..=last).map(move |i| if self.descending { last - i } else { i }).map(move |c| (c, size.min(n - c * size)))
    }

    /// Every correlation has chunks of its own.
    fn planar<S: Copy, D, const N: usize>(
        &self,
        pieces: &[&[S]],
        rows: usize,
        out: &mut [D],
        stride: usize,
        convert: impl Fn(S) -> D + Copy,
    ) {
        let channels = self.chunk[0];
        for (row, out) in out.chunks_mut(stride).take(rows).enumerate() {
            let mut rest = &mut out[..self.n[0] * N];
            for (chunk, valid) in self.channel_chunks() {
                let (now, later) = rest.split_at_mut(valid * N);
                rest = later;
                let from: [&[S]; N] =
                    std::array::from_fn(|q| &pieces[chunk * self.grid[1] + self.order[q]][row * channels..][..valid]);
                let (now, _) = now.as_chunks_mut::<N>();
                if self.descending {
                    for (i, out) in now.iter_mut().rev().enumerate() {
                        for q in 0..N {
                            out[q] = convert(from[q][i]);
                        }
                    }
                } else {
                    for (i, out) in now.iter_mut().enumerate() {
                        for q in 0..N {
                            out[q] = convert(from[q][i]);
                        }
                    }
                }
            }
        }
    }

    /// A chunk holds all correlations in the wanted order.
    fn interleaved<S: Copy, D>(
        &self,
        pieces: &[&[S]],
        rows: usize,
        out: &mut [D],
        stride: usize,
        convert: impl Fn(S) -> D + Copy,
    ) {
        let n = self.n[1];
        let row_values = self.chunk[0] * n;
        for (row, out) in out.chunks_mut(stride).take(rows).enumerate() {
            let mut rest = &mut out[..self.n[0] * n];
            for (chunk, valid) in self.channel_chunks() {
                let (now, later) = rest.split_at_mut(valid * n);
                rest = later;
                let from = &pieces[chunk][row * row_values..][..valid * n];
                if self.descending {
                    for (out, from) in now.chunks_exact_mut(n).rev().zip(from.chunks_exact(n)) {
                        for (out, &from) in out.iter_mut().zip(from) {
                            *out = convert(from);
                        }
                    }
                } else {
                    for (out, &from) in now.iter_mut().zip(from) {
                        *out = convert(from);
                    }
                }
            }
        }
    }

    /// Any chunking and any order.
    fn general<S: Copy, D>(
        &self,
        pieces: &[&[S]],
        rows: usize,
        out: &mut [D],
        stride: usize,
        convert: impl Fn(S) -> D + Copy,
    ) {
        let [_, n] = self.n;
        let [channels, correlations] = self.chunk;
        for (row, out) in out.chunks_mut(stride).take(rows).enumerate() {
            let mut rest = &mut out[..self.n[0] * n];
            for (chunk, valid) in self.channel_chunks() {
                let (now, later) = rest.split_at_mut(valid * n);
                rest = later;
                for (q, &corr) in self.order.iter().enumerate() {
                    let piece = &pieces[chunk * self.grid[1] + corr / correlations];
                    let from = &piece[row * channels * correlations + corr % correlations..];
                    for i in 0..valid {
                        let to = if self.descending { valid - 1 - i } else { i };
                        now[to * n + q] = convert(from[i * correlations]);
                    }
                }
            }
        }
    }

    /// Whether all elements of these rows, padding left out, satisfy `test`.
    pub(crate) fn all<S: Copy>(&self, pieces: &[&[S]], rows: usize, test: impl Fn(&[S]) -> bool) -> bool {
        let [channels, correlations] = self.chunk;
        let whole = |n: usize, size: usize, i: usize| (n - i * size).min(size);
        pieces.iter().enumerate().all(|(k, piece)| {
            let valid =
                [whole(self.n[0], channels, k / self.grid[1]), whole(self.n[1], correlations, k % self.grid[1])];
            if valid == self.chunk {
                test(&piece[..rows * channels * correlations])
            } else {
                (0..rows * channels)
                    .filter(|i| i % channels < valid[0])
                    .all(|i| test(&piece[i * correlations..][..valid[1]]))
            }
        })
    }
}

/// Whether every byte is zero.
pub(crate) fn all_zero(bytes: &[u8]) -> bool {
    // Eight bytes at a time; blocks let it stop early without a branch for every word.
    let (words, rest) = bytes.as_chunks::<8>();
    rest.iter().all(|&b| b == 0)
        && words.chunks(64).all(|block| block.iter().fold(0_u64, |a, w| a | u64::from_ne_bytes(*w)) == 0)
}

/// Whether every value has exactly these bits.
pub(crate) fn all_equal(values: &[f32], to: f32) -> bool {
    values.chunks(128).all(|block| block.iter().fold(0_u32, |a, v| a | (v.to_bits() ^ to.to_bits())) == 0)
}

/// Whether elements are, byte for byte, what this machine calls complex numbers of two `f32`.
pub(crate) fn is_native_complex32(element: &Element) -> bool {
    *element == Element::Complex(Part::Float { bytes: 4, big: cfg!(target_endian = "big") })
}

/// Whether elements are, byte for byte, what this machine calls `f32`.
pub(crate) fn is_native_f32(element: &Element) -> bool {
    *element == Element::Real(Part::Float { bytes: 4, big: cfg!(target_endian = "big") })
}

/// Calls `put` with every stored number of `bytes`, as `f64`.
pub(crate) fn for_each_number(bytes: &[u8], part: Part, mut put: impl FnMut(f64)) {
    fn each<const N: usize>(bytes: &[u8], big: bool, mut put: impl FnMut([u8; N])) {
        for number in bytes.as_chunks::<N>().0 {
            let mut number = *number;
            if big {
                number.reverse();
            }
            put(number);
        }
    }
    match part {
        Part::Float { bytes: 4, big } => each::<4>(bytes, big, |b| put(f64::from(f32::from_le_bytes(b)))),
        Part::Float { big, .. } => each::<8>(bytes, big, |b| put(f64::from_le_bytes(b))),
        Part::Int { bytes: 1, signed: true, big } => each::<1>(bytes, big, |b| put(f64::from(i8::from_le_bytes(b)))),
        Part::Int { bytes: 1, signed: false, big } => each::<1>(bytes, big, |b| put(f64::from(b[0]))),
        Part::Int { bytes: 2, signed: true, big } => each::<2>(bytes, big, |b| put(f64::from(i16::from_le_bytes(b)))),
        Part::Int { bytes: 2, signed: false, big } => each::<2>(bytes, big, |b| put(f64::from(u16::from_le_bytes(b)))),
        Part::Int { bytes: 4, signed: true, big } => each::<4>(bytes, big, |b| put(f64::from(i32::from_le_bytes(b)))),
        Part::Int { bytes: 4, signed: false, big } => each::<4>(bytes, big, |b| put(f64::from(u32::from_le_bytes(b)))),
        Part::Int { signed: true, big, .. } => each::<8>(bytes, big, |b| put(i64::from_le_bytes(b) as f64)),
        Part::Int { big, .. } => each::<8>(bytes, big, |b| put(u64::from_le_bytes(b) as f64)),
    }
}

/// Stored complex numbers as `Complex32`: wider ones are rounded to the nearest.
pub(crate) fn to_complex32(bytes: &[u8], part: Part, out: &mut Vec<Complex32>) {
    let mut re = None;
    for_each_number(bytes, part, |x| match re.take() {
        None => re = Some(x as f32),
        Some(re) => out.push(Complex32::new(re, x as f32)),
    });
}

/// Stored numbers as `f32`, rounded to the nearest.
pub(crate) fn to_f32(bytes: &[u8], part: Part, out: &mut Vec<f32>) {
    for_each_number(bytes, part, |x| out.push(x as f32));
}

/// A piece as elements of a type that it was checked to hold.
pub(crate) fn cast<T: Pod>(bytes: &[u8]) -> &[T] {
    bytemuck::cast_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks of an array `[row, channel, correlation]` whose values say where they belong.
    fn pieces(across: &Across, rows: usize) -> Vec<Vec<u32>> {
        let mut pieces = Vec::new();
        for fc in 0..across.grid[0] {
            for pc in 0..across.grid[1] {
                let mut piece = Vec::new();
                for row in 0..rows {
                    for f in 0..across.chunk[0] {
                        for p in 0..across.chunk[1] {
                            let (channel, corr) = (fc * across.chunk[0] + f, pc * across.chunk[1] + p);
                            let inside = channel < across.n[0] && corr < across.n[1];
                            piece.push(if inside { (row * 10_000 + channel * 10 + corr) as u32 } else { u32::MAX });
                        }
                    }
                }
                pieces.push(piece);
            }
        }
        pieces
    }

    #[test]
    fn every_chunking_and_order_gives_the_same_rows() {
        let rows = 3;
        for n_chan in [1, 5, 12] {
            for (n_corr, orders) in [
                (1, vec![vec![0]]),
                (2, vec![vec![0, 1], vec![1, 0]]),
                (3, vec![vec![2, 0, 1]]),
                (4, vec![vec![0, 1, 2, 3], vec![0, 2, 3, 1]]),
            ] {
                for chunk_chan in [1, 4, 5, 16] {
                    for chunk_corr in [1, 2, n_corr] {
                        for descending in [false, true] {
                            for order in &orders {
                                let grid = [usize::div_ceil(n_chan, chunk_chan), usize::div_ceil(n_corr, chunk_corr)];
                                let across = Across {
                                    n: [n_chan, n_corr],
                                    chunk: [chunk_chan, chunk_corr],
                                    grid,
                                    descending,
                                    order: order.clone(),
                                };
                                let pieces = pieces(&across, rows);
                                let pieces: Vec<&[u32]> = pieces.iter().map(Vec::as_slice).collect();
                                // A stride wider than a row, as in a merge.
                                let stride = n_chan * n_corr + 7;
                                let mut out = vec![7_u32; rows * stride - 7];
                                across.scatter(&pieces, rows, &mut out, stride, |x| x);
                                for row in 0..rows {
                                    for f in 0..n_chan {
                                        for q in 0..n_corr {
                                            let channel = if descending { n_chan - 1 - f } else { f };
                                            let expected = (row * 10_000 + channel * 10 + order[q]) as u32;
                                            assert_eq!(out[row * stride + f * n_corr + q], expected, "{across:?}");
                                        }
                                    }
                                    let gap = row * stride + n_chan * n_corr..((row + 1) * stride).min(out.len());
                                    assert!(out[gap].iter().all(|&x| x == 7));
                                }
                                assert!(across.all(&pieces, rows, |v| v.iter().all(|&x| x != u32::MAX)));
                                assert!(!across.all(&pieces, rows, |v| v.iter().all(|&x| x != 20_000)));
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_of_every_kind() {
        let all = |bytes: &[u8], part| {
            let mut v = Vec::new();
            for_each_number(bytes, part, |x| v.push(x));
            v
        };
        let int = |bytes, signed, big| Part::Int { bytes, signed, big };
        assert_eq!(all(&[1, 2], int(2, true, false)), [513.0]);
        assert_eq!(all(&[1, 2], int(2, true, true)), [258.0]);
        assert_eq!(all(&[0xff; 4], int(4, true, true)), [-1.0]);
        assert_eq!(all(&[0xff; 4], int(4, false, true)), [4_294_967_295.0]);
        assert_eq!(all(&[0xff; 2], int(1, true, false)), [-1.0, -1.0]);
        assert_eq!(all(&(-2_i64).to_be_bytes(), int(8, true, true)), [-2.0]);
        assert_eq!(all(&1.5_f32.to_be_bytes(), Part::Float { bytes: 4, big: true }), [1.5]);
        assert_eq!(all(&(-1e300_f64).to_le_bytes(), Part::Float { bytes: 8, big: false }), [-1e300]);
        let mut out = Vec::new();
        to_complex32(&[3, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff], int(4, true, false), &mut out);
        assert_eq!(out, [Complex32::new(3.0, -2.0)]);
    }

    #[test]
    fn uniformity() {
        let mut bytes = vec![0; 1001];
        assert!(all_zero(&bytes));
        for i in [0, 511, 512, 1000] {
            bytes[i] = 1;
            assert!(!all_zero(&bytes));
            bytes[i] = 0;
        }
        let mut values = vec![96.0_f32; 300];
        assert!(all_equal(&values, 96.0));
        values[299] = 95.0;
        assert!(!all_equal(&values, 96.0));
        assert!(!all_equal(&[0.0], -0.0), "the bits are compared");
    }
}
