#ifndef NB_CYPHER_LITERAL_H
#define NB_CYPHER_LITERAL_H

/*
 * cyp_literal: one value as a Cypher expression that any server of 4.4 to 2026 evaluates to that
 * very value, and back. No value can end its literal: in strings backslashes, quotes and control
 * characters are escaped, and no backslash ever stands before a 'u' that is not ours.
 *
 * What Cypher has no expression for: byte arrays become lists of integers (*ret_lossy is set).
 * Nodes, relationships, paths and unsupported values fail with NB_E_INVALID "NoLiteral".
 *
 * The reader takes what the writer writes, and white space between tokens; nothing else.
 * Thread: functions of their arguments.
 */

#include "base/buf.h"
#include "base/mem.h"
#include "packstream/packstream.h"

NB_NODISCARD bool cyp_literal_append(struct nb_buf *out, const struct ps_value *v, bool *ret_lossy,
                                     struct nb_error *err);
/* 'text' with its quotes. */
void cyp_string_append(struct nb_buf *out, struct nb_str s);

/* The value at the start of text, in the arena alone; *ret_used: how many bytes it took. Depth and
 * memory are limited (PS_DEPTH_MAX, the arena's maximum). */
NB_NODISCARD bool cyp_literal_parse(struct nb_str text, struct nb_arena *arena,
                                    struct ps_value *ret, size_t *ret_used, struct nb_error *err);

#endif
