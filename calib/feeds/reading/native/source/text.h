/* JSON texts: where one ends, and whether it is valid UTF-8 without control characters. */
#ifndef CALIB_TEXT_H
#define CALIB_TEXT_H

#include <string.h>

#include "kernel.h"

#if defined(__SSE2__) && !defined(CALIB_PORTABLE)
#include <emmintrin.h>
#define WITH_SSE 1
#else
#define WITH_SSE 0
#endif

static inline uint64_t load8(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* The first byte at or after `p` that is a quote, a backslash, a control character or not ASCII. */
static inline const uint8_t *plain_end(const uint8_t *p) {
#if WITH_SSE
    for (;; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)p);
        /* Signed: bytes from 0x80 on are below a space too. */
        __m128i odd = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                   _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        unsigned mask = (unsigned)_mm_movemask_epi8(odd);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    while (*p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
#endif
}

/* Past one character beyond ASCII in valid UTF-8, else NULL. A newline ends every content, so no load goes too far. */
static inline const uint8_t *utf8_character(const uint8_t *p) {
    uint8_t first = p[0], low = 0x80, high = 0xBF;
    int more;
    if (first >= 0xC2 && first <= 0xDF) {
        more = 1;
    } else if (first >= 0xE0 && first <= 0xEF) {
        more = 2;
        if (first == 0xE0)
            low = 0xA0;
        if (first == 0xED)
            high = 0x9F; /* the surrogates */
    } else if (first >= 0xF0 && first <= 0xF4) {
        more = 3;
        if (first == 0xF0)
            low = 0x90;
        if (first == 0xF4)
            high = 0x8F;
    } else {
        return NULL;
    }
    if (p[1] < low || p[1] > high)
        return NULL;
    for (int n = 2; n <= more; n++)
        if ((p[n] & 0xC0) != 0x80)
            return NULL;
    return p + more + 1;
}

/* `p` behind the opening quote: the closing quote, or NULL. `plain`: no escapes, for a text whose bytes are kept. */
static inline const uint8_t *text_end(const uint8_t *p, int plain) {
    for (;;) {
        p = plain_end(p);
        if (*p == '"')
            return p;
        if (*p >= 0x80) {
            p = utf8_character(p);
            if (!p)
                return NULL;
        } else if (*p == '\\' && !plain && p[1] && strchr("\"\\/bfnrt", p[1])) {
            p += 2;
        } else {
            return NULL; /* a control character, \u (perhaps half a pair), or an escape in a text that is kept */
        }
    }
}

static inline int same_bytes(const uint8_t *p, const struct separator *known) {
#if WITH_SSE
    unsigned wanted = known->size >= 16 ? 0xFFFF : (1u << known->size) - 1;
    unsigned found = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p),
                                                                 _mm_loadu_si128((const __m128i *)known->text)));
    if ((found & wanted) != wanted)
        return 0;
    if (known->size <= 16)
        return 1;
    wanted = known->size == 32 ? 0xFFFF : (1u << (known->size - 16)) - 1;
    found = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 16)),
                                                        _mm_loadu_si128((const __m128i *)(known->text + 16))));
    return (found & wanted) == wanted;
#else
    return memcmp(p, known->text, known->size) == 0;
#endif
}

/* The whitespace of JSON but for the newline, which ends the line. */
static inline const uint8_t *skip_blanks(const uint8_t *p) {
    while (*p == ' ' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

#endif
