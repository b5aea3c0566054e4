/* What a kernel checks and keeps, told field by field from the one table in Python. */
#include <stdlib.h>

#include "text.h"

int kernel_version(void) { return KERNEL_VERSION; }

int kernel_portable(void) { return !WITH_SSE; }

/* A copy with room to load past its end. */
static int copy_text(struct text *to, const void *bytes, uint32_t size) {
    char *copy = calloc(1, (size_t)size + PADDING);
    if (!copy)
        return -1;
    memcpy(copy, bytes, size);
    to->bytes = copy;
    to->size = size;
    return 0;
}

static void free_text(struct text *text) { free((void *)(uintptr_t)text->bytes); }

struct kernel *kernel_new(const uint8_t *nulls, uint32_t stride, uint32_t placed, uint64_t seed) {
    struct kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel)
        return NULL;
    struct symbols *symbols = &kernel->symbols;
    kernel->stride = stride;
    kernel->placed = placed;
    kernel->nulls = malloc((size_t)stride + 1);
    symbols->seed = seed;
    symbols->room = 64;
    symbols->slot_mask = 255;
    symbols->names = calloc(symbols->room, sizeof *symbols->names);
    symbols->next = calloc(symbols->room, sizeof *symbols->next);
    symbols->slots = calloc(symbols->slot_mask + 1, sizeof *symbols->slots);
    symbols->count = 1;
    if (!kernel->nulls || !symbols->names || !symbols->next || !symbols->slots) {
        kernel_free(kernel);
        return NULL;
    }
    memcpy(kernel->nulls, nulls, stride);
    return kernel;
}

void kernel_free(struct kernel *kernel) {
    if (!kernel)
        return;
    for (uint32_t f = 0; f < kernel->count; f++) {
        struct field *field = &kernel->fields[f];
        free_text(&field->name);
        for (uint32_t n = 0; n < field->choice_count; n++)
            free_text(&field->choices[n]);
        for (uint32_t n = 0; n < field->stage_count; n++)
            free_text(&field->stages[n].name);
    }
    for (uint32_t n = 0; kernel->symbols.names && n < kernel->symbols.count; n++)
        free_text(&kernel->symbols.names[n]);
    free(kernel->symbols.names);
    free(kernel->symbols.next);
    free(kernel->symbols.slots);
    free(kernel->nulls);
    free(kernel);
}

int kernel_field(struct kernel *kernel, const char *name, uint32_t size, int type, int kept, int required, int symbol,
                 double low, int above, double high, uint32_t column) {
    if (kernel->count == MAX_FIELDS)
        return -1;
    struct field *field = &kernel->fields[kernel->count];
    field->type = (enum type)type;
    field->kept = (enum kept)kept;
    field->required = required;
    field->symbol = symbol;
    field->low = low;
    field->above = above;
    field->high = high;
    field->column = column;
    if (copy_text(&field->name, name, size))
        return -1;
    if (required)
        kernel->required |= UINT64_C(1) << kernel->count;
    kernel->count++;
    if (field->type != UNKNOWN)
        kernel->listed = kernel->count;
    return 0;
}

int kernel_unknown(struct kernel *kernel, const char *name, uint32_t size) {
    return kernel_field(kernel, name, size, UNKNOWN, CHECKED, 0, 0, 0, 0, 0, NO_COLUMN);
}

int kernel_choice(struct kernel *kernel, uint32_t field, const char *text, uint32_t size) {
    struct field *of = &kernel->fields[field];
    if (of->choice_count == MAX_CHOICES || copy_text(&of->choices[of->choice_count], text, size))
        return -1;
    of->choice_count++;
    return 0;
}

int kernel_stage(struct kernel *kernel, uint32_t field, const char *name, uint32_t size, uint32_t column) {
    struct field *of = &kernel->fields[field];
    if (of->stage_count == MAX_STAGES || copy_text(&of->stages[of->stage_count].name, name, size))
        return -1;
    of->stages[of->stage_count++].column = column;
    return 0;
}

uint64_t kernel_first_met(const struct kernel *kernel, uint32_t unknown) {
    return kernel->fields[kernel->listed + unknown].first_met;
}

uint32_t kernel_symbol_count(const struct kernel *kernel) { return kernel->symbols.count; }

const char *kernel_symbol(const struct kernel *kernel, uint32_t code, uint32_t *size) {
    *size = kernel->symbols.names[code].size;
    return kernel->symbols.names[code].bytes;
}

/* Keyed, so that no feed can be written whose symbols all meet in one slot. */
static uint64_t name_hash(const struct symbols *symbols, const uint8_t *name, uint32_t size) {
    uint64_t hash = symbols->seed ^ size;
    for (uint32_t n = 0; n < size; n += 8) {
        uint64_t word = 0;
        memcpy(&word, name + n, size - n < 8 ? size - n : 8);
        __uint128_t product = (__uint128_t)(hash ^ word ^ 0x9E3779B97F4A7C15u) * (symbols->seed | 1);
        hash = (uint64_t)(product >> 64) ^ (uint64_t)product;
    }
    return hash;
}

static int is_name(const struct text *known, const uint8_t *name, uint32_t size) {
    return known->size == size && memcmp(known->bytes, name, size) == 0;
}

static int more_room(struct symbols *symbols) {
    uint32_t room = symbols->room * 2, mask = symbols->slot_mask * 2 + 1;
    struct text *names = realloc(symbols->names, room * sizeof *names);
    if (names)
        symbols->names = names;
    uint32_t *next = realloc(symbols->next, room * sizeof *next);
    if (next)
        symbols->next = next;
    uint32_t *slots = calloc((size_t)mask + 1, sizeof *slots);
    if (!names || !next || !slots) {
        free(slots);
        return -1;
    }
    memset(next + symbols->room, 0, symbols->room * sizeof *next);
    for (uint32_t code = 1; code < symbols->count; code++) {
        const struct text *name = &names[code];
        uint64_t slot = name_hash(symbols, (const uint8_t *)name->bytes, name->size);
        while (slots[slot & mask])
            slot++;
        slots[slot & mask] = code;
    }
    free(symbols->slots);
    symbols->slots = slots;
    symbols->slot_mask = mask;
    symbols->room = room;
    return 0;
}

/* Its code, 0 where it is not known. */
static uint32_t look_up(const struct symbols *symbols, const uint8_t *name, uint32_t size, uint64_t hash) {
    for (uint64_t slot = hash;; slot++) {
        uint32_t code = symbols->slots[slot & symbols->slot_mask];
        if (!code || is_name(&symbols->names[code], name, size))
            return code;
    }
}

/* A code for the name, the same each time; 0 where memory ran out. */
uint32_t kernel_symbol_code(struct kernel *kernel, const uint8_t *name, uint32_t size) {
    struct symbols *symbols = &kernel->symbols;
    /* Bots walk through their symbols in turn. */
    uint32_t code = symbols->next[symbols->last];
    if (!code || !is_name(&symbols->names[code], name, size)) {
        uint64_t hash = name_hash(symbols, name, size);
        code = look_up(symbols, name, size, hash);
        if (!code) {
            if (symbols->count == symbols->room && more_room(symbols))
                return 0;
            code = symbols->count;
            if (copy_text(&symbols->names[code], name, size))
                return 0;
            symbols->count++;
            while (symbols->slots[hash & symbols->slot_mask])
                hash++;
            symbols->slots[hash & symbols->slot_mask] = code;
        }
        symbols->next[symbols->last] = code;
    }
    symbols->last = code;
    return code;
}
