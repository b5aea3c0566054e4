/* The lines of a content, one after the other: vouched for, or handed back. */
#include <stdlib.h>

#include "value.h"

struct chunk *chunk_new(void) { return calloc(1, sizeof(struct chunk)); }

void chunk_free(struct chunk *chunk) {
    if (!chunk)
        return;
    free(chunk->records);
    free(chunk->lines);
    free(chunk->places);
    free(chunk->handed_back);
    free(chunk);
}

static int grow_records(const struct kernel *kernel, struct chunk *chunk) {
    uint64_t room = chunk->room ? chunk->room * 2 : 4096;
    uint8_t *records = realloc(chunk->records, room * kernel->stride + PADDING);
    if (records)
        chunk->records = records;
    uint32_t *lines = realloc(chunk->lines, room * sizeof *lines);
    if (lines)
        chunk->lines = lines;
    struct place *places = realloc(chunk->places, room * kernel->placed * sizeof *places + PADDING);
    if (places)
        chunk->places = places;
    if (!records || !lines || !places)
        return -1;
    chunk->room = room;
    return 0;
}

static int hand_back(struct chunk *chunk, uint64_t offset, uint64_t size) {
    if (chunk->handed == chunk->handed_room) {
        uint64_t room = chunk->handed_room ? chunk->handed_room * 2 : 64;
        struct handed_back *grown = realloc(chunk->handed_back, room * sizeof *grown);
        if (!grown)
            return -1;
        chunk->handed_back = grown;
        chunk->handed_room = room;
    }
    struct handed_back *line = &chunk->handed_back[chunk->handed++];
    line->offset = offset;
    line->size = size;
    line->line = (uint32_t)chunk->line_count;
    line->zero = 0;
    return 0;
}

static uint32_t field_named(const struct kernel *kernel, const uint8_t *name, size_t size) {
    for (uint32_t f = 0; f < kernel->count; f++)
        if (kernel->fields[f].name.size == size && memcmp(kernel->fields[f].name.bytes, name, size) == 0)
            return f;
    return NO_COLUMN;
}

/* Reads from the end of field `before` (`count`: the line's start) to the next value, and expects that from now on. */
static const uint8_t *learn(struct kernel *kernel, uint32_t before, const uint8_t *from, uint32_t *field) {
    const uint8_t *p = skip_blanks(from);
    if (*p != (before == MAX_FIELDS ? '{' : ','))
        return NULL;
    p = skip_blanks(p + 1);
    if (*p != '"')
        return NULL;
    const uint8_t *name = p + 1, *end = text_end(name, 1);
    if (!end)
        return NULL;
    *field = field_named(kernel, name, (size_t)(end - name));
    p = skip_blanks(end + 1);
    if (*field == NO_COLUMN || *p != ':')
        return NULL;
    p = skip_blanks(p + 1);
    if (p - from <= SEPARATOR) {
        struct separator *order = &kernel->order[before];
        memset(order->text, 0, SEPARATOR);
        memcpy(order->text, from, (size_t)(p - from));
        order->size = (uint32_t)(p - from);
        order->target = *field;
    }
    return p;
}

/* Where each unknown field stands first; a line that is handed back does not count here. */
static void note_unknown(struct kernel *kernel, const struct chunk *chunk, uint64_t met) {
    for (uint64_t left = met >> kernel->listed << kernel->listed; left; left &= left - 1) {
        struct field *field = &kernel->fields[__builtin_ctzll(left)];
        if (!field->first_met)
            field->first_met = chunk->line_count + 1;
    }
}

/* Past the line and its newline, or NULL where it is handed back. */
static const uint8_t *read_line(struct kernel *kernel, struct line *line, const uint8_t *p) {
    uint64_t met = 0, there = 0;
    uint32_t before = MAX_FIELDS;
    memcpy(line->record, kernel->nulls, kernel->stride);
    for (uint32_t n = 0; n < kernel->placed; n++)
        line->places[n] = (struct place){0, NO_COLUMN};
    for (;;) {
        const struct separator *expected = &kernel->order[before];
        uint32_t f;
        if (expected->size && same_bytes(p, expected)) {
            f = expected->target;
            p += expected->size;
        } else {
            const uint8_t *close = skip_blanks(p);
            if (*close == '}') {
                p = close + 1;
                break;
            }
            p = learn(kernel, before, p, &f);
            if (!p)
                return NULL;
        }
        uint64_t bit = UINT64_C(1) << f;
        if (met & bit)
            return NULL; /* a repeated key: Python says which of the two counts */
        met |= bit;
        struct field *field = &kernel->fields[f];
        if (*p == 'n' && field->type != UNKNOWN) {
            if (memcmp(p, "null", 4) != 0)
                return NULL;
            p += 4;
        } else {
            p = read_value(line, field, p);
            if (!p)
                return NULL;
            there |= bit;
        }
        before = f;
    }
    if ((there & kernel->required) != kernel->required)
        return NULL;
    line->met = met;
    p = skip_blanks(p);
    return *p == '\n' ? p + 1 : NULL;
}

/* Lines from `start` to `end`, the last one ended by a newline and followed by PADDING bytes. */
static int parse_lines(struct kernel *kernel, struct chunk *chunk, const uint8_t *start, const uint8_t *end,
                       uint64_t offset) {
    struct line line = {kernel, start, offset, NULL, NULL, 0, 0};
    for (const uint8_t *p = start; p < end; chunk->line_count++) {
        const uint8_t *begin = p;
        if (chunk->used == chunk->room && grow_records(kernel, chunk))
            return -1;
        line.record = chunk->records + chunk->used * kernel->stride;
        line.places = chunk->places + chunk->used * kernel->placed;
        p = skip_blanks(begin);
        if (*p == '\n') {
            p++;
            continue; /* a blank line is no line */
        }
        if (*begin == '{' || *p == '{')
            p = read_line(kernel, &line, *begin == '{' ? begin : p);
        else
            p = NULL;
        if (line.out_of_memory)
            return -1;
        if (p && p - begin <= LONG_LINE) {
            note_unknown(kernel, chunk, line.met);
            chunk->lines[chunk->used++] = (uint32_t)chunk->line_count;
            continue;
        }
        const uint8_t *newline = memchr(begin, '\n', (size_t)(end - begin));
        if (hand_back(chunk, offset + (uint64_t)(begin - start), (uint64_t)(newline - begin)))
            return -1;
        p = newline + 1;
    }
    return 0;
}

/* The lines at the end, of which not every load would stay within the content. */
static int parse_tail(struct kernel *kernel, struct chunk *chunk, const uint8_t *data, uint64_t size, uint64_t offset) {
    if (!size)
        return 0;
    uint8_t *copy = malloc(size + 1 + PADDING);
    if (!copy)
        return -1;
    memcpy(copy, data, size);
    uint64_t whole = size;
    if (copy[size - 1] != '\n')
        copy[whole++] = '\n';
    memset(copy + whole, 0, PADDING);
    int failed = parse_lines(kernel, chunk, copy, copy + whole, offset);
    free(copy);
    return failed;
}

int kernel_parse(struct kernel *kernel, struct chunk *chunk, const uint8_t *data, uint64_t size) {
    chunk->used = chunk->handed = chunk->line_count = 0;
    for (uint32_t f = kernel->listed; f < kernel->count; f++)
        kernel->fields[f].first_met = 0;
    uint64_t safe = size > PADDING ? size - PADDING : 0;
    while (safe && data[safe - 1] != '\n')
        safe--;
    if (safe && parse_lines(kernel, chunk, data, data + safe, 0))
        return -1;
    return parse_tail(kernel, chunk, data + safe, size - safe, safe);
}
