/*
 * notify-once CONFIG CHANNEL [TEXT]: one try to tell one channel, as the controller does it, for tests against real
 * receivers. Prints the reason and the text of a failure; exit code 1 then.
 */

#include <stdio.h>

#include "controller/notify/config.h"
#include "controller/notify/deliver.h"

#include "base/file.h"
#include "net/http.h"

static bool tell(const char *file, const char *name, const char *text, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf yaml = NB_BUF_INIT(NOTIFY_CONFIG_MAX_BYTES);
    nb_auto(notify_config_free) struct notify_config *config = NULL;
    const struct notify_channel *channel;
    struct notify_message m = { .id = "Failed-graph-1",
                                .event = "Failed",
                                .reason = "BackupFailed",
                                .text = text,
                                .run = "graph-1",
                                .ns = "shop",
                                .name = "graph",
                                .uid = "u-1",
                                .channel = name,
                                .time = 1767272430 };

    if (!nb_file_read(file, &yaml, err) ||
        !notify_config_parse(nb_buf_cstr(&yaml), yaml.len, file, &config, err))
        return false;
    channel = notify_config_find(config, name);
    m.cluster = config->cluster;
    return channel ? notify_deliver(channel, &m, NULL, err)
                   : nb_fail(err, NB_E_NOT_FOUND, "UnknownChannel", "no channel '%s'", name);
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    bool told;

    if (argc < 3) {
        fputs("usage: notify-once CONFIG CHANNEL [TEXT]\n", stderr);
        return 2;
    }
    http_global_init();
    told = tell(argv[1], argv[2], argc > 3 ? argv[3] : "run 'graph-1': refused", &err);
    http_global_done();
    if (!told)
        printf("%s %s: %s\n", nb_code_name(err.code), err.reason, err.text);
    return told ? 0 : 1;
}
