/* The records of a chunk, in the order of the lines: duplicates, the order of time, and each row into its group. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sums.h"

static inline double number_at(const uint8_t *record, uint32_t column) {
    double value;
    memcpy(&value, record + column, 8);
    return value;
}

static inline uint32_t code_at(const uint8_t *record, uint32_t column) {
    uint32_t code;
    memcpy(&code, record + column, 4);
    return code;
}

/* A nullable integer column. */
static inline uint64_t whole_at(const uint8_t *record, uint32_t column, uint64_t otherwise) {
    uint64_t value;
    memcpy(&value, record + column, 8);
    return record[column + 8] ? otherwise : value;
}

/* The hash of a placed text; of none it is that of the empty text with another salt. */
static void hash_text(const struct sums *sums, const struct settlement *from, const struct place *place, uint64_t salt,
                      uint64_t *hash) {
    if (place->size == NO_COLUMN) {
        calib_hash(sums->secret, "", 0, ~salt, hash);
        return;
    }
    const uint8_t *content = place->offset >> 31 ? from->other : from->content;
    calib_hash(sums->secret, content + (place->offset & 0x7FFFFFFFu), place->size, salt, hash);
}

static int is_repeated(struct sums *sums, struct settlement *from, const uint8_t *record, const struct place *places,
                       uint32_t symbol, int *repeated) {
    const struct fill_columns *columns = &sums->fill;
    const struct place *trade = &places[columns->trade_id];
    *repeated = 0;
    if (trade->size == NO_COLUMN)
        return 0; /* a fill without an id is never a duplicate */
    struct known_fill fill;
    struct {
        double price, qty;
        uint64_t side, order[2];
    } rest = {number_at(record, columns->price), number_at(record, columns->qty), code_at(record, columns->side), {0, 0}};
    uint64_t hash[2];
    hash_text(sums, from, trade, symbol, fill.key);
    fill.key[1] |= 1; /* 0 is an empty slot */
    hash_text(sums, from, &places[columns->order_id], 0, rest.order);
    calib_hash(sums->secret, &rest, sizeof rest, 1, hash);
    fill.rest = hash[0];
    return calib_known_fill(sums, &fill, repeated, &from->conflicts);
}

static void count_time(struct settlement *settled, double ts) {
    if (settled->used == 0) {
        settled->first = settled->least = settled->largest = ts;
    } else {
        settled->steps_back += ts < settled->last;
        settled->least = ts < settled->least ? ts : settled->least;
        settled->largest = ts > settled->largest ? ts : settled->largest;
    }
    settled->last = ts;
    settled->used++;
}

static int note_late(struct sums *sums, uint32_t symbol, int64_t index) {
    if (sums->late_count) {
        struct late *before = &sums->late[sums->late_count - 1];
        if (before->symbol == symbol && before->index == index) {
            before->lines++;
            return 0;
        }
    }
    if (sums->late_count == sums->late_room) {
        uint64_t room = sums->late_room ? sums->late_room * 2 : 64;
        struct late *grown = realloc(sums->late, room * sizeof *grown);
        if (!grown)
            return -1;
        sums->late = grown;
        sums->late_room = room;
    }
    sums->late[sums->late_count++] = (struct late){index, symbol, 1};
    return 0;
}

static void read_tick(const struct sums *sums, const uint8_t *record, struct tick *row) {
    const struct tick_columns *columns = &sums->tick;
    row->ts = number_at(record, columns->ts);
    row->total_ms = number_at(record, columns->total_ms);
    row->fetch_md_ms = number_at(record, columns->fetch_md_ms);
    row->cache_age_ms = number_at(record, columns->cache_age_ms);
    row->mid = number_at(record, columns->mid);
    row->ws_gap_ms = number_at(record, columns->ws_gap_ms);
    __uint128_t quotes = (__uint128_t)whole_at(record, columns->n_quotes, 1) *
                         whole_at(record, columns->sample_rate, sums->usual_rate);
    row->quotes = quotes > MAX_QUOTES ? MAX_QUOTES : (uint64_t)quotes;
    row->cache_hit = record[columns->cache_hit];
    row->deadline_miss = record[columns->deadline_miss];
    row->used_stale = record[columns->used_stale];
}

static void read_fill(const struct sums *sums, const struct settlement *from, uint64_t n, const uint8_t *record,
                      const struct place *places, struct fill *row) {
    const struct fill_columns *columns = &sums->fill;
    row->ts = number_at(record, columns->ts);
    row->price = number_at(record, columns->price);
    row->qty = number_at(record, columns->qty);
    row->quote_price = number_at(record, columns->quote_price);
    row->mid_at_quote = number_at(record, columns->mid_at_quote);
    row->mid_now = number_at(record, columns->mid_now);
    row->slip_bps = number_at(record, columns->slip_bps);
    row->fee_bps = number_at(record, columns->fee_bps);
    for (uint64_t horizon = 0; horizon < MARKOUTS; horizon++)
        row->markouts[horizon] = from->markouts ? from->markouts[n * MARKOUTS + horizon] : NAN;
    /* Codes of the choices, in the order of the table: buy, sell; maker, taker. */
    row->buy = code_at(record, columns->side) == 1;
    row->taker = code_at(record, columns->liquidity) == 2;
    row->has_quote = places[columns->quote_id].size != NO_COLUMN;
    if (row->has_quote)
        hash_text(sums, from, &places[columns->quote_id], 0, row->quote);
}

/* The times at the first, second, fourth, ... row of a chunk: the last three of them tell how far the symbol is. */
static void sample(struct symbol *symbol, double ts) {
    uint32_t met = ++symbol->in_chunk;
    if ((met & (met - 1)) == 0)
        symbol->samples[symbol->met++ % 3] = ts;
}

static int settle_row(struct sums *sums, struct settlement *from, uint64_t n, const uint8_t *record,
                      const struct place *places, uint32_t code, double ts) {
    struct symbol *symbol = &sums->symbols[code];
    symbol->seen = 1;
    if (!symbol->wanted || !(ts >= (double)sums->start && ts < (double)sums->end))
        return 0;
    int64_t index = (int64_t)ts / sums->interval_s;
    if (!sums->only) {
        sample(symbol, ts);
        if (index < symbol->first_open)
            return note_late(sums, code, index);
    }
    struct group *group = calib_group(sums, code, index, !sums->only);
    if (!group)
        return sums->only ? 0 : -1;
    void *row = calib_new_row(sums, group);
    if (!row)
        return -1;
    if (sums->fills)
        read_fill(sums, from, n, record, places, row);
    else
        read_tick(sums, record, row);
    return 0;
}

int sums_settle(struct sums *sums, struct settlement *settled) {
    uint32_t ts_column = sums->fills ? sums->fill.ts : sums->tick.ts;
    uint32_t symbol_column = sums->fills ? sums->fill.symbol : sums->tick.symbol;
    for (uint64_t n = 0; n < settled->count && settled->lines[n] < settled->last_line; n++) {
        const uint8_t *record = settled->records + n * sums->stride;
        const struct place *places = settled->places + n * sums->placed;
        uint32_t code = settled->codes[code_at(record, symbol_column)];
        if (sums->fills) {
            int repeated;
            if (is_repeated(sums, settled, record, places, code, &repeated))
                return -1;
            if (repeated) {
                settled->repeated[settled->repeated_count++] = (uint32_t)n;
                continue;
            }
        }
        double ts = number_at(record, ts_column);
        count_time(settled, ts);
        if (settle_row(sums, settled, n, record, places, code, ts))
            return -1;
    }
    for (uint32_t n = 0; n < sums->symbol_count; n++) {
        struct symbol *symbol = &sums->symbols[n];
        if (symbol->in_chunk && symbol->met >= 3)
            calib_raise_watermark(sums, symbol);
        symbol->in_chunk = 0;
    }
    return 0;
}
