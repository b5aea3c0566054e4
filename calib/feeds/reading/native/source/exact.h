/* Sums rounded once, as calib/dataset/exact.py makes them: Shewchuk's partial sums, as in CPython's math.fsum. */
#ifndef CALIB_EXACT_H
#define CALIB_EXACT_H

#include <math.h>
#include <stdint.h>

/* Partial sums do not overlap: 2098 bits of doubles in pieces of 53. */
#define PARTIALS 48

/* The sum and the rounding error of two doubles, the larger one first. */
static inline double two_sum(double x, double y, double *low) {
    if (fabs(x) < fabs(y)) {
        double swapped = x;
        x = y;
        y = swapped;
    }
    double high = x + y;
    *low = y - (high - x);
    return high;
}

/* The partial sums as one double, rounded half to even. */
static inline double rounded(const double *partials, int count) {
    double high = 0.0, low = 0.0;
    if (count > 0) {
        high = partials[--count];
        while (count > 0) {
            double x = high, y = partials[--count];
            high = x + y;
            low = y - (high - x);
            if (low != 0.0)
                break;
        }
        if (count > 0 && ((low < 0.0 && partials[count - 1] < 0.0) || (low > 0.0 && partials[count - 1] > 0.0))) {
            double y = low * 2.0, x = high + y;
            if (y == x - high)
                high = x;
        }
    }
    return high;
}

/* False where it overflowed on the way; the result then means nothing. Zeros leave no partial: no sum is -0. */
static inline int plain_sum(const double *values, uint32_t count, double scale, double *result) {
    double partials[PARTIALS], special = 0.0, infinite = 0.0;
    int used = 0;
    for (uint32_t n = 0; n < count; n++) {
        double value = values[n] * scale, x = value;
        int kept = 0;
        for (int k = 0; k < used; k++) {
            double low;
            x = two_sum(x, partials[k], &low);
            if (low != 0.0)
                partials[kept++] = low;
        }
        used = kept;
        if (x == 0.0)
            continue;
        if (isfinite(x)) {
            partials[used++] = x;
            continue;
        }
        if (isfinite(value))
            return 0;
        if (isinf(value))
            infinite += value;
        special += value;
        used = 0;
    }
    *result = special != 0.0 ? (isnan(infinite) ? NAN : special) : rounded(partials, used);
    return 1;
}

static inline double exact_sum(const double *values, uint32_t count) {
    double result = NAN;
    if (plain_sum(values, count, 1.0, &result))
        return result;
    double endless = 0.0;
    int any = 0;
    for (uint32_t n = 0; n < count; n++)
        if (!isfinite(values[n])) {
            endless += values[n];
            any = 1;
        }
    if (any)
        return endless;
    /* Scaled down there is room for 2^64 values. */
    plain_sum(values, count, 0x1p-64, &result);
    return result * 0x1p64;
}

#endif
