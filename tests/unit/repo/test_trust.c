#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/b64.h"
#include "base/file.h"
#include "base/mem.h"
#include "repo/repo.h"
#include "repo/trust.h"
#include "tests/fakes/manifest_text.h"
#include "tests/fakes/s3_fixture.h"

/* Who signs a manifest, and whose signature is believed. The openssl program makes the keys and has its
 * own opinion of the signatures. */

#define STEM "p/neo4j_2025-10-08_02-00-00"
#define SHA  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
enum { T0 = 1759888800 };

static char dir[] = "/tmp/nb-trust-XXXXXX";

static bool run(char *line)
{
    char sh[] = "/bin/sh", option[] = "-c";
    char *argv[] = { sh, option, line, NULL };
    int status;
    pid_t pid;

    return posix_spawn(&pid, sh, NULL, NULL, argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A command of the shell, in a directory of the test's own. */
static bool shell(const char *command)
{
    nb_auto(nb_free) char *line = nb_xasprintf("cd %s && { %s; } >log 2>&1", dir, command);

    return run(line);
}

static void content(const char *name, struct nb_buf *out)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", dir, name);
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_file_read(path, out, &err))
        fail_msg("%s", err.text);
}

static void keep(const char *name, const void *p, size_t n)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", dir, name);
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_file_write_atomic(path, p, n, 0600, &err))
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) && shell("openssl genpkey -algorithm ed25519 -out a.pem && "
                                 "openssl genpkey -algorithm ed25519 -out b.pem && "
                                 "openssl pkey -in a.pem -pubout -out a.pub && "
                                 "openssl pkey -in b.pem -pubout -out b.pub && "
                                 "openssl genpkey -algorithm x25519 -out x.pem && "
                                 "openssl pkey -in x.pem -pubout -out x.pub && "
                                 "openssl pkey -in a.pem -aes128 -passout pass:abc -out locked.pem")
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    nb_auto(nb_free) char *line = nb_xasprintf("rm -r %s", dir);

    (void)state;
    return run(line) ? 0 : -1;
}

/* signer, believed: names of files; NULL: none. */
static struct repo_trust trust_of(const char *signer, const char *believed)
{
    struct repo_trust t = { .signs = false };
    struct nb_buf text = NB_BUF_INIT(1 << 16);
    struct nb_error err = NB_ERROR_INIT;

    if (signer) {
        content(signer, &text);
        if (!repo_trust_set_signer(&t, nb_buf_str(&text), &err))
            fail_msg("%s", err.text);
    }
    nb_buf_clear(&text);
    if (believed) {
        content(believed, &text);
        if (!repo_trust_add_keys(&t, nb_buf_str(&text), &err))
            fail_msg("%s", err.text);
    }
    nb_buf_done(&text);
    return t;
}

static struct repo_manifest *manifest(void)
{
    struct repo_manifest *m = repo_manifest_new();
    struct repo_object *o = repo_manifest_add_object(m, STEM ".cypher.gz");

    m->owner = nb_xstrdup("me");
    m->run_id = nb_xstrdup("run-1");
    m->database = nb_xstrdup("neo4j");
    m->engine = nb_xstrdup("cypher");
    m->compression = nb_xstrdup("gzip");
    m->manifest_key = nb_xstrdup(STEM ".manifest.json");
    m->start_unix_seconds = T0;
    m->completion_unix_seconds = T0 + 1;
    snprintf(o->sha256, sizeof(o->sha256), "%s", SHA);
    snprintf(m->plain_sha256, sizeof(m->plain_sha256), "%s", SHA);
    return m;
}

static void signed_text(const struct repo_trust *t, struct nb_buf *out)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = manifest();
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_trust_sign(t, m, &err) || !repo_manifest_format(m, out, &err))
        fail_msg("%s", err.text);
}

/* NULL: it is believed. */
static const char *judged(const struct repo_trust *t, const struct nb_buf *text, const char *key)
{
    static char said[200];
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_manifest_parse(text->data, text->len, &m, &err))
        fail_msg("%s", err.text);
    repo_trust_judge(t, text->data, text->len, key, m);
    if (!m->distrust)
        return NULL;
    assert_false(repo_trust_check(m, &err));
    assert_string_equal(err.reason, "UntrustedManifest");
    snprintf(said, sizeof(said), "%s", m->distrust);
    return said;
}

static void assert_said(const char *said, const char *want)
{
    if (!said || !strstr(said, want))
        fail_msg("'%s' is not in '%s'", want, said ? said : "(believed)");
}

/* --- tests ------------------------------------------------------------------------------------ */

static void openssl_takes_our_signature(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 16);
    struct repo_trust t = trust_of("a.pem", NULL);

    (void)state;
    signed_text(&t, &text);
    keep("m.json", text.data, text.len);
    /* As docs/operations.md has it. */
    assert_true(
        shell("sed 's/,\"signature\":\"[^\"]*\"}$/}/' m.json >signed && "
              "sed 's/.*\"signature\":\"\\([^\"]*\\)\"}$/\\1/' m.json | openssl base64 -d -A "
              ">signature && ! cmp -s m.json signed"));
    if (!shell("openssl pkeyutl -verify -pubin -inkey a.pub -rawin -in signed -sigfile signature"))
        fail_msg("openssl does not take the signature");
    assert_false(
        shell("openssl pkeyutl -verify -pubin -inkey b.pub -rawin -in signed -sigfile signature"));
}

static void signature_of_openssl_is_believed(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 16);
    nb_auto_done(nb_buf_done) struct nb_buf raw = NB_BUF_INIT(256);
    struct repo_trust nobody = { .signs = false }, t = trust_of(NULL, "b.pub");

    (void)state;
    signed_text(&nobody, &text);
    assert_said(judged(&t, &text, NULL), "is not signed");
    assert_null(judged(&nobody, &text, NULL)); /* nobody asks */
    keep("plain", text.data, text.len);
    assert_true(shell("openssl pkeyutl -sign -inkey b.pem -rawin -in plain -out raw"));
    content("raw", &raw);
    text.len -= 2; /* "}\n" */
    nb_buf_puts(&text, ",\"signature\":\"");
    nb_b64_encode(raw.data, raw.len, &text);
    nb_buf_puts(&text, "\"}\n");
    assert_null(judged(&t, &text, NULL));
}

static void any_changed_byte_is_seen(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 16);
    struct repo_trust t = trust_of("a.pem", NULL);
    struct nb_error err = NB_ERROR_INIT;
    unsigned parsed = 0;

    (void)state;
    signed_text(&t, &text);
    assert_null(judged(&t, &text, STEM ".manifest.json"));
    for (size_t i = 0; i < text.len; i++) {
        nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
        nb_auto_done(nb_buf_done) struct nb_buf changed = NB_BUF_INIT(1 << 16);
        char was = text.data[i];

        nb_error_clear(&err);
        nb_buf_append(&changed, text.data, text.len);
        /* Letters and digits stay such, so that many a text is a manifest still. */
        changed.data[i] = was == 'a' || was == '1' ? (char)(was + 1) : (char)(was ^ 1);
        manifest_text_mend(&changed);
        /* A digit of the checksum, which is right again. */
        if (memcmp(changed.data, text.data, text.len) == 0)
            continue;
        if (repo_manifest_parse(changed.data, changed.len, &m, &err)) {
            parsed++;
            repo_trust_judge(&t, changed.data, changed.len, NULL, m);
            if (!m->distrust)
                fail_msg("byte %zu was changed and is believed", i);
        }
    }
    assert_true(parsed > 100);
    /* What follows or stands before the signature, too. */
    text.len--;
    nb_buf_puts(&text, " \n");
    assert_said(judged(&t, &text, NULL), "changed");
}

static void believed_keys_may_be_several(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf by_a = NB_BUF_INIT(1 << 16);
    nb_auto_done(nb_buf_done) struct nb_buf by_b = NB_BUF_INIT(1 << 16);
    struct repo_trust a = trust_of("a.pem", NULL), b = trust_of("b.pem", "a.pub"), both, lines;

    (void)state;
    signed_text(&a, &by_a);
    signed_text(&b, &by_b);
    assert_said(judged(&a, &by_b, NULL), "another key");
    assert_null(judged(&b, &by_a, NULL)); /* the old key of a rotation */
    assert_null(judged(&b, &by_b, NULL)); /* and its own */
    assert_true(shell("cat a.pub b.pub >both.pub && "
                      "grep -hv PUBLIC a.pub b.pub | paste -sd , >lines.pub"));
    both = trust_of(NULL, "both.pub");
    lines = trust_of(NULL, "lines.pub");
    assert_int_equal(both.keys_n, 2);
    assert_int_equal(lines.keys_n, 2);
    assert_null(judged(&both, &by_a, NULL));
    assert_null(judged(&lines, &by_b, NULL));
}

static void manifest_of_another_backup_is_refused(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 16);
    struct repo_trust t = trust_of("a.pem", NULL);

    (void)state;
    signed_text(&t, &text);
    assert_said(judged(&t, &text, "p/neo4j_2026-10-08_02-00-00.manifest.json"), "another backup's");
}

static void what_is_no_key_is_refused_without_showing_it(void **state)
{
    static const struct {
        const char *file, *said;
        bool signer;
    } rows[] = {
        { "a.pub", "no Ed25519 private key", true },    { "x.pem", "no Ed25519 private key", true },
        { "locked.pem", "passphrase", true },           { "a.pem", "is a private key", false },
        { "x.pub", "no Ed25519 public key", false },    { "log", "no key in it", false },
        { "cut.pub", "no public key", false },          { "cut.pem", "no Ed25519 private", true },
        { "junk.pub", "no Ed25519 public key", false },
    };

    (void)state;
    assert_true(
        shell("head -c 70 a.pub >cut.pub; head -c 60 a.pem >cut.pem; echo c2VjcmV0 >junk.pub"));
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 16);
        struct repo_trust t = { .signs = false };
        struct nb_error err = NB_ERROR_INIT;

        content(rows[i].file, &text);
        assert_false(rows[i].signer ? repo_trust_set_signer(&t, nb_buf_str(&text), &err)
                                    : repo_trust_add_keys(&t, nb_buf_str(&text), &err));
        assert_string_equal(err.reason, "InvalidKey");
        assert_said(err.text, rows[i].said);
        assert_null(strstr(err.text, "MC4"));
        assert_null(strstr(err.text, "c2Vj"));
    }
}

/* --- in the bucket ---------------------------------------------------------------------------- */

static struct repo *repo_of(struct s3_client *client, const char *run, const struct repo_trust *t)
{
    const struct repo_opts o = {
        .client = client, .prefix = "p", .owner = "me", .run_id = run, .trust = t
    };
    struct nb_error err = NB_ERROR_INIT;
    struct repo *r = NULL;

    if (!repo_open(&o, &r, &err))
        fail_msg("%s", err.text);
    return r;
}

static struct repo_claim *claim(struct repo *r, struct repo_manifest **ret_done)
{
    const struct repo_claim_opts o = { .database = "neo4j",
                                       .scheduled_unix_seconds = T0,
                                       .gz = true };
    struct nb_error err = NB_ERROR_INIT;
    struct repo_claim *c = NULL;

    *ret_done = NULL;
    if (!repo_claim_new(r, &o, NULL, &c, ret_done, &err))
        fail_msg("%s", err.text);
    return c;
}

static void store(struct fake_s3 *s3, struct repo *r)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = manifest();
    nb_auto(repo_manifest_free) struct repo_manifest *done = NULL;
    nb_auto(repo_claim_free) struct repo_claim *c = claim(r, &done);
    struct nb_error err = NB_ERROR_INIT;

    fake_s3_put(s3, repo_claim_dump_key(c), "", 0);
    free(m->run_id);
    m->run_id = NULL;
    free(m->objects[0].key);
    m->objects[0].key = nb_xstrdup(repo_claim_dump_key(c));
    if (!repo_commit(c, m, NULL, &err))
        fail_msg("%s", err.text);
}

static const char *distrust_of(struct repo *r, const char *key, char *out, size_t size)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    char manifest_key[REPO_KEY_MAX + 1];
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_manifest_get(r, key, NULL, &m, manifest_key, &err))
        fail_msg("%s", err.text);
    snprintf(out, size, "%s", m->distrust ? m->distrust : "");
    return out;
}

static void committed_manifest_is_signed_and_judged_when_read(void **state)
{
    struct fake_s3 *s3 = fake_s3_new();
    struct s3_client *client = s3_fixture_client(s3, NULL);
    struct repo_trust a = trust_of("a.pem", NULL), b = trust_of(NULL, "b.pub");
    nb_auto(repo_free) struct repo *ours = repo_of(client, "run-1", &a);
    nb_auto(repo_free) struct repo *other = repo_of(client, "run-1", &b);
    nb_auto(repo_free) struct repo *careless = repo_of(client, "run-1", NULL);
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    const struct repo_list_opts list = { .ours_only = true };
    struct nb_error err = NB_ERROR_INIT;
    char said[200];

    (void)state;
    store(s3, ours);
    assert_string_equal(distrust_of(ours, STEM ".cypher.gz", said, sizeof(said)), "");
    assert_string_equal(distrust_of(careless, STEM ".cypher.gz", said, sizeof(said)), "");
    assert_said(distrust_of(other, STEM ".cypher.gz", said, sizeof(said)), "another key");
    /* A listing tells, and hides nothing: retention goes by it. */
    if (!repo_list(other, &list, NULL, &all, &err))
        fail_msg("%s", err.text);
    assert_int_equal(all.n, 1);
    assert_int_equal(all.items[0].state, REPO_COMPLETE);
    assert_said(all.items[0].manifest->distrust, "another key");
    assert_string_equal(fake_s3_complaint(s3), "");
    s3_client_free(client);
    fake_s3_free(s3);
}

static void forged_success_of_our_run_is_not_ours(void **state)
{
    struct fake_s3 *s3 = fake_s3_new();
    struct s3_client *client = s3_fixture_client(s3, NULL);
    struct repo_trust a = trust_of("a.pem", NULL);
    nb_auto(repo_free) struct repo *forger = repo_of(client, "run-1", NULL);
    nb_auto(repo_free) struct repo *ours = repo_of(client, "run-1", &a);
    struct repo_manifest *done = NULL;
    struct repo_claim *c;

    (void)state;
    store(s3, forger);
    c = claim(ours, &done);
    assert_null(done);
    assert_string_equal(repo_claim_dump_key(c), STEM "-2.cypher.gz");
    repo_claim_free(c);
    c = claim(forger, &done); /* without keys it is what it says */
    assert_null(c);
    assert_non_null(done);
    repo_manifest_free(done);
    s3_client_free(client);
    fake_s3_free(s3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_takes_our_signature),
        cmocka_unit_test(signature_of_openssl_is_believed),
        cmocka_unit_test(any_changed_byte_is_seen),
        cmocka_unit_test(believed_keys_may_be_several),
        cmocka_unit_test(manifest_of_another_backup_is_refused),
        cmocka_unit_test(what_is_no_key_is_refused_without_showing_it),
        cmocka_unit_test(committed_manifest_is_signed_and_judged_when_read),
        cmocka_unit_test(forged_success_of_our_run_is_not_ours),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
