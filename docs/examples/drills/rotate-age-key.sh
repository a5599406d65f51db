#!/bin/sh
# A new age key: whoever restores has both private keys first, then a backup is encrypted to the new one alone. Backups from before
# are opened by the old key, the new one by the new key, and the old key does not open the new one.
#
#   rotate-age-key.sh OLD.txt NEW.txt      makes NEW.txt, and both.txt beside it
#
#   R2_..., NEO4J_..., BACKUP_OWNER     as for a backup. Needs age-keygen (or rage-keygen under that name) and jq
set -eu
old=$1 new=$2 both=$(dirname "$2")/both.txt
[ ! -e "$new" ] || { echo "'$new' is there already" >&2; exit 1; }
newest() { neo4j-backup list --json | jq -r '[.backups[] | select(.ours and .encrypted and .state == "Complete")] | max_by(.time).manifestKey // empty'; }
before=$(newest)
(umask 077 && age-keygen -o "$new" && cat "$old" "$new" >"$both")
neo4j-backup backup --age-recipients "$(age-keygen -y "$new")"
after=$(newest)
neo4j-backup verify --verify-level Readback --age-identity-file "$both"
[ -z "$before" ] || neo4j-backup verify "$before" --verify-level Readback --age-identity-file "$old"
neo4j-backup verify "$after" --verify-level Readback --age-identity-file "$new"
# 2: the reason is NoIdentity
status=0
neo4j-backup verify "$after" --verify-level Readback --age-identity-file "$old" || status=$?
[ "$status" -eq 2 ] || { echo "the old key should not open '$after'" >&2; exit 1; }
echo "put $(age-keygen -y "$new") into the policy's recipients, and keep $old until the last backup that it opens has expired"
