#ifndef NB_AGE_READER_H
#define NB_AGE_READER_H

/*
 * age_reader: an age v1 file (c2sp.org/age) back into bytes, fed in any cuts. What comes out was
 * sealed by whoever knew the file key, and in this order; only at finish is it known that nothing
 * is missing at the end.
 *
 * One thread at a time; the output callback is called by the thread that feeds. Memory: two chunks
 * of 64 KiB and the header, which is limited.
 */

#include "age/keys.h"
#include "age/stream.h"

struct age_reader;

/* keys is borrowed; NULL: none. */
struct age_reader *age_reader_new(const struct age_keys *keys, age_output_fn *output, void *ctx);
void age_reader_free(struct age_reader *r);
NB_AUTO_DEFINE(struct age_reader *, age_reader_free)
/* What age_header_parse() and age_keys_open() say; NB_E_CORRUPT "CorruptAge" for the payload; or
 * what the callback said. */
NB_NODISCARD bool age_reader_feed(struct age_reader *r, const void *p, size_t n,
                                  struct nb_error *err);
/* NB_E_CORRUPT "CutAge", "CorruptAgeHeader" when it ends within the header, or "CorruptAge". */
NB_NODISCARD bool age_reader_finish(struct age_reader *r, struct nb_error *err);
/* The header is read and opened: feeding what follows cannot end in "NoIdentity". */
bool age_reader_is_open(const struct age_reader *r);
void age_reader_give_key(const struct age_reader *r, struct age_keys *keys); /* once it is open */

#endif
