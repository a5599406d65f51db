/*
 * Any statement that is taken for one of APOC's stays one when a semicolon and another statement
 * come behind it: no, then it is none; and what is read lies within the text.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cypher/apoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char more[] = "; MATCH (n) DETACH DELETE n";
    nb_auto(nb_free) char *text = nb_xmalloc(n + sizeof(more));
    nb_auto(nb_free) char *exact = nb_xmalloc(n + 1);
    struct cyp_apoc_statement s;

    if (n > 0)
        memcpy(exact, data, n);
    if (!cyp_apoc_read((struct nb_str){ exact, n }, &s))
        return 0;
    if (s.rows > n || s.properties > n)
        abort();
    memcpy(text, data, n);
    memcpy(text + n, more, sizeof(more));
    if (cyp_apoc_read((struct nb_str){ text, n + sizeof(more) - 1 }, &s))
        abort();
    return 0;
}
