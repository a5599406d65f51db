#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static bool is_tail(uint8_t c)
{
    return (c & 0xC0) == 0x80;
}

size_t nb_utf8_step(const char *p, size_t n)
{
    const uint8_t *s = (const uint8_t *)p;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4 || n < 2 || !is_tail(s[1]))
        return 0;
    if (s[0] < 0xE0)
        return 2;
    /* The second byte rules out overlong forms, surrogates and what is above U+10FFFF. */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    if (n < 3 || !is_tail(s[2]))
        return 0;
    if (s[0] < 0xF0)
        return 3;
    return n >= 4 && is_tail(s[3]) ? 4 : 0;
}

size_t nb_utf8_cut(const char *p, size_t n)
{
    size_t i, back, want;

    for (back = 1; back <= 3 && back <= n; back++) {
        uint8_t c = (uint8_t)p[n - back];

        if (is_tail(c))
            continue;
        i = n - back;
        want = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        return want > back ? i : n;
    }
    return n;
}

bool nb_utf8_valid(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t step;
        uint64_t word;

        /* Eight ASCII bytes at a time: nearly all text there is. */
        if (n - i >= sizeof(word)) {
            memcpy(&word, p + i, sizeof(word));
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof(word);
                continue;
            }
        }
        step = nb_utf8_step(p + i, n - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}
