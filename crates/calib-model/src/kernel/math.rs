//! Sine, cosine and exponential in vector registers, from multiplications and additions alone.

use pulp::Simd;

/// Adding and subtracting 1.5·2⁵² rounds to the nearest whole number, up to 2⁵¹.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// sin(πr/2)/r and cos(πr/2) as polynomials of r² for r in ±1/2, interpolated at Chebyshev points: off by 6·10⁻¹⁷ and 10⁻¹⁶.
const SIN: [f64; 7] = [
    std::f64::consts::FRAC_PI_2,
    -0.645_964_097_506_244_3,
    0.079_692_626_246_043_01,
    -0.004_681_754_132_340_976,
    0.000_160_441_150_742_190_9,
    -3.598_643_352_982_31e-6,
    5.633_933_781_537_854e-8,
];
const COS: [f64; 7] = [
    1.0,
    -1.233_700_550_136_151_3,
    0.253_669_507_899_864_75,
    -0.020_863_480_734_946_57,
    0.000_919_259_950_041_661,
    -2.520_013_526_428_479e-5,
    4.655_296_187_486_762_3e-7,
];

#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::f64s, c: &[f64; N]) -> S::f64s {
    let mut sum = s.splat_f64s(c[N - 1]);
    for k in (0..N - 1).rev() {
        sum = s.mul_add_e_f64s(sum, x, s.splat_f64s(c[k]));
    }
    sum
}

/// (sin 2πx, cos 2πx) for |x| < 2⁵¹, within 2·10⁻¹⁵: whole turns are taken off exactly, a quarter of the rest goes into
/// polynomials, and doubling the angle twice needs neither quadrants nor integers.
#[inline(always)]
pub(super) fn sincos_turns<S: Simd>(s: S, x: S::f64s) -> (S::f64s, S::f64s) {
    let round = s.splat_f64s(ROUND);
    let one = s.splat_f64s(1.0);
    let r = s.sub_f64s(x, s.sub_f64s(s.add_f64s(x, round), round));
    let z = s.mul_f64s(r, r);
    let sin = s.mul_f64s(r, polynomial(s, z, &SIN));
    let cos = polynomial(s, z, &COS);
    let twice = s.add_f64s(sin, sin);
    let (sin, cos) = (s.mul_f64s(twice, cos), s.negate_mul_add_e_f64s(twice, sin, one));
    let twice = s.add_f64s(sin, sin);
    (s.mul_f64s(twice, cos), s.negate_mul_add_e_f64s(twice, sin, one))
}

/// eˣ for x up to 700, within 10⁻¹⁰ of itself; 0 far below. A series of x/4096 and twelve squarings.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::f64s) -> S::f64s {
    const SERIES: [f64; 10] = [
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
    ];
    let x = s.min_f64s(s.max_f64s(x, s.splat_f64s(-800.0)), s.splat_f64s(700.0));
    let mut y = polynomial(s, s.mul_f64s(x, s.splat_f64s(1.0 / 4096.0)), &SERIES);
    for _ in 0..12 {
        y = s.mul_f64s(y, y);
    }
    y
}

/// The product of two complex numbers (re, im).
#[inline(always)]
pub(super) fn mul<S: Simd>(s: S, a: [S::f64s; 2], b: [S::f64s; 2]) -> [S::f64s; 2] {
    [s.negate_mul_add_e_f64s(a[1], b[1], s.mul_f64s(a[0], b[0])), s.mul_add_e_f64s(a[1], b[0], s.mul_f64s(a[0], b[1]))]
}

/// a·b − c.
#[inline(always)]
pub(super) fn mul_sub<S: Simd>(s: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
    s.mul_add_e_f64s(a, b, s.neg_f64s(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn sincos_and_exp_agree_with_the_standard_library() {
        let s = pulp::Scalar::new();
        for k in -40_000..40_000 {
            let x = f64::from(k) * 0.001_234_5;
            let (sin, cos) = sincos_turns(s, x);
            let r = (x - x.round()) * TAU;
            assert!((sin - r.sin()).abs() < 2e-15 && (cos - r.cos()).abs() < 2e-15, "{x}: {sin} {cos}");
            let x = f64::from(k) * 0.0175;
            assert!((exp(s, x) - x.exp()).abs() <= 1e-10 * x.exp(), "{x}: {} {}", exp(s, x), x.exp());
        }
        // Beyond 2^40 turns a turn still has its third decimal.
        let x = 1_099_511_627_776.0 + 0.125;
        assert!((sincos_turns(s, x).0 - 0.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(exp(s, -1e300), 0.0);
    }
}
