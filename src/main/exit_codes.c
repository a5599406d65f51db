#include "main/exit_codes.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

const struct exit_def exit_defs[] = {
    { EXIT_OK, false, "Succeeded", NULL, NULL, "done" },
    { EXIT_INTERNAL, true, "InternalError", NULL, NULL,
      "a fault of the program; health: not well" },
    { EXIT_CONFIGURATION, false, "InvalidConfiguration", NULL, NULL,
      "usage or configuration is wrong; a Secret or a key of it is missing; a restore is refused" },
    { EXIT_PARTIAL, false, "PartiallySucceeded", NULL, NULL,
      "some databases are backed up (restored), some are not" },
    { EXIT_NEO4J_UNAVAILABLE, true, "Neo4jUnavailable", "Neo4j connection failed",
      "check NEO4J_URI, and that Neo4j has started and can be reached from here",
      "Neo4j is still away after the retry window" },
    { EXIT_NEO4J_AUTH, false, "Neo4jAuthFailed", "Neo4j connection failed",
      "check NEO4J_USER and NEO4J_PASSWORD, and that the user may read the database",
      "Neo4j refuses user, password or token" },
    { EXIT_DATABASE_NOT_FOUND, false, "DatabaseNotFound", NULL,
      "check NEO4J_DATABASE; SHOW DATABASES lists what there is", "no such database" },
    { EXIT_BUCKET_NOT_FOUND, false, "BucketNotFound", "R2 bucket not found",
      "check R2_BUCKET_NAME, and that the bucket exists at this endpoint", "no such bucket" },
    { EXIT_ACCESS_DENIED, false, "AccessDenied", "Access denied",
      "check R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY, and that the token may read and write "
      "objects "
      "of this bucket",
      "the bucket's keys are wrong or may not do this" },
    { EXIT_STORAGE_UNAVAILABLE, true, "StorageUnavailable", "bucket connection failed",
      "check R2_ACCOUNT_ID or R2_ENDPOINT, and that it can be reached from here",
      "the bucket is still away after the retry window" },
    { EXIT_NAME_CONFLICT, true, "NameConflict", NULL, NULL, "another run holds the claim" },
    { EXIT_RETENTION_BLOCKED, false, "RetentionBlocked", NULL,
      "if the two are one, set BACKUP_ADOPT=true; else give each an owner or a prefix of its own",
      "prune only: nothing was deleted, and why" },
    { EXIT_ALREADY_RUNNING, true, "AlreadyRunning", NULL, NULL,
      "another backup, or another schedule, runs with the same state directory" },
    { EXIT_NOT_CLOSED, true, "NotClosed", NULL, "run it when less is written",
      "no consistent export within the bounded number of passes" },
    { EXIT_VERIFICATION, false, "VerificationFailed", NULL, NULL,
      "stored bytes, counts or digests are not what they should be; a manifest is not "
      "signed with a key that is trusted" },
    { EXIT_RESTORE_INCOMPLETE, false, "RestoreIncomplete", NULL, NULL,
      "a restore failed after its first write: the target holds a part of the backup" },
    { EXIT_DIFFERENT, false, "Different", NULL, NULL,
      "compare only: the two are not the same; standard output says where" },
    { EXIT_INTERRUPTED, true, "Interrupted", NULL, NULL, "SIGTERM or SIGINT" },
};
const size_t exit_defs_n = NB_ARRAY_LEN(exit_defs);

/* Reasons of the libraries. `keep`: it says more than the code's default and is public itself. */
static const struct {
    const char *reason;
    enum exit_code code;
    bool keep;
} by_reason[] = {
    { "InvalidConfiguration", EXIT_CONFIGURATION, false },
    { "SecretNotFound", EXIT_CONFIGURATION, true },
    { "SecretKeyNotFound", EXIT_CONFIGURATION, true },
    { "InvalidStorage", EXIT_CONFIGURATION, false },
    { "InvalidCredentials", EXIT_CONFIGURATION, false },
    { "InvalidPrefix", EXIT_CONFIGURATION, false },
    { "InvalidName", EXIT_CONFIGURATION, false },
    { "InvalidOutput", EXIT_CONFIGURATION, false },
    { "NoSpace", EXIT_CONFIGURATION, true },
    { "FileTooLarge", EXIT_CONFIGURATION, true },
    { "InvalidUri", EXIT_CONFIGURATION, false },
    { "InvalidUrl", EXIT_CONFIGURATION, false },
    { "NoBackup", EXIT_CONFIGURATION, true },
    { "InvalidInput", EXIT_CONFIGURATION, false },
    { "TargetNotEmpty", EXIT_CONFIGURATION, true },
    { "SchemaConflict", EXIT_CONFIGURATION, true },
    { "ConfirmMismatch", EXIT_CONFIGURATION, true },
    { "SafetyBackupUndecided", EXIT_CONFIGURATION, true },
    { "SafetyBackupExists", EXIT_CONFIGURATION, true },
    { "TargetLacksFeature", EXIT_CONFIGURATION, true },
    { "UnsupportedStatement", EXIT_CONFIGURATION, true },
    { "SystemDatabase", EXIT_CONFIGURATION, true },
    { "NotADump", EXIT_CONFIGURATION, true },
    { "NewerFormat", EXIT_CONFIGURATION, true },
    { "NoIdentity", EXIT_CONFIGURATION, true },
    { "CannotCompare", EXIT_CONFIGURATION, true },
    { "InvalidKey", EXIT_CONFIGURATION, false },
    { "InvalidRecipient", EXIT_CONFIGURATION, false },
    { "InvalidIdentity", EXIT_CONFIGURATION, false },
    { "UnsupportedAge", EXIT_CONFIGURATION, false },
    { "UnsupportedManifest", EXIT_CONFIGURATION, false },
    { "TooManyChunks", EXIT_CONFIGURATION, true },
    { "TlsVerificationFailed", EXIT_CONFIGURATION, true },
    { "Neo4jConnectionFailed", EXIT_NEO4J_UNAVAILABLE, false },
    { "Neo4jTransient", EXIT_NEO4J_UNAVAILABLE, false },
    { "Neo4jNoRouter", EXIT_NEO4J_UNAVAILABLE, false },
    { "Neo4jNoServer", EXIT_NEO4J_UNAVAILABLE, false },
    { "Neo4jRoutingTableInvalid", EXIT_NEO4J_UNAVAILABLE, false },
    { "Neo4jRoutingUnsupported", EXIT_CONFIGURATION, true },
    { "Neo4jAuthenticationFailed", EXIT_NEO4J_AUTH, false },
    { "Neo4jDenied", EXIT_NEO4J_AUTH, false },
    { "Neo4jDatabaseNotFound", EXIT_DATABASE_NOT_FOUND, false },
    { "DatabaseNotFound", EXIT_DATABASE_NOT_FOUND, false },
    { "DatabaseNotOnline", EXIT_DATABASE_NOT_FOUND, true },
    { "DatabaseIsComposite", EXIT_DATABASE_NOT_FOUND, true },
    { "BucketNotFound", EXIT_BUCKET_NOT_FOUND, false },
    { "AccessDenied", EXIT_ACCESS_DENIED, false },
    { "InvalidAccessKey", EXIT_ACCESS_DENIED, false },
    { "SignatureMismatch", EXIT_ACCESS_DENIED, false },
    { "ClockSkewed", EXIT_ACCESS_DENIED, false },
    { "ObjectLocked", EXIT_ACCESS_DENIED, false },
    { "StorageUnavailable", EXIT_STORAGE_UNAVAILABLE, false },
    { "ListingIncomplete", EXIT_STORAGE_UNAVAILABLE, false },
    { "StorageRejected", EXIT_INTERNAL, true },
    { "StorageProtocol", EXIT_INTERNAL, true },
    { "UnsupportedValue", EXIT_INTERNAL, true },
    { "UnstorableValue", EXIT_INTERNAL, true },
    { "ClaimHeld", EXIT_NAME_CONFLICT, false },
    { "ClaimLost", EXIT_NAME_CONFLICT, false },
    { "RetentionBlocked", EXIT_RETENTION_BLOCKED, false },
    { "AlreadyRunning", EXIT_ALREADY_RUNNING, false },
    { "InvalidSchedule", EXIT_CONFIGURATION, false },
    { "UnknownTimeZone", EXIT_CONFIGURATION, false },
    { "NotClosed", EXIT_NOT_CLOSED, false },
    { "VerificationFailed", EXIT_VERIFICATION, false },
    { "VerificationTimeout", EXIT_VERIFICATION, true },
    { "UntrustedManifest", EXIT_VERIFICATION, true },
    { "ChecksumMismatch", EXIT_VERIFICATION, false },
    { "ObjectMissing", EXIT_VERIFICATION, false },
    { "RestoreIncomplete", EXIT_RESTORE_INCOMPLETE, false },
};

const struct exit_def *exit_def_get(enum exit_code code)
{
    for (size_t i = 0; i < exit_defs_n; i++) {
        if (exit_defs[i].code == code)
            return &exit_defs[i];
    }
    return &exit_defs[1]; /* EXIT_INTERNAL */
}

const struct exit_def *exit_of(const struct nb_error *err)
{
    if (err->code == NB_E_CANCELLED)
        return exit_def_get(EXIT_INTERRUPTED);
    for (size_t i = 0; i < NB_ARRAY_LEN(by_reason); i++) {
        if (nb_streq(by_reason[i].reason, err->reason))
            return exit_def_get(by_reason[i].code);
    }
    if (err->code == NB_E_CORRUPT)
        return exit_def_get(EXIT_VERIFICATION);
    return exit_def_get(EXIT_INTERNAL);
}

const char *exit_reason(const struct exit_def *def, const struct nb_error *err)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(by_reason); i++) {
        if (by_reason[i].keep && by_reason[i].code == def->code &&
            nb_streq(by_reason[i].reason, err->reason))
            return by_reason[i].reason;
    }
    return def->reason;
}

void exit_explain(const struct exit_def *def, struct nb_error *err)
{
    if (def->headline && !strstr(err->text, def->headline))
        nb_wrap(err, "%s", def->headline);
    if (def->hint)
        nb_hint(err, "%s", def->hint);
}
