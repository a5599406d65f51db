#!/bin/sh
# The cluster is gone, only the bucket is left: what is in it, the newest backup of each database proved and brought back into a
# new Neo4j, and compared with it; a copy of the bucket will do (its backups are Unproven until they are read). Nothing but neo4j-backup, jq and the bucket's keys is needed.
#
#   R2_BUCKET_NAME, R2_ACCOUNT_ID or R2_ENDPOINT, R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY    the bucket
#   BACKUP_OWNER                    whose backups: <namespace>/<name> of the policy that is gone, or storage.owner
#   NEO4J_URI, NEO4J_PASSWORD       the new, empty Neo4j
#   BACKUP_AGE_IDENTITY_FILE        where backups are encrypted;  BACKUP_VERIFY_KEY_FILE: where they are signed
#
# A backup of the database `system` holds commands that make users and roles, not a graph: it is proved too, and the last line says
# how to bring them back, which is for you to decide.
set -eu
users=
neo4j-backup list
newest=$(neo4j-backup list --json | jq -r '[.backups[] | select((.state == "Complete" or .state == "Unproven") and .ours)]
    | group_by(.database)[] | max_by(.time).manifestKey')
[ -n "$newest" ] || { echo "owner '$BACKUP_OWNER' has no complete backup here" >&2; exit 1; }
for key in $newest; do
    neo4j-backup verify "$key" --verify-level Readback
    database=$(neo4j-backup list --json | jq -r --arg key "$key" '.backups[] | select(.manifestKey == $key).database')
    if [ "$database" = system ]; then
        users=$key
        continue
    fi
    neo4j-backup restore "$key"
    neo4j-backup compare "database:$database" "$key"
done
[ -z "$users" ] || echo "users and roles, if you want them: neo4j-backup fetch $users --plain | cypher-shell -d system"
