/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest digits that read back as a given float, the nearest to it among those: Raffaello Giulietti's Schubfach.
 * The float and the borders of what rounds to it are multiplied by a power of ten, so that the digits stand before the
 * point; one 64 by 128 bit product each, rounded to odd, is exact enough to compare them.
 *
 * The powers, 128 bits of each rounded up, are a table made by tools/genpowers.
 */
#include "vm/term/float_shortest.h"

enum { K_MIN = -292, K_MAX = 324, HIDDEN_BIT = 52, BIAS = 1075 };

typedef unsigned __int128 Wide;
typedef struct Power {
    uint64_t high, low;
} Power;

static const Power powers[K_MAX - K_MIN + 1] = {
#include "gen/powers.h"
};

/* --- one float ---------------------------------------------------------------------------------------------------- */
static int floor_log10_pow2(int e) { return (e * 1262611) >> 22; }
static int floor_log10_three_quarters_pow2(int e) { return (e * 1262611 - 524031) >> 22; }
static int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }

/* power * c / 2^128, with the lowest bit set when anything was cut off. */
static uint64_t round_to_odd(Power power, uint64_t c)
{
    Wide low = (Wide)power.low * c, high = (Wide)power.high * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The decimal c * 2^q stands for, given that the next float below is at half the usual distance or not. */
static uint64_t shortest(uint64_t c, int q, bool near_below, int *exponent)
{
    bool odd = c & 1;
    int k = near_below ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    Power power = powers[-k - K_MIN];
    uint64_t lower = round_to_odd(power, (4 * c - 2 + near_below) << h) + odd;
    uint64_t exact = round_to_odd(power, (4 * c) << h);
    uint64_t upper = round_to_odd(power, (4 * c + 2) << h) - odd;
    uint64_t s = exact / 4;
    *exponent = k;
    if (s >= 10) { /* one digit less */
        uint64_t tens = s / 10;
        bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
        if (down != up) {
            *exponent = k + 1;
            return tens + up;
        }
    }
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    if (down != up) {
        return s + up;
    }
    uint64_t middle = 4 * s + 2;
    return s + (exact > middle || (exact == middle && (s & 1)));
}

uint64_t float_shortest(double d, int *exponent)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << HIDDEN_BIT) - 1);
    int biased = (int)(bits >> HIDDEN_BIT & 0x7ff);
    uint64_t digits = biased ? shortest(fraction | UINT64_C(1) << HIDDEN_BIT, biased - BIAS, !fraction && biased > 1,
        exponent)
                             : shortest(fraction, 1 - BIAS, false, exponent);
    while (digits % 10 == 0) {
        digits /= 10;
        ++*exponent;
    }
    return digits;
}
