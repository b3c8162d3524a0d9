/* Vectors of floats, doubles and integers, as wide as the target's registers.
 *
 * GCC's and clang's vector types do the arithmetic: `a * b + c`, `a < b` work as on numbers, and a
 * comparison gives all ones (-1) in each lane where it holds. Here is what the operators lack:
 * loads and stores at any address, parts of a vector, choices, sums over the lanes, conversions.
 *
 *   vf  LANES floats            vd  VD_LANES doubles, half as many
 *   vi  LANES int32, its masks  vl  VD_LANES int64, its masks
 *
 * Needs -mprefer-vector-width=512 for AVX-512: clang otherwise splits each vector in two. */
#ifndef ANDON_VECTOR_H
#define ANDON_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* `unused`: a generated file contains every function here, and calls some. */
#define INLINE static inline __attribute__((always_inline, unused))
#define UNROLL _Pragma("GCC unroll 32")

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16 /* SSE, NEON */
#endif
enum { LANES = VECTOR_BYTES / 4, VF_LANES = LANES, VD_LANES = VECTOR_BYTES / 8 };

#define VECTOR(bytes) __attribute__((vector_size(bytes), may_alias))
typedef float vf VECTOR(VECTOR_BYTES);
typedef double vd VECTOR(VECTOR_BYTES);
typedef int32_t vi VECTOR(VECTOR_BYTES);
typedef uint32_t vu VECTOR(VECTOR_BYTES);
typedef int64_t vl VECTOR(VECTOR_BYTES);
/* The same, at any address. */
typedef float vf_anywhere VECTOR(VECTOR_BYTES) __attribute__((aligned(4)));
typedef double vd_anywhere VECTOR(VECTOR_BYTES) __attribute__((aligned(8)));
typedef int32_t vi_anywhere VECTOR(VECTOR_BYTES) __attribute__((aligned(4)));
/* LANES values of half the size. */
typedef float vf_half VECTOR(VECTOR_BYTES / 2);
typedef uint16_t vh VECTOR(VECTOR_BYTES / 2);
typedef int16_t vh_mask VECTOR(VECTOR_BYTES / 2);
typedef uint16_t vh_anywhere VECTOR(VECTOR_BYTES / 2) __attribute__((aligned(2)));

/* F(0, d), F(1, d), ... for each lane: the index list of a shuffle, written as a function. */
#define EACH_OF_2(F, d, i) F(i, d), F(i + 1, d)
#define EACH_OF_4(F, d, i) EACH_OF_2(F, d, i), EACH_OF_2(F, d, i + 2)
#define EACH_OF_8(F, d, i) EACH_OF_4(F, d, i), EACH_OF_4(F, d, i + 4)
#define EACH_OF_16(F, d, i) EACH_OF_8(F, d, i), EACH_OF_8(F, d, i + 8)
#if VECTOR_BYTES == 64
#define EACH_VF(F, d) EACH_OF_16(F, d, 0)
#define EACH_VD(F, d) EACH_OF_8(F, d, 0)
#elif VECTOR_BYTES == 32
#define EACH_VF(F, d) EACH_OF_8(F, d, 0)
#define EACH_VD(F, d) EACH_OF_4(F, d, 0)
#else
#define EACH_VF(F, d) EACH_OF_4(F, d, 0)
#define EACH_VD(F, d) EACH_OF_2(F, d, 0)
#endif
#define LANE_NUMBER(i, d) (i)
#define LANE_ACROSS(i, d) ((i) ^ (d))
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)

/* Masked loads and stores: clang has a builtin; gcc makes them of a loop with a condition. */
#if defined(__has_builtin)
#if defined(__clang__) && __has_builtin(__builtin_masked_load)
#define HAS_MASKED_ACCESS 1
typedef float vf_masked __attribute__((ext_vector_type(LANES)));
typedef double vd_masked __attribute__((ext_vector_type(VD_LANES)));
typedef _Bool vf_bools __attribute__((ext_vector_type(LANES)));
typedef _Bool vd_bools __attribute__((ext_vector_type(VD_LANES)));
#endif
#endif
#ifdef HAS_MASKED_ACCESS
#define FIRST_LANES(V, MASK, n)                                                                   \
    __builtin_convertvector(MASK##_lanes() < MASK##_set((int)(n)), V##_bools)
#define LOAD_PART(V, MASK, p, n, fill)                                                            \
    (V) __builtin_masked_load(FIRST_LANES(V, MASK, n), p, (V##_masked)V##_set(fill))
#define STORE_PART(V, MASK, p, x, n)                                                              \
    __builtin_masked_store(FIRST_LANES(V, MASK, n), (V##_masked)(x), p)
#else
#define LOAD_PART(V, MASK, p, n, fill)                                                            \
    ({                                                                                            \
        V part_ = V##_set(fill);                                                                  \
        for (int i = 0; i < (int)(sizeof(V) / sizeof part_[0]); i++)                              \
            if (i < (n)) part_[i] = (p)[i];                                                       \
        part_;                                                                                    \
    })
#define STORE_PART(V, MASK, p, x, n)                                                              \
    do                                                                                            \
        for (int i = 0; i < (int)(sizeof(V) / sizeof(x)[0]); i++)                                 \
            if (i < (n)) (p)[i] = (x)[i];                                                         \
    while (0)
#endif

INLINE vi vi_lanes(void) { return (vi){EACH_VF(LANE_NUMBER, 0)}; } /* 0, 1, 2, ... */
INLINE vl vl_lanes(void) { return (vl){EACH_VD(LANE_NUMBER, 0)}; }
INLINE vi vi_set(int32_t x) { return (vi){0} + x; }
INLINE vl vl_set(int64_t x) { return (vl){0} + x; }
INLINE vi vi_load(const int32_t *p) { return *(const vi_anywhere *)p; }
INLINE void vi_store(int32_t *p, vi x) { *(vi_anywhere *)p = x; }

/* What floats and doubles have in common, for vf (masks: vi) and for vd (masks: vl):
 *
 *   load, store                at any address of an element
 *   load_part, store_part      the first n lanes; what lies beyond them is not touched. A load
 *                              fills the other lanes. A constant n of all lanes costs nothing
 *                              extra.
 *   set                        the same number in each lane
 *   where(mask, x, y)          x where the mask holds, else y
 *   min, max                   if x is NaN the result is NaN; if y is, the result is x
 *   sum_lanes, max_lanes, min_lanes   over the lanes, pairwise */
#define VECTOR_OPERATIONS(V, SCALAR, MASK, N, EACH)                                               \
    INLINE V V##_load(const SCALAR *p) { return *(const V##_anywhere *)p; }                       \
    INLINE void V##_store(SCALAR *p, V x) { *(V##_anywhere *)p = x; }                             \
    INLINE V V##_set(SCALAR x) { return (V){EACH(LANE_NUMBER, 0)} * 0 + x; }                      \
    INLINE V V##_load_part(const SCALAR *p, long n, SCALAR fill)                                  \
    {                                                                                             \
        if (n >= N) return V##_load(p);                                                           \
        return LOAD_PART(V, MASK, p, n, fill);                                                    \
    }                                                                                             \
    INLINE void V##_store_part(SCALAR *p, V x, long n)                                            \
    {                                                                                             \
        if (n >= N) V##_store(p, x);                                                              \
        else STORE_PART(V, MASK, p, x, n);                                                        \
    }                                                                                             \
    INLINE V V##_where(MASK mask, V x, V y) { return (V)((mask & (MASK)x) | (~mask & (MASK)y)); } \
    INLINE V V##_min(V x, V y) { return V##_where((MASK)(y < x), y, x); }                         \
    INLINE V V##_max(V x, V y) { return V##_where((MASK)(y > x), y, x); }                         \
    INLINE SCALAR V##_sum_lanes(V x) { ACROSS_LANES(x, N, EACH, x + y) }                          \
    INLINE SCALAR V##_max_lanes(V x) { ACROSS_LANES(x, N, EACH, V##_max(x, y)) }                  \
    INLINE SCALAR V##_min_lanes(V x) { ACROSS_LANES(x, N, EACH, V##_min(x, y)) }

/* Combines each lane with the one 8, 4, 2, 1 away, until lane 0 has seen all. */
#define ACROSS_LANES(x, N, EACH, COMBINED)                                                        \
    ACROSS(x, N, EACH, 8, COMBINED)                                                               \
    ACROSS(x, N, EACH, 4, COMBINED)                                                               \
    ACROSS(x, N, EACH, 2, COMBINED)                                                               \
    ACROSS(x, N, EACH, 1, COMBINED)                                                               \
    return x[0];
#define ACROSS(x, N, EACH, distance, COMBINED)                                                    \
    if (distance < N) {                                                                           \
        __typeof__(x) y = SHUFFLE(x, x, EACH(LANE_ACROSS, distance % N));                         \
        x = COMBINED;                                                                             \
    }

VECTOR_OPERATIONS(vf, float, vi, LANES, EACH_VF)
VECTOR_OPERATIONS(vd, double, vl, VD_LANES, EACH_VD)

INLINE int vi_any(vi x) { ACROSS_LANES(x, LANES, EACH_VF, x | y) } /* nonzero if any lane is */
INLINE vf vf_abs(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vd vd_abs(vd x) { return (vd)((vl)x & INT64_MAX); }
INLINE vf vf_copysign(vf x, vf sign) { return vf_where(vi_set(0x7fffffff), x, sign); }
INLINE vd vd_copysign(vd x, vd sign) { return vd_where(vl_set(INT64_MAX), x, sign); }

INLINE vf vf_sqrt(vf x)
{
    UNROLL for (int i = 0; i < LANES; i++) x[i] = sqrtf(x[i]);
    return x;
}

INLINE vd vd_sqrt(vd x)
{
    UNROLL for (int i = 0; i < VD_LANES; i++) x[i] = sqrt(x[i]);
    return x;
}

/* ---- Transposes ---- */

/* rows[i][j] <-> rows[j][i], in registers: rounds of exchanging blocks of 8, 4, 2, 1 lanes between
 * rows 8, 4, 2, 1 apart. */
#define LANE_KEPT(i, d) ((i) & (d) ? (i) - (d) + TRANSPOSED : (i))
#define LANE_GIVEN(i, d) ((i) & (d) ? (i) + TRANSPOSED : (i) + (d))
#define EXCHANGE_BLOCKS(rows, N, EACH, distance)                                                  \
    if (distance < N) {                                                                           \
        UNROLL for (int i = 0; i < N; i++) if (!(i & distance))                                   \
        {                                                                                         \
            enum { TRANSPOSED = N };                                                              \
            __typeof__(rows[0]) x = rows[i], y = rows[(i + distance) % N];                        \
            rows[i] = SHUFFLE(x, y, EACH(LANE_KEPT, distance % N));                               \
            rows[(i + distance) % N] = SHUFFLE(x, y, EACH(LANE_GIVEN, distance % N));             \
        }                                                                                         \
    }
INLINE void vf_transpose(vf rows[LANES])
{
    EXCHANGE_BLOCKS(rows, LANES, EACH_VF, 8)
    EXCHANGE_BLOCKS(rows, LANES, EACH_VF, 4)
    EXCHANGE_BLOCKS(rows, LANES, EACH_VF, 2)
    EXCHANGE_BLOCKS(rows, LANES, EACH_VF, 1)
}

INLINE void vd_transpose(vd rows[VD_LANES])
{
    EXCHANGE_BLOCKS(rows, VD_LANES, EACH_VD, 4)
    EXCHANGE_BLOCKS(rows, VD_LANES, EACH_VD, 2)
    EXCHANGE_BLOCKS(rows, VD_LANES, EACH_VD, 1)
}

/* ---- Conversions ---- */

INLINE vi vi_from_vf(vf x) { return __builtin_convertvector(x, vi); } /* towards zero */
INLINE vf vf_from_vi(vi x) { return __builtin_convertvector(x, vf); }

/* The first and the last half of a vector's lanes as doubles, and back. */
INLINE vd vd_from_low(vf x)
{
    vf_half low;
    memcpy(&low, &x, sizeof low);
    return __builtin_convertvector(low, vd);
}

INLINE vd vd_from_high(vf x)
{
    vf_half high;
    memcpy(&high, (char *)&x + sizeof high, sizeof high);
    return __builtin_convertvector(high, vd);
}

INLINE vf vf_from_vd(vd low, vd high)
{
    vf_half halves[2] = {__builtin_convertvector(low, vf_half),
                         __builtin_convertvector(high, vf_half)};
    vf x;
    memcpy(&x, halves, sizeof x);
    return x;
}

/* LANES (or the first n) elements of 16 bits; the other lanes are zero. */
INLINE vh vh_load_part(const void *p, long n)
{
    vh bits = {0};
    if (n >= LANES) return *(const vh_anywhere *)p;
    memcpy(&bits, p, n * 2);
    return bits;
}

INLINE void vh_store_part(void *p, vh bits, long n)
{
    if (n >= LANES) *(vh_anywhere *)p = bits;
    else memcpy(p, &bits, n * 2);
}

/* bfloat16 is the upper half of a float. */
INLINE vf vf_load_bfloat16_part(const uint16_t *p, long n)
{
    return (vf)(__builtin_convertvector(vh_load_part(p, n), vu) << 16);
}

/* The nearest number that bfloat16 holds, of two the even one. A NaN stays one: its quiet bit is
 * set, as rounding could carry it to infinity. */
INLINE vf vf_round_bfloat16(vf x)
{
    vu bits = (vu)x, rounded = bits + 0x7fff + (bits >> 16 & 1), nan = bits | 0x400000;
    return (vf)((vu)vf_where((vi)(x == x), (vf)rounded, (vf)nan) & 0xffff0000u);
}

INLINE void vf_store_bfloat16_part(uint16_t *p, vf x, long n)
{
    vh_store_part(p, __builtin_convertvector((vu)vf_round_bfloat16(x) >> 16, vh), n);
}

INLINE vf vf_load_bfloat16(const uint16_t *p) { return vf_load_bfloat16_part(p, LANES); }
INLINE void vf_store_bfloat16(uint16_t *p, vf x) { vf_store_bfloat16_part(p, x, LANES); }

#ifdef __FLT16_MANT_DIG__ /* the compiler has _Float16 */
typedef _Float16 vf16 VECTOR(VECTOR_BYTES / 2);

INLINE vf vf_round_float16(vf x)
{
    return __builtin_convertvector(__builtin_convertvector(x, vf16), vf);
}

INLINE vf vf_load_float16_part(const uint16_t *p, long n)
{
    return __builtin_convertvector((vf16)vh_load_part(p, n), vf);
}

INLINE void vf_store_float16_part(uint16_t *p, vf x, long n)
{
    vh_store_part(p, (vh)__builtin_convertvector(x, vf16), n);
}

INLINE vf vf_load_float16(const uint16_t *p) { return vf_load_float16_part(p, LANES); }
INLINE void vf_store_float16(uint16_t *p, vf x) { vf_store_float16_part(p, x, LANES); }
#endif
#endif
