/* The norm of all gradients, and the clipped step of Adam or AdamW, in one sweep each.
 *
 *     d = clip g              (+ decay p, where the weight decay is not decoupled)
 *     m += (1 - beta1) (d - m)
 *     v = beta2 v + (1 - beta2) d^2
 *     p = keep p - step m / (sqrt(v) + floor)
 *
 * The corrections of the first steps are taken out of the arrays: with root = sqrt(1 - beta2^t),
 * step = lr root / (1 - beta1^t) and floor = eps root.
 *
 * Source: Kingma and Ba, "Adam" (2015); Loshchilov and Hutter, "Decoupled weight decay
 * regularization" (2019). */
#ifndef ANDON_ADAMW_H
#define ANDON_ADAMW_H

#include "vector_math.h"

enum { NORM_BLOCK = 4096, ADAMW_UNROLL = 4 };

/* The sum of g^2: in float within a block, whose sum is short, in double over the blocks. */
INLINE double squared_norm(const float *g, long n)
{
    double total = 0;
    for (long start = 0; start < n; start += NORM_BLOCK) {
        long stop = start + NORM_BLOCK < n ? start + NORM_BLOCK : n, i = start;
        vf sums[ADAMW_UNROLL];
        UNROLL for (int j = 0; j < ADAMW_UNROLL; j++)
            sums[j] = vf_set(0.0f);
        for (; i + ADAMW_UNROLL * LANES <= stop; i += ADAMW_UNROLL * LANES) UNROLL
            for (int j = 0; j < ADAMW_UNROLL; j++) {
                vf x = vf_load(g + i + j * LANES);
                sums[j] += x * x;
            }
        for (; i < stop; i += LANES) {
            vf x = vf_load_part(g + i, stop - i, 0.0f);
            sums[0] += x * x;
        }
        total += vf_sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    return total;
}

/* min(1, max_norm / norm): what gradients of this norm are multiplied with. NaN stays NaN. */
INLINE float clip_factor(double norm, double max_norm)
{
    double factor = max_norm / (norm + 1e-6);
    return factor > 1 ? 1.0f : (float)factor;
}

/* The numbers of one step. */
typedef struct {
    float take1, keep2, take2; /* 1 - beta1, beta2, 1 - beta2 */
    float step, floor;
    float keep, pull; /* of p, decoupled; what is added of p to its gradient, otherwise */
    float clip;       /* negative to maximize */
} adamw_rates;

/* Step t, counted from 1. */
INLINE adamw_rates adamw_at(double t, double lr, double beta1, double beta2, double eps,
                            double decay, const int decoupled, float clip)
{
    double root = sqrt(1 - pow(beta2, t));
    return (adamw_rates){
        .take1 = (float)(1 - beta1),
        .keep2 = (float)beta2,
        .take2 = (float)(1 - beta2),
        .step = (float)(lr * root / (1 - pow(beta1, t))),
        .floor = (float)(eps * root),
        .keep = decoupled ? (float)(1 - lr * decay) : 1.0f,
        .pull = decoupled ? 0.0f : (float)decay,
        .clip = clip,
    };
}

/* Elements i0 to i1 of flat arrays: p, m and v change in place, g does not. `largest`, if not NULL,
 * keeps the largest v so far, which then takes its place (AMSGrad, Reddi et al. 2018). */
INLINE void adamw_step(const adamw_rates a, long i0, long i1, float *p, const float *g, float *m,
                       float *v, float *largest)
{
    for (long i = i0; i < i1; i += LANES) {
        long n = i1 - i;
        vf pi = vf_load_part(p + i, n, 0.0f), d = a.clip * vf_load_part(g + i, n, 0.0f);
        vf mi = vf_load_part(m + i, n, 0.0f), square = vf_load_part(v + i, n, 0.0f);
        d += a.pull * pi;
        mi += a.take1 * (d - mi);
        square = a.keep2 * square + a.take2 * (d * d);
        vf_store_part(m + i, mi, n);
        vf_store_part(v + i, square, n);
        if (largest) {
            square = vf_max(square, vf_load_part(largest + i, n, 0.0f));
            vf_store_part(largest + i, square, n);
        }
        vf_store_part(p + i, a.keep * pi - a.step * (mi / (vf_sqrt(square) + a.floor)), n);
    }
}
#endif
