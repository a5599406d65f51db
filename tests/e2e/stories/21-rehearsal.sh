#!/usr/bin/env bash
# verification.level: Restore. The backup is restored into a scratch Neo4j beside the worker before its manifest is written; then by
# hand into a server that is not empty, which is refused and left as it is.
. "$(dirname "$0")/../lib.sh"
image=${E2E_SCRATCH_IMAGE:-localhost/neo4j-scratch:test}
case $E2E_CLUSTER in
local | kind)
    archive=${E2E_DIR:?}/neo4j-scratch.tar
    "$HERE/neo4j-image.sh" "$image" "$archive"
    if [ "$E2E_CLUSTER" = local ]; then
        "$HERE/cluster/load.sh" "$archive" >/dev/null
    else
        kind load image-archive "$archive" --name neo4j-backup >/dev/null
    fi
    rm -f "$archive"
    ;;
*) : "${E2E_SCRATCH_IMAGE:?set E2E_SCRATCH_IMAGE to an image of Neo4j that the nodes of your cluster have}" ;;
esac
story_namespace rehearsal

policy rehearsal "$(jq -n --arg image "$image" '{verification: {level: "Restore", neo4jImage: $image}}')"
run_now rehearsal first
wait_until 400 "a backup that was restored" backed_up rehearsal 1
RUN=$(newest_run rehearsal)
expect "Verified" "$(condition neo4jbackuprun "$RUN" Verified)" "True Restore"
expect "Verified of the policy" "$(condition neo4jbackup rehearsal Verified)" "True Restore"
KEY=$(field neo4jbackuprun "$RUN" .status.artifacts[0].manifestKey)
s3 get "$BUCKET" "$KEY" "$E2E_DIR/manifest.json"
expect "verification in the manifest" "$(jq -r .verification "$E2E_DIR/manifest.json")" Restore

# By hand: a server that is not empty is somebody's.
servers neo4j-wipe rehearsal-full
NEO4J_CONF=dbms.security.auth_enabled=false servers neo4j-up 5 rehearsal-full 17698 >/dev/null
trap 'servers neo4j-down rehearsal-full' EXIT
echo 'CREATE (:Mine);' | servers shell "bolt://$E2E_HOST:17698" >/dev/null
verify_by_hand() {
    env R2_ENDPOINT="$S3_ENDPOINT" R2_FORCE_PATH_STYLE=true R2_BUCKET_NAME="$BUCKET" R2_ACCESS_KEY_ID="$S3_ACCESS_KEY" \
        R2_SECRET_ACCESS_KEY="$S3_SECRET_KEY" BACKUP_VERIFY_NEO4J_URI="bolt://$E2E_HOST:17698" LOG_FORMAT=json \
        "$E2E_WORKER" verify --verify-level Restore "$KEY"
}
if verify_by_hand 2>"$E2E_DIR/verify.log"; then fail "a server that is not empty was taken for a scratch server"; fi
grep -q '"reason":"TargetNotEmpty"' "$E2E_DIR/verify.log" || fail "another reason: $(cat "$E2E_DIR/verify.log")"
mine() { echo 'MATCH (n) RETURN count(n) AS n;' | servers shell "bolt://$E2E_HOST:17698" | tail -n 1; }
expect "nodes of the server that is not empty" "$(mine)" 1
echo 'MATCH (n) DELETE n;' | servers shell "bolt://$E2E_HOST:17698" >/dev/null
verify_by_hand 2>"$E2E_DIR/verify.log" || fail "$(tail -n 1 "$E2E_DIR/verify.log")"
verify_by_hand 2>"$E2E_DIR/verify.log" || fail "the second time: $(tail -n 1 "$E2E_DIR/verify.log")"
expect "nodes of the scratch server afterwards" "$(mine)" 0
story_done
