/* JSON numbers as the nearest double.
 *
 * Digits eight at a time; up to 2^53 and 10^22 one exact multiplication or division, else Eisel and Lemire (D. Lemire,
 * "Number parsing at a gigabyte per second", Software: Practice and Experience 51, 2021). Handed back: more than 19
 * significant digits, powers outside of the table, -0.
 */
#ifndef CALIB_NUMBER_H
#define CALIB_NUMBER_H

#include "powers.h"
#include "text.h"

struct digits {
    const uint8_t *end; /* NULL: none, or not to be decided here */
    uint64_t value; /* of the digits as one whole number */
    int32_t power; /* of ten */
    int negative;
    int whole; /* no fraction, no exponent */
};

static const uint64_t TENS[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
static const double EXACT_TENS[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* How many of the eight bytes are digits from the first on; `*digit` gets the bytes less '0'. */
static inline unsigned digit_run(const uint8_t *p, uint64_t *digit) {
    uint64_t bytes = load8(p) ^ 0x3030303030303030u;
    uint64_t other = ((bytes + 0x7676767676767676u) | bytes) & 0x8080808080808080u;
    *digit = bytes;
    return other ? (unsigned)__builtin_ctzll(other) >> 3 : 8;
}

/* Eight digits, the first in the lowest byte, as a number. */
static inline uint64_t eight_digits(uint64_t digit) {
    digit = digit * 10 + (digit >> 8);
    return (((digit & 0x000000FF000000FFu) * 0x000F424000000064u) +
            (((digit >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >> 32;
}

/* Appends a run of digits to `*value`; past the run. */
static inline const uint8_t *take_digits(const uint8_t *p, uint64_t *value) {
    for (;;) {
        uint64_t digit;
        unsigned count = digit_run(p, &digit);
        if (count == 8) {
            *value = *value * TENS[8] + eight_digits(digit);
            p += 8;
            continue;
        }
        if (count)
            *value = *value * TENS[count] + eight_digits(digit << (64 - 8 * count));
        return p + count;
    }
}

/* Significant digits of [begin, end), which holds digits and at most one point. */
static inline int significant(const uint8_t *begin, const uint8_t *end) {
    int count = 0;
    for (; begin < end; begin++)
        if (*begin != '.' && (count || *begin != '0'))
            count++;
    return count;
}

static inline struct digits read_digits(const uint8_t *p) {
    struct digits found = {NULL, 0, 0, 0, 1};
    if (*p == '-') {
        found.negative = 1;
        p++;
    }
    const uint8_t *begin = p;
    p = take_digits(p, &found.value);
    if (p == begin || (*begin == '0' && p - begin > 1))
        return found;
    if (*p == '.') {
        const uint8_t *fraction = p + 1;
        p = take_digits(fraction, &found.value);
        if (p == fraction)
            return found;
        found.power = (int32_t)(fraction - p);
        found.whole = 0;
    }
    /* Twenty bytes with a point are nineteen digits; more may still be zeros in front. */
    if (p - begin > 19 && significant(begin, p) > 19)
        return found;
    if (*p == 'e' || *p == 'E') {
        int minus = p[1] == '-';
        p += 1 + (minus || p[1] == '+');
        uint64_t exponent = 0, digit;
        unsigned count = digit_run(p, &digit);
        if (count < 1 || count > 3)
            return found;
        p = take_digits(p, &exponent);
        found.power += minus ? -(int32_t)exponent : (int32_t)exponent;
        found.whole = 0;
    }
    found.end = p;
    return found;
}

/* value * 10^power, value > 0; false where it is not to be decided here. */
static inline int nearest_double(uint64_t value, int32_t power, double *result) {
    if (value <= UINT64_C(1) << 53 && power >= -22 && power <= 22) {
        *result = power < 0 ? (double)value / EXACT_TENS[-power] : (double)value * EXACT_TENS[power];
        return 1;
    }
    if (power < LEAST_POWER || power > LARGEST_POWER)
        return 0;
    const uint64_t *five = POWERS_OF_FIVE[power - LEAST_POWER];
    int zeros = __builtin_clzll(value);
    uint64_t shifted = value << zeros;
    __uint128_t product = (__uint128_t)shifted * five[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)(((__uint128_t)shifted * five[1]) >> 64);
        low += more;
        high += low < more;
    }
    if (low == UINT64_MAX && (power < -27 || power > 55))
        return 0;
    int upper = (int)(high >> 63);
    uint64_t mantissa = high >> (upper + 9);
    int32_t exponent = (((152170 + 65536) * power) >> 16) + 63 + upper - zeros + 1023;
    if (low <= 1 && power >= -4 && power <= 23 && (mantissa & 3) == 1 && mantissa << (upper + 9) == high)
        mantissa &= ~UINT64_C(1); /* exactly halfway: to even */
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= UINT64_C(2) << 52) {
        mantissa = UINT64_C(1) << 52;
        exponent++;
    }
    uint64_t bits = (mantissa & ~(UINT64_C(1) << 52)) | (uint64_t)exponent << 52;
    memcpy(result, &bits, 8);
    return 1;
}

/* A number of a number field: past it, or NULL. */
static inline const uint8_t *read_double(const uint8_t *p, double *result) {
    struct digits found = read_digits(p);
    if (!found.end)
        return NULL;
    if (found.value == 0) {
        *result = 0.0;
        return found.negative ? NULL : found.end;
    }
    if (!nearest_double(found.value, found.power, result))
        return NULL;
    if (found.negative)
        *result = -*result;
    return found.end;
}

/* A number of an integer field: past it, or NULL. */
static inline const uint8_t *read_integer(const uint8_t *p, int64_t *result) {
    struct digits found = read_digits(p);
    if (!found.end || !found.whole || found.value > (uint64_t)INT64_MAX || (found.negative && !found.value))
        return NULL;
    *result = found.negative ? -(int64_t)found.value : (int64_t)found.value;
    return found.end;
}

/* A plain decimal that nobody asked for: past it, or NULL where it has a sign, an exponent or many digits. */
static inline const uint8_t *skip_decimal(const uint8_t *p, int above_zero) {
    uint64_t digit, any = 0;
    unsigned count = digit_run(p, &digit);
    if (count == 0 || count == 8 || (*p == '0' && count > 1))
        return NULL;
    any |= digit << (64 - 8 * count);
    p += count;
    if (*p == '.') {
        p++;
        count = digit_run(p, &digit);
        if (count == 0)
            return NULL;
        any |= digit << (64 - 8 * count);
        p += count;
        if (count == 8)
            return NULL;
    }
    return *p == 'e' || *p == 'E' || (above_zero && !any) ? NULL : p;
}

#endif
