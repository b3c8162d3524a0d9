/* Cross-entropy of rows of scores against class indices, its gradient, and both at once.
 *
 *     loss = lse - (1 - a) x[target] - a mean(x)      lse = log of the sum of e^x
 *     dx = (e^(x - lse) - (1 - a) [target] - a / V) g
 *
 * with a the label smoothing. Rows whose target is `ignore_index` give 0, and no gradient. A target
 * that is no class gives NaN, and is counted: each function returns how many there were. */
#ifndef ANDON_CROSS_ENTROPY_H
#define ANDON_CROSS_ENTROPY_H

#include "softmax.h"

/* What is known when the kernel is compiled: rows of V scores, `row` floats apart. */
typedef struct {
    long V, row;
    int64_t ignore_index;
    float smoothing;
} cross_entropy_shape;

INLINE float row_mean(const float *x, long N)
{
    vf sum = vf_set(0.0f);
    for (long i = 0; i < N; i += LANES) sum += vf_load_part(x + i, N - i, 0.0f);
    return vf_sum_lanes(sum) / N;
}

/* The loss of one row, given its log-sum-exp. */
INLINE float cross_entropy_of_row(const cross_entropy_shape c, const float *x, int64_t target,
                                  float lse)
{
    float loss = lse - (1.0f - c.smoothing) * x[target];
    return c.smoothing ? loss - c.smoothing * row_mean(x, c.V) : loss;
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
        float largest = row_max(row, c.V);
        lse[m] = largest + logf(row_sum_exp(row, c.V, c.row, largest, 0));
        if (target[m] == c.ignore_index) loss[m] = 0.0f;
        else if (target[m] >= 0 && target[m] < c.V)
            loss[m] = cross_entropy_of_row(c, row, target[m], lse[m]);
        else loss[m] = NAN, wrong++;
    }
    return wrong;
}

/* dx, rows as far apart as those of x, from g (M) and the log-sum-exp of the forward pass. */
INLINE long cross_entropy_backward(const cross_entropy_shape c, long m0, long m1, const float *g,
                                   const float *x, const int64_t *target, const float *lse,
                                   float *dx)
{
    const float spread = c.smoothing / c.V;
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
            vf_store_part(out + i, (p - spread) * g[m], c.V - i);
        }
        out[target[m]] -= (1.0f - c.smoothing) * g[m];
    }
    return wrong;
}

/* loss (M) and dx at once, where the gradient g of every loss is known beforehand: 1 / M for their
 * mean. The scores are read once from memory, and dx may take their place. */
INLINE long cross_entropy_with_gradient(const cross_entropy_shape c, long m0, long m1, float g,
                                        const float *x, const int64_t *target, float *loss,
                                        float *dx)
{
    long wrong = 0;
    for (long m = m0; m < m1; m++) {
        const float *row = x + m * c.row;
        float *out = dx + m * c.row;
        int is_class = target[m] >= 0 && target[m] < c.V;
        if (target[m] == c.ignore_index || !is_class) {
            wrong += target[m] != c.ignore_index;
            loss[m] = target[m] == c.ignore_index ? 0.0f : NAN;
            fill_row(out, c.V, loss[m]);
            continue;
        }
        float largest = row_max(row, c.V), at_target = row[target[m]] - largest;
        float mean = c.smoothing ? row_mean(row, c.V) - largest : 0.0f;
        float total = row_sum_exp(row, c.V, c.row, largest, out);
        loss[m] = logf(total) - (1.0f - c.smoothing) * at_target - c.smoothing * mean;
        for (long i = 0; i < c.V; i += LANES) {
            vf e = vf_load_part(out + i, c.V - i, 0.0f);
            vf_store_part(out + i, e * (g / total) - c.smoothing / c.V * g, c.V - i);
        }
        out[target[m]] -= (1.0f - c.smoothing) * g;
    }
    return wrong;
}
#endif
