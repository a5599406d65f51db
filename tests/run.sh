#!/usr/bin/env bash
# Sets everything up and passes every test: what `make test` runs.
#
#   tests/run.sh            all stages
#   tests/run.sh STAGE...   some of: deps lint unit asan tsan corpora campaigns tools chart compose e2e
#
# Prints one line a stage with its time and count, and ends with the plain line "N passed, N failed".
# Output of each stage goes to build/test-logs/STAGE.log; of a failed one the end is shown.
# The real parts (cluster, databases, S3 servers) are built in the background from the start.
set -euo pipefail
cd "$(dirname "$0")/.."
logs=$PWD/build/test-logs
mkdir -p "$logs"
jobs=$(nproc)
# What the end-to-end stories need; the quickest and most needed first.
real_parts="py helm minio neo4j-5 cypher-shell k8s coredns versitygw promlint age rage neo4j-4 neo4j-2026 apoc"
passed=0 failed=0
started=$(date +%s)
say() { printf '%s %s\n' "$(date -u +%H:%M:%S)" "$*"; }

if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "this needs root or sudo" >&2; exit 1; }
    exec sudo -E "$0" "$@"
fi

# stage NAME COMMAND...: counts the stage's own "N passed, N failed", or itself as one test.
stage() {
    local name=$1 log=$logs/$1.log t0 rc=0 line p=0 f=0
    shift
    t0=$(date +%s)
    say "$name: running"
    "$@" >"$log" 2>&1 </dev/null || rc=$?
    line=$(grep -aE '^([A-Za-z]+: )?[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 || true)
    if [ -n "$line" ]; then
        p=$(sed -E 's/^([A-Za-z]+: )?([0-9]+) passed.*/\2/' <<<"$line")
        f=$(sed -E 's/^.* passed, ([0-9]+) failed.*/\1/' <<<"$line")
        [ "$rc" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    elif [ "$rc" -eq 0 ]; then p=1; else f=1; fi
    passed=$((passed + p)) failed=$((failed + f))
    say "$name: $p passed, $f failed ($(($(date +%s) - t0)) s)"
    if [ "$rc" -ne 0 ]; then
        grep -aE 'FAIL|error:|warning:' "$log" | head -n 40 || true
        tail -n 40 "$log"
    fi
}

# A stage that nothing after it can do without.
need() {
    local before=$failed
    stage "$@"
    [ "$failed" -eq "$before" ] || finish
}

finish() {
    [ -z "${parts_pid:-}" ] || kill "$parts_pid" 2>/dev/null || true
    say "all stages: $(($(date +%s) - started)) s"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

parts() {
    [ -z "${parts_pid:-}" ] || { wait "$parts_pid" || true; parts_pid=; }
    # shellcheck disable=SC2086  # names are words
    tests/parts/get.sh $real_parts
}

all="deps lint unit asan tsan corpora campaigns tools chart compose e2e"
[ $# -gt 0 ] || set -- $all
for s in "$@"; do
    case $s in
    deps)
        need deps tests/parts/get.sh apt-build apt-lint apt-parts
        if [[ " $* " == *" e2e "* ]]; then
            # shellcheck disable=SC2086  # names are words
            nice -n 5 tests/parts/get.sh $real_parts >"$logs/parts-background.log" 2>&1 </dev/null &
            parts_pid=$!
        fi
        ;;
    lint) stage lint make -j"$jobs" lint ;;
    unit) stage unit make -j"$jobs" all unit ;;
    asan) stage asan make -j"$jobs" SAN=asan unit ;;
    tsan) stage tsan make -j"$jobs" SAN=tsan unit TESTS="$(tests/tsan-list)" ;;
    corpora) stage corpora make -j"$jobs" SAN=asan corpora ;;
    campaigns) stage campaigns make -j"$jobs" campaigns ;;
    tools) stage tools make -j"$jobs" test-tools ;;
    chart) stage chart tests/chart.sh ;;
    compose) stage compose tests/compose.sh ;;
    e2e)
        need parts parts
        stage e2e tests/e2e/run.sh
        ;;
    *) echo "no stage '$s'; there are: $all" >&2; exit 2 ;;
    esac
done
finish
