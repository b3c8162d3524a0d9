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

/* ---- What dropout keeps: an element whose quarter word is at least `least` ----
 *
 * Blocks are computed side by side, one in each lane: nothing here is a function of the lane. */

enum { QUARTERS = 16 }; /* of a block */
typedef uint64_t vw VECTOR(VECTOR_BYTES);
typedef uint16_t vq VECTOR(VECTOR_BYTES), vw_quarters VECTOR(VECTOR_BYTES / 4);

/* The two halves of the product of each lane and m, from products of 32 bits. */
INLINE vw wide_product(vw x, uint64_t m, vw *low)
{
    const vw lower = (vw){0} + 0xffffffffu, m_low = (vw){0} + (m & 0xffffffffu);
    const vw m_high = (vw){0} + (m >> 32), x_low = x & lower, x_high = x >> 32;
    const vw ll = x_low * m_low, hl = x_high * m_low + (ll >> 32);
    const vw lh = x_low * m_high + (hl & lower);
    *low = (ll & lower) | lh << 32;
    return x_high * m_high + (hl >> 32) + (lh >> 32);
}

/* `philox` of the block in each lane. Two of the first rounds' products are the same in all. */
INLINE void philox_of_lanes(const int64_t *key, vw block, vw words[WORDS])
{
    const uint64_t m0 = 0xD2E7470EE14C6C93u, m1 = 0xCA5A826395121157u;
    uint64_t k0 = (uint64_t)key[0], k1 = 0, offset = (uint64_t)key[1];
    const uint64_t c = high_of_product(m1, offset) ^ k0;
    vw l0, h0 = wide_product(block + 1, m0, &l0);
    k0 += 0x9E3779B97F4A7C15u, k1 += 0xBB67AE8584CAA73Bu;
    vw l1, h1 = wide_product(h0, m1, &l1);
    vw c0 = h1 ^ (m1 * offset) ^ k0, c1 = l1, c2 = l0 ^ high_of_product(m0, c) ^ k1;
    vw c3 = (vw){0} + m0 * c;
    UNROLL for (int round = 2; round < 10; round++) {
        k0 += 0x9E3779B97F4A7C15u, k1 += 0xBB67AE8584CAA73Bu;
        h0 = wide_product(c0, m0, &l0), h1 = wide_product(c2, m1, &l1);
        c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

/* Bit i of kept[l]: whether element i of the block in lane l is kept. */
INLINE void kept_of_lanes(const int64_t *key, vw blocks, uint16_t least, uint16_t *kept)
{
    vw words[WORDS], bits = {0};
    philox_of_lanes(key, blocks, words);
    UNROLL for (int i = 0; i < WORDS; i++) {
        const vw places = (vw){0} + (uint64_t)(0x0008000400020001u << (4 * i));
        bits |= (vw)((vq)words[i] >= least) & places;
    }
    bits |= bits >> 32;
    bits |= bits >> 16;
    const vw_quarters low = __builtin_convertvector(bits, vw_quarters);
    memcpy(kept, &low, sizeof low);
}

/* LANES bytes. */
typedef uint8_t v_bytes VECTOR(LANES);
typedef uint8_t v_bytes_anywhere VECTOR(LANES) __attribute__((aligned(1)));

/* Whether each bit is set, of the LANES from `bits` on: all ones where it is. */
INLINE vi lanes_of_bits(uint32_t bits) { return (vi_set((int)bits) & (1 << vi_lanes())) != 0; }

/* The numbers of a key, from element `first` of what it draws on. */
typedef struct {
    const int64_t *key;
    uint64_t first;
} random_stream;

/* y[m]: whether dropout keeps element m. */
INLINE void random_kept(long m0, long m1, random_stream from, uint16_t least, uint8_t *y)
{
    enum { MOST = 64 };
    for (long m = m0; m < m1; m += MOST * QUARTERS) {
        const long n = m1 - m < MOST * QUARTERS ? m1 - m : MOST * QUARTERS;
        const uint64_t first = from.first + (uint64_t)m;
        const int skipped = (int)(first % QUARTERS);
        const vw blocks = (vw)vl_lanes() + first / QUARTERS;
        uint16_t kept[MOST + VD_LANES] = {0};
        for (long b = 0; b * QUARTERS < skipped + n; b += VD_LANES)
            kept_of_lanes(from.key, blocks + (uint64_t)b, least, kept + b);
        for (long i = 0; i < n; i += LANES) {
            const long b = i / QUARTERS;
            const uint32_t bits = (kept[b] | (uint32_t)kept[b + 1] << 16) >> skipped;
            const vi set = lanes_of_bits(bits >> (i % QUARTERS)) & 1;
            const v_bytes bytes = __builtin_convertvector(set, v_bytes);
            if (n - i >= LANES) *(v_bytes_anywhere *)(y + m + i) = bytes;
            else memcpy(y + m + i, &bytes, n - i);
        }
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
