/* Random numbers from Philox4x64-10, a counter-based generator: any word can be computed by itself,
 * so each thread makes those of its own elements. The same numbers as andon/ops/random.py.
 *
 * Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011). */
#ifndef ANDON_RANDOM_H
#define ANDON_RANDOM_H

#include <math.h>
#include <stdint.h>

#include "vector.h"

INLINE uint64_t high_of_product(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* Four words of the stream that the key [seed, offset] names: words 4 block .. 4 block + 3. */
INLINE void philox(const int64_t *key, uint64_t block, uint64_t *words)
{
    uint64_t k0 = (uint64_t)key[0], k1 = 0;
    uint64_t c0 = block + 1, c1 = 0, c2 = (uint64_t)key[1], c3 = 0;
    for (int round = 0; round < 10; round++) {
        const uint64_t h0 = high_of_product(0xD2E7470EE14C6C93u, c0), l0 = 0xD2E7470EE14C6C93u * c0;
        const uint64_t h1 = high_of_product(0xCA5A826395121157u, c2), l1 = 0xCA5A826395121157u * c2;
        c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0;
        k0 += 0x9E3779B97F4A7C15u, k1 += 0xBB67AE8584CAA73Bu;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

/* Half word i of a block: the low half of each word comes first. */
INLINE uint32_t half_word(const uint64_t *words, long i)
{
    return (uint32_t)(words[i / 2] >> (32 * (i % 2)));
}

enum { WORDS = 4, HALVES = 8 }; /* of a block */

/* y[m] = x[m] scale where half word m is at least `least`, else 0. The ranges begin at blocks. */
INLINE void random_drop_f32(long m0, long m1, const int64_t *key, uint32_t least, float scale,
                            const float *x, float *y)
{
    for (long m = m0; m < m1; m += HALVES) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / HALVES), words);
        for (long i = 0; i < HALVES && m + i < m1; i++)
            y[m + i] = x[m + i] * scale * (float)(half_word(words, i) >= least);
    }
}

INLINE void random_drop_f64(long m0, long m1, const int64_t *key, uint32_t least, double scale,
                            const double *x, double *y)
{
    for (long m = m0; m < m1; m += HALVES) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / HALVES), words);
        for (long i = 0; i < HALVES && m + i < m1; i++)
            y[m + i] = x[m + i] * scale * (double)(half_word(words, i) >= least);
    }
}

/* Uniform on [0, 1): the top 24 bits of half words, or the top 53 of words. */
INLINE float uniform_of_half(uint32_t half) { return (float)(half >> 8) * 0x1p-24f; }
INLINE double uniform_of_word(uint64_t word) { return (double)(word >> 11) * 0x1p-53; }

INLINE void random_uniform_f32(long m0, long m1, const int64_t *key, float *y)
{
    for (long m = m0; m < m1; m += HALVES) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / HALVES), words);
        for (long i = 0; i < HALVES && m + i < m1; i++)
            y[m + i] = uniform_of_half(half_word(words, i));
    }
}

INLINE void random_uniform_f64(long m0, long m1, const int64_t *key, double *y)
{
    for (long m = m0; m < m1; m += WORDS) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / WORDS), words);
        for (long i = 0; i < WORDS && m + i < m1; i++) y[m + i] = uniform_of_word(words[i]);
    }
}

/* Normal with mean 0 and variance 1, in pairs: sqrt(-2 ln(1 - u)) (cos 2 pi v, sin 2 pi v). */
INLINE void random_normal_f32(long m0, long m1, const int64_t *key, float *y)
{
    for (long m = m0; m < m1; m += HALVES) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / HALVES), words);
        for (long i = 0; i < HALVES && m + i < m1; i += 2) {
            const float radius = sqrtf(-2 * logf(1 - uniform_of_half(half_word(words, i))));
            const float angle = uniform_of_half(half_word(words, i + 1)) * 6.2831855f;
            y[m + i] = radius * cosf(angle);
            if (m + i + 1 < m1) y[m + i + 1] = radius * sinf(angle);
        }
    }
}

INLINE void random_normal_f64(long m0, long m1, const int64_t *key, double *y)
{
    for (long m = m0; m < m1; m += WORDS) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / WORDS), words);
        for (long i = 0; i < WORDS && m + i < m1; i += 2) {
            const double radius = sqrt(-2 * log(1 - uniform_of_word(words[i])));
            const double angle = uniform_of_word(words[i + 1]) * 6.283185307179586;
            y[m + i] = radius * cos(angle);
            if (m + i + 1 < m1) y[m + i + 1] = radius * sin(angle);
        }
    }
}

/* Uniform on the integers low .. low + count - 1. */
INLINE void random_integers_i64(long m0, long m1, const int64_t *key, int64_t low, uint64_t count,
                                int64_t *y)
{
    for (long m = m0; m < m1; m += WORDS) {
        uint64_t words[WORDS];
        philox(key, (uint64_t)(m / WORDS), words);
        for (long i = 0; i < WORDS && m + i < m1; i++)
            y[m + i] = (int64_t)(words[i] % count) + low;
    }
}
#endif
