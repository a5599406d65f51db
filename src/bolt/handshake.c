#include "bolt/handshake.h"

#include "base/mem.h"

/* Best first. A version goes in here once message.c, failure.c and packstream know its differences.
 */
static const struct bolt_version versions[] = {
    { 6, 1 }, { 6, 0 }, { 5, 8 }, { 5, 7 }, { 5, 6 }, { 5, 4 },
    { 5, 3 }, { 5, 2 }, { 5, 1 }, { 5, 0 }, { 4, 4 },
};

/* reserved, range, minor, major */
static const unsigned char request[BOLT_HANDSHAKE_REQUEST_BYTES] = {
    0x60, 0x60, 0xB0, 0x17, /* magic */
    0x00, 0x00, 0x01, 0xFF, /* manifest v1 */
    0x00, 0x02, 0x08, 0x05, /* for servers without it: 5.8 to 5.6 */
    0x00, 0x04, 0x04, 0x05, /* 5.4 to 5.0 */
    0x00, 0x00, 0x04, 0x04, /* 4.4 */
};

/* A slot without what is above max; of zeros when nothing is left. */
static void clip_slot(unsigned char slot[4], struct bolt_version max)
{
    unsigned range = slot[1], minor = slot[2], major = slot[3];

    if (major < max.major || (major == max.major && minor <= max.minor))
        return;
    if (major > max.major || minor - range > max.minor) {
        memset(slot, 0, 4);
        return;
    }
    slot[1] = (unsigned char)(range - (minor - max.minor));
    slot[2] = max.minor;
}

void bolt_handshake_request(struct bolt_version max,
                            unsigned char out[BOLT_HANDSHAKE_REQUEST_BYTES])
{
    memcpy(out, request, sizeof(request));
    if (max.major == 0)
        return;
    if (!bolt_version_at_least(max, 5, 7)) /* no server with a manifest need be asked for it */
        memset(out + 4, 0, 4);
    for (size_t at = 8; at < BOLT_HANDSHAKE_REQUEST_BYTES; at += 4)
        clip_slot(out + at, max);
}

void bolt_handshake_init(struct bolt_handshake *h, struct bolt_version max)
{
    *h = (struct bolt_handshake){ .step = BOLT_HANDSHAKE_ANSWER, .max = max };
}

/* Smaller is better; the table's length for a version that is not in it, or above max. */
static size_t rank(const struct bolt_handshake *h, unsigned major, unsigned minor)
{
    size_t i = 0;

    if (h->max.major > 0 &&
        (major > h->max.major || (major == h->max.major && minor > h->max.minor)))
        return NB_ARRAY_LEN(versions);
    while (i < NB_ARRAY_LEN(versions) && (versions[i].major != major || versions[i].minor != minor))
        i++;
    return i;
}

static bool fail_unsupported(struct nb_error *err)
{
    return nb_fail(err, NB_E_PROTOCOL, "Neo4jVersionUnsupported",
                   "the server speaks no version of Bolt that is known here; "
                   "hint: Neo4j 4.4 or newer is needed");
}

static bool start_varint(struct bolt_handshake *h, enum bolt_handshake_step step)
{
    h->step = step;
    h->varint = 0;
    h->varint_n = 0;
    return true;
}

/* Bolt 6 is spoken by servers with the manifest only, and only there it is offered. */
static bool in_a_slot(unsigned major)
{
    return major <= 5;
}

static bool take_answer(struct bolt_handshake *h, struct nb_error *err)
{
    static const unsigned char manifest[4] = { 0x00, 0x00, 0x01, 0xFF };

    if (memcmp(h->word, manifest, 4) == 0)
        return start_varint(h, BOLT_HANDSHAKE_COUNT);
    if (memcmp(h->word, "HTTP", 4) == 0)
        return nb_fail(err, NB_E_PROTOCOL, "HttpAnswer", "the server answers in HTTP");
    if (h->word[0] == 0x15 && h->word[1] == 0x03)
        return nb_fail(err, NB_E_PROTOCOL, "TlsAnswer", "the server answers in TLS");
    if (h->word[0] == 0 && h->word[1] == 0 && h->word[2] == 0 && h->word[3] == 0)
        return fail_unsupported(err);
    if (h->word[0] != 0 || h->word[1] != 0 || !in_a_slot(h->word[3]) ||
        rank(h, h->word[3], h->word[2]) == NB_ARRAY_LEN(versions))
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server chose a version of Bolt that was not offered "
                       "(%02x%02x%02x%02x)",
                       h->word[0], h->word[1], h->word[2], h->word[3]);
    h->version = (struct bolt_version){ h->word[3], h->word[2] };
    h->step = BOLT_HANDSHAKE_DONE;
    return true;
}

/* Majors and minors that are not known here are passed over. */
static void take_range(struct bolt_handshake *h)
{
    unsigned major = h->word[3], high = h->word[2], span = h->word[1];
    unsigned low = span > high ? 0 : high - span;

    for (unsigned minor = low; minor <= high; minor++) {
        size_t r = rank(h, major, minor);

        if (r < rank(h, h->version.major, h->version.minor))
            h->version = versions[r];
    }
}

static bool take_ranges_word(struct bolt_handshake *h)
{
    take_range(h);
    h->ranges_left--;
    return h->ranges_left > 0 || start_varint(h, BOLT_HANDSHAKE_CAPABILITIES);
}

/* True with ret_end once the varint is complete. */
static bool take_varint_byte(struct bolt_handshake *h, unsigned char b, bool *ret_end,
                             struct nb_error *err)
{
    if (h->varint_n == BOLT_VARINT_BYTES_MAX || (h->varint_n == 9 && (b & 0x7F) > 1))
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server's handshake holds a number above 64 bits");
    h->varint |= (uint64_t)(b & 0x7F) << (7 * h->varint_n);
    h->varint_n++;
    *ret_end = (b & 0x80) == 0;
    return true;
}

static bool take_count(struct bolt_handshake *h, struct nb_error *err)
{
    if (h->varint > BOLT_HANDSHAKE_RANGES_MAX)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server offers more than %d ranges of versions",
                       BOLT_HANDSHAKE_RANGES_MAX);
    h->ranges_left = h->varint;
    h->step = BOLT_HANDSHAKE_RANGES;
    return h->ranges_left > 0 || start_varint(h, BOLT_HANDSHAKE_CAPABILITIES);
}

/* Capabilities are a bit field of which none is used: the answer asks for none. */
static bool choose(struct bolt_handshake *h, struct nb_buf *reply, struct nb_error *err)
{
    const char choice[5] = { 0, 0, (char)h->version.minor, (char)h->version.major, 0 };

    if (h->version.major == 0)
        return fail_unsupported(err);
    nb_buf_append(reply, choice, sizeof(choice));
    h->step = BOLT_HANDSHAKE_DONE;
    return true;
}

static bool take_byte(struct bolt_handshake *h, unsigned char b, struct nb_buf *reply,
                      struct nb_error *err)
{
    bool end = false;

    if (h->step == BOLT_HANDSHAKE_COUNT || h->step == BOLT_HANDSHAKE_CAPABILITIES) {
        if (!take_varint_byte(h, b, &end, err))
            return false;
        if (!end)
            return true;
        return h->step == BOLT_HANDSHAKE_COUNT ? take_count(h, err) : choose(h, reply, err);
    }
    h->word[h->word_n++] = b;
    if (h->word_n < 4)
        return true;
    h->word_n = 0;
    return h->step == BOLT_HANDSHAKE_ANSWER ? take_answer(h, err) : take_ranges_word(h);
}

bool bolt_handshake_feed(struct bolt_handshake *h, const void *p, size_t n, size_t *ret_used,
                         struct nb_buf *reply, struct nb_error *err)
{
    const unsigned char *bytes = p;

    *ret_used = 0;
    while (*ret_used < n && h->step != BOLT_HANDSHAKE_DONE)
        if (!take_byte(h, bytes[(*ret_used)++], reply, err))
            return false;
    return true;
}
