/* Which fills came before: by a keyed hash of their ids, as calib/feeds/reading/stats.py does it by the ids themselves.
 *
 * SipHash-1-3 with 128 bits of result (J.-P. Aumasson and D. Bernstein, "SipHash: a fast short-input PRF", 2012): with a
 * secret key no feed can be written whose ids meet, and by chance two of a million do once in 10^26 files.
 */
#include <stdlib.h>
#include <string.h>

#include "sums.h"

#define TURN(x, by) (((x) << (by)) | ((x) >> (64 - (by))))

struct state {
    uint64_t a, b, c, d;
};

static inline void mix(struct state *s) {
    s->a += s->b;
    s->b = TURN(s->b, 13) ^ s->a;
    s->a = TURN(s->a, 32);
    s->c += s->d;
    s->d = TURN(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = TURN(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = TURN(s->b, 17) ^ s->c;
    s->c = TURN(s->c, 32);
}

static inline void take(struct state *s, uint64_t word) {
    s->d ^= word;
    mix(s);
    s->a ^= word;
}

/* `salt` tells apart what has the same bytes. */
void calib_hash(const uint64_t *secret, const void *bytes, uint64_t size, uint64_t salt, uint64_t *hash) {
    struct state s = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du ^ 0xee,
                      secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    const char *p = bytes;
    uint64_t left = size, word = 0;
    take(&s, salt);
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        take(&s, word);
    }
    word = 0;
    memcpy(&word, p, left);
    take(&s, word | size << 56);
    s.c ^= 0xee;
    for (int n = 0; n < 3; n++)
        mix(&s);
    hash[0] = s.a ^ s.b ^ s.c ^ s.d;
    s.b ^= 0xdd;
    for (int n = 0; n < 3; n++)
        mix(&s);
    hash[1] = s.a ^ s.b ^ s.c ^ s.d;
}

static int more_slots(struct known_fills *known) {
    uint64_t mask = known->mask ? known->mask * 2 + 1 : 4095;
    struct known_fill *slots = calloc(mask + 1, sizeof *slots);
    if (!slots)
        return -1;
    for (uint64_t n = 0; known->slots && n <= known->mask; n++) {
        const struct known_fill *fill = &known->slots[n];
        uint64_t place = fill->key[0];
        if (!fill->key[1])
            continue;
        while (slots[place & mask].key[1])
            place++;
        slots[place & mask] = *fill;
    }
    free(known->slots);
    known->slots = slots;
    known->mask = mask;
    return 0;
}

/* Notes a fill; `*repeated` where one of the same key and rest was noted, a conflict where all of the key differ. */
int calib_known_fill(struct sums *sums, const struct known_fill *fill, int *repeated, uint64_t *conflicts) {
    struct known_fills *known = &sums->known;
    if (known->count * 4 >= known->mask * 3 && more_slots(known))
        return -1;
    int others = 0;
    uint64_t place = fill->key[0];
    *repeated = 0;
    for (;; place++) {
        const struct known_fill *met = &known->slots[place & known->mask];
        if (!met->key[1])
            break;
        if (met->key[0] != fill->key[0] || met->key[1] != fill->key[1])
            continue;
        others = 1;
        if (met->rest == fill->rest) {
            *repeated = 1;
            return 0;
        }
    }
    *conflicts += (uint64_t)others;
    known->slots[place & known->mask] = *fill;
    known->count++;
    return 0;
}

/* Ids are known within one file. */
int sums_begin_file(struct sums *sums) {
    free(sums->known.slots);
    sums->known = (struct known_fills){NULL, 0, 0};
    return 0;
}
