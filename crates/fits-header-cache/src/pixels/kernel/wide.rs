//! The kernels for big-endian 32-bit floating point, instruction by instruction: left to the compiler, the sums that run beside
//! each other did not stay in registers.

use std::arch::x86_64::{
    __m128, __m256, __m256d, __m256i, __m512, __m512d, __m512i, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ,
};

use pulp::x86::{V3, V4};

use super::{Block, Work, greatest, least};
use crate::pixels::zones::Zones;

/// Which byte goes where when the bytes of 32-bit numbers are turned round.
const SWAP: [u8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
/// Fills a row that is not full: NaN in any order of bytes.
const NOTHING: u8 = 0xff;

/// Sixteen values at a time.
pub(super) struct Avx512<'a> {
    pub(super) simd: V4,
    pub(super) work: Work<'a, f32>,
}

impl pulp::NullaryFnOnce for Avx512<'_> {
    type Output = Block<f32>;

    #[inline(always)]
    fn call(self) -> Block<f32> {
        match self.work.zones {
            Some(zones) => self.rows::<true>(zones),
            None => self.rows::<false>(&Zones::everything()),
        }
    }
}

impl Avx512<'_> {
    #[inline(always)]
    fn rows<const ZONES: bool>(self, zones: &Zones<f32>) -> Block<f32> {
        let Self { simd, work } = self;
        let (f, bw) = (simd.avx512f, simd.avx512bw);
        let splat = |x: f32| f._mm512_set1_ps(x);
        let swap: __m512i = pulp::cast([SWAP; 4]);
        let largest = splat(f32::MAX);
        let centre = f._mm512_set1_pd(f64::from(work.centre));
        let [low, middle, high] = [zones.low, zones.middle, zones.high].map(|zone| zone.map(splat));

        let (mut count, mut below, mut inner, mut len) = (0, 0, 0, 0);
        let (mut min, mut max) = (splat(f32::INFINITY), splat(f32::NEG_INFINITY));
        let mut sum = [f._mm512_setzero_pd(); 2];
        let mut squares = sum;
        let (rows, rest) = work.bytes.as_chunks::<64>();
        let mut last = [NOTHING; 64];
        last[..rest.len()].copy_from_slice(rest);
        let rest = if rest.is_empty() { &[] } else { std::slice::from_ref(&last) };
        for row in rows.iter().chain(rest) {
            let x: __m512 = pulp::cast(bw._mm512_shuffle_epi8(pulp::cast(*row), swap));
            let finite = f._mm512_cmp_ps_mask::<_CMP_LE_OQ>(f._mm512_abs_ps(x), largest);
            count += finite.count_ones();
            min = f._mm512_mask_min_ps(min, finite, min, x);
            max = f._mm512_mask_max_ps(max, finite, max, x);
            let halves: [__m256; 2] = pulp::cast(x);
            for half in 0..2 {
                let wide = f._mm512_cvtps_pd(halves[half]);
                let step = f._mm512_maskz_sub_pd((finite >> (8 * half)) as u8, wide, centre);
                sum[half] = f._mm512_add_pd(sum[half], step);
                squares[half] = f._mm512_fmadd_pd(step, step, squares[half]);
            }
            if ZONES {
                let from = |limit| f._mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, limit);
                let to = |k, limit| f._mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(k, x, limit);
                let candidates = to(from(low[0]), low[1]) | to(from(middle[0]), middle[1]) | to(from(high[0]), high[1]);
                below += f._mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(finite, x, middle[0]).count_ones();
                let above = f._mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, low[1]);
                inner += f._mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, x, high[0]).count_ones();
                if let Some(place) = work.kept[len..].first_chunk_mut::<16>() {
                    *place = pulp::cast(f._mm512_maskz_compress_ps(candidates, x));
                }
                len += candidates.count_ones() as usize;
            }
        }
        let total = |sums: [__m512d; 2]| f._mm512_reduce_add_pd(f._mm512_add_pd(sums[0], sums[1]));
        Block {
            finite: count,
            sum: total(sum),
            squares: total(squares),
            min: least(&pulp::cast::<_, [f32; 16]>(min)),
            max: greatest(&pulp::cast::<_, [f32; 16]>(max)),
            below,
            inner,
            kept: len,
        }
    }
}

/// Eight values at a time.
pub(super) struct Avx2<'a> {
    pub(super) simd: V3,
    pub(super) work: Work<'a, f32>,
}

impl pulp::NullaryFnOnce for Avx2<'_> {
    type Output = Block<f32>;

    #[inline(always)]
    fn call(self) -> Block<f32> {
        match self.work.zones {
            Some(zones) => self.rows::<true>(zones),
            None => self.rows::<false>(&Zones::everything()),
        }
    }
}

impl Avx2<'_> {
    #[inline(always)]
    fn rows<const ZONES: bool>(self, zones: &Zones<f32>) -> Block<f32> {
        let Self { simd, work } = self;
        let (avx, avx2, fma) = (simd.avx, simd.avx2, simd.fma);
        let splat = |x: f32| avx._mm256_set1_ps(x);
        let bits = |mask: __m256| avx._mm256_movemask_ps(mask) as u32;
        let swap: __m256i = pulp::cast([SWAP; 2]);
        let (largest, sign) = (splat(f32::MAX), splat(-0.0));
        let (highest, lowest) = (splat(f32::INFINITY), splat(f32::NEG_INFINITY));
        // What is not finite is put at the centre, where it adds nothing.
        let centre = splat(work.centre);
        let centre_wide = avx._mm256_set1_pd(f64::from(work.centre));
        let [low, middle, high] = [zones.low, zones.middle, zones.high].map(|zone| zone.map(splat));

        let (mut count, mut below, mut inner, mut len) = (0, 0, 0, 0);
        let (mut min, mut max) = (highest, lowest);
        let mut sum = [avx._mm256_set1_pd(0.0); 2];
        let mut squares = sum;
        let (rows, rest) = work.bytes.as_chunks::<32>();
        let mut last = [NOTHING; 32];
        last[..rest.len()].copy_from_slice(rest);
        let rest = if rest.is_empty() { &[] } else { std::slice::from_ref(&last) };
        for row in rows.iter().chain(rest) {
            let x: __m256 = pulp::cast(avx2._mm256_shuffle_epi8(pulp::cast(*row), swap));
            let finite = avx._mm256_cmp_ps::<_CMP_LE_OQ>(avx._mm256_andnot_ps(sign, x), largest);
            count += bits(finite).count_ones();
            min = avx._mm256_min_ps(avx._mm256_blendv_ps(highest, x, finite), min);
            max = avx._mm256_max_ps(avx._mm256_blendv_ps(lowest, x, finite), max);
            let halves: [__m128; 2] = pulp::cast(avx._mm256_blendv_ps(centre, x, finite));
            for half in 0..2 {
                let step = avx._mm256_sub_pd(avx._mm256_cvtps_pd(halves[half]), centre_wide);
                sum[half] = avx._mm256_add_pd(sum[half], step);
                squares[half] = fma._mm256_fmadd_pd(step, step, squares[half]);
            }
            if ZONES {
                let and = |a, b| avx._mm256_and_ps(a, b);
                let from = |limit| avx._mm256_cmp_ps::<_CMP_GE_OQ>(x, limit);
                let to = |limit| avx._mm256_cmp_ps::<_CMP_LE_OQ>(x, limit);
                let under = |limit| avx._mm256_cmp_ps::<_CMP_LT_OQ>(x, limit);
                below += bits(and(finite, under(middle[0]))).count_ones();
                inner += bits(and(avx._mm256_cmp_ps::<_CMP_GT_OQ>(x, low[1]), under(high[0]))).count_ones();
                let [a, b, c] = [low, middle, high].map(|zone| and(from(zone[0]), to(zone[1])));
                let mut candidates = bits(avx._mm256_or_ps(avx._mm256_or_ps(a, b), c));
                let values: [f32; 8] = pulp::cast(x);
                while candidates != 0 {
                    work.kept[len] = values[candidates.trailing_zeros() as usize & 7];
                    len += 1;
                    candidates &= candidates - 1;
                }
            }
        }
        let total = |sums: [__m256d; 2]| pulp::cast::<_, [f64; 8]>(sums).iter().sum();
        Block {
            finite: count,
            sum: total(sum),
            squares: total(squares),
            min: least(&pulp::cast::<_, [f32; 8]>(min)),
            max: greatest(&pulp::cast::<_, [f32; 8]>(max)),
            below,
            inner,
            kept: len,
        }
    }
}
