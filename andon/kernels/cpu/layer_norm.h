/* Layer norm and RMS norm of rows, forward and backward.
 *
 *     layer norm   xh = (x - mean) rstd,  rstd = 1 / sqrt(var + eps)         y = xh weight + bias
 *     RMS norm     xh = x rstd,           rstd = 1 / sqrt(mean(x^2) + eps)   y = xh weight
 *
 * Each function works on rows m0 to m1 of C elements. `weight` and `bias` may be NULL. */
#ifndef ANDON_LAYER_NORM_H
#define ANDON_LAYER_NORM_H

#include "vector_math.h"

enum { NORM_UNROLL = 4 }; /* independent sums, to hide the latency of an addition */

/* The sum of (x - shift) over a row, to the first or the second power. */
INLINE float sum_of_row(const float *x, long C, float shift, const int power)
{
    vf sums[NORM_UNROLL];
    long i = 0;
    UNROLL for (int j = 0; j < NORM_UNROLL; j++)
        sums[j] = vf_set(0.0f);
    for (; i + NORM_UNROLL * LANES <= C; i += NORM_UNROLL * LANES) UNROLL
        for (int j = 0; j < NORM_UNROLL; j++) {
            vf d = vf_load(x + i + j * LANES) - shift;
            if (power == 2) d *= d;
            sums[j] += d;
        }
    for (; i < C; i += LANES) {
        vf d = vf_load_part(x + i, C - i, shift) - shift;
        if (power == 2) d *= d;
        sums[0] += d;
    }
    return vf_sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

/* y = (x - mean) rstd weight + bias, for one row. Memory meanwhile fetches the next. */
INLINE void scale_row(const float *x, long x_row, long C, float mean, float rstd,
                      const float *weight, const float *bias, float *y, long y_row)
{
    for (long i = 0; i < C; i += LANES) {
        __builtin_prefetch(x + x_row + i);
        __builtin_prefetch(y + y_row + i, 1);
        vf xh = (vf_load_part(x + i, C - i, 0.0f) - mean) * rstd;
        if (weight) xh *= vf_load_part(weight + i, C - i, 0.0f);
        if (bias) xh += vf_load_part(bias + i, C - i, 0.0f);
        vf_store_part(y + i, xh, C - i);
    }
}

/* y, and for the backward pass mean and rstd, each (M). */
INLINE void layer_norm_forward(long m0, long m1, long C, float eps, const float *x, long x_row,
                               const float *weight, const float *bias, float *y, long y_row,
                               float *mean, float *rstd)
{
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * x_row;
        mean[m] = sum_of_row(row, C, 0.0f, 1) * (1.0f / C);
        rstd[m] = 1.0f / sqrtf(sum_of_row(row, C, mean[m], 2) * (1.0f / C) + eps);
        scale_row(row, x_row, C, mean[m], rstd[m], weight, bias, y + m * y_row, y_row);
    }
}

/* y, and for the backward pass rstd (M). */
INLINE void rms_norm_forward(long m0, long m1, long C, float eps, const float *x, long x_row,
                             const float *weight, float *y, long y_row, float *rstd)
{
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * x_row;
        rstd[m] = 1.0f / sqrtf(sum_of_row(row, C, 0.0f, 2) * (1.0f / C) + eps);
        scale_row(row, x_row, C, 0.0f, rstd[m], weight, 0, y + m * y_row, y_row);
    }
}

/* A row of dx, and what it adds to dweight and dbias. With gw = g weight:
 *
 *     dx = rstd (gw - mean(gw) - xh mean(gw xh))     mean(gw) only where a mean was taken out
 *     dweight += g xh      dbias += g
 *
 * One row at a time: several at once would share the reads and writes of dweight and dbias, but
 * write to as many streams, which memory is slow at. */
INLINE void norm_backward_row(long C, const float *g, long g_row, const float *x, long x_row,
                              const float *mean, float rstd, const float *weight, float *dx,
                              long dx_row, const int add, float *dweight, float *dbias)
{
    const float shift = mean ? *mean : 0.0f;
    vf sums[2], products[2];
    UNROLL for (int j = 0; j < 2; j++)
        sums[j] = products[j] = vf_set(0.0f);
    for (long i = 0; i < C; i += 2 * LANES) {
        UNROLL for (int j = 0; j < 2; j++) {
            long at = i + j * LANES;
            if (at >= C) continue;
            vf gw = vf_load_part(g + at, C - at, 0.0f);
            if (weight) gw *= vf_load_part(weight + at, C - at, 0.0f);
            sums[j] += gw;
            products[j] += gw * (vf_load_part(x + at, C - at, 0.0f) - shift);
        }
    }
    float level = mean ? vf_sum_lanes(sums[0] + sums[1]) * (1.0f / C) : 0.0f;
    float slope = vf_sum_lanes(products[0] + products[1]) * (1.0f / C) * rstd;
    for (long i = 0; i < C; i += LANES) {
        __builtin_prefetch(g + g_row + i); /* the next row */
        __builtin_prefetch(x + x_row + i);
        __builtin_prefetch(dx + dx_row + i, 1);
        vf gi = vf_load_part(g + i, C - i, 0.0f), gw = gi;
        vf xh = (vf_load_part(x + i, C - i, 0.0f) - shift) * rstd;
        if (weight) gw *= vf_load_part(weight + i, C - i, 0.0f);
        vf d = (gw - level - xh * slope) * rstd;
        if (add) d += vf_load_part(dx + i, C - i, 0.0f);
        vf_store_part(dx + i, d, C - i);
        if (dweight)
            vf_store_part(dweight + i, vf_load_part(dweight + i, C - i, 0.0f) + gi * xh, C - i);
        if (dbias) vf_store_part(dbias + i, vf_load_part(dbias + i, C - i, 0.0f) + gi, C - i);
    }
}

/* dx, and what these rows add to dweight and dbias (each C, or NULL): rows of their own for each
 * thread, which are summed afterwards. */
INLINE void layer_norm_backward(long m0, long m1, long C, const float *g, long g_row,
                                const float *x, long x_row, const float *mean, const float *rstd,
                                const float *weight, float *dx, long dx_row, const int add,
                                float *dweight, float *dbias)
{
    for (long m = m0; m < m1; m++)
        norm_backward_row(C, g + m * g_row, g_row, x + m * x_row, x_row, mean ? mean + m : 0,
                          rstd[m], weight, dx + m * dx_row, dx_row, add, dweight, dbias);
}

INLINE void rms_norm_backward(long m0, long m1, long C, const float *g, long g_row, const float *x,
                              long x_row, const float *rstd, const float *weight, float *dx,
                              long dx_row, const int add, float *dweight)
{
    layer_norm_backward(m0, m1, C, g, g_row, x, x_row, 0, rstd, weight, dx, dx_row, add, dweight,
                        0);
}
#endif
