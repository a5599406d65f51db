#ifndef NB_ENGINE_MARK_H
#define NB_ENGINE_MARK_H

/*
 * eng_mark: how far a database has come, as its bookmarks tell: the id of the database and of the
 * last committed transaction. Equal marks before and after an export mean that nothing was written
 * meanwhile (writes, deletes and index changes move it, on Community Edition too).
 *
 * Source: seen on Neo4j 4.4, 5.26 and 2026: "FB:" and the base64 of 91 CC 10, 16 bytes of database
 * id, a PackStream integer, 90. Pure. What has another form is kept as text: it can still be
 * compared.
 */

#include <stdbool.h>
#include <stdint.h>

enum { ENG_MARK_TEXT_MAX = 256, ENG_DATABASE_ID_TEXT = 37 };

struct eng_mark {
    char
        text[ENG_MARK_TEXT_MAX]; /* the bookmark; "": unknown (none was given, or it is too long) */
    bool decoded;
    int64_t transaction;                    /* -1 unless decoded */
    char database_id[ENG_DATABASE_ID_TEXT]; /* as a UUID; "" unless decoded */
    /* How often the source had gone on at another server of the cluster. One server may be behind
     * another, so marks of two servers do not show that nothing was written between them. */
    unsigned moves;
};

void eng_mark_parse(const char *bookmark, struct eng_mark *ret);
/* Unknown equals nothing, not even unknown; nor do marks with a move between them. */
bool eng_mark_equal(const struct eng_mark *a, const struct eng_mark *b);

#endif
