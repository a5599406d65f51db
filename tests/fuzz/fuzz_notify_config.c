/* Any text: a configuration that messages can be made by, or an error that names the file. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "controller/notify/config.h"
#include "controller/notify/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto(notify_config_free) struct notify_config *c = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    if (!notify_config_parse((const char *)data, size, "d/f.yaml", &c, &err)) {
        if (c || err.code != NB_E_INVALID || !strstr(err.text, "'d/f.yaml'"))
            abort();
        return 0;
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct notify_channel *ch = &c->channels[i];
        const struct notify_message m = { .id = ch->name,
                                          .event = "Failed",
                                          .reason = ch->name,
                                          .text = c->cluster,
                                          .run = "",
                                          .ns = ch->name,
                                          .name = ch->name,
                                          .uid = "u",
                                          .channel = ch->name,
                                          .cluster = c->cluster };

        nb_buf_clear(&out);
        notify_slack_write(&m, &out);
        notify_webhook_write(&m, &out);
        if (ch->kind == NOTIFY_EMAIL)
            notify_email_write(&m, ch->from, ch->to.items, ch->to.count, 0, &out);
        if (out.overflow)
            abort();
    }
    return 0;
}
