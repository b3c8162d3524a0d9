/* What generated loops need beside vector.h: masks as bytes, elements some steps apart, extremes that
 * keep NaN, and lanes beyond the end of a row. */
#ifndef ANDON_LOOPS_H
#define ANDON_LOOPS_H

#include "scalar.h"
#include "vector_math.h"

#define NOINLINE static __attribute__((noinline, unused))

#define LOOP_OPERATIONS(V, SCALAR_TYPE, MASK, INTEGER, N, EACH)                                   \
    INLINE MASK V##_mask_load_part(const bool *p, long n)                                         \
    {                                                                                             \
        MASK mask = {0};                                                                          \
        for (int l = 0; l < N; l++)                                                               \
            if (l < n) mask[l] = -(INTEGER)p[l];                                                  \
        return mask;                                                                              \
    }                                                                                             \
    INLINE void V##_mask_store_part(bool *p, MASK mask, long n)                                   \
    {                                                                                             \
        for (int l = 0; l < N; l++)                                                               \
            if (l < n) p[l] = mask[l] & 1;                                                        \
    }                                                                                             \
    INLINE MASK V##_mask_load(const bool *p) { return V##_mask_load_part(p, N); }                 \
    INLINE void V##_mask_store(bool *p, MASK mask) { V##_mask_store_part(p, mask, N); }           \
    INLINE V V##_load_every(const SCALAR_TYPE *p, long step, long n)                              \
    {                                                                                             \
        V x = {0};                                                                                \
        for (int l = 0; l < N; l++)                                                               \
            if (l < n) x[l] = p[l * step];                                                        \
        return x;                                                                                 \
    }                                                                                             \
    INLINE void V##_store_every(SCALAR_TYPE *p, V x, long step, long n)                           \
    {                                                                                             \
        for (int l = 0; l < N; l++)                                                               \
            if (l < n) p[l * step] = x[l];                                                        \
    }                                                                                             \
    /* The larger and the smaller; NaN where either is. */                                        \
    INLINE V V##_larger(V x, V y) { return V##_where((MASK)(y != y), y, V##_max(x, y)); }         \
    INLINE V V##_smaller(V x, V y) { return V##_where((MASK)(y != y), y, V##_min(x, y)); }        \
    INLINE SCALAR_TYPE V##_largest_lane(V x) { ACROSS_LANES(x, N, EACH, V##_larger(x, y)) }       \
    INLINE SCALAR_TYPE V##_smallest_lane(V x) { ACROSS_LANES(x, N, EACH, V##_smaller(x, y)) }     \
    /* The derivative of x sigmoid(2u), see vf_gelu_tanh. */                                      \
    INLINE V V##_gelu_tanh_slope(V x)                                                             \
    {                                                                                             \
        const SCALAR_TYPE a = (SCALAR_TYPE)1.5957691216057308, b = (SCALAR_TYPE)0.0713548162726;  \
        V s = 1 / (1 + V##_exp(x * (-a - b * (x * x))));                                          \
        return s + x * s * (1 - s) * (a + 3 * b * (x * x));                                       \
    }                                                                                             \
    /* The first n lanes of x; `rest` in the others. */                                           \
    INLINE V V##_first(V x, long n, SCALAR_TYPE rest)                                             \
    {                                                                                             \
        return n >= N ? x : V##_where((MASK)(MASK##_lanes() < MASK##_set(n)), x, V##_set(rest));  \
    }

LOOP_OPERATIONS(vf, float, vi, int32_t, VF_LANES, EACH_VF)
LOOP_OPERATIONS(vd, double, vl, int64_t, VD_LANES, EACH_VD)

/* Elements begin to end of the first of `parts` arrays, `stride` apart: the sums of all. */
static inline __attribute__((unused)) void add_parts(float *first, long stride, long parts, long begin,
                                                     long end)
{
    for (long p = 1; p < parts; p++)
        for (long i = begin; i < end; i++) first[i] += first[p * stride + i];
}
#endif
