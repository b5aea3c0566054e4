/* From records to rows of a dataset: each (symbol, interval) is a group, whose rows are summed once, as a whole. */
#ifndef CALIB_SUMS_H
#define CALIB_SUMS_H

#include "kernel.h"

#define MARKOUTS 3
#define RESULTS 10
#define MAX_QUOTES (UINT64_C(1) << 63)

/* A missing number is NaN: lines hold finite ones only. */
struct tick {
    double ts, total_ms, fetch_md_ms, cache_age_ms, mid, ws_gap_ms;
    uint64_t quotes; /* at most 2^63 */
    uint8_t cache_hit, deadline_miss, used_stale; /* 2: not known */
};

struct fill {
    double ts, price, qty, quote_price, mid_at_quote, mid_now, slip_bps, fee_bps;
    double markouts[MARKOUTS];
    uint64_t quote[2]; /* keyed hash of the id */
    uint8_t buy, taker, has_quote;
};

struct group {
    int64_t index;
    uint32_t symbol;
    int contract; /* as the symbol has it */
    double multiplier;
    uint32_t count, room;
    void *rows;
    struct group *in_bucket;
    struct group *before, *after; /* the open groups of the symbol */
};

struct symbol {
    int wanted, seen, contract; /* 0 price x qty, 1 linear, 2 inverse */
    double multiplier;
    int64_t first_open;
    struct group *open, *recent;
    uint32_t in_chunk, met; /* rows in the chunk that is settled, and how many of them were looked at */
    double samples[3];
};

/* One row of the result: `nulls` has a bit for each value that is missing. */
struct sums_row {
    int64_t index;
    uint32_t symbol, nulls;
    int64_t lines, other; /* ticks: quotes; fills: filled quotes */
    double values[RESULTS];
};

/* Where a record holds each column; NO_COLUMN: nowhere. Placed texts have their number. */
struct tick_columns {
    uint32_t ts, symbol, total_ms, fetch_md_ms, cache_age_ms, mid, ws_gap_ms, sample_rate, n_quotes;
    uint32_t cache_hit, deadline_miss, used_stale;
};

struct fill_columns {
    uint32_t ts, symbol, price, qty, quote_price, mid_at_quote, mid_now, slip_bps, fee_bps;
    uint32_t side, liquidity, trade_id, order_id, quote_id;
};

struct late {
    int64_t index;
    uint32_t symbol, lines;
};

struct known_fill {
    uint64_t key[2], rest;
};

/* The ids of the fills of one file. */
struct known_fills {
    struct known_fill *slots;
    uint64_t count, mask;
};

struct sums {
    int fills;
    int only; /* groups are those told by sums_only, and never closed before the end */
    int64_t interval_s, start, end;
    double allowance_s;
    uint64_t usual_rate;
    double maker_fee_bps, taker_fee_bps;
    uint64_t secret[2];
    uint32_t stride, placed, row_size;
    struct tick_columns tick;
    struct fill_columns fill;
    struct symbol *symbols;
    uint32_t symbol_count, symbol_room;
    struct group **buckets;
    uint64_t bucket_mask, group_count;
    struct group *closed;
    uint64_t closed_count;
    struct late *late;
    uint64_t late_count, late_room;
    struct known_fills known;
};

/* A chunk's records on their way into the groups. */
struct settlement {
    const uint8_t *records;
    const uint32_t *lines;
    const struct place *places;
    const uint8_t *content, *other; /* what places point into */
    const uint32_t *codes; /* the symbol of each of the chunk's codes */
    const double *markouts; /* MARKOUTS of each record, or NULL */
    uint32_t *repeated; /* room for `count`: the records that are duplicates */
    uint64_t count, last_line; /* records of later lines are left out */
    uint64_t used, repeated_count, conflicts, steps_back;
    double first, last, least, largest; /* times of the used lines */
};

EXPORT struct sums *sums_new(int fills, int64_t interval_s, int64_t start, int64_t end, double allowance_s,
                             uint64_t usual_rate, double maker_fee_bps, double taker_fee_bps, const uint32_t *columns,
                             uint32_t stride, uint32_t placed, const uint64_t *secret);
EXPORT void sums_free(struct sums *sums);
EXPORT int sums_symbol(struct sums *sums, int wanted, int contract, double multiplier);
EXPORT int sums_seen(const struct sums *sums, uint32_t symbol);
EXPORT int sums_only(struct sums *sums, uint32_t symbol, int64_t index);
EXPORT int sums_begin_file(struct sums *sums);
EXPORT int sums_settle(struct sums *sums, struct settlement *settled);
EXPORT void sums_close_before(struct sums *sums, int64_t index);
EXPORT uint64_t sums_closed(const struct sums *sums);
EXPORT uint32_t sums_take(struct sums *sums, struct group **groups, uint32_t most);
EXPORT uint64_t sums_late(struct sums *sums, struct late *late, uint64_t most);
EXPORT int sums_fold(const struct sums *sums, struct group **groups, uint32_t count, struct sums_row *rows);

#define TARGETS 11
#define FILL_RATE 6

/* One row of the dataset, before the filters: targets, then features, in the order of calib/dataset/columns.py. */
struct interval {
    int64_t index;
    uint32_t symbol, nulls;
    int64_t ticks, fills, quotes;
    double values[TARGETS + RESULTS];
};

EXPORT void rows_sort(struct sums_row *rows, uint64_t count, const uint32_t *ranks);
EXPORT uint64_t rows_join(const struct sums_row *ticks, uint64_t tick_count, const struct sums_row *fills,
                          uint64_t fill_count, struct interval *to);

struct group *calib_group(struct sums *sums, uint32_t symbol, int64_t index, int make);
void *calib_new_row(const struct sums *sums, struct group *group);
void calib_raise_watermark(struct sums *sums, struct symbol *symbol);
int calib_known_fill(struct sums *sums, const struct known_fill *fill, int *repeated, uint64_t *conflicts);
void calib_hash(const uint64_t *secret, const void *bytes, uint64_t size, uint64_t salt, uint64_t *hash);
int calib_fold_ticks(const struct sums *sums, struct group *group, struct sums_row *row);
int calib_fold_fills(const struct sums *sums, struct group *group, struct sums_row *row);

#endif
