//! Truth values as bits, the first in the lowest bit of the first byte.

/// Packs values eight to a byte; the last byte's other bits are zero. Returns how many are set.
pub(super) fn pack(values: &[bool], out: &mut Vec<u8>) -> u64 {
    out.clear();
    out.reserve(values.len().div_ceil(8));
    let mut set = 0;
    let eights = values.chunks_exact(8);
    let rest = eights.remainder();
    for eight in eights.chain((!rest.is_empty()).then_some(rest)) {
        let byte = eight.iter().enumerate().fold(0, |byte, (place, &value)| byte | u8::from(value) << place);
        set += u64::from(byte.count_ones());
        out.push(byte);
    }
    set
}

/// The inverse, for as many values as `out` has.
pub(super) fn unpack(bytes: &[u8], out: &mut [bool]) {
    for (eight, &byte) in out.chunks_mut(8).zip(bytes) {
        for (place, value) in eight.iter_mut().enumerate() {
            *value = byte >> place & 1 == 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_comes_back() {
        for length in 0..40 {
            let values: Vec<bool> = (0..length).map(|i| i * i % 7 < 3).collect();
            let mut bytes = vec![1, 2, 3];
            let set = pack(&values, &mut bytes);
            assert_eq!(set, values.iter().filter(|&&value| value).count() as u64);
            assert_eq!(bytes.len(), values.len().div_ceil(8));
            let mut back = vec![true; length];
            unpack(&bytes, &mut back);
            assert_eq!(back, values);
        }
    }
}
