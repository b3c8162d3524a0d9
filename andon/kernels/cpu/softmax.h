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

/* The sum of e^(x - shift) over a row; also writes these to y, unless it is NULL. Memory meanwhile
 * fetches the next row, `step` elements on. */
INLINE float row_sum_exp(const float *x, long N, long step, float shift, float *y)
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
            __builtin_prefetch(x + step + i + j * LANES);
            if (y) __builtin_prefetch(y + step + i + j * LANES, 1);
        }
    for (; i < N; i += LANES) {
        vf e = vf_exp(vf_load_part(x + i, N - i, -INFINITY) - shift);
        if (y) vf_store_part(y + i, e, N - i);
        sums[0] += vf_where(vi_lanes() < (int)(N - i), e, vf_set(0.0f)); /* shift may be -inf */
    }
    return vf_sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}
#endif
