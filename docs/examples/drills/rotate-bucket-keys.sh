#!/bin/sh
# New keys of the bucket: tried before the old ones are turned off, and the old ones afterwards.
#
#   rotate-bucket-keys.sh              with the new keys: a backup is made, the oldest one is read
#   rotate-bucket-keys.sh turned-off   with the old ones, once they are turned off: they must be refused
#
#   R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY; all else as for a backup. Needs jq
set -eu
if [ "${1:-}" = turned-off ]; then
    status=0
    neo4j-backup list || status=$?
    # 21: the bucket has refused them
    [ "$status" -eq 21 ] || { echo "the keys '$R2_ACCESS_KEY_ID' are not refused" >&2; exit 1; }
    echo "the keys '$R2_ACCESS_KEY_ID' are refused"
    exit
fi
neo4j-backup backup
oldest=$(neo4j-backup list --json | jq -r '[.backups[] | select(.ours and .state == "Complete")] | min_by(.time).manifestKey')
neo4j-backup verify "$oldest"
echo "put the keys '$R2_ACCESS_KEY_ID' into the Secret, turn the old ones off, and run this with the old ones: $(basename "$0") turned-off"
