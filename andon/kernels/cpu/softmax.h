/* Softmax and its logarithm over rows, forward and backward.
 *
 * A row is read three times (maximum, sum of exponentials, result), the last two times from cache.
 * Each function works on rows m0 to m1 of N elements; x_row is the distance between rows of x. */
#ifndef ANDON_SOFTMAX_H
#define ANDON_SOFTMAX_H

#include "vector_math.h"

enum { SOFTMAX_UNROLL = 4 }; /* independent sums, to hide the latency of an addition */

/* The largest element of a row. NaN are passed over: they come out of the exponentials. */
INLINE float row_max(const float *x, long N)
{
    vf largest[SOFTMAX_UNROLL];
    long i = 0;
    UNROLL for (int j = 0; j < SOFTMAX_UNROLL; j++)
        largest[j] = vf_set(-INFINITY);
    for (; i + SOFTMAX_UNROLL * LANES <= N; i += SOFTMAX_UNROLL * LANES) UNROLL
        for (int j = 0; j < SOFTMAX_UNROLL; j++)
            largest[j] = vf_max(largest[j], vf_load(x + i + j * LANES));
    for (; i < N; i += LANES)
        largest[0] = vf_max(largest[0], vf_load_part(x + i, N - i, -INFINITY));
    return vf_max_lanes(vf_max(vf_max(largest[0], largest[1]), vf_max(largest[2], largest[3])));
}

/* The sum of e^(x - shift) over a row; also writes these to y, unless it is NULL. */
INLINE float row_sum_exp(const float *x, long N, float shift, float *y)
{
    vf sums[SOFTMAX_UNROLL];
    long i = 0;
    UNROLL for (int j = 0; j < SOFTMAX_UNROLL; j++)
        sums[j] = vf_set(0.0f);
    for (; i + SOFTMAX_UNROLL * LANES <= N; i += SOFTMAX_UNROLL * LANES) UNROLL
        for (int j = 0; j < SOFTMAX_UNROLL; j++) {
            vf e = vf_exp(vf_load(x + i + j * LANES) - shift);
            if (y) vf_store(y + i + j * LANES, e);
            sums[j] += e;
        }
    for (; i < N; i += LANES) {
        vf e = vf_exp(vf_load_part(x + i, N - i, -INFINITY) - shift);
        if (y) vf_store_part(y + i, e, N - i);
        sums[0] += vf_where(vi_lanes() < (int)(N - i), e, vf_set(0.0f)); /* shift may be -inf */
    }
    return vf_sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

/* y = e^x / the sum of e^x. A row that is all -inf gives NaN. */
INLINE void softmax_forward(long m0, long m1, long N, const float *x, long x_row, float *y,
                            long y_row)
{
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * x_row;
        float *out = y + m * y_row, share = 1.0f / row_sum_exp(row, N, row_max(row, N), out);
        for (long i = 0; i < N; i += LANES)
            vf_store_part(out + i, share * vf_load_part(out + i, N - i, 0.0f), N - i);
    }
}

/* y = x - log of the sum of e^x. */
INLINE void log_softmax_forward(long m0, long m1, long N, const float *x, long x_row, float *y,
                                long y_row)
{
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * x_row;
        float largest = row_max(row, N), *out = y + m * y_row;
        float shift = largest + logf(row_sum_exp(row, N, largest, 0));
        for (long i = 0; i < N; i += LANES)
            vf_store_part(out + i, vf_load_part(row + i, N - i, 0.0f) - shift, N - i);
    }
}

/* dx = p (g - the sum of g p), from the result p of softmax. */
INLINE void softmax_backward(long m0, long m1, long N, const float *g, long g_row, const float *p,
                             long p_row, float *dx, long dx_row)
{
    for (long m = m0; m < m1; m++) {
        const float *gm = g + m * g_row, *pm = p + m * p_row;
        float *out = dx + m * dx_row;
        vf sum = vf_set(0.0f);
        for (long i = 0; i < N; i += LANES)
            sum += vf_load_part(gm + i, N - i, 0.0f) * vf_load_part(pm + i, N - i, 0.0f);
        float inner = vf_sum_lanes(sum);
        for (long i = 0; i < N; i += LANES) {
            vf gi = vf_load_part(gm + i, N - i, 0.0f), pi = vf_load_part(pm + i, N - i, 0.0f);
            vf_store_part(out + i, pi * (gi - inner), N - i);
        }
    }
}

/* dx = g - e^y times the sum of g, from the result y of log_softmax. */
INLINE void log_softmax_backward(long m0, long m1, long N, const float *g, long g_row,
                                 const float *y, long y_row, float *dx, long dx_row)
{
    for (long m = m0; m < m1; m++) {
        const float *gm = g + m * g_row, *ym = y + m * y_row;
        float *out = dx + m * dx_row;
        vf sum = vf_set(0.0f);
        for (long i = 0; i < N; i += LANES) sum += vf_load_part(gm + i, N - i, 0.0f);
        float total = vf_sum_lanes(sum);
        for (long i = 0; i < N; i += LANES) {
            vf p = vf_exp(vf_load_part(ym + i, N - i, 0.0f));
            vf_store_part(out + i, vf_load_part(gm + i, N - i, 0.0f) - total * p, N - i);
        }
    }
}
#endif
