//! Lanes become rows: registers of real and of imaginary parts become rows of complex numbers in f32.
//!
//! Left to itself, the compiler collects what is a register apart with gathers, which take longer than predicting one source.
//! There are no closures here: they would not be compiled for the instruction set.

#[cfg(target_arch = "x86_64")]
use std::any::Any;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256d, __m512d, __m512i};

use pulp::Simd;
use pulp::bytemuck::{cast, cast_slice, cast_slice_mut};
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Complex numbers of a row that are written together: a line of the cache.
pub(super) const TILE: usize = 8;

/// From the (re, im) of [`TILE`] numbers, each with all lanes, to the lanes, each with its `TILE` numbers side by side as (re, im)
/// in f32.
#[inline(always)]
pub(super) fn rows_of<S: Simd>(s: S, tile: &[[S::f64s; 2]; TILE]) -> [S::f64s; TILE] {
    let mut out = [s.splat_f64s(0.0); TILE];
    #[cfg(target_arch = "x86_64")]
    {
        // Constants once compiled: each instruction set has its own copy of this function.
        let set: &dyn Any = &s;
        if let Some(&v4) = set.downcast_ref::<V4>() {
            let mut numbers = [cast::<[f64; 8], __m512d>([0.0; 8]); 8];
            for (number, &[re, im]) in numbers.iter_mut().zip(tile) {
                *number = eight_numbers(v4, cast(re), cast(im));
            }
            for (out, row) in out.iter_mut().zip(transpose_eight(v4, numbers)) {
                *out = cast(row);
            }
            return out;
        }
        if let Some(&v3) = set.downcast_ref::<V3>() {
            let (halves, _) = tile.as_chunks::<4>();
            for (half, tile) in halves.iter().enumerate() {
                let mut numbers = [cast::<[f64; 4], __m256d>([0.0; 4]); 4];
                for (number, &[re, im]) in numbers.iter_mut().zip(tile) {
                    *number = four_numbers(v3, cast(re), cast(im));
                }
                for (lane, row) in transpose_four(v3, numbers).into_iter().enumerate() {
                    out[2 * lane + half] = cast(row);
                }
            }
            return out;
        }
    }
    let numbers: &mut [[f32; 2]] = cast_slice_mut(&mut out);
    for (k, [re, im]) in tile.iter().enumerate() {
        let (re, im): (&[f64], &[f64]) = (cast_slice(std::slice::from_ref(re)), cast_slice(std::slice::from_ref(im)));
        for (lane, (re, im)) in re.iter().zip(im).enumerate() {
            numbers[lane * TILE + k] = [*re as f32, *im as f32];
        }
    }
    out
}

/// Complex numbers in f32, each in the place of an f64.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn eight_numbers(s: V4, re: __m512d, im: __m512d) -> __m512d {
    const SIDE_BY_SIDE: [i32; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
    let s = s.avx512f;
    let re = s._mm512_castps256_ps512(s._mm512_cvtpd_ps(re));
    let im = s._mm512_castps256_ps512(s._mm512_cvtpd_ps(im));
    cast(s._mm512_permutex2var_ps(re, cast::<_, __m512i>(SIDE_BY_SIDE), im))
}

/// As [`eight_numbers`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn four_numbers(s: V3, re: __m256d, im: __m256d) -> __m256d {
    let (re, im) = (s.avx._mm256_cvtpd_ps(re), s.avx._mm256_cvtpd_ps(im));
    cast(s.avx._mm256_set_m128(s.sse._mm_unpackhi_ps(re, im), s.sse._mm_unpacklo_ps(re, im)))
}

/// Pairs of neighbours first, then the quarters of registers as blocks of four.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose_eight(s: V4, a: [__m512d; 8]) -> [__m512d; 8] {
    let f = s.avx512f;
    let even = quarters(
        s,
        [
            f._mm512_unpacklo_pd(a[0], a[1]),
            f._mm512_unpacklo_pd(a[2], a[3]),
            f._mm512_unpacklo_pd(a[4], a[5]),
            f._mm512_unpacklo_pd(a[6], a[7]),
        ],
    );
    let odd = quarters(
        s,
        [
            f._mm512_unpackhi_pd(a[0], a[1]),
            f._mm512_unpackhi_pd(a[2], a[3]),
            f._mm512_unpackhi_pd(a[4], a[5]),
            f._mm512_unpackhi_pd(a[6], a[7]),
        ],
    );
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn quarters(s: V4, [a, b, c, d]: [__m512d; 4]) -> [__m512d; 4] {
    let s = s.avx512f;
    let ab = [s._mm512_shuffle_f64x2::<0x88>(a, b), s._mm512_shuffle_f64x2::<0xdd>(a, b)];
    let cd = [s._mm512_shuffle_f64x2::<0x88>(c, d), s._mm512_shuffle_f64x2::<0xdd>(c, d)];
    [
        s._mm512_shuffle_f64x2::<0x88>(ab[0], cd[0]),
        s._mm512_shuffle_f64x2::<0x88>(ab[1], cd[1]),
        s._mm512_shuffle_f64x2::<0xdd>(ab[0], cd[0]),
        s._mm512_shuffle_f64x2::<0xdd>(ab[1], cd[1]),
    ]
}

/// As [`transpose_eight`], with halves of registers.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose_four(s: V3, a: [__m256d; 4]) -> [__m256d; 4] {
    let s = s.avx;
    let (even, even_after) = (s._mm256_unpacklo_pd(a[0], a[1]), s._mm256_unpacklo_pd(a[2], a[3]));
    let (odd, odd_after) = (s._mm256_unpackhi_pd(a[0], a[1]), s._mm256_unpackhi_pd(a[2], a[3]));
    [
        s._mm256_permute2f128_pd::<0x20>(even, even_after),
        s._mm256_permute2f128_pd::<0x20>(odd, odd_after),
        s._mm256_permute2f128_pd::<0x31>(even, even_after),
        s._mm256_permute2f128_pd::<0x31>(odd, odd_after),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tile whose parts are all different, and its rows.
    struct Turned;

    impl pulp::WithSimd for Turned {
        type Output = Vec<[f32; 2]>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> Vec<[f32; 2]> {
            let mut tile = [[s.splat_f64s(0.0); 2]; TILE];
            let parts: &mut [f64] = cast_slice_mut(tile.as_flattened_mut());
            for (k, part) in parts.iter_mut().enumerate() {
                *part = k as f64;
            }
            cast_slice(&rows_of(s, &tile)).to_vec()
        }
    }

    fn check(lanes: usize, rows: &[[f32; 2]]) {
        assert_eq!(rows.len(), lanes * TILE);
        for (at, number) in rows.iter().enumerate() {
            let (lane, k) = (at / TILE, at % TILE);
            let expected = [2 * k * lanes + lane, (2 * k + 1) * lanes + lane].map(|x| x as f32);
            assert_eq!(*number, expected, "number {k} of lane {lane} of {lanes}");
        }
    }

    #[test]
    fn lanes_become_rows_with_every_instruction_set() {
        check(1, &pulp::WithSimd::with_simd(Turned, pulp::Scalar::new()));
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(v3) = V3::try_new() {
                check(4, &Simd::vectorize(v3, Turned));
            }
            if let Some(v4) = V4::try_new() {
                check(8, &Simd::vectorize(v4, Turned));
            }
        }
    }
}
