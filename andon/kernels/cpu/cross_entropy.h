/* Cross-entropy of rows of scores against class indices, and its gradient.
 *
 *     loss = lse - x[target]      lse = log of the sum of e^x
 *     dx = (e^(x - lse) - [target]) g
 *
 * Rows whose target is `ignore_index` give 0, and no gradient. A target that is no class gives NaN,
 * and is counted: each function returns how many there were. */
#ifndef ANDON_CROSS_ENTROPY_H
#define ANDON_CROSS_ENTROPY_H

#include "vector_math.h"

enum { ROW_UNROLL = 4 }; /* independent sums, to hide the latency of an addition */

/* What is known when the kernel is compiled: rows of V scores, `row` floats apart. */
typedef struct {
    long V, row;
    int64_t ignore_index;
} cross_entropy_shape;

/* The largest element of a row. NaN are passed over: they come out of the exponentials. */
INLINE float row_max(const float *x, long N)
{
    vf largest[ROW_UNROLL];
    long i = 0;
    UNROLL for (int j = 0; j < ROW_UNROLL; j++)
        largest[j] = vf_set(-INFINITY);
    for (; i + ROW_UNROLL * LANES <= N; i += ROW_UNROLL * LANES) UNROLL
        for (int j = 0; j < ROW_UNROLL; j++)
            largest[j] = vf_max(largest[j], vf_load(x + i + j * LANES));
    for (; i < N; i += LANES)
        largest[0] = vf_max(largest[0], vf_load_part(x + i, N - i, -INFINITY));
    return vf_max_lanes(vf_max(vf_max(largest[0], largest[1]), vf_max(largest[2], largest[3])));
}

/* The sum of e^(x - shift) over a row. Memory meanwhile fetches the next, `row` elements on. */
INLINE float row_sum_exp(const float *x, long N, long row, float shift)
{
    vf sums[ROW_UNROLL];
    long i = 0;
    UNROLL for (int j = 0; j < ROW_UNROLL; j++)
        sums[j] = vf_set(0.0f);
    for (; i + ROW_UNROLL * LANES <= N; i += ROW_UNROLL * LANES) UNROLL
        for (int j = 0; j < ROW_UNROLL; j++) {
            sums[j] += vf_exp(vf_load(x + i + j * LANES) - shift);
            __builtin_prefetch(x + row + i + j * LANES);
        }
    for (; i < N; i += LANES) {
        vf e = vf_exp(vf_load_part(x + i, N - i, -INFINITY) - shift);
        sums[0] += vf_where(vi_lanes() < (int)(N - i), e, vf_set(0.0f)); /* shift may be -inf */
    }
    return vf_sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

INLINE void fill_row(float *y, long N, float value)
{
    for (long i = 0; i < N; i += LANES) vf_store_part(y + i, vf_set(value), N - i);
}

/* loss and lse, each (M), of rows m0 to m1. */
INLINE long cross_entropy_forward(const cross_entropy_shape c, long m0, long m1, const float *x,
                                  const int64_t *target, float *loss, float *lse)
{
    long wrong = 0;
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * c.row;
        float largest = row_max(row, c.V), rest = logf(row_sum_exp(row, c.V, c.row, largest));
        lse[m] = largest + rest;
        if (target[m] == c.ignore_index) loss[m] = 0.0f;
        else if (target[m] >= 0 && target[m] < c.V) loss[m] = (largest - row[target[m]]) + rest;
        else loss[m] = NAN, wrong++;
    }
    return wrong;
}

/* dx, rows as far apart as those of x, from g (M) and the log-sum-exp of the forward pass. */
INLINE long cross_entropy_backward(const cross_entropy_shape c, long m0, long m1, const float *g,
                                   const float *x, const int64_t *target, const float *lse,
                                   float *dx)
{
    long wrong = 0;
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * c.row;
        float *out = dx + m * c.row;
        int is_class = target[m] >= 0 && target[m] < c.V;
        if (target[m] == c.ignore_index || !is_class) {
            wrong += target[m] != c.ignore_index;
            fill_row(out, c.V, target[m] == c.ignore_index ? 0.0f : NAN);
            continue;
        }
        for (long i = 0; i < c.V; i += LANES) {
            __builtin_prefetch(row + c.row + i); /* the next row */
            __builtin_prefetch(out + c.row + i, 1);
            vf p = vf_exp(vf_load_part(row + i, c.V - i, 0.0f) - lse[m]);
            vf_store_part(out + i, p * g[m], c.V - i);
        }
        out[target[m]] -= g[m];
    }
    return wrong;
}
#endif
