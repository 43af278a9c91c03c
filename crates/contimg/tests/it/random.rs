//! Repeatable random numbers: SplitMix64 (Steele, Lea, Flood 2014).

/// A sequence of random numbers.
pub(crate) struct Random(u64);

impl Random {
    /// A sequence for `what`, the same in every run unless `CONTIMG_CRASH_SEED` is set.
    pub(crate) fn of(what: &str) -> Self {
        let seed = std::env::var("CONTIMG_CRASH_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(110);
        Self(what.bytes().fold(seed, |h: u64, b| h.wrapping_mul(0x0100_0000_01b3) ^ u64::from(b)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number from 0 to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
