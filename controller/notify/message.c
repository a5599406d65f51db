#include "controller/notify/message.h"

#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { TEXT_MAX_BYTES = 16 << 10, QP_LINE = 76, WORD_BYTES = 42 };

struct kind {
    const char *event, *title, *mark;
};

static const struct kind kinds[] = {
    { "Succeeded", "Backup succeeded", ":white_check_mark:" },
    { "Partial", "Backup partially succeeded", ":warning:" },
    { "Failed", "Backup failed", ":x:" },
    { "Recovered", "Backups work again", ":white_check_mark:" },
    { "Overdue", "Backup overdue", ":x:" },
    { "VerificationFailed", "Verification of a backup failed", ":x:" },
    { "RetentionBlocked", "Retention is blocked", ":warning:" },
};

static const struct kind *kind_of(const struct notify_message *m)
{
    static const struct kind unknown = { "", "Backup", ":warning:" };

    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++)
        if (nb_streq(kinds[i].event, m->event))
            return &kinds[i];
    return &unknown;
}

const char *notify_message_title(const struct notify_message *m)
{
    return kind_of(m)->title;
}

void notify_message_key(const struct notify_message *m, struct nb_buf *out)
{
    nb_buf_printf(out, "%s/%s", m->uid, m->id);
}

/* --- Slack ----------------------------------------------------------------------------------- */

/* Only these three have a meaning that quoting cannot take: mentions and links begin with '<'. */
static void put_slack(struct nb_buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '&')
            nb_buf_puts(out, "&amp;");
        else if (*s == '<')
            nb_buf_puts(out, "&lt;");
        else if (*s == '>')
            nb_buf_puts(out, "&gt;");
        else
            nb_buf_putc(out, (unsigned char)*s < ' ' ? ' ' : *s);
    }
}

static void put_slack_field(struct nb_buf *out, const char *what, const char *value)
{
    if (!*value)
        return;
    nb_buf_printf(out, "\n%s: ", what);
    put_slack(out, value);
}

void notify_slack_write(const struct notify_message *m, struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_MAX_BYTES);
    struct nb_jw w = NB_JW_INIT(out);
    char at[NB_TIME_TEXT_MAX];

    nb_buf_printf(&text, "%s *%s*: ", kind_of(m)->mark, kind_of(m)->title);
    put_slack(&text, m->ns);
    nb_buf_putc(&text, '/');
    put_slack(&text, m->name);
    nb_buf_putc(&text, '\n');
    put_slack(&text, m->text);
    put_slack_field(&text, "Cluster", m->cluster);
    put_slack_field(&text, "Run", m->run);
    put_slack_field(&text, "Time", nb_time_format(m->time, at));
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "text", nb_buf_cstr(&text));
    /* Texts come from servers and from who may write a policy: what looks like a link or a name stays
     * text. */
    nb_jw_kv_str(&w, "parse", "none");
    nb_jw_kv_bool(&w, "link_names", false);
    nb_jw_kv_bool(&w, "unfurl_links", false);
    nb_jw_object_end(&w);
}

/* --- webhook --------------------------------------------------------------------------------- */

void notify_webhook_write(const struct notify_message *m, struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf key = NB_BUF_INIT(1000);
    struct nb_jw w = NB_JW_INIT(out);
    char at[NB_TIME_TEXT_MAX];

    notify_message_key(m, &key);
    nb_jw_object(&w);
    nb_jw_kv_i64(&w, "version", 1);
    nb_jw_kv_str(&w, "id", nb_buf_cstr(&key));
    nb_jw_kv_str(&w, "event", m->event);
    nb_jw_kv_str(&w, "title", kind_of(m)->title);
    nb_jw_kv_str(&w, "reason", m->reason);
    nb_jw_kv_str(&w, "message", m->text);
    nb_jw_kv_str(&w, "time", nb_time_format(m->time, at));
    nb_jw_kv_str(&w, "channel", m->channel);
    nb_jw_kv_str(&w, "cluster", *m->cluster ? m->cluster : NULL);
    nb_jw_key(&w, "backup");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "namespace", m->ns);
    nb_jw_kv_str(&w, "name", m->name);
    nb_jw_kv_str(&w, "uid", m->uid);
    nb_jw_object_end(&w);
    nb_jw_kv_str(&w, "run", *m->run ? m->run : NULL);
    nb_jw_object_end(&w);
}

void notify_signature(struct nb_str key, int64_t timestamp, struct nb_str body,
                      char out[NOTIFY_SIGNATURE_MAX])
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    uint8_t digest[NB_SHA256_BYTES];

    nb_buf_printf(&text, "%lld.", (long long)timestamp);
    nb_buf_append(&text, body.p, body.n);
    nb_hmac_sha256(key.p, key.n, nb_buf_cstr(&text), text.len, digest);
    memcpy(out, "v1=", 3);
    nb_hex(digest, sizeof(digest), out + 3);
}

/* --- e-mail ---------------------------------------------------------------------------------- */

/* Words of RFC 2047 where it is not plain ASCII; control characters are gone either way. */
static void put_header(struct nb_buf *out, const char *name, const char *value)
{
    nb_auto_done(nb_buf_done) struct nb_buf clean = NB_BUF_INIT(4096);
    const char *p;
    bool plain = true;

    for (p = value; *p; p++) {
        nb_buf_putc(&clean, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
        plain = plain && (unsigned char)*p < 0x80;
    }
    nb_buf_printf(out, "%s:", name);
    p = nb_buf_cstr(&clean);
    /* "=?" would be taken for such a word. */
    if (plain && clean.len <= 600 && !strstr(p, "=?")) {
        nb_buf_printf(out, " %s\r\n", p);
        return;
    }
    for (size_t left = clean.len; left > 0;) {
        size_t n = nb_utf8_cut(p, left < WORD_BYTES ? left : WORD_BYTES);

        if (n == 0) /* ill-formed: byte by byte */
            n = 1;
        nb_buf_puts(out, p == nb_buf_cstr(&clean) ? " =?utf-8?B?" : "\r\n =?utf-8?B?");
        nb_b64_encode(p, n, out);
        nb_buf_puts(out, "?=");
        p += n;
        left -= n;
    }
    nb_buf_puts(out, "\r\n");
}

/* Quoted-printable of text whose lines end with '\n'. */
static void put_quoted(struct nb_buf *out, struct nb_str text)
{
    size_t column = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool last = i + 1 == text.n || text.p[i + 1] == '\n';
        bool as_it_is = (c > ' ' && c <= '~' && c != '=') || (c == ' ' && !last);

        if (c == '\n') {
            nb_buf_puts(out, "\r\n");
            column = 0;
            continue;
        }
        if (column + (as_it_is ? 1 : 3) >= QP_LINE) {
            nb_buf_puts(out, "=\r\n");
            column = 0;
        }
        nb_buf_printf(out, as_it_is ? "%c" : "=%02X", c);
        column += as_it_is ? 1 : 3;
    }
}

/* A value that stays on its line. */
static void put_line(struct nb_buf *out, const char *what, const char *value)
{
    if (!*value)
        return;
    nb_buf_printf(out, "%s", what);
    for (; *value; value++)
        nb_buf_putc(out, (unsigned char)*value < ' ' ? ' ' : *value);
    nb_buf_putc(out, '\n');
}

static void put_body(const struct notify_message *m, struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_MAX_BYTES);
    nb_auto_done(nb_buf_done) struct nb_buf key = NB_BUF_INIT(1000);
    char at[NB_TIME_TEXT_MAX];

    notify_message_key(m, &key);
    put_line(&text, "", m->text);
    nb_buf_putc(&text, '\n');
    put_line(&text, "Event:   ", m->event);
    put_line(&text, "Reason:  ", m->reason);
    put_line(&text, "Cluster: ", m->cluster);
    nb_buf_printf(&text, "Backup:  %s/%s\n", m->ns, m->name);
    put_line(&text, "Run:     ", m->run);
    put_line(&text, "Time:    ", nb_time_format(m->time, at));
    put_line(&text, "Id:      ", nb_buf_cstr(&key));
    put_quoted(out, nb_buf_str(&text));
}

/* "Thu, 01 Jan 2026 13:00:30 +0000" */
static void put_date(struct nb_buf *out, int64_t now)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct nb_tm t = nb_tm_from_unix(now);

    nb_buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[t.weekday % 7],
                  t.day, months[(t.month + 11) % 12], (int)t.year, t.hour, t.minute, t.second);
}

/* From the id, so that a mail told twice is the same mail. */
static void put_message_id(const struct notify_message *m, const char *from, struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf key = NB_BUF_INIT(1000);
    const char *at = strrchr(from, '@');
    uint8_t digest[NB_SHA256_BYTES];
    char hex[NB_SHA256_HEX];

    notify_message_key(m, &key);
    nb_buf_printf(&key, "/%s", m->channel);
    nb_sha256(nb_buf_cstr(&key), key.len, digest);
    nb_hex(digest, sizeof(digest), hex);
    nb_buf_printf(out, "Message-ID: <%.40s@%s>\r\n", hex, at ? at + 1 : "localhost");
}

void notify_email_write(const struct notify_message *m, const char *from, const char *const *to,
                        size_t to_n, int64_t now, struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf subject = NB_BUF_INIT(4096);

    nb_buf_printf(&subject, "[neo4j-backup] %s: %s/%s", kind_of(m)->title, m->ns, m->name);
    if (*m->cluster)
        nb_buf_printf(&subject, " (%s)", m->cluster);
    nb_buf_printf(out, "From: neo4j-backup <%s>\r\nTo: ", from);
    for (size_t i = 0; i < to_n; i++)
        nb_buf_printf(out, "%s<%s>", i ? ",\r\n " : "", to[i]);
    nb_buf_puts(out, "\r\n");
    put_header(out, "Subject", nb_buf_cstr(&subject));
    put_date(out, now);
    put_message_id(m, from, out);
    put_header(out, "X-Neo4j-Backup-Event", m->event);
    nb_buf_puts(out, "Auto-Submitted: auto-generated\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    put_body(m, out);
}
