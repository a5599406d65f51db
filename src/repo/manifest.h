#ifndef NB_REPO_MANIFEST_H
#define NB_REPO_MANIFEST_H

/*
 * repo_manifest: what a backup is and what is in it. Written last; without it there is no backup.
 * JSON, described by docs/manifest.schema.json. Pure: text in, struct out, and back.
 *
 * Strings are owned by the manifest (set them with nb_xstrdup); NULL: not known, not written.
 * Numbers that are not known are -1 where the comment says so. Readers take any format version up
 * to REPO_MANIFEST_VERSION and ignore members they do not know; a later version is refused by name,
 * as is a member of the wrong type, and a text that is not what its checksum says.
 */

#include "base/buf.h"
#include "base/hash.h"
#include "s3/client.h"

enum { REPO_MANIFEST_VERSION = 1, REPO_MANIFEST_MAX_BYTES = 64 << 20 };

enum repo_type { REPO_FULL, REPO_INCREMENTAL };
enum repo_consistency {
    REPO_CONSISTENCY_CLOSED,
    REPO_CONSISTENCY_SNAPSHOT,
    REPO_CONSISTENCY_BEST_EFFORT
};
enum repo_verification { REPO_VERIFIED_CHECKSUM, REPO_VERIFIED_READBACK, REPO_VERIFIED_RESTORE };

/* A stored object. The dump is the objects in order, one after the other: one; more if it was too
 * long for one; of an incremental backup, its chunks. */
struct repo_object {
    char *key;
    uint64_t size;              /* stored bytes */
    char sha256[NB_SHA256_HEX]; /* of the stored bytes */
    char etag[S3_ETAG_MAX];     /* "" for a chunk stored by an earlier backup and not looked at */
    uint64_t plain_bytes;       /* uncompressed; 0: not known by object */
    char plain_sha256[NB_SHA256_HEX]; /* "": not known by object; a chunk's is its name */
    /* Not in the manifest: its ETag is not the one that follows from what was sent, so it says
     * nothing of what is stored. */
    bool read_back;
};
struct repo_count {
    char *name;
    uint64_t count;
};
struct repo_counts {
    struct repo_count *items;
    size_t n, cap;
};
struct repo_strings {
    char **items;
    size_t n, cap;
};

struct repo_manifest {
    int format_version; /* set by repo_manifest_new */
    enum repo_type type;
    char *owner, *owner_uid, *run_id;
    char *tool_version; /* of neo4j-backup */
    /* incremental: the key of the backup it builds on; NULL: the chain's first */
    char *base_manifest;
    int chain_length; /* incremental: 1 for the chain's first */
    /* incremental: what is the same in all of a chain, so that its chunks are: the helper's name
     * without "_nb_", and how large chunks are on average */
    char *helper;
    uint64_t chunk_bytes;
    uint64_t new_bytes; /* incremental: of its chunks, those that it stored itself */
    int unread; /* incremental: so many backups in a row nothing was read, as nothing had changed */

    char *database, *database_id;
    /* "5.26.30", "community", "record-aligned-1.1" */
    char *server_version, *server_edition, *store_format;
    int64_t server_start_unix_ms; /* start of the database; 0: not known */
    int64_t last_transaction;     /* of the bookmark at the end; -1: not known */
    char *engine;                 /* "cypher", "apoc" */

    int64_t scheduled_unix_seconds, start_unix_seconds, completion_unix_seconds;

    char *compression;              /* "none", "gzip" */
    struct repo_strings recipients; /* age recipients; none: not encrypted */
    struct repo_object *objects;
    size_t objects_n, objects_cap;
    uint64_t plain_bytes;             /* the script */
    char plain_sha256[NB_SHA256_HEX]; /* of the script */
    uint64_t stored_bytes;            /* of all objects: set by repo_manifest_format */

    int64_t nodes, relationships, properties, indexes, constraints; /* -1: not known */
    struct repo_counts labels, types;
    /* Order-independent digests of the content, hex; NULL: not made. */
    char *digest_nodes, *digest_relationships, *digest_relationships_ends;
    enum repo_consistency consistency;
    int fixup_passes; /* Closed: how many times late changes were looked up */
    enum repo_verification verification;
    struct repo_strings warnings; /* "3 byte arrays come back as lists of integers", ... */
    struct repo_strings losses;   /* of what is in the graph, what the dump does not bring back */
    char *signature; /* Ed25519 over the manifest's text without it, base64; NULL: not signed */

    char *manifest_key; /* where it was written to: it is no other backup's; NULL: into a file */

    char *key; /* where it was read from, not part of the text; NULL: from nowhere */
    /* Not part of the text: why it is not to be believed (repo/trust.h); NULL: it is, or nobody
     * asked. */
    char *distrust;
};

struct repo_manifest *repo_manifest_new(void);
void repo_manifest_free(struct repo_manifest *m);
NB_AUTO_DEFINE(struct repo_manifest *, repo_manifest_free)
/* Room for one more; zeroed, borrowed until the next add. */
struct repo_object *repo_manifest_add_object(struct repo_manifest *m, const char *key);
void repo_counts_add(struct repo_counts *c, const char *name, uint64_t count);
void repo_strings_add(struct repo_strings *s, const char *text);

/* NB_E_INVALID "InvalidManifest" when something that every manifest must say is missing. Appends.
 */
NB_NODISCARD bool repo_manifest_format(struct repo_manifest *m, struct nb_buf *out,
                                       struct nb_error *err);
/* NB_E_CORRUPT "InvalidManifest"; the text names the member, e.g. "'objects[0].size' is not a whole
 * number of bytes". NB_E_INVALID "UnsupportedManifest" for a later format version. */
NB_NODISCARD bool repo_manifest_parse(const char *text, size_t n, struct repo_manifest **ret,
                                      struct nb_error *err);
const char *repo_consistency_name(enum repo_consistency c); /* "Closed", "Snapshot", "BestEffort" */
/* "Checksum", "Readback", "Restore" */
const char *repo_verification_name(enum repo_verification v);

#endif
