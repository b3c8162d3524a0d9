/* The order of the elements of a row: stable merge sort; and the k that come first.
 *
 * A NaN counts as larger than every number. This file defines both for each type of element. */
#ifndef ANDON_SORT_H
#define ANDON_SORT_H

#include <stdint.h>

#include "scratch.h"
#include "vector.h"

/* Elements and where they were: T name##_entry. `before` is strict, so that what is equal stays in
 * its order. Entries are sorted in short runs by insertion, then merged, from one half of the
 * scratch memory to the other. */
enum { SORTED_RUN = 16 };

#define DEFINE_SORT(T, name)                                                                      \
    typedef struct {                                                                              \
        T key;                                                                                    \
        int64_t at;                                                                               \
    } name##_entry;                                                                               \
    INLINE int name##_before(T a, T b, int descending)                                            \
    {                                                                                             \
        if (descending) return a > b || (a != a && b == b);                                       \
        return a < b || (b != b && a == a);                                                       \
    }                                                                                             \
    INLINE void name##_insert(name##_entry *entries, long n, name##_entry x, int descending)      \
    {                                                                                             \
        for (; n > 0 && name##_before(x.key, entries[n - 1].key, descending); n--)                \
            entries[n] = entries[n - 1];                                                          \
        entries[n] = x;                                                                           \
    }                                                                                             \
    INLINE void name##_merge(const name##_entry *a, const name##_entry *a_end,                    \
                             const name##_entry *b, const name##_entry *b_end, name##_entry *to,  \
                             int descending)                                                      \
    {                                                                                             \
        while (a < a_end && b < b_end)                                                            \
            *to++ = name##_before(b->key, a->key, descending) ? *b++ : *a++;                      \
        while (a < a_end) *to++ = *a++;                                                           \
        while (b < b_end) *to++ = *b++;                                                           \
    }                                                                                             \
    /* order[i y_step], i < n: where the i-th of x[0], x[x_step], ... is. */                      \
    INLINE void name##_order(long n, const T *x, long x_step, int descending, int64_t *order,     \
                             long y_step)                                                         \
    {                                                                                             \
        name##_entry *from = thread_scratch(2 * n * sizeof *from), *to = from + n;                \
        for (long i = 0; i < n; i++)                                                              \
            name##_insert(from + i / SORTED_RUN * SORTED_RUN, i % SORTED_RUN,                     \
                          (name##_entry){x[i * x_step], i}, descending);                          \
        for (long run = SORTED_RUN; run < n; run *= 2) {                                          \
            for (long i = 0; i < n; i += 2 * run) {                                               \
                const long middle = i + run < n ? i + run : n;                                    \
                const long end = i + 2 * run < n ? i + 2 * run : n;                               \
                name##_merge(from + i, from + middle, from + middle, from + end, to + i,          \
                             descending);                                                         \
            }                                                                                     \
            name##_entry *swapped = from;                                                         \
            from = to, to = swapped;                                                              \
        }                                                                                         \
        for (long i = 0; i < n; i++) order[i * y_step] = from[i].at;                              \
    }                                                                                             \
    /* The same for the first k: each element is put where it belongs among the best so far. */   \
    INLINE void name##_first(long n, long k, const T *x, long x_step, int descending,             \
                             int64_t *order, long y_step)                                         \
    {                                                                                             \
        name##_entry *best = thread_scratch((k + 1) * sizeof *best);                              \
        for (long i = 0; i < n; i++) {                                                            \
            const name##_entry x_i = {x[i * x_step], i};                                          \
            if (i < k) name##_insert(best, i, x_i, descending);                                   \
            else if (name##_before(x_i.key, best[k - 1].key, descending))                         \
                name##_insert(best, k - 1, x_i, descending);                                      \
        }                                                                                         \
        for (long i = 0; i < k; i++) order[i * y_step] = best[i].at;                              \
    }

DEFINE_SORT(_Bool, bool)
DEFINE_SORT(uint8_t, uint8)
DEFINE_SORT(int8_t, int8)
DEFINE_SORT(int16_t, int16)
DEFINE_SORT(int32_t, int32)
DEFINE_SORT(int64_t, int64)
DEFINE_SORT(float, float32)
DEFINE_SORT(double, float64)
#endif
