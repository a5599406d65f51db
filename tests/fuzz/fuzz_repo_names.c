/* Any text: a name that goes back to the very same key, or none. The first byte chooses the prefix.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "repo/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto(nb_free) char *key = NULL;
    const char *prefix;
    char back[REPO_KEY_MAX + 1], stem[REPO_KEY_MAX + 1], want[REPO_KEY_MAX + 1];
    struct repo_name n;
    struct nb_error err = NB_ERROR_INIT;

    if (size == 0)
        return 0;
    prefix = data[0] % 2 ? "p" : "";
    key = nb_xstrndup((const char *)data + 1, size - 1);
    if (!repo_name_parse(prefix, key, &n))
        return 0;
    check(n.database[0]);
    check(n.kind == REPO_NAME_DUMP || !n.object);
    if (!repo_name_format(prefix, &n, back, &err))
        return 0; /* too long for a key */
    check(nb_streq(key, back));
    check(repo_key_stem(key, stem));
    check(repo_name_stem(prefix, &n, want, &err));
    check(nb_streq(stem, want));
    return 0;
}
