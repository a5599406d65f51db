#include "age/bech32.h"

#include <string.h>

#include "base/fatal.h"
#include "base/secret.h"

enum {
    HRP_MAX = 16,
    GROUPS = (AGE_BECH32_BYTES * 8 + 4) / 5, /* of five bits */
    CHECKSUM = 6,
};

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static uint32_t polymod_step(uint32_t sum, uint8_t value)
{
    static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                          0x2a1462b3 };
    uint32_t top = sum >> 25;

    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < 5; i++)
        if (top >> i & 1)
            sum ^= generator[i];
    return sum;
}

/* Always over lower case. */
static uint32_t hrp_sum(const char *hrp)
{
    uint32_t sum = 1;

    for (const char *p = hrp; *p; p++)
        sum = polymod_step(sum, (uint8_t)lower(*p) >> 5);
    sum = polymod_step(sum, 0);
    for (const char *p = hrp; *p; p++)
        sum = polymod_step(sum, lower(*p) & 31);
    return sum;
}

void age_bech32_encode(const char *hrp, const uint8_t bytes[AGE_BECH32_BYTES],
                       char out[AGE_BECH32_MAX])
{
    uint32_t sum = hrp_sum(hrp), bits = 0;
    size_t at = strlen(hrp), next = 0;
    unsigned have = 0;

    if (at > HRP_MAX)
        nb_fatal("bech32: prefix is too long");
    memcpy(out, hrp, at);
    out[at++] = '1';
    for (size_t i = 0; i < GROUPS; i++) {
        uint8_t value;

        if (have < 5) {
            bits = bits << 8 | (next < AGE_BECH32_BYTES ? bytes[next] : 0);
            next++;
            have += 8;
        }
        have -= 5;
        value = bits >> have & 31;
        sum = polymod_step(sum, value);
        out[at++] = alphabet[value];
    }
    for (size_t i = 0; i < CHECKSUM; i++)
        sum = polymod_step(sum, 0);
    sum ^= 1;
    for (size_t i = 0; i < CHECKSUM; i++)
        out[at++] = alphabet[sum >> 5 * (CHECKSUM - 1 - i) & 31];
    out[at] = '\0';
}

/* -1: no character of the alphabet in the case that is wanted. */
static int value_of(char c, bool upper)
{
    const char *at;

    if (c == '\0' || (upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z'))
        return -1;
    at = strchr(alphabet, lower(c));
    return at ? (int)(at - alphabet) : -1;
}

static bool decode(const char *text, bool upper, uint32_t sum, uint8_t out[AGE_BECH32_BYTES])
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t made = 0;

    for (size_t i = 0; i < GROUPS + CHECKSUM; i++) {
        int value = value_of(text[i], upper);

        if (value < 0)
            return false;
        sum = polymod_step(sum, (uint8_t)value);
        if (i >= GROUPS)
            continue;
        bits = bits << 5 | (uint32_t)value;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[made++] = (uint8_t)(bits >> have);
        }
    }
    /* What is left over is padding. */
    return sum == 1 && (bits & ((1u << have) - 1)) == 0;
}

bool age_bech32_decode(const char *hrp, const char *text, size_t n, uint8_t out[AGE_BECH32_BYTES])
{
    size_t at = strlen(hrp);

    if (n != at + 1 + GROUPS + CHECKSUM || memcmp(text, hrp, at) != 0 || text[at] != '1')
        return false;
    if (decode(text + at + 1, hrp[0] >= 'A' && hrp[0] <= 'Z', hrp_sum(hrp), out))
        return true;
    nb_wipe(out, AGE_BECH32_BYTES);
    return false;
}
