#include "cron/cron_priv.h"

#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

struct cron_zone {
    int64_t *at; /* ascending: from at[i] on, types[index[i]] holds */
    uint8_t *index;
    size_t count;
    int32_t *types; /* offsets */
    size_t type_count;
    struct cron_rule rule; /* after the last of at */
};

/* --- the file (RFC 8536 section 3) ----------------------------------------------------------- */

enum { HEADER_BYTES = 44, TYPE_BYTES = 6 };

struct header {
    uint8_t version;
    uint32_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool broken(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "UnknownTimeZone", "time zone file %s", what);
}

static bool read_header(const uint8_t *p, size_t n, struct header *h, struct nb_error *err)
{
    if (n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return broken(err, "is not in TZif format");
    h->version = p[4];
    h->isutcnt = be32(p + 20);
    h->isstdcnt = be32(p + 24);
    h->leapcnt = be32(p + 28);
    h->timecnt = be32(p + 32);
    h->typecnt = be32(p + 36);
    h->charcnt = be32(p + 40);
    /* Real files have a few hundred changes and a dozen types; an index is one byte. */
    if (h->timecnt > 100000 || h->typecnt > 256 || h->charcnt > 65536 || h->leapcnt > 100000 ||
        h->isutcnt > 256 || h->isstdcnt > 256)
        return broken(err, "is larger than any zone");
    if (h->typecnt == 0)
        return broken(err, "has no local time type");
    return true;
}

static size_t data_bytes(const struct header *h, size_t time_size)
{
    return h->timecnt * (time_size + 1) + (size_t)h->typecnt * TYPE_BYTES + h->charcnt +
           h->leapcnt * (time_size + 4) + h->isstdcnt + h->isutcnt;
}

static bool read_data(const uint8_t *p, const struct header *h, size_t time_size,
                      struct cron_zone *z, struct nb_error *err)
{
    const uint8_t *index = p + h->timecnt * time_size;
    const uint8_t *types = index + h->timecnt;

    if (h->leapcnt != 0)
        return broken(err, "counts leap seconds, which a schedule cannot");
    z->count = h->timecnt;
    z->type_count = h->typecnt;
    z->at = nb_xcalloc(z->count + 1, sizeof(*z->at));
    z->index = nb_xcalloc(z->count + 1, sizeof(*z->index));
    z->types = nb_xcalloc(z->type_count, sizeof(*z->types));
    for (size_t i = 0; i < z->type_count; i++) {
        int32_t offset = (int32_t)be32(types + i * TYPE_BYTES);

        /* RFC 8536 3.2 wants less than 26 hours west and 25 east. */
        if (offset <= -90000 || offset >= 93600)
            return broken(err, "has an offset of more than a day");
        z->types[i] = offset;
    }
    for (size_t i = 0; i < z->count; i++) {
        z->at[i] = time_size == 8 ? be64(p + i * 8) : (int32_t)be32(p + i * 4);
        z->index[i] = index[i];
        if (i > 0 && z->at[i] <= z->at[i - 1])
            return broken(err, "has changes out of order");
        if (z->index[i] >= z->type_count)
            return broken(err, "names a type that it lacks");
    }
    return true;
}

/* "\n" TZ string "\n" after the 64-bit data. */
static bool read_footer(const uint8_t *p, size_t n, struct cron_zone *z, struct nb_error *err)
{
    const uint8_t *end;

    if (n < 2 || p[0] != '\n' || !(end = memchr(p + 1, '\n', n - 1)))
        return broken(err, "has no end");
    if (end == p + 1)
        return true; /* nothing is known about the time after the table */
    if (!cron_rule_parse((const char *)p + 1, (size_t)(end - p) - 1, &z->rule))
        return broken(err, "ends with a rule that cannot be read");
    return true;
}

bool cron_zone_parse(const void *bytes, size_t n, struct cron_zone **ret, struct nb_error *err)
{
    nb_auto(cron_zone_free) struct cron_zone *z = NB_NEW(struct cron_zone);
    const uint8_t *p = bytes;
    struct header h = { 0 };
    size_t size;

    if (n > CRON_TZIF_MAX_BYTES)
        return broken(err, "is larger than any zone");
    if (!read_header(p, n, &h, err))
        return false;
    size = data_bytes(&h, 4);
    if (n - HEADER_BYTES < size)
        return broken(err, "is cut off");
    if (h.version == 0) {
        if (!read_data(p + HEADER_BYTES, &h, 4, z, err))
            return false;
    } else {
        /* From version 2 on the same follows with 64-bit times, and a rule for what comes later. */
        p += HEADER_BYTES + size;
        n -= HEADER_BYTES + size;
        if (!read_header(p, n, &h, err))
            return false;
        size = data_bytes(&h, 8);
        if (n - HEADER_BYTES < size)
            return broken(err, "is cut off");
        if (!read_data(p + HEADER_BYTES, &h, 8, z, err) ||
            !read_footer(p + HEADER_BYTES + size, n - HEADER_BYTES - size, z, err))
            return false;
    }
    *ret = nb_steal(z);
    return true;
}

/* --- by name --------------------------------------------------------------------------------- */

static bool name_is_safe(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > CRON_ZONE_NAME_MAX || *name == '/' || nb_ends_with(name, "/") ||
        nb_streq(name, "Local"))
        return false;
    for (const char *p = name; *p; p++) {
        bool letter =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        /* No dot at all: so no "..", and none of the tables (zone.tab) beside the zones. */
        if (!letter && !strchr("/_+-", *p))
            return false;
        if (*p == '/' && p[1] == '/')
            return false;
    }
    return true;
}

bool cron_zone_load(const char *dir, const char *name, struct cron_zone **ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(CRON_TZIF_MAX_BYTES);
    nb_auto(nb_free) char *path = NULL;

    if (nb_streq(name, "UTC") || nb_streq(name, "Etc/UTC")) {
        *ret = cron_zone_fixed(0);
        return true;
    }
    if (!name_is_safe(name)) {
        nb_fail(err, NB_E_INVALID, "UnknownTimeZone", "time zone '%.80s' is not a name", name);
        return nb_hint(err, "use an IANA name such as Europe/Berlin");
    }
    path = nb_xasprintf("%s/%s", dir ? dir : "/usr/share/zoneinfo", name);
    if (!nb_file_read(path, &bytes, err)) {
        if (err->code != NB_E_NOT_FOUND && err->code != NB_E_INVALID)
            return nb_wrap(err, "time zone '%s'", name);
        nb_error_clear(err);
        nb_fail(err, NB_E_NOT_FOUND, "UnknownTimeZone", "time zone '%s' is not known", name);
        return nb_hint(err, "use an IANA name such as Europe/Berlin");
    }
    return cron_zone_parse(bytes.data, bytes.len, ret, err) || nb_wrap(err, "time zone '%s'", name);
}

struct cron_zone *cron_zone_fixed(int32_t offset_seconds)
{
    struct cron_zone *z = NB_NEW(struct cron_zone);

    z->types = nb_xcalloc(1, sizeof(*z->types));
    z->types[0] = offset_seconds;
    z->type_count = 1;
    return z;
}

void cron_zone_free(struct cron_zone *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->index);
    free(z->types);
    free(z);
}

/* --- looking up ------------------------------------------------------------------------------ */

void cron_zone_segment(const struct cron_zone *z, int64_t t, struct cron_segment *ret)
{
    size_t lo = 0, hi = z->count;

    while (lo < hi) { /* the first change after t */
        size_t mid = lo + (hi - lo) / 2;

        if (z->at[mid] <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == z->count && z->rule.present) {
        cron_rule_segment(&z->rule, t, ret);
        if (z->count > 0 && ret->start < z->at[z->count - 1])
            ret->start = z->at[z->count - 1];
        return;
    }
    ret->start = lo > 0 ? z->at[lo - 1] : INT64_MIN;
    ret->end = lo < z->count ? z->at[lo] : INT64_MAX;
    ret->offset = z->types[lo > 0 ? z->index[lo - 1] : 0];
}

int32_t cron_zone_offset(const struct cron_zone *z, int64_t unix_seconds)
{
    struct cron_segment s;

    cron_zone_segment(z, unix_seconds, &s);
    return s.offset;
}

bool cron_zone_next_transition(const struct cron_zone *z, int64_t unix_seconds, int64_t *ret)
{
    struct cron_segment s;

    cron_zone_segment(z, unix_seconds, &s);
    if (s.end == INT64_MAX)
        return false;
    *ret = s.end;
    return true;
}
