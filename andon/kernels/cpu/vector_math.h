/* Functions of vectors: float32 to about 2 units in the last place, float64 through libm.
 *
 * For every input: infinities, NaN, denormal arguments and results. Largest errors seen, in units:
 * exp 0.9, exp2 0.9, expm1 1.5, log 0.9, log1p 1.5, tanh 1.5, erf 1.4, sin and cos 1.6, sigmoid
 * 2.2; silu 2 and gelu 2.4 for x > -1. Without FMA: exp and exp2 1.2. Far below zero, silu and gelu
 * lose the bits that rounding their exponent's argument costs; what is left there is next to
 * nothing. The polynomials are minimax fits, their coefficients rounded to float one after the
 * other. Between compilers and targets the last bit may differ, as multiply and add are fused where
 * there is FMA. */
#ifndef ANDON_VECTOR_MATH_H
#define ANDON_VECTOR_MATH_H

#include "vector.h"
#include <float.h>

#define LOG2_E 1.44269504f
/* ln 2 in two parts, the first with few bits: a product with an exponent is exact without FMA
 * too. */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f

/* Adding 1.5 * 2^23 leaves no bits for a fraction: the float is rounded to a whole number, which is
 * also in its low bits. For |x| < 2^22. */
#define ROUNDING_SHIFT 12582912.0f
INLINE vf vf_round_small(vf x) { return (x + ROUNDING_SHIFT) - ROUNDING_SHIFT; }

/* y * 2^n for a whole n, |n| <= 252. Without an instruction for it: two powers of 2, both normal
 * numbers, so that only a last, denormal result is rounded. */
INLINE vf vf_scale(vf y, vf n)
{
#ifdef __AVX512F__
    return __builtin_ia32_scalefps512_mask(y, n, y, -1, 4); /* 4: rounds as always */
#else
    vi whole = vi_from_vf(n), half = whole >> 1;
    return y * (vf)((half + 127) << 23) * (vf)((whole - half + 127) << 23);
#endif
}

/* (e^r - 1 - r) / r^2 in |r| <= ln(2)/2. */
INLINE vf exp_beyond_linear(vf r)
{
    vf p = 1.38722092e-3f * r + 8.36687628e-3f;
    p = p * r + 4.16674279e-2f;
    p = p * r + 1.66665420e-1f;
    return p * r + 4.99999970e-1f;
}

/* e^r 2^n in |r| <= ln(2)/2. */
INLINE vf exp_of_parts(vf r, vf n)
{
    vf slope = exp_beyond_linear(r) * r + 1.0f;
    return vf_scale(slope * r + 1.0f, n);
}

/* e^x, of x = n ln 2 + r. Past the clamps the result is 0 or infinite. */
INLINE vf vf_exp(vf x)
{
    x = vf_max(vf_min(x, vf_set(89.0f)), vf_set(-104.0f));
    vf n = vf_round_small(x * LOG2_E);
    return exp_of_parts(x - n * LN2_HIGH - n * LN2_LOW, n);
}

/* 2^x. */
INLINE vf vf_exp2(vf x)
{
    x = vf_max(vf_min(x, vf_set(128.0f)), vf_set(-151.0f));
    vf n = vf_round_small(x);
    return exp_of_parts((x - n) * 0.693147182f, n);
}

/* e^x - 1 = 2^n (e^r - 1) + (2^n - 1), computed for n - 1 and doubled, as 2^128 is no float. The
 * linear term of e^r - 1 is added in its two parts, so that rounding their difference costs
 * nothing. */
INLINE vf vf_expm1(vf x)
{
    vf y = vf_max(vf_min(x, vf_set(89.0f)), vf_set(-20.0f));
    vf n = vf_round_small(y * LOG2_E), high = y - n * LN2_HIGH, low = n * LN2_LOW, r = high - low;
    vf t = high + (r * r * exp_beyond_linear(r) - low);
    vf power = (vf)((vi_from_vf(n) + 126) << 23);
    vf half = power * t + (power - 0.5f);
    return vf_copysign(half + half, x);
}

/* log((1 + f) 2^e) for 1 + f in [sqrt(1/2), sqrt(2)). */
INLINE vf log_of_parts(vf f, vf e)
{
    vf p = -7.64514953e-2f * f + 1.27783552e-1f;
    p = p * f - 1.31642282e-1f;
    p = p * f + 1.41998321e-1f;
    p = p * f - 1.66227743e-1f;
    p = p * f + 2.00012848e-1f;
    p = p * f - 2.50008374e-1f;
    p = p * f + 3.33333313e-1f;
    vf square = f * f;
    return e * LN2_HIGH + (f + (square * (f * p - 0.5f) + e * LN2_LOW));
}

/* Splits a positive x = m 2^e with m in [sqrt(1/2), sqrt(2)), and returns e. */
INLINE vi split_exponent(vf x, vf *m)
{
    const int32_t root_half = 0x3f3504f3;
    vi denormal = x < FLT_MIN;
    vi bits = (vi)vf_where(denormal, x * 0x1p23f, x);
    vi e = (bits - root_half) >> 23;
    *m = (vf)(bits - (e << 23));
    return e - (denormal & 23);
}

/* The result if 0 < x < inf; log's value elsewhere: -inf at 0, NaN below, inf and NaN of
 * themselves. */
INLINE vf at_edges_of_log(vf x, vf result)
{
    vf below = vf_where(x == 0.0f, vf_set(-INFINITY), vf_set(NAN));
    vf outside = vf_where(x <= 0.0f, below, x);
    return vf_where((x > 0.0f) & (x < INFINITY), result, outside);
}

INLINE vf vf_log(vf x)
{
    vf m;
    vi e = split_exponent(x, &m);
    return at_edges_of_log(x, log_of_parts(m - 1.0f, vf_from_vi(e)));
}

/* log(1 + x): what the sum 1 + x rounds away is added to its fraction; where 1 + x needs no
 * exponent, that fraction is x itself. */
INLINE vf vf_log1p(vf x)
{
    vf u = 1.0f + x, m;
    vi e = split_exponent(u, &m);
    vf lost = (x - (u - 1.0f)) * (vf)((127 - e) << 23);
    vf fraction = m - 1.0f + vf_where(u < 0x1p24f, lost, vf_set(0.0f));
    vf result = log_of_parts(vf_where(e == 0, x, fraction), vf_from_vi(e));
    return vf_where(vf_abs(x) < 0x1p-24f, x, at_edges_of_log(u, result));
}

/* 1 / (1 + e^-x), by e^-|x| so that neither end overflows. */
INLINE vf vf_sigmoid(vf x)
{
    vf e = vf_exp(-vf_abs(x));
    return vf_where(x < 0.0f, e, vf_set(1.0f)) / (1.0f + e);
}

/* An odd polynomial up to 0.55; above, 1 - 2E / (1 + E) with E = e^-2|x|. */
INLINE vf vf_tanh(vf x)
{
    vf e = vf_exp(-2.0f * vf_abs(x));
    vf large = 1.0f - (e + e) / (1.0f + e);
    vf t = vf_abs(x), s = x * x;
    vf p = -6.16961345e-3f * s + 2.10003760e-2f;
    p = p * s - 5.38357571e-2f;
    p = p * s + 1.33324370e-1f;
    p = p * s - 3.33333135e-1f;
    return vf_copysign(vf_where(t < 0.55f, p * (s * t) + t, large), x);
}

/* x sigmoid(x): -0 from where e^-x is infinite. */
INLINE vf vf_silu(vf x) { return x / (1.0f + vf_exp(-x)); }

/* gelu in its tanh form, x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), which is
 * x sigmoid(2u): one exponential. Far below zero the error grows with that of u in e^-2u. */
INLINE vf vf_gelu_tanh(vf x)
{
    return x / (1.0f + vf_exp(x * (-1.59576912f - 7.13548163e-2f * (x * x))));
}

/* erf: an odd polynomial up to 0.92; above, 1 - e^q with a fitted q(t) = log(1 - erf t). */
INLINE vf vf_erf(vf x)
{
    vf t = vf_min(vf_abs(x), vf_set(4.0f)), s = t * t;
    vf p = -5.63121634e-4f * s + 4.91748378e-3f;
    p = p * s - 2.67112274e-2f;
    p = p * s + 1.12801753e-1f;
    p = p * s - 3.76123250e-1f;
    p = p * s + 1.28379121e-1f;
    /* of t in pairs, of the pairs in s: the exponential waits for a shorter chain */
    vf q = (2.14159241e-4f * t - 3.21648549e-3f) * s + (2.28952076e-2f * t - 1.05270602e-1f);
    q = q * s + (-6.35711193e-1f * t - 1.28516614e-1f);
    vf magnitude = vf_where(t < 0.92f, t * p + t, 1.0f - vf_exp(q * t - t));
    return vf_copysign(magnitude, x);
}

/* x = n pi/2 + r with |r| <= pi/4 (a little more for large n). In doubles, with pi/2 in two parts:
 * n times the first, of 33 bits, is exact, so r is right to the last bit even next to a zero. */
#define TRIGONOMETRIC_LIMIT 1e5f
INLINE vf reduce_quadrant(vf x, vi *quadrant)
{
    const double high = 0x1.921fb544p0, low = 0x1.0b4611a626331p-34;
    vf n = vf_round_small(x * 0.636619772f);
    *quadrant = vi_from_vf(n);
    vd from_low = vd_from_low(x) - vd_from_low(n) * high - vd_from_low(n) * low;
    vd from_high = vd_from_high(x) - vd_from_high(n) * high - vd_from_high(n) * low;
    return vf_from_vd(from_low, from_high);
}

/* sin(r + quadrant pi/2). */
INLINE vf sin_in_quadrant(vf r, vi quadrant)
{
    vf s = r * r;
    vf sine = (-1.95074477e-4f * s + 8.33210442e-3f) * s - 1.66666538e-1f;
    sine = sine * (s * r) + r;
    vf cosine = (2.44294151e-5f * s - 1.38872943e-3f) * s + 4.16666456e-2f;
    cosine = cosine * (s * s) + (1.0f - 0.5f * s);
    vf y = vf_where((quadrant & 1) != 0, cosine, sine);
    return (vf)((vi)y ^ ((quadrant & 2) << 30));
}

static __attribute__((noinline, unused)) vf by_lane(float function(float), vf x)
{
    for (int i = 0; i < LANES; i++) x[i] = function(x[i]);
    return x;
}

INLINE vf vf_sin(vf x)
{
    if (vi_any(vf_abs(x) > TRIGONOMETRIC_LIMIT)) return by_lane(sinf, x);
    vi quadrant;
    vf r = reduce_quadrant(x, &quadrant);
    return vf_where(x == 0.0f, x, sin_in_quadrant(r, quadrant)); /* -0 stays -0 */
}

INLINE vf vf_cos(vf x)
{
    if (vi_any(vf_abs(x) > TRIGONOMETRIC_LIMIT)) return by_lane(cosf, x);
    vi quadrant;
    vf r = reduce_quadrant(x, &quadrant);
    return sin_in_quadrant(r, quadrant + 1);
}

/* ---- float64: libm, lane by lane ---- */

#define VD_BY_LANE(name, function)                                                                \
    INLINE vd vd_##name(vd x)                                                                     \
    {                                                                                             \
        UNROLL for (int i = 0; i < VD_LANES; i++) x[i] = function(x[i]);                          \
        return x;                                                                                 \
    }
VD_BY_LANE(exp, exp)
VD_BY_LANE(exp2, exp2)
VD_BY_LANE(expm1, expm1)
VD_BY_LANE(log, log)
VD_BY_LANE(log1p, log1p)
VD_BY_LANE(tanh, tanh)
VD_BY_LANE(erf, erf)
VD_BY_LANE(sin, sin)
VD_BY_LANE(cos, cos)

INLINE vd vd_sigmoid(vd x)
{
    vd e = vd_exp(-vd_abs(x));
    return vd_where((vl)(x < 0.0), e, vd_set(1.0)) / (1.0 + e);
}

INLINE vd vd_silu(vd x) { return x / (1.0 + vd_exp(-x)); }

INLINE vd vd_gelu_tanh(vd x)
{
    return x / (1.0 + vd_exp(x * (-1.5957691216057308 - 0.07135481627260025 * (x * x))));
}
#endif
