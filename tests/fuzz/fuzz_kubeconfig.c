/* Any text: a config or an error, and no secret in the error. */

#include <stddef.h>
#include <stdint.h>

#include "kube/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto(kube_config_free) struct kube_config *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!kube_config_parse((const char *)data, size, "fuzz", NULL, &c, &err) && err.code == NB_OK)
        __builtin_trap();
    return 0;
}
