#!/usr/bin/env bash
# Exports while others write thousands of times a second. Every dump must restore through the real cypher-shell; every
# relationship must hang on the very nodes that it had, nothing be there twice, and what was there all the time be there.
#
#   live-writer.sh [ROUNDS] [FIRST SEED]        3 rounds from seed 1 unless said
#
# LIVE_NODES           nodes (20000)
# LIVE_BYTES_PER_SECOND  the export is slowed to that, so that much is written meanwhile (1000000)
# LIVE_LEDGER          a file to which a line a round is added (tests/campaigns/README.md); rounds whose seed is there as passed are not
#                      run again
# LIVE_PEAK_MIB        a worker that took more memory fails the round (64)
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
    NEO4J_URI=$source_uri NEO4J_USER=neo4j LOG_LEVEL=warn "$build/tests/tools/peak" "$work/live.peak" "$build/neo4j-backup" backup --output "$dump" \
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
    read -r peak took _ <"$work/live.peak"
    [ "$peak" -le $((${LIVE_PEAK_MIB:-64} * 1024)) ] || { echo "the worker took $peak KiB"; return 1; }
    [ "$verdict" = Closed ] || { echo "the verdict is $verdict: nothing was written meanwhile?"; return 1; }
    seen="$verdict in $(jq -r .fixupPasses "$manifest") passes, $(cat "$work/check"), $(tail -n 1 "$work/writer"), export of $((took / 1000)) s, peak $((peak / 1024)) MiB"
}

program=$(cat "$here/../../VERSION")+$(git -C "$here" rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
# note_round SEED FAILURES REMARKS
note_round() {
    [ -n "${LIVE_LEDGER:-}" ] || return 0
    [ -e "$LIVE_LEDGER" ] || printf '# first\tlast\tprogram\tdate (UTC)\tcases\tfailures\tremarks\n' >"$LIVE_LEDGER"
    printf '%s\t%s\t%s\t%s\t1\t%s\t%s\n' "$1" "$1" "$program" "$(date -u +%Y-%m-%dT%H:%MZ)" "$2" "$3" >>"$LIVE_LEDGER"
}
passed_before() {
    [ -n "${LIVE_LEDGER:-}" ] && awk -F '\t' -v s="$1" '$1 == s && $6 == "0" { found = 1 } END { exit !found }' "$LIVE_LEDGER" 2>/dev/null
}

servers neo4j-up 5 live-source 7797
servers neo4j-up 5 live-target 7798
live "$source_uri" empty
live "$source_uri" fill --nodes "${LIVE_NODES:-20000}"
for ((i = 0; i < rounds; i++, seed++)); do
    if passed_before "$seed"; then continue; fi
    if one_round "$seed"; then
        passed=$((passed + 1))
        echo "ok   seed $seed: $seen"
        note_round "$seed" 0 "$seen"
    else
        failed=$((failed + 1))
        echo "FAIL seed $seed"
        note_round "$seed" 1 failed
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
