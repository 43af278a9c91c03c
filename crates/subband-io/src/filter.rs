//! Decoding of filtered chunks: deflate, shuffle, fletcher32 and LZF, undone in reverse order.

use crate::hdf5::Filter;

const DEFLATE: i32 = 1;
const SHUFFLE: i32 = 2;
const FLETCHER32: i32 = 3;
const LZF: i32 = 32_000;

/// A filter pipeline whose every step can be undone.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Deflate,
    /// Bytes of an element that were regrouped.
    Shuffle(usize),
    Fletcher32,
    Lzf,
}

/// Buffers that decoding reuses.
#[derive(Default)]
pub(crate) struct Decoder {
    inflate: Option<libdeflater::Decompressor>,
    front: Vec<u8>,
    back: Vec<u8>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("bytes", &self.allocated_bytes()).finish()
    }
}

impl Decoder {
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.front.capacity() + self.back.capacity()
    }

    /// A place for `n` stored bytes that [`Pipeline::decode`] will take as its input.
    pub(crate) fn input(&mut self, n: usize) -> &mut [u8] {
        self.front.resize(n, 0);
        &mut self.front
    }
}

impl Pipeline {
    /// From the dataset's filters; gives back the number of the first one that is not supported.
    pub(crate) fn new(filters: &[Filter], element_bytes: usize) -> Result<Self, i32> {
        let steps = filters
            .iter()
            .map(|f| match f.id {
                DEFLATE => Ok(Step::Deflate),
                SHUFFLE => Ok(Step::Shuffle(f.values.first().map_or(element_bytes, |&v| v as usize))),
                FLETCHER32 => Ok(Step::Fletcher32),
                LZF => Ok(Step::Lzf),
                other => Err(other),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { steps })
    }

    /// Decodes the bytes that were put into [`Decoder::input`] to exactly `chunk_bytes`. Bit i of `mask` says that filter i
    /// was left out when this chunk was written.
    pub(crate) fn decode<'d>(
        &self,
        decoder: &'d mut Decoder,
        mask: u32,
        chunk_bytes: usize,
    ) -> Result<&'d [u8], String> {
        for (i, &step) in self.steps.iter().enumerate().rev() {
            if i < 32 && mask & (1 << i) != 0 {
                continue;
            }
            let Decoder { inflate, front, back } = &mut *decoder;
            match step {
                Step::Fletcher32 => check_fletcher32(front)?,
                Step::Shuffle(size) => {
                    unshuffle(front, size, back);
                    std::mem::swap(front, back);
                }
                Step::Deflate | Step::Lzf => {
                    // What this step was given: the chunk and the checksums that earlier steps appended. A compressor
                    // before another one is not undone: its size would not be known.
                    let before = self.steps[..i].iter().enumerate().filter(|(j, _)| *j >= 32 || mask & (1 << j) == 0);
                    let mut expected = chunk_bytes;
                    for (_, s) in before {
                        match s {
                            Step::Fletcher32 => expected += 4,
                            Step::Shuffle(_) => {}
                            Step::Deflate | Step::Lzf => return Err("it is compressed twice".to_owned()),
                        }
                    }
                    back.resize(expected, 0);
                    let n = if step == Step::Deflate {
                        let inflate = inflate.get_or_insert_with(libdeflater::Decompressor::new);
                        inflate.zlib_decompress(front, back).map_err(|e| format!("deflate: {e}"))?
                    } else {
                        decompress_lzf(front, back).ok_or("lzf: corrupt data")?
                    };
                    if n != expected {
                        return Err(format!("it decodes to {n} bytes instead of {expected}"));
                    }
                    std::mem::swap(front, back);
                }
            }
        }
        if decoder.front.len() == chunk_bytes {
            Ok(&decoder.front)
        } else {
            Err(format!("it decodes to {} bytes instead of {chunk_bytes}", decoder.front.len()))
        }
    }
}

/// Undoes byte shuffling: byte b of element e is at b·n + e. Bytes after the last whole element are left at the end.
fn unshuffle(data: &[u8], size: usize, out: &mut Vec<u8>) {
    out.resize(data.len(), 0);
    if size < 2 || data.len() < size {
        out.copy_from_slice(data);
        return;
    }
    let n = data.len() / size;
    // Blocks of elements keep the strided writes within the first-level cache.
    for start in (0..n).step_by(512) {
        let end = (start + 512).min(n);
        for b in 0..size {
            let from = &data[b * n + start..b * n + end];
            let to = &mut out[start * size + b..];
            for (i, &byte) in from.iter().enumerate() {
                to[i * size] = byte;
            }
        }
    }
    out[n * size..].copy_from_slice(&data[n * size..]);
}

/// Checks and removes the checksum that HDF5 appends (`H5_checksum_fletcher32`, little-endian).
fn check_fletcher32(data: &mut Vec<u8>) -> Result<(), String> {
    let Some((body, stored)) = data.split_last_chunk::<4>() else {
        return Err("too short for its checksum".to_owned());
    };
    let (stored, found) = (u32::from_le_bytes(*stored), fletcher32(body));
    // HDF5 before 1.6.3 swapped the bytes of both halves.
    let swapped = ((found & 0x00ff_00ff) << 8) | ((found >> 8) & 0x00ff_00ff);
    if stored != found && stored != swapped {
        return Err(format!("checksum {stored:#010x} is stored, {found:#010x} computed"));
    }
    let length = body.len();
    data.truncate(length);
    Ok(())
}

/// Fletcher's checksum over big-endian 16-bit words, an odd last byte as the high byte of a word.
fn fletcher32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (0_u32, 0_u32);
    let fold = |s: u32| (s & 0xffff) + (s >> 16);
    // 360 words are the most that two sums of 32 bits take without overflow.
    for block in data.chunks(720) {
        for word in block.chunks(2) {
            a += u32::from(word[0]) << 8 | word.get(1).map_or(0, |&w| u32::from(w));
            b += a;
        }
        (a, b) = (fold(a), fold(b));
    }
    (a, b) = (fold(a), fold(b));
    b << 16 | a
}

/// LZF (Marc Lehmann's liblzf): literal runs and back references. Gives the length, or `None` for corrupt data.
fn decompress_lzf(data: &[u8], out: &mut [u8]) -> Option<usize> {
    let (mut i, mut o) = (0, 0);
    while let Some(&control) = data.get(i) {
        i += 1;
        let control = usize::from(control);
        if control < 32 {
            let n = control + 1;
            out.get_mut(o..o + n)?.copy_from_slice(data.get(i..i + n)?);
            (i, o) = (i + n, o + n);
        } else {
            let mut n = control >> 5;
            if n == 7 {
                n += usize::from(*data.get(i)?);
                i += 1;
            }
            let distance = (control & 0x1f) << 8 | usize::from(*data.get(i)?);
            i += 1;
            let n = n + 2;
            let from = o.checked_sub(distance + 1)?;
            if o + n > out.len() {
                return None;
            }
            if distance + 1 >= n {
                out.copy_within(from..from + n, o);
            } else if distance == 0 {
                let byte = out[from];
                out[o..o + n].fill(byte);
            } else {
                for k in 0..n {
                    out[o + k] = out[from + k];
                }
            }
            o += n;
        }
    }
    Some(o)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(filters: &[(i32, &[u32])], stored: &[u8], mask: u32, bytes: usize) -> Result<Vec<u8>, String> {
        let filters: Vec<_> = filters.iter().map(|&(id, v)| Filter { id, values: v.to_vec() }).collect();
        let pipeline = Pipeline::new(&filters, 4).map_err(|id| format!("filter {id}"))?;
        let mut decoder = Decoder::default();
        decoder.input(stored.len()).copy_from_slice(stored);
        pipeline.decode(&mut decoder, mask, bytes).map(<[u8]>::to_vec)
    }

    #[test]
    fn shuffle_is_undone_with_a_rest() {
        // Two elements of three bytes and one byte left over: by hand.
        assert_eq!(decode(&[(SHUFFLE, &[3])], b"adbecfx", 0, 7).as_deref(), Ok(&b"abcdefx"[..]));
    }

    #[test]
    fn lzf_literals_and_references() {
        // Three literals, then five bytes from three back, by hand: abc + abcab.
        assert_eq!(decode(&[(LZF, &[])], &[2, b'a', b'b', b'c', 3 << 5, 2], 0, 8).as_deref(), Ok(&b"abcabcab"[..]));
        // A reference before the first byte.
        assert!(decode(&[(LZF, &[])], &[3 << 5, 2], 0, 5).is_err());
        // More literals than there are bytes.
        assert!(decode(&[(LZF, &[])], &[9, 1, 2], 0, 10).is_err());
    }

    #[test]
    fn a_masked_filter_was_not_applied() {
        assert_eq!(decode(&[(SHUFFLE, &[2]), (LZF, &[])], b"acbd", 2, 4).as_deref(), Ok(&b"abcd"[..]));
        assert_eq!(decode(&[(SHUFFLE, &[2]), (LZF, &[])], b"acbd", 3, 4).as_deref(), Ok(&b"acbd"[..]));
    }

    #[test]
    fn fletcher32_of_a_known_text() {
        // Sums over the words "ab", "cd", "e\0", by hand: 0x6162, 0x6364, 0x6500.
        let a = (0x6162 + 0x6364 + 0x6500) % 0xffff;
        let b = (3 * 0x6162 + 2 * 0x6364 + 0x6500) % 0xffff;
        assert_eq!(fletcher32(b"abcde"), b << 16 | a);
        let mut stored = b"abcde".to_vec();
        stored.extend(fletcher32(b"abcde").to_le_bytes());
        assert_eq!(decode(&[(FLETCHER32, &[])], &stored, 0, 5).as_deref(), Ok(&b"abcde"[..]));
        stored[0] ^= 1;
        assert!(decode(&[(FLETCHER32, &[])], &stored, 0, 5).is_err());
    }

    #[test]
    fn an_unknown_filter_is_named() {
        assert_eq!(decode(&[(32_008, &[])], &[], 0, 0), Err("filter 32008".to_owned()));
    }
}
