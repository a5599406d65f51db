#!/usr/bin/env bash
# A chain of incremental backups of a real Neo4j in a real MinIO, restored at each of its points: full, nothing changed, 1 %
# appended, 1 % changed side by side, 1 % changed here and there. Says what each stored and how long it took. Then retention, and
# the last point from what is left, by `fetch` and by plain cat through the real cypher-shell. Then the drills (drills.sh). Needs no cluster.
#
#   incremental.sh
#
# INCR_NODES       nodes, and twice as many relationships (20000)
# INCR_PORT        the first of five ports (7802)
# ROUNDTRIP_BIN    as in roundtrip-lib.sh
# Ends with "N passed, N failed".
# shellcheck source=tests/e2e/roundtrip-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/roundtrip-lib.sh" none
py=$("$here/../parts/get.sh" path py)
nodes=${INCR_NODES:-20000}
port=${INCR_PORT:-7802}
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD S3_ACCESS_KEY=${S3_ACCESS_KEY:-e2e-access-key} S3_SECRET_KEY=${S3_SECRET_KEY:-e2e-secret-key-0123456789}
export S3_ENDPOINT=http://127.0.0.1:$((port + 2))
export R2_ENDPOINT=$S3_ENDPOINT R2_FORCE_PATH_STYLE=true R2_BUCKET_NAME=incr
export R2_ACCESS_KEY_ID=$S3_ACCESS_KEY R2_SECRET_ACCESS_KEY=$S3_SECRET_KEY BACKUP_OWNER=incr/test LOG_FORMAT=json
source_uri=bolt://127.0.0.1:$port target_uri=bolt://127.0.0.1:$((port + 1))
clean_up_servers() {
    clean_up
    for name in incr-source incr-target incr-newer; do servers neo4j-wipe $name >/dev/null 2>&1 || true; done
    for name in incr drill; do servers s3-wipe "$name" >/dev/null 2>&1 || true; done
}
trap clean_up_servers EXIT

bucket() { "$py" "$here/s3.py" "$@"; }
cypher() { servers shell "$1" >/dev/null; }
digest() { "$tools/graph-digest" "$1" neo4j "$E2E_NEO4J_PASSWORD" | tail -n 1; }
empty() { "$py" "$here/live_writer.py" "$1" empty; }

# back_up POINT [OPTION...]: its manifest's key in $work/POINT.key, the source's digest in $work/POINT.digest
back_up() {
    local point=$1 begin
    shift
    begin=$(date +%s%3N)
    NEO4J_URI=$source_uri "$bin/neo4j-backup" backup --type Incremental "$@" 2>"$work/log" || return 1
    grep '"event":"artifact"' "$work/log" >"$work/artifact"
    jq -r .manifestKey "$work/artifact" >"$work/$point.key"
    bucket get "$R2_BUCKET_NAME" "$(cat "$work/$point.key")" "$work/$point.manifest"
    digest "$source_uri" >"$work/$point.digest"
    echo "     $point: $(jq -r '"\(.newBytes) of \(.sizeBytes) bytes stored anew"' "$work/artifact"), $(($(date +%s%3N) - begin)) ms with the check"
}
stored_anew() { jq -r .newBytes "$work/artifact"; }
# share PERCENT: no more of the whole was stored anew, where the whole is more than a few chunks
share() { [ "$nodes" -lt 20000 ] || check "... stores at most $1 %" at_most "$1"; }
at_most() { jq -e --argjson p "$1" '.newBytes * 100 <= .sizeBytes * $p' "$work/artifact" >/dev/null; }
restores() { # POINT
    NEO4J_URI=$target_uri "$bin/neo4j-backup" restore "$(cat "$work/$1.key")" --overwrite Wipe --confirm neo4j --verify \
        --safety-backup "${2:-None}" 2>"$work/log" && [ "$(digest "$target_uri")" = "$(cat "$work/$1.digest")" ]
}
verifies() { "$bin/neo4j-backup" verify --verify-level Readback "$(cat "$work/$1.key")" 2>"$work/log"; }
chunks() { bucket ls "$R2_BUCKET_NAME" neo4j-backup/chunks/ | wc -l; }
# As a reader without this program would: the objects in the manifest's order, one after the other.
cat_restores() { # POINT
    jq -r '.objects[].key' "$work/$1.manifest" | while read -r key; do
        bucket get "$R2_BUCKET_NAME" "$key" "$work/chunk" && cat "$work/chunk"
    done >"$work/cat.cypher.gz"
    empty "$target_uri"
    gunzip -c "$work/cat.cypher.gz" | servers shell "$target_uri" >"$work/log" 2>&1 || return 1
    [ "$(digest "$target_uri")" = "$(cat "$work/$1.digest")" ]
}
# What a wipe deletes is a backup of its own, and brings it back.
wiped_comes_back() {
    cypher "$target_uri" <<<"CREATE (:Stranger {of: 'the backup'})-[:R]->(:Stranger); CREATE INDEX stranger FOR (s:Stranger) ON (s.of);"
    digest "$target_uri" >"$work/safety.digest"
    restores full Bucket || return 1
    grep '"event":"safetyBackup"' "$work/log" | jq -r .manifestKey >"$work/safety.key"
    restores safety
}
is_listed() { # OWNER N: so many complete backups
    [ "$("$bin/neo4j-backup" list --json --owner "$1" 2>"$work/log" | jq "[.backups[] | select(.ours and .state == \"Complete\")] | length")" = "$2" ]
}
fetches() { # POINT
    "$bin/neo4j-backup" fetch "$(cat "$work/$1.key")" --output "$work/fetched.cypher.gz" 2>"$work/log" &&
        cmp "$work/fetched.cypher.gz" "$work/cat.cypher.gz"
}

servers s3-up minio incr $((port + 2))
bucket make "$R2_BUCKET_NAME"
bucket sweep "$R2_BUCKET_NAME" ""
servers neo4j-up 5 incr-source "$port"
servers neo4j-up 5 incr-target $((port + 1))
empty "$source_uri"
"$py" "$here/graphs/social_graph.py" "$source_uri" --people "$nodes" --rels "$((nodes * 2))"

check "the first backup is whole" back_up full
check "what nobody changed is not stored again" back_up same
check "... not one chunk" test "$(stored_anew)" = 0
cypher "$source_uri" <<<"UNWIND range(1, $((nodes / 100))) AS i CREATE (:Person {id: 100000000 + i, name: 'appended ' + i, bio: toString(rand())});"
check "1 % appended" back_up appended
share 15
cypher "$source_uri" <<<"MATCH (p:Person) WHERE p.id >= $((nodes / 2)) AND p.id < $((nodes / 2 + nodes / 100)) SET p.bio = toString(rand());"
check "1 % changed side by side" back_up contiguous
share 25
cypher "$source_uri" <<<"MATCH (p:Person) WHERE p.id % 100 = 7 SET p.bio = toString(rand());"
check "1 % changed here and there" back_up scattered
for point in full same appended contiguous scattered; do
    check "point '$point' restores as it was" restores $point
done
check "the last point by plain cat and cypher-shell" cat_restores scattered
check "fetch writes the same bytes" fetches scattered
check "what a wipe deletes comes back" wiped_comes_back
check "... and is a backup of another owner" is_listed incr/test:safety 1
check "... and none of the policy's" is_listed incr/test 5
check "retention leaves alone what was restored" "$bin/neo4j-backup" prune --keep-last 1
check "... all of it" is_listed incr/test 5
let_go "$R2_BUCKET_NAME"
check "prune of that owner" "$bin/neo4j-backup" prune --owner incr/test:safety --all
check "... takes it" is_listed incr/test:safety 0
before=$(chunks)
check "retention" "$bin/neo4j-backup" prune --keep-last 1
check "... keeps the last point" verifies scattered
check "... no manifest but the last" test "$(bucket ls "$R2_BUCKET_NAME" | grep -c 'manifest\.json$')" = 1
echo "     chunks: $before, then $(chunks) (the young ones wait for a later prune)"
check "the last point restores afterwards" restores scattered
# shellcheck source=tests/e2e/drills.sh
. "$here/drills.sh"
finish
