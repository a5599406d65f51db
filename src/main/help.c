#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "main/command.h"

enum { HELP_COLUMN = 34, FLAG_MAX = 96 };

/* --- --help ----------------------------------------------------------------------------------- */

static const char *value_name(const struct option_def *def)
{
    switch (def->kind) {
    case OPTION_BOOL:
        return NULL;
    case OPTION_INT:
        return "N";
    case OPTION_CHOICE:
        return def->values;
    case OPTION_LIST:
        return "A,B,…";
    case OPTION_TIME:
        return "TIME";
    case OPTION_CONTENT:
    case OPTION_PATH:
        return "FILE";
    case OPTION_TEXT:
    case OPTION_SECRET:
        break;
    }
    return "TEXT";
}

static void print_option(const struct option_def *def)
{
    const char *value = value_name(def);
    char left[FLAG_MAX] = "";

    if (def->flag)
        snprintf(left, sizeof(left), "--%s%s%s", def->flag, value ? " " : "", value ? value : "");
    printf("  %-*s", HELP_COLUMN, left);
    if (strlen(left) > HELP_COLUMN)
        printf("\n  %*s", HELP_COLUMN, "");
    if (def->env)
        printf(" %s:", def->env);
    printf(" %s", def->help);
    if (def->dflt)
        printf(" (default %s)", def->dflt);
    printf("\n");
}

void help_print_command(const struct command *command)
{
    printf("usage: neo4j-backup %s%s%s [flags]\n\n%s.\n", command->name, command->args ? " " : "",
           command->args ? command->args : "", command->summary);
    if (command->text)
        printf("\n%s\n", command->text);
    printf("\nA value comes from the flag, else from the environment's NAME or the file named by\n"
           "NAME_FILE, else from the YAML file of --config. Secrets have no flag.\n\n");
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if ((option_defs[i].commands & command->bit) && option_defs[i].flag)
            print_option(&option_defs[i]);
    }
    printf("\nOnly from the environment or the YAML file:\n\n");
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if ((option_defs[i].commands & command->bit) && !option_defs[i].flag)
            print_option(&option_defs[i]);
    }
}

void help_print(void)
{
    printf("usage: neo4j-backup <command> [flags]\n\n"
           "Backs up Neo4j databases into an S3 bucket or a file, as Cypher scripts that plain\n"
           "cypher-shell restores.\n\n");
    for (size_t i = 0; i < commands_n; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n'neo4j-backup <command> --help' says more. Exit codes and the environment: "
           "docs/cli.md\n");
}

/* --- docs/cli.md ------------------------------------------------------------------------------ */

static void print_commands_of(const struct option_def *def)
{
    bool first = true;

    if (def->commands == CMD_ALL) {
        printf("all");
        return;
    }
    for (size_t i = 0; i < commands_n; i++) {
        if (!(def->commands & commands[i].bit))
            continue;
        printf("%s%s", first ? "" : ", ", commands[i].name);
        first = false;
    }
}

static void print_markdown_text(const char *s)
{
    for (; *s; s++) {
        if (*s == '|' || *s == '*' || *s == '<')
            putchar('\\');
        putchar(*s);
    }
}

static void print_option_row(const struct option_def *def)
{
    printf("| %s%s%s | ", def->env ? "`" : "", def->env ? def->env : "", def->env ? "`" : "");
    if (def->flag)
        printf("`--%s`", def->flag);
    printf(" | ");
    if (def->kind == OPTION_CHOICE)
        print_markdown_text(def->values);
    else if (def->kind == OPTION_INT && def->max == INT64_MAX)
        printf("from %lld", (long long)def->min);
    else if (def->kind == OPTION_INT)
        printf("%lld to %lld", (long long)def->min, (long long)def->max);
    else
        printf("%s", def->kind == OPTION_BOOL      ? "true or false"
                     : def->kind == OPTION_LIST    ? "list"
                     : def->kind == OPTION_TIME    ? "RFC 3339"
                     : def->kind == OPTION_SECRET  ? "secret"
                     : def->kind == OPTION_CONTENT ? "PEM; the flag: a file"
                     : def->kind == OPTION_PATH    ? "path"
                                                   : "text");
    printf(" | ");
    if (def->dflt)
        printf("`%s`", def->dflt);
    printf(" | ");
    print_markdown_text(def->help);
    printf(" | ");
    print_commands_of(def);
    printf(" |\n");
}

void help_print_markdown(void)
{
    printf(
        "# neo4j-backup on the command line\n\n"
        "This page is printed by `neo4j-backup help --markdown`; the tests compare the two.\n\n"
        "Data goes to standard output, everything else to standard error: text on a terminal, else "
        "one JSON object a line\n([worker-environment.md](worker-environment.md) has the events). "
        "SIGTERM and SIGINT end a command in order: uploads are\naborted, claims deleted.\n\n"
        "## Commands\n\n| command | |\n|---|---|\n");
    for (size_t i = 0; i < commands_n; i++) {
        printf("| `neo4j-backup %s%s%s` | ", commands[i].name, commands[i].args ? " " : "",
               commands[i].args ? commands[i].args : "");
        print_markdown_text(commands[i].summary);
        printf(" |\n");
    }
    for (size_t i = 0; i < commands_n; i++) {
        if (commands[i].text)
            printf("\n### %s\n\n%s\n", commands[i].name, commands[i].text);
    }
    printf(
        "\n## Options\n\n"
        "Flag > environment > YAML file (`--config`). Every name but paths can also be given as "
        "`<NAME>_FILE`: a path whose content,\nwithout one trailing new line, is the value. In the "
        "YAML file names are in lower case (`neo4j_uri: bolt://…`).\nAn empty value counts as "
        "absent. Secrets have no flag: every process may read the command line. The flag of a\n"
        "`true or false` option alone means true. A value that cannot be used ends the program "
        "with "
        "exit code 2 and a text that\nnames the option, the fault and the mend.\n\n"
        "| environment | flag | values | default | meaning | commands "
        "|\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < OPT_COUNT; i++)
        print_option_row(&option_defs[i]);
    printf(
        "\n## Exit codes\n\n| code | reason | meaning | worth another try |\n|---|---|---|---|\n");
    for (size_t i = 0; i < exit_defs_n; i++)
        printf("| %d | `%s` | %s | %s |\n", (int)exit_defs[i].code, exit_defs[i].reason,
               exit_defs[i].meaning, exit_defs[i].retriable ? "yes" : "no");
}
