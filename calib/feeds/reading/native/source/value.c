/* Texts, stages, levels, and the values of fields that the table does not list. */
#include "value.h"

/* Characters of UTF-8 text, or -1 where one is a control character (Unicode Cc). */
static int characters(const uint8_t *p, const uint8_t *end) {
    int count = 0;
    for (; p < end; p++) {
        if (*p < ' ' || *p == 0x7F || (*p == 0xC2 && p[1] < 0xA0))
            return -1;
        count += (*p & 0xC0) != 0x80;
    }
    return count;
}

static uint32_t symbol_code(struct line *line, const uint8_t *name, const uint8_t *end) {
    uint32_t size = (uint32_t)(end - name);
    if (size == 0 || size > 4 * MAX_SYMBOL)
        return 0;
    uint32_t known = kernel_symbol_count(line->kernel);
    int count = characters(name, end);
    if (count < 1 || count > MAX_SYMBOL)
        return 0;
    uint32_t code = kernel_symbol_code(line->kernel, name, size);
    line->out_of_memory |= !code && known;
    return code;
}

static uint32_t choice_code(const struct field *field, const uint8_t *text, const uint8_t *end) {
    for (uint32_t n = 0; n < field->choice_count; n++) {
        const struct text *choice = &field->choices[n];
        if (choice->size == (size_t)(end - text) && memcmp(choice->bytes, text, choice->size) == 0)
            return n + 1;
    }
    return 0;
}

const uint8_t *calib_text(struct line *line, struct field *field, const uint8_t *p) {
    if (*p != '"')
        return NULL;
    const uint8_t *begin = p + 1, *end = text_end(begin, field->kept != CHECKED || field->symbol || field->choice_count);
    if (!end)
        return NULL;
    if (field->kept == PLACED) {
        line->places[field->column].offset = (uint32_t)(line->offset + (uint64_t)(begin - line->start));
        line->places[field->column].size = (uint32_t)(end - begin);
    } else if (field->symbol || field->choice_count) {
        uint32_t code = field->symbol ? symbol_code(line, begin, end) : choice_code(field, begin, end);
        if (!code)
            return NULL;
        if (field->column != NO_COLUMN)
            memcpy(line->record + field->column, &code, 4);
    }
    return end + 1;
}

/* A duration: null, or at least 0. `column` gets it where there is one. */
static const uint8_t *duration(struct line *line, uint32_t column, const uint8_t *p) {
    if (*p == 'n')
        return memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
    const uint8_t *after = column == NO_COLUMN ? skip_decimal(p, 0) : NULL;
    if (after)
        return after;
    double value;
    p = read_double(p, &value);
    if (!p || value < 0)
        return NULL;
    if (column != NO_COLUMN)
        put8(line, column, &value);
    return p;
}

/* Reads up to the value of the stage at `position`, which becomes what is expected there. */
static const uint8_t *learn_stage(struct field *field, uint32_t position, const uint8_t *from, uint32_t *stage) {
    const uint8_t *p = skip_blanks(from);
    if (*p != (position ? ',' : '{'))
        return NULL;
    p = skip_blanks(p + 1);
    if (*p != '"')
        return NULL;
    const uint8_t *name = p + 1, *end = text_end(name, 1);
    if (!end)
        return NULL;
    p = skip_blanks(end + 1);
    if (*p != ':')
        return NULL;
    p = skip_blanks(p + 1);
    *stage = NO_COLUMN;
    for (uint32_t n = 0; n < field->stage_count; n++)
        if (field->stages[n].name.size == (size_t)(end - name) &&
            memcmp(field->stages[n].name.bytes, name, field->stages[n].name.size) == 0)
            *stage = n;
    if (position < MAX_STAGES && p - from <= SEPARATOR) {
        struct separator *order = &field->stage_order[position];
        memset(order->text, 0, SEPARATOR);
        memcpy(order->text, from, (size_t)(p - from));
        order->size = (uint32_t)(p - from);
        order->target = *stage;
    }
    return p;
}

const uint8_t *calib_stages(struct line *line, struct field *field, const uint8_t *p) {
    uint32_t met = 0;
    if (*p != '{')
        return NULL;
    for (uint32_t position = 0;; position++) {
        const struct separator *expected = &field->stage_order[position];
        uint32_t stage;
        if (position < MAX_STAGES && expected->size && same_bytes(p, expected)) {
            stage = expected->target;
            p += expected->size;
        } else {
            const uint8_t *close = skip_blanks(position ? p : p + 1);
            if (*close == '}')
                return close + 1;
            p = learn_stage(field, position, p, &stage);
            if (!p)
                return NULL;
        }
        uint32_t column = NO_COLUMN;
        if (stage != NO_COLUMN) {
            if (met & 1u << stage)
                return NULL; /* which of the two counts is for Python to say */
            met |= 1u << stage;
            column = field->stages[stage].column;
        }
        p = duration(line, column, p);
        if (!p)
            return NULL;
    }
}

/* `[price, qty]` with price > 0 and qty >= 0. */
static const uint8_t *level(const uint8_t *p) {
    for (int place = 0; place < 2; place++) {
        if (*p != (place ? ',' : '['))
            return NULL;
        p = skip_blanks(p + 1);
        const uint8_t *after = skip_decimal(p, !place);
        if (!after) {
            double value;
            after = read_double(p, &value);
            if (!after || value < 0 || (!place && value == 0))
                return NULL;
        }
        p = skip_blanks(after);
    }
    return *p == ']' ? p + 1 : NULL;
}

const uint8_t *calib_levels(const uint8_t *p) {
    if (*p != '[')
        return NULL;
    p = skip_blanks(p + 1);
    if (*p == ']')
        return p + 1;
    for (;;) {
        p = level(p);
        if (!p)
            return NULL;
        p = skip_blanks(p);
        if (*p == ']')
            return p + 1;
        if (*p != ',')
            return NULL;
        p = skip_blanks(p + 1);
    }
}

/* The members of an array or an object, `p` behind its bracket. */
static const uint8_t *members(const uint8_t *p, char close, int depth) {
    p = skip_blanks(p);
    if (*p == close)
        return p + 1;
    for (;;) {
        if (close == '}') {
            if (*p != '"')
                return NULL;
            p = text_end(p + 1, 0);
            if (!p)
                return NULL;
            p = skip_blanks(p + 1);
            if (*p != ':')
                return NULL;
            p = skip_blanks(p + 1);
        }
        p = calib_anything(p, depth + 1);
        if (!p)
            return NULL;
        p = skip_blanks(p);
        if (*p == close)
            return p + 1;
        if (*p != ',')
            return NULL;
        p = skip_blanks(p + 1);
    }
}

const uint8_t *calib_anything(const uint8_t *p, int depth) {
    double value;
    switch (*p) {
    case '"':
        p = text_end(p + 1, 0);
        return p ? p + 1 : NULL;
    case 't':
        return memcmp(p, "true", 4) == 0 ? p + 4 : NULL;
    case 'f':
        return memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
    case 'n':
        return memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
    case '[':
        return depth < MAX_DEPTH ? members(p + 1, ']', depth) : NULL;
    case '{':
        return depth < MAX_DEPTH ? members(p + 1, '}', depth) : NULL;
    default:
        return read_double(p, &value);
    }
}
