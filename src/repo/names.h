#ifndef NB_REPO_NAMES_H
#define NB_REPO_NAMES_H

/*
 * The names of objects in the bucket, both ways. Pure.
 *
 *   <prefix>/<database>_<YYYY-MM-DD>_<HH-MM-SS>[-N].cypher[.gz][.age][.NNN]
 *   <prefix>/<database>_<YYYY-MM-DD>_<HH-MM-SS>[-N].manifest.json | .claim.json | .pin | .hold
 *   <prefix>/chunks/<owner>/<database>/<sha256>.cypher.gz      incremental only
 *
 * A dump that is too long for one object goes on in .002, .003 and so on.
 *
 * The time is UTC. N (from 2) tells apart backups of one database and second. In database and
 * owner, bytes other than letters, digits, '.', '-' and '_' are written ~XX (upper-case hex), so
 * that names need no encoding in URLs, file names or shells. An empty prefix is fine: then there is
 * no leading '/'.
 */

#include "base/buf.h"

enum { REPO_KEY_MAX = 1024, REPO_DATABASE_MAX = 255, REPO_OWNER_MAX = 255, REPO_PREFIX_MAX = 512 };

enum repo_name_kind {
    REPO_NAME_DUMP,
    REPO_NAME_MANIFEST,
    REPO_NAME_CLAIM,
    REPO_NAME_PIN,
    REPO_NAME_HOLD
};

struct repo_name {
    enum repo_name_kind kind;
    char database[REPO_DATABASE_MAX + 1]; /* plain, not escaped */
    int64_t time_unix_seconds;
    unsigned suffix; /* 0: none; else from 2 */
    bool gz, age;    /* dumps only */
    unsigned object; /* dumps only: 0 or 1: the first; else .002 and so on */
};

/* "a/b" for "/a//b/", "" for NULL, "" or "/". NB_E_INVALID "InvalidPrefix" for what is no good in a
 * key: control characters, "." or ".." as a segment, ill-formed UTF-8, too long. */
NB_NODISCARD bool repo_prefix_clean(const char *prefix, char out[REPO_PREFIX_MAX + 1],
                                    struct nb_error *err);
/* prefix: clean. NB_E_INVALID "InvalidName" when the database's name is empty or the key too long.
 */
NB_NODISCARD bool repo_name_format(const char *prefix, const struct repo_name *name,
                                   char out[REPO_KEY_MAX + 1], struct nb_error *err);
/* The stem "<prefix>/<database>_<date>_<time>[-N]" that all objects of one backup share. */
NB_NODISCARD bool repo_name_stem(const char *prefix, const struct repo_name *name,
                                 char out[REPO_KEY_MAX + 1], struct nb_error *err);
/* False: not a name of ours. */
NB_NODISCARD bool repo_name_parse(const char *prefix, const char *key, struct repo_name *ret);
/* What the key of a dump, manifest, claim or pin ends with, cut off; false: none of these. */
NB_NODISCARD bool repo_key_stem(const char *key, char out[REPO_KEY_MAX + 1]);

/* "<prefix>/chunks/<owner>/<database>/" and a chunk in it. */
NB_NODISCARD bool repo_chunk_dir(const char *prefix, const char *owner, const char *database,
                                 char out[REPO_KEY_MAX + 1], struct nb_error *err);
NB_NODISCARD bool repo_chunk_key(const char *prefix, const char *owner, const char *database,
                                 const char *sha256_hex, char out[REPO_KEY_MAX + 1],
                                 struct nb_error *err);
/* ~XX escapes; pure text. */
void repo_escape(const char *s, struct nb_buf *out);
NB_NODISCARD bool repo_unescape(const char *s, size_t n, struct nb_buf *out);

#endif
