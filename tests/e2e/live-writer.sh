#!/usr/bin/env bash
# Exports while others write thousands of times a second. Every dump must restore through the real cypher-shell; every
# relationship must hang on the very nodes that it had, nothing be there twice, and what was there all the time be there.
#
#   live-writer.sh [ROUNDS] [FIRST SEED]        3 rounds from seed 1 unless said
#
# LIVE_NODES           nodes (20000)
# LIVE_BYTES_PER_SECOND  the export is slowed to that, so that much is written meanwhile (1000000)
# LIVE_LEDGER          a file to which a line a round is added; rounds whose seed is there as passed are not run again
# Ends with "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${1:-3} seed=${2:-1}
build=$here/../../build/release
py=$("$here/../parts/get.sh" path py)
export E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7}
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD E2E_HOST=127.0.0.1
source_uri=bolt://127.0.0.1:7797 target_uri=bolt://127.0.0.1:7798
work=$(mktemp -d)
passed=0 failed=0 writer=
servers() { "$here/servers.sh" "$@"; }
clean_up() {
    [ -z "$writer" ] || kill "$writer" 2>/dev/null || true
    rm -rf "$work"
    servers neo4j-wipe live-source >/dev/null 2>&1 || true
    servers neo4j-wipe live-target >/dev/null 2>&1 || true
}
trap clean_up EXIT
live() { "$py" "$here/live_writer.py" "$@"; }
# one_round SEED -> says why and fails, or says what was seen
one_round() {
    local dump=$work/live.cypher.gz manifest verdict rc=0
    rm -f "$work"/live.*
    live "$source_uri" snapshot "$work/before"
    "$py" "$here/live_writer.py" "$source_uri" write --seed "$1" >"$work/writer" 2>&1 & # not through live(): it is to get the signal
    writer=$!
    timeout 20 bash -c "until grep -q writing '$work/writer'; do sleep 0.1; done" || { cat "$work/writer"; return 1; }
    NEO4J_URI=$source_uri NEO4J_USER=neo4j LOG_LEVEL=warn /usr/bin/env "$build/neo4j-backup" backup --output "$dump" \
        --max-bytes-per-second "${LIVE_BYTES_PER_SECOND:-1000000}" >"$work/backup" 2>&1 || rc=$?
    kill "$writer"
    wait "$writer" || { cat "$work/writer"; return 1; }
    writer=
    live "$source_uri" snapshot "$work/after"
    [ "$rc" -eq 0 ] || { echo "the backup ended with $rc"; tail -n 5 "$work/backup"; return 1; }
    manifest=$(ls "$work"/live.*manifest.json)
    verdict=$(jq -r .consistency "$manifest")
    live "$target_uri" empty
    gunzip -c "$dump" | servers shell "$target_uri" >"$work/shell" 2>&1 || { tail -n 5 "$work/shell"; return 1; }
    live "$target_uri" check "$work/before" "$work/after" >"$work/check" 2>&1 || { tail -n 1 "$work/check"; return 1; }
    [ "$verdict" = Closed ] || { echo "the verdict is $verdict: nothing was written meanwhile?"; return 1; }
    seen="$verdict in $(jq -r .fixupPasses "$manifest") passes, $(cat "$work/check"), $(tail -n 1 "$work/writer")"
}

servers neo4j-up 5 live-source 7797
servers neo4j-up 5 live-target 7798
live "$source_uri" empty
live "$source_uri" fill --nodes "${LIVE_NODES:-20000}"
for ((i = 0; i < rounds; i++, seed++)); do
    if [ -n "${LIVE_LEDGER:-}" ] && grep -q "^$seed	passed" "$LIVE_LEDGER" 2>/dev/null; then continue; fi
    if one_round "$seed"; then
        passed=$((passed + 1))
        echo "ok   seed $seed: $seen"
        [ -z "${LIVE_LEDGER:-}" ] || printf '%s\tpassed\t%s\n' "$seed" "$seen" >>"$LIVE_LEDGER"
    else
        failed=$((failed + 1))
        echo "FAIL seed $seed"
        [ -z "${LIVE_LEDGER:-}" ] || printf '%s\tfailed\n' "$seed" >>"$LIVE_LEDGER"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
