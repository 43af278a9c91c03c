//! Truth values as bits, the first in the lowest bit: casacore's `Conversion::boolToBit`.

/// Gives the bits from number `first` of `bits`, one a byte (0 or 1), in `out`.
pub(super) fn unpack(bits: &[u8], first: usize, out: &mut [u8]) {
    let head = (first.next_multiple_of(8) - first).min(out.len());
    let (start, rest) = out.split_at_mut(head);
    for (i, out) in start.iter_mut().enumerate() {
        *out = bit(bits, first + i);
    }
    let mut eights = rest.chunks_exact_mut(8);
    let from = (first + head) / 8;
    let whole = eights.len();
    for (eight, &byte) in eights.by_ref().zip(&bits[from..]) {
        eight.copy_from_slice(&spread(byte).to_le_bytes());
    }
    for (i, out) in eights.into_remainder().iter_mut().enumerate() {
        *out = bit(bits, (from + whole) * 8 + i);
    }
}

/// Puts values (0 or 1 a byte) into the bits from number `first` of `bits`; other bits keep theirs.
pub(super) fn pack(values: &[u8], bits: &mut [u8], first: usize) {
    let head = (first.next_multiple_of(8) - first).min(values.len());
    let (start, rest) = values.split_at(head);
    for (i, &value) in start.iter().enumerate() {
        set(bits, first + i, value);
    }
    let eights = rest.chunks_exact(8);
    let from = (first + head) / 8;
    let (whole, tail) = (eights.len(), eights.remainder());
    for (eight, byte) in eights.zip(&mut bits[from..]) {
        let mut word = [0; 8];
        word.copy_from_slice(eight);
        *byte = gather(u64::from_le_bytes(word));
    }
    for (i, &value) in tail.iter().enumerate() {
        set(bits, (from + whole) * 8 + i, value);
    }
}

fn bit(bits: &[u8], number: usize) -> u8 {
    bits[number / 8] >> (number % 8) & 1
}

fn set(bits: &mut [u8], number: usize, value: u8) {
    let mask = 1 << (number % 8);
    let byte = &mut bits[number / 8];
    *byte = if value == 0 { *byte & !mask } else { *byte | mask };
}

/// Bit k of `byte` as byte k of the result.
fn spread(byte: u8) -> u64 {
    let one_bit_each = (u64::from(byte) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
    // A byte that has its bit becomes at least 0x80 and no byte carries into the next.
    ((one_bit_each + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & 0x0101_0101_0101_0101
}

/// The inverse of [`spread`], for bytes of 0 and 1: the product brings byte k's bit to bit 56 + k.
fn gather(bytes: u64) -> u8 {
    (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_words() {
        for byte in 0..=255_u8 {
            assert_eq!(gather(spread(byte)), byte);
            let expected: Vec<u8> = (0..8).map(|k| byte >> k & 1).collect();
            assert_eq!(spread(byte).to_le_bytes()[..], expected);
        }
    }

    #[test]
    fn any_place_and_length() {
        let values: Vec<u8> = (0..90).map(|i| u8::from(i * i % 7 < 3)).collect();
        for first in 0..20 {
            for length in 0..70 {
                let mut bits = vec![0xff; 12];
                pack(&values[..length], &mut bits, first);
                for i in 0..96 {
                    let expected = if (first..first + length).contains(&i) { values[i - first] } else { 1 };
                    assert_eq!(bit(&bits, i), expected);
                }
                let mut back = vec![9; length];
                unpack(&bits, first, &mut back);
                assert_eq!(back, values[..length]);
            }
        }
    }
}
