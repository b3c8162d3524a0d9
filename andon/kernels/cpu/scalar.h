/* One element at a time: what C lacks of the ops' meaning.
 *
 * Floor division and remainder have the sign of the divisor, as in Python. Integer functions set
 * *error where the op raises: on division by zero, and on a negative power. */
#ifndef ANDON_SCALAR_H
#define ANDON_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SCALAR static inline __attribute__((always_inline, unused))

enum { DIVIDED_BY_ZERO = 1, NEGATIVE_POWER = 2, OUT_OF_RANGE = 3 };

#define FLOAT_DIVISION(T, f)                                                                      \
    SCALAR T remainder_of_floor##f(T a, T b)                                                      \
    {                                                                                             \
        T rest = fmod##f(a, b);                                                                   \
        if (rest == 0) return copysign##f(0, b);                                                  \
        return (rest < 0) != (b < 0) ? rest + b : rest;                                           \
    }                                                                                             \
    SCALAR T floor_quotient##f(T a, T b)                                                          \
    {                                                                                             \
        if (b == 0) return a / b;                                                                 \
        T rest = fmod##f(a, b), whole = (a - rest) / b;                                           \
        if (rest != 0 && (rest < 0) != (b < 0)) whole -= 1;                                       \
        if (whole == 0) return copysign##f(0, a / b);                                             \
        T down = floor##f(whole);                                                                 \
        return whole - down > (T)0.5 ? down + 1 : down;                                           \
    }
FLOAT_DIVISION(float, f)
FLOAT_DIVISION(double, )

/* a / b towards zero; the smallest number by -1 is itself. */
SCALAR int64_t quotient_i(int64_t a, int64_t b, int *error)
{
    if (b == 0) {
        *error = DIVIDED_BY_ZERO;
        return 0;
    }
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

SCALAR int64_t rest_i(int64_t a, int64_t b, int *error)
{
    return (int64_t)((uint64_t)a - (uint64_t)quotient_i(a, b, error) * (uint64_t)b);
}

SCALAR int64_t remainder_of_floor_i(int64_t a, int64_t b, int *error)
{
    int64_t rest = rest_i(a, b, error);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

SCALAR int64_t floor_quotient_i(int64_t a, int64_t b, int *error)
{
    int64_t whole = quotient_i(a, b, error), rest = rest_i(a, b, error);
    return rest != 0 && (rest < 0) != (b < 0) ? whole - 1 : whole;
}

SCALAR int64_t power_i(int64_t x, int64_t n, int *error)
{
    uint64_t y = 1, square = (uint64_t)x;
    if (n < 0) *error = NEGATIVE_POWER;
    for (; n > 0; n >>= 1, square *= square)
        if (n & 1) y *= square;
    return (int64_t)y;
}

/* Shifts by as many bits as there are, or more, leave nothing, or the sign. */
SCALAR int64_t shift_left(int64_t a, int64_t b, int bits)
{
    return b < 0 || b >= bits ? 0 : (int64_t)((uint64_t)a << b);
}
SCALAR int64_t shift_right(int64_t a, int64_t b, int bits)
{
    return b < 0 || b >= bits ? (a < 0 ? -1 : 0) : a >> b;
}

/* ---- float16 and bfloat16: their bits, and the floats that they stand for ---- */

SCALAR float bfloat16_of(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &wide, sizeof x);
    return x;
}

SCALAR uint16_t bfloat16_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)((bits | 0x400000) >> 16);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

SCALAR float float16_of(uint16_t bits)
{
    _Float16 x;
    memcpy(&x, &bits, sizeof x);
    return (float)x;
}

SCALAR uint16_t float16_bits(float x)
{
    _Float16 half = (_Float16)x;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

/* An index from 0 to n - 1; 0 and an error beyond. */
SCALAR int64_t index_of(int64_t i, int64_t n, int *error)
{
    if ((uint64_t)i < (uint64_t)n) return i;
    *error = OUT_OF_RANGE;
    return 0;
}

/* An index from -n to n - 1 counted from the front; 0 and an error beyond. */
SCALAR int64_t index_within(int64_t i, int64_t n, int *error)
{
    if (i < 0) i += n;
    if ((uint64_t)i < (uint64_t)n) return i;
    *error = OUT_OF_RANGE;
    return 0;
}
#endif
