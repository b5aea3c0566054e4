/* A group of ticks as one row: the features of calib/dataset/ticks.py, operation by operation. */
#include "exact.h"
#include "order.h"
#include "sums.h"

enum feature {
    LATENCY_P95, LATENCY_P50, LATENCY_P99, FETCH_MD_P95, CACHE_HIT, CACHE_AGE, DEADLINE_MISS, STALE, MAX_GAP, VOLATILITY
};

static void set(struct sums_row *row, enum feature feature, int known, double value) {
    row->values[feature] = known ? value : NAN;
    row->nulls |= (uint32_t)!known << feature;
}

static void shares(const struct tick *ticks, uint32_t count, struct sums_row *row) {
    uint64_t hits = 0, misses = 0, stale = 0, known = 0;
    __uint128_t quotes = 0;
    for (uint32_t n = 0; n < count; n++) {
        hits += ticks[n].cache_hit;
        misses += ticks[n].deadline_miss;
        known += ticks[n].used_stale < 2;
        stale += ticks[n].used_stale == 1;
        quotes += ticks[n].quotes;
    }
    row->other = quotes > INT64_MAX ? INT64_MAX : (int64_t)quotes;
    set(row, CACHE_HIT, 1, (double)hits / (double)count);
    set(row, DEADLINE_MISS, 1, (double)misses / (double)count);
    set(row, STALE, known > 0, known ? (double)stale / (double)known : 0);
}

static void latencies(const struct tick *ticks, uint32_t count, double *values, struct sums_row *row) {
    int64_t from = 0;
    for (uint32_t n = 0; n < count; n++)
        values[n] = ticks[n].total_ms;
    set(row, LATENCY_P50, 1, quantile(values, count, 0, 0.5, &from));
    set(row, LATENCY_P95, 1, quantile(values, count, 0, 0.95, &from));
    set(row, LATENCY_P99, 1, quantile(values, count, 0, 0.99, &from));
    uint32_t known = 0;
    for (uint32_t n = 0; n < count; n++)
        if (!isnan(ticks[n].fetch_md_ms))
            values[known++] = ticks[n].fetch_md_ms;
    from = 0;
    set(row, FETCH_MD_P95, known > 0, known ? quantile(values, known, count - known, 0.95, &from) : 0);
}

static void cache_age(const struct tick *ticks, uint32_t count, double *values, struct sums_row *row) {
    uint32_t known = 0;
    for (uint32_t n = 0; n < count; n++)
        if (!isnan(ticks[n].cache_age_ms))
            values[known++] = ticks[n].cache_age_ms;
    set(row, CACHE_AGE, known > 0, known ? exact_sum(values, known) / (double)known : 0);
}

static void max_gap(const struct sums *sums, const struct tick *ticks, uint32_t count, struct sums_row *row) {
    double stream_ms = -1, before = (double)(row->index * sums->interval_s);
    double longest = (double)((row->index + 1) * sums->interval_s) - ticks[count - 1].ts;
    for (uint32_t n = 0; n < count; n++) {
        double silence = ticks[n].ts - before;
        longest = silence > longest ? silence : longest;
        before = ticks[n].ts;
        if (ticks[n].ws_gap_ms > stream_ms)
            stream_ms = ticks[n].ws_gap_ms;
    }
    /* polars divides a column by a number so. */
    set(row, MAX_GAP, 1, stream_ms >= 0 ? stream_ms * (1 / 1000.0) : longest);
}

static double log_return(double mid, double before) {
    double moved = (mid - before) / before;
    return fabs(moved) < 0.5 ? log1p(moved) : log(mid) - log(before);
}

static void volatility(const struct tick *ticks, uint32_t count, double *values, struct sums_row *row) {
    double before = NAN;
    uint32_t known = 0;
    for (uint32_t n = 0; n < count; n++) {
        if (isnan(ticks[n].mid))
            continue;
        if (!isnan(before)) {
            double moved = log_return(ticks[n].mid, before);
            values[known++] = moved * moved;
        }
        before = ticks[n].mid;
    }
    set(row, VOLATILITY, known > 0, known ? sqrt(exact_sum(values, known)) * 1e4 : 0);
}

int calib_fold_ticks(const struct sums *sums, struct group *group, struct sums_row *row) {
    uint32_t count = group->count;
    if (!count)
        return 0;
    struct tick *other = malloc((size_t)count * sizeof *other);
    double *values = malloc((size_t)count * sizeof *values);
    int failed = !other || !values;
    if (!failed) {
        const struct tick *ticks = by_time(group->rows, (char *)other, count, sizeof *other);
        shares(ticks, count, row);
        latencies(ticks, count, values, row);
        cache_age(ticks, count, values, row);
        max_gap(sums, ticks, count, row);
        volatility(ticks, count, values, row);
    }
    free(other);
    free(values);
    return failed;
}
