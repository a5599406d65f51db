#!/usr/bin/env bash
# Goes on with a campaign: many cases, each made from its number alone, so that a number is all that is
# needed to see a failure again. What was run is written down in ledger/NAME.tsv, one line a range; the
# next run begins where the last line ends. See README.md.
#
#   run.sh NAME CASES [CASES_A_LINE]
#
# CAMPAIGN_PORT: the first of three ports for the API server of the controller's campaigns. CAMPAIGN_BIN: where the programs are (build/release). Ends with "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?the name of a campaign}
cases=${2:?how many cases}
chunk=${3:-$cases}
bin=${CAMPAIGN_BIN:-$here/../../build/release}
ledger=$here/ledger/$name.tsv
work=$(mktemp -d)
e2e=$here/../e2e
api=$work/api
trap 'case $name in controller-*) "$e2e/apiserver.sh" down "$api" ;; esac; rm -rf "$work"' EXIT
passed=0 failed=0

part() { "$here/../parts/get.sh" path "$1"; }

# Our answers to random schedules, held against two other programs.
cron_rows() {
    local rc=0
    "$bin/tests/tools/cron-next" "$1" "$2" >"$work/rows"
    "$(part robfig)" <"$work/rows" >"$work/out" || rc=$?
    PYTHONPATH=$(part cronsim) /usr/bin/python3 "$here/cronsim_peer.py" <"$work/rows" >>"$work/out" || rc=$?
    return "$rc"
}

# The number of failures is in the last line: NAME, cases, passed, failed, and what is to be said.
run_cases() { # FROM COUNT
    case $name in
    cron) cron_rows "$@" ;;
    controller-faults | controller-specs | controller-jobs)
        CONTROLLER=$bin/neo4j-backup-controller /usr/bin/python3 -B "$e2e/kube_${name#controller-}.py" "$api" "$@" "${CAMPAIGN_PARALLEL:-8}" >"$work/out"
        ;;
    kill-worker) KILL_RESTORE=1 "$e2e/kill-worker.sh" "$2" "$1" >"$work/out" ;;
    kill-chain) "$e2e/kill-chain.sh" "$2" "$1" >"$work/out" ;;
    cypher-shell) "$here/cypher-shell.sh" "$@" >"$work/out" ;;
    *) "$bin/tests/campaigns/campaign_${name//-/_}" "$@" >"$work/out" ;;
    esac
}

case $name in
cron) "$here/../parts/get.sh" robfig cronsim ;;
controller-*)
    "$here/../parts/get.sh" k8s helm
    bin=$(cd "$bin" && pwd)
    "$e2e/apiserver.sh" up "$api" "${CAMPAIGN_PORT:-16440}" >/dev/null
    ;;
esac
[ -e "$ledger" ] || printf '# first\tlast\tprogram\tdate (UTC)\tcases\tfailures\tremarks\n' >"$ledger"
program=$(cat "$here/../../VERSION")+$(git -C "$here" rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
while [ "$cases" -gt 0 ]; do
    from=$(awk -F '\t' '/^[0-9]/ && $2 >= n { n = $2 + 1 } END { print n + 0 }' "$ledger")
    [ "$chunk" -le "$cases" ] || chunk=$cases
    run_cases "$from" "$chunk" || true
    grep -aE '^(different|failed)' "$work/out" || true
    bad=$(awk -F '\t' 'NF >= 4 && $4 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/ { n += $4; seen = 1 } END { print seen ? n + 0 : 1 }' "$work/out")
    remarks=$(awk -F '\t' 'NF >= 4 && $2 ~ /^[0-9]+$/ && $5 != "" { printf "%s%s: %s", sep, $1, $5; sep = "; " }' "$work/out")
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$from" $((from + chunk - 1)) "$program" "$(date -u +%Y-%m-%dT%H:%MZ)" \
        "$chunk" "$bad" "$remarks" >>"$ledger"
    passed=$((passed + chunk - bad)) failed=$((failed + bad))
    cases=$((cases - chunk))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
