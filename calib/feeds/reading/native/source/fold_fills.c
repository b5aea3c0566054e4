/* A group of fills as one row: the targets of calib/dataset/fills.py, operation by operation. */
#include "exact.h"
#include "order.h"
#include "sums.h"

enum target {
    NET, NET_EQUAL, MARKOUT, SLIPPAGE = MARKOUT + MARKOUTS, TAKER_SHARE, TAKER_SHARE_NOTIONAL, NOTIONAL, PNL_MID
};

/* Lists of values on their way into exact sums. */
struct lists {
    double *notionals, *taker, *weights, *products, *gains;
};

static void set(struct sums_row *row, enum target target, int known, double value) {
    row->values[target] = known ? value : NAN;
    row->nulls |= (uint32_t)!known << target;
}

static double notional(const struct group *group, const struct fill *fill) {
    if (!group->contract)
        return fill->price * fill->qty;
    double contracts = fill->qty * group->multiplier;
    return group->contract == 2 ? contracts / fill->price : fill->price * contracts;
}

/* Whether it is known, what a fill gained after fees. */
static int gain_bps(const struct sums *sums, const struct fill *fill, double *gain) {
    double fee = !isnan(fill->fee_bps) ? fill->fee_bps : fill->taker ? sums->taker_fee_bps : sums->maker_fee_bps;
    double base = isnan(fill->mid_at_quote) ? fill->mid_now : fill->mid_at_quote;
    *gain = (fill->buy ? 1.0 : -1.0) * (fill->mid_now - fill->price) / base * 1e4 - fee;
    return !isnan(fill->mid_now);
}

static int slippage_bps(const struct fill *fill, double *slip) {
    if (isnan(fill->quote_price)) {
        *slip = fill->slip_bps;
        return !isnan(fill->slip_bps);
    }
    *slip = (fill->buy ? 1.0 : -1.0) * (fill->price - fill->quote_price) / fill->quote_price * 1e4;
    return 1;
}

/* Sums the products over the weights, as the mean that they make. */
static void weighted(struct sums_row *row, enum target target, const struct lists *lists, uint32_t known) {
    set(row, target, known > 0,
        known ? exact_sum(lists->products, known) / exact_sum(lists->weights, known) : 0);
}

static void gains(const struct sums *sums, const struct fill *fills, uint32_t count, struct lists *lists,
                  struct sums_row *row) {
    uint32_t known = 0;
    for (uint32_t n = 0; n < count; n++) {
        double gain;
        if (!gain_bps(sums, &fills[n], &gain))
            continue;
        lists->gains[known] = gain;
        lists->weights[known] = lists->notionals[n];
        lists->products[known++] = lists->notionals[n] * gain;
    }
    double net = exact_sum(lists->products, known);
    set(row, NET, known > 0, known ? net / exact_sum(lists->weights, known) : 0);
    set(row, NET_EQUAL, known > 0, known ? exact_sum(lists->gains, known) / (double)known : 0);
    set(row, PNL_MID, known > 0, net * (1 / 1e4)); /* polars divides a column by a number so */
}

static void slippage(const struct fill *fills, uint32_t count, struct lists *lists, struct sums_row *row) {
    uint32_t known = 0;
    for (uint32_t n = 0; n < count; n++) {
        double slip;
        if (!slippage_bps(&fills[n], &slip))
            continue;
        lists->weights[known] = lists->notionals[n];
        lists->products[known++] = lists->notionals[n] * slip;
    }
    weighted(row, SLIPPAGE, lists, known);
}

static void markouts(const struct fill *fills, uint32_t count, struct lists *lists, struct sums_row *row) {
    for (int horizon = 0; horizon < MARKOUTS; horizon++) {
        uint32_t known = 0;
        for (uint32_t n = 0; n < count; n++) {
            double value = fills[n].markouts[horizon];
            if (isnan(value))
                continue;
            lists->weights[known] = lists->notionals[n];
            lists->products[known++] = lists->notionals[n] * value;
        }
        weighted(row, (enum target)(MARKOUT + horizon), lists, known);
    }
}

static void taker(const struct fill *fills, uint32_t count, struct lists *lists, struct sums_row *row) {
    uint32_t takers = 0;
    for (uint32_t n = 0; n < count; n++)
        if (fills[n].taker)
            lists->taker[takers++] = lists->notionals[n];
    double whole = exact_sum(lists->notionals, count);
    set(row, TAKER_SHARE, 1, (double)takers / (double)count);
    set(row, TAKER_SHARE_NOTIONAL, 1, exact_sum(lists->taker, takers) / whole);
    set(row, NOTIONAL, 1, whole);
}

static int compare_hashes(const void *one, const void *other) { return memcmp(one, other, 16); }

/* Distinct ids of quotes, and the fills without one. */
static int64_t filled_quotes(const struct fill *fills, uint32_t count, uint64_t (*hashes)[2]) {
    uint32_t known = 0;
    for (uint32_t n = 0; n < count; n++)
        if (fills[n].has_quote)
            memcpy(hashes[known++], fills[n].quote, 16);
    qsort(hashes, known, sizeof *hashes, compare_hashes);
    int64_t found = count - known;
    for (uint32_t n = 0; n < known; n++)
        found += n == 0 || memcmp(hashes[n - 1], hashes[n], 16) != 0;
    return found;
}

int calib_fold_fills(const struct sums *sums, struct group *group, struct sums_row *row) {
    uint32_t count = group->count;
    if (!count)
        return 0;
    struct fill *other = malloc((size_t)count * sizeof *other);
    double *values = malloc((size_t)count * 7 * sizeof *values);
    int failed = !other || !values;
    if (!failed) {
        const struct fill *fills = by_time(group->rows, (char *)other, count, sizeof *other);
        struct lists lists = {values, values + count, values + 2 * (size_t)count, values + 3 * (size_t)count,
                              values + 4 * (size_t)count};
        for (uint32_t n = 0; n < count; n++)
            lists.notionals[n] = notional(group, &fills[n]);
        row->other = filled_quotes(fills, count, (uint64_t (*)[2])(void *)(values + 5 * (size_t)count));
        gains(sums, fills, count, &lists, row);
        slippage(fills, count, &lists, row);
        markouts(fills, count, &lists, row);
        taker(fills, count, &lists, row);
    }
    free(other);
    free(values);
    return failed;
}
