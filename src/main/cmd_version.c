#include "base/json.h"
#include "cypher/script.h"
#include "main/command.h"

bool cmd_version(struct context *c, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4096);
    struct nb_jw w = NB_JW_INIT(&text);

    if (!opt_bool(c->options, OPT_JSON)) {
        out_printf("neo4j-backup %s\n", NB_VERSION);
        return out_finish(err);
    }
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "version", NB_VERSION);
    nb_jw_kv_i64(&w, "dumpFormat", CYP_FORMAT_VERSION);
    nb_jw_kv_i64(&w, "manifestFormat", REPO_MANIFEST_VERSION);
    nb_jw_kv_str(&w, "compiler", __VERSION__);
    nb_jw_object_end(&w);
    nb_buf_putc(&text, '\n');
    out_buf(&text);
    return out_finish(err);
}
