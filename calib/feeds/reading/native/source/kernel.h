/* The feeds' kernel: it vouches for a line by the rules of calib/feeds/schema/table.py, or hands the line back.
 *
 * It never rejects: what it hands back is decided in Python (calib/feeds/schema/validation.py). What it vouches for must
 * be valid there too, with the same values to the last bit. No globals: each thread has a kernel of its own.
 */
#ifndef CALIB_KERNEL_H
#define CALIB_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernel reads digits as little-endian words: build calib without it (CALIB_NATIVE=0)"
#endif
#if UINTPTR_MAX != UINT64_MAX
#error "the kernel needs 64-bit addresses: build calib without it (CALIB_NATIVE=0)"
#endif

#define EXPORT __attribute__((visibility("default")))

#define KERNEL_VERSION 1
/* Bytes past the content that a scan may load; `content.h` sees that they are there. */
#define PADDING 64
#define MAX_FIELDS 60
#define MAX_STAGES 16
#define MAX_CHOICES 8
#define SEPARATOR 32
/* A longer line is handed back at once: Python knows the limit of 16 MiB. */
#define LONG_LINE (1 << 20)
#define NO_COLUMN UINT32_MAX

enum type { TEXT, NUMBER, INTEGER, BOOLEAN, STAGES, LEVELS, UNKNOWN };
/* What becomes of a text: only checked, a code of its own table, a place in the content. */
enum kept { CHECKED, CODED, PLACED };

/* The bytes from the end of one value to the first byte of the next, as they were last met. */
struct separator {
    uint8_t text[SEPARATOR];
    uint32_t size; /* 0: nothing learned */
    uint32_t target; /* field, or stage */
};

struct text {
    const char *bytes;
    uint32_t size;
};

struct stage {
    struct text name;
    uint32_t column;
};

struct field {
    struct text name;
    enum type type;
    enum kept kept;
    int required;
    int symbol;
    double low, high;
    int above; /* low itself is outside */
    uint32_t column; /* offset in the record, or NO_COLUMN; of a placed text its number */
    struct text choices[MAX_CHOICES];
    uint32_t choice_count;
    struct stage stages[MAX_STAGES];
    uint32_t stage_count;
    struct separator stage_order[MAX_STAGES];
    uint64_t first_met; /* of an unknown field: 1 + the line; 0: not met in this chunk */
};

/* Symbols by code, from 1; 0 is none. */
struct symbols {
    struct text *names;
    uint32_t count, room;
    uint32_t *slots;
    uint32_t slot_mask;
    uint64_t seed;
    uint32_t last, *next; /* the code that came after each code the last time */
};

struct kernel {
    struct field fields[MAX_FIELDS];
    uint32_t count, listed;
    uint64_t required;
    struct separator order[MAX_FIELDS + 1];
    uint8_t *nulls; /* a record of nulls */
    uint32_t stride, placed;
    struct symbols symbols;
};

/* Where a text lies in the content; `size` NO_COLUMN is null, and a set high bit of `offset` means the other buffer. */
struct place {
    uint32_t offset, size;
};

struct handed_back {
    uint64_t offset, size;
    uint32_t line, zero;
};

/* What the lines of one content came to; reused from content to content. */
struct chunk {
    uint8_t *records;
    uint32_t *lines; /* of each record, from 0 */
    struct place *places; /* `placed` of each record */
    struct handed_back *handed_back;
    uint64_t used, room;
    uint64_t handed, handed_room;
    uint64_t line_count;
};

EXPORT int kernel_version(void);
EXPORT int kernel_portable(void);
EXPORT struct kernel *kernel_new(const uint8_t *nulls, uint32_t stride, uint32_t placed, uint64_t seed);
EXPORT void kernel_free(struct kernel *kernel);
EXPORT int kernel_field(struct kernel *kernel, const char *name, uint32_t size, int type, int kept, int required,
                        int symbol, double low, int above, double high, uint32_t column);
EXPORT int kernel_choice(struct kernel *kernel, uint32_t field, const char *text, uint32_t size);
EXPORT int kernel_stage(struct kernel *kernel, uint32_t field, const char *name, uint32_t size, uint32_t column);
EXPORT int kernel_unknown(struct kernel *kernel, const char *name, uint32_t size);
EXPORT uint64_t kernel_first_met(const struct kernel *kernel, uint32_t unknown);
EXPORT uint32_t kernel_symbol_count(const struct kernel *kernel);
EXPORT const char *kernel_symbol(const struct kernel *kernel, uint32_t code, uint32_t *size);
EXPORT uint32_t kernel_symbol_code(struct kernel *kernel, const uint8_t *name, uint32_t size);
EXPORT struct chunk *chunk_new(void);
EXPORT void chunk_free(struct chunk *chunk);
EXPORT int kernel_parse(struct kernel *kernel, struct chunk *chunk, const uint8_t *data, uint64_t size);

#endif
