#ifndef NB_ENGINE_NEEDS_H
#define NB_ENGINE_NEEDS_H

/*
 * eng_needs: what a dump needs of the server that it is restored into, noted while it is read, and
 * whether a server has it. Pure.
 */

#include "bolt/bolt.h"
#include "cypher/reader.h"
#include "engine/source.h"

/* SCHEMA: at least as many as there are kinds of schema in needs.c. */
enum { ENG_NEEDS_NAME_MAX = 64, ENG_NEEDS_SCHEMA = 20 };

struct eng_needs {
    bool vectors, uuids; /* as property values */
    unsigned enterprise; /* constraints that need Enterprise Edition */
    /* The first of each, for messages; "": there is none. */
    char enterprise_name[ENG_NEEDS_NAME_MAX], enterprise_type[ENG_NEEDS_NAME_MAX];
    char schema[ENG_NEEDS_SCHEMA][ENG_NEEDS_NAME_MAX]; /* of each kind that not all servers have */
};

void eng_needs_props(struct eng_needs *n, const struct ps_map *props);
void eng_needs_schema(struct eng_needs *n, const struct cyp_schema *item);
/* NB_E_INVALID "TargetLacksFeature". What is not known of a server is not held against it. */
NB_NODISCARD bool eng_needs_check(const struct eng_needs *n, const struct eng_server *server,
                                  struct bolt_version bolt, struct nb_error *err);

#endif
