/* Any bytes: a manifest or an error. What was read, written and read again is the same text. */

#include <stdlib.h>

#include "base/mem.h"
#include "repo/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *again = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf one = NB_BUF_INIT(64 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf two = NB_BUF_INIT(64 << 20);
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_manifest_parse((const char *)data, size, &m, &err)) {
        check(err.code == NB_E_CORRUPT || err.code == NB_E_INVALID || err.code == NB_E_LIMIT);
        check(err.text[0] && err.reason[0]);
        return 0;
    }
    check(m->owner[0] && m->database[0] && m->objects_n > 0);
    check(repo_manifest_format(m, &one, &err));
    check(repo_manifest_parse(one.data, one.len, &again, &err));
    check(repo_manifest_format(again, &two, &err));
    check(nb_str_equal(nb_buf_str(&one), nb_buf_str(&two)));
    return 0;
}
