/* The rows of both kinds of feed, sorted and joined: the intervals of a dataset before the filters. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sums.h"

static int compare_rows(const void *one, const void *other) {
    const struct sums_row *a = one, *b = other;
    if (a->symbol != b->symbol)
        return a->symbol < b->symbol ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Replaces each symbol by its rank among the names, and sorts by (rank, index). */
void rows_sort(struct sums_row *rows, uint64_t count, const uint32_t *ranks) {
    for (uint64_t n = 0; n < count; n++)
        rows[n].symbol = ranks[rows[n].symbol];
    qsort(rows, count, sizeof *rows, compare_rows);
}

/* Quotes past 63 bits make the rate NaN, which is not a missing one. */
static void fill_rate(struct interval *to, int64_t filled) {
    double value = NAN;
    if (to->quotes == INT64_MAX)
        ;
    else if (to->quotes > 0)
        value = (double)filled / (double)to->quotes;
    else
        to->nulls |= 1u << FILL_RATE;
    to->values[FILL_RATE] = value;
}

static void take_fills(struct interval *to, const struct sums_row *fills) {
    /* The rate stands between the slippage and the shares. */
    for (int n = 0; n < RESULTS; n++) {
        int target = n < FILL_RATE ? n : n + 1;
        to->values[target] = fills ? fills->values[n] : NAN;
        to->nulls |= (fills ? fills->nulls >> n & 1 : 1u) << target;
    }
    to->fills = fills ? fills->lines : 0;
}

static void take_ticks(struct interval *to, const struct sums_row *ticks) {
    for (int n = 0; n < RESULTS; n++) {
        to->values[TARGETS + n] = ticks ? ticks->values[n] : NAN;
        to->nulls |= (ticks ? ticks->nulls >> n & 1 : 1u) << (TARGETS + n);
    }
    to->ticks = ticks ? ticks->lines : 0;
    to->quotes = ticks ? ticks->other : 0;
}

/* Both are sorted; `to` has room for all of them. How many intervals there are. */
uint64_t rows_join(const struct sums_row *ticks, uint64_t tick_count, const struct sums_row *fills, uint64_t fill_count,
                   struct interval *to) {
    uint64_t t = 0, f = 0, made = 0;
    while (t < tick_count || f < fill_count) {
        int order = t == tick_count ? 1 : f == fill_count ? -1 : compare_rows(&ticks[t], &fills[f]);
        const struct sums_row *tick = order <= 0 ? &ticks[t++] : NULL, *fill = order >= 0 ? &fills[f++] : NULL;
        const struct sums_row *any = tick ? tick : fill;
        struct interval *row = &to[made++];
        *row = (struct interval){.index = any->index, .symbol = any->symbol};
        take_fills(row, fill);
        take_ticks(row, tick);
        fill_rate(row, fill ? fill->other : 0);
    }
    return made;
}
