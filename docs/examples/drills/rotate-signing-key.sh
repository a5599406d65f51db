#!/bin/sh
# A new signing key: whoever verifies trusts both first, then the worker signs with the new one, and both backups are good.
#
#   rotate-signing-key.sh OLD.pub NEW.pem      makes NEW.pem, and NEW.pem.pub and trusted.pub beside it
#
#   R2_..., NEO4J_..., BACKUP_OWNER     as for a backup
set -eu
old=$1 new=$2
[ ! -e "$new" ] || { echo "'$new' is there already" >&2; exit 1; }
(umask 077 && openssl genpkey -algorithm ed25519 -out "$new")
openssl pkey -in "$new" -pubout -out "$new.pub"
cat "$old" "$new.pub" >"$(dirname "$new")/trusted.pub"
BACKUP_VERIFY_KEY_FILE="$(dirname "$new")/trusted.pub"
export BACKUP_VERIFY_KEY_FILE
neo4j-backup backup --signing-key-file "$new"
neo4j-backup verify
neo4j-backup list
echo "put $new into the worker's Secret; when no backup above is left that the old key has signed, take $old away"
