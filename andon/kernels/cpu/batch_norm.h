/* Batch norm of (N, C, L) in training: per channel, over samples and positions.
 *
 *     xh = (x - mean) rstd,   rstd = 1 / sqrt(var + eps)     y = xh weight + bias
 *
 * A function works on channels [c0, c1); a channel stays in the cache from its sums to its result.
 * Where L is 1, a vector holds as many channels, and otherwise as many positions. `weight` and
 * `bias` may be NULL. */
#ifndef ANDON_BATCH_NORM_H
#define ANDON_BATCH_NORM_H

#include "vector_math.h"

typedef struct {
    long N, C, L;
    float eps;
} batch_norm_shape;

/* The sum of (x - shift) over a channel, to the first or the second power. */
INLINE float batch_sum(batch_norm_shape s, const float *x, float shift, const int power)
{
    double total = 0;
    for (long n = 0; n < s.N; n++) {
        const float *row = x + n * s.C * s.L;
        vf sums[2] = {{0}, {0}};
        for (long i = 0; i < s.L; i += LANES) {
            vf d = vf_load_part(row + i, s.L - i, shift) - shift;
            if (power == 2) d *= d;
            sums[i / LANES % 2] += d;
        }
        total += vf_sum_lanes(sums[0] + sums[1]);
    }
    return (float)total;
}

INLINE void batch_norm_channel(batch_norm_shape s, const float *x, float weight, float bias,
                               float *y, float *mean, float *variance)
{
    const float count = (float)(s.N * s.L);
    *mean = batch_sum(s, x, 0.0f, 1) / count;
    *variance = batch_sum(s, x, *mean, 2) / count;
    const float scale = weight / sqrtf(*variance + s.eps);
    for (long n = 0; n < s.N; n++)
        for (long i = 0; i < s.L; i += LANES) {
            const long at = n * s.C * s.L + i;
            const vf d = vf_load_part(x + at, s.L - i, 0.0f) - *mean;
            vf_store_part(y + at, d * scale + bias, s.L - i);
        }
}

/* `count` channels of which each sample has one element. */
INLINE void batch_norm_columns(batch_norm_shape s, long count, const float *x, vf weight, vf bias,
                               float *y, float *mean, float *variance)
{
    vf m = {0}, v = {0};
    for (long n = 0; n < s.N; n++) m += vf_load_part(x + n * s.C, count, 0.0f);
    m /= (float)s.N;
    for (long n = 0; n < s.N; n++) {
        const vf d = vf_load_part(x + n * s.C, count, 0.0f) - m;
        v += d * d;
    }
    v /= (float)s.N;
    const vf scale = weight / vf_sqrt(v + s.eps);
    for (long n = 0; n < s.N; n++) {
        const vf d = vf_load_part(x + n * s.C, count, 0.0f) - m;
        vf_store_part(y + n * s.C, d * scale + bias, count);
    }
    vf_store_part(mean, m, count);
    vf_store_part(variance, v, count);
}

INLINE void batch_norm_forward(batch_norm_shape s, long c0, long c1, const float *x,
                               const float *weight, const float *bias, float *y, float *mean,
                               float *variance)
{
    if (s.L == 1) {
        for (long c = c0; c < c1; c += LANES) {
            const long count = c1 - c;
            const vf w = weight ? vf_load_part(weight + c, count, 0.0f) : vf_set(1.0f);
            const vf b = bias ? vf_load_part(bias + c, count, 0.0f) : vf_set(0.0f);
            batch_norm_columns(s, count, x + c, w, b, y + c, mean + c, variance + c);
        }
        return;
    }
    for (long c = c0; c < c1; c++)
        batch_norm_channel(s, x + c * s.L, weight ? weight[c] : 1.0f, bias ? bias[c] : 0.0f,
                           y + c * s.L, mean + c, variance + c);
}

/* ---- Backward ----
 *
 *     gw = sum(g xh)     gb = sum(g)     gx = (g - gb / count - xh gw / count) weight rstd
 */

INLINE void batch_norm_backward_channel(batch_norm_shape s, const float *g, const float *x,
                                        float mean, float rstd, float weight, float *gx, float *gw,
                                        float *gb)
{
    double sum = 0, product = 0;
    for (long n = 0; n < s.N; n++) {
        vf sums = {0}, products = {0};
        for (long i = 0; i < s.L; i += LANES) {
            const long at = n * s.C * s.L + i;
            const vf d = vf_load_part(g + at, s.L - i, 0.0f);
            sums += d;
            products += d * (vf_load_part(x + at, s.L - i, 0.0f) - mean);
        }
        sum += vf_sum_lanes(sums);
        product += vf_sum_lanes(products);
    }
    *gb = (float)sum;
    *gw = (float)product * rstd;
    const float level = *gb / (s.N * s.L), slope = *gw * rstd / (s.N * s.L), scale = weight * rstd;
    for (long n = 0; n < s.N; n++)
        for (long i = 0; i < s.L; i += LANES) {
            const long at = n * s.C * s.L + i;
            const vf d = vf_load_part(x + at, s.L - i, 0.0f) - mean;
            const vf y = vf_load_part(g + at, s.L - i, 0.0f) - level - d * slope;
            vf_store_part(gx + at, y * scale, s.L - i);
        }
}

INLINE void batch_norm_backward_columns(batch_norm_shape s, long count, const float *g,
                                        const float *x, vf mean, vf rstd, vf weight, float *gx,
                                        float *gw, float *gb)
{
    vf sum = {0}, product = {0};
    for (long n = 0; n < s.N; n++) {
        const vf d = vf_load_part(g + n * s.C, count, 0.0f);
        sum += d;
        product += d * (vf_load_part(x + n * s.C, count, 0.0f) - mean);
    }
    product *= rstd;
    const vf level = sum / (float)s.N, slope = product * rstd / (float)s.N, scale = weight * rstd;
    for (long n = 0; n < s.N; n++) {
        const vf d = vf_load_part(x + n * s.C, count, 0.0f) - mean;
        const vf y = vf_load_part(g + n * s.C, count, 0.0f) - level - d * slope;
        vf_store_part(gx + n * s.C, y * scale, count);
    }
    vf_store_part(gw, product, count);
    vf_store_part(gb, sum, count);
}

INLINE void batch_norm_backward(batch_norm_shape s, long c0, long c1, const float *g,
                                const float *x, const float *mean, const float *variance,
                                const float *weight, float *gx, float *gw, float *gb)
{
    if (s.L > 1) {
        for (long c = c0; c < c1; c++)
            batch_norm_backward_channel(s, g + c * s.L, x + c * s.L, mean[c],
                                        1.0f / sqrtf(variance[c] + s.eps),
                                        weight ? weight[c] : 1.0f, gx + c * s.L, gw + c, gb + c);
        return;
    }
    for (long c = c0; c < c1; c += LANES) {
        const long count = c1 - c;
        const vf rstd = 1.0f / vf_sqrt(vf_load_part(variance + c, count, 1.0f) + s.eps);
        const vf w = weight ? vf_load_part(weight + c, count, 0.0f) : vf_set(1.0f);
        batch_norm_backward_columns(s, count, g + c, x + c, vf_load_part(mean + c, count, 0.0f),
                                    rstd, w, gx + c, gw + c, gb + c);
    }
}
#endif
