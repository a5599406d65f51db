#ifndef NB_AGE_BECH32_H
#define NB_AGE_BECH32_H

/*
 * Bech32 (BIP 173) of 32 bytes, as age writes its keys: "age1…", "AGE-SECRET-KEY-1…". Pure.
 * Strict: one case only, no padding bits set, exactly 32 bytes.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { AGE_BECH32_BYTES = 32, AGE_BECH32_MAX = 80 };

/* hrp: what stands before the '1', in lower case, at most 16 bytes. Lower case. */
void age_bech32_encode(const char *hrp, const uint8_t bytes[AGE_BECH32_BYTES],
                       char out[AGE_BECH32_MAX]);
/* hrp in the case that the text must have throughout. */
NB_NODISCARD bool age_bech32_decode(const char *hrp, const char *text, size_t n,
                                    uint8_t out[AGE_BECH32_BYTES]);

#endif
