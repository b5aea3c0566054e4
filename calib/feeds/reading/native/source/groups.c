/* The groups: found by symbol and interval, closed when nothing more is expected, and lent out to be folded. */
#include "sums.h"

#include <stdlib.h>
#include <string.h>

struct sums *sums_new(int fills, int64_t interval_s, int64_t start, int64_t end, double allowance_s,
                      uint64_t usual_rate, double maker_fee_bps, double taker_fee_bps, const uint32_t *columns,
                      uint32_t stride, uint32_t placed, const uint64_t *secret) {
    struct sums *sums = calloc(1, sizeof *sums);
    if (!sums)
        return NULL;
    sums->fills = fills;
    sums->interval_s = interval_s;
    sums->start = start;
    sums->end = end;
    sums->allowance_s = allowance_s;
    sums->usual_rate = usual_rate;
    sums->maker_fee_bps = maker_fee_bps;
    sums->taker_fee_bps = taker_fee_bps;
    sums->stride = stride;
    sums->placed = placed;
    sums->row_size = fills ? sizeof(struct fill) : sizeof(struct tick);
    memcpy(sums->secret, secret, sizeof sums->secret);
    if (fills)
        memcpy(&sums->fill, columns, sizeof sums->fill);
    else
        memcpy(&sums->tick, columns, sizeof sums->tick);
    sums->bucket_mask = 1023;
    sums->buckets = calloc(sums->bucket_mask + 1, sizeof *sums->buckets);
    if (!sums->buckets) {
        free(sums);
        return NULL;
    }
    return sums;
}

static void free_groups(struct group *first) {
    while (first) {
        struct group *next = first->after;
        free(first->rows);
        free(first);
        first = next;
    }
}

void sums_free(struct sums *sums) {
    if (!sums)
        return;
    for (uint32_t n = 0; n < sums->symbol_count; n++)
        free_groups(sums->symbols[n].open);
    free_groups(sums->closed);
    free(sums->symbols);
    free(sums->buckets);
    free(sums->late);
    free(sums->known.slots);
    free(sums);
}

int sums_symbol(struct sums *sums, int wanted, int contract, double multiplier) {
    if (sums->symbol_count == sums->symbol_room) {
        uint32_t room = sums->symbol_room ? sums->symbol_room * 2 : 64;
        struct symbol *grown = realloc(sums->symbols, room * sizeof *grown);
        if (!grown)
            return -1;
        sums->symbols = grown;
        sums->symbol_room = room;
    }
    sums->symbols[sums->symbol_count++] =
        (struct symbol){.wanted = wanted, .contract = contract, .multiplier = multiplier, .first_open = INT64_MIN};
    return 0;
}

int sums_seen(const struct sums *sums, uint32_t symbol) { return sums->symbols[symbol].seen; }

int sums_only(struct sums *sums, uint32_t symbol, int64_t index) {
    sums->only = 1;
    return calib_group(sums, symbol, index, 1) ? 0 : -1;
}

static uint64_t bucket_of(const struct sums *sums, uint32_t symbol, int64_t index) {
    uint64_t mixed = ((uint64_t)index ^ ((uint64_t)symbol << 40) ^ sums->secret[0]) * 0x9E3779B97F4A7C15u;
    return (mixed ^ (mixed >> 32)) & sums->bucket_mask;
}

static int more_buckets(struct sums *sums) {
    struct group **old = sums->buckets;
    uint64_t old_mask = sums->bucket_mask, mask = old_mask * 2 + 1;
    struct group **buckets = calloc(mask + 1, sizeof *buckets);
    if (!buckets)
        return -1;
    sums->buckets = buckets;
    sums->bucket_mask = mask;
    for (uint64_t n = 0; n <= old_mask; n++)
        for (struct group *group = old[n], *next; group; group = next) {
            next = group->in_bucket;
            uint64_t place = bucket_of(sums, group->symbol, group->index);
            group->in_bucket = buckets[place];
            buckets[place] = group;
        }
    free(old);
    return 0;
}

/* The open group; a new one where `make`, else NULL where there is none. */
struct group *calib_group(struct sums *sums, uint32_t symbol, int64_t index, int make) {
    struct symbol *of = &sums->symbols[symbol];
    if (of->recent && of->recent->index == index)
        return of->recent;
    uint64_t place = bucket_of(sums, symbol, index);
    for (struct group *group = sums->buckets[place]; group; group = group->in_bucket)
        if (group->index == index && group->symbol == symbol)
            return of->recent = group;
    if (!make)
        return NULL;
    if (sums->group_count > sums->bucket_mask) {
        if (more_buckets(sums))
            return NULL;
        place = bucket_of(sums, symbol, index);
    }
    struct group *group = calloc(1, sizeof *group);
    if (!group)
        return NULL;
    group->index = index;
    group->symbol = symbol;
    group->contract = of->contract;
    group->multiplier = of->multiplier;
    group->in_bucket = sums->buckets[place];
    sums->buckets[place] = group;
    sums->group_count++;
    group->after = of->open;
    if (of->open)
        of->open->before = group;
    return of->recent = of->open = group;
}

/* Room for one more row at the end of the group, NULL where memory ran out. */
void *calib_new_row(const struct sums *sums, struct group *group) {
    if (group->count == group->room) {
        uint32_t room = group->room ? group->room * 2 : 16;
        void *rows = realloc(group->rows, (size_t)room * sums->row_size);
        if (!rows)
            return NULL;
        group->rows = rows;
        group->room = room;
    }
    return (char *)group->rows + (size_t)group->count++ * sums->row_size;
}

static void close_group(struct sums *sums, struct group *group) {
    struct symbol *of = &sums->symbols[group->symbol];
    struct group **link = &sums->buckets[bucket_of(sums, group->symbol, group->index)];
    while (*link != group)
        link = &(*link)->in_bucket;
    *link = group->in_bucket;
    sums->group_count--;
    if (group->before)
        group->before->after = group->after;
    else
        of->open = group->after;
    if (group->after)
        group->after->before = group->before;
    if (of->recent == group)
        of->recent = NULL;
    group->before = NULL;
    group->after = sums->closed;
    sums->closed = group;
    sums->closed_count++;
}

static void close_symbol(struct sums *sums, struct symbol *symbol, int64_t first_open) {
    if (first_open <= symbol->first_open)
        return;
    symbol->first_open = first_open;
    for (struct group *group = symbol->open, *next; group; group = next) {
        next = group->after;
        if (group->index < first_open)
            close_group(sums, group);
    }
}

/* No later line is of an interval before `index`. */
void sums_close_before(struct sums *sums, int64_t index) {
    if (!sums->only || index == INT64_MAX)
        for (uint32_t n = 0; n < sums->symbol_count; n++)
            close_symbol(sums, &sums->symbols[n], index);
}

/* By the median of three of the symbol's times: one line with a wild time closes nothing. */
void calib_raise_watermark(struct sums *sums, struct symbol *symbol) {
    double a = symbol->samples[0], b = symbol->samples[1], c = symbol->samples[2];
    double low = a < b ? a : b, high = a < b ? b : a;
    double median = c < low ? low : c > high ? high : c;
    /* Past the year 2000: rounding towards zero is rounding down. */
    close_symbol(sums, symbol, (int64_t)(median - sums->allowance_s) / sums->interval_s);
}

uint64_t sums_closed(const struct sums *sums) { return sums->closed_count; }

uint32_t sums_take(struct sums *sums, struct group **groups, uint32_t most) {
    uint32_t count = 0;
    for (; count < most && sums->closed; count++) {
        groups[count] = sums->closed;
        sums->closed = sums->closed->after;
        groups[count]->after = NULL;
        sums->closed_count--;
    }
    return count;
}

/* Takes at most so many of the lines that came after their group was closed. */
uint64_t sums_late(struct sums *sums, struct late *late, uint64_t most) {
    uint64_t count = sums->late_count < most ? sums->late_count : most;
    if (count) {
        memcpy(late, sums->late + (sums->late_count - count), count * sizeof *late);
        sums->late_count -= count;
    }
    return count;
}

/* Folds groups that were taken, and frees them; may run beside everything else. */
int sums_fold(const struct sums *sums, struct group **groups, uint32_t count, struct sums_row *rows) {
    int failed = 0;
    for (uint32_t n = 0; n < count; n++) {
        struct sums_row *row = &rows[n];
        *row = (struct sums_row){.index = groups[n]->index, .symbol = groups[n]->symbol, .lines = groups[n]->count};
        failed |= sums->fills ? calib_fold_fills(sums, groups[n], row) : calib_fold_ticks(sums, groups[n], row);
        free(groups[n]->rows);
        free(groups[n]);
    }
    return failed;
}
