/* Any bytes are a document or an error that names the file. */

#include <stdlib.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(64 << 20);
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_yaml_parse((const char *)data, size, 1 << 16, "f.yaml", &v, &err)) {
        if (v || err.code == NB_OK || !strstr(err.text, "'f.yaml'"))
            abort();
        return 0;
    }
    nb_json_format(v, &out);
    if (out.overflow)
        abort();
    return 0;
}
