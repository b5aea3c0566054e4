/* One value of a line: checked by the rules of its field, and kept where a column wants it. */
#ifndef CALIB_VALUE_H
#define CALIB_VALUE_H

#include "number.h"

#define MAX_SYMBOL 64
#define MAX_DEPTH 32

/* The line that is being read. */
struct line {
    struct kernel *kernel;
    const uint8_t *start; /* of the content, with the offset of its first byte */
    uint64_t offset;
    uint8_t *record;
    struct place *places;
    uint64_t met; /* a bit for each field */
    int out_of_memory;
};

const uint8_t *calib_stages(struct line *line, struct field *field, const uint8_t *p);
const uint8_t *calib_levels(const uint8_t *p);
const uint8_t *calib_anything(const uint8_t *p, int depth);
const uint8_t *calib_text(struct line *line, struct field *field, const uint8_t *p);

static inline void put8(const struct line *line, uint32_t column, const void *value) {
    memcpy(line->record + column, value, 8);
}

static inline const uint8_t *read_number(struct line *line, const struct field *field, const uint8_t *p) {
    if (field->column == NO_COLUMN && field->low == 0 && field->high > 1e300) {
        const uint8_t *after = skip_decimal(p, field->above);
        if (after)
            return after;
    }
    double value;
    p = read_double(p, &value);
    if (!p || !(value >= field->low) || (field->above && value == field->low) || !(value <= field->high))
        return NULL;
    if (field->column != NO_COLUMN)
        put8(line, field->column, &value);
    return p;
}

static inline const uint8_t *read_whole(struct line *line, const struct field *field, const uint8_t *p) {
    int64_t value;
    p = read_integer(p, &value);
    /* The bounds of integers are small; what a double cannot tell from them is far within. */
    if (!p || (double)value < field->low || (double)value > field->high)
        return NULL;
    if (field->column != NO_COLUMN) {
        put8(line, field->column, &value);
        if (!field->required)
            line->record[field->column + 8] = 0;
    }
    return p;
}

static inline const uint8_t *read_boolean(struct line *line, const struct field *field, const uint8_t *p) {
    uint8_t value = *p == 't';
    if (memcmp(p, "true", 4) == 0)
        p += 4;
    else if (memcmp(p, "false", 5) == 0)
        p += 5;
    else
        return NULL;
    if (field->column != NO_COLUMN)
        line->record[field->column] = value;
    return p;
}

/* Past the value, or NULL where the line is handed back. */
static inline const uint8_t *read_value(struct line *line, struct field *field, const uint8_t *p) {
    switch (field->type) {
    case NUMBER:
        return read_number(line, field, p);
    case INTEGER:
        return read_whole(line, field, p);
    case BOOLEAN:
        return read_boolean(line, field, p);
    case TEXT:
        return calib_text(line, field, p);
    case STAGES:
        return calib_stages(line, field, p);
    case LEVELS:
        return calib_levels(p);
    default:
        return calib_anything(p, 0);
    }
}

#endif
