//! The work on one block of values: sums, extremes, and where the values stand to the [`Zones`] of median and MAD.
//!
//! For big-endian 32-bit floating point there are kernels of their own for AVX-512 and AVX2 ([`wide`]); all else takes the
//! plain loops here, which the compiler makes vectors of as far as it can.

use super::sample::{Encoding, Sample};
use super::zones::Zones;

#[cfg(target_arch = "x86_64")]
mod wide;

/// Values that are worked on at once: they stay in the innermost cache.
pub(crate) const BLOCK: usize = 4096;
/// Sums that run beside each other, so that vector units are full and errors small.
const LANES: usize = 8;
/// The most values that one vector holds.
pub(crate) const VECTOR: usize = 16;

/// Room for the candidates of a block: a vector may be stored whole behind them.
pub(crate) type Kept<T> = [T; BLOCK + VECTOR];

/// What the finite values of a block add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block<T> {
    /// How many there are.
    pub(crate) finite: u32,
    /// The sum of their differences from the centre.
    pub(crate) sum: f64,
    /// The sum of the squares of these.
    pub(crate) squares: f64,
    /// The least; infinity where there is none.
    pub(crate) min: T,
    /// The greatest.
    pub(crate) max: T,
    /// How many are below the middle zone.
    pub(crate) below: u32,
    /// How many are between the outer zones.
    pub(crate) inner: u32,
    /// How many are in zones, and were put to the front of [`Kept`].
    pub(crate) kept: usize,
}

/// Which vector instructions the processor has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    /// What the compiler makes of plain loops.
    Plain,
}

impl Instructions {
    /// The best of this processor.
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return Self::Avx512(simd);
            }
            if let Some(simd) = pulp::x86::V3::try_new() {
                return Self::Avx2(simd);
            }
        }
        Self::Plain
    }
}

/// A block of stored numbers, at most [`BLOCK`], and what to do with it.
pub(crate) struct Work<'a, T> {
    pub(crate) encoding: Encoding,
    pub(crate) bytes: &'a [u8],
    /// Sums are of the differences from this, which should be near the mean.
    pub(crate) centre: T,
    pub(crate) zones: Option<&'a Zones<T>>,
    pub(crate) kept: &'a mut Kept<T>,
}

impl<T: Sample> Work<'_, T> {
    /// By loops for any kind of number.
    pub(crate) fn plain(self) -> Block<T> {
        pulp::Arch::new().dispatch(Plain(self))
    }
}

impl Work<'_, f32> {
    /// By the kernels for 32-bit floating point.
    pub(crate) fn single(self, instructions: Instructions) -> Block<f32> {
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(simd) => simd.vectorize(wide::Avx512 { simd, work: self }),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(simd) => simd.vectorize(wide::Avx2 { simd, work: self }),
            Instructions::Plain => self.plain(),
        }
    }
}

struct Plain<'a, T>(Work<'a, T>);

impl<T: Sample> pulp::NullaryFnOnce for Plain<'_, T> {
    type Output = Block<T>;

    #[inline(always)]
    fn call(self) -> Block<T> {
        let Work { encoding, bytes, centre, zones, kept } = self.0;
        let mut values = [T::NAN; BLOCK];
        let values = &mut values[..(bytes.len() / encoding.bytes()).min(BLOCK)];
        T::decode(encoding, bytes, values);
        let mut found = sums(values, centre);
        if let Some(zones) = zones {
            (found.below, found.inner, found.kept) = compare(values, zones, kept);
        }
        found
    }
}

#[inline(always)]
fn sums<T: Sample>(values: &[T], centre: T) -> Block<T> {
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut last = [T::NAN; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let centre = centre.wide();
    let (mut count, mut sum, mut squares) = ([0_u32; LANES], [0.0; LANES], [0.0; LANES]);
    let (mut min, mut max) = ([T::INFINITY; LANES], [T::NEG_INFINITY; LANES]);
    for row in rows.iter().chain([&last]) {
        for lane in 0..LANES {
            let x = row[lane];
            let finite = x.finite();
            count[lane] += u32::from(finite);
            let step = if finite { x.wide() - centre } else { 0.0 };
            sum[lane] += step;
            squares[lane] += step * step;
            let low = if finite { x } else { T::INFINITY };
            min[lane] = if low < min[lane] { low } else { min[lane] };
            let high = if finite { x } else { T::NEG_INFINITY };
            max[lane] = if high > max[lane] { high } else { max[lane] };
        }
    }
    Block {
        finite: count.iter().sum(),
        sum: sum.iter().sum(),
        squares: squares.iter().sum(),
        min: least(&min),
        max: greatest(&max),
        below: 0,
        inner: 0,
        kept: 0,
    }
}

/// How many values are below the middle zone and between the outer ones; how many candidates were put to the front of `kept`.
#[inline(always)]
fn compare<T: Sample>(values: &[T], zones: &Zones<T>, kept: &mut Kept<T>) -> (u32, u32, usize) {
    let Zones { low, middle, high } = *zones;
    let (mut below, mut inner, mut len) = (0, 0, 0);
    for &x in values {
        below += u32::from(x.finite() & (x < middle[0]));
        inner += u32::from((x > low[1]) & (x < high[0]));
        let candidate =
            (x >= low[0]) & (x <= low[1]) | (x >= middle[0]) & (x <= middle[1]) | (x >= high[0]) & (x <= high[1]);
        kept[len] = x;
        len += usize::from(candidate);
    }
    (below, inner, len)
}

#[inline(always)]
fn least<T: Sample>(values: &[T]) -> T {
    values.iter().copied().fold(T::INFINITY, |a, b| if b < a { b } else { a })
}

#[inline(always)]
fn greatest<T: Sample>(values: &[T]) -> T {
    values.iter().copied().fold(T::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All instructions that this processor has.
    fn all() -> Vec<Instructions> {
        let mut all = vec![Instructions::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V3::try_new().map(Instructions::Avx2));
            all.extend(pulp::x86::V4::try_new().map(Instructions::Avx512));
        }
        all
    }

    #[test]
    fn every_kernel_finds_the_same() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, f32::MIN, 1e-40];
        let zones = Zones { low: [-0.3, -0.25], middle: [-0.02, 0.02], high: [0.25, 0.3] };
        let everything = Zones::everything();
        for count in [0, 1, 7, 8, 15, 16, 17, 33, 1000, BLOCK] {
            for (odd, zones) in [(false, None), (true, None), (true, Some(&zones)), (true, Some(&everything))] {
                let value = |i: usize| if odd && i % 5 == 2 { special[i / 5 % special.len()] } else { next() };
                let values: Vec<f32> = (0..count).map(value).collect();
                let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_be_bytes()).collect();
                let run = |instructions| {
                    let mut kept = [0.0; BLOCK + VECTOR];
                    let work = Work { encoding: Encoding::F32, bytes: &bytes, centre: 0.125, zones, kept: &mut kept };
                    let block = work.single(instructions);
                    let kept: Vec<u32> = kept[..block.kept].iter().map(|x| x.to_bits()).collect();
                    (block, kept)
                };
                let (plain, kept) = run(Instructions::Plain);
                let finite = values.iter().filter(|x| x.is_finite());
                assert_eq!(plain.finite as usize, finite.clone().count());
                let wanted = |zones: &Zones<f32>| {
                    let within = |x: f32| [zones.low, zones.middle, zones.high].iter().any(|z| z[0] <= x && x <= z[1]);
                    finite.clone().filter(|x| within(**x)).map(|x| x.to_bits()).collect::<Vec<_>>()
                };
                assert_eq!(kept, zones.map(wanted).unwrap_or_default());
                for instructions in all() {
                    let (found, others) = run(instructions);
                    assert_eq!(others, kept, "{instructions:?} {count}");
                    let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * plain.squares.max(1.0);
                    assert!(
                        near(found.sum, plain.sum) && near(found.squares, plain.squares),
                        "{instructions:?} {count}"
                    );
                    assert_eq!(
                        Block { sum: plain.sum, squares: plain.squares, ..found },
                        plain,
                        "{instructions:?} {count}"
                    );
                }
            }
        }
    }
}
